"""Ask along the route and relay the answer to the turn log."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from chatapp.domain import AnswerPart, Source, Usage
from chatapp.errors import AppError, PromptTooLong, TooManyInFlight, UpstreamError
from chatapp.pipeline.compose import Prompts, describe_source
from chatapp.pipeline.escalate import climbed, ends_on, is_held, judge, taken_back
from chatapp.pipeline.gauge import learn_from_report, likely_text_tokens, likely_tokens
from chatapp.pipeline.marks import MarkFilter
from chatapp.pipeline.output_form import problem_of
from chatapp.pipeline.turn import Stopped, Turn
from chatapp.pipeline.upstream import upstream_for
from chatapp.providers.base import ProviderRequest, form_of
from chatapp.routing.chain import Chain, Patience, Wish
from chatapp.routing.route import Deployment
from chatapp.routing.upstream import NoFreePlace


async def generate(turn: Turn) -> Turn:
    """Stream the answer. What arrived before a stop or a failure is kept, and the turn says which it was.

    On a ladder an answer that will not do is given up for that of the next rung, before anybody has read it; where
    nobody higher up answers, it is what there is.
    """
    given_up: tuple[Turn, _Relay] | None = None
    while True:
        relay = _Relay(turn)
        answered, climb = await judge(await _answered(turn, relay), is_shown=relay.ttft_ms is not None)
        if climb is None:
            if answered.error is not None and relay.ttft_ms is None and given_up is not None:
                answered, relay = taken_back(given_up[0], answered), given_up[1]
            relay.show()
            await turn.writer.flush()
            return replace(answered, ttft_ms=relay.ttft_ms)
        if answered.error is None:
            given_up = answered, relay
        turn = climbed(turn, answered, climb)


def _as_told(failure: UpstreamError) -> AppError:
    """A provider without a place has not failed: too much is being asked."""
    if isinstance(failure, NoFreePlace):
        return TooManyInFlight(failure.message, retry_after_seconds=failure.retry_after_seconds or 1.0)
    return failure


async def _answered(turn: Turn, relay: _Relay) -> Turn:
    """The turn as one rung answers it, with the time that is left."""
    began_ms = turn.elapsed_ms()
    error: AppError | None = None
    try:
        await turn.stop.watch(relay.run())
    except Stopped:
        relay.finish_reason = "stop"
    except UpstreamError as failure:
        error = _as_told(failure)
        relay.finish_reason = "error"
    relay.finish()
    relay.learn()
    seconds_left = turn.limits.answer_seconds - (turn.elapsed_ms() - began_ms) / 1000
    offset_ms = turn.attempts[-1].start_ms + turn.attempts[-1].duration_ms if turn.attempts else 0.0
    done = replace(
        turn,
        limits=replace(turn.limits, answer_seconds=seconds_left),
        answer=relay.answer,
        sources=relay.sources,
        finish_reason=relay.finish_reason,
        answered_by=relay.chain.deployment,
        attempts=(*turn.attempts, *(each.later(offset_ms) for each in relay.chain.attempts)),
        parts=relay.parts,
        prompt=relay.prompts.facts,
        error=error or turn.error,
    )
    return done.with_usage(relay.chain.usage, relay.chain.cost_micro_usd)


class _Relay:
    """One answer from the route to the turn log."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        is_text = form_of(turn.parameters) == "text"
        # In JSON a number in brackets is a list.
        self._filter = MarkFilter(len(turn.sources) if is_text else 0)
        self._pieces: list[str] = []
        self._announced = 0
        """How many of the sources mentioned the readers have been told."""
        self._is_held = is_held(turn)
        self.finish_reason = ""
        self.ttft_ms: float | None = None
        """When its first text was shown."""
        self.prompts = Prompts(turn)
        self._parts: list[AnswerPart] = []
        self.chain = Chain(
            route=turn.route,
            request_for=self._request_for,
            estimate=_estimated_usage,
            patience=Patience(turn.limits.first_token_seconds, turn.limits.answer_seconds),
            on_begin=self._say_who_is_asked,
            open_upstream=partial(upstream_for, turn),
            ends_on=ends_on(turn),
            check=None if is_text else partial(problem_of, parameters=turn.parameters),
        )

    @property
    def answer(self) -> str:
        return "".join(self._pieces)

    @property
    def parts(self) -> tuple[AnswerPart, ...]:
        """Who wrote what, where more than one model wrote some of it."""
        return tuple(self._parts) if len(self._parts) > 1 else ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources as the answer numbers them: in the order of their first mention, then those not mentioned."""
        by_number = {source.number: source for source in self._turn.sources}
        mentioned = [by_number.pop(number) for number in self._filter.mentioned]
        return tuple(replace(source, number=at) for at, source in enumerate((*mentioned, *by_number.values()), 1))

    async def run(self) -> None:
        async with aclosing(self.chain.stream()) as stream:
            async for delta in stream:
                if delta.text:
                    self._note_writer()
                    self._add(self._filter.feed(delta.text))
                if delta.finish_reason:
                    self.finish_reason = delta.finish_reason
        if self._is_held:
            await self._turn.writer.emit("status", {"stage": "check", "text": "Checking the answer"})

    def show(self) -> None:
        """Let the readers have what was held."""
        if self._is_held and self._pieces:
            self._write(self.answer)

    def finish(self) -> None:
        self._add(self._filter.finish())

    def learn(self) -> None:
        """Compare the provider's count of the prompt with ours, so that the next is counted better."""
        last = self.chain.attempts[-1] if self.chain.attempts else None
        writer = self.chain.deployment
        if writer is None or last is None or last.usage is None or last.usage.is_estimated or writer.provider.quotes:
            return
        learn_from_report(writer, self.prompts.likely_tokens, last.usage.input_tokens)

    async def _request_for(self, deployment: Deployment, wish: Wish) -> ProviderRequest | None:
        last = self.chain.attempts[-1] if self.chain.attempts else None
        is_too_long = wish.reduction > 0 and last is not None and last.error == PromptTooLong.code
        return await self.prompts.request_for(deployment, wish, refusal=last.message if last and is_too_long else "")

    async def _say_who_is_asked(self, deployment: Deployment, written: str) -> None:
        """Tell the readers who writes what comes next; where the answer goes on, from which character."""
        said: dict[str, Any] = {"stage": "generate", "text": f"Asking {deployment.model}", "model": deployment.model}
        if written and not self._is_held:
            said |= {"stage": "continue", "text": f"Continued by {deployment.model}", "start": len(self.answer)}
        elif deployment.provider.quotes:
            said["text"] = "Looking for what to quote"
        await self._turn.writer.emit("status", said)

    def _note_writer(self) -> None:
        writer = self.chain.deployment
        if writer is not None and (not self._parts or self._parts[-1].model != writer.model):
            self._parts.append(AnswerPart(len(self.answer), writer.model))

    def _add(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        if not self._is_held:
            self._write(text)

    def _write(self, text: str) -> None:
        if self.ttft_ms is None:
            self.ttft_ms = self._turn.elapsed_ms()
        before, self._announced = self._announced, len(self._filter.mentioned)
        fresh = self.sources[before : self._announced] if self._announced > before else ()
        self._turn.writer.add_text(text, [describe_source(source) for source in fresh])


def _estimated_usage(request: ProviderRequest, text: str) -> Usage:
    sent = likely_tokens(request.model, [message.content for message in request.messages])
    return Usage(sent, likely_text_tokens(request.model, text), is_estimated=True)

"""Ask along the route and relay the answer to the turn log."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from functools import partial

from chatapp.domain import Source, Usage
from chatapp.errors import UpstreamError
from chatapp.pipeline.compose import describe_source, request_for
from chatapp.pipeline.marks import MarkFilter
from chatapp.pipeline.tokens import estimate_message_tokens, estimate_tokens
from chatapp.pipeline.turn import Stopped, Turn
from chatapp.pipeline.upstream import upstream_for
from chatapp.providers.base import ProviderRequest
from chatapp.routing.chain import Chain, Patience
from chatapp.routing.route import Deployment


async def generate(turn: Turn) -> Turn:
    """Stream the answer. What arrived before a stop or a failure is kept, and the turn says which it was."""
    relay = _Relay(turn)
    error: UpstreamError | None = None
    try:
        await turn.stop.watch(relay.run())
    except Stopped:
        relay.finish_reason = "stop"
    except UpstreamError as failure:
        error = failure
        relay.finish_reason = "error"
    relay.finish()
    await turn.writer.flush()
    done = replace(
        turn,
        answer=relay.answer,
        sources=relay.sources,
        finish_reason=relay.finish_reason,
        ttft_ms=relay.ttft_ms,
        answered_by=relay.chain.deployment,
        attempts=tuple(relay.chain.attempts),
        error=error or turn.error,
    )
    return done.with_usage(relay.chain.usage, relay.chain.cost_micro_usd)


class _Relay:
    """One answer from the route to the turn log."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._filter = MarkFilter(len(turn.sources))
        self._pieces: list[str] = []
        self._announced = 0
        """How many of the sources mentioned the readers have been told."""
        self.finish_reason = ""
        self.ttft_ms: float | None = None
        self.chain = Chain(
            route=turn.route,
            request_for=partial(request_for, turn),
            estimate=_estimated_usage,
            patience=Patience(turn.limits.first_token_seconds, turn.limits.answer_seconds),
            on_begin=self._say_who_is_asked,
            open_upstream=partial(upstream_for, turn),
        )

    @property
    def answer(self) -> str:
        return "".join(self._pieces)

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
                    if self.ttft_ms is None:
                        self.ttft_ms = self._turn.elapsed_ms()
                    self._add(self._filter.feed(delta.text))
                if delta.finish_reason:
                    self.finish_reason = delta.finish_reason

    def finish(self) -> None:
        self._add(self._filter.finish())

    async def _say_who_is_asked(self, deployment: Deployment, written: str) -> None:
        if written:
            text = f"Continued by {deployment.model}"
            await self._turn.writer.emit("status", {"stage": "continue", "text": text, "model": deployment.model})
        elif not deployment.provider.quotes:
            text = f"Asking {deployment.model}"
            await self._turn.writer.emit("status", {"stage": "generate", "text": text})

    def _add(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        before, self._announced = self._announced, len(self._filter.mentioned)
        fresh = self.sources[before : self._announced] if self._announced > before else ()
        self._turn.writer.add_text(text, [describe_source(source) for source in fresh])


def _estimated_usage(request: ProviderRequest, text: str) -> Usage:
    sent = sum(estimate_message_tokens(message.content) for message in request.messages)
    return Usage(sent, estimate_tokens(text), is_estimated=True)

"""Ask the provider and relay its stream to the turn log."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from chatapp.domain import Source, Usage
from chatapp.errors import ProviderTimeout, ProviderUnavailable, UpstreamError
from chatapp.pipeline.compose import describe_source
from chatapp.pipeline.marks import MarkFilter
from chatapp.pipeline.tokens import estimate_message_tokens, estimate_tokens
from chatapp.pipeline.turn import Stopped, Turn
from chatapp.providers.base import ProviderRequest


async def generate(turn: Turn) -> Turn:
    """Stream the answer. What arrived before a stop or a failure is kept, and the turn says which it was."""
    relay = _Relay(turn)
    error: UpstreamError | None = None
    if not turn.route.provider.quotes:
        await turn.writer.emit("status", {"stage": "generate", "text": f"Asking {turn.route.model}"})
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
        error=error or turn.error,
    )
    return done.with_usage(relay.usage or _estimated_usage(turn, relay.answer))


class _Relay:
    """One stream from the provider to the turn log."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._filter = MarkFilter(len(turn.sources))
        self._pieces: list[str] = []
        self._announced = 0
        """How many of the sources mentioned the readers have been told."""
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.ttft_ms: float | None = None

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
        turn = self._turn
        request = ProviderRequest(
            model=turn.route.provider_model,
            messages=turn.messages,
            parameters=turn.parameters,
            excerpts=turn.excerpts,
            searched=tuple(collection.name for collection in turn.collections) if turn.is_searching else None,
        )
        try:
            async with (
                asyncio.timeout(turn.limits.first_token_seconds) as deadline,
                aclosing(turn.route.provider.stream(request)) as stream,
            ):
                async for delta in stream:
                    if delta.text:
                        if self.ttft_ms is None:
                            self.ttft_ms = turn.elapsed_ms()
                            # From here on only the whole answer's deadline counts; silence is the provider's to notice.
                            deadline.reschedule(asyncio.get_running_loop().time() + turn.limits.answer_seconds)
                        self._add(self._filter.feed(delta.text))
                    if delta.finish_reason:
                        self.finish_reason, self.usage = delta.finish_reason, delta.usage
        except TimeoutError:
            raise self._too_slow() from None
        if self.ttft_ms is None:
            raise ProviderUnavailable("The model returned an empty answer. Try again.")

    def finish(self) -> None:
        self._add(self._filter.finish())

    def _add(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        before, self._announced = self._announced, len(self._filter.mentioned)
        fresh = self.sources[before : self._announced] if self._announced > before else ()
        self._turn.writer.add_text(text, [describe_source(source) for source in fresh])

    def _too_slow(self) -> ProviderTimeout:
        if self.ttft_ms is None:
            return ProviderTimeout("The model did not begin to answer in time. Try again.")
        return ProviderTimeout("The answer took longer than is allowed and was cut off.")


def _estimated_usage(turn: Turn, answer: str) -> Usage:
    sent = sum(estimate_message_tokens(message.content) for message in turn.messages)
    return Usage(sent, estimate_tokens(answer), is_estimated=True)

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from uuid import UUID

import pytest

from chatapp.cache import single_flight
from chatapp.cache.single_flight import Seat, joined, key_of
from chatapp.domain import PromptMessage, Usage
from chatapp.errors import ProviderOverloaded, ProviderUnavailable
from chatapp.providers.base import Delta, Excerpt, ProviderRequest

TENANT, OTHER = UUID(int=1), UUID(int=2)
WORDS = [f"word{number} " for number in range(1, 7)]


class Provider:
    """A call that goes on when told."""

    def __init__(self) -> None:
        self.calls = 0
        self.closed = 0
        self.may_begin = asyncio.Event()
        self.may_begin.set()
        self.steps = asyncio.Semaphore(0)
        self.error: Exception | None = None
        self.refusal: Exception | None = None

    def go(self, steps: int = 100) -> None:
        for _ in range(steps):
            self.steps.release()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncGenerator[Delta, None]]:
        self.calls += 1
        await self.may_begin.wait()
        if self.refusal is not None:
            raise self.refusal
        async with aclosing(self._stream()) as stream:
            yield stream

    async def _stream(self) -> AsyncGenerator[Delta, None]:
        try:
            for number, word in enumerate(WORDS):
                await self.steps.acquire()
                if self.error is not None and number == 3:
                    raise self.error
                yield Delta(word)
            yield Delta(finish_reason="stop", usage=Usage(10, 6))
        finally:
            self.closed += 1


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    yield Provider()
    assert not single_flight._Flights.by_key


async def read(provider: Provider, key: str = "k", *, stop_after: int | None = None) -> tuple[str, bool, Usage | None]:
    """What one asker gets, whether they pay, and what usage they could see."""
    text = ""
    async with joined(key, provider.begin) as seat:
        try:
            async for delta in seat.deltas():
                text += delta.text
                if stop_after is not None and len(text.split()) == stop_after:
                    break
        finally:
            pays = seat.leave()
    return text, pays, seat.reported()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_same_at_the_same_moment_is_one_call_that_one_pays(provider: Provider) -> None:
    readers = [asyncio.create_task(read(provider)) for _ in range(50)]
    await settle()
    provider.go()
    outcomes = await asyncio.gather(*readers)
    assert provider.calls == 1
    assert {text for text, _, _ in outcomes} == {"".join(WORDS)}
    assert [pays for _, pays, _ in outcomes] == [True] + [False] * 49
    assert provider.closed == 1


async def test_who_comes_late_has_the_beginning_too(provider: Provider) -> None:
    first = asyncio.create_task(read(provider))
    provider.go(4)
    await settle()
    second = asyncio.create_task(read(provider))
    await settle()
    provider.go()
    assert [text for text, _, _ in await asyncio.gather(first, second)] == ["".join(WORDS)] * 2
    assert provider.calls == 1


async def test_what_comes_after_the_end_is_a_call_of_its_own(provider: Provider) -> None:
    provider.go(200)
    await read(provider)
    await read(provider)
    assert provider.calls == 2


async def test_other_keys_do_not_share(provider: Provider) -> None:
    provider.go(200)
    await asyncio.gather(read(provider, "a"), read(provider, "b"))
    assert provider.calls == 2


async def test_the_one_who_called_may_leave_and_the_next_one_pays(provider: Provider) -> None:
    first = asyncio.create_task(read(provider, stop_after=2))
    second = asyncio.create_task(read(provider))
    third = asyncio.create_task(read(provider))
    await settle()
    provider.go(2)
    assert (await first)[:2] == ("".join(WORDS[:2]), False)
    assert provider.closed == 0
    provider.go()
    assert [(await each)[:2] for each in (second, third)] == [("".join(WORDS), True), ("".join(WORDS), False)]


async def test_the_call_ends_when_everybody_has_left_and_the_last_one_pays(provider: Provider) -> None:
    readers = [asyncio.create_task(read(provider, stop_after=count)) for count in (1, 2, 3)]
    await settle()
    provider.go(3)
    assert [pays for _, pays, _ in await asyncio.gather(*readers)] == [False, False, True]
    assert provider.closed == 1


async def test_a_call_is_closed_when_its_last_reader_is_cancelled(provider: Provider) -> None:
    readers = [asyncio.create_task(read(provider)) for _ in range(3)]
    await settle()
    provider.go(1)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    assert provider.closed == 1


async def test_a_call_somebody_gave_up_is_nothing_for_newcomers(provider: Provider) -> None:
    stalled = [asyncio.create_task(read(provider)) for _ in range(2)]
    await settle()
    stalled[0].cancel()
    await settle()
    newcomer = asyncio.create_task(read(provider))
    await settle()
    assert provider.calls == 2
    provider.go()
    await asyncio.gather(stalled[1], newcomer)


async def test_a_failure_is_everybodys_with_what_came_before(provider: Provider) -> None:
    provider.error = ProviderUnavailable("It broke off.")
    seen: list[str] = []

    async def follow() -> bool:
        async with joined("k", provider.begin) as seat:
            text = ""
            with pytest.raises(ProviderUnavailable, match="broke off"):
                async for delta in seat.deltas():
                    text += delta.text
            seen.append(text)
            return seat.leave()

    readers = [asyncio.create_task(follow()) for _ in range(3)]
    await settle()
    provider.go()
    assert await asyncio.gather(*readers) == [True, False, False]
    assert seen == ["".join(WORDS[:3])] * 3


async def test_a_call_that_never_goes_out_is_refused_to_everybody(provider: Provider) -> None:
    provider.may_begin.clear()
    provider.refusal = ProviderOverloaded("There is no place.")
    readers = [asyncio.create_task(read(provider)) for _ in range(3)]
    await settle()
    provider.may_begin.set()
    outcomes = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(each) for each in outcomes] == [ProviderOverloaded] * 3
    assert provider.calls == 1


async def test_who_leaves_before_the_call_goes_out_stops_it(provider: Provider) -> None:
    provider.may_begin.clear()
    reader = asyncio.create_task(read(provider))
    await settle()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert not single_flight._Flights.by_key


async def test_usage_is_known_also_to_who_stopped_reading_at_the_end(provider: Provider) -> None:
    async with AsyncExitStack() as stack:
        seat: Seat = await stack.enter_async_context(joined("k", provider.begin))
        provider.go()
        await settle()
        assert seat.leave()
        assert seat.reported() == Usage(10, 6)


def request(**changes: object) -> ProviderRequest:
    values: dict = {"model": "m", "messages": (PromptMessage("user", "Why?"),), "parameters": {"temperature": 0}}
    return ProviderRequest(**(values | changes))


@pytest.mark.parametrize(
    "other",
    [
        key_of(OTHER, "p/m", request()),
        key_of(TENANT, "q/m", request()),
        key_of(TENANT, "p/m", request(model="n")),
        key_of(TENANT, "p/m", request(messages=(PromptMessage("user", "Why ?"),))),
        key_of(TENANT, "p/m", request(messages=(PromptMessage("system", "Why?"),))),
        key_of(TENANT, "p/m", request(messages=(PromptMessage("user", "a"), PromptMessage("user", "b")))),
        key_of(TENANT, "p/m", request(parameters={"temperature": 1})),
        key_of(TENANT, "p/m", request(parameters={})),
        key_of(TENANT, "p/m", request(excerpts=(Excerpt(1, "text", "a.txt", 1),))),
        key_of(TENANT, "p/m", request(searched=("Manuals",))),
    ],
    ids=["tenant", "provider", "model", "text", "role", "messages", "parameter", "no parameter", "source", "searched"],
)
def test_whatever_an_answer_depends_on_tells_requests_apart(other: str) -> None:
    assert key_of(TENANT, "p/m", request()) == key_of(TENANT, "p/m", request())
    assert other != key_of(TENANT, "p/m", request())
    assert key_of(TENANT, "p/m", request()).startswith(str(TENANT))

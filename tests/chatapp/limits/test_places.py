from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from chatapp.errors import TooManyInFlight
from chatapp.limits import places as module
from chatapp.limits.fair_queue import Claim, Lane
from chatapp.limits.places import Crowd, Places
from chatapp.limits.shared_places import SharedPlaces
from chatapp.store import redis, shared_places
from tests.faults.clock import Clock

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


class Askers:
    """Tasks that want a place and keep it until told."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.served: list[str] = []
        self.told: dict[str, list[int]] = {}
        self._done: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def ask(self, name: str, claim: Claim, **options: Any) -> None:
        self._done[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, claim, {"patience_seconds": 20, **options}))

    async def _hold(self, name: str, claim: Claim, options: dict[str, Any]) -> None:
        async def told(number: int) -> None:
            self.told.setdefault(name, []).append(number)

        async with self.places.place(claim, on_wait=told, **options):
            self.served.append(name)
            await self._done[name].wait()

    async def leave(self, name: str) -> None:
        self._done[name].set()
        await self.tasks[name]
        await settle()

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def make() -> AsyncIterator[Callable[[int], Askers]]:
    made: list[Askers] = []

    def of(count: int) -> Askers:
        made.append(Askers(Places("turns", places=count, of_installation=False)))
        return made[-1]

    yield of
    for askers in made:
        await askers.close()


Make = Callable[[int], Askers]


async def test_there_are_never_more_than_there_are_places(make: Make) -> None:
    askers = make(2)
    for name in "abcde":
        askers.ask(name, Claim(ONE, name))
    await settle()
    assert askers.served == ["a", "b"]
    await askers.leave("a")
    assert askers.served == ["a", "b", "c"]
    assert askers.places.crowd().running == 2
    assert askers.places.crowd().waiting == 2


async def test_places_go_round_the_tenants(make: Make) -> None:
    askers = make(1)
    for name in ("a1", "a2", "a3", "a4"):
        askers.ask(name, Claim(ONE, "a"))
    askers.ask("b1", Claim(TWO, "b"))
    askers.ask("c1", Claim(THREE, "c", Lane.BATCH))
    askers.ask("b2", Claim(TWO, "b"))
    await settle()
    for number in range(6):
        await askers.leave(askers.served[number])
    assert askers.served == ["a1", "a2", "b1", "a3", "b2", "a4", "c1"]


async def test_a_tenant_at_its_limit_leaves_places_to_others(make: Make) -> None:
    askers = make(3)
    for name in ("a1", "a2", "a3"):
        askers.ask(name, Claim(ONE, "a"), of_tenant=1)
    askers.ask("b1", Claim(TWO, "b"), of_tenant=5)
    await settle()
    assert askers.served == ["a1", "b1"]
    await askers.leave("a1")
    assert askers.served == ["a1", "b1", "a2"]
    assert askers.places.crowds()[ONE].waiting == 1


async def test_a_place_comes_back_however_its_holder_ends(make: Make) -> None:
    askers = make(1)
    for name in "abcd":
        askers.ask(name, Claim(ONE, name))
    await settle()
    askers.tasks["a"].cancel()
    askers.tasks["c"].cancel()
    await asyncio.gather(askers.tasks["a"], askers.tasks["c"], return_exceptions=True)
    await settle()
    assert askers.served == ["a", "b"]
    with pytest.raises(ZeroDivisionError):
        async with make(1).places.place(Claim(ONE, "x"), patience_seconds=1):
            raise ZeroDivisionError
    await askers.leave("b")
    await askers.leave("d")
    assert askers.served == ["a", "b", "d"]
    assert askers.places.crowd() == Crowd()
    assert not askers.places.crowds()


async def test_who_is_given_a_place_and_cancelled_at_the_same_moment_gives_it_back(make: Make) -> None:
    askers = make(1)
    for name in "abc":
        askers.ask(name, Claim(ONE, name))
    await settle()
    askers._done["a"].set()
    await asyncio.sleep(0)
    askers.tasks["b"].cancel()
    await settle()
    assert "c" in askers.served
    await askers.leave("c")
    assert askers.places.crowd() == Crowd()


async def test_waiting_ends_with_a_clear_error(make: Make) -> None:
    askers = make(1)
    askers.ask("a", Claim(ONE, "a"))
    await settle()
    with pytest.raises(TooManyInFlight) as caught:
        async with askers.places.place(Claim(ONE, "b"), patience_seconds=0.05):
            pytest.fail("there is no place")
    assert "Try again" in caught.value.message
    assert caught.value.retry_after_seconds > 0
    assert askers.places.crowd().waiting == 0


async def test_a_refused_wait_says_how_many_are_before(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SAY_AFTER_SECONDS", 0.01)
    monkeypatch.setattr(module, "_SAY_AGAIN_SECONDS", 0.01)
    askers = make(1)
    for name in "abcd":
        askers.ask(name, Claim(ONE, name))
    await asyncio.sleep(0.1)
    assert {name: told[-1] for name, told in askers.told.items()} == {"b": 1, "c": 2, "d": 3}
    await askers.leave("a")
    await asyncio.sleep(0.1)
    assert askers.told["d"] == [3, 2]


async def test_the_wait_expected_grows_with_the_queue_and_not_for_others(make: Make) -> None:
    askers = make(1)
    busy, calm = Claim(ONE, "a"), Claim(TWO, "b")
    assert askers.places.expected_wait(busy) == 0
    for number in range(11):
        askers.ask(f"a{number}", busy)
    await settle()
    assert askers.places.expected_wait(busy) == pytest.approx(11 * askers.places._seconds)
    assert askers.places.expected_wait(calm) == pytest.approx(2 * askers.places._seconds)


async def test_the_wait_expected_at_the_start_goes_by_what_is_held_and_soon_by_what_came_back(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    askers = make(1)
    claim, other = Claim(ONE, "a"), Claim(TWO, "b")
    askers.ask("a", claim)
    await settle()
    assert askers.places.expected_wait(other) == 2.0
    clock.now += 30
    assert askers.places.expected_wait(other) == 30.0
    await askers.leave("a")
    for name in "bcdef":
        askers.ask(name, claim)
        await settle()
        clock.now += 30
        await askers.leave(name)
    askers.ask("g", claim)
    await settle()
    assert askers.places.expected_wait(other) == pytest.approx(26)


async def test_the_wait_expected_counts_a_tenants_own_limit(make: Make) -> None:
    askers = make(100)
    for number in range(4):
        askers.ask(f"a{number}", Claim(ONE, "a"), of_tenant=2)
    await settle()
    assert askers.places.expected_wait(Claim(ONE, "a"), of_tenant=2) == pytest.approx(3 * askers.places._seconds / 2)
    assert askers.places.expected_wait(Claim(TWO, "a"), of_tenant=2) == 0


async def test_more_places_are_given_out_at_once(make: Make) -> None:
    askers = make(1)
    for name in "abc":
        askers.ask(name, Claim(ONE, name))
    await settle()
    askers.places.resize(3)
    await settle()
    assert askers.served == ["a", "b", "c"]


# Over several processes: each has its own `SharedPlaces`; Redis is between them.


@pytest.fixture
async def processes(redis_url: str) -> AsyncIterator[Callable[..., Coroutine[Any, Any, list[Askers]]]]:
    redis.open_redis(redis_url)
    async with AsyncExitStack() as stack:

        async def start(count: int, places: int, *, of_installation: bool = True) -> list[Askers]:
            made = []
            for _ in range(count):
                shared = SharedPlaces()
                shared.open()
                stack.push_async_callback(shared.close)
                askers = Askers(Places("gate", places=places, of_installation=of_installation, shared=shared))
                stack.push_async_callback(askers.close)
                made.append(askers)
            return made

        yield start
    await redis.close_redis()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not is_so():
            await asyncio.sleep(0.01)


Processes = Callable[..., Coroutine[Any, Any, list[Askers]]]


async def test_processes_share_the_places_of_the_installation(processes: Processes) -> None:
    one, two = await processes(2, 3)
    for number in range(5):
        one.ask(f"one{number}", Claim(ONE, "a"))
        two.ask(f"two{number}", Claim(TWO, "b"))
    await until(lambda: len(one.served) + len(two.served) == 3)
    for _ in range(7):
        served = len(one.served) + len(two.served)
        busiest = max((one, two), key=lambda askers: askers.places.crowd().running)
        await busiest.leave(next(name for name in busiest.served if not busiest.tasks[name].done()))
        await until(lambda before=served: len(one.served) + len(two.served) == before + 1)
        assert one.places.crowd().running + two.places.crowd().running == 3
    assert (len(one.served), len(two.served)) == (5, 5)


async def test_processes_share_the_places_of_a_tenant_and_not_those_of_another(processes: Processes) -> None:
    one, two = await processes(2, 100, of_installation=False)
    one.ask("one1", Claim(ONE, "a"), of_tenant=1)
    await until(lambda: one.served == ["one1"])
    two.ask("two1", Claim(ONE, "a"), of_tenant=1)
    two.ask("two2", Claim(TWO, "a"), of_tenant=1)
    await until(lambda: two.served == ["two2"])
    await one.leave("one1")
    await until(lambda: two.served == ["two2", "two1"])


async def test_no_process_takes_every_place_that_comes_free(processes: Processes) -> None:
    one, two = await processes(2, 1)
    for number in range(3):
        one.ask(f"one{number}", Claim(ONE, "a"))
    await until(lambda: one.served == ["one0"])
    two.ask("two0", Claim(ONE, "b"))
    await until(lambda: two.places.crowd().waiting == 1)
    for _ in range(2):
        for askers in (one, two):
            name = next((name for name in askers.served if not askers.tasks[name].done()), None)
            if name:
                served = len(one.served) + len(two.served)
                await askers.leave(name)
                await until(lambda before=served: len(one.served) + len(two.served) == before + 1)
    assert "two0" in two.served


async def test_the_places_of_a_killed_process_come_back(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_places, "LEASE_SECONDS", 0.5)
    one, two = await processes(2, 1)
    one.ask("one", Claim(ONE, "a"))
    await until(lambda: one.served == ["one"])
    # It neither renews nor gives back any more: the process is gone.
    two.ask("two", Claim(ONE, "a"))
    await until(lambda: two.served == ["two"])


async def test_without_redis_each_process_keeps_its_own_places(processes: Processes) -> None:
    one, two = await processes(2, 1)
    await redis.close_redis()
    redis.open_redis("redis://127.0.0.1:9/0")
    for askers in (one, two):
        askers.ask("a", Claim(ONE, "a"))
        askers.ask("b", Claim(ONE, "a"))
        await until(lambda served=askers.served: served == ["a"])
        await askers.leave("a")
        await until(lambda served=askers.served: served == ["a", "b"])


async def test_who_stops_waiting_takes_no_place_of_the_others(processes: Processes) -> None:
    one, two, three = await processes(3, 1)
    one.ask("one", Claim(ONE, "a"))
    await until(lambda: one.served == ["one"])
    two.ask("two", Claim(ONE, "a"))
    await until(lambda: two.places.crowd().waiting == 1)
    three.ask("three", Claim(ONE, "a"))
    await until(lambda: three.places.crowd().waiting == 1)
    two.tasks["two"].cancel()
    await asyncio.gather(two.tasks["two"], return_exceptions=True)
    await one.leave("one")
    await until(lambda: three.served == ["three"])

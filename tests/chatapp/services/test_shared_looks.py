from __future__ import annotations

import asyncio

import pytest

from chatapp.services.shared_looks import SharedLooks


class Counted:
    def __init__(self) -> None:
        self.looks = 0
        self.may_end = asyncio.Event()

    async def look(self) -> int:
        self.looks += 1
        number = self.looks
        await self.may_end.wait()
        if number == 3:
            raise ZeroDivisionError
        return number


async def test_all_who_come_meanwhile_get_what_one_look_finds() -> None:
    counted, shared = Counted(), SharedLooks[int]()
    waiting = [asyncio.create_task(shared.look("a", counted.look)) for _ in range(3)]
    other = asyncio.create_task(shared.look("b", counted.look))
    await asyncio.sleep(0)
    counted.may_end.set()

    assert [await each for each in waiting] == [1, 1, 1]
    assert await other == 2
    with pytest.raises(ZeroDivisionError):
        await shared.look("a", counted.look)


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    counted, shared = Counted(), SharedLooks[int]()
    leaving, staying = (asyncio.create_task(shared.look("a", counted.look)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    counted.may_end.set()

    assert await staying == 1
    assert leaving.cancelled()


async def test_nobody_joins_a_look_from_before_a_change() -> None:
    counted, shared = Counted(), SharedLooks[int]()
    before = asyncio.create_task(shared.look("a", counted.look))
    await asyncio.sleep(0)
    shared.forget()
    after = asyncio.create_task(shared.look("a", counted.look))
    await asyncio.sleep(0)
    counted.may_end.set()

    assert (await before, await after) == (1, 2)
    assert not shared.is_under_way("a")

from __future__ import annotations

import asyncio
import random
from collections import Counter
from uuid import UUID, uuid4

import pytest

from chatapp.limits.fair_queue import Claim, FairQueue, Lane, Waiter

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


@pytest.fixture
async def queue() -> FairQueue:
    return FairQueue()


def waiter(tenant_id: UUID, asker: str = "a", lane: Lane = Lane.INTERACTIVE) -> Waiter:
    return Waiter(Claim(tenant_id, asker, lane), asyncio.get_running_loop().create_future())


def push(queue: FairQueue, *waiters: Waiter) -> None:
    for each in waiters:
        queue.push(each)


def everybody(_: UUID) -> bool:
    return True


def drain(queue: FairQueue) -> list[Waiter]:
    found = []
    while (each := queue.pop(everybody)) is not None:
        found.append(each)
    return found


async def test_a_busy_tenant_waits_behind_itself(queue: FairQueue) -> None:
    push(queue, *(waiter(ONE) for _ in range(5)), waiter(TWO), waiter(TWO), waiter(THREE))
    assert [each.claim.tenant_id for each in drain(queue)] == [ONE, TWO, THREE, ONE, TWO, ONE, ONE, ONE]


async def test_a_busy_asker_waits_behind_themselves(queue: FairQueue) -> None:
    push(queue, *(waiter(ONE, "busy") for _ in range(3)), waiter(ONE, "calm"), waiter(ONE, "new"))
    assert [each.claim.asker for each in drain(queue)] == ["busy", "calm", "new", "busy", "busy"]


async def test_those_of_one_asker_go_in_the_order_they_came(queue: FairQueue) -> None:
    came = [waiter(ONE) for _ in range(20)]
    push(queue, *came)
    assert drain(queue) == came


async def test_somebody_who_waits_goes_before_batch_work(queue: FairQueue) -> None:
    push(queue, waiter(ONE, lane=Lane.BATCH), waiter(TWO, lane=Lane.BATCH), waiter(TWO), waiter(ONE))
    assert [each.claim.lane for each in drain(queue)] == [Lane.INTERACTIVE] * 2 + [Lane.BATCH] * 2


async def test_a_tenant_without_room_keeps_its_turn_and_holds_up_nobody(queue: FairQueue) -> None:
    push(queue, waiter(ONE), waiter(TWO), waiter(TWO))
    first = queue.pop(lambda tenant_id: tenant_id != ONE)
    assert first is not None
    assert first.claim.tenant_id == TWO
    assert [each.claim.tenant_id for each in drain(queue)] == [ONE, TWO]


async def test_who_leaves_is_not_served(queue: FairQueue) -> None:
    stays, leaves = waiter(ONE), waiter(ONE)
    push(queue, leaves, stays)
    assert queue.remove(leaves)
    assert not queue.remove(leaves)
    assert drain(queue) == [stays]
    assert len(queue) == 0


async def test_who_is_put_back_is_next_again(queue: FairQueue) -> None:
    push(queue, waiter(ONE, "a"), waiter(ONE, "b"), waiter(TWO))
    first = queue.pop(everybody)
    assert first is not None
    queue.push_front(first)
    assert queue.pop(everybody) is first


@pytest.mark.parametrize("seed", range(20))
async def test_the_number_told_is_the_number_served_before(queue: FairQueue, seed: int) -> None:
    chance = random.Random(seed)
    waiting = [
        waiter(chance.choice((ONE, TWO, THREE)), chance.choice("abc"), chance.choice((Lane.INTERACTIVE, Lane.BATCH)))
        for _ in range(40)
    ]
    push(queue, *waiting)
    for _ in range(chance.randrange(10)):
        queue.pop(everybody)
    left = [each for each in waiting if each in list(queue)]
    told = {each: queue.ahead(each.claim, everybody, each) for each in left}
    assert [told[each] for each in drain(queue)] == list(range(len(left)))


async def test_a_newcomer_is_told_what_they_would_wait_for(queue: FairQueue) -> None:
    push(queue, *(waiter(ONE) for _ in range(100)), waiter(TWO))
    assert queue.ahead(Claim(ONE, "a"), everybody) == 101
    assert queue.ahead(Claim(ONE, "new"), everybody) == 2
    assert queue.ahead(Claim(THREE, "a"), everybody) == 2
    assert queue.ahead(Claim(THREE, "a", Lane.BATCH), everybody) == 101
    # A tenant that may have no more holds up itself alone.
    assert queue.ahead(Claim(THREE, "a"), lambda tenant_id: tenant_id != ONE) == 1
    assert queue.ahead(Claim(ONE, "a"), lambda tenant_id: tenant_id != ONE) == 100


async def test_nobody_is_lost_and_nobody_comes_twice(queue: FairQueue) -> None:
    chance = random.Random(7)
    tenants = [uuid4() for _ in range(5)]
    waiting = [waiter(chance.choice(tenants), chance.choice("abcd"), chance.choice(list(Lane))) for _ in range(300)]
    push(queue, *waiting)
    gone = set(chance.sample(waiting, 100))
    for each in gone:
        queue.remove(each)
    assert len(queue) == 200
    assert Counter(drain(queue)) == Counter(each for each in waiting if each not in gone)

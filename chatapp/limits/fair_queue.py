"""Who is next where several wait: the lanes in order, in a lane each tenant in turn, in a tenant each asker in turn.

Round robin over those who wait is fair queueing for work of unknown length: whoever asks much waits behind themselves.
Source: J. Nagle, On Packet Switches With Infinite Storage, RFC 970.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain
from uuid import UUID

from chatapp.domain import Actor


class Lane(IntEnum):
    """How urgent something is; a lower number goes first."""

    INTERACTIVE = 0
    """Somebody is waiting for it."""
    BATCH = 1
    """It may take a while: its asker said so."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants a place, and how urgently."""

    tenant_id: UUID
    asker: str
    """Who it is within the tenant: a person, or a service's key."""
    lane: Lane = Lane.INTERACTIVE

    @classmethod
    def of(cls, actor: Actor, lane: Lane) -> Claim:
        """An actor's. What somebody does with a key of theirs is theirs, too."""
        return cls(actor.tenant_id, str(actor.user_id or actor.key_id), lane)


@dataclass(eq=False, slots=True)
class Waiter:
    """One that waits for a place."""

    claim: Claim
    granted: asyncio.Future[None]
    """Done once it has its place."""
    since: float = field(default_factory=time.monotonic)
    lease: str = ""
    """Of the place, where processes share them."""


_Askers = dict[str, deque[Waiter]]
"""In the order of their turn; none of them is empty."""


class FairQueue:
    """Those who wait, in the order in which they get their places."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._lanes: tuple[dict[UUID, _Askers], ...] = tuple({} for _ in Lane)

    def __len__(self) -> int:
        """How many wait."""
        return sum(self.depth(lane) for lane in Lane)

    def __iter__(self):
        """Everybody who waits, in no order."""
        return chain.from_iterable(
            waiters for lane in self._lanes for askers in lane.values() for waiters in askers.values()
        )

    def depth(self, lane: Lane) -> int:
        """How many wait in a lane."""
        return sum(_size(askers) for askers in self._lanes[lane].values())

    def count(self, tenant_id: UUID, *, up_to: Lane = Lane.BATCH) -> int:
        """How many of a tenant wait, in this lane and those before it."""
        return sum(_size(lane.get(tenant_id, {})) for lane in self._lanes[: up_to + 1])

    def push(self, waiter: Waiter) -> None:
        """Let somebody wait, behind all of their own."""
        claim = waiter.claim
        self._lanes[claim.lane].setdefault(claim.tenant_id, {}).setdefault(claim.asker, deque()).append(waiter)

    def push_front(self, waiter: Waiter) -> None:
        """Let somebody wait who was taken out a moment ago and is the next one again."""
        claim = waiter.claim
        lane = self._lanes[claim.lane]
        askers = lane.pop(claim.tenant_id, {})
        own = askers.pop(claim.asker, deque())
        own.appendleft(waiter)
        _put_first(askers, claim.asker, own)
        _put_first(lane, claim.tenant_id, askers)

    def pop(self, may_go: Callable[[UUID], bool]) -> Waiter | None:
        """Take out who is next.

        Args:
            may_go: whether somebody of a tenant can have a place now; who cannot keeps their turn.

        Returns:
            None: nobody waits who may go.
        """
        for lane in self._lanes:
            tenant_id = next((each for each in lane if may_go(each)), None)
            if tenant_id is None:
                continue
            askers = lane.pop(tenant_id)
            asker, own = next(iter(askers.items()))
            waiter = own.popleft()
            # To the end, those with nobody left out altogether.
            del askers[asker]
            if own:
                askers[asker] = own
            if askers:
                lane[tenant_id] = askers
            return waiter
        return None

    def remove(self, waiter: Waiter) -> bool:
        """Let somebody leave; False when they were not waiting."""
        claim = waiter.claim
        lane = self._lanes[claim.lane]
        askers = lane.get(claim.tenant_id, {})
        own = askers.get(claim.asker, deque())
        if waiter not in own:
            return False
        own.remove(waiter)
        if not own:
            del askers[claim.asker]
        if not askers:
            del lane[claim.tenant_id]
        return True

    def ahead(self, claim: Claim, may_go: Callable[[UUID], bool], waiter: Waiter | None = None) -> int:
        """How many get a place before somebody does, if nobody else comes.

        Args:
            claim: whose.
            may_go: whether a tenant can have places now. Those who cannot hold up nobody else; who is of such a tenant
                waits for its own alone.
            waiter: where they wait; None: they would be the last of their own.
        """
        own = self._ahead_in_tenant(claim, waiter)
        before = self._lanes[: claim.lane]
        if not may_go(claim.tenant_id):
            return own + sum(_size(lane.get(claim.tenant_id, {})) for lane in before)
        others = {key: askers for key, askers in self._lanes[claim.lane].items() if may_go(key)}
        sooner = sum(_size(askers) for lane in before for key, askers in lane.items() if may_go(key))
        return sooner + _turns_before(((key, _size(askers)) for key, askers in others.items()), claim.tenant_id, own)

    def _ahead_in_tenant(self, claim: Claim, waiter: Waiter | None) -> int:
        askers = self._lanes[claim.lane].get(claim.tenant_id, {})
        own = askers.get(claim.asker, deque())
        place = own.index(waiter) if waiter is not None and waiter in own else len(own)
        return _turns_before(((asker, len(waiters)) for asker, waiters in askers.items()), claim.asker, place)


def _size(askers: _Askers) -> int:
    return sum(len(waiters) for waiters in askers.values())


def _turns_before(line: Iterable[tuple[Hashable, int]], own: Hashable, place: int) -> int:
    """How many go before the one at `place` (0: the first) of `own`, when each of the line goes once in a round."""
    before, turns = 1, place
    for key, waiting in line:
        if key == own:
            before = 0
        else:
            turns += min(waiting, place + before)
    return turns


def _put_first(mapping: dict, key: Hashable, value: object) -> None:
    others = dict(mapping)
    mapping.clear()
    mapping[key] = value
    mapping.update(others)

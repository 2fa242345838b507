"""The three bases every Reflex State builds on, and the actor of the event being handled.

Any public method of a State can be called by anybody who holds a socket, so the class decides who may fire it:
`web.guard` looks the class up and refuses the event before the handler runs. A State outside the three bases is
refused always, and `tests/architecture` fails on one.

Usage: `class ChatState(MemberState, rx.State): ...`. The bases are mixins, so each State stays a flat child of
`rx.State` and loading one does not load its neighbours; without `rx.State` the class would be a mixin itself and have
no events.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import ClassVar

import reflex as rx

from chatapp.domain import Actor, Permission
from chatapp.errors import NotSignedIn

_actor: ContextVar[Actor | None] = ContextVar("actor_of_event", default=None)


class PublicState(rx.State, mixin=True):
    """A State that anybody with a socket may fire. It holds nothing of a person and nothing of a tenant."""

    permission: ClassVar[Permission | None] = None


class MemberState(rx.State, mixin=True):
    """A State for people who are signed in."""

    permission: ClassVar[Permission | None] = None
    """What its events need beyond a sign-in; None: nothing more.

    Write `permission: ClassVar[Permission] = ...` in a State of yours: without `ClassVar` Reflex makes a variable of
    it, and the guard lets nobody in.
    """


class AdminState(rx.State, mixin=True):
    """A State of the admin section. No data in its computed vars: they are evaluated for everybody."""

    permission: ClassVar[Permission | None] = Permission.READ_ADMIN
    """Reading; a State that changes something asks for `Permission.ADMIN`."""


STATE_BASES: tuple[type[rx.State], ...] = (PublicState, MemberState, AdminState)


def current_actor() -> Actor:
    """Who fired the event that is being handled; the first argument of every service call in a handler.

    The guard sets it for each event in the event's own task, so it is never stored in a State and a background
    handler keeps the actor it began with.

    Raises:
        NotSignedIn: called outside an event, or in one of `PublicState` without a sign-in.
    """
    actor = _actor.get()
    if actor is None:
        raise NotSignedIn
    return actor


def set_current_actor(actor: Actor | None) -> None:
    """Say who fired the event of this task. Called by the guard alone."""
    _actor.set(actor)

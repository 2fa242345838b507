from __future__ import annotations

from uuid import uuid4

import pytest
import reflex as rx

from chatapp.components.state_bases import STATE_BASES, current_actor, set_current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import NotSignedIn
from chatapp.web.guard import is_allowed
from tests.fixtures.planted_app import (
    PlantedAdminState,
    PlantedMemberState,
    PlantedPublicState,
    PlantedWriterState,
    StrayState,
)

NOBODY = None
MEMBER = Actor(uuid4(), uuid4(), frozenset({Permission.CHAT}))
WRITER = Actor(uuid4(), uuid4(), frozenset({Permission.CHAT, Permission.WRITE_DOCUMENTS}))
AUDITOR = Actor(uuid4(), uuid4(), frozenset({Permission.READ_ADMIN}))


@pytest.mark.parametrize(
    ("state", "handler", "allowed"),
    [
        (PlantedPublicState, "write", {NOBODY, MEMBER, WRITER, AUDITOR}),
        (PlantedMemberState, "write", {MEMBER, WRITER, AUDITOR}),
        (PlantedWriterState, "write", {WRITER}),
        (PlantedAdminState, "open_everything", {AUDITOR}),
        (StrayState, "touch", set()),
        (rx.State, "hydrate", {MEMBER, WRITER, AUDITOR}),
        (rx.State, "reset", set()),
        *((state, "setvar", set()) for state in (PlantedPublicState, PlantedMemberState, PlantedAdminState, rx.State)),
        (PlantedMemberState, "_secret", set()),
    ],
)
def test_the_class_decides_who_may_fire(state: type, handler: str, allowed: set[Actor | None]) -> None:
    for actor in (NOBODY, MEMBER, WRITER, AUDITOR):
        assert is_allowed(state, handler, actor) is (actor in allowed)


def test_a_state_outside_an_event_has_no_actor() -> None:
    set_current_actor(None)

    with pytest.raises(NotSignedIn):
        current_actor()


def test_the_bases_hold_no_variables() -> None:
    for base in STATE_BASES:
        assert not base.__own_fields__

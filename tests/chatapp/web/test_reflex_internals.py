"""What we rely on inside Reflex still holds in the version installed."""

from __future__ import annotations

import reflex as rx
from reflex.config import get_config
from reflex.constants import Endpoint
from reflex.middleware.middleware import Middleware
from reflex.state import OnLoadInternalState

from chatapp.web import reflex_internals
from tests.fixtures.planted_app import PlantedMemberState, StrayState


def test_the_socket_is_where_the_gate_looks_for_it() -> None:
    assert get_config().prepend_backend_path(str(Endpoint.EVENT)) == reflex_internals.SOCKET_PATH


def test_an_events_name_leads_to_its_state() -> None:
    name = f"{PlantedMemberState.get_full_name()}.write"

    assert reflex_internals.state_of_event(name) == (PlantedMemberState, "write")
    assert reflex_internals.state_of_event(f"{PlantedMemberState.get_full_name()}.setvar") == (
        PlantedMemberState,
        "setvar",
    )
    assert reflex_internals.state_of_event("nope.nope") is None


def test_every_state_is_in_the_registry() -> None:
    states = reflex_internals.all_states()

    assert {PlantedMemberState, StrayState, rx.State, OnLoadInternalState} <= set(states)
    assert reflex_internals.is_framework_state(OnLoadInternalState)
    assert not reflex_internals.is_framework_state(StrayState)


def test_the_frameworks_own_events_are_all_known() -> None:
    unknown = [
        (state.__name__, handler)
        for state in reflex_internals.all_states()
        if reflex_internals.is_framework_state(state)
        for handler in state.event_handlers
        if handler != "setvar" and not reflex_internals.is_framework_event(state, handler)
    ]

    assert unknown == []


def test_a_handshakes_headers_are_kept_with_the_tab() -> None:
    state = rx.State(_reflex_internal_init=True)
    state.router_data = {"headers": {"x-chatapp-session": "hash"}, "asPath": "/c/1?x=2"}

    assert reflex_internals.header_of_socket(state, "x-chatapp-session") == "hash"
    assert reflex_internals.header_of_socket(state, "cookie") is None
    assert reflex_internals.path_of_tab(state) == "/c/1?x=2"


def test_a_redirect_is_an_event_an_update_can_carry() -> None:
    (event,) = reflex_internals.as_events(reflex_internals.redirect("/sign-in"))

    assert event.name == "_redirect"
    assert event.payload["path"] == "/sign-in"


def test_a_middleware_still_answers_in_the_handlers_place() -> None:
    assert Middleware.preprocess.__isabstractmethod__

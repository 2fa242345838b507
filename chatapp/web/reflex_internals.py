"""What we rely on inside Reflex 0.10 that its documentation does not promise, in one place and with tests.

When Reflex is upgraded, `tests/chatapp/web/test_reflex_internals.py` says which of these no longer hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import reflex as rx
from reflex import constants
from reflex.state import BaseState, FrontendEventExceptionState, OnLoadInternalState, State, UpdateVarsInternalState
from reflex.utils import prerequisites
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext

SOCKET_PATH = "/_event"
"""Where the socket of events is mounted."""

TOKEN_PARAMETER = "token"  # noqa: S105  # the name of a query parameter
"""Query parameter of the socket's address in which the browser names its tab."""

NO_SOCKET_COOKIE = "backend-enabled=false"
"""Cookie with which a page opens no socket of events."""

_FRAMEWORK_EVENTS: frozenset[tuple[type[BaseState], str]] = frozenset(
    {
        (State, "hydrate"),
        (State, "hydrate_and_load"),
        (State, "set_is_hydrated"),
        (OnLoadInternalState, "on_load_internal"),
        (OnLoadInternalState, "set_is_hydrated"),
        (UpdateVarsInternalState, "update_vars_internal"),
        (FrontendEventExceptionState, "handle_frontend_exception"),
    }
)
"""Events the front end fires by itself. None reads or writes more than the tab's own state."""


def built_pages() -> Path:
    """Folder of the built pages."""
    return prerequisites.get_web_dir() / constants.Dirs.STATIC


def state_of_event(name: str) -> tuple[type[BaseState], str] | None:
    """The State class that handles an event and the handler's name, or None for an event nobody registered.

    Args:
        name: the event's full name as the browser sends it: the State's path, a dot, the handler.
    """
    registered = RegistrationContext.get().event_handlers.get(name)
    if registered is None or not registered.states:
        return None
    return registered.states[0], name.rpartition(".")[2]


def is_framework_event(state: type[BaseState], handler: str) -> bool:
    """Whether the event is one the front end fires by itself and needs."""
    return (state, handler) in _FRAMEWORK_EVENTS


def all_states() -> list[type[BaseState]]:
    """Every State class that is registered, Reflex's own included."""
    return list(RegistrationContext.get().base_states.values())


def is_framework_state(state: type[BaseState]) -> bool:
    """Whether Reflex itself defines the State."""
    return state.__module__.partition(".")[0].startswith("reflex")


def header_of_socket(state: BaseState, name: str) -> str | None:
    """A header of the handshake that opened the tab's socket; the browser cannot change it afterwards.

    Args:
        state: any state of the tab, while its event is handled.
        name: the header's name, in lower case.
    """
    router_data: dict[str, Any] = state._get_root_state().router_data
    return router_data.get("headers", {}).get(name) or None


def path_of_tab(state: BaseState) -> str:
    """The address the tab shows, path and query, as the browser tells it: good for a way back, not for a right."""
    return str(state._get_root_state().router_data.get("asPath") or "/")


def as_events(*specs: Any) -> list[Event]:
    """Event specs (`rx.redirect(...)`, `rx.toast(...)`) as events an update can carry."""
    return Event.from_event_type(list(specs))


def redirect(path: str) -> Any:
    """Lead the tab to another page."""
    return rx.redirect(path)

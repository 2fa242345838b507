"""The guard of events: decides by State class whether the person behind a tab may fire an event, before it runs.

Every public method of every State can be called by anybody who holds a socket, with any argument, on any page. So
nothing is decided by page or by address: the class of the State decides, and what is not allowed is refused.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import structlog
from reflex.app import App
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.event import Event

from chatapp.components.state_bases import AdminState, MemberState, PublicState, set_current_actor
from chatapp.domain import Actor
from chatapp.services import authentication
from chatapp.web import reflex_internals
from chatapp.web.gate import ADDRESS_HEADER, SESSION_HEADER
from chatapp.web.origin import safe_local_path

_log = structlog.get_logger(__name__)


class Guard(Middleware):
    """Authorises each event, the chained and the background ones too."""

    async def preprocess(self, app: App, state: BaseState, event: Event) -> StateUpdate | None:  # noqa: ARG002
        """Let the event run (None), or answer it in the handler's place."""
        session = reflex_internals.header_of_socket(state, SESSION_HEADER)
        actor = await authentication.actor_of_session_hash(session) if session else None
        if actor is not None:
            actor = replace(actor, address=reflex_internals.header_of_socket(state, ADDRESS_HEADER) or "")
        set_current_actor(actor)
        found = reflex_internals.state_of_event(event.name)
        if found is None:
            return StateUpdate()
        if is_allowed(*found, actor):
            return None
        _log.warning("event.refused", event_name=event.name, user_id=str(actor.user_id) if actor else None)
        if actor is None:
            way_back = quote(safe_local_path(reflex_internals.path_of_tab(state)), safe="/")
            return StateUpdate(
                events=reflex_internals.as_events(reflex_internals.redirect(f"/sign-in?next={way_back}"))
            )
        return StateUpdate()


def is_allowed(state: type[BaseState], handler: str, actor: Actor | None) -> bool:
    """Whether an event may run.

    Args:
        state: the class that handles it.
        handler: the method's name. `setvar` is on every State and would set any var with a setter: never.
        actor: the person behind the tab; None when their session has ended.
    """
    if handler == "setvar" or handler.startswith("_"):
        return False
    if issubclass(state, PublicState):
        return True
    if actor is None:
        return False
    if reflex_internals.is_framework_event(state, handler):
        return True
    if issubclass(state, MemberState | AdminState):
        return state.permission is None or actor.may(state.permission)
    return False

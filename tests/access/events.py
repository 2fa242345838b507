"""Every event handler of both sections, found in Reflex's own registry; and the declared rows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from tests.fixtures.surroundings import PROJECT

# In a process of its own: importing the application registers every State and can be done once.
_WALK = """
import json, sys
from importlib import import_module
app = import_module(sys.argv[1]).app
for route in app._api.routes:
    print("ROUTE", type(route).__name__, route.path)
from chatapp.components.state_bases import STATE_BASES
from chatapp.domain import ROLE_PERMISSIONS, Actor, Permission, Role
from chatapp.services.rights import PLATFORM_PERMISSIONS
from chatapp.web.guard import is_allowed
from chatapp.web.reflex_internals import all_states
from uuid import uuid4
people = {"nobody": None, "bare": frozenset(), "platform": PLATFORM_PERMISSIONS}
people |= {role.value: ROLE_PERMISSIONS[role] for role in Role}
actors = {name: None if held is None else Actor(uuid4(), uuid4(), held) for name, held in people.items()}
for state in all_states():
    for handler in sorted(state.event_handlers):
        print("EVENT", json.dumps({
            "state": f"{state.__module__}.{state.__name__}",
            "path": state.get_full_name(),
            "handler": handler,
            "arguments": [name for name in state.event_handlers[handler].fn.__code__.co_varnames[
                1:state.event_handlers[handler].fn.__code__.co_argcount]],
            "bases": [base.__name__ for base in STATE_BASES if issubclass(state, base)],
            "let_in": sorted(name for name, actor in actors.items() if is_allowed(state, handler, actor)),
        }))
"""


@dataclass(frozen=True)
class Event:
    """A handler of a State."""

    state: str
    """Module and class."""
    path: str
    """The State's name on the bus."""
    handler: str
    arguments: tuple[str, ...]
    bases: tuple[str, ...]
    let_in: frozenset[str]
    """Whose events the guard lets run."""

    @property
    def name(self) -> str:
        """As it is fired."""
        return f"{self.path}.{self.handler}"


def find(application: str = "chatapp.chatapp") -> list[Event]:
    """Every event of an application.

    Args:
        application: the module that wires it.
    """
    lines = _walk(application)
    found = [json.loads(line.removeprefix("EVENT ")) for line in lines if line.startswith("EVENT ")]
    return [
        Event(
            **one
            | {
                "arguments": tuple(one["arguments"]),
                "bases": tuple(one["bases"]),
                "let_in": frozenset(one["let_in"]),
            }
        )
        for one in found
    ]


def routes_of_reflex(application: str = "chatapp.chatapp") -> set[str]:
    """What Reflex itself answers, beside the API in front of it: `Kind /path`."""
    return {line.removeprefix("ROUTE ") for line in _walk(application) if line.startswith("ROUTE ")}


@cache
def _walk(application: str) -> tuple[str, ...]:
    done = subprocess.run(
        [sys.executable, "-c", _WALK, application],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return tuple(done.stdout.splitlines())


NOBODY = frozenset[str]()
EVERYBODY = frozenset({"nobody", "bare", "member", "content_owner", "reviewer", "auditor", "admin", "platform"})
SIGNED_IN = EVERYBODY - {"nobody"}
READS_DOCUMENTS = frozenset({"member", "content_owner", "reviewer", "auditor", "admin"})
READS_ADMIN = frozenset({"auditor", "admin", "platform"})
CHANGES_ADMIN = frozenset({"admin", "platform"})
PLATFORM = frozenset({"platform"})
"""Whom the guard lets in; what an event does is decided once more by the service it calls."""

_FORM = ("close_form", "open_form", "review_form", "submit_form")
_ACTS = ("act", "cancel_question", "confirm")
_LIST = ("load",)

EVENTS: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "chatapp.components.app_shell.SidebarState": (
        SIGNED_IN,
        ("delete", "load", "more", "pin", "reload", "rename", "restore", "search"),
    ),
    "chatapp.components.app_shell.ShellState": (READS_ADMIN, ("find_tenants", "load")),
    "chatapp.components.onboarding.OnboardingState": (SIGNED_IN, ("dismiss", "load", "skip")),
    "chatapp.pages.chat.ChatState": (
        SIGNED_IN,
        (
            *("ask", "choose_collections", "choose_model", "edit", "open", "open_page"),
            *("regenerate", "restore", "select"),
        ),
    ),
    "chatapp.pages.documents.DocumentsState": (
        READS_DOCUMENTS,
        (
            *("cancel", "create_collection", "delete", "delete_collection", "export", "more_chunks", "move"),
            *("open_page", "refresh", "rename_collection", "retry", "search_subjects"),
        ),
    ),
    "admin.pages.overview.OverviewState": (READS_ADMIN, _LIST),
    "admin.pages.audit.AuditState": (READS_ADMIN, _LIST),
    "admin.pages.audit.ChainState": (READS_ADMIN, ("verify",)),
    "admin.pages.routes.RouteState": (READS_ADMIN, _LIST),
    "admin.pages.routes.RouteActsState": (CHANGES_ADMIN, _ACTS),
    "admin.pages.routes.RouteEditState": (CHANGES_ADMIN, ("save", "try_route")),
    "admin.pages.route_intents.ExamplesState": (READS_ADMIN, _LIST),
    "admin.pages.route_intents.IntentNamesState": (READS_ADMIN, _LIST),
    "admin.pages.route_intents.ExampleFormState": (CHANGES_ADMIN, _FORM),
    "admin.pages.route_intents.PasteState": (CHANGES_ADMIN, _FORM),
    "admin.pages.route_intents.ExampleActsState": (CHANGES_ADMIN, _ACTS),
    "admin.pages.route_intents.SentenceState": (READS_ADMIN, ("forget", "try_sentence")),
    "admin.pages.breakers.BreakersState": (READS_ADMIN, _LIST),
    "admin.pages.breakers.BreakerActsState": (PLATFORM, _ACTS),
    "admin.pages.keys.KeysState": (READS_ADMIN, _LIST),
    "admin.pages.keys.NewKeyState": (CHANGES_ADMIN, _FORM),
    "admin.pages.keys.KeyChangeState": (CHANGES_ADMIN, _FORM),
    "admin.pages.keys.RotationState": (CHANGES_ADMIN, _FORM),
    "admin.pages.keys.KeyActsState": (CHANGES_ADMIN, _ACTS),
    "admin.pages.tenants.TenantsState": (READS_ADMIN, _LIST),
    "admin.pages.tenants.NewTenantState": (PLATFORM, _FORM),
    "admin.pages.tenants.TenantLimitsState": (CHANGES_ADMIN, _FORM),
    "admin.pages.tenants.TenantNameState": (CHANGES_ADMIN, _FORM),
    "admin.pages.tenants.TenantActsState": (CHANGES_ADMIN, _ACTS),
    "admin.pages.users.UsersState": (READS_ADMIN, _LIST),
    "admin.pages.users.NewUserState": (CHANGES_ADMIN, _FORM),
    "admin.pages.users.UserChangeState": (CHANGES_ADMIN, _FORM),
    "admin.pages.users.UserActsState": (CHANGES_ADMIN, _ACTS),
    "admin.pages.grants.GrantsState": (READS_ADMIN, _LIST),
    "admin.pages.grants.GrantEditState": (CHANGES_ADMIN, ("act", "close", "preview", "save", "search")),
    "admin.pages.grants.ReadableState": (READS_ADMIN, ("explain", "search")),
    "admin.pages.groups.GroupsState": (READS_ADMIN, _LIST),
    "admin.pages.groups.GroupFormState": (CHANGES_ADMIN, _FORM),
    "admin.pages.groups.GroupActsState": (CHANGES_ADMIN, _ACTS),
    "admin.pages.groups.MembersState": (READS_ADMIN, _LIST),
    "admin.pages.groups.MemberActsState": (CHANGES_ADMIN, ("act", "add", "search")),
    "admin.pages.sign_in.ProvidersState": (READS_ADMIN, _LIST),
    "admin.pages.sign_in.PasswordState": (READS_ADMIN, _LIST),
    "admin.pages.sign_in.ProviderFormState": (CHANGES_ADMIN, _FORM),
    "admin.pages.sign_in.SignInActsState": (CHANGES_ADMIN, (*_ACTS, "ask_passwords_off", "switch_passwords_on")),
    "admin.pages.providers.ProvidersState": (READS_ADMIN, _LIST),
    "admin.pages.providers.NewProviderState": (PLATFORM, _FORM),
    "admin.pages.providers.ProviderChangeState": (PLATFORM, _FORM),
    "admin.pages.providers.ProviderActsState": (PLATFORM, _ACTS),
    "admin.pages.model_list.ModelsState": (READS_ADMIN, _LIST),
    "admin.pages.model_list.UpstreamState": (READS_ADMIN, _LIST),
    "admin.pages.model_list.UpstreamActsState": (PLATFORM, ("accept", "dismiss")),
    "admin.pages.model_list.CatalogState": (PLATFORM, ("by_hand", "choose", "close", "open", "search")),
    "admin.pages.model_list.NewModelState": (PLATFORM, _FORM),
    "admin.pages.model_list.ModelActsState": (PLATFORM, _ACTS),
    "admin.pages.model_state.ModelState": (READS_ADMIN, _LIST),
    **{
        f"admin.pages.model_forms.{name}State": (PLATFORM, _FORM)
        for name in ("ModelChange", "Price", "Place", "Weight", "Sharing")
    },
    "admin.pages.model_detail.ModelPageActsState": (PLATFORM, (*_ACTS, "act_on_place", "act_on_price")),
    "reflex.state.State": (SIGNED_IN, ("hydrate", "hydrate_and_load", "set_is_hydrated")),
    "reflex.state.FrontendEventExceptionState": (SIGNED_IN, ("handle_frontend_exception",)),
    "reflex.state.UpdateVarsInternalState": (SIGNED_IN, ("update_vars_internal",)),
    "reflex.state.OnLoadInternalState": (SIGNED_IN, ("on_load_internal", "set_is_hydrated")),
    "reflex.istate.shared.SharedStateBaseInternal": (NOBODY, ()),
}
"""Who may fire what, by State. `setvar`, which every State has, is fired by nobody."""


def expected_of(event: Event) -> frozenset[str] | None:
    """Whom the guard is declared to let in; None: the event is not declared."""
    let_in, handlers = EVENTS.get(event.state, (NOBODY, ()))
    if event.handler == "setvar":
        return NOBODY if event.state in EVENTS else None
    return let_in if event.handler in handlers else None

"""Users and their roles: who is in this tenant, inviting somebody, and keeping somebody out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table, plain_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.model_form import FormState, model_form
from admin.components.shown_once import show_once, shown_once
from admin.components.specs import Action, Column, Empty, Filter, row_of
from admin.components.user_acts import ACTS, QUESTIONS, keys_hit
from chatapp.components.state_bases import current_actor
from chatapp.domain import Actor, Permission, Role
from chatapp.errors import AppError, Conflict, NotFound
from chatapp.services import invitations, memberships
from chatapp.services.list_page import ListPage
from chatapp.services.memberships import MAX_NAME_CHARACTERS, UserView

ADDRESS = "/admin/users"
ROLE_LABELS = {
    "member": "Member",
    "content_owner": "Content owner",
    "reviewer": "Reviewer",
    "auditor": "Auditor",
    "admin": "Admin",
}
_ROLE_CHOICES = {
    "member": "Member: asks, and reads documents",
    "content_owner": "Content owner: also uploads and changes documents",
    "reviewer": "Reviewer: also looks at answers and corrects them",
    "auditor": "Auditor: sees settings, traces and the log, changes nothing",
    "admin": "Admin: everything in this tenant",
}
_STATUSES = {"active": "Active", "invited": "Invited", "disabled": "Disabled"}
_METHODS = {"password": "Password", "link": "One-time link", "oidc": "Identity provider"}
_LINK_TEXT = "Give it to them yourself; nothing is sent from here. It works once and is not shown again."
_MAX_AT_ONCE = 1_000


class NewUser(BaseModel):
    """Somebody to invite."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(
        min_length=1,
        max_length=254,
        title="Address",
        description="Who has an account already joins with their own password.",
        json_schema_extra={"kind": "email", "placeholder": "ada@example.org"},
    )
    name: str = Field("", max_length=MAX_NAME_CHARACTERS, title="Name")
    roles: list[Role] = Field(
        min_length=1,
        title="Roles",
        json_schema_extra={"labels": _ROLE_CHOICES},  # pyright: ignore[reportArgumentType]
    )


class UserChange(BaseModel):
    """What of a person's place can be changed."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=MAX_NAME_CHARACTERS, title="Name", description="Blank: it stays as it is.")
    roles: list[Role] = Field(
        min_length=1,
        title="Roles",
        description="With other roles they have to sign in again. Without Admin, admin keys of services they made end.",
        json_schema_extra={"labels": _ROLE_CHOICES},  # pyright: ignore[reportArgumentType]
    )


class UsersState(TableState, rx.State):
    """The list of users."""

    csv_address: str = ""
    _is_platform: bool = False

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[UserView]:
        self.csv_address = f"/v1/admin/tenants/{actor.tenant_id}/users.csv"
        self._is_platform = actor.may(Permission.PLATFORM)
        return await memberships.list_users(actor, actor.tenant_id, wanted)

    def _row(self, item: UserView) -> dict[str, Any]:
        # Who has not joined yet has no name here.
        names = {"title": item.name or item.email, "note": item.email if item.name else ""}
        return row_of(item) | names | {"platform": _offered(item) if self._is_platform else ""}

    async def _peek(self, actor: Actor, row_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002
        try:
            detail = await memberships.get_user(actor, actor.tenant_id, id_of(row_id))
        except NotFound:
            return {}
        return self._row(detail.user) | {
            "groups": [row_of(group) for group in detail.groups],
            "sign_ins": [row_of(each) for each in detail.sign_ins],
            "facts": _facts(detail),
        }


def _offered(item: UserView) -> str:
    """What a platform admin can do with the account behind a place."""
    if item.is_locked:
        return "unlock"
    return "demote" if item.is_platform_admin else "promote"


def _facts(detail: memberships.UserDetail) -> str:
    keys = f"{detail.key_count} living key" + ("" if detail.key_count == 1 else "s")
    if detail.user.status != "invited":
        return f"{keys}."
    until = detail.invitation_expires_at
    link = f"The link runs out on {until:%d %B at %H:%M} UTC." if until else "Their link is gone: make a new one."
    return f"Not here yet. {link}"


class NewUserState(FormState, rx.State):
    """The form that invites somebody."""

    form_model: ClassVar[type[BaseModel]] = NewUser

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:  # noqa: ARG002
        return {"email": "", "name": "", "roles": ["member"]}

    async def _save(self, actor: Actor, subject: str, entered: NewUser) -> Any:  # noqa: ARG002
        invited = await invitations.invite(
            actor, actor.tenant_id, email=entered.email, name=entered.name, roles=entered.roles
        )
        return [UsersState.load, _shown(invited.invite_link or "", f"Invitation for {invited.email}", "seven days")]


class UserChangeState(FormState, rx.State):
    """The form that changes a person's roles or name."""

    form_model: ClassVar[type[BaseModel]] = UserChange

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        found = (await memberships.get_user(actor, actor.tenant_id, id_of(subject))).user
        return {"name": found.name, "roles": list(found.roles)}

    async def _save(self, actor: Actor, subject: str, entered: UserChange) -> Any:
        await memberships.update_user(
            actor, actor.tenant_id, id_of(subject), name=entered.name or None, roles=entered.roles
        )
        return [UsersState.load, rx.toast.success("Saved.")]


class UserActsState(ConfirmState, rx.State):
    """What is done with people of the list."""

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Open the form or the question of an action, or do it."""
        if name == "change":
            return UserChangeState.open_form(ids[0])
        if name in _LINKS:
            return await _make_link(current_actor(), name, id_of(ids[0]))
        if name not in QUESTIONS:
            return None
        chosen = [await _named(current_actor(), each) for each in ids[:_MAX_AT_ONCE]]
        one, several, text, word = QUESTIONS[name]
        title = one.format(chosen[0][1]) if len(chosen) == 1 else several.format(len(chosen))
        names = [each for _, each in chosen] if len(chosen) > 1 else []
        ids = [each for each, _ in chosen]
        hits, option = await keys_hit(current_actor(), name, ids)
        self._ask(name, ids, title=title, text=text, hits=hits, names=names, option=option, word=word)
        return None

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Do it, and show the list as it is then."""
        if action not in ACTS:
            return None
        is_done = await self._confirm(_for_each(current_actor(), ACTS[action], ids[:_MAX_AT_ONCE]))
        return [UsersState.load, rx.toast.success("Done.")] if is_done else UsersState.load


_LINKS = {
    "renew": (invitations.renew, "Invitation for {}", "seven days"),
    "reset": (invitations.reset_link, "Link for a new password of {}", "two days"),
}


async def _make_link(actor: Actor, name: str, user_id: UUID) -> Any:
    make, title, lifetime = _LINKS[name]
    _, email = await _named(actor, str(user_id))
    return [_shown(await make(actor, actor.tenant_id, user_id), title.format(email), lifetime), UsersState.load]


async def _named(actor: Actor, user_id: str) -> tuple[str, str]:
    found = (await memberships.get_user(actor, actor.tenant_id, id_of(user_id))).user
    return str(found.id), found.email


async def _for_each(actor: Actor, act: Callable[[Actor, UUID], Awaitable[Any]], ids: list[str]) -> None:
    """Do it to each; those it cannot be done to do not keep it from the others."""
    problems: list[str] = []
    for each in ids:
        try:
            await act(actor, id_of(each))
        except AppError as error:
            problems.append(error.message)
    if problems:
        done = len(ids) - len(problems)
        raise Conflict(problems[0] if len(ids) == 1 else f"Done for {done} of {len(ids)}. {problems[0]}")


def _shown(link: str, title: str, lifetime: str) -> Any:
    return show_once(title=title, text=f"{_LINK_TEXT} It is valid for {lifetime}.", label="Link", secret=link)


_COLUMNS = (
    Column("title", "Name", "title", sort="name", note="note"),
    Column("email", "Address", sort="email", is_shown=False),
    Column(
        "status",
        "Status",
        "badge",
        sort="status",
        labels=_STATUSES,
        tones={"active": "good", "invited": "info", "disabled": "quiet"},
    ),
    Column("roles", "Roles", "list", labels=ROLE_LABELS),
    Column("last_seen_at", "Last seen", "moment"),
    Column("created_at", "Added", "moment", sort="created_at"),
    Column("is_managed", "Roles from the identity provider", "yes_no", is_shown=False),
    Column("is_platform_admin", "Platform admin", "yes_no", is_shown=False),
    Column("is_locked", "Kept out of every tenant", "yes_no", is_shown=False),
)
_HERE = {"status": ("active",)}
_ACTIONS = (
    Action("change", "Change roles or name", is_bulk=False),
    Action("renew", "New invitation link", is_bulk=False, when={"status": ("invited",)}),
    Action("reset", "Link for a new password", is_bulk=False, when=_HERE),
    Action("sign_out", "Sign out", when=_HERE),
    Action("disable", "Keep out", when={"status": ("active", "invited")}),
    Action("enable", "Let in again", when={"status": ("disabled",), "is_locked": (False,)}),
    Action("promote", "Make a platform admin", is_bulk=False, when={"platform": ("promote",), "status": ("active",)}),
    Action("demote", "Take the platform away", is_bulk=False, when={"platform": ("demote",)}),
    Action("lock", "Keep out of every tenant", "danger", is_bulk=False, when={"platform": ("promote", "demote")}),
    Action("unlock", "Let in again everywhere", is_bulk=False, when={"platform": ("unlock",)}),
    Action("remove", "Remove", "danger"),
)
_SIGN_INS = (
    Column("browser", "Browser", "title", note="address"),
    Column("method", "Signed in with", labels=_METHODS, kind="badge"),
    Column("last_seen_at", "Last seen", "moment"),
)


def _peek() -> rx.Component:
    peeked = UsersState.peeked
    return rx.el.div(
        rx.el.p(peeked["facts"].to(str), class_name="quiet"),
        rx.el.h3("Groups"),
        plain_table(
            peeked["groups"].to(list[dict[str, Any]]),
            label="Groups",
            columns=[Column("name", "Name", "title")],
            nothing="In no group.",
        ),
        rx.el.h3("Signed in"),
        plain_table(
            peeked["sign_ins"].to(list[dict[str, Any]]),
            label="Sign-ins",
            columns=_SIGN_INS,
            nothing="Nowhere at the moment.",
        ),
        class_name="peek-more",
    )


def users_page() -> rx.Component:
    return frame(
        data_table(
            UsersState,
            _peek(),
            name="users",
            noun=("user", "users"),
            columns=_COLUMNS,
            filters=(
                Filter("roles", "Role", "choice", choices=ROLE_LABELS),
                Filter("status", "Status", "choice", choices=_STATUSES),
                Filter("created_at", "Added", "moment"),
                Filter("is_managed", "Roles from the identity provider", "yes_no"),
            ),
            actions=_ACTIONS,
            on_act=UserActsState.act,
            order="email",
            csv_href=UsersState.csv_address,  # pyright: ignore[reportArgumentType]
            empty=Empty("Nobody here yet", "Invite the first person of this tenant.", label="Invite a user"),
            on_empty=NewUserState.open_form(""),
        ),
        model_form(
            NewUserState,
            title="Invite a user",
            text="A link is made with which they join. You give it to them.",
            word="Make the invitation",
            in_dialog=True,
        ),
        model_form(UserChangeState, title="Change roles or name", in_dialog=True),
        confirm_dialog(UserActsState, on_confirm=UserActsState.confirm),
        shown_once(),
        at=ADDRESS,
        sentence="Who may use this tenant, and what each of them may do.",
        actions=(action_button("Invite a user", NewUserState.open_form(""), shown=UsersState.can_change),),
    )


PAGE = admin_page(ADDRESS, "Users", users_page, UsersState.load)

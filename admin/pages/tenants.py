"""Tenants: which there are, how much they hold, and making, suspending and deleting them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.model_form import FormState, model_form
from admin.components.refresher import refresher
from admin.components.shown_once import show_once, shown_once
from admin.components.specs import Action, Column, Filter
from chatapp.components.state_bases import current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.services import invitations, tenant_limits, tenants
from chatapp.services.administration import acting_in
from chatapp.services.list_page import ListPage
from chatapp.services.tenant_limits import Limits
from chatapp.services.tenants import TenantView

ADDRESS = "/admin/tenants"
_STATES = {"active": "Active", "suspended": "Suspended", "being_deleted": "Being deleted"}


class NewTenant(BaseModel):
    """A tenant to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=tenants.MAX_NAME_CHARACTERS, title="Name", description="What its people call it."
    )
    email: str = Field(
        "",
        max_length=254,
        title="First admin",
        description="Address of who will look after it. You get a link to give to them.",
        json_schema_extra={"kind": "email"},
    )


class TenantName(BaseModel):
    """What of a tenant can be changed."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=tenants.MAX_NAME_CHARACTERS, title="Name")


class TenantLimits(BaseModel):
    """How much a tenant may have in the making at once."""

    model_config = ConfigDict(extra="forbid")

    concurrent_turns: int | None = Field(
        None,
        ge=1,
        le=tenant_limits.MAX_CONCURRENT_TURNS,
        title="Answers at once",
        description="More questions wait for one another. Empty: what the installation gives every tenant.",
    )


class TenantsState(TableState, rx.State):
    """The list of tenants."""

    is_platform: bool = False
    """Whether the person may do more than rename their own."""
    is_deleting: bool = False

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[TenantView]:
        self.is_platform = actor.may(Permission.PLATFORM)
        page = await tenants.list_tenants(actor, wanted)
        self.is_deleting = any(each.deletion_progress is not None for each in page.items)
        return page

    def _row(self, item: TenantView) -> dict[str, Any]:
        return {**super()._row(item), "is_platform": self.is_platform}


class NewTenantState(FormState, rx.State):
    """The form that makes a tenant."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = NewTenant

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:  # noqa: ARG002
        return {"name": "", "email": ""}

    async def _save(self, actor: Actor, subject: str, entered: NewTenant) -> Any:  # noqa: ARG002
        made, invited = await tenants.create_with_admin(actor, name=entered.name, email=entered.email)
        if invited is None or invited.invite_link is None:
            return [TenantsState.load, rx.toast.success(f"{made.name} is there.")]
        return [TenantsState.load, _link_of(made, invited)]


class TenantNameState(FormState, rx.State):
    """The form that renames a tenant."""

    form_model: ClassVar[type[BaseModel]] = TenantName

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        return {"name": (await tenants.get(actor, id_of(subject))).name}

    async def _save(self, actor: Actor, subject: str, entered: TenantName) -> Any:
        await tenants.rename(actor, id_of(subject), name=entered.name)
        return [TenantsState.load, rx.toast.success("Renamed.")]


class TenantLimitsState(FormState, rx.State):
    """The form of a tenant's limits."""

    form_model: ClassVar[type[BaseModel]] = TenantLimits

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        there = await acting_in(actor, id_of(subject), Permission.READ_ADMIN)
        return {"concurrent_turns": (await tenant_limits.get(there)).concurrent_turns}

    async def _save(self, actor: Actor, subject: str, entered: TenantLimits) -> Any:
        there = await acting_in(actor, id_of(subject), Permission.ADMIN)
        await tenant_limits.put(there, Limits(concurrent_turns=entered.concurrent_turns))
        return rx.toast.success("The limits hold from the next question on.")


class TenantActsState(ConfirmState, rx.State):
    """What is done with a tenant of the list."""

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Open the form or the question of an action, or resume the tenant."""
        found = await tenants.get(current_actor(), id_of(ids[0]))
        if name == "rename":
            return TenantNameState.open_form(ids[0])
        if name == "limits":
            return TenantLimitsState.open_form(ids[0])
        if name == "resume":
            await tenants.resume(current_actor(), found.id)
            return [TenantsState.load, rx.toast.success(f"{found.name} is open again.")]
        self._ask(name, [str(found.id)], **_question(name, found))
        return None

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:
        """Do what was asked about."""
        tenant_id = id_of(ids[0])
        change = (
            tenants.suspend(current_actor(), tenant_id, reason=reason)
            if action == "suspend"
            else tenants.delete(current_actor(), tenant_id, name=typed)
        )
        await self._confirm(change)
        return TenantsState.load  # also when it failed: somebody else may have been faster


def _question(action: str, found: TenantView) -> dict[str, Any]:
    hits = {"People": found.users, "Documents": found.documents, "Conversations": found.conversations}
    if action == "suspend":
        return {
            "title": f"Suspend {found.name}?",
            "text": "Nobody signs in, no key opens and answers being written stop. Everything stays, and it can be "
            "resumed.",
            "hits": hits,
            "wants_reason": True,
            "word": "Suspend",
        }
    if action == "delete":
        return {
            "title": f"Delete {found.name} for good?",
            "text": "Nobody can use it from now on, and everything in it is removed: documents, conversations, keys, "
            "its audit log, and people who are in no other tenant. There is no way back.",
            "hits": hits,
            "typed": found.name,
            "word": "Delete for good",
        }
    raise NotFound


def _link_of(made: TenantView, invited: invitations.Invited) -> Any:
    return show_once(
        title=f"{made.name} is there",
        text=f"Give this link to {invited.email}, its first admin. It works once and is not shown again.",
        label="Invitation",
        secret=invited.invite_link or "",
    )


_PLATFORM = {"is_platform": (True,)}
_ACTIONS = (
    Action("rename", "Rename", is_bulk=False, when={"state": ("active", "suspended")}),
    Action("limits", "Limits", is_bulk=False, when={"state": ("active", "suspended")}),
    Action("suspend", "Suspend", is_bulk=False, when={"state": ("active",), **_PLATFORM}),
    Action("resume", "Resume", is_bulk=False, when={"state": ("suspended",), **_PLATFORM}),
    Action("delete", "Delete", "danger", is_bulk=False, when={"state": ("active", "suspended"), **_PLATFORM}),
)
_COLUMNS = (
    Column("name", "Name", "title", sort="name"),
    Column(
        "state",
        "State",
        "badge",
        sort="state",
        labels=_STATES,
        tones={"active": "good", "suspended": "warn", "being_deleted": "bad"},
    ),
    Column("users", "People", "number"),
    Column("documents", "Documents", "number"),
    Column("conversations", "Conversations", "number"),
    Column("created_at", "Made", "moment", sort="created_at"),
    Column("deletion_progress", "Deleted so far", "share", is_shown=False),
    Column("reason", "Why suspended", is_shown=False),
    Column("fingerprint", "Name in other logs", is_shown=False),
)


def tenants_page() -> rx.Component:
    return frame(
        data_table(
            TenantsState,
            name="tenants",
            noun=("tenant", "tenants"),
            columns=_COLUMNS,
            filters=(
                Filter("state", "State", "choice", choices=_STATES),
                Filter("created_at", "Made", "moment"),
            ),
            actions=_ACTIONS,
            on_act=TenantActsState.act,
            order="name",
            csv_href="/v1/admin/tenants.csv",
        ),
        refresher(while_=rx.Var.create(TenantsState.is_deleting), on_tick=TenantsState.load),
        model_form(NewTenantState, title="New tenant", word="Make the tenant", in_dialog=True),
        model_form(TenantNameState, title="Rename the tenant", in_dialog=True),
        model_form(TenantLimitsState, title="Limits of the tenant", in_dialog=True),
        confirm_dialog(TenantActsState, on_confirm=TenantActsState.confirm),
        shown_once(),
        at=ADDRESS,
        sentence="Each tenant has its own people, documents, conversations and keys. Nothing is shared between them.",
        actions=(action_button("New tenant", NewTenantState.open_form(""), shown=TenantsState.is_platform),),
    )


PAGE = admin_page(ADDRESS, "Tenants", tenants_page, TenantsState.load)

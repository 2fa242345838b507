"""API keys: who has which, what they allow, and making, rotating and revoking them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.model_form import FormState, model_form
from admin.components.shown_once import show_once, shown_once
from admin.components.specs import Action, Column, Empty, Filter
from chatapp.components.state_bases import current_actor
from chatapp.domain import Actor
from chatapp.services import key_rules, keys
from chatapp.services.keys import CreatedKey, KeyView
from chatapp.services.list_page import ListPage

ADDRESS = "/admin/keys"
_STATES = {
    "active": "Active",
    "expired": "Expired",
    "revoked": "Revoked",
    "owner_away": "Owner is away",
}
_SCOPES = {
    "use:chat": "Ask questions, read documents",
    "write:documents": "Upload and change documents",
    "read:traces": "Read how answers came about",
    "read:metrics": "Read metrics",
    "admin": "Everything its owner may do",
}
_GRACE = {"0": "at once", "24": "in a day", "72": "in three days", "168": "in a week"}
_EXAMPLE = """curl ORIGIN/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "auto", "messages": [{{"role": "user", "content": "What can I ask?"}}]}}'"""
_LISTING_EXAMPLE = 'curl ORIGIN{path} -H "Authorization: Bearer {key}"'
_PATHS = {
    "write:documents": "/v1/files",
    "admin": "/v1/models",
    "read:metrics": "/metrics",
    "read:traces": "/v1/traces/TRACE_ID",
}


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1,
        max_length=key_rules.MAX_NAME_CHARACTERS,
        title="Name",
        description="What it is for, or where it is.",
    )
    scopes: list[Literal["use:chat", "write:documents", "read:traces", "read:metrics", "admin"]] = Field(
        min_length=1,
        title="Allows",
        description="A key never allows more than its owner, or than you.",
        json_schema_extra={"labels": {**_SCOPES}},
    )
    email: str = Field(
        "",
        max_length=254,
        title="Owner",
        description="Address of a person here. Blank: the key belongs to a service.",
        json_schema_extra={"kind": "email"},
    )
    expires_at: datetime | None = Field(None, title="Valid until", description="Blank: until it is revoked.")


class KeyChange(BaseModel):
    """What of a key can be changed."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=key_rules.MAX_NAME_CHARACTERS, title="Name")
    expires_at: datetime | None = Field(None, title="Valid until", description="Blank: until it is revoked.")


class Rotation(BaseModel):
    """How the key before ends."""

    model_config = ConfigDict(extra="forbid")

    grace_hours: Literal["0", "24", "72", "168"] = Field(
        default="24",
        title="The old key ends",
        description="Until then both open, so that you can bring the new one everywhere.",
        json_schema_extra={"labels": {**_GRACE}},
    )


class KeysState(TableState, rx.State):
    """The list of keys."""

    csv_address: str = ""

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[KeyView]:
        self.csv_address = f"/v1/admin/tenants/{actor.tenant_id}/keys.csv"
        return await keys.list_keys(actor, wanted)

    def _row(self, item: KeyView) -> dict[str, Any]:
        return {**super()._row(item), "owner": item.owner or "A service"}


class NewKeyState(FormState, rx.State):
    """The form that makes a key."""

    form_model: ClassVar[type[BaseModel]] = NewKey

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:  # noqa: ARG002
        self.form_choices = {"scopes": [[name, _SCOPES.get(name, name)] for name in key_rules.scopes_to_give(actor)]}
        return {"name": "", "scopes": ["use:chat"], "email": "", "expires_at": None}

    async def _save(self, actor: Actor, subject: str, entered: NewKey) -> Any:  # noqa: ARG002
        owner = await keys.find_owner(actor, entered.email) if entered.email else None
        made = await keys.create(
            actor, name=entered.name, scopes=entered.scopes, expires_at=entered.expires_at, user_id=owner
        )
        return [KeysState.load, _shown(made, "Your new key")]


class KeyChangeState(FormState, rx.State):
    """The form that changes a key's name or end."""

    form_model: ClassVar[type[BaseModel]] = KeyChange

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        found = await keys.get(actor, id_of(subject))
        return {"name": found.name, "expires_at": found.expires_at.isoformat() if found.expires_at else None}

    async def _save(self, actor: Actor, subject: str, entered: KeyChange) -> Any:
        await keys.change(actor, id_of(subject), entered.model_dump())
        return [KeysState.load, rx.toast.success("Saved.")]


class RotationState(FormState, rx.State):
    """The form that rotates a key."""

    form_model: ClassVar[type[BaseModel]] = Rotation

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:  # noqa: ARG002
        return {"grace_hours": "24"}

    async def _save(self, actor: Actor, subject: str, entered: Rotation) -> Any:
        made = await keys.rotate(actor, id_of(subject), grace_hours=float(entered.grace_hours))
        return [KeysState.load, _shown(made, "The key that takes its place")]


class KeyActsState(ConfirmState, rx.State):
    """What is done with keys of the list."""

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Open the form or the question of an action."""
        if name == "change":
            return KeyChangeState.open_form(ids[0])
        if name == "rotate":
            return RotationState.open_form(ids[0])
        found = [await keys.get(current_actor(), id_of(each)) for each in ids[:_MAX_AT_ONCE]]
        self._ask(
            "revoke",
            [str(each.id) for each in found],
            title="Revoke this key?" if len(found) == 1 else f"Revoke {len(found)} keys?",
            text="Programs that use it are refused within a second. It cannot be taken back; a new key can be made.",
            names=[f"{each.name} ({each.prefix}…)" for each in found],
            word="Revoke",
        )
        return None

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Revoke them."""
        if action != "revoke":
            return None
        is_done = await self._confirm(_revoke(current_actor(), ids[:_MAX_AT_ONCE]))
        return [KeysState.load, rx.toast.success("Revoked.")] if is_done else KeysState.load


_MAX_AT_ONCE = 1_000


async def _revoke(actor: Actor, ids: list[str]) -> None:
    for each in ids:
        await keys.revoke(actor, id_of(each))


def _shown(made: CreatedKey, title: str) -> Any:
    path = next((path for scope, path in _PATHS.items() if scope in made.scopes), "/v1/models")
    asks = "use:chat" in made.scopes
    return show_once(
        title=title,
        text="Copy it now and keep it where secrets are kept. It is not shown again, and only a hash of it stays here.",
        label="Key",
        secret=made.key,
        example=_EXAMPLE.format(key=made.key) if asks else _LISTING_EXAMPLE.format(path=path, key=made.key),
    )


_COLUMNS = (
    Column("name", "Name", "title", sort="name", note="prefix"),
    Column(
        "state",
        "State",
        "badge",
        sort="state",
        labels=_STATES,
        tones={"active": "good", "expired": "quiet", "revoked": "quiet", "owner_away": "warn"},
    ),
    Column("owner", "Owner", sort="owner"),
    Column("scopes", "Allows", "list"),
    Column("last_used_at", "Last used", "moment", sort="last_used_at"),
    Column("expires_at", "Valid until", "moment", sort="expires_at"),
    Column("created_at", "Made", "moment", sort="created_at"),
    Column("previous_expires_at", "Old key opens until", "moment", is_shown=False),
)
_LIVING = {"state": ("active", "owner_away")}
_ACTIONS = (
    Action("rotate", "Rotate", is_bulk=False, when=_LIVING),
    Action("change", "Change name or end", is_bulk=False, when={"state": ("active", "expired", "owner_away")}),
    Action("revoke", "Revoke", "danger", when={"state": ("active", "expired", "owner_away")}),
)


def keys_page() -> rx.Component:
    return frame(
        data_table(
            KeysState,
            name="keys",
            noun=("key", "keys"),
            columns=_COLUMNS,
            filters=(
                Filter("state", "State", "choice", choices=_STATES),
                Filter("scopes", "Allows"),
                Filter("owner", "Owner"),
                Filter("last_used_at", "Last used", "moment"),
                Filter("expires_at", "Valid until", "moment"),
                Filter("created_at", "Made", "moment"),
            ),
            actions=_ACTIONS,
            on_act=KeyActsState.act,
            csv_href=KeysState.csv_address,  # pyright: ignore[reportArgumentType]
            empty=Empty(
                "No keys yet",
                "A key lets a program ask, upload or read in this tenant's name.",
                label="New key",
            ),
            on_empty=NewKeyState.open_form(""),
        ),
        model_form(
            NewKeyState,
            title="New key",
            text="A key lets a program use the API. It is shown once.",
            word="Make the key",
            in_dialog=True,
        ),
        model_form(KeyChangeState, title="Change the key", in_dialog=True),
        model_form(RotationState, title="Rotate the key", word="Make the new key", in_dialog=True),
        confirm_dialog(KeyActsState, on_confirm=KeyActsState.confirm),
        shown_once(),
        at=ADDRESS,
        sentence="Keys let programs use the API. Each belongs to a person or to a service.",
        actions=(action_button("New key", NewKeyState.open_form(""), shown=KeysState.can_change),),
    )


PAGE = admin_page(ADDRESS, "Keys", keys_page, KeysState.load)

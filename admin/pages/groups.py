"""Groups of people: listed, made, and their members looked at and changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table, plain_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.grants_editor import people_finder
from admin.components.ids import id_of
from admin.components.model_form import FormState, model_form
from admin.components.specs import Action, Column, Empty, Filter, row_of
from chatapp.components.documents import SubjectRow
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.services import grants, groups
from chatapp.services.groups import MAX_DESCRIPTION_CHARACTERS, MAX_NAME_CHARACTERS, GroupMemberView, GroupView
from chatapp.services.list_page import ListPage

ADDRESS = "/admin/groups"
_PEEKED_MEMBERS = 20
_STATUSES = {"active": "Active", "invited": "Invited", "disabled": "Disabled"}
_TONES = {"active": "good", "invited": "info", "disabled": "quiet"}


class GroupFields(BaseModel):
    """What of a group can be written."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, title="Name")
    description: str = Field(
        "", max_length=MAX_DESCRIPTION_CHARACTERS, title="Who belongs into it", json_schema_extra={"kind": "long_text"}
    )


class GroupsState(TableState, rx.State):
    """The list of groups."""

    csv_address: str = ""

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[GroupView]:
        self.csv_address = f"/v1/admin/tenants/{actor.tenant_id}/groups.csv"
        return await groups.list_groups(actor, wanted)

    async def _peek(self, actor: Actor, row_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002
        try:
            view = await groups.get(actor, id_of(row_id))
            page = await groups.list_members(actor, view.id, {"limit": str(_PEEKED_MEMBERS)})
        except NotFound:
            return {}
        left = view.members - len(page.items)
        more = f"And {left:,} more: open the group." if left > 0 else ""
        return self._row(view) | {"people": [_member_row(each) for each in page.items], "more": more}


def _member_row(view: GroupMemberView) -> dict[str, Any]:
    return row_of(view) | {"title": view.name or view.email}


class GroupFormState(FormState, rx.State):
    """The form that makes a group, or renames one."""

    form_model: ClassVar[type[BaseModel]] = GroupFields

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        if not subject:
            return {"name": "", "description": ""}
        found = await groups.get(actor, id_of(subject))
        return {"name": found.name, "description": found.description}

    async def _save(self, actor: Actor, subject: str, entered: GroupFields) -> Any:
        if not subject:
            made = await groups.create(actor, name=entered.name, description=entered.description)
            return rx.redirect(f"{ADDRESS}/{made.id}")
        await groups.change(actor, id_of(subject), name=entered.name, description=entered.description)
        return [GroupsState.load, MembersState.load, rx.toast.success("Saved.")]


class GroupActsState(ConfirmState, rx.State):
    """What is done with groups of the list."""

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Open the form or the question of an action."""
        if name == "change":
            return GroupFormState.open_form(ids[0])
        chosen = [await groups.get(current_actor(), id_of(each)) for each in ids[: groups.MAX_AT_ONCE]]
        one = len(chosen) == 1
        self._ask(
            "delete",
            [str(each.id) for each in chosen],
            title=f"Delete {chosen[0].name}?" if one else f"Delete {len(chosen)} groups?",
            text="Its people stay, and lose at once what only this group opened to them."
            if one
            else "Their people stay, and lose at once what only these groups opened to them.",
            hits={
                "People in it" if one else "Places in them": sum(each.members for each in chosen),
                "Collections granted to it" if one else "Grants to them": sum(each.collections for each in chosen),
            },
            names=[] if one else [each.name for each in chosen],
        )
        return None

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Delete them."""
        is_done = await self._confirm(_delete(current_actor(), ids[: groups.MAX_AT_ONCE]))
        return [GroupsState.load, rx.toast.success("Deleted.")] if is_done else GroupsState.load


async def _delete(actor: Actor, ids: list[str]) -> None:
    for each in ids:
        await groups.delete(actor, id_of(each))


class MembersState(TableState, rx.State):
    """The people of the group in the address."""

    group_id: str = ""
    group_name: str = ""
    group_description: str = ""
    csv_address: str = ""

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[GroupMemberView]:
        group = await groups.get(actor, id_of(self.router.url.path.rstrip("/").rpartition("/")[2]))
        self.group_id, self.group_name, self.group_description = str(group.id), group.name, group.description
        self.csv_address = f"/v1/admin/tenants/{actor.tenant_id}/groups/{group.id}/members.csv"
        return await groups.list_members(actor, group.id, wanted)

    def _row(self, item: GroupMemberView) -> dict[str, Any]:
        return _member_row(item)


class MemberActsState(AdminState, rx.State):
    """Putting people into the group and taking them out."""

    permission: ClassVar[Permission | None] = Permission.ADMIN

    found: list[SubjectRow] = []

    @rx.event
    async def search(self, words: str) -> None:
        """Find people of the tenant."""
        found = await grants.search_people(current_actor(), str(words))
        self.found = [SubjectRow(**asdict(each)) for each in found]

    @rx.event
    async def add(self, ids: list[str]) -> Any:
        """Put people into the group."""
        shown = await self.get_state(MembersState)
        done = await groups.add_members(current_actor(), id_of(shown.group_id), [id_of(each) for each in ids])
        return [MembersState.load, rx.toast.success(_people(done.changed, "added"))]

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:  # noqa: ARG002  # the table's one action
        """Take people out of the group."""
        shown = await self.get_state(MembersState)
        done = await groups.remove_members(current_actor(), id_of(shown.group_id), [id_of(each) for each in ids])
        return [MembersState.load, rx.toast.success(_people(done.changed, "taken out"))]


def _people(count: int, what: str) -> str:
    if not count:
        return "Nothing to change."
    return f"One person {what}." if count == 1 else f"{count:,} people {what}."


_COLUMNS = (
    Column("name", "Group", "title", sort="name", note="description"),
    Column("members", "People", "number", sort="members"),
    Column("collections", "Collections", "number", sort="collections"),
    Column("created_at", "Made", "moment", sort="created_at"),
)
_PERSON = Column("title", "Name", "title", sort="name", note="email")
_STATUS = Column("status", "Status", "badge", labels=_STATUSES, tones=_TONES)  # pyright: ignore[reportArgumentType]


def _peek() -> rx.Component:
    peeked = GroupsState.peeked
    return rx.el.div(
        rx.el.h3("People"),
        plain_table(
            peeked["people"].to(list[dict[str, Any]]),
            label="People of the group",
            columns=(_PERSON, _STATUS),
            nothing="Nobody is in it yet.",
        ),
        rx.el.p(peeked["more"].to(str), class_name="quiet"),
        class_name="peek-more",
    )


def groups_page() -> rx.Component:
    return frame(
        data_table(
            GroupsState,
            _peek(),
            name="groups",
            noun=("group", "groups"),
            columns=_COLUMNS,
            filters=(
                Filter("members", "People", "number"),
                Filter("collections", "Collections", "number"),
                Filter("created_at", "Made", "moment"),
            ),
            actions=(Action("change", "Change", is_bulk=False), Action("delete", "Delete", "danger")),
            on_act=GroupActsState.act,
            order="name",
            href=f"{ADDRESS}/{{id}}",
            csv_href=GroupsState.csv_address,  # pyright: ignore[reportArgumentType]
            empty=Empty(
                "No groups yet",
                "Collections can be granted to a group instead of to each of its people.",
                label="New group",
            ),
            on_empty=GroupFormState.open_form(""),
        ),
        model_form(GroupFormState, title=_form_title(), in_dialog=True),
        confirm_dialog(GroupActsState, on_confirm=GroupActsState.confirm),
        at=ADDRESS,
        sentence="Sets of people that collections are granted to.",
        actions=(action_button("New group", GroupFormState.open_form(""), shown=GroupsState.can_change),),
    )


def _form_title() -> rx.Var[str]:
    return rx.cond(GroupFormState.form_subject == "", "New group", "Change the group")


def group_page() -> rx.Component:
    return frame(
        rx.cond(
            MembersState.can_change,
            people_finder(
                label="Add people by name or address",
                word="Add",
                found=MemberActsState.found,
                on_search=MemberActsState.search,
                on_chosen=MemberActsState.add,
            ),
        ),
        data_table(
            MembersState,
            name="group-members",
            noun=("person", "people"),
            columns=(
                _PERSON,
                _STATUS,
                Column("is_managed", "From the identity provider", "yes_no", sort="is_managed"),
                Column("created_at", "In it since", "moment", sort="created_at"),
            ),
            filters=(
                Filter("status", "Status", "choice", choices=_STATUSES),
                Filter("is_managed", "From the identity provider", "yes_no"),
            ),
            actions=(Action("remove", "Take out of the group", "danger"),),
            on_act=MemberActsState.act,
            order="email",
            csv_href=MembersState.csv_address,  # pyright: ignore[reportArgumentType]
            empty=Empty("Nobody is in it yet", "Find people above, or have the identity provider fill it."),
        ),
        model_form(GroupFormState, title="Change the group", in_dialog=True),
        at=ADDRESS,
        title=MembersState.group_name,
        sentence=MembersState.group_description,
        crumbs=((MembersState.group_name, ""),),
        actions=(
            action_button(
                "Change",
                GroupFormState.open_form(MembersState.group_id),
                is_primary=False,
                shown=MembersState.can_change,
            ),
        ),
    )


PAGE = admin_page(ADDRESS, "Groups", groups_page, GroupsState.load)
DETAIL_PAGE = admin_page(f"{ADDRESS}/[group]", "Group", group_page, MembersState.load)

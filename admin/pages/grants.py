"""Collections and who may read them: looked at, explained, and changed with a preview of whom it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import reflex as rx

from admin.components.data_table import TableState, data_table, plain_table
from admin.components.frame import admin_page, frame
from admin.components.grants_editor import (
    EditedCollection,
    EditedGrant,
    ShownChange,
    grants_editor,
    no_change,
    people_finder,
)
from admin.components.ids import id_of
from admin.components.specs import Action, Column, Empty, Filter, row_of
from chatapp.components.documents import SubjectRow
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import AppError, NotFound
from chatapp.services import grants, subjects
from chatapp.services.grants import GrantedCollectionView
from chatapp.services.list_page import ListPage
from chatapp.services.subjects import Grant

ADDRESS = "/admin/grants"
_SHOWN_READERS = 50
_ACCESS = {"read": "May read", "write": "May read and change"}


class GrantsState(TableState, rx.State):
    """The list of collections."""

    csv_address: str = ""

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[GrantedCollectionView]:
        self.csv_address = f"/v1/admin/tenants/{actor.tenant_id}/collections.csv"
        return await grants.list_collections(actor, wanted)

    def _row(self, item: GrantedCollectionView) -> dict[str, Any]:
        given = [row_of(each) | {"id": f"{each.subject_kind} {each.subject}"} for each in item.grants]
        return row_of(item) | {"grants": given, "audience": "restricted" if item.is_restricted else "everyone"}

    async def _peek(self, actor: Actor, row_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002
        try:
            view = await grants.get_collection(actor, id_of(row_id))
            readers = await grants.list_readers(actor, view.id, {"limit": str(_SHOWN_READERS)})
        except NotFound:
            return {}
        shown = [row_of(each) for each in readers.items]
        left = readers.total - sum(each["subject_kind"] == "user" for each in shown)
        more = f"And {left:,} more." if left > 0 else ""
        return self._row(view) | {"readers_shown": shown, "more": more}


class GrantEditState(AdminState, rx.State):
    """The dialog that changes who may read a collection."""

    permission: ClassVar[Permission | None] = Permission.ADMIN

    editing: EditedCollection = EditedCollection(id="", name="", grants=[], epoch=0)
    found: list[SubjectRow] = []
    change: ShownChange = no_change()

    @rx.event
    async def act(self, name: str, ids: list[str]) -> None:  # noqa: ARG002  # the table's one action
        """Open the dialog."""
        actor, collection_id = current_actor(), id_of(ids[0] if ids else "")
        view = await grants.get_collection(actor, collection_id)
        given = [EditedGrant(**asdict(each), detail="") for each in view.grants]
        self.change = _shown(
            await grants.preview(
                actor, collection_id, [Grant(each.subject_kind, each.subject, each.access) for each in view.grants]
            )
        )
        epoch = self.editing["epoch"] + 1
        self.editing = EditedCollection(id=str(view.id), name=view.name, grants=given, epoch=epoch)

    @rx.event
    async def search(self, words: str) -> None:
        """Find who can be granted to."""
        found = await subjects.search(current_actor(), str(words), is_complete=True)
        self.found = [SubjectRow(**asdict(each)) for each in found]

    @rx.event
    async def preview(self, collection_id: str, chosen: list[dict[str, str]]) -> None:
        """Show whom these grants would reach."""
        try:
            wanted = subjects.grants_of(chosen)
            self.change = _shown(await grants.preview(current_actor(), id_of(collection_id), wanted))
        except AppError as error:
            self.change = no_change(error.message)

    @rx.event
    async def save(self, collection_id: str, chosen: list[dict[str, str]], reason: str) -> Any:
        """Set the grants."""
        try:
            wanted = subjects.grants_of(chosen)
            done = await grants.set_grants(current_actor(), id_of(collection_id), wanted, reason=str(reason))
        except AppError as error:
            self.change = no_change(error.message)
            return None
        self.editing = EditedCollection(id="", name="", grants=[], epoch=self.editing["epoch"])
        warning = done.change.warning
        return [GrantsState.load, rx.toast.warning(warning) if warning else rx.toast.success("Saved.")]

    @rx.event
    async def close(self) -> None:
        """Close the dialog; nothing is saved."""
        self.editing = EditedCollection(id="", name="", grants=[], epoch=self.editing["epoch"])


class ReadableState(AdminState, rx.State):
    """What one person may read, and why."""

    found: list[SubjectRow] = []
    person: str = ""
    readable: list[dict[str, Any]] = []

    @rx.event
    async def search(self, words: str) -> None:
        """Find people."""
        found = await grants.search_people(current_actor(), str(words))
        self.found = [SubjectRow(**asdict(each)) for each in found]

    @rx.event
    async def explain(self, ids: list[str]) -> None:
        """Show what the person may read."""
        user_id = id_of(ids[0] if ids else "")
        explained = await grants.what_may_be_read(current_actor(), user_id)
        self.person = next((each["name"] for each in self.found if each["subject"] == str(user_id)), "This person")
        self.readable = [row_of(each) | {"access": "write" if each.can_write else "read"} for each in explained]


def _shown(change: grants.GrantChange) -> ShownChange:
    return ShownChange(**asdict(change), error="")


_COLUMNS = (
    Column("name", "Collection", "title", sort="name", note="description"),
    Column(
        "audience",
        "For",
        "badge",
        labels={"everyone": "Everyone", "restricted": "Some"},
        tones={"everyone": "good", "restricted": "warn"},
    ),
    Column("readers", "Who may read it"),
    Column("documents", "Documents", "number"),
    Column("size_bytes", "Size", "bytes"),
    Column("created_at", "Made", "moment", sort="created_at"),
)
_THROUGH = (
    Column("name", "Name", "title", note="detail"),
    Column("through", "Because of", "list"),
    Column("access", "Access", "badge", labels=_ACCESS, tones={"write": "info"}),
)


def _peek() -> rx.Component:
    peeked = GrantsState.peeked
    return rx.el.div(
        rx.el.h3("Granted to"),
        plain_table(
            peeked["grants"].to(list[dict[str, Any]]),
            label="Grants",
            columns=(Column("name", "Name", "title"), Column("access", "Access", "badge", labels=_ACCESS)),
            nothing="Nobody. An admin can grant it.",
        ),
        rx.el.h3("Who that is"),
        plain_table(
            peeked["readers_shown"].to(list[dict[str, Any]]),
            label="Readers",
            columns=(Column("name", "Name", "title", note="detail"), Column("through", "Because of", "list")),
            nothing="Nobody may read it.",
        ),
        rx.el.p(peeked["more"].to(str), class_name="quiet"),
        class_name="peek-more",
    )


def _explanation() -> rx.Component:
    return rx.el.section(
        rx.el.h2("What may somebody read?"),
        people_finder(
            label="Find a person",
            word="Show",
            found=ReadableState.found,
            is_single=True,
            on_search=ReadableState.search,
            on_chosen=ReadableState.explain,
        ),
        rx.cond(
            ReadableState.person != "",
            rx.el.div(
                rx.el.h3(ReadableState.person, " may read"),
                plain_table(
                    ReadableState.readable,
                    label="What this person may read",
                    columns=_THROUGH,
                    nothing="No collection. They find nothing, and get no answers from documents.",
                ),
            ),
        ),
        class_name="admin-section",
    )


def grants_page() -> rx.Component:
    return frame(
        data_table(
            GrantsState,
            _peek(),
            name="grants",
            noun=("collection", "collections"),
            columns=_COLUMNS,
            filters=(Filter("is_restricted", "Only for some", "yes_no"), Filter("created_at", "Made", "moment")),
            actions=(Action("grant", "Change who may read it", is_bulk=False),),
            on_act=GrantEditState.act,
            order="name",
            csv_href=GrantsState.csv_address,  # pyright: ignore[reportArgumentType]
            empty=Empty("No collections yet", "Whoever adds documents makes them, on the documents page."),
        ),
        _explanation(),
        grants_editor(
            editing=GrantEditState.editing,
            found=GrantEditState.found,
            change=GrantEditState.change,
            on_search=GrantEditState.search,
            on_change_grants=GrantEditState.preview,
            on_save=GrantEditState.save,
            on_close=GrantEditState.close,
        ),
        at=ADDRESS,
        sentence="Who may read which collection. Nobody reads one without a grant, admins included.",
    )


PAGE = admin_page(ADDRESS, "Grants", grants_page, GrantsState.load)

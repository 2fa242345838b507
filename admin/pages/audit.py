"""The audit log: who changed what, how it was before and after, and whether the log is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from admin.components.data_table import TableState, data_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.specs import Column, Empty, Filter, row_of
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Actor, utc_now
from chatapp.errors import AppError, NotFound
from chatapp.services import audit
from chatapp.services.audit import AuditEntry
from chatapp.services.list_page import ListPage

ADDRESS = "/admin/audit"
_NOT_EXPORTED = frozenset({"limit", "after"})


class AuditState(TableState, rx.State):
    """The list of changes."""

    csv_address: str = ""
    json_address: str = ""

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[AuditEntry]:
        page = await audit.list_entries(actor, actor.tenant_id, wanted)
        address = f"/v1/admin/tenants/{actor.tenant_id}/audit"
        filters = urlencode({name: value for name, value in wanted.items() if name not in _NOT_EXPORTED})
        self.csv_address, self.json_address = f"{address}.csv", f"{address}.json?{filters}"
        return page

    def _row(self, item: AuditEntry) -> dict[str, Any]:
        # To the second and in UTC: beside a log of another system nobody should have to reckon.
        at = f"{item.created_at:%Y-%m-%d %H:%M:%S}"
        return row_of(item) | {"at": at, "what": _in_words(item.action)}

    async def _peek(self, actor: Actor, row_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002
        try:
            entry = await audit.get_entry(actor, actor.tenant_id, id_of(row_id))
        except NotFound:
            return {}
        changes = [
            {
                "field": each.field,
                "before": _words(each.before),
                "after": _words(each.after),
                "is_changed": each.is_changed,
            }
            for each in audit.changes_of(entry)
        ]
        details = [{"field": name, "value": _words(value)} for name, value in entry.details.items()]
        return self._row(entry) | {"changes": changes, "more": details}


def _in_words(action: str) -> str:
    """`identity_provider.changed` as people read it: Identity provider changed. A search finds it so too."""
    return action.replace("_", " ").replace(".", " ").capitalize()


def _words(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class ChainState(AdminState, rx.State):
    """What verifying the log found."""

    is_verifying: bool = False
    message: str = ""
    is_intact: bool = True
    end: str = ""

    @rx.event(background=True)
    async def verify(self) -> None:
        """Follow the chain of the log."""
        actor = current_actor()
        async with self:
            if self.is_verifying:
                return
            self.is_verifying, self.message, self.end = True, "", ""
        try:
            report = await audit.verify(actor, actor.tenant_id)
            message = f"{report.message} Verified at {utc_now():%H:%M:%S} UTC."
            found = (message, report.is_intact, report.end if report.is_intact and report.lines else "")
        except AppError as error:
            found = (error.message, False, "")
        async with self:
            self.message, self.is_intact, self.end = found
            self.is_verifying = False


_COLUMNS = (
    Column("what", "What", "title", sort="action", note="actor_name"),
    Column("at", "When (UTC)", "stamp", sort="created_at"),
    Column("action", "Action", sort="action", is_shown=False),
    Column("actor_name", "Who", sort="actor_name", is_shown=False),
    Column("address", "From", sort="address"),
    Column("reason", "Reason"),
    Column("subject_id", "Of", "id"),
    Column("sequence", "Line", "number", sort="sequence"),
    Column("user_id", "Person's id", "id", is_shown=False),
    Column("key_id", "Key's id", "id", is_shown=False),
    Column("hash", "Seal", is_shown=False),
)
_FILTERS = (
    Filter("actor_name", "Who"),
    Filter("action", "Action"),
    Filter("created_at", "When", "moment"),
    Filter("subject_id", "Of (id)", "id"),
    Filter("user_id", "Person (id)", "id"),
    Filter("key_id", "Key (id)", "id"),
    Filter("address", "From"),
    Filter("reason", "Reason"),
    Filter("sequence", "Line", "number"),
)


def _change(change: Any) -> rx.Component:
    return rx.el.tr(
        rx.el.th(change["field"], scope="row"),
        rx.el.td(change["before"]),
        rx.el.td(change["after"]),
        class_name=rx.cond(change["is_changed"], "is-changed", ""),
    )


def _peek() -> rx.Component:
    changes = AuditState.peeked["changes"].to(list[dict[str, Any]])
    details = AuditState.peeked["more"].to(list[dict[str, Any]])
    head = rx.el.tr(*(rx.el.th(words, scope="col") for words in ("Field", "Before", "After")))
    return rx.el.div(
        rx.cond(
            changes.length() > 0,
            rx.el.div(
                rx.el.h3("Before and after"),
                rx.el.table(rx.el.thead(head), rx.el.tbody(rx.foreach(changes, _change)), class_name="diff"),
            ),
        ),
        rx.cond(
            details.length() > 0,
            rx.el.div(
                rx.el.h3("More"),
                rx.el.dl(
                    rx.foreach(details, lambda each: rx.el.div(rx.el.dt(each["field"]), rx.el.dd(each["value"]))),
                    class_name="peek-facts",
                ),
            ),
        ),
        class_name="peek-more",
    )


def _finding() -> rx.Component:
    return rx.el.div(
        rx.cond(
            ChainState.message != "",
            rx.el.div(
                rx.el.p(ChainState.message),
                rx.cond(
                    ChainState.end != "",
                    rx.el.p(
                        "Noted elsewhere, this proves later that the log still has its last line: ",
                        rx.el.code(ChainState.end),
                        class_name="quiet",
                    ),
                ),
                class_name=rx.cond(ChainState.is_intact, "finding", "finding is-bad"),
            ),
        ),
        role="status",
    )


def _download(words: str, address: Any) -> rx.Component:
    # Without `reloadDocument` the router takes the address for one of its pages.
    attributes = {"reloadDocument": True}
    return rx.el.a(words, href=address, download=True, class_name="button", custom_attrs=attributes)


def audit_page() -> rx.Component:
    return frame(
        _finding(),
        data_table(
            AuditState,
            _peek(),
            name="audit",
            noun=("line", "lines"),
            columns=_COLUMNS,
            filters=_FILTERS,
            order="-sequence",
            csv_href=AuditState.csv_address,  # pyright: ignore[reportArgumentType]
            empty=Empty("Nothing has changed yet", "Each change anybody makes is written here, and stays."),
        ),
        at=ADDRESS,
        sentence="Every change: who, when, from where, before and after. Lines are only added, and sealed.",
        actions=(
            _download("Download JSON", AuditState.json_address),
            action_button(rx.cond(ChainState.is_verifying, "Verifying…", "Verify the log"), ChainState.verify),
        ),
    )


PAGE = admin_page(ADDRESS, "Audit log", audit_page, AuditState.load)

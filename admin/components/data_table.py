"""The one table of the admin section, and the State behind it.

What is shown is what the address says, in the grammar of `store.listing`; so a reload, the way back, a shared link,
the API and the CSV file give the same rows. `peek=ID` in the address opens the panel beside the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import reflex as rx

from admin.components.specs import Action, Column, Empty, Filter, as_prop, row_of
from chatapp.components.local_asset import local_asset
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.components.uploads import PACKAGES
from chatapp.domain import Actor, Permission
from chatapp.errors import AppError, InvalidInput
from chatapp.services.list_page import ListPage

# The parts that the components load; they stand beside them among the assets.
for _part in (
    "plain_table.jsx",
    "table_toolbar.jsx",
    "table_filters.jsx",
    "table_cells.jsx",
    "table_peek.jsx",
    "address.js",
    "formats.js",
    "opened_here.js",
):
    local_asset(_part)

_NOT_OF_THE_LIST = frozenset({"peek", "tab", "range"})
"""Parameters of the address that the list knows nothing of."""
_MAX_PARAMETERS = 40


class TableState(AdminState, mixin=True):
    """Rows of one page of a list. A page gives it `_list`, and `_peek` where the panel shows more than the row."""

    rows: list[dict[str, Any]] = []
    peeked: dict[str, Any] = {}
    """The row in the panel with what `_peek` adds; empty: none."""
    total: int = 0
    is_total_exact: bool = True
    next_cursor: str = ""
    is_loading: bool = True
    error: str = ""
    epoch: int = 0
    """Grows with each load, so that the page knows the answer to its question is here."""
    can_change: bool = False
    """Whether the person may do more than read; what they do is checked again by the service."""

    changes_with: ClassVar[Permission] = Permission.ADMIN
    """What `can_change` asks for."""

    @rx.event
    async def load(self) -> None:
        """Show what the address asks for."""
        actor = current_actor()
        query = {name: str(value) for name, value in self.router.url.query_parameters.items()}
        try:
            page = await self._list(actor, wanted_of(query))
            rows = [self._row(item) for item in page.items]
            peeked = await self._peek(actor, query["peek"], rows) if query.get("peek") else {}
        except AppError as error:
            self.error, self.is_loading, self.epoch = error.message, False, self.epoch + 1
            return
        self.rows, self.peeked = rows, peeked
        self.total, self.is_total_exact, self.next_cursor = page.total, page.is_total_exact, page.next_cursor or ""
        self.can_change = actor.may(self.changes_with)
        self.error, self.is_loading, self.epoch = "", False, self.epoch + 1

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[Any]:
        """The service's list; a page says which."""
        raise TypeError(f"{type(self).__name__} lists nothing for {actor.tenant_id}: {dict(wanted)}")

    def _row(self, item: Any) -> dict[str, Any]:
        """A view as a row; it needs an `id`."""
        return row_of(item)

    async def _peek(self, actor: Actor, row_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """What the panel shows of a row: the row itself, also when it is not on this page of the list.

        A list whose field `id` cannot be asked for has to say itself how a row outside the page is found.
        """
        for row in rows:
            if row["id"] == row_id:
                return row
        try:
            page = await self._list(actor, {"id": row_id, "limit": "1"})
        except InvalidInput:
            return {}
        return self._row(page.items[0]) if page.items else {}


def wanted_of(query: Mapping[str, str]) -> dict[str, str]:
    """What of an address's query is for the list.

    Raises:
        InvalidInput: it has more parameters than any list.
    """
    if len(query) > _MAX_PARAMETERS:
        raise InvalidInput("The address has too many parameters. Open the page anew from the navigation.")
    return {name: value for name, value in query.items() if name not in _NOT_OF_THE_LIST}


def _name_and_ids(name: rx.Var[str], ids: rx.Var[list[str]]) -> tuple[rx.Var[str], rx.Var[list[str]]]:
    return name, ids


class _DataTable(rx.Component):
    library = local_asset("data_table.jsx")
    tag = "DataTable"
    lib_dependencies: list[str] = [*PACKAGES]

    name: rx.Var[str]
    noun: rx.Var[list[str]]
    columns: rx.Var[list[dict[str, Any]]]
    filters: rx.Var[list[dict[str, Any]]]
    actions: rx.Var[list[dict[str, Any]]]
    empty: rx.Var[dict[str, Any]]
    order: rx.Var[str]
    href: rx.Var[str]
    csv_href: rx.Var[str]
    is_searched: rx.Var[bool]

    rows: rx.Var[list[dict[str, Any]]]
    peeked: rx.Var[dict[str, Any]]
    total: rx.Var[int]
    is_total_exact: rx.Var[bool]
    next_cursor: rx.Var[str]
    is_loading: rx.Var[bool]
    error: rx.Var[str]
    epoch: rx.Var[int]
    can_change: rx.Var[bool]

    on_reload: rx.EventHandler[rx.event.no_args_event_spec]
    on_act: rx.EventHandler[_name_and_ids]
    on_empty: rx.EventHandler[rx.event.no_args_event_spec]


class _PlainTable(rx.Component):
    library = local_asset("plain_table.jsx")
    tag = "PlainTable"
    lib_dependencies: list[str] = [*PACKAGES]

    label: rx.Var[str]
    columns: rx.Var[list[dict[str, Any]]]
    rows: rx.Var[list[dict[str, Any]]]
    actions: rx.Var[list[dict[str, Any]]]
    href: rx.Var[str]
    nothing: rx.Var[str]
    can_change: rx.Var[bool]

    on_act: rx.EventHandler[_name_and_ids]


def data_table(  # noqa: PLR0913  # every part of a table is said here and nowhere else
    state: type[TableState],
    *peek: rx.Component,
    name: str,
    noun: tuple[str, str],
    columns: Sequence[Column],
    filters: Sequence[Filter] = (),
    actions: Sequence[Action] = (),
    on_act: Any = None,
    order: str = "-created_at",
    href: str = "",
    csv_href: str = "",
    empty: Empty | None = None,
    on_empty: Any = None,
    is_searched: bool = True,
) -> rx.Component:
    """The table of a list page.

    Args:
        state: the page's State; its `load` has to be among the page's `on_load`.
        *peek: what the panel shows under the row's facts, bound to `state.peeked`.
        name: of the list, for what the browser keeps (chosen columns).
        noun: one of them and several: `("user", "users")`.
        columns: in order; one is the `title`.
        filters: offered under "Filter".
        actions: offered in a row's menu and for chosen rows, to people who may change something.
        on_act: handler `(name: str, ids: list[str])` of a State that asks for the right to change.
        order: the listing's own, so that its column shows the arrow.
        href: a row's page, with `{id}` for its id; empty: rows have only the panel.
        csv_href: the API's address of the same list as CSV.
        empty: what is said while there is nothing at all.
        on_empty: handler of the button there.
        is_searched: whether the listing has fields for `q`.
    """
    handlers = {"on_act": on_act, "on_empty": on_empty}
    return _DataTable.create(
        *peek,
        name=name,
        noun=list(noun),
        columns=[as_prop(each) for each in columns],
        filters=[as_prop(each) | {"choices": [[*each_] for each_ in each.choices.items()]} for each in filters],
        actions=[as_prop(each) for each in actions] if on_act is not None else [],
        empty=as_prop(empty or Empty(f"No {noun[1]} yet", "")),
        order=order,
        href=href,
        csv_href=csv_href,
        is_searched=is_searched,
        rows=state.rows,
        peeked=state.peeked,
        total=state.total,
        is_total_exact=state.is_total_exact,
        next_cursor=state.next_cursor,
        is_loading=state.is_loading,
        error=state.error,
        epoch=state.epoch,
        can_change=state.can_change,
        on_reload=state.load,
        **{event: handler for event, handler in handlers.items() if handler is not None},
    )


def plain_table(
    rows: rx.Var[Any] | list[dict[str, Any]],
    *,
    label: str,
    columns: Sequence[Column],
    actions: Sequence[Action] = (),
    on_act: Any = None,
    can_change: rx.Var[bool] | bool = True,
    href: str = "",
    nothing: str = "Nothing here yet.",
) -> rx.Component:
    """A short table of rows that are all here: on a detail page or in the panel, with the cells of the big one.

    Args:
        rows: list of dictionaries with an `id`, as `specs.row_of` makes them.
        label: its name for screen readers.
        columns: in order.
        actions: in a row's menu.
        on_act: handler `(name: str, ids: list[str])`.
        can_change: whether the actions are offered.
        href: where a row's title leads, with `{id}`.
        nothing: said while there are no rows.
    """
    return _PlainTable.create(
        label=label,
        columns=[as_prop(each) for each in columns],
        rows=rows,
        actions=[as_prop(each) for each in actions] if on_act is not None else [],
        href=href,
        nothing=nothing,
        can_change=can_change,
        **({"on_act": on_act} if on_act is not None else {}),
    )

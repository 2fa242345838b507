"""Circuit breakers: where they stand, and drills that hold one open to see who answers then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import reflex as rx

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table, plain_table
from admin.components.frame import admin_page, frame
from admin.components.refresher import refresher
from admin.components.specs import Action, Column, Empty, Filter, row_of
from chatapp.components.state_bases import current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.services import breakers
from chatapp.services.breakers import BreakerView
from chatapp.services.list_page import ListPage

ADDRESS = "/admin/breakers"
_REFRESH_SECONDS = 3
_STATES = {
    "closed": "Closed",
    "half_open": "Trying again",
    "open": "Open",
    "drill": "Drill",
    "unasked": "Not asked yet",
}
_TONES = {"closed": "good", "half_open": "warn", "open": "bad", "drill": "info"}
_MINUTES = {"drill_5": 5, "drill_30": 30}


class BreakersState(TableState, rx.State):
    """The list of deployments."""

    changes_with: ClassVar[Permission] = Permission.PLATFORM

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[BreakerView]:
        return await breakers.list_breakers(actor, wanted)

    def _row(self, item: BreakerView) -> dict[str, Any]:
        processes = [row_of(each) | {"id": each.process} for each in item.processes]
        served = ", ".join(item.models)
        return {**super()._row(item), "served": served, "processes": processes, "is_held": item.drill_until is not None}


class BreakerActsState(ConfirmState, rx.State):
    """Drills."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM

    @rx.event
    async def act(self, name: str, ids: list[str]) -> None:
        """Ask before a drill begins or ends."""
        deployment = str(ids[0]) if ids else ""
        effect = await breakers.effect_of_drill(current_actor(), deployment)
        if name == "end":
            text = "The next question may be sent there again."
            self._ask("end", [deployment], title=f"End the drill of {deployment}?", text=text, word="End the drill")
            return
        minutes = _minutes(name)
        self._ask(
            name,
            [deployment],
            title=f"Hold {deployment} open for {minutes} minutes?",
            text=f"Nothing is sent there, by any process, and it ends by itself. {' '.join(effect.sentences)}",
            wants_reason=True,
            word="Begin the drill",
        )

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Begin or end it."""
        deployment = str(ids[0]) if ids else ""
        if action == "end":
            change = breakers.end_drill(current_actor(), deployment)
        else:
            change = breakers.start_drill(
                current_actor(), deployment, minutes=_minutes(action), reason=str(reason).strip()
            )
        if not await self._confirm(change):
            return None
        return [BreakersState.load, rx.toast.success("Ended." if action == "end" else "The drill has begun.")]


def _minutes(action: str) -> int:
    if action not in _MINUTES:
        raise NotFound
    return _MINUTES[action]


_COLUMNS = (
    Column("id", "Deployment", "title", sort="id", note="served"),
    Column("state", "State", "badge", sort="state", labels=_STATES, tones=_TONES),  # pyright: ignore[reportArgumentType]
    Column("failures", "Failures now", "number", sort="failures"),
    Column("reason", "Last failure"),
    Column("next_probe_at", "Asked again", "moment"),
    Column("requests", "Asked", "number", sort="requests"),
    Column("retries", "Retries", "number", sort="retries"),
    Column("skipped", "Passed over", "number"),
    Column("opened", "Times opened", "number"),
    Column("changed_at", "Last opened or closed", "moment", is_shown=False),
    Column("drill_until", "Drill ends", "moment", is_shown=False),
)
_PROCESS_COLUMNS = (
    Column("process", "Process", "title"),
    Column("state", "State", "badge", labels=_STATES, tones=_TONES),  # pyright: ignore[reportArgumentType]
    Column("failures", "Failures", "number"),
    Column("requests", "Asked", "number"),
    Column("changed_at", "Since", "moment"),
)
_FREE = {"is_held": (False,)}


def _peek() -> rx.Component:
    return rx.el.div(
        rx.el.h3("In each process"),
        plain_table(
            BreakersState.peeked["processes"].to(list[dict[str, Any]]),
            label="Processes",
            columns=_PROCESS_COLUMNS,
            nothing="No process has sent anything there since it began.",
        ),
        rx.el.p(
            rx.link("Drills in the audit log", href="/admin/audit?q=breaker"),
            class_name="quiet",
        ),
        class_name="peek-more",
    )


def breakers_page() -> rx.Component:
    return frame(
        data_table(
            BreakersState,
            _peek(),
            name="breakers",
            noun=("deployment", "deployments"),
            columns=_COLUMNS,
            filters=(Filter("state", "State", "choice", choices=_STATES), Filter("provider", "Provider")),
            actions=(
                Action("drill_5", "Hold open for 5 minutes", "danger", is_bulk=False, when=_FREE),
                Action("drill_30", "Hold open for 30 minutes", "danger", is_bulk=False, when=_FREE),
                Action("end", "End the drill", is_bulk=False, when={"is_held": (True,)}),
            ),
            on_act=BreakerActsState.act,
            order="id",
            csv_href="/v1/admin/breakers.csv",
            empty=Empty("No models yet", "Add a provider and a model, then where they are served stands here."),
        ),
        confirm_dialog(BreakerActsState, on_confirm=BreakerActsState.confirm),
        refresher(while_=rx.Var.create(BreakersState.epoch > 0), on_tick=BreakersState.load, seconds=_REFRESH_SECONDS),
        at=ADDRESS,
        sentence="A deployment that keeps failing is not asked for a while, then tried once. "
        "A drill holds one open, to see who answers then.",
    )


PAGE = admin_page(ADDRESS, "Breakers", breakers_page, BreakersState.load)

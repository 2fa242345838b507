"""The first page of the admin section: is it up, is it fast, is it right, what does it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import reflex as rx

from admin.components.chart import ChartSeries, Unit, chart, no_series, range_picker, series
from admin.components.data_table import plain_table
from admin.components.figures import FigureItem, figures
from admin.components.frame import admin_page, frame
from admin.components.specs import Column
from chatapp.components.onboarding import OnboardingState, onboarding_card
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.errors import AppError
from chatapp.services import overview
from chatapp.services.overview import Figure, Load, Overview, Queue

_SPANS = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"))
_FAST = ("ttft_p50", "ttft_p95", "latency_p50", "latency_p95")
_RIGHT = ("answers", "thumbs_up", "uncited", "failed")
_COSTS = ("cost", "cost_per_answer", "tokens")
_QUEUE: Mapping[str, tuple[str, str]] = {
    "waiting": ("Waiting", "/documents?state=working"),
    "running": ("Being read", "/documents?state=working"),
    "failed": ("Failed", "/documents?state=failed"),
    "ready": ("Ready", "/documents?state=ready"),
}


def _item(figure: Figure) -> FigureItem:
    return FigureItem(
        name=figure.name,
        label=figure.label,
        help=figure.help,
        unit=figure.unit,
        is_high_good=figure.is_high_good,
        target=figure.target,
        now=figure.now,
        before=figure.before,
        change=figure.change,
        state=figure.state,
        href="",
    )


def _series(found: Overview, name: str) -> ChartSeries:
    figure = next(each for each in found.figures if each.name == name)
    points = [(point.at, point.now, point.before) for point in figure.points]
    return series(points, label=figure.label, is_hourly=found.span == "24h")


def _load_items(found: Load) -> list[FigureItem]:
    """What is asked of the answers at this moment, over all web processes, and what was turned away in the span."""
    grown = (found.refused - found.refused_before) / found.refused_before if found.refused_before else None
    return [
        _count("answering", "Being answered", "Questions of this organisation, over all web processes.", found.running),
        _count("asked", "Waiting", "Questions that wait for a free place.", found.waiting),
        _count(
            "oldest", "Longest wait", "Of the questions that wait now.", found.oldest_seconds * 1000, "milliseconds"
        ),
        FigureItem(
            name="refused",
            label="Turned away",
            help="Questions refused because too much was being asked.",
            unit="number",
            is_high_good=False,
            target=0.0,
            now=float(found.refused),
            before=float(found.refused_before),
            change=grown,
            state="warn" if found.refused else "good",
            href="",
        ),
    ]


def _count(name: str, label: str, explained: str, now: float, unit: str = "number") -> FigureItem:
    return FigureItem(
        name=name,
        label=label,
        help=explained,
        unit=unit,
        is_high_good=None,
        target=None,
        now=float(now),
        before=None,
        change=None,
        state="none",
        href="",
    )


def _queue_items(queue: Queue) -> list[FigureItem]:
    return [
        FigureItem(
            name=name,
            label=label,
            help="Documents",
            unit="number",
            is_high_good=None,
            target=0.0 if name == "failed" else None,
            now=float(getattr(queue, name)),
            before=None,
            change=None,
            state=("good" if not queue.failed else "warn") if name == "failed" else "none",
            href=href,
        )
        for name, (label, href) in _QUEUE.items()
    ]


class OverviewState(AdminState, rx.State):
    """What the overview shows."""

    dependencies: list[dict[str, Any]] = []
    queue: list[FigureItem] = []
    load_now: list[FigureItem] = []
    fast: list[FigureItem] = []
    right: list[FigureItem] = []
    costs: list[FigureItem] = []
    speed: ChartSeries = no_series()
    sources: ChartSeries = no_series()
    cost: ChartSeries = no_series()
    is_loading: bool = True
    error: str = ""

    @rx.event
    async def load(self) -> None:
        """Look at everything anew."""
        span = self.router.url.query_parameters.get("range", overview.DEFAULT_RANGE)
        try:
            found = await overview.get(current_actor(), span=str(span))
        except AppError as error:
            self.error, self.is_loading = error.message, False
            return
        self._show(found)

    def _show(self, found: Overview) -> None:
        items = {figure.name: _item(figure) for figure in found.figures}
        self.dependencies = [{"id": each.name, "name": each.label, "state": each.state} for each in found.dependencies]
        self.queue = _queue_items(found.queue)
        self.load_now = _load_items(found.load)
        self.fast, self.right, self.costs = ([items[name] for name in names] for names in (_FAST, _RIGHT, _COSTS))
        self.speed, self.sources = _series(found, "ttft_p95"), _series(found, "uncited")
        self.cost = _series(found, "cost")
        self.error, self.is_loading = "", False


def _section(title: str, *content: rx.Component) -> rx.Component:
    return rx.el.section(rx.el.h2(title), *content, class_name="overview-section", aria_label=title)


def _figures(items: Any, count: int) -> rx.Component:
    return figures(items, is_loading=OverviewState.is_loading, count=count)


def _chart(shown: Any, label: str, unit: Unit) -> rx.Component:
    return rx.cond(
        OverviewState.is_loading,
        rx.el.div(class_name="chart chart-skeleton skeleton"),
        chart(shown, label=label, unit=unit),
    )


def overview_page() -> rx.Component:
    return frame(
        onboarding_card(can_return=True),
        rx.cond(OverviewState.error != "", rx.el.p(OverviewState.error, role="alert", class_name="page-problem")),
        _section(
            "Is it up",
            rx.el.div(
                plain_table(
                    OverviewState.dependencies,
                    label="Servers",
                    columns=[
                        Column("name", "Server", "title"),
                        Column("state", "State", "badge", labels={"ok": "Up"}, tones={"ok": "good"}, tone="bad"),
                    ],
                    nothing="",
                ),
                rx.el.div(rx.el.h3("Documents on their way in"), _figures(OverviewState.queue, 4)),
                class_name="overview-up",
            ),
            rx.el.div(rx.el.h3("Questions at this moment"), _figures(OverviewState.load_now, 4)),
        ),
        _section(
            "Is it fast",
            _figures(OverviewState.fast, 4),
            _chart(OverviewState.speed, "First token, p95", "milliseconds"),
        ),
        _section(
            "Is it right",
            _figures(OverviewState.right, 4),
            _chart(OverviewState.sources, "Answers without sources", "share"),
        ),
        _section("What does it cost", _figures(OverviewState.costs, 3), _chart(OverviewState.cost, "Cost", "money")),
        at="/admin",
        sentence="Is it up, is it fast, is it right, and what does it cost, against the span before.",
        actions=[range_picker(_SPANS, start=overview.DEFAULT_RANGE)],
    )


PAGE = admin_page("/admin", "Overview", overview_page, OnboardingState.load, OverviewState.load)

"""The one chart of the admin section: one figure over time, the span before as a thin line, a table under it.

Drawn by Recharts. The line carries its name at its end, so there is no legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

import reflex as rx

from admin.components.data_table import plain_table
from admin.components.specs import Column, ColumnKind
from chatapp.components.local_asset import local_asset
from chatapp.components.uploads import PACKAGES

Unit = Literal["number", "milliseconds", "share", "money"]

_HEIGHT_PX = 200
_NEAR = 0.1
"""Share of the axis within which two names at the lines' ends would cover each other."""


class ChartPoint(TypedDict):
    """One part of the span."""

    id: str
    """When it begins: `h` or `d` for an hour or a day, a colon, seconds since 1970."""
    now: float | None
    before: float | None


class ChartSeries(TypedDict):
    """What a chart shows."""

    points: list[ChartPoint]
    is_empty: bool
    end_id: str
    """Of the last point with a figure."""
    end_now: float
    before_id: str
    before: float
    is_before_named: bool
    """Whether there is room for the name of the span before."""
    summary: str
    """What the picture shows, for those who do not see it."""


def no_series() -> ChartSeries:
    """A chart without anything in it."""
    return series([], label="", is_hourly=False)


def series(
    points: Sequence[tuple[datetime, float | None, float | None]], *, label: str, is_hourly: bool
) -> ChartSeries:
    """Make what a chart shows.

    Args:
        points: when each part begins, its figure, and that of the same part of the span before.
        label: the figure's name.
        is_hourly: whether a part is an hour; else a day in UTC.
    """
    mark = "h" if is_hourly else "d"
    drawn = [ChartPoint(id=f"{mark}:{int(at.timestamp())}", now=now, before=before) for at, now, before in points]
    ends = [(point["id"], point["now"]) for point in drawn if point["now"] is not None] or [("", 0.0)]
    befores = [(point["id"], point["before"]) for point in drawn if point["before"] is not None] or [("", 0.0)]
    top = max((value for point in drawn for value in (point["now"], point["before"]) if value is not None), default=0)
    (end_id, end), (before_id, before) = ends[-1], befores[-1]
    return ChartSeries(
        points=drawn,
        is_empty=not end_id,
        end_id=end_id,
        end_now=end or 0.0,
        before_id=before_id,
        before=before or 0.0,
        is_before_named=bool(before_id) and (not end_id or abs((end or 0) - (before or 0)) > _NEAR * top),
        summary=f"{label} over {len(drawn)} {'hours' if is_hourly else 'days'}, with the span before. A table follows.",
    )


class _RangePicker(rx.Component):
    library = local_asset("range_picker.jsx")
    tag = "RangePicker"
    lib_dependencies: list[str] = [*PACKAGES]

    ranges: rx.Var[list[list[str]]]
    start: rx.Var[str]


def range_picker(ranges: Sequence[tuple[str, str]], *, start: str) -> rx.Component:
    """The span a page shows, kept in the address as `range`.

    Args:
        ranges: value and words, shortest first.
        start: the one shown where the address names none.
    """
    return _RangePicker.create(ranges=[list(each) for each in ranges], start=start)


_TICKS: dict[Unit, str] = {
    "number": "new Intl.NumberFormat('en', {notation: 'compact', maximumFractionDigits: 1}).format(value)",
    "milliseconds": "value < 1000 ? Math.round(value) + ' ms' : Math.round(value / 100) / 10 + ' s'",
    "share": "Math.round(value * 1000) / 10 + ' %'",
    "money": "'$' + (value / 1e6).toLocaleString('en', {maximumFractionDigits: value < 1e6 ? 4 : 2})",
}
_WHEN = (
    "((id) => { const date = new Date(Number(String(id).slice(2)) * 1000); return String(id).startsWith('h')"
    " ? date.toLocaleTimeString(undefined, {hour: '2-digit', minute: '2-digit'})"
    " : date.toLocaleDateString(undefined, {day: 'numeric', month: 'short', timeZone: 'UTC'}); })"
)
_KINDS: dict[Unit, ColumnKind] = {
    "number": "number",
    "milliseconds": "milliseconds",
    "share": "share",
    "money": "money",
}


def chart(shown: Any, *, label: str, unit: Unit, nothing: str = "Nothing in this span yet.") -> rx.Component:
    """One figure over time.

    Args:
        shown: a `ChartSeries` of a State.
        label: the figure's name, also the picture's for screen readers.
        unit: how its values are written.
        nothing: said while there is nothing to draw.
    """
    return rx.el.figure(
        rx.el.figcaption(label),
        rx.cond(
            shown["is_empty"],
            rx.el.p(nothing, class_name="chart-empty quiet"),
            rx.fragment(
                rx.el.div(_drawing(shown, unit), role="img", aria_label=shown["summary"], class_name="chart-drawing"),
                _table(shown, label, unit),
            ),
        ),
        class_name="chart",
    )


def _drawing(shown: Any, unit: Unit) -> rx.Component:
    value, when = f"((value) => {_TICKS[unit]})", _WHEN
    written: dict[str, Any] = {"formatter": rx.Var(value), "labelFormatter": rx.Var(when)}
    named = {"position": "right", "font_size": 12, "offset": 8}
    return rx.recharts.line_chart(
        rx.recharts.cartesian_grid(vertical=False, stroke="var(--gray-a4)"),
        rx.recharts.x_axis(
            data_key="id",
            tick_formatter=when,
            tick_line=False,
            axis_line=False,
            min_tick_gap=28,
            custom_attrs={"tick": {"fontSize": 12, "fill": "var(--text-quiet)"}},
        ),
        rx.recharts.y_axis(
            tick_formatter=value,
            tick_line=False,
            axis_line=False,
            width=64,
            tick_count=4,
            custom_attrs={"tick": {"fontSize": 12, "fill": "var(--text-quiet)"}},
        ),
        rx.recharts.graphing_tooltip(
            is_animation_active=False,
            custom_attrs=written | {"wrapperClassName": "chart-tooltip"},
            cursor={"stroke": "var(--gray-a7)"},
        ),
        _line("before", "The span before", "var(--gray-8)", 1),
        _line("now", "This span", "var(--accent-9)", 2),
        rx.cond(
            shown["is_before_named"],
            rx.recharts.reference_dot(
                rx.recharts.label(value="Before", fill="var(--text-quiet)", custom_attrs=named),
                x=shown["before_id"],
                y=shown["before"].to(int),
                r=0,
            ),
        ),
        rx.recharts.reference_dot(
            rx.recharts.label(value="Now", fill="var(--accent-11)", custom_attrs=named),
            x=shown["end_id"],
            y=shown["end_now"].to(int),
            r=3,
            fill="var(--accent-9)",
            stroke="var(--surface)",
        ),
        data=shown["points"],
        margin={"top": 8, "right": 64, "bottom": 0, "left": 0},
        width="100%",
        height=_HEIGHT_PX,
        custom_attrs={"accessibilityLayer": False},
    )


def _line(key: str, name: str, colour: str, width: int) -> rx.Component:
    return rx.recharts.line(
        data_key=key,
        name=name,
        stroke=colour,
        stroke_width=width,
        type_="monotone",
        dot=False,
        active_dot=key == "now",
        is_animation_active=False,
        connect_nulls=True,
    )


def _table(shown: Any, label: str, unit: Unit) -> rx.Component:
    return rx.el.details(
        rx.el.summary("As a table"),
        plain_table(
            shown["points"],
            label=label,
            columns=[
                Column("id", "When", "slot"),
                Column("now", "This span", _KINDS[unit]),
                Column("before", "The span before", _KINDS[unit]),
            ],
        ),
        class_name="chart-table",
    )

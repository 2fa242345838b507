"""Prices as people write them: dollars for a million tokens. Everywhere else they are whole micro-dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import Field

_MICRO = 1_000_000
_MOST = 2_000
_UNIT = "$ / M tokens"


def price_field(title: str, description: str = "", **values: Any) -> Any:
    """A form's field for a price; its annotation is `Decimal`, or `Decimal | None` with `default=None`.

    Args:
        title: its label.
        description: the help under it.
        **values: what else `pydantic.Field` takes.
    """
    limits: dict[str, Any] = {"ge": 0, "le": _MOST, "decimal_places": 6}
    extra: dict[str, Any] = {"kind": "number", "unit": _UNIT}
    return Field(title=title, description=description or None, json_schema_extra=extra, **limits, **values)


def in_dollars(micro_usd: int | None) -> str:
    """A price as a form begins with it: `0.4`, without zeros at the end; empty for None."""
    if micro_usd is None:
        return ""
    text = f"{Decimal(micro_usd) / _MICRO:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_micro_usd(dollars: Decimal | None) -> int | None:
    """What was typed, in micro-dollars; it has no more than six digits after the point."""
    return None if dollars is None else int(dollars * _MICRO)

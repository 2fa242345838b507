"""`python -m tests.bench [NAME ...]`: run the benchmarks and print our figure, the reference's and the ratio."""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from importlib import import_module
from types import ModuleType

from tests.bench.row import Row
from tests.fixtures.loopback import refuse_outbound

BENCHES = (
    "admin_lists",
    "gateway_overhead",
    "gateway_throughput",
    "streams",
    "routing_faults",
    "memory",
    "overload",
    "single_flight",
    "leaving",
    "stream_relay",
    "browser",
    "embedding",
    "ingestion",
    "retrieval_quality",
    "retrieval_speed",
    "support_marks",
)
"""Every benchmark's module; a new one is a module and its name here."""

_HEAD = ("what", "ours", "unit", "quartiles", "against", "theirs", "ratio", "target")


def main(names: list[str]) -> int:
    """Run what was asked for, or everything; the status is 1 when there is no such benchmark."""
    unknown = sorted(set(names) - set(BENCHES))
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(BENCHES)}.", file=sys.stderr)
        return 1
    refuse_outbound()
    for name in names or BENCHES:
        began = time.monotonic()
        print(f"\n{name} ...", flush=True)
        rows = _run(import_module(f"tests.bench.{name}"))
        _print(rows)
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
    return 0


def _run(bench: ModuleType) -> list[Row]:
    rows = bench.run()
    return asyncio.run(rows) if inspect.iscoroutine(rows) else rows


def _print(rows: list[Row]) -> None:
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip(), flush=True)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.subject,
        _figure(row.figure),
        row.unit,
        row.spread or "-",
        row.reference,
        _figure(row.reference_figure),
        _figure(row.ratio),
        row.target,
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

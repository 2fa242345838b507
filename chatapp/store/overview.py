"""What traces, thumbs and documents come to over time, for the admin's first page.

Percentiles come from a histogram with buckets 1.6 % wide at most, which can be added up over days; sorting a million
values for an exact one takes a second. Buckets are those of HdrHistogram with 64 steps to each power of two
(http://hdrhistogram.org), which both databases compute without a logarithm. A day that is over is summed up once and
kept in `trace_days`; later deletions of single traces do not change what it cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, String, case, cast, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from chatapp.domain import DocumentStatus
from chatapp.store.database import SEES_EVERY_COLLECTION, Transaction
from chatapp.store.tables import DocumentTable, FeedbackTable, TenantTable, TraceDayTable, TraceTable

_STEPS = 64
_FIRST_POWER = 6
_LAST_POWER = 21
"""Two hours in milliseconds; what takes longer counts as that long."""
_DAY = len("2026-01-31")
_HOUR = len("2026-01-31 23")


@dataclass(slots=True)
class Measures:
    """What the traces of a span come to."""

    answers: int = 0
    failed: int = 0
    uncited: int = 0
    """Answers that point to no source."""
    cost_micro_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    good: int = 0
    """Thumbs up."""
    bad: int = 0
    """Thumbs down."""
    latency: Counter[int] = field(default_factory=Counter)
    """Answers by bucket of the time they took."""
    ttft: Counter[int] = field(default_factory=Counter)
    """Answers by bucket of the time to their first token."""

    def add(self, other: Measures) -> None:
        """Add another span's."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency.update(other.latency)
        self.ttft.update(other.ttft)


_SUMS = ("answers", "failed", "uncited", "cost_micro_usd", "input_tokens", "output_tokens", "good", "bad")
_OF_TRACES = _SUMS[:6]


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """The value below which this share of the counted ones lies, in the middle of its bucket; None: none was counted.

    Args:
        histogram: counts by bucket, as `Measures` has them.
        share: more than 0, at most 1; the nearest rank.
    """
    total = sum(histogram.values())
    wanted, seen = max(share * total, 1), 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= wanted:
            return _middle(bucket)
    return None


def bucket_of(value: float) -> int:
    """The bucket of a value in milliseconds, 0 or more; `_bucket` says the same in SQL."""
    if value < _STEPS:
        return int(value)
    power = min(int(value).bit_length() - 1, _LAST_POWER)
    return _STEPS * (power - _FIRST_POWER + 1) + min(int((value - 2**power) / 2 ** (power - _FIRST_POWER)), _STEPS - 1)


def _middle(bucket: int) -> float:
    if bucket < _STEPS:
        return bucket + 0.5
    power = bucket // _STEPS - 1 + _FIRST_POWER
    return 2**power + (bucket % _STEPS + 0.5) * 2 ** (power - _FIRST_POWER)


def _bucket(column: Any, whole: Any) -> ColumnElement[int]:
    whens: list[Any] = [(column < _STEPS, whole(column))]
    for power in range(_FIRST_POWER, _LAST_POWER + 1):
        first = _STEPS * (power - _FIRST_POWER + 1)
        whens.append(
            (column < 2 ** (power + 1), first + whole((column - 2**power) / float(2 ** (power - _FIRST_POWER))))
        )
    return case(*whens, else_=_STEPS * (_LAST_POWER - _FIRST_POWER + 2) - 1)


async def hours(tx: Transaction, since: datetime, until: datetime) -> dict[str, Measures]:
    """What each hour of a span comes to, by `2026-01-31 23` in UTC; hours without a trace are left out.

    Args:
        tx: the transaction of an actor.
        since: inclusive.
        until: exclusive.
    """
    return await _measured(tx, since, until, _HOUR)


async def days(tx: Transaction, since: datetime, until: datetime) -> dict[str, Measures]:
    """What each day of a span comes to, by `2026-01-31` in UTC; days that were kept are not counted anew.

    Args:
        tx: the transaction of an actor; what is not kept yet is only kept by `keep_days`.
        since: midnight, inclusive.
        until: exclusive; the day it is in counts as far as it went.
    """
    statement = select(TraceDayTable).where(
        col(TraceDayTable.tenant_id) == tx.tenant_id,
        col(TraceDayTable.day) >= f"{since:%Y-%m-%d}",
        col(TraceDayTable.day) < f"{until:%Y-%m-%d}",
    )
    kept = {row.day: _read(row.measures) for row in (await tx.session.execute(statement)).scalars()}
    missing = [day for day in days_of(since, until) if day not in kept]
    for first, last in _runs(missing):
        counted = await _traces(tx, _midnight(first), min(_midnight(last) + timedelta(days=1), until), _DAY)
        kept |= counted
    for day, thumbs in (await _thumbs(tx, since, until, _DAY)).items():
        kept.setdefault(day, Measures()).add(thumbs)
    return {day: measures for day, measures in kept.items() if measures != Measures()}


async def keep_days(tx: Transaction, since: datetime, until: datetime) -> int:
    """Sum up and keep the days of a span that are not kept yet, the empty ones too.

    Args:
        tx: a transaction of an actor that may write.
        since: midnight, inclusive.
        until: midnight, exclusive, not in the future.

    Returns:
        how many days were added.
    """
    statement = select(col(TraceDayTable.day)).where(col(TraceDayTable.tenant_id) == tx.tenant_id)
    kept = set((await tx.session.execute(statement)).scalars())
    missing = [day for day in days_of(since, until) if day not in kept]
    counted: dict[str, Measures] = {}
    for first, last in _runs(missing):
        counted |= await _traces(tx, _midnight(first), _midnight(last) + timedelta(days=1), _DAY)
    rows = [
        {"tenant_id": tx.tenant_id, "day": day, "measures": _written(counted.get(day, Measures()))} for day in missing
    ]
    if rows:
        insert = postgresql.insert if _is_postgres(tx) else sqlite.insert
        # Somebody else may be looking at the same moment and have the same days.
        await tx.session.execute(insert(TraceDayTable).on_conflict_do_nothing(), rows)
    return len(rows)


async def is_kept(tx: Transaction, since: datetime, until: datetime) -> bool:
    """Whether every day of a span is kept."""
    statement = select(func.count()).where(
        col(TraceDayTable.tenant_id) == tx.tenant_id,
        col(TraceDayTable.day) >= f"{since:%Y-%m-%d}",
        col(TraceDayTable.day) < f"{until:%Y-%m-%d}",
    )
    return (await tx.session.execute(statement)).scalar_one() >= len(days_of(since, until))


async def tenants_to_keep(tx: Transaction, day: str, *, limit: int) -> list[UUID]:
    """Tenants with a trace before the end of a day that have not kept that day. System transactions only.

    Args:
        tx: a system transaction.
        day: as `2026-01-31`.
        limit: most tenants.
    """
    is_kept_there = exists().where(col(TraceDayTable.tenant_id) == col(TenantTable.id), col(TraceDayTable.day) == day)
    has_traces = exists().where(
        col(TraceTable.tenant_id) == col(TenantTable.id),
        col(TraceTable.created_at) < _midnight(day) + timedelta(days=1),
    )
    statement = select(col(TenantTable.id)).where(~is_kept_there, has_traces).limit(limit)
    return list((await tx.session.execute(statement)).scalars())


async def first_trace(tx: Transaction) -> datetime | None:
    """When the tenant's oldest trace was written; None: it has none."""
    statement = select(func.min(col(TraceTable.created_at))).where(col(TraceTable.tenant_id) == tx.tenant_id)
    return (await tx.session.execute(statement)).scalar_one()


async def documents_by_status(tx: Transaction) -> dict[DocumentStatus, int]:
    """How many of the tenant's documents stand where, whoever may read them: it is counts alone."""
    statement = (
        select(col(DocumentTable.status), func.count())
        .where(col(DocumentTable.tenant_id) == tx.tenant_id)
        .group_by(col(DocumentTable.status))
    )
    found = await tx.session.execute(statement, execution_options={SEES_EVERY_COLLECTION: True})
    return {DocumentStatus(status): count for status, count in found.all()}


def days_of(since: datetime, until: datetime) -> list[str]:
    """Every day of a span, as `2026-01-31`."""
    first = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    count = max(0, -((first - until) // timedelta(days=1)))
    return [f"{first + timedelta(days=number):%Y-%m-%d}" for number in range(count)]


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _runs(found: list[str]) -> Iterable[tuple[str, str]]:
    """Days that follow each other, as first and last."""
    run: list[str] = []
    for day in found:
        if run and _midnight(day) - _midnight(run[-1]) > timedelta(days=1):
            yield run[0], run[-1]
            run = []
        run.append(day)
    if run:
        yield run[0], run[-1]


async def _measured(tx: Transaction, since: datetime, until: datetime, length: int) -> dict[str, Measures]:
    measured = await _traces(tx, since, until, length)
    for slot, thumbs in (await _thumbs(tx, since, until, length)).items():
        measured.setdefault(slot, Measures()).add(thumbs)
    return measured


async def _traces(tx: Transaction, since: datetime, until: datetime, length: int) -> dict[str, Measures]:
    slot, inside = _slot(tx, TraceTable.created_at, length), _inside(tx, TraceTable, since, until)
    is_failed, is_uncited = col(TraceTable.finish_reason) == "error", col(TraceTable.citation_count) == 0
    sums = select(
        slot,
        func.count(),
        func.sum(case((is_failed, 1), else_=0)),
        func.sum(case((is_uncited & ~is_failed, 1), else_=0)),
        *(func.sum(getattr(TraceTable, name)) for name in _OF_TRACES[3:]),
    )
    measured: dict[str, Measures] = {}
    for key, *values in (await tx.session.execute(sums.where(*inside).group_by(slot))).all():
        measured[key] = measures = Measures()
        for name, value in zip(_OF_TRACES, values, strict=True):
            setattr(measures, name, int(value))
    for name in ("latency", "ttft"):
        column = col(getattr(TraceTable, f"{name}_ms"))
        bucket = _bucket(column, _whole(tx))
        counts = select(slot, bucket, func.count()).where(*inside, column.is_not(None)).group_by(slot, bucket)
        for key, place, count in (await tx.session.execute(counts)).all():
            getattr(measured[key], name)[place] = count
    return measured


async def _thumbs(tx: Transaction, since: datetime, until: datetime, length: int) -> dict[str, Measures]:
    slot = _slot(tx, FeedbackTable.created_at, length)
    counts = select(slot, col(FeedbackTable.rating), func.count()).where(*_inside(tx, FeedbackTable, since, until))
    measured: dict[str, Measures] = {}
    for key, rating, count in (await tx.session.execute(counts.group_by(slot, col(FeedbackTable.rating)))).all():
        setattr(measured.setdefault(key, Measures()), "good" if rating == "up" else "bad", count)
    return measured


def _inside(tx: Transaction, table: Any, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return table.tenant_id == tx.tenant_id, table.created_at >= since, table.created_at < until


def _slot(tx: Transaction, column: Any, length: int) -> ColumnElement[str]:
    if _is_postgres(tx):
        return func.left(func.to_char(func.timezone("UTC", column), "YYYY-MM-DD HH24"), length)
    # SQLite keeps moments as text, in UTC.
    return func.substr(cast(column, String), 1, length)


def _whole(tx: Transaction) -> Any:
    # SQLite cuts off when it casts, PostgreSQL rounds.
    return (lambda value: cast(func.floor(value), Integer)) if _is_postgres(tx) else lambda value: cast(value, Integer)


def _is_postgres(tx: Transaction) -> bool:
    return tx.session.get_bind().dialect.name == "postgresql"


def _written(measures: Measures) -> dict[str, Any]:
    histograms = {
        name: {str(key): count for key, count in getattr(measures, name).items()} for name in ("latency", "ttft")
    }
    return {name: getattr(measures, name) for name in _OF_TRACES} | histograms


def _read(kept: Mapping[str, Any]) -> Measures:
    measures = Measures(**{name: kept[name] for name in _OF_TRACES})
    for name in ("latency", "ttft"):
        setattr(measures, name, Counter({int(key): count for key, count in kept[name].items()}))
    return measures

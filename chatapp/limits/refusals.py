"""Counts of questions turned away because too much was being asked, until somebody writes them down."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Literal
from uuid import UUID

from chatapp.domain import utc_now
from chatapp.limits.fair_queue import Claim
from chatapp.telemetry import metrics

Reason = Literal["queue_too_long", "process_behind", "waited_too_long"]
"""`queue_too_long`: its turn would not have come in time. `process_behind`: the process had too much to do.
`waited_too_long`: it was let in, and its turn did not come in time."""

Counts = Counter[tuple[UUID, datetime, str]]
"""By tenant, first moment of the hour in UTC, and reason."""


class _Refused:
    """What this process refused and nobody has written down yet."""

    counts: Counts = Counter()  # noqa: RUF012  # one count a process is what this is


def note(claim: Claim, reason: Reason) -> None:
    """Count a question that is turned away."""
    metrics.REFUSALS.labels(reason, claim.lane.name.lower()).inc()
    hour = utc_now().replace(minute=0, second=0, microsecond=0)
    _Refused.counts[claim.tenant_id, hour, reason] += 1


def collect() -> Counts:
    """What was counted since the last time; whoever collects it writes it down."""
    counts, _Refused.counts = _Refused.counts, Counter()
    return counts


def put_back(counts: Counts) -> None:
    """Keep counts for the next time: they could not be written down."""
    _Refused.counts.update(counts)

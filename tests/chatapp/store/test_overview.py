from __future__ import annotations

import random
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chatapp.domain import Actor, DocumentStatus
from chatapp.store import overview
from chatapp.store.database import transaction
from chatapp.store.overview import Measures, bucket_of, percentile
from chatapp.store.tables import CollectionGrantTable, CollectionTable, DocumentTable, FeedbackTable, TraceTable

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
TIMES_MS = (0.0, 0.9, 63.9, 64.0, 65.5, 127.9, 128.0, 1_999.0, 10_000.4, 5e6, 1e9)


def _trace(actor: Actor, at: datetime, **values: object) -> TraceTable:
    return TraceTable(
        **({"id": uuid4(), "tenant_id": actor.tenant_id, "finish_reason": "stop", "citation_count": 1} | values),
        created_at=at,
    )


async def _write(actor: Actor, *rows: object) -> None:
    async with transaction(actor) as tx:
        tx.session.add_all(rows)


async def _days(actor: Actor, days: int) -> dict[str, Measures]:
    async with transaction(actor, readonly=True) as tx:
        return await overview.days(tx, BEGAN, BEGAN + timedelta(days=days))


async def _keep(actor: Actor, days: int) -> int:
    async with transaction(actor) as tx:
        return await overview.keep_days(tx, BEGAN, BEGAN + timedelta(days=days))


async def test_the_database_sorts_times_into_the_buckets_that_are_read(actor: Actor) -> None:
    await _write(actor, *(_trace(actor, BEGAN, latency_ms=time, ttft_ms=time) for time in TIMES_MS))
    [measures] = (await _days(actor, 1)).values()
    assert measures.latency == measures.ttft == Counter(bucket_of(time) for time in TIMES_MS)


async def test_an_answer_without_a_first_token_counts_but_not_there(actor: Actor) -> None:
    await _write(actor, _trace(actor, BEGAN, latency_ms=5.0, ttft_ms=None))
    [measures] = (await _days(actor, 1)).values()
    assert (measures.answers, measures.latency, measures.ttft) == (1, Counter({5: 1}), Counter())


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 1.0])
def test_a_percentile_is_off_by_less_than_a_bucket(share: float) -> None:
    chance = random.Random(9)
    times = [chance.lognormvariate(7, 1) for _ in range(5_000)]
    exact = max(times) if share == 1.0 else statistics.quantiles(times, n=20)[round(share * 20) - 1]
    found = percentile(Counter(map(bucket_of, times)), share)
    assert found is not None
    assert abs(found / exact - 1) < 0.02


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.95) is None


async def test_sums_are_by_day_in_utc_and_of_the_tenant_alone(actor: Actor, other_actor: Actor) -> None:
    late, early = BEGAN + timedelta(hours=23, minutes=59), BEGAN + timedelta(days=1)
    costs = {"cost_micro_usd": 3_000_000_000 // 2, "input_tokens": 10, "output_tokens": 4}
    await _write(
        actor,
        _trace(actor, BEGAN, **costs),
        _trace(actor, late, citation_count=0, **costs),
        _trace(actor, late, finish_reason="error", citation_count=0),
        _trace(actor, early),
    )
    await _write(other_actor, _trace(other_actor, late, cost_micro_usd=7))
    measured = await _days(actor, 2)
    assert sorted(measured) == ["2026-03-01", "2026-03-02"]
    first = measured["2026-03-01"]
    assert (first.answers, first.failed, first.uncited) == (3, 1, 1)
    assert (first.cost_micro_usd, first.input_tokens, first.output_tokens) == (3_000_000_000, 20, 8)
    assert [each.cost_micro_usd for each in (await _days(other_actor, 2)).values()] == [7]


async def test_hours_hold_what_was_in_them(actor: Actor) -> None:
    await _write(actor, *(_trace(actor, BEGAN + timedelta(minutes=minutes)) for minutes in (0, 59, 60, 150)))
    async with transaction(actor, readonly=True) as tx:
        measured = await overview.hours(tx, BEGAN, BEGAN + timedelta(hours=2))
    assert {slot: each.answers for slot, each in measured.items()} == {"2026-03-01 00": 2, "2026-03-01 01": 1}


async def test_thumbs_count_on_their_day(actor: Actor, other_actor: Actor) -> None:
    for whose, ratings in ((actor, ("up", "up", "down")), (other_actor, ("down",))):
        rows = (FeedbackTable(tenant_id=whose.tenant_id, trace_id=uuid4(), rating=each) for each in ratings)
        dated = [row.model_copy(update={"created_at": BEGAN}) for row in rows]
        await _write(whose, *(FeedbackTable(**row.model_dump()) for row in dated))
    [measures] = (await _days(actor, 1)).values()
    assert (measures.good, measures.bad) == (2, 1)


async def test_kept_days_say_what_counting_says_and_are_kept_once(actor: Actor, other_actor: Actor) -> None:
    chance = random.Random(2)
    await _write(
        actor,
        *(
            _trace(
                actor, BEGAN + timedelta(days=day), latency_ms=chance.uniform(1, 9e4), ttft_ms=chance.uniform(1, 9e3)
            )
            for day in (0, 0, 2, 5)
        ),
    )
    counted = await _days(actor, 6)
    assert await _keep(actor, 3) == 3
    assert await _days(actor, 6) == counted
    assert await _keep(actor, 6) == 3
    assert await _keep(actor, 6) == 0
    assert await _days(actor, 6) == counted
    assert await _days(other_actor, 6) == {}


async def test_a_kept_day_still_tells_its_cost_when_its_traces_are_gone(actor: Actor) -> None:
    row = _trace(actor, BEGAN, cost_micro_usd=5)
    await _write(actor, row)
    await _keep(actor, 1)
    async with transaction(actor) as tx:
        await tx.session.delete(await tx.session.get_one(TraceTable, row.id))
    assert [each.cost_micro_usd for each in (await _days(actor, 1)).values()] == [5]


async def test_documents_are_counted_whoever_may_read_them(actor: Actor, other_actor: Actor) -> None:
    for whose in (actor, other_actor):
        collection = CollectionTable(tenant_id=whose.tenant_id, name="Closed", created_by=uuid4())
        grant = CollectionGrantTable(
            tenant_id=whose.tenant_id,
            collection_id=collection.id,
            subject_kind="user",
            subject=str(uuid4()),
            access="write",
        )
        await _write(whose, collection)
        document = {"tenant_id": whose.tenant_id, "collection_id": collection.id, "filename": "a.md"}
        await _write(whose, grant, *(DocumentTable(**document, status=each) for each in ("queued", "failed", "failed")))
    async with transaction(actor, readonly=True) as tx:
        counts = await overview.documents_by_status(tx)
    assert counts == {DocumentStatus.QUEUED: 1, DocumentStatus.FAILED: 2}

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlmodel import select

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.retrieval import vector_index
from chatapp.services import overview
from chatapp.services.overview import Figure, Overview
from chatapp.store.database import transaction
from chatapp.store.tables import TraceDayTable, TraceTable
from tests.fixtures.people import MakeActor

NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def _no_index() -> AsyncIterator[None]:
    """A vector index that is away: nobody listens there."""
    await vector_index.open_vector_index("http://127.0.0.1:9")
    yield
    await vector_index.close_vector_index()


async def _add(actor: Actor, at: datetime, count: int = 1, **values: object) -> None:
    defaults = {"finish_reason": "stop", "citation_count": 1, "latency_ms": 1_000.0, "ttft_ms": 500.0}
    async with transaction(actor) as tx:
        for _ in range(count):
            row = {"id": uuid4(), "tenant_id": actor.tenant_id, "created_at": at, **defaults, **values}
            tx.session.add(TraceTable(**row))


def _named(found: Overview) -> dict[str, Figure]:
    return {figure.name: figure for figure in found.figures}


@pytest.mark.parametrize("span", list(overview.RANGES))
async def test_a_span_is_compared_with_the_one_before_it(actor: Actor, other_actor: Actor, span: str) -> None:
    length = timedelta(days=overview.RANGES[span])
    await _add(actor, NOW - timedelta(minutes=1), 3, cost_micro_usd=10)
    await _add(actor, NOW - length - timedelta(minutes=1), 2, cost_micro_usd=10)
    await _add(actor, NOW - 2 * length - timedelta(days=1), 9)
    await _add(other_actor, NOW - timedelta(minutes=1), 50)
    found = await overview.get(actor, span=span, now=NOW)
    figure = _named(found)["answers"]
    assert (figure.now, figure.before, figure.change) == (3, 2, 0.5)
    assert len(figure.points) == (24 if span == "24h" else overview.RANGES[span])
    assert sum(point.now or 0 for point in figure.points) == 3
    assert (_named(found)["cost"].now, _named(found)["cost_per_answer"].now) == (30, 10)


async def test_a_figure_stands_against_its_target(actor: Actor) -> None:
    await _add(actor, NOW, 96)
    await _add(actor, NOW, 4, latency_ms=40_000.0, ttft_ms=4_000.0, finish_reason="error", citation_count=0)
    figures = _named(await overview.get(actor, now=NOW + timedelta(minutes=1)))
    assert (figures["ttft_p50"].state, figures["ttft_p95"].state) == ("good", "good")
    assert (figures["failed"].now, figures["failed"].state) == (0.04, "bad")
    assert (figures["uncited"].now, figures["uncited"].state) == (0.0, "good")
    assert (figures["thumbs_up"].now, figures["thumbs_up"].state) == (None, "none")


async def test_a_tenant_without_an_answer_has_an_empty_page(actor: Actor) -> None:
    found = await overview.get(actor)
    assert {figure.name: figure.now for figure in found.figures if figure.now} == {}
    assert (found.queue.waiting, found.queue.ready) == (0, 0)


async def test_the_state_of_each_server_is_told(actor: Actor) -> None:
    states = {each.name: each.state for each in (await overview.get(actor)).dependencies}
    assert states["database"] == "ok"
    assert states["vector_index"] != "ok"


async def test_days_that_are_over_are_kept_and_the_present_one_is_not(actor: Actor) -> None:
    await _add(actor, NOW - timedelta(days=2))
    await _add(actor, NOW)
    await overview.get(actor, now=NOW)
    await _add(actor, NOW)
    figure = _named(await overview.get(actor, now=NOW + timedelta(minutes=1)))["answers"]
    assert figure.now == 3
    assert await _kept(actor) == ["2026-03-18", "2026-03-19"]


async def test_the_worker_keeps_the_days_of_every_tenant_and_finds_nothing_more(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    await make_actor()
    await _add(actor, NOW - timedelta(days=3), 2)
    await _add(actor, NOW, 5)
    await _add(other_actor, NOW - timedelta(days=400))
    assert await overview.keep_ended_days(NOW) == 2
    assert await overview.keep_ended_days(NOW) == 0
    assert await _kept(actor) == ["2026-03-17", "2026-03-18", "2026-03-19"]
    assert len(await _kept(other_actor)) == 180
    assert await overview.keep_ended_days(NOW + timedelta(days=1)) == 2
    assert (await _kept(actor))[-1] == "2026-03-20"


async def _kept(actor: Actor) -> list[str]:
    async with transaction(actor, readonly=True) as tx:
        return sorted((await tx.session.execute(select(TraceDayTable.day))).scalars())


async def test_who_may_not_see_settings_gets_nothing(make_actor: MakeActor) -> None:
    member = await make_actor([Permission.CHAT, Permission.READ_TRACES])
    with pytest.raises(NotPermitted):
        await overview.get(member)
    with pytest.raises(NotPermitted):
        await overview.dependencies(member)


async def test_another_tenants_page_is_not_found(actor: Actor, other_actor: Actor) -> None:
    with pytest.raises(NotFound):
        await overview.get_of(actor, other_actor.tenant_id)


@pytest.mark.parametrize("span", ["", "7", "1y", "24h "])
async def test_a_span_that_is_not_offered_is_refused(actor: Actor, span: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await overview.get(actor, span=span)
    assert refused.value.param == "range"

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chatapp.domain import Actor
from chatapp.errors import InvalidInput
from chatapp.store import listing
from chatapp.store.database import transaction
from chatapp.store.listing import Found, ListField, Listing
from chatapp.store.tables import TraceTable

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODELS = ("small", "large")
TRACES = Listing(
    statement=select(TraceTable),
    identity=TraceTable.id,
    fields=(
        ListField("created_at", TraceTable.created_at, "moment"),
        ListField("model", TraceTable.model, "choice", choices=MODELS),
        ListField("feature", TraceTable.feature, is_searched=True),
        ListField("input_tokens", TraceTable.input_tokens, "number"),
        ListField("latency_ms", TraceTable.latency_ms, "number"),
        ListField("user_id", TraceTable.user_id, "id", is_sorted=False),
    ),
)
UNSEARCHED = Listing(statement=select(TraceTable), identity=TraceTable.id, fields=TRACES.fields[:1])


@pytest.fixture
async def traces(actor: Actor, other_actor: Actor) -> None:
    """Twelve traces of the one tenant, three of them of the same moment, and five of the other's."""
    async with transaction(actor) as tx:
        tx.session.add_all(_trace(actor, number) for number in range(12))
    async with transaction(other_actor) as tx:
        tx.session.add_all(_trace(other_actor, number) for number in range(5))


def _trace(actor: Actor, number: int) -> TraceTable:
    return TraceTable(
        id=uuid4(),
        tenant_id=actor.tenant_id,
        user_id=actor.user_id if number % 2 else None,
        feature=f"Feature 100% {number:02}",
        model=MODELS[number % 2],
        input_tokens=number,
        latency_ms=number / 2,
        created_at=BEGAN + timedelta(hours=max(number - 2, 0)),
    )


async def found(actor: Actor, wanted: Mapping[str, str], of: Listing = TRACES) -> Found:
    async with transaction(actor, readonly=True) as tx:
        return await listing.find(tx, of, wanted)


async def numbers(actor: Actor, **wanted: str) -> list[int]:
    return [row.input_tokens for (row,) in (await found(actor, wanted)).rows]


@pytest.mark.usefixtures("traces")
async def test_a_list_holds_the_tenants_own_rows_and_counts_only_those(actor: Actor, other_actor: Actor) -> None:
    assert (await found(actor, {})).total == 12
    theirs = await found(other_actor, {})
    assert (theirs.total, len(theirs.rows)) == (5, 5)
    assert {row.tenant_id for (row,) in theirs.rows} == {other_actor.tenant_id}


@pytest.mark.usefixtures("traces")
@pytest.mark.parametrize(
    "order", ["created_at", "-created_at", "model", "-model", "feature", "-input_tokens", "-latency_ms"]
)
async def test_pages_hold_every_row_once_and_in_order(actor: Actor, order: str) -> None:
    whole = [row.id for (row,) in (await found(actor, {"order": order})).rows]
    paged: list[UUID] = []
    after = ""
    for _ in range(10):
        page = await found(actor, {"order": order, "limit": "2", "after": after})
        paged += [row.id for (row,) in page.rows]
        after = page.next_cursor or ""
        if not after:
            break
    assert paged == whole
    assert len(set(paged)) == 12


@pytest.mark.usefixtures("traces")
async def test_filters_narrow_and_agree_with_the_count(actor: Actor) -> None:
    assert await numbers(actor, model="large", order="input_tokens") == [1, 3, 5, 7, 9, 11]
    assert len(await numbers(actor, model="large,small")) == 12
    assert await numbers(actor, **{"feature.has": "FEATURE 100% 07"}) == [7]
    assert await numbers(actor, **{"feature.has": "100_ 07"}) == []
    assert await numbers(actor, q="% 03") == [3]
    assert await numbers(actor, **{"input_tokens.from": "3", "input_tokens.to": "5"}, order="input_tokens") == [3, 4]
    assert await numbers(actor, **{"created_at.from": "2026-03-01T20:00:00Z"}, order="input_tokens") == [10, 11]
    assert await numbers(actor, **{"created_at.to": "2026-03-01"}) == []
    assert len(await numbers(actor, user_id=str(actor.user_id))) == 6
    page = await found(actor, {"model": "large", "limit": "2"})
    assert (page.total, page.is_total_exact, len(page.rows)) == (6, True, 2)


@pytest.mark.usefixtures("traces")
async def test_a_count_ends_at_its_bound(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_COUNTED", 10)
    page = await found(actor, {"limit": "1"})
    assert (page.total, page.is_total_exact) == (10, False)


@pytest.mark.usefixtures("traces")
async def test_words_that_are_nowhere_are_looked_for_once(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_count", None)
    page = await found(actor, {"q": "nowhere"})
    assert (page.rows, page.total, page.is_total_exact) == ([], 0, True)
    assert (await found(actor, {"q": "feature"})).total == 12


@pytest.mark.usefixtures("traces")
async def test_a_cursor_of_another_tenant_leads_to_ones_own_rows(actor: Actor, other_actor: Actor) -> None:
    cursor = (await found(actor, {"limit": "3"})).next_cursor
    theirs = await found(other_actor, {"after": cursor or ""})
    assert {row.tenant_id for (row,) in theirs.rows} <= {other_actor.tenant_id}


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("nothing", "1"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "²"),
        ("order", "nothing"),
        ("order", "user_id"),
        ("model", "medium"),
        ("model.has", "small"),
        ("model.from", "small"),
        ("feature.like", "x"),
        ("feature.has", "x" * 201),
        ("feature.has", "a\x00b"),
        ("feature.has", "\ud800"),
        ("q", "\udfff"),
        ("q", "x" * 201),
        ("input_tokens.from", "many"),
        ("input_tokens.from", "1.5"),
        ("input_tokens", str(2**31)),
        ("input_tokens.to", str(-(2**63))),
        ("created_at.from", "yesterday"),
        ("created_at.from", "0001-01-01T00:00:00+23:59"),
        ("user_id", "me"),
        ("user_id", ",".join([str(UUID(int=1))] * 51)),
    ],
)
async def test_a_value_that_does_not_fit_is_refused_at_its_field(actor: Actor, param: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await found(actor, {param: value})
    assert refused.value.param == param


def _cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


ID = "6f1e0d4e-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("order", "after"),
    [
        ("created_at", "no cursor"),
        ("created_at", "%%%"),
        ("created_at", "x" * 9_000),
        ("created_at", base64.urlsafe_b64encode(b"[" * 5_000).decode()),
        ("created_at", _cursor()),
        ("created_at", _cursor("2026-03-01T00:00:00Z")),
        ("created_at", _cursor("2026-03-01T00:00:00Z", 7)),
        ("created_at", _cursor("2026-03-01T00:00:00Z", "7")),
        ("created_at", _cursor(5, ID)),
        ("created_at", _cursor("soon", ID)),
        ("created_at", _cursor(None, ID)),
        ("feature", _cursor(5, ID)),
        ("feature", _cursor("a\x00", ID)),
        ("feature", _cursor("\ud800", ID)),
        ("feature", _cursor(["a"], ID)),
        ("input_tokens", _cursor("5", ID)),
        ("input_tokens", _cursor(True, ID)),
        ("input_tokens", _cursor(2**31, ID)),
        ("input_tokens", _cursor(float("nan"), ID)),
        ("latency_ms", _cursor(float("inf"), ID)),
    ],
)
async def test_a_made_up_cursor_is_refused(actor: Actor, order: str, after: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await found(actor, {"order": order, "after": after})
    assert refused.value.param == "after"


async def test_a_list_without_searched_fields_says_so(actor: Actor) -> None:
    with pytest.raises(InvalidInput) as refused:
        await found(actor, {"q": "words"}, UNSEARCHED)
    assert refused.value.param == "q"


@pytest.mark.usefixtures("traces")
async def test_a_moment_without_a_zone_is_utc_and_one_in_a_cursor_too(actor: Actor) -> None:
    assert len((await found(actor, {"order": "created_at", "after": _cursor("2026-03-01T20:30:00", ID)})).rows) == 1

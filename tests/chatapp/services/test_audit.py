from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import case, delete, insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel, col, select

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.services import audit as log
from chatapp.services.audit import AuditEntry, ChainReport, FieldChange
from chatapp.settings import get_settings
from chatapp.store import audit, audit_list, listing
from chatapp.store.database import transaction
from chatapp.store.tables import AuditHeadTable, AuditTable
from tests.fixtures.people import MakeActor

ROWS = SQLModel.metadata.tables["audit"]
HEADS = SQLModel.metadata.tables["audit_heads"]
SECRET, OLDER = "a-secret-for-tests-0123456789-abcdef", "an-older-secret-0123456789-abcdefghij"


async def write(actor: Actor, number: int = 5) -> None:
    for each in range(number):
        async with transaction(replace(actor, address="192.0.2.7")) as tx:
            await audit.write(
                tx, f"thing.made_{each}", uuid4(), before={"a": 1}, after={"a": each}, reason="why", number=each
            )


async def tamper(database: AsyncEngine, *statements: Any) -> None:
    """Change the log as somebody who owns the database can, its triggers taken down."""
    async with database.begin() as connection:
        if connection.dialect.name == "sqlite":
            names = (await connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))).scalars()
            for name in names.all():
                await connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await connection.execute(statement)


async def verdict(actor: Actor) -> tuple[str | None, int | None]:
    report = await log.verify(actor, actor.tenant_id)
    assert report.is_intact is (report.reason is None)
    assert len(report.message) > 10
    return report.reason, report.broken_at


async def rows_of(actor: Actor) -> list[AuditTable]:
    async with transaction(actor, readonly=True) as tx:
        return list((await tx.session.execute(select(AuditTable).order_by(col(AuditTable.sequence)))).scalars())


FORGED: dict[str, Any] = {
    "id": uuid4(),
    "user_id": uuid4(),
    "key_id": uuid4(),
    "actor_name": "eve@example.org",
    "address": "203.0.113.9",
    "action": "thing.harmless",
    "subject_id": uuid4(),
    "before": {"a": 2},
    "after": None,
    "reason": "",
    "details": {"number": 99},
    "created_at": utc_now() - timedelta(days=1),
    "previous_hash": "0" * 64,
    "hash": "0" * 64,
}


def test_every_column_is_forged_below() -> None:
    assert set(ROWS.columns.keys()) == set(FORGED) | {"tenant_id", "sequence"}


@pytest.mark.parametrize("name", FORGED)
async def test_a_changed_field_is_found(database: AsyncEngine, actor: Actor, name: str) -> None:
    await write(actor)
    await tamper(database, update(ROWS).where(ROWS.c.sequence == 3).values({name: FORGED[name]}))

    assert await verdict(actor) == ("changed", 3)


@pytest.mark.parametrize("sequence", [1, 3, 5])
async def test_a_deleted_line_is_found(database: AsyncEngine, actor: Actor, sequence: int) -> None:
    await write(actor)
    await tamper(database, delete(ROWS).where(ROWS.c.sequence == sequence))

    assert await verdict(actor) == ("cut_off" if sequence == 5 else "missing", sequence)


async def test_a_line_moved_to_another_tenant_is_found_in_both(
    database: AsyncEngine, actor: Actor, other_actor: Actor
) -> None:
    await write(actor)
    await write(other_actor, 2)
    moved = update(ROWS).where(ROWS.c.tenant_id == actor.tenant_id, ROWS.c.sequence == 3)
    await tamper(database, moved.values(tenant_id=other_actor.tenant_id))

    assert await verdict(actor) == ("missing", 3)
    assert await verdict(other_actor) == ("behind_end", 3)


async def test_swapped_lines_are_found(database: AsyncEngine, actor: Actor) -> None:
    await write(actor)
    aside = update(ROWS).where(ROWS.c.sequence.in_([2, 3])).values(sequence=ROWS.c.sequence + 100)
    back = case((ROWS.c.sequence == 102, 3), else_=2)
    await tamper(database, aside, update(ROWS).where(ROWS.c.sequence > 100).values(sequence=back))

    assert await verdict(actor) == ("reordered", 2)


async def test_a_line_left_out_with_those_behind_it_numbered_anew_is_found(database: AsyncEngine, actor: Actor) -> None:
    await write(actor)
    statements = [delete(ROWS).where(ROWS.c.sequence == 3)]
    statements += [update(ROWS).where(ROWS.c.sequence == old).values(sequence=old - 1) for old in (4, 5)]
    await tamper(database, *statements)

    assert await verdict(actor) == ("changed", 3)


async def test_a_cut_tail_is_found(database: AsyncEngine, actor: Actor) -> None:
    await write(actor)
    await tamper(database, delete(ROWS).where(ROWS.c.sequence > 3))

    assert await verdict(actor) == ("cut_off", 4)


async def test_a_cut_tail_is_found_also_when_the_end_was_moved_with_it(database: AsyncEngine, actor: Actor) -> None:
    await write(actor)
    third = (await rows_of(actor))[2]
    await tamper(database, delete(ROWS).where(ROWS.c.sequence > 3), update(HEADS).values(sequence=3, hash=third.hash))

    assert await verdict(actor) == ("end_changed", 3)


@pytest.mark.parametrize("is_all", [True, False], ids=["the whole log", "the end"])
async def test_lines_without_their_end_are_found(database: AsyncEngine, actor: Actor, is_all: bool) -> None:
    await write(actor)
    await tamper(database, delete(HEADS) if is_all else update(HEADS).values(seal=""))

    assert await verdict(actor) == (("behind_end", 1) if is_all else ("end_changed", 5))


async def test_a_line_added_behind_the_end_is_found(database: AsyncEngine, actor: Actor) -> None:
    await write(actor)
    last = (await rows_of(actor))[-1]
    forged = {name: getattr(last, name) for name in ROWS.columns.keys()} | {"id": uuid4(), "sequence": 6}
    await tamper(database, insert(ROWS).values(forged))

    assert await verdict(actor) == ("behind_end", 6)


async def test_an_earlier_state_of_the_whole_log_passes_and_is_found_by_an_end_noted_elsewhere(
    database: AsyncEngine, actor: Actor
) -> None:
    await write(actor, 3)
    async with transaction(actor, readonly=True) as tx:
        head = (await tx.session.execute(select(AuditHeadTable))).scalar_one()
    await write(actor, 2)
    noted = (await log.verify(actor, actor.tenant_id)).end
    assert (await log.verify(actor, actor.tenant_id, since=noted)).is_intact
    earlier = {"sequence": head.sequence, "hash": head.hash, "seal": head.seal}
    await tamper(database, delete(ROWS).where(ROWS.c.sequence > 3), update(HEADS).values(earlier))

    assert await verdict(actor) == (None, None)
    assert (await log.verify(actor, actor.tenant_id, since=noted)).reason == "cut_off"


async def test_another_history_is_found_by_an_end_noted_elsewhere(
    database: AsyncEngine, actor: Actor, other_actor: Actor
) -> None:
    await write(actor)
    await write(other_actor)
    noted = (await log.verify(other_actor, other_actor.tenant_id)).end

    report = await log.verify(actor, actor.tenant_id, since=noted)

    assert (report.reason, report.broken_at) == ("other_history", 5)


@pytest.mark.parametrize("since", ["x", "-1:a", "5", "9" * 40 + ":a"])
async def test_what_is_no_end_of_a_log_is_refused(database: AsyncEngine, actor: Actor, since: str) -> None:
    await write(actor, 1)
    if since == "5":
        assert (await log.verify(actor, actor.tenant_id, since=since)).reason == "cut_off"
        return
    with pytest.raises(InvalidInput):
        await log.verify(actor, actor.tenant_id, since=since)


async def test_a_log_without_a_line_is_whole(database: AsyncEngine, actor: Actor) -> None:
    report = await log.verify(actor, actor.tenant_id)

    assert (report.is_intact, report.lines, report.end) == (True, 0, "0:")


async def begin_unsealed(actor: Actor, number: int) -> None:
    """What 0002 makes of the lines of an older installation."""
    async with transaction(actor) as tx:
        for each in range(1, number + 1):
            tx.session.add(AuditTable(tenant_id=actor.tenant_id, sequence=each, action="old.done"))
        tx.session.add(AuditHeadTable(tenant_id=actor.tenant_id, sequence=number))


async def test_lines_from_before_there_were_seals_are_counted(database: AsyncEngine, actor: Actor) -> None:
    await begin_unsealed(actor, 3)
    assert (await log.verify(actor, actor.tenant_id)).unsealed == 3
    await write(actor, 2)

    report = await log.verify(actor, actor.tenant_id)

    assert (report.is_intact, report.lines, report.unsealed) == (True, 5, 3)
    assert "Nothing vouches for the first 3" in report.message


async def test_a_line_without_a_seal_is_accepted_only_at_the_beginning(database: AsyncEngine, actor: Actor) -> None:
    await begin_unsealed(actor, 1)
    await write(actor, 3)
    await tamper(database, update(ROWS).where(ROWS.c.sequence >= 3).values(hash="", previous_hash=""))

    assert await verdict(actor) == ("unsealed", 3)


async def test_an_unsealed_line_that_is_gone_is_found(database: AsyncEngine, actor: Actor) -> None:
    await begin_unsealed(actor, 3)
    await write(actor, 1)
    await tamper(database, delete(ROWS).where(ROWS.c.sequence == 2))

    assert await verdict(actor) == ("missing", 2)


def under(monkeypatch: pytest.MonkeyPatch, secret: str, *, earlier: str = "") -> None:
    monkeypatch.setenv("CHATAPP_SECRET_KEY", secret)
    monkeypatch.setenv("CHATAPP_PREVIOUS_SECRET_KEYS", earlier)
    get_settings.cache_clear()


async def test_a_new_secret_goes_on_where_the_earlier_one_ended(
    database: AsyncEngine, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    under(monkeypatch, OLDER)
    await write(actor, 3)
    under(monkeypatch, SECRET)
    assert await verdict(actor) == ("unknown_key", 1)

    under(monkeypatch, SECRET, earlier=OLDER)
    assert await verdict(actor) == (None, None)
    await write(actor, 2)
    assert await verdict(actor) == (None, None)

    await tamper(database, update(ROWS).where(ROWS.c.sequence == 2).values(reason="other"))
    assert await verdict(actor) == ("changed", 2)


async def test_an_earlier_secret_seals_nothing_behind_a_later_one(
    database: AsyncEngine, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(actor, 2)
    under(monkeypatch, OLDER)
    await write(actor, 2)
    under(monkeypatch, SECRET, earlier=OLDER)

    assert await verdict(actor) == ("older_key", 3)


async def test_a_long_log_is_verified_in_batches(
    database: AsyncEngine, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with transaction(actor) as tx:
        for _ in range(600):
            await audit.write(tx, "thing.made")

    assert (await log.verify(actor, actor.tenant_id)).lines == 600
    await tamper(database, update(ROWS).where(ROWS.c.sequence == 500).values(reason="x"))
    assert await verdict(actor) == ("changed", 500)


async def test_only_who_may_read_the_settings_reads_the_log(
    database: AsyncEngine, actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    await write(actor, 1)
    (row,) = await rows_of(actor)
    auditor = await make_actor({Permission.READ_ADMIN}, tenant=actor.tenant_id)
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)

    def calls(one: Actor, tenant_id: UUID) -> list[Callable[[], Any]]:
        return [
            lambda: log.list_entries(one, tenant_id, {}),
            lambda: log.get_entry(one, tenant_id, row.id),
            lambda: log.verify(one, tenant_id),
            lambda: anext(log.stream_json(one, tenant_id, {})),
            lambda: anext(log.stream_entries_csv(one, tenant_id, {})),
        ]

    for call in calls(auditor, actor.tenant_id):
        await call()
    for call in calls(member, actor.tenant_id):
        with pytest.raises(NotPermitted):
            await call()
    for call in calls(other_actor, actor.tenant_id):
        with pytest.raises(NotFound):
            await call()
    with pytest.raises(NotFound):
        await log.get_entry(other_actor, other_actor.tenant_id, row.id)
    assert (await log.list_entries(other_actor, other_actor.tenant_id, {})).items == []


async def test_a_platform_admin_reads_every_tenants_log(
    database: AsyncEngine, actor: Actor, other_actor: Actor
) -> None:
    await write(actor, 2)
    platform = replace(other_actor, permissions=other_actor.permissions | {Permission.PLATFORM})

    assert (await log.list_entries(platform, actor.tenant_id, {})).total == 2
    assert (await log.verify(platform, actor.tenant_id)).lines == 2
    with pytest.raises(NotFound):
        await log.verify(platform, uuid4())


async def test_the_log_is_filtered_by_who_what_and_when(
    database: AsyncEngine, actor: Actor, make_actor: MakeActor
) -> None:
    await write(actor, 3)
    grace = await make_actor(tenant=actor.tenant_id, email="grace@example.org")
    await write(grace, 1)
    subject = (await rows_of(actor))[1].subject_id

    async def found(**wanted: str) -> list[int]:
        asked = {name.replace("__", "."): value for name, value in wanted.items()}
        return [entry.sequence for entry in (await log.list_entries(actor, actor.tenant_id, asked)).items]

    assert await found() == [4, 3, 2, 1]
    assert await found(q="GRACE") == [4]
    assert await found(action="thing.made_1") == [2]
    assert await found(action__has="made_") == [4, 3, 2, 1]
    assert await found(user_id=str(grace.user_id)) == [4]
    assert await found(subject_id=str(subject)) == [2]
    assert await found(address="192.0.2.7", order="sequence", limit="2") == [1, 2]
    assert await found(created_at__to="2020-01-01") == []
    with pytest.raises(InvalidInput) as refusal:
        await found(colour="red")
    assert refusal.value.param == "colour"


@pytest.mark.parametrize("max_counted", [10_000, 2])
async def test_words_are_found_where_they_stand_whether_few_or_many_lines_hold_them(
    database: AsyncEngine,
    actor: Actor,
    other_actor: Actor,
    make_actor: MakeActor,
    monkeypatch: pytest.MonkeyPatch,
    max_counted: int,
) -> None:
    """With a low bound the lines are read from the end instead of being looked up one by one."""
    for module in (audit_list, listing):
        monkeypatch.setattr(module, "MAX_COUNTED", max_counted)
    await write(actor, 3)
    grace = await make_actor(tenant=actor.tenant_id, email="grace_100%@example.org")
    async with transaction(replace(grace, address="203.0.113.9")) as tx:
        await audit.write(tx, "tenant.suspended", reason="Grace asked for it")
        await audit.write(tx, "tenant.opened")
    await write(actor, 2)
    await write(other_actor, 1)

    async def found(of: Actor, **wanted: str) -> list[int]:
        asked = {name.replace("__", "."): value for name, value in wanted.items()}
        return [entry.sequence for entry in (await log.list_entries(of, of.tenant_id, asked)).items]

    assert await found(actor, q="grace") == [5, 4]
    assert await found(actor, q="tenant.") == [5, 4]
    assert await found(actor, q="asked FOR") == [4]
    assert await found(actor, q="Tenant suspended") == await found(actor, action__has="tenant suspended") == [4]
    assert await found(actor, q="203.0.113") == [5, 4]
    assert await found(actor, q="made_0") == [6, 1]
    assert await found(actor, q="made_", limit="2") == [7, 6]
    assert await found(actor, q="100%@") == [5, 4]
    assert await found(actor, q="nowhere") == await found(actor, q="a%b") == []
    assert await found(actor, q="made_", actor_name__has="grace") == []
    assert await found(actor, actor_name__has="grace", action="tenant.opened") == [5]
    assert await found(other_actor, q="grace") == await found(other_actor, q="tenant.") == []
    assert await found(other_actor, q="made_") == [1]
    page = await log.list_entries(actor, actor.tenant_id, {"q": "made_", "limit": "2"})
    assert page.next_cursor is not None
    assert (page.total, page.is_total_exact) == (min(5, max_counted), max_counted > 5)
    assert await found(actor, q="made_", limit="2", after=page.next_cursor) == [3, 2]
    with pytest.raises(InvalidInput) as refusal:
        await found(actor, q="x" * 201)
    assert refusal.value.param == "q"


def entry_of(before: dict[str, Any] | None, after: dict[str, Any] | None) -> AuditEntry:
    return AuditEntry(uuid4(), 1, utc_now(), "a", None, None, "", "x.done", None, before, after, "", {}, "")


def test_changes_name_each_field_before_and_after() -> None:
    entry = entry_of({"name": "A", "kept": 1, "in": {"a": 1, "b": 2}}, {"name": "B", "kept": 1, "in": {"a": 1, "b": 3}})

    assert log.changes_of(entry) == [
        FieldChange("name", "A", "B", True),
        FieldChange("in.b", 2, 3, True),
        FieldChange("kept", 1, 1, False),
        FieldChange("in.a", 1, 1, False),
    ]
    assert log.changes_of(entry_of(None, {"a": None})) == [FieldChange("a", None, None, True)]
    assert log.changes_of(entry_of(None, None)) == []


async def test_exports_hold_every_line_that_is_filtered(database: AsyncEngine, actor: Actor) -> None:
    async with transaction(actor) as tx:
        for number in range(1_200):
            await audit.write(tx, "thing.made" if number % 2 else "=cmd", number=number)

    as_json = json.loads("".join([piece async for piece in log.stream_json(actor, actor.tenant_id, {})]))
    some = json.loads("".join([piece async for piece in log.stream_json(actor, actor.tenant_id, {"q": "made"})]))
    none = json.loads("".join([piece async for piece in log.stream_json(actor, actor.tenant_id, {"q": "nothing"})]))
    text_ = "".join([line async for line in log.stream_entries_csv(actor, actor.tenant_id, {"order": "sequence"})])
    as_csv = list(csv.DictReader(io.StringIO(text_)))

    assert [entry["sequence"] for entry in as_json] == list(range(1_200, 0, -1))
    assert (len(some), none) == (600, [])
    assert [int(line["sequence"]) for line in as_csv] == list(range(1, 1_201))
    assert as_csv[0]["action"] == "'=cmd"
    assert json.loads(as_csv[7]["details"]) == {"number": 7}


async def test_every_tenant_is_verified_from_the_command_line(
    database: AsyncEngine, actor: Actor, other_actor: Actor
) -> None:
    await write(actor, 2)
    await write(other_actor, 3)
    where = (ROWS.c.tenant_id == other_actor.tenant_id, ROWS.c.sequence == 2)
    await tamper(database, update(ROWS).where(*where).values(reason="x"))

    reports = {report.tenant_id: report for report in await log.verify_all()}
    (one,) = await log.verify_all(actor.tenant_id)

    assert isinstance(one, ChainReport)
    assert reports[actor.tenant_id] == one
    assert (one.lines, reports[other_actor.tenant_id].broken_at) == (2, 2)
    with pytest.raises(NotFound):
        await log.verify_all(uuid4())
    with pytest.raises(InvalidInput):
        await log.verify_all(since="1:a")

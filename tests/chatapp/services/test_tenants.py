from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from chatapp.domain import Actor, DocumentStatus, Permission, TurnStatus
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import authentication, ingestion, tenants, turns
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import AuditTable, TenantTable, UserTable
from tests.fixtures.credentials import KeyOf
from tests.fixtures.ingestion import Upload
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel


@pytest.fixture
async def operator(make_actor: MakeActor) -> Actor:
    """A platform admin, in a tenant of their own."""
    made = await make_actor(email="operator@example.org")
    async with system_transaction() as tx:
        row = await tx.session.get(UserTable, made.user_id)
        assert row is not None
        row.is_platform_admin = True
    return replace(made, permissions=made.permissions | {Permission.PLATFORM})


async def _log(actor: Actor) -> list[AuditTable]:
    async with transaction(actor, readonly=True) as tx:
        return list((await tx.session.execute(select(AuditTable).order_by(col(AuditTable.sequence)))).scalars())


def _in(tenant_id: UUID) -> Actor:
    return Actor(tenant_id, None, frozenset(), is_system=True)


async def test_a_platform_admin_makes_a_tenant(operator: Actor) -> None:
    made = await tenants.create(operator, name="  Acme   Ltd ")

    assert (made.name, made.state, made.users, made.documents) == ("Acme Ltd", "active", 0, 0)
    assert await tenants.get(operator, made.id) == made
    assert await tenants.find(operator, "Acme Ltd") == made.id
    assert await tenants.find(operator, str(made.id)) == made.id


async def test_a_tenant_is_made_with_its_first_admin(operator: Actor) -> None:
    made, invited = await tenants.create_with_admin(operator, name="Acme", email="Ada@Example.org")
    assert (made.users, made.name) == (1, "Acme")
    assert invited is not None
    assert (invited.email, invited.roles, invited.status) == ("ada@example.org", ("admin",), "invited")
    assert invited.invite_link

    alone, nobody = await tenants.create_with_admin(operator, name="Beta", email="")
    assert (alone.users, nobody) == (0, None)
    with pytest.raises(InvalidInput) as caught:
        await tenants.create_with_admin(operator, name="Gamma", email="no address")
    assert caught.value.param == "email"
    assert (await tenants.list_tenants(operator, {"q": "Gamma"})).items == []


async def test_another_tenants_log_names_a_tenant_by_its_fingerprint_only(operator: Actor) -> None:
    made = await tenants.create(operator, name="Acme")
    await tenants.suspend(operator, made.id, reason="Acme has not paid")

    own, there = await _log(operator), await _log(_in(made.id))
    assert [row.action for row in own] == ["tenant.created", "tenant.suspended"]
    assert all(row.details == {"tenant": made.fingerprint} and row.subject_id is None for row in own)
    assert all(row.before is None and row.after is None and row.reason == "" for row in own)
    assert [(row.action, row.subject_id) for row in there] == [
        ("tenant.created", made.id),
        ("tenant.suspended", made.id),
    ]
    assert there[0].after == {"name": "Acme"}
    assert there[1].reason == "Acme has not paid"
    assert there[1].actor_name == operator.email


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
async def test_a_tenant_has_a_name(operator: Actor, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await tenants.create(operator, name=name)
    assert caught.value.param == "name"
    with pytest.raises(InvalidInput):
        await tenants.rename(operator, operator.tenant_id, name=name)
    assert (await tenants.list_tenants(operator, {})).total == 1


async def test_an_admin_sees_and_renames_their_own_tenant_and_no_other(actor: Actor, other_actor: Actor) -> None:
    renamed = await tenants.rename(actor, actor.tenant_id, name="New name")

    assert renamed.name == "New name"
    assert [view.id for view in (await tenants.list_tenants(actor, {})).items] == [actor.tenant_id]
    assert (await tenants.list_tenants(actor, {"id": str(other_actor.tenant_id)})).items == []
    for call in (
        tenants.get(actor, other_actor.tenant_id),
        tenants.rename(actor, other_actor.tenant_id, name="Mine"),
        tenants.suspend(actor, other_actor.tenant_id, reason="because"),
        tenants.resume(actor, other_actor.tenant_id),
        tenants.delete(actor, other_actor.tenant_id, name="x"),
        tenants.get(actor, uuid4()),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_tenants_admin_neither_makes_nor_suspends_nor_deletes_tenants(actor: Actor) -> None:
    name = (await tenants.get(actor, actor.tenant_id)).name
    for call in (
        tenants.create(actor, name="Mine"),
        tenants.suspend(actor, actor.tenant_id, reason="because"),
        tenants.resume(actor, actor.tenant_id),
        tenants.delete(actor, actor.tenant_id, name=name),
        tenants.find(actor, name),
    ):
        with pytest.raises(NotPermitted):
            await call
    assert (await tenants.get(actor, actor.tenant_id)).state == "active"


async def test_an_auditor_reads_and_changes_nothing(actor: Actor) -> None:
    auditor = replace(actor, permissions=frozenset({Permission.READ_ADMIN}))
    assert (await tenants.list_tenants(auditor, {})).total == 1
    with pytest.raises(NotPermitted):
        await tenants.rename(auditor, actor.tenant_id, name="Mine")
    member = replace(actor, permissions=frozenset({Permission.CHAT}))
    with pytest.raises(NotPermitted):
        await tenants.list_tenants(member, {})


async def test_tenants_are_listed_filtered_and_counted(
    operator: Actor, actor: Actor, upload: Upload, make_actor: MakeActor
) -> None:
    await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    await upload("report.txt", b"Net sales were 12 million.")
    empty = await tenants.create(operator, name="Empty")

    listed = await tenants.list_tenants(operator, {})
    found = {view.id: (view.users, view.documents, view.conversations) for view in listed.items}
    assert found == {operator.tenant_id: (1, 0, 0), actor.tenant_id: (2, 1, 0), empty.id: (0, 0, 0)}
    assert [view.name for view in listed.items] == sorted(view.name for view in listed.items)
    assert [view.id for view in (await tenants.list_tenants(operator, {"q": "mpt"})).items] == [empty.id]
    await tenants.suspend(operator, actor.tenant_id, reason="because")
    suspended = await tenants.list_tenants(operator, {"state": "suspended"})
    assert [(view.id, view.reason) for view in suspended.items] == [(actor.tenant_id, "because")]
    with pytest.raises(InvalidInput):
        await tenants.list_tenants(operator, {"state": "odd"})


@pytest.mark.usefixtures("storage")
async def test_a_suspended_tenant_opens_to_nobody_until_it_is_resumed(
    operator: Actor, actor: Actor, key_of: KeyOf
) -> None:
    key = (await key_of(actor))["Authorization"].removeprefix("Bearer ")
    service = (await key_of(actor, is_service=True))["Authorization"].removeprefix("Bearer ")
    assert await authentication.actor_of_key(key) is not None

    await tenants.suspend(operator, actor.tenant_id, reason="because")
    assert await authentication.actor_of_key(key) is None
    assert await authentication.actor_of_key(service) is None
    assert await authentication.actor_now(tenant_id=actor.tenant_id, user_id=actor.user_id, key_id=None) is None

    resumed = await tenants.resume(operator, actor.tenant_id)
    assert (resumed.state, resumed.reason) == ("active", "")
    assert await authentication.actor_of_key(key) is not None
    assert await authentication.actor_of_key(service) is not None


async def test_suspending_asks_for_a_reason(operator: Actor, actor: Actor) -> None:
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(InvalidInput) as caught:
            await tenants.suspend(operator, actor.tenant_id, reason=reason)
        assert caught.value.param == "reason"
    assert (await tenants.get(operator, actor.tenant_id)).state == "active"


async def test_a_platform_admin_does_not_close_the_tenant_they_look_at(operator: Actor) -> None:
    name = (await tenants.get(operator, operator.tenant_id)).name
    with pytest.raises(Conflict):
        await tenants.suspend(operator, operator.tenant_id, reason="because")
    with pytest.raises(Conflict):
        await tenants.delete(operator, operator.tenant_id, name=name)
    assert (await tenants.get(operator, operator.tenant_id)).state == "active"


async def test_nothing_is_read_for_a_suspended_tenant(operator: Actor, actor: Actor, upload: Upload) -> None:
    await upload("report.txt", b"Net sales were 12 million.")
    await tenants.suspend(operator, actor.tenant_id, reason="because")

    assert await ingestion.ingest_waiting() == 0

    await tenants.resume(operator, actor.tenant_id)
    assert await ingestion._claim() is not None


@pytest.mark.usefixtures("parts")
async def test_an_answer_stops_when_its_tenant_is_suspended(
    operator: Actor, actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    model = await add_model("scripted?tokens=1000&gap_ms=10")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    other = await turns.start(other_actor, question="Count", model=model, collection_ids=[])
    await asyncio.sleep(0.2)

    await tenants.suspend(operator, actor.tenant_id, reason="because")

    assert (await asyncio.wait_for(turns.wait(actor, turn.id), 3)).status == TurnStatus.STOPPED
    assert (await turns.get(other_actor, other.id)).status == TurnStatus.RUNNING
    await turns.cancel(other_actor, other.id)
    await turns.wait(other_actor, other.id)


@pytest.mark.usefixtures("parts")
async def test_a_turn_begun_in_the_moment_of_the_suspension_is_found_with_its_lease(
    actor: Actor, add_model: AddModel
) -> None:
    from chatapp.services.turn_runner import turn_runner

    model = await add_model("scripted?tokens=1000&gap_ms=10")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    async with system_transaction() as tx:
        row = await tx.session.get(TenantTable, actor.tenant_id)
        assert row is not None
        row.is_suspended = True

    runner = turn_runner()
    await runner._renew({turn.id: runner._running[turn.id]})

    assert (await asyncio.wait_for(turns.wait(actor, turn.id), 3)).status == TurnStatus.STOPPED


@pytest.mark.usefixtures("storage")
async def test_a_tenant_is_deleted_by_name_only(operator: Actor, actor: Actor) -> None:
    name = (await tenants.get(operator, actor.tenant_id)).name
    for wrong in ("", name.lower() + "x", str(actor.tenant_id)):
        with pytest.raises(InvalidInput) as caught:
            await tenants.delete(operator, actor.tenant_id, name=wrong)
        assert caught.value.param == "name"
    assert (await tenants.get(operator, actor.tenant_id)).state == "active"


async def test_a_tenant_being_deleted_is_closed_at_once_and_cannot_be_changed(
    operator: Actor, actor: Actor, key_of: KeyOf, upload: Upload
) -> None:
    key = (await key_of(actor))["Authorization"].removeprefix("Bearer ")
    uploaded = await upload("report.txt", b"Net sales were 12 million.")
    name = (await tenants.get(operator, actor.tenant_id)).name

    begun = await tenants.delete(operator, actor.tenant_id, name=f" {name} ")

    assert (begun.state, begun.deletion_progress) == ("being_deleted", 0.0)
    assert (await tenants.delete(operator, actor.tenant_id, name=name)).state == "being_deleted"
    assert await authentication.actor_of_key(key) is None
    assert await ingestion.ingest_waiting() == 0
    async with transaction(_in(actor.tenant_id), readonly=True) as tx:
        from chatapp.store import documents

        assert (await documents.get(tx, uploaded.document.id)).status == DocumentStatus.CANCELLED
    for call in (
        tenants.resume(operator, actor.tenant_id),
        tenants.rename(operator, actor.tenant_id, name="Other"),
        tenants.suspend(operator, actor.tenant_id, reason="because"),
    ):
        with pytest.raises(Conflict):
            await call
    last = (await _log(operator))[-1]
    assert (last.action, last.details["tenant"]) == ("tenant.deleted", begun.fingerprint)
    assert (last.details["users"], last.details["documents"], last.details["conversations"]) == (1, 1, 0)
    assert sum(row.action == "tenant.deleted" for row in await _log(operator)) == 1


@pytest.mark.usefixtures("storage")
async def test_no_platform_admin_is_left_without_a_tenant(operator: Actor, actor: Actor) -> None:
    async with system_transaction() as tx:
        row = await tx.session.get(UserTable, actor.user_id)
        assert row is not None
        row.is_platform_admin = True
    name = (await tenants.get(operator, actor.tenant_id)).name
    with pytest.raises(Conflict, match=actor.email):
        await tenants.delete(operator, actor.tenant_id, name=name)
    assert (await tenants.get(operator, actor.tenant_id)).state == "active"

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from chatapp.domain import Actor, TurnStatus, utc_now
from chatapp.store import turn_writes, turns
from chatapp.store.database import transaction
from chatapp.store.tables import TenantTable, TurnTable

pytestmark = pytest.mark.usefixtures("database")
OWNER = "this process"


async def add_turn(actor: Actor, *, owner: str = OWNER, status: TurnStatus = TurnStatus.RUNNING, stop=False) -> UUID:
    row = TurnTable(tenant_id=actor.tenant_id, question="?", attempt=1, lease_owner=owner, status=status)
    row.is_cancel_requested = stop
    await turn_writes.begin(actor, row)
    return row.id


async def test_the_leases_of_many_turns_are_renewed_at_once(actor: Actor, other_actor: Actor) -> None:
    going, stopped = await add_turn(actor), await add_turn(actor, stop=True)
    lost, ended = await add_turn(actor, owner="another"), await add_turn(actor, status=TurnStatus.COMPLETED)
    theirs = await add_turn(other_actor)
    until = utc_now() + timedelta(seconds=30)

    async with transaction(actor) as tx:
        kept = await turns.renew_leases(tx, [going, stopped, lost, ended, theirs], owner=OWNER, expires_at=until)

    assert kept == {going: False, stopped: True}
    for owner, turn_id, expected in (
        *((actor, each, until) for each in (going, stopped)),
        *((actor, each, None) for each in (lost, ended)),
        (other_actor, theirs, None),
    ):
        async with transaction(owner, readonly=True) as tx:
            assert (await turns.get(tx, turn_id)).lease_expires_at == expected


async def test_every_turn_of_a_suspended_tenant_is_to_stop(actor: Actor, other_actor: Actor) -> None:
    mine, theirs = await add_turn(actor), await add_turn(other_actor)
    async with transaction(actor) as tx:
        tenant = await tx.session.get(TenantTable, actor.tenant_id)
        assert tenant is not None
        tenant.is_suspended = True

    for owner, turn_id, is_to_stop in ((actor, mine, True), (other_actor, theirs, False)):
        async with transaction(owner) as tx:
            kept = await turns.renew_leases(tx, [turn_id], owner=OWNER, expires_at=utc_now())
        assert kept == {turn_id: is_to_stop}

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound, NotPermitted
from chatapp.services.administration import acting_in
from tests.fixtures.people import MakeActor


async def test_in_their_own_tenant_actors_are_what_they_are(actor: Actor) -> None:
    assert await acting_in(actor, actor.tenant_id, Permission.ADMIN) is actor


async def test_without_the_right_ones_own_tenant_is_refused(actor: Actor, make_actor: MakeActor) -> None:
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)

    with pytest.raises(NotPermitted):
        await acting_in(member, actor.tenant_id, Permission.READ_ADMIN)


async def test_another_tenant_is_not_found_like_one_that_is_not_there(actor: Actor, other_actor: Actor) -> None:
    sentences = set()
    for tenant_id in (other_actor.tenant_id, uuid4()):
        with pytest.raises(NotFound) as refusal:
            await acting_in(actor, tenant_id, Permission.READ_ADMIN)
        sentences.add(refusal.value.message)

    assert len(sentences) == 1


async def test_a_platform_admin_administers_any_tenant_and_reads_in_none(actor: Actor, other_actor: Actor) -> None:
    platform = replace(actor, permissions=actor.permissions | {Permission.PLATFORM})

    there = await acting_in(platform, other_actor.tenant_id, Permission.ADMIN)

    assert (there.tenant_id, there.user_id, there.roles) == (other_actor.tenant_id, actor.user_id, ())
    assert there.permissions == {Permission.READ_ADMIN, Permission.ADMIN, Permission.PLATFORM}
    for permission in (Permission.CHAT, Permission.READ_DOCUMENTS, Permission.READ_TRACES):
        with pytest.raises(NotPermitted):
            await acting_in(platform, other_actor.tenant_id, permission)
    with pytest.raises(NotFound):
        await acting_in(platform, uuid4(), Permission.READ_ADMIN)

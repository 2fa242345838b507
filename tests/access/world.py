"""Two tenants, the things of the first, and everybody who might reach for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import SQLModel, col, select, update

from chatapp.domain import Actor, Permission, Role, TurnStatus, utc_now
from chatapp.retrieval.embedder import DIMENSION
from chatapp.services import authentication, collections, document_batches, documents
from chatapp.settings import get_settings
from chatapp.store import audit
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import (
    ApiKeyTable,
    AuditTable,
    ConversationTable,
    DeploymentTable,
    GroupMemberTable,
    GroupTable,
    IdentityProviderTable,
    IntentExampleTable,
    MembershipTable,
    ModelPriceTable,
    ModelTable,
    OneTimeLinkTable,
    ProviderTable,
    SessionTable,
    TenantTable,
    TraceTable,
    TurnTable,
    UserTable,
)
from tests.fixtures.credentials import ORIGIN

CANARY = "canary-7f3d"
"""In every text of the first tenant: where it comes up in a stranger's answer, there is a leak."""

_CHANGING = {"sessions": {"last_seen_at"}, "api_keys": {"last_used_at"}}
"""What changes by looking."""
_OF_PROCESSES = {"breakers"}
"""What a process writes by itself, of itself."""


@dataclass
class World:
    """Who is there, and one object of each kind of the first tenant."""

    ids: dict[str, UUID]
    """By kind, of the first tenant."""
    own_ids: dict[str, UUID]
    """By kind, of the second tenant, whose admin is the column `other`."""
    signed_in: dict[str, dict[str, str]] = field(default_factory=dict)
    """Headers by column: people with different rights."""
    turned_away: dict[str, dict[str, str]] = field(default_factory=dict)
    """Headers by column: nobody, and those whose time is over."""

    @property
    def columns(self) -> dict[str, dict[str, str]]:
        """Everybody."""
        return self.signed_in | self.turned_away


async def person(
    tenant_id: UUID, roles: Iterable[Role] = (), *, mark: str = CANARY, is_platform_admin: bool = False
) -> Actor:
    """Somebody with these roles in a tenant."""
    async with system_transaction() as tx:
        user = UserTable(email=f"{mark}-{uuid4().hex[:8]}@example.org", name=mark, is_platform_admin=is_platform_admin)
        tx.session.add(user)
        await tx.session.flush()
        roles = [str(role) for role in roles]
        tx.session.add(MembershipTable(tenant_id=tenant_id, user_id=user.id, roles=roles, accepted_at=utc_now()))
    actor = await authentication.actor_now(tenant_id=tenant_id, user_id=user.id, key_id=None)
    assert actor is not None
    return actor


async def session(actor: Actor, *, tenant_id: UUID | None = None, **values: Any) -> dict[str, str]:
    """Headers of a sign-in, as our own pages send them."""
    token, token_hash = authentication.new_token()
    row = {
        "token_hash": token_hash,
        "user_id": actor.user_id,
        "tenant_id": tenant_id or actor.tenant_id,
        "expires_at": utc_now() + timedelta(days=1),
    }
    async with system_transaction() as tx:
        tx.session.add(SessionTable(**row | values))
    return {"Cookie": f"chatapp_session={token}", "Origin": ORIGIN}


async def key(actor: Actor, **values: Any) -> dict[str, str]:
    """Headers of an API key."""
    secret, key_hash = authentication.new_key()
    row = {
        "tenant_id": actor.tenant_id,
        "user_id": actor.user_id,
        "name": "test",
        "prefix": secret[:16],
        "key_hash": key_hash,
        "scopes": ["admin"],
        "is_of_platform": actor.may(Permission.PLATFORM),
    }
    async with system_transaction() as tx:
        tx.session.add(ApiKeyTable(**row | values))
    return {"Authorization": f"Bearer {secret}"}


async def make_world() -> World:
    """The first tenant with an object of each kind, a second one, and the columns of the matrix."""
    async with system_transaction() as tx:
        mine, theirs = TenantTable(name=f"{CANARY} Limited"), TenantTable(name="Others")
        tx.session.add_all([mine, theirs])
    owner = await person(mine.id, [Role.ADMIN])
    other = await person(theirs.id, [Role.ADMIN], mark="other")
    member = await person(mine.id, [Role.MEMBER])
    platform = await person(theirs.id, [Role.ADMIN], mark="platform", is_platform_admin=True)
    their_member = await person(theirs.id, [Role.MEMBER], mark="other")
    world = World(await _things(owner, member), await _things(other, their_member, mark="other"))
    now = utc_now()
    world.signed_in = {
        "owner": await session(owner),
        "owner (key)": await key(owner),
        "bare": await session(await person(mine.id)),
        "bare (admin's key of a narrow scope)": await key(await person(mine.id, [Role.ADMIN]), scopes=["read:metrics"]),
        "member": await session(member),
        "auditor": await session(await person(mine.id, [Role.AUDITOR])),
        "visitor": await session(platform, tenant_id=mine.id),
        "other": await session(other),
        "other (key)": await key(other),
        "other (service's key)": await key(other, user_id=None),
        "platform": await session(platform),
        "platform (key)": await key(platform),
    }
    world.turned_away = {
        "anonymous": {},
        "made-up session": {"Cookie": "chatapp_session=wrong", "Origin": ORIGIN},
        "made-up key": {"Authorization": "Bearer sk-chatapp-wrong"},
        "empty key": {"Authorization": "Bearer "},
        "null key": {"Authorization": "Bearer null"},
        "revoked session": await session(owner, revoked_at=now),
        "expired session": await session(owner, expires_at=now),
        "revoked key": await key(owner, revoked_at=now),
        "expired key": await key(owner, expires_at=now),
        "key of somebody disabled": await key(await _disabled(mine.id)),
        "session of somebody disabled": await session(await _disabled(mine.id)),
    }
    return world


async def _disabled(tenant_id: UUID) -> Actor:
    actor = await person(tenant_id, [Role.ADMIN])
    async with system_transaction() as tx:
        place = update(MembershipTable).where(col(MembershipTable.user_id) == actor.user_id)
        await tx.session.execute(place.values(is_disabled=True))
    authentication.forget_cached_actors()
    return actor


async def _things(owner: Actor, member: Actor, *, mark: str = CANARY) -> dict[str, UUID]:
    async def content():
        yield f"Some text with a {mark} in it.".encode()

    store = await collections.create(owner, name=mark)
    uploaded = await documents.upload(owner, filename=f"{mark}.txt", content=content(), collection_id=store.id)
    batch = await document_batches.create(owner, store.id, [uploaded.document.id])
    tenant_id, turn_id = owner.tenant_id, uuid4()
    mine = {"tenant_id": tenant_id, "user_id": owner.user_id}
    conversation = ConversationTable(**mine, title=mark)
    texts = {"question": mark, "answer": mark, "status": TurnStatus.COMPLETED}
    group = GroupTable(tenant_id=tenant_id, name=mark)
    address = f"https://{mark}.example.org"
    provider = IdentityProviderTable(tenant_id=tenant_id, name=mark, issuer=address, client_id=mark)
    example = IntentExampleTable(tenant_id=tenant_id, intent=mark, text=mark, vector=bytes(4 * DIMENSION))
    api_key = ApiKeyTable(**mine, name=mark, prefix="sk-chatapp-", key_hash=uuid4().hex, scopes=["use:chat"])
    # These belong to the installation: every tenant's admins may see them, so they carry no mark.
    served = ProviderTable(name=uuid4().hex, kind="extractive")
    model = ModelTable(name=uuid4().hex, provider_id=served.id, provider_model="extractive")
    price = ModelPriceTable(model_id=model.id, valid_from=utc_now() + timedelta(days=1))
    deployment = DeploymentTable(model_id=model.id, provider_id=served.id, provider_model="another")
    expires_at = utc_now() + timedelta(days=1)
    sign_in = SessionTable(**mine, token_hash=uuid4().hex, expires_at=expires_at, user_agent=mark)
    link = OneTimeLinkTable(**mine, token_hash=uuid4().hex, purpose="invite", expires_at=expires_at)
    async with transaction(owner) as tx:
        tx.session.add_all([conversation, group, provider, example, api_key, sign_in, link, served])
        await tx.session.flush()
        tx.session.add(model)
        await tx.session.flush()
        tx.session.add_all([price, deployment])
        tx.session.add(TurnTable(id=turn_id, **mine, **texts, conversation_id=conversation.id))
        tx.session.add(TraceTable(id=turn_id, **mine, question=mark, answer=mark))
        tx.session.add(GroupMemberTable(tenant_id=tenant_id, group_id=group.id, user_id=member.user_id))
        await audit.write(tx, "canary.planted", after={"name": mark})
    async with transaction(owner, readonly=True) as tx:
        entry = (await tx.session.execute(select(AuditTable.id).limit(1))).scalar_one()
    assert member.user_id is not None
    return {
        "tenant": tenant_id,
        "user": member.user_id,
        "file": uploaded.document.id,
        "store": store.id,
        "batch": batch.id,
        "conversation": conversation.id,
        "turn": turn_id,
        "group": group.id,
        "provider": provider.id,
        "example": example.id,
        "model_provider": served.id,
        "model": model.id,
        "price": price.id,
        "deployment": deployment.id,
        "key": api_key.id,
        "session": sign_in.id,
        "link": link.id,
        "entry": entry,
    }


async def snapshot(tenant_id: UUID) -> dict[str, list[str]]:
    """Every row of the first tenant, and its people, as they are now."""
    found = {}
    async with system_transaction(readonly=True) as tx:
        for table in SQLModel.metadata.sorted_tables:
            if table.name in _OF_PROCESSES:
                continue
            columns = [one for one in table.columns if one.name not in _CHANGING.get(table.name, ())]
            query = select(*columns)
            if "tenant_id" in table.columns:
                query = query.where(table.c.tenant_id == tenant_id)
            elif table.name == "tenants":
                query = query.where(table.c.id == tenant_id)
            elif table.name == "users":
                query = query.where(table.c.email.startswith(CANARY))
            found[table.name] = sorted(str(tuple(row)) for row in await tx.session.execute(query))
    return found


async def _main() -> None:
    """Make a world in the installation of the environment, as JSON."""
    from chatapp.services.lifespan import running

    async with running(get_settings(), role="command"):
        world = await make_world()
    print(json.dumps(asdict(world), default=str))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main())

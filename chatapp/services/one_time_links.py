"""Links that open once: what they are for, who may use them, and how they are made.

Nobody's mail is sent from here, so who makes a link holds it. A link therefore never does more than its maker may:
an invitation leads into the maker's tenant only and sets a password only for somebody who never came in anywhere, and
a reset by a tenant's admin works only while the person is in no other tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import quote
from uuid import UUID

from chatapp.domain import Role, utc_now
from chatapp.limits import attempts
from chatapp.services import tokens
from chatapp.settings import Settings
from chatapp.store import one_time_links, users
from chatapp.store.database import Transaction, system_transaction
from chatapp.store.one_time_links import Purpose
from chatapp.store.tables import MembershipTable, OneTimeLinkTable, TenantTable, UserTable

LinkKind = Literal["reset", "invite", "join"]
"""What the holder does: set another password, set the first one and join, or sign in and join."""

LIFETIMES: dict[Purpose, timedelta] = {"reset": timedelta(days=2), "invite": timedelta(days=7)}
GONE = "This link was used already or has expired. Ask for a new one."


@dataclass(frozen=True, slots=True)
class LinkView:
    """What the holder of a link is shown before they use it."""

    kind: LinkKind
    email: str
    tenant_name: str
    """Where it leads; empty for a reset."""


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link that opens, with what it opens."""

    row: OneTimeLinkTable
    kind: LinkKind
    user: UserTable
    place: MembershipTable | None
    """The invited place; None for a reset."""
    tenant: TenantTable | None


async def look(token: str, *, address: str | None) -> LinkView | None:
    """What a link is for, or None when it does not open (any more).

    Args:
        token: the link's secret.
        address: network address the question came from, which may ask for a few unknown links only; None: it was
            counted already.

    Raises:
        RateLimited: the address tried too many links.
    """
    if address is not None:
        await attempts.count_attempt(f"look:{tokens.hash_of(token)}", address)
    async with system_transaction(readonly=True) as tx:
        opened = await open_link(tx, token)
    if opened is None:
        if address is not None:
            await attempts.count_failure(address)
        return None
    await attempts.forget_attempts(f"look:{tokens.hash_of(token)}", address or "")
    return LinkView(opened.kind, opened.user.email, opened.tenant.name if opened.tenant else "")


async def open_link(tx: Transaction, token: str) -> OpenedLink | None:
    """The link behind its secret with all it needs to be used, or None where anything of it is gone.

    Args:
        tx: a system transaction.
        token: the link's secret.
    """
    row = await one_time_links.find(tx, tokens.hash_of(token), now=utc_now())
    user = await users.by_id(tx, row.user_id) if row is not None else None
    if row is None or user is None or user.is_disabled or not await _may_maker(tx, row):
        return None
    if row.purpose == "reset":
        return OpenedLink(row, "reset", user, None, None) if await _may_reset(tx, row, user) else None
    if row.tenant_id is None:
        return None
    tenant = await tx.session.get(TenantTable, row.tenant_id)
    place = await users.place_in(tx, user.id, row.tenant_id)
    if tenant is None or tenant.is_suspended or place is None or place.is_disabled or place.accepted_at is not None:
        return None
    kind: LinkKind = "join" if await users.has_joined(tx, user.id) else "invite"
    return OpenedLink(row, kind, user, place, tenant)


async def _may_maker(tx: Transaction, row: OneTimeLinkTable) -> bool:
    # A link is as good as a password: it must not stay a way in for an admin who is one no more.
    if row.created_by is None:
        return True
    maker = await users.by_id(tx, row.created_by)
    if maker is None or maker.is_disabled:
        return False
    if maker.is_platform_admin or row.tenant_id is None:
        return maker.is_platform_admin
    place = await users.place_in(tx, maker.id, row.tenant_id)
    if place is None or place.accepted_at is None or place.is_disabled:
        return False
    return Role.ADMIN in place.roles


async def _may_reset(tx: Transaction, row: OneTimeLinkTable, user: UserTable) -> bool:
    # Asked again when the link is used: since it was made the person may have joined another tenant, whose walls the
    # maker must not get through with a password of their own choice.
    if row.tenant_id is None:
        return True
    return not user.is_platform_admin and not await users.is_elsewhere(tx, user.id, row.tenant_id)


async def add(
    tx: Transaction,
    settings: Settings,
    user_id: UUID,
    purpose: Purpose,
    *,
    tenant_id: UUID | None,
    created_by: UUID | None,
) -> str:
    """Make a link; those of its kind made before stop working.

    Args:
        tx: the transaction.
        settings: for the address the link begins with.
        user_id: who it is for.
        purpose: what it does.
        tenant_id: see `OneTimeLinkTable.tenant_id`.
        created_by: who makes it; None: the command line or a service's key.

    Returns:
        the address to give to the person, shown this once.
    """
    # An older link that was never used would stay a way in for as long as it lives.
    await one_time_links.forget(tx, user_id, purpose, tenant_id=tenant_id if purpose == "invite" else None)
    token, token_hash = tokens.new_token()
    tx.session.add(
        OneTimeLinkTable(
            token_hash=token_hash,
            user_id=user_id,
            purpose=purpose,
            tenant_id=tenant_id,
            created_by=created_by,
            expires_at=utc_now() + LIFETIMES[purpose],
        )
    )
    return f"{settings.effective_public_url}/auth/link?token={quote(token, safe='')}"

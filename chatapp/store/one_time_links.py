"""Links that open once: one sets a password, another leads into a tenant. Only the hash of a link's secret is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlmodel import col, delete, or_, select, update

from chatapp.domain import utc_now
from chatapp.store.database import Transaction
from chatapp.store.tables import OneTimeLinkTable

Purpose = Literal["reset", "invite"]


async def find(tx: Transaction, token_hash: str, *, now: datetime) -> OneTimeLinkTable | None:
    """The link with this hash that is neither used nor expired."""
    statement = select(OneTimeLinkTable).where(
        col(OneTimeLinkTable.token_hash) == token_hash,
        col(OneTimeLinkTable.used_at).is_(None),
        col(OneTimeLinkTable.expires_at) > now,
    )
    return (await tx.session.execute(statement)).scalar_one_or_none()


async def use(tx: Transaction, link_id: UUID) -> bool:
    """Mark the link used.

    Returns:
        False when somebody else was faster: the link opens once.
    """
    statement = (
        update(OneTimeLinkTable)
        .where(col(OneTimeLinkTable.id) == link_id, col(OneTimeLinkTable.used_at).is_(None))
        .values(used_at=utc_now())
    )
    return (await tx.session.execute(statement)).rowcount == 1  # pyright: ignore[reportAttributeAccessIssue]


async def expiry(tx: Transaction, user_id: UUID, tenant_id: UUID) -> datetime | None:
    """When the person's open invitation into a tenant runs out; None: there is none."""
    statement = (
        select(OneTimeLinkTable.expires_at)
        .where(
            col(OneTimeLinkTable.user_id) == user_id,
            col(OneTimeLinkTable.tenant_id) == tenant_id,
            col(OneTimeLinkTable.purpose) == "invite",
            col(OneTimeLinkTable.used_at).is_(None),
        )
        .order_by(col(OneTimeLinkTable.expires_at).desc())
        .limit(1)
    )
    return (await tx.session.execute(statement)).scalar_one_or_none()


async def forget(tx: Transaction, user_id: UUID, purpose: Purpose, *, tenant_id: UUID | None = None) -> None:
    """Remove the person's links of a kind, used or not.

    Args:
        tx: the transaction.
        user_id: whose they are.
        purpose: their kind.
        tenant_id: only invitations into this tenant.
    """
    statement = delete(OneTimeLinkTable).where(
        col(OneTimeLinkTable.user_id) == user_id, col(OneTimeLinkTable.purpose) == purpose
    )
    if tenant_id is not None:
        statement = statement.where(col(OneTimeLinkTable.tenant_id) == tenant_id)
    await tx.session.execute(statement)


async def delete_ended(tx: Transaction, *, before: datetime) -> None:
    """Remove links that ran out or were used before the moment given. System transactions only."""
    used, expires = col(OneTimeLinkTable.used_at), col(OneTimeLinkTable.expires_at)
    await tx.session.execute(delete(OneTimeLinkTable).where(or_(expires < before, used < before)))

"""People by name or address, for the command palette."""

from __future__ import annotations

from sqlmodel import col, or_, select

from chatapp.store.database import Transaction
from chatapp.store.tables import MembershipTable, UserTable


async def people(tx: Transaction, words: str, *, limit: int) -> list[UserTable]:
    """People with a place in the actor's tenant whose name or address holds the words, by address.

    Args:
        tx: the transaction of an actor.
        words: upper and lower case alike.
        limit: most of them.
    """
    statement = (
        select(UserTable)
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(
            col(MembershipTable.tenant_id) == tx.tenant_id,
            or_(
                col(UserTable.email).icontains(words, autoescape=True),
                col(UserTable.name).icontains(words, autoescape=True),
            ),
        )
        .order_by(col(UserTable.email))
        .limit(limit)
    )
    return list((await tx.session.execute(statement)).scalars())

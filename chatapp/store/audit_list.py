"""Reading the audit log: lists, and one line.

A log of a million lines holds a few thousand different texts in the fields that are searched. A search looks through
those (`AuditValueTable`), and then for the lines that hold one of them, each found by an index. So words that stand
nowhere cost next to nothing, and rare ones what the lines cost that hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, literal_column, union_all
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import and_, col, func, or_, select

from chatapp.errors import NotFound
from chatapp.store.audit import SEARCHED_FIELDS
from chatapp.store.database import Transaction
from chatapp.store.listing import MAX_COUNTED, Found, ListField, Listing, find, valid_text
from chatapp.store.tables import AuditTable, AuditValueTable, TenantTable

LISTING = Listing(
    statement=select(AuditTable),
    identity=AuditTable.id,
    fields=(
        ListField("sequence", AuditTable.sequence, "number"),
        ListField("created_at", AuditTable.created_at, "moment"),
        ListField("actor_name", AuditTable.actor_name, is_searched=True),
        ListField("action", AuditTable.action, is_searched=True),
        ListField("address", AuditTable.address, is_searched=True),
        ListField("reason", AuditTable.reason, is_searched=True),
        ListField("user_id", AuditTable.user_id, "id", is_sorted=False),
        ListField("key_id", AuditTable.key_id, "id", is_sorted=False),
        ListField("subject_id", AuditTable.subject_id, "id", is_sorted=False),
    ),
    order="-sequence",
)


async def find_entries(tx: Transaction, wanted: Mapping[str, str]) -> Found:
    """One page of the tenant's log; each row an `AuditTable`.

    Raises:
        InvalidInput: as `listing.find` does.
    """
    texts = {param: words.strip() for param, words in wanted.items() if param in _TEXTS and words.strip()}
    rest = {param: value for param, value in wanted.items() if param not in _TEXTS}
    if not texts:
        return await find(tx, LISTING, rest)
    statement, known_total = LISTING.statement, None
    for param, words in texts.items():
        is_by_number = (rest.get("order") or LISTING.order) == LISTING.order
        condition, count = await _holding(tx, _TEXTS[param], valid_text(words, param), is_by_number=is_by_number)
        statement = statement.where(condition)
        known_total = count if len(texts) == 1 and not any(rest.get(name) for name in rest.keys() - _ORDERING) else None
    return await find(tx, replace(LISTING, statement=statement), rest, known_total=known_total)


_TEXTS = {"q": SEARCHED_FIELDS} | {f"{name}.has": (name,) for name in SEARCHED_FIELDS}
"""Parameters that look for part of a text, and the fields they look in."""
_ORDERING = frozenset({"order", "limit", "after"})


async def _holding(
    tx: Transaction, fields: Sequence[str], words: str, *, is_by_number: bool
) -> tuple[ColumnElement[bool], int | None]:
    """That a line holds these words in one of the fields, and how many do, up to one more than lists count.

    Args:
        tx: the transaction.
        fields: where the words are looked for.
        words: part of a text, in any case.
        is_by_number: whether the last line comes first.

    Returns:
        The condition, and the number; None where too many hold the words twice to tell.
    """
    lines = union_all(*(_lines(tx, name, _texts(tx, name, words)) for name in fields))
    some = lines.limit(MAX_COUNTED + 1).subquery()
    counted = select_columns(func.count(), func.count(some.c.sequence.distinct())).select_from(some)
    with_twice, count = (await tx.session.execute(counted)).one()
    if with_twice <= MAX_COUNTED:
        return col(AuditTable.sequence).in_(lines), count
    # So many that a page of them is soon together, in the order of the list and not by the index of the field.
    held = or_(*(func.coalesce(getattr(AuditTable, name), "").in_(_texts(tx, name, words)) for name in fields))
    if is_by_number:
        # They may have ended long ago: nothing behind the last one has to be looked at.
        last = [(await tx.session.execute(_last(tx, name, words))).scalar_one() for name in fields]
        held = and_(col(AuditTable.sequence) <= max(each or 0 for each in last), held)
    return held, count if count > MAX_COUNTED else None


def _texts(tx: Transaction, name: str, words: str) -> Any:
    """The texts of a field that hold the words."""
    value = col(AuditValueTable.value)
    of_field = (col(AuditValueTable.tenant_id) == tx.tenant_id, col(AuditValueTable.field) == name)
    if name == "action" and " " in words:
        # Pages write `key.made` as two words. One character of a pattern stands for any.
        pattern = "".join("_" if each == " " else f"/{each}" if each in "%_/" else each for each in words)
        return select(value).where(*of_field, value.ilike(f"%{pattern}%", escape="/"))
    return select(value).where(*of_field, value.icontains(words, autoescape=True))


def _lines(tx: Transaction, name: str, texts: Any) -> Any:
    """Numbers of the lines whose field holds one of the texts."""
    field = getattr(AuditTable, name)
    query = select(AuditTable.sequence).where(col(AuditTable.tenant_id) == tx.tenant_id, field.in_(texts))
    # What the index of reasons leaves out.
    return query.where(field != literal_column("''")) if name == "reason" else query


def _last(tx: Transaction, name: str, words: str) -> Any:
    """Number of the last line whose field holds the words: of each text the last by the index, and of these the last.

    None: there is none.
    """
    line = aliased(AuditTable)
    of_text = (col(line.tenant_id) == tx.tenant_id, getattr(line, name) == col(AuditValueTable.value))
    last = select_columns(func.max(col(line.sequence))).where(*of_text).correlate(AuditValueTable).scalar_subquery()
    return _texts(tx, name, words).with_only_columns(func.max(last))


async def get_entry(tx: Transaction, entry_id: UUID) -> AuditTable:
    """One line.

    Raises:
        NotFound: the tenant's log has no such line.
    """
    row = (await tx.session.execute(select(AuditTable).where(col(AuditTable.id) == entry_id))).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row


async def tenant_ids(tx: Transaction) -> Sequence[UUID]:
    """Every tenant, oldest first; in a system transaction."""
    query = select(TenantTable.id).order_by(col(TenantTable.created_at), col(TenantTable.id))
    return (await tx.session.execute(query)).scalars().all()

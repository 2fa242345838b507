"""Queries about providers and models. They belong to the installation, not to a tenant."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import ModelTable, ProviderTable


async def list_models(tx: Transaction) -> Sequence[tuple[ModelTable, ProviderTable]]:
    """Every model in use with its provider, the default first, then by name."""
    query = _in_use().order_by(col(ModelTable.is_default).desc(), col(ModelTable.created_at), col(ModelTable.name))
    return (await tx.session.execute(query)).all()


async def find_model(tx: Transaction, name: str) -> tuple[ModelTable, ProviderTable] | None:
    """A model in use, by our name of it."""
    return (await tx.session.execute(_in_use().where(col(ModelTable.name) == name))).one_or_none()


async def find_default(tx: Transaction) -> tuple[ModelTable, ProviderTable] | None:
    """The model `auto` stands for; None where nothing is in use."""
    query = _in_use().order_by(col(ModelTable.is_default).desc(), col(ModelTable.created_at), col(ModelTable.name))
    return (await tx.session.execute(query.limit(1))).one_or_none()


async def find_of_kind(tx: Transaction, kind: str) -> tuple[ModelTable, ProviderTable] | None:
    """The oldest model in use whose provider is of that kind."""
    query = _in_use().where(col(ProviderTable.kind) == kind).order_by(col(ModelTable.created_at), col(ModelTable.id))
    return (await tx.session.execute(query.limit(1))).one_or_none()


async def list_providers(tx: Transaction) -> Sequence[ProviderTable]:
    """Every provider, in use or not, oldest first."""
    return (await tx.session.execute(select(ProviderTable).order_by(col(ProviderTable.created_at)))).scalars().all()


def _in_use():  # SQLAlchemy's type of a two-entity select is longer than the query
    return (
        select(ModelTable, ProviderTable)
        .join(ProviderTable, col(ProviderTable.id) == col(ModelTable.provider_id))
        .where(col(ModelTable.is_enabled), col(ProviderTable.is_enabled))
    )

"""What every table of a tenant inherits, and how constraints are named."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import MetaData
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention


class TenantRow(SQLModel):
    """Base of every row that belongs to one tenant."""

    tenant_id: UUID = Field(foreign_key="tenants.id", index=True, ondelete="CASCADE")

# pyright: reportAssignmentType=false
"""Tenants, people, how they get in, and what they changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from chatapp.domain import utc_now
from chatapp.store.tables.base import TenantRow


class TenantTable(SQLModel, table=True):
    """A customer."""

    __tablename__ = "tenants"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str
    created_at: datetime = Field(default_factory=utc_now)


class UserTable(SQLModel, table=True):
    """A person; belongs to tenants through memberships."""

    __tablename__ = "users"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str = Field(unique=True)
    """Lower case."""
    name: str = ""
    password_hash: str | None = None
    """Argon2id; None for people who have not set one."""
    is_platform_admin: bool = False
    is_disabled: bool = False
    created_at: datetime = Field(default_factory=utc_now)


class MembershipTable(TenantRow, table=True):
    """A person's roles in one tenant."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    roles: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)


class SessionTable(SQLModel, table=True):
    """A sign-in. Only the hash of the cookie's value is kept."""

    __tablename__ = "sessions"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE")
    """The tenant the person is looking at."""
    address: str = ""
    user_agent: str = ""
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime
    revoked_at: datetime | None = None


class OneTimeLinkTable(SQLModel, table=True):
    """A link that lets its holder set a password once."""

    __tablename__ = "one_time_links"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime
    used_at: datetime | None = None


class ApiKeyTable(SQLModel, table=True):
    """A key for the HTTP API. Only its hash is kept."""

    __tablename__ = "api_keys"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id", index=True, ondelete="CASCADE")
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    """None: the key belongs to a service."""
    name: str
    prefix: str
    """First characters of the key, for people to tell keys apart."""
    key_hash: str = Field(unique=True)
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class AuditTable(TenantRow, table=True):
    """Who changed what, and when."""

    __tablename__ = "audit"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID | None = None
    key_id: UUID | None = None
    action: str
    """`noun.verb` in the past: `document.uploaded`."""
    subject_id: UUID | None = None
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)

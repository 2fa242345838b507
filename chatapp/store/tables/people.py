# pyright: reportAssignmentType=false
"""Tenants, people, how they get in, and what they changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, Index, UniqueConstraint, column, literal_column
from sqlmodel import Field, SQLModel

from chatapp.domain import utc_now
from chatapp.store.tables.base import TenantRow


class TenantTable(SQLModel, table=True):
    """A customer."""

    __tablename__ = "tenants"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str
    is_suspended: bool = False
    """Nobody signs in, no key opens, nothing is answered; all of it stays."""
    suspension_reason: str = ""
    """Why, in the words of who suspended it; empty while it is not."""
    has_password_sign_in: bool = True
    """False: people come in through the identity provider only; platform admins always may use their password."""
    onboarding: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """Steps of the guided start that were left out: `{"dismissed": true}`, `{"skipped": ["people"]}`."""
    created_at: datetime = Field(default_factory=utc_now)


class TenantDeletionTable(TenantRow, table=True):
    """A tenant that is being deleted. The row is there from the request until nothing of the tenant is left."""

    __tablename__ = "tenant_deletions"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    requested_at: datetime = Field(default_factory=utc_now)
    total_rows: int = 0
    """Rows there were to remove; 0 until they are counted."""
    removed_rows: int = 0
    lease_owner: str = ""
    lease_expires_at: datetime = Field(default_factory=utc_now)
    """Until when a worker has it; of one that nobody has: not to be begun before."""


class UserTable(SQLModel, table=True):
    """A person; belongs to tenants through memberships.

    Nobody has shown that an address is theirs, so it belongs to no row: several may have it, in a tenant one at most.
    """

    __tablename__ = "users"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str = Field(index=True)
    """Lower case."""
    name: str = ""
    password_hash: str | None = None
    """Argon2id; None for people who have not set one."""
    is_password_given: bool = False
    """An admin chose the password and so knows it: it leads into no other tenant before the person changes it."""
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
    is_managed: bool = False
    """The roles come from the identity provider at each sign-in."""
    is_disabled: bool = False
    """The person may not act in this tenant; their other tenants are not touched."""
    invited_by: UUID | None = None
    accepted_at: datetime | None = None
    """None: invited, and not here yet."""
    created_at: datetime = Field(default_factory=utc_now)


class SessionTable(SQLModel, table=True):
    """A sign-in. Only the hash of the cookie's value is kept."""

    __tablename__ = "sessions"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE")
    """The tenant the person is looking at."""
    method: str = "password"
    """How it began: `password`, `link` or `oidc`."""
    address: str = ""
    user_agent: str = ""
    created_at: datetime = Field(default_factory=utc_now)
    last_seen_at: datetime = Field(default_factory=utc_now)
    """To the minute."""
    expires_at: datetime
    revoked_at: datetime | None = None


class OneTimeLinkTable(SQLModel, table=True):
    """A link that lets its holder set a password, or join a tenant, once."""

    __tablename__ = "one_time_links"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    purpose: str = "reset"
    """`reset` or `invite`."""
    tenant_id: UUID | None = Field(default=None, foreign_key="tenants.id", index=True, ondelete="CASCADE")
    """The tenant an invitation leads into, or whose admin made a reset: such a reset works while the person is in no
    other. None: a reset by a platform admin or from the command line."""
    created_by: UUID | None = None
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime
    used_at: datetime | None = None


class ApiKeyTable(TenantRow, table=True):
    """A key for the HTTP API. Only its hash is kept."""

    __tablename__ = "api_keys"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID | None = Field(default=None, foreign_key="users.id", index=True, ondelete="CASCADE")
    """None: the key belongs to a service."""
    name: str
    prefix: str
    """First characters of the key, for people to tell keys apart."""
    key_hash: str = Field(unique=True)
    previous_key_hash: str | None = Field(default=None, unique=True)
    """The key before the last rotation, which opens until `previous_expires_at`."""
    previous_expires_at: datetime | None = None
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_by: UUID | None = None
    """Who made or last rotated it, and so may know it: a person or a service's key. None: the command line."""
    roles: list[str] | None = Field(default=None, sa_column=Column(JSON))
    """Of a person's key: the roles they had when it was made or last rotated, beyond which it never goes. None: a
    service's, or made before this was kept."""
    is_of_platform: bool = False
    """Its person was a platform admin when it was made or last rotated, and it may act as one."""
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


_REASON = column("reason") != literal_column("''")


class AuditTable(TenantRow, table=True):
    """Who changed what, when and from where. Rows are only ever added, each sealed to the one before."""

    __tablename__ = "audit"
    __table_args__ = (
        UniqueConstraint("tenant_id", "sequence"),
        Index("ix_audit_subject", "tenant_id", "subject_id"),
        Index("ix_audit_list", "tenant_id", "created_at"),
        # Which lines hold a text, once `AuditValueTable` has said which texts there are.
        Index("ix_audit_actor_name", "tenant_id", "actor_name", "sequence"),
        Index("ix_audit_action", "tenant_id", "action", "sequence"),
        Index("ix_audit_address", "tenant_id", "address", "sequence"),
        # Most lines have none.
        Index("ix_audit_reason", "tenant_id", "reason", "sequence", sqlite_where=_REASON, postgresql_where=_REASON),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    sequence: int
    """1, 2, 3 ... in each tenant, without a gap."""
    user_id: UUID | None = None
    key_id: UUID | None = None
    actor_name: str = ""
    """Who it was as people knew them then: an address, a key's name, or `system`."""
    address: str = ""
    """Network address the change came from; empty: the command line or the worker."""
    action: str
    """`noun.verb` in the past: `document.uploaded`."""
    subject_id: UUID | None = None
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    """What was changed, as it was; None: nothing was there."""
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    """The same fields as they are now; None: nothing is there any more."""
    reason: str = ""
    """Why, in the words of who did it, where a reason is asked for."""
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)
    previous_hash: str = ""
    """`hash` of the row before; empty for the first."""
    hash: str = ""
    """HMAC-SHA256 over all of the above; empty: written before rows were sealed."""


class AuditValueTable(TenantRow, table=True):
    """A text that stands in a searched field of the tenant's audit log.

    Few differ, so a search looks through these and not through the lines.
    """

    __tablename__ = "audit_values"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    field: str = Field(primary_key=True)
    value: str = Field(primary_key=True)


class AuditHeadTable(TenantRow, table=True):
    """The end of a tenant's audit log: what the next row is sealed to, and the proof that none was cut off."""

    __tablename__ = "audit_heads"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    sequence: int = 0
    hash: str = ""
    seal: str = ""
    """HMAC-SHA256 over all of the above; empty: no sealed row has been written yet."""

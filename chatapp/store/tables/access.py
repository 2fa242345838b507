# pyright: reportAssignmentType=false
"""Who may read what: groups of people, grants on collections, and the identity providers people come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field

from chatapp.domain import utc_now
from chatapp.store.tables.base import TenantRow


def _of_member() -> ForeignKeyConstraint:
    """What belongs to a person's place in the tenant goes with it."""
    names = ["tenant_id", "user_id"]
    return ForeignKeyConstraint(names, [f"memberships.{name}" for name in names], ondelete="CASCADE")


class GroupTable(TenantRow, table=True):
    """A set of people of one tenant, to grant collections to."""

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str
    description: str = ""
    created_at: datetime = Field(default_factory=utc_now)


class GroupMemberTable(TenantRow, table=True):
    """A person in a group."""

    __tablename__ = "group_members"
    __table_args__ = (_of_member(),)

    group_id: UUID = Field(foreign_key="groups.id", ondelete="CASCADE", primary_key=True)
    user_id: UUID = Field(index=True, primary_key=True)
    is_managed: bool = False
    """Put here by the identity provider, which may take it away again at the next sign-in."""
    created_at: datetime = Field(default_factory=utc_now)


class CollectionGrantTable(TenantRow, table=True):
    """Who may read a collection, or write it too."""

    __tablename__ = "collection_grants"
    __table_args__ = (
        UniqueConstraint("collection_id", "subject_kind", "subject"),
        Index("ix_collection_grants_subject", "tenant_id", "subject_kind", "subject"),
        _of_member(),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    collection_id: UUID = Field(foreign_key="collections.id", ondelete="CASCADE")
    subject_kind: str
    """`everyone` (of the tenant), `role`, `group`, `user` or `key`."""
    subject: str = ""
    """Empty for everyone, the role's name, or the id with its hyphens."""
    group_id: UUID | None = Field(default=None, foreign_key="groups.id", index=True, ondelete="CASCADE")
    user_id: UUID | None = Field(default=None, index=True)
    key_id: UUID | None = Field(default=None, foreign_key="api_keys.id", index=True, ondelete="CASCADE")
    """The id of `subject` once more, so that a grant goes with its group, membership or key and none comes back."""
    access: str = "read"
    """`read`, or `write`, which reads too; writing also needs the permission to write documents."""
    created_by: UUID | None = None
    created_at: datetime = Field(default_factory=utc_now)


class IdentityProviderTable(TenantRow, table=True):
    """Where people of a tenant sign in with OpenID Connect."""

    __tablename__ = "identity_providers"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str
    """What the button says."""
    issuer: str
    client_id: str
    encrypted_client_secret: str = ""
    """Encrypted with the installation's secret key; empty for a public client."""
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Asked for beside `openid`."""
    email_domains: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Lower case; people with such an address are led here, and only such addresses are let in."""
    groups_claim: str = "groups"
    mappings: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """`{"group": name at the provider, "roles": [...], "groups": [ids of ours]}`, each that fits applies."""
    default_roles: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Roles of whom no mapping fits; empty: they are not let in."""
    creates_users: bool = True
    """Whether somebody unknown becomes a user at their first sign-in."""
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)


class IdentityTable(TenantRow, table=True):
    """A person as an identity provider knows them."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("provider_id", "subject"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    provider_id: UUID = Field(foreign_key="identity_providers.id", ondelete="CASCADE")
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    subject: str
    """The provider's own name of the person, which never changes: the claim `sub`."""
    created_at: datetime = Field(default_factory=utc_now)

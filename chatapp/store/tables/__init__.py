"""Every table, as plain SQLModel classes.

A table that belongs to a tenant inherits `TenantRow`; `database.transaction` then adds the tenant to every
statement on it. The few tables without a tenant (tenants, users, sessions, keys, providers, models) are
reached only by the modules named in `tests/architecture`.
"""

from __future__ import annotations

from chatapp.store.tables.base import TenantRow
from chatapp.store.tables.conversations import ConversationTable, FeedbackTable, TraceTable, TurnTable
from chatapp.store.tables.documents import (
    ChunkTable,
    CollectionTable,
    DocumentTable,
    DocumentVersionTable,
    PostingTable,
    RemovalTable,
)
from chatapp.store.tables.people import (
    ApiKeyTable,
    AuditTable,
    MembershipTable,
    OneTimeLinkTable,
    SessionTable,
    TenantTable,
    UserTable,
)
from chatapp.store.tables.providers import ModelTable, ProviderTable

__all__ = [
    "ApiKeyTable",
    "AuditTable",
    "ChunkTable",
    "CollectionTable",
    "ConversationTable",
    "DocumentTable",
    "DocumentVersionTable",
    "FeedbackTable",
    "MembershipTable",
    "ModelTable",
    "OneTimeLinkTable",
    "PostingTable",
    "ProviderTable",
    "RemovalTable",
    "SessionTable",
    "TenantRow",
    "TenantTable",
    "TraceTable",
    "TurnTable",
    "UserTable",
]

"""Every table, as plain SQLModel classes.

A table that belongs to a tenant inherits `TenantRow`; `database.transaction` then adds the tenant to every
statement on it. The few tables without a tenant (tenants, users, sessions, one-time links, providers, models and what
hangs on them) are reached only by the modules named in `tests/architecture`.
"""

from __future__ import annotations

from chatapp.store.tables import append_only as _append_only  # noqa: F401  # attaches triggers to the audit log
from chatapp.store.tables.access import (
    CollectionGrantTable,
    GroupMemberTable,
    GroupTable,
    IdentityProviderTable,
    IdentityTable,
)
from chatapp.store.tables.base import TenantRow
from chatapp.store.tables.conversations import (
    ConversationTable,
    FeedbackTable,
    RefusalTable,
    TraceDayTable,
    TraceTable,
    TurnTable,
)
from chatapp.store.tables.documents import (
    ChunkTable,
    CollectionTable,
    DocumentBatchMemberTable,
    DocumentBatchTable,
    DocumentTable,
    DocumentVersionTable,
    PostingTable,
    RemovalTable,
)
from chatapp.store.tables.people import (
    ApiKeyTable,
    AuditHeadTable,
    AuditTable,
    AuditValueTable,
    MembershipTable,
    OneTimeLinkTable,
    SessionTable,
    TenantDeletionTable,
    TenantTable,
    UserTable,
)
from chatapp.store.tables.providers import (
    BreakerDrillTable,
    BreakerTable,
    DeploymentTable,
    IntentExampleTable,
    ModelPriceTable,
    ModelTable,
    ProviderTable,
    RouteTable,
    TenantLimitsTable,
)

__all__ = [
    "ApiKeyTable",
    "AuditHeadTable",
    "AuditTable",
    "AuditValueTable",
    "BreakerDrillTable",
    "BreakerTable",
    "ChunkTable",
    "CollectionGrantTable",
    "CollectionTable",
    "ConversationTable",
    "DeploymentTable",
    "DocumentBatchMemberTable",
    "DocumentBatchTable",
    "DocumentTable",
    "DocumentVersionTable",
    "FeedbackTable",
    "GroupMemberTable",
    "GroupTable",
    "IdentityProviderTable",
    "IdentityTable",
    "IntentExampleTable",
    "MembershipTable",
    "ModelPriceTable",
    "ModelTable",
    "OneTimeLinkTable",
    "PostingTable",
    "ProviderTable",
    "RefusalTable",
    "RemovalTable",
    "RouteTable",
    "SessionTable",
    "TenantDeletionTable",
    "TenantLimitsTable",
    "TenantRow",
    "TenantTable",
    "TraceDayTable",
    "TraceTable",
    "TurnTable",
    "UserTable",
]

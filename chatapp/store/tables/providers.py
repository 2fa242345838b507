# pyright: reportAssignmentType=false
"""Who serves models, what they serve, and which of them answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from chatapp.domain import utc_now
from chatapp.store.tables.base import TenantRow

CAPABILITIES = ("streaming", "json", "tools", "vision", "reasoning", "prompt_caching")
"""What a model may be able to do."""


class ProviderTable(SQLModel, table=True):
    """Who serves models; belongs to the installation."""

    __tablename__ = "providers"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(unique=True)
    kind: str
    """`openai_compatible`, `litellm` or `extractive`."""
    base_url: str = ""
    encrypted_api_key: str = ""
    """Encrypted with the installation's secret key; empty when none is needed."""
    encrypted_options: str = ""
    """What a cloud wants beside it, as `services.provider_options` has it: JSON, encrypted in the same way."""
    is_operators: bool = False
    """Named in the environment by who runs the installation, so it may be at any address."""
    timeout_seconds: float | None = None
    """Longest wait for the first text and between two; None: the installation's."""
    max_concurrent: int | None = None
    """Most requests at once over the whole installation; None: no limit."""
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)


class ModelTable(SQLModel, table=True):
    """What a provider serves, and what it costs."""

    __tablename__ = "models"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(unique=True)
    provider_id: UUID = Field(foreign_key="providers.id", index=True, ondelete="CASCADE")
    provider_model: str
    """The provider's own name of the model."""
    input_micro_usd_per_mtok: int = 0
    output_micro_usd_per_mtok: int = 0
    cached_input_micro_usd_per_mtok: int | None = None
    """Price of input the provider had kept; None: that of any other input."""
    max_input_tokens: int = 8_192
    max_output_tokens: int = 1_024
    capabilities: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    is_default: bool = False
    """What `auto` means until a tenant has a route of its own."""
    balance: str = "in_order"
    """How equal deployments share the work: `in_order`, `weighted`, `lowest_latency` or `least_busy`."""
    weight: int = 1
    """Of the deployment named here, beside those of `DeploymentTable`, where the work is shared by weight."""
    catalog_name: str = ""
    """What the public catalogue calls it; empty: not taken from there."""
    catalog_entry: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    """What the catalogue said when it was last looked at and accepted."""
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)


class ModelPriceTable(SQLModel, table=True):
    """What a model costs from a day on. Before the first of them the model's own columns hold."""

    __tablename__ = "model_prices"
    __table_args__ = (UniqueConstraint("model_id", "valid_from"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    model_id: UUID = Field(foreign_key="models.id", ondelete="CASCADE")
    valid_from: datetime
    """The first moment it holds; it ends where the next begins."""
    input_micro_usd_per_mtok: int = 0
    output_micro_usd_per_mtok: int = 0
    cached_input_micro_usd_per_mtok: int | None = None
    created_at: datetime = Field(default_factory=utc_now)


class DeploymentTable(SQLModel, table=True):
    """A further place where the same model is served, equal to the one its row names."""

    __tablename__ = "deployments"
    __table_args__ = (UniqueConstraint("model_id", "provider_id", "provider_model"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    model_id: UUID = Field(foreign_key="models.id", ondelete="CASCADE")
    provider_id: UUID = Field(foreign_key="providers.id", index=True, ondelete="CASCADE")
    provider_model: str
    weight: int = 1
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)


class BreakerTable(SQLModel, table=True):
    """Where a process's circuit breaker of a deployment stands, for the pages: a report, not what decides."""

    __tablename__ = "breakers"

    process: str = Field(primary_key=True)
    """`host:pid:start`."""
    deployment: str = Field(primary_key=True)
    """`routing.route.Deployment.key`."""
    state: str
    failures: int = 0
    """In the window it concludes from."""
    reason: str = ""
    """The last failure's sentence."""
    probe_at: datetime | None = None
    """When something is sent there again; None: something may go out now."""
    requests: int = 0
    """Turns that asked it since the process began."""
    retries: int = 0
    """Requests on top of those."""
    skipped: int = 0
    """Turns that went by it."""
    opened: int = 0
    """Times it opened."""
    changed_at: datetime = Field(default_factory=utc_now)
    """When it last opened or closed."""
    seen_at: datetime = Field(default_factory=utc_now)
    """When the process last said so."""


class BreakerDrillTable(SQLModel, table=True):
    """A breaker an admin holds open in every process."""

    __tablename__ = "breaker_drills"

    deployment: str = Field(primary_key=True)
    until: datetime
    """It ends by itself: a drill nobody remembers must not stay."""
    started_by: UUID | None = None
    created_at: datetime = Field(default_factory=utc_now)


class RouteTable(TenantRow, table=True):
    """Who answers in a tenant, and who does where that one fails."""

    __tablename__ = "routes"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    rules: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """`{"when": {...}, "model": name}` as `routing.rules` reads them; the first that holds decides."""
    default_model: str
    """Name of the model where no rule holds."""
    fallbacks: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Names of models asked in turn when the one before failed."""
    ladder: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Names of models, the smallest first: each answer begins at the model chosen and climbs from there."""
    escalate_on: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """What makes it climb: `invalid_output`, `low_support`, `asked_again`."""
    when_too_long: str = "fit"
    """A prompt over the model's input: `fit` drops weak sources and summarises old turns, `refuse` says so."""
    when_named_fails: str = "fall_back"
    """A model asked for by name fails: `fall_back` has the fallbacks answer, `say_so` asks nobody else."""
    intents_version: int = 0
    """Grows with each change of the tenant's examples of intents, so that what a process keeps of them is known to be
    old without being read again."""
    version: int = 1
    """Grows with each change; part of traces."""
    updated_at: datetime = Field(default_factory=utc_now)


class IntentExampleTable(TenantRow, table=True):
    """A question with the intent it shows, for rules that ask for one."""

    __tablename__ = "intent_examples"
    __table_args__ = (UniqueConstraint("tenant_id", "text"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    intent: str
    text: str = Field(sa_column=Column(Text, nullable=False))
    vector: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """The text's embedding, float32, unit norm."""
    created_at: datetime = Field(default_factory=utc_now)


class TenantLimitsTable(TenantRow, table=True):
    """How much of everything a tenant may use at once."""

    __tablename__ = "tenant_limits"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    concurrent_turns: int | None = None
    """Answers in the making at once; more wait their turn. None: the installation's."""
    updated_at: datetime = Field(default_factory=utc_now)

# pyright: reportAssignmentType=false
"""Who serves models, and what they serve."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from chatapp.domain import utc_now
from chatapp.store.tables.base import TenantRow


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
    is_operators: bool = False
    """Named in the environment by who runs the installation, so it may be at any address."""
    timeout_seconds: float | None = None
    """Longest wait for the first text and between two; None: the installation's."""
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
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)


class RouteTable(TenantRow, table=True):
    """Who answers in a tenant when nobody asks for a model by name."""

    __tablename__ = "routes"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    rules: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """`{"when": {...}, "model": name}` as `routing.rules` reads them; the first that holds decides."""
    default_model: str
    """Name of the model where no rule holds."""
    fallbacks: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Names of models asked in turn when the one before failed."""
    version: int = 1
    """Grows with each change; part of traces."""
    updated_at: datetime = Field(default_factory=utc_now)

# pyright: reportAssignmentType=false
"""Who serves models, and what they serve."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from chatapp.domain import utc_now


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
    max_input_tokens: int = 8_192
    max_output_tokens: int = 1_024
    capabilities: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    is_default: bool = False
    """What `auto` means until a tenant has a route of its own."""
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)

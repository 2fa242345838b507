"""`/v1/admin/providers`, `/v1/admin/models`: who serves models, what they serve, and at what price."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StrictInt
from starlette.responses import Response, StreamingResponse

from chatapp.services import models_served, providers
from chatapp.services.csv_export import stream_csv
from chatapp.services.models_served import ServedModelView
from chatapp.services.providers import ConnectionTest, ProviderKind, ProviderView
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin", tags=["admin: providers and models"])


class NewProvider(RequestBody):
    """A provider to add."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: ProviderKind
    base_url: str = ""
    api_key: str = Field(default="", description="Kept encrypted; it never comes back.")
    timeout_seconds: float | None = Field(default=None, description="Longest silence; null: the installation's.")


class ProviderChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    base_url: str = ""
    api_key: str = ""
    timeout_seconds: float | None = None
    is_enabled: bool = True


class ConnectionCheck(RequestBody):
    """How to test a connection."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(default="", max_length=200, description="The provider's own name of a model to ask.")


class ModelFields(RequestBody):
    """A model's properties. Prices are micro-dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid")

    input_micro_usd_per_mtok: StrictInt = 0
    output_micro_usd_per_mtok: StrictInt = 0
    cached_input_micro_usd_per_mtok: StrictInt | None = None
    max_input_tokens: StrictInt = 8_192
    max_output_tokens: StrictInt = 1_024
    capabilities: list[str] = Field(default_factory=list)
    is_enabled: bool = True
    is_default: bool = False


class NewModel(ModelFields):
    """A model to add."""

    name: str
    provider: str = Field(description="Name or id of who serves it.")
    provider_model: str


class ModelChange(ModelFields):
    """What is to be different; what is left out stays."""

    name: str = ""
    provider_model: str = ""


@router.get("/providers")
async def list_providers(actor: SignedIn, wanted: Wanted) -> ListAnswer[ProviderView]:
    """The installation's providers, newest first."""
    return list_answer(await providers.list_providers(actor, wanted))


@router.get("/providers.csv", response_class=StreamingResponse)
async def export_providers(actor: SignedIn, wanted: Wanted) -> StreamingResponse:
    """Every provider the filters let through, as CSV."""
    lines = stream_csv(lambda asked: providers.list_providers(actor, asked), ProviderView, wanted)
    return await download(lines, filename="providers.csv", media_type="text/csv")


@router.post("/providers")
async def create_provider(actor: SignedIn, body: NewProvider) -> ProviderView:
    """Add a provider."""
    return await providers.create(actor, **body.model_dump())


@router.get("/providers/{model_provider_id}")
async def get_provider(actor: SignedIn, model_provider_id: PathId) -> ProviderView:
    """One provider."""
    return await providers.get(actor, model_provider_id)


@router.patch("/providers/{model_provider_id}")
async def change_provider(actor: SignedIn, model_provider_id: PathId, body: ProviderChange) -> ProviderView:
    """Change a provider. A new address needs the key again."""
    return await providers.change(actor, model_provider_id, body.model_dump(exclude_unset=True))


@router.delete("/providers/{model_provider_id}", status_code=204)
async def delete_provider(actor: SignedIn, model_provider_id: PathId) -> Response:
    """Remove a provider that serves no models any more."""
    await providers.delete(actor, model_provider_id)
    return Response(status_code=204)


@router.post("/providers/{model_provider_id}/test")
async def check_provider(
    actor: SignedIn, model_provider_id: PathId, body: ConnectionCheck | None = None
) -> ConnectionTest:
    """Ask a provider, and say what came of it."""
    return await providers.check_connection(actor, model_provider_id, model=body.model if body else "")


@router.get("/models")
async def list_models(actor: SignedIn, wanted: Wanted) -> ListAnswer[ServedModelView]:
    """Every model of the installation, by name."""
    return list_answer(await models_served.list_served(actor, wanted))


@router.get("/models.csv", response_class=StreamingResponse)
async def export_models(actor: SignedIn, wanted: Wanted) -> StreamingResponse:
    """Every model the filters let through, as CSV."""
    lines = stream_csv(lambda asked: models_served.list_served(actor, asked), ServedModelView, wanted)
    return await download(lines, filename="models.csv", media_type="text/csv")


@router.post("/models")
async def create_model(actor: SignedIn, body: NewModel) -> ServedModelView:
    """Add a model."""
    fields: dict[str, Any] = body.model_dump(exclude={"provider"})
    return await models_served.create(actor, provider=body.provider, wanted=fields)


@router.get("/models/{model_id}")
async def get_model(actor: SignedIn, model_id: PathId) -> ServedModelView:
    """One model."""
    return await models_served.get(actor, model_id)


@router.patch("/models/{model_id}")
async def change_model(actor: SignedIn, model_id: PathId, body: ModelChange) -> ServedModelView:
    """Change a model; what was answered keeps its price."""
    return await models_served.change(actor, model_id, body.model_dump(exclude_unset=True))


@router.delete("/models/{model_id}", status_code=204)
async def delete_model(actor: SignedIn, model_id: PathId) -> Response:
    """Remove a model; routes that name it go on to the next."""
    await models_served.delete(actor, model_id)
    return Response(status_code=204)

"""`/v1/admin/providers`: who serves models."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StrictInt
from starlette.responses import Response, StreamingResponse

from chatapp.services import providers
from chatapp.services.csv_export import stream_csv
from chatapp.services.provider_options import MAX_CHARACTERS
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
    max_concurrent: StrictInt | None = Field(default=None, description="Most requests at once; null: no limit.")
    api_version: str = Field(default="", max_length=MAX_CHARACTERS, description="Azure's, through LiteLLM.")
    region: str = Field(default="", max_length=MAX_CHARACTERS, description="Bedrock's, through LiteLLM.")
    access_key_id: str = Field(default="", max_length=MAX_CHARACTERS, description="Bedrock's; it never comes back.")
    secret_access_key: str = Field(default="", max_length=MAX_CHARACTERS, description="With the id; kept encrypted.")


class ProviderChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    base_url: str = ""
    api_key: str = ""
    timeout_seconds: float | None = None
    max_concurrent: StrictInt | None = None
    api_version: str = Field(default="", max_length=MAX_CHARACTERS)
    region: str = Field(default="", max_length=MAX_CHARACTERS)
    access_key_id: str = Field(default="", max_length=MAX_CHARACTERS)
    secret_access_key: str = Field(default="", max_length=MAX_CHARACTERS)
    is_enabled: bool = True


class ConnectionCheck(RequestBody):
    """How to test a connection."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(default="", max_length=200, description="The provider's own name of a model to ask.")


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

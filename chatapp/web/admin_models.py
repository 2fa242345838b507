"""`/v1/admin/models` and `/v1/admin/catalog`: what is served, at what price and where, and what else there is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, ConfigDict, Field, StrictInt
from starlette.responses import Response, StreamingResponse

from chatapp.services import deployments, model_catalog, models_served, price_list
from chatapp.services.csv_export import stream_csv
from chatapp.services.deployments import DeploymentView
from chatapp.services.list_page import ListPage
from chatapp.services.model_catalog import CatalogView, UpstreamChange
from chatapp.services.models_served import ServedModelView
from chatapp.services.price_list import PriceView
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin", tags=["admin: providers and models"])
Balance = Literal["in_order", "weighted", "lowest_latency", "least_busy"]


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
    balance: Balance = Field(default="in_order", description="How equal deployments share the work.")
    weight: StrictInt = Field(default=1, description="Of its own deployment, where the work is shared by weight.")
    catalog_name: str = Field(default="", max_length=300, description="What the public catalogue calls it.")


class NewModel(ModelFields):
    """A model to add. With `catalog_name`, what is left out is taken from the public catalogue."""

    name: str = ""
    provider: str = Field(description="Name or id of who serves it.")
    provider_model: str = ""


class ModelChange(ModelFields):
    """What is to be different; what is left out stays."""

    name: str = ""
    provider_model: str = ""


class NewPrice(RequestBody):
    """What a model costs from a day on, in micro-dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid")

    valid_from: AwareDatetime | None = Field(default=None, description="Not past; null: from now on.")
    input_micro_usd_per_mtok: StrictInt
    output_micro_usd_per_mtok: StrictInt
    cached_input_micro_usd_per_mtok: StrictInt | None = Field(
        default=None, description="Of input the provider had kept; null: that of any other input."
    )


class NewDeployment(RequestBody):
    """A further place where the same model is served."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(description="Name or id of who serves it there.")
    provider_model: str
    weight: StrictInt = 1


class DeploymentChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    weight: StrictInt = 1
    is_enabled: bool = True


@router.get("/models")
async def list_models(actor: SignedIn, wanted: Wanted) -> ListAnswer[ServedModelView]:
    """Every model of the installation, by name."""
    return list_answer(await models_served.list_served(actor, wanted))


@router.get("/models.csv", response_class=StreamingResponse)
async def export_models(actor: SignedIn, wanted: Wanted) -> StreamingResponse:
    """Every model the filters let through, as CSV."""
    lines = stream_csv(lambda asked: models_served.list_served(actor, asked), ServedModelView, wanted)
    return await download(lines, filename="models.csv", media_type="text/csv")


@router.get("/models/changes")
async def list_upstream_changes(actor: SignedIn) -> ListAnswer[UpstreamChange]:
    """What the public catalogue says anew of models that were taken from it."""
    return list_answer(ListPage.whole(await model_catalog.list_changes(actor)))


@router.post("/models")
async def create_model(actor: SignedIn, body: NewModel) -> ServedModelView:
    """Add a model."""
    fields: dict[str, Any] = body.model_dump(exclude={"provider"}, exclude_unset=True)
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


@router.post("/models/{model_id}/changes/accept")
async def accept_upstream_change(actor: SignedIn, model_id: PathId) -> ServedModelView:
    """Take over what the catalogue says anew; its price holds from now on."""
    await model_catalog.accept(actor, model_id)
    return await models_served.get(actor, model_id)


@router.post("/models/{model_id}/changes/dismiss")
async def dismiss_upstream_change(actor: SignedIn, model_id: PathId) -> ServedModelView:
    """Keep what there is; the same change is not told again."""
    await model_catalog.dismiss(actor, model_id)
    return await models_served.get(actor, model_id)


@router.get("/models/{model_id}/prices")
async def list_prices(actor: SignedIn, model_id: PathId) -> ListAnswer[PriceView]:
    """What a model cost, costs and will cost, the oldest first."""
    return list_answer(ListPage.whole(await price_list.list_prices(actor, model_id)))


@router.post("/models/{model_id}/prices")
async def add_price(actor: SignedIn, model_id: PathId, body: NewPrice) -> ListAnswer[PriceView]:
    """Have a model cost something else from a day on."""
    return list_answer(ListPage.whole(await price_list.add(actor, model_id, body.model_dump())))


@router.delete("/models/{model_id}/prices/{price_id}", status_code=204)
async def remove_price(actor: SignedIn, model_id: PathId, price_id: PathId) -> Response:
    """Take back a price that does not hold yet."""
    await price_list.remove(actor, model_id, price_id)
    return Response(status_code=204)


@router.get("/models/{model_id}/deployments")
async def list_deployments(actor: SignedIn, model_id: PathId) -> ListAnswer[DeploymentView]:
    """Every place where a model is served, its own first."""
    return list_answer(ListPage.whole(await deployments.list_deployments(actor, model_id)))


@router.post("/models/{model_id}/deployments")
async def add_deployment(actor: SignedIn, model_id: PathId, body: NewDeployment) -> ListAnswer[DeploymentView]:
    """Have a model served at one more place."""
    return list_answer(ListPage.whole(await deployments.add(actor, model_id, **body.model_dump())))


@router.patch("/models/{model_id}/deployments/{deployment_id}")
async def change_deployment(
    actor: SignedIn, model_id: PathId, deployment_id: PathId, body: DeploymentChange
) -> ListAnswer[DeploymentView]:
    """Change a further deployment."""
    wanted = body.model_dump(exclude_unset=True)
    return list_answer(ListPage.whole(await deployments.change(actor, model_id, deployment_id, wanted)))


@router.delete("/models/{model_id}/deployments/{deployment_id}", status_code=204)
async def remove_deployment(actor: SignedIn, model_id: PathId, deployment_id: PathId) -> Response:
    """Have a model no longer served at a further place."""
    await deployments.remove(actor, model_id, deployment_id)
    return Response(status_code=204)


@router.get("/catalog")
async def search_catalog(
    actor: SignedIn,
    q: Annotated[str, Query(max_length=200, description="Words of the model's name or its provider's.")] = "",
    limit: Annotated[int, Query(ge=1, le=model_catalog.MAX_FOUND)] = 20,
) -> ListAnswer[CatalogView]:
    """Find models in the public catalogue, with what they cost and can do."""
    return list_answer(ListPage.whole(await model_catalog.search(actor, q, limit=limit)))

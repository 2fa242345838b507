"""`/v1/models`: what the caller may ask, and `auto`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from chatapp.errors import NotFound
from chatapp.services import catalog
from chatapp.services.catalog import ModelView
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import unix

router = APIRouter(prefix="/v1/models", tags=["models"])


def model_object(view: ModelView) -> dict[str, Any]:
    """A model in OpenAI's shape."""
    return {
        "id": view.name,
        "object": "model",
        "created": unix(view.created_at),
        "owned_by": view.provider or "chatapp",
        "is_default": view.is_default,
        "max_input_tokens": view.max_input_tokens,
        "max_output_tokens": view.max_output_tokens,
        "answered_by": view.answered_by,
    }


@router.get("")
async def list_models(actor: SignedIn) -> dict[str, Any]:
    """The models the caller may ask, `auto` first."""
    return {"object": "list", "data": [model_object(view) for view in await catalog.list_models(actor)]}


@router.get("/{name:path}")
async def get_model(actor: SignedIn, name: str) -> dict[str, Any]:
    """One model."""
    for view in await catalog.list_models(actor):
        if view.name == name:
            return model_object(view)
    raise NotFound("There is no such model.", param="model")

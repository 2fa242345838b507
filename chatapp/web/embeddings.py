"""`/v1/embeddings`: OpenAI's, by the model that indexes the documents."""

from __future__ import annotations

import base64
import struct
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from chatapp.services import embeddings
from chatapp.web.auth import SignedIn
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/embeddings", tags=["embeddings"])


class EmbeddingRequest(RequestBody):
    """Texts to embed."""

    model: str = Field(min_length=1, max_length=200)
    input: str | Annotated[list[str], Field(min_length=1, max_length=2_048)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Literal[384] | None = None
    """The model has one size."""


@router.post("")
async def create(actor: SignedIn, body: EmbeddingRequest) -> dict[str, Any]:
    """Embed texts, in the order given."""
    texts = [body.input] if isinstance(body.input, str) else body.input
    result = await embeddings.embed(actor, texts, model=body.model)
    is_packed = body.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if is_packed else vector}
        for index, vector in enumerate(result.vectors)
    ]
    usage = {"prompt_tokens": result.input_tokens, "total_tokens": result.input_tokens}
    return {"object": "list", "data": data, "model": result.model, "usage": usage}


def _packed(vector: list[float]) -> str:
    # OpenAI's client asks for this by itself: little-endian 32-bit floats.
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()

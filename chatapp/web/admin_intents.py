"""`/v1/admin/tenants/{tenant_id}/intents`: examples of what people ask about, for rules that ask for an intent."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from chatapp.domain import Permission
from chatapp.services import intents
from chatapp.services.administration import acting_in
from chatapp.services.csv_export import stream_csv
from chatapp.services.intents import (
    MAX_AT_ONCE,
    MAX_TEXT_CHARACTERS,
    ExamplesAdded,
    ExampleView,
    NewExample,
    TriedSentence,
)
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}", tags=["admin: intents"])


class NewExamples(RequestBody):
    """Examples to add."""

    model_config = ConfigDict(extra="forbid")

    examples: list[NewExample] = Field(min_length=1, max_length=MAX_AT_ONCE)


class ExampleChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    intent: str | None = Field(None, max_length=1_000)
    text: str | None = Field(None, max_length=4_000)


class Sentence(RequestBody):
    """A sentence to try."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARACTERS)


class DeletedExample(BaseModel):
    """An example that is gone."""

    id: UUID
    deleted: bool = True


@router.get("/intents")
async def list_examples(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> ListAnswer[ExampleView]:
    """The examples, by intent."""
    return list_answer(await intents.list_examples(await acting_in(actor, tenant_id, Permission.READ_ADMIN), wanted))


@router.get("/intents.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Every example the filters let through, as CSV."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    lines = stream_csv(lambda asked: intents.list_examples(there, asked), ExampleView, wanted)
    return await download(lines, filename="intents.csv", media_type="text/csv")


@router.post("/intents")
async def add(actor: SignedIn, tenant_id: PathId, body: NewExamples) -> ExamplesAdded:
    """Add examples. Rules go by them from the next question on."""
    return await intents.add(await acting_in(actor, tenant_id, Permission.ADMIN), body.examples)


@router.post("/intents/try")
async def try_sentence(actor: SignedIn, tenant_id: PathId, body: Sentence) -> TriedSentence:
    """Which intent a sentence shows, and how near the others are."""
    return await intents.try_sentence(await acting_in(actor, tenant_id, Permission.READ_ADMIN), body.text)


@router.get("/intents/{example_id}")
async def get(actor: SignedIn, tenant_id: PathId, example_id: PathId) -> ExampleView:
    """One example."""
    return await intents.get(await acting_in(actor, tenant_id, Permission.READ_ADMIN), example_id)


@router.patch("/intents/{example_id}")
async def change(actor: SignedIn, tenant_id: PathId, example_id: PathId, body: ExampleChange) -> ExampleView:
    """Change an example's intent or its words."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await intents.change(there, example_id, intent=body.intent, text=body.text)


@router.delete("/intents/{example_id}")
async def delete(actor: SignedIn, tenant_id: PathId, example_id: PathId) -> DeletedExample:
    """Delete an example."""
    await intents.delete(await acting_in(actor, tenant_id, Permission.ADMIN), [example_id])
    return DeletedExample(id=example_id)

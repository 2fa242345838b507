"""`/v1/admin/tenants/{tenant_id}/audit`: who changed what, and whether the log is whole."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from chatapp.services import audit
from chatapp.services.audit import AuditEntry, ChainReport
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}", tags=["admin: audit"])


class Change(BaseModel):
    """A field before and after."""

    field: str
    before: Any
    after: Any
    is_changed: bool


class EntryAnswer(BaseModel):
    """A line of the log and what it changed, field by field."""

    entry: AuditEntry
    changes: list[Change]


@router.get("/audit")
async def list_entries(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> ListAnswer[AuditEntry]:
    """Lines of the tenant's audit log, the latest first."""
    return list_answer(await audit.list_entries(actor, tenant_id, wanted))


@router.get("/audit.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Every line the filters let through, as CSV."""
    return await download(
        audit.stream_entries_csv(actor, tenant_id, wanted), filename="audit.csv", media_type="text/csv"
    )


@router.get("/audit.json", response_class=StreamingResponse)
async def export_json(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Every line the filters let through, as one JSON array."""
    return await download(
        audit.stream_json(actor, tenant_id, wanted), filename="audit.json", media_type="application/json"
    )


@router.get("/audit/verify")
async def verify(actor: SignedIn, tenant_id: PathId, since: Annotated[str, Query(max_length=100)] = "") -> ChainReport:
    """Follow the chain of the log from its first line to its last; `since` is the `end` of an earlier report."""
    return await audit.verify(actor, tenant_id, since=since)


@router.get("/audit/{entry_id}")
async def get_entry(actor: SignedIn, tenant_id: PathId, entry_id: PathId) -> EntryAnswer:
    """One line, and the fields it changed."""
    entry = await audit.get_entry(actor, tenant_id, entry_id)
    changes = [
        Change(field=change.field, before=change.before, after=change.after, is_changed=change.is_changed)
        for change in audit.changes_of(entry)
    ]
    return EntryAnswer(entry=entry, changes=changes)

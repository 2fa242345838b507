from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import Executable, delete, exists, func, insert, lateral, select, union_all, update
from sqlalchemy.orm import aliased, with_loader_criteria

from chatapp.store.statement_tables import tables_in
from chatapp.store.tables import ChunkTable, CollectionTable, DocumentTable, TenantRow, TenantTable, TurnTable

_OTHER = aliased(DocumentTable)
_COUNTS = select(ChunkTable.document_id, func.count().label("chunks")).group_by(ChunkTable.document_id)
_CTE = _COUNTS.cte("counts")
_SUBQUERY = _COUNTS.subquery("counted")
_ENTITY = aliased(DocumentTable, select(DocumentTable).where(DocumentTable.filename != "").subquery())
_UNION = union_all(select(DocumentTable.id), select(CollectionTable.id))
_PER_COLLECTION = lateral(select(DocumentTable.id).where(DocumentTable.collection_id == CollectionTable.id))

_STATEMENTS: dict[str, tuple[Executable, set[str]]] = {
    "rows": (select(DocumentTable), {"documents"}),
    "a column": (select(DocumentTable.filename), {"documents"}),
    "a count of rows": (select(func.count()).select_from(DocumentTable), {"documents"}),
    "a function of a column": (select(func.max(DocumentTable.created_at)), {"documents"}),
    "a join": (
        select(DocumentTable).join(ChunkTable, ChunkTable.document_id == DocumentTable.id),
        {"documents", "chunks"},
    ),
    "an outer join": (
        select(CollectionTable.name).outerjoin(DocumentTable, DocumentTable.collection_id == CollectionTable.id),
        {"collections", "documents"},
    ),
    "an alias": (select(_OTHER.id), {"documents"}),
    "a join with itself": (
        select(DocumentTable.id).join(_OTHER, _OTHER.filename == DocumentTable.filename),
        {"documents"},
    ),
    "a condition on another table": (
        select(DocumentTable.id).where(DocumentTable.collection_id == CollectionTable.id),
        {"documents", "collections"},
    ),
    "an order by another table": (
        select(DocumentTable.id).order_by(select(CollectionTable.name).scalar_subquery()),
        {"documents", "collections"},
    ),
    "in a select": (
        select(DocumentTable.id).where(DocumentTable.collection_id.in_(select(CollectionTable.id))),
        {"documents", "collections"},
    ),
    "exists": (
        select(CollectionTable).where(exists().where(DocumentTable.collection_id == CollectionTable.id)),
        {"documents", "collections"},
    ),
    "a CTE": (select(DocumentTable).join(_CTE, _CTE.c.document_id == DocumentTable.id), {"documents", "chunks"}),
    "a subquery alone": (select(_SUBQUERY.c.chunks), {"chunks"}),
    "an entity of a subquery": (select(_ENTITY), {"documents"}),
    "a union": (_UNION, {"documents", "collections"}),
    "rows of a union": (select(_UNION.subquery().c.id), {"documents", "collections"}),
    "a lateral join": (select(CollectionTable.name, _PER_COLLECTION.c.id), {"documents", "collections"}),
    "a column beside a subquery": (
        select(CollectionTable.name, select(func.count(DocumentTable.id)).scalar_subquery()),
        {"documents", "collections"},
    ),
    "an update": (update(DocumentTable).values(filename="x"), {"documents"}),
    "an update by another table": (
        update(DocumentTable).where(DocumentTable.collection_id == CollectionTable.id).values(filename="x"),
        {"documents", "collections"},
    ),
    "an update with a select": (
        update(DocumentTable).values(filename=select(CollectionTable.name).limit(1).scalar_subquery()),
        {"documents", "collections"},
    ),
    "a delete": (
        delete(DocumentTable).where(DocumentTable.id.in_(select(ChunkTable.document_id))),
        {"documents", "chunks"},
    ),
    "an insert": (insert(TurnTable).values(question="?"), {"turns"}),
    "a table of no tenant": (select(TenantTable).where(TenantTable.id == uuid4()), {"tenants"}),
}


@pytest.mark.parametrize("shape", _STATEMENTS)
def test_every_table_is_found_wherever_it_stands(shape: str) -> None:
    statement, expected = _STATEMENTS[shape]
    assert tables_in(statement) == expected


@pytest.mark.parametrize("shape", [shape for shape in _STATEMENTS if shape != "an insert"])
def test_the_walls_around_these_tables_are_all_there_is_to_put_up(shape: str) -> None:
    statement, _ = _STATEMENTS[shape]
    tenant_id = uuid4()
    every = {
        cls.__tablename__: with_loader_criteria(cls, cls.tenant_id == tenant_id, include_aliases=True)  # type: ignore
        for cls in TenantRow.__subclasses__()
    }
    found = tables_in(statement)
    some = [criteria for table, criteria in every.items() if table in found]

    assert str(statement.options(*some)) == str(statement.options(*every.values()))

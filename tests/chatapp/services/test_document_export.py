from __future__ import annotations

import csv
import io

import pytest

from chatapp.domain import Actor, DocumentStatus
from chatapp.errors import NotFound
from chatapp.services import document_export
from chatapp.services.collections import CollectionView
from tests.fixtures.ingestion import Upload


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_every_document_is_a_row_in_the_order_asked_for(actor: Actor, upload: Upload) -> None:
    for name in ("b.txt", "a.txt"):
        await upload(name, f"The text of {name}.".encode())
    exported = rows(await document_export.as_csv(actor, sort="filename", descending=False))
    assert [row["filename"] for row in exported] == ["a.txt", "b.txt"]
    assert {row["collection"] for row in exported} == {"Reports"}


async def test_only_what_the_filters_let_through_is_exported(actor: Actor, upload: Upload) -> None:
    await upload("apples.txt", b"About apples.")
    await upload("pears.txt", b"About pears.")
    assert [row["filename"] for row in rows(await document_export.as_csv(actor, search="pear"))] == ["pears.txt"]
    assert rows(await document_export.as_csv(actor, statuses=(DocumentStatus.COMPLETED,))) == []


@pytest.mark.parametrize("name", ["=1+1.txt", "+1.txt", "-1.txt", "@sum.txt"])
async def test_a_name_that_looks_like_a_formula_is_kept_as_text(actor: Actor, upload: Upload, name: str) -> None:
    await upload(name, b"Harmless.")
    [row] = rows(await document_export.as_csv(actor))
    assert row["filename"] == f"'{name}"


async def test_another_tenant_exports_nothing_of_it(
    actor: Actor, other_actor: Actor, upload: Upload, collection: CollectionView
) -> None:
    await upload("secret.txt", b"Ours alone.")
    assert rows(await document_export.as_csv(other_actor)) == []
    with pytest.raises(NotFound):
        await document_export.as_csv(other_actor, collection_id=collection.id)
    assert len(rows(await document_export.as_csv(actor))) == 1

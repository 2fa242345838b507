from __future__ import annotations

from uuid import uuid4

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.pages import documents as page
from tests.fixtures.ingestion import Upload

WANTED = {"collection_id": None, "search": "", "statuses": (), "sort": "filename", "descending": False}


async def test_a_page_behind_a_document_that_is_gone_begins_anew(actor: Actor, upload: Upload) -> None:
    await upload("a.txt", b"One.")
    listed = await page._list(actor, WANTED, uuid4())
    assert [view.filename for view in listed.items] == ["a.txt"]


async def test_a_collection_that_is_gone_is_an_error_and_not_every_document(actor: Actor, upload: Upload) -> None:
    await upload("a.txt", b"One.")
    with pytest.raises(NotFound):
        await page._list(actor, WANTED | {"collection_id": uuid4()}, None)


async def test_the_drawer_shows_a_document_with_its_versions(actor: Actor, upload: Upload) -> None:
    result = await upload("a.txt", b"One.")
    detail = await page._detail(actor, str(result.document.id), 0)
    assert (detail["filename"], detail["problem"]) == ("a.txt", "")
    assert [version["version"] for version in detail["versions"]] == [1]


@pytest.mark.parametrize("wanted", ["not-an-id", "0c777bba-7110-436b-9212-9bf40c3e2cd2"])
async def test_the_drawer_says_that_an_unknown_document_is_not_there(actor: Actor, upload: Upload, wanted: str) -> None:
    detail = await page._detail(actor, wanted, 0)
    assert detail["id"] == ""
    assert detail["problem"]


async def test_another_tenants_document_is_not_there(other_actor: Actor, upload: Upload) -> None:
    result = await upload("secret.txt", b"Ours alone.")
    detail = await page._detail(other_actor, str(result.document.id), 0)
    assert (detail["id"], detail["filename"]) == ("", "")


def test_the_events_of_the_page_need_the_right_to_read_documents() -> None:
    assert page.DocumentsState.permission is Permission.READ_DOCUMENTS


def test_what_is_no_id_in_an_address_is_no_filter() -> None:
    assert page._uuid("") is None
    assert page._uuid("1; drop table") is None

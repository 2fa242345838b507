"""Every way to read a collection or a document, tried by who has no grant on it, and every way to change one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from chatapp.domain import Actor, Role
from chatapp.services import collections, document_export, documents, grants, groups, ingestion, palette, turns
from chatapp.store.grants import Grant
from tests.fixtures.credentials import KeyOf
from tests.fixtures.ingestion import in_pieces
from tests.fixtures.people import MakeActor

pytestmark = pytest.mark.usefixtures("parts", "built_in_model")

TEXT = b"# Plans\n\nThe merger with Borealis closes in March for 77 million euros.\n"
QUESTION = "When does the merger with Borealis close?"


@dataclass(frozen=True)
class Restricted:
    """A collection that one person may read and write, and another may read."""

    id: UUID
    file_id: UUID
    owner: Actor
    reader: Actor
    outsiders: tuple[Actor, ...]


@pytest.fixture
async def restricted(parts: None, actor: Actor, other_actor: Actor, make_actor: MakeActor) -> Restricted:
    owner = await make_actor(tenant=actor.tenant_id, roles=[Role.CONTENT_OWNER])
    reader = await make_actor(tenant=actor.tenant_id, roles=[Role.CONTENT_OWNER])
    made = await collections.create(owner, name="Plans", granted=[Grant("user", str(reader.user_id))])
    uploaded = await documents.upload(owner, filename="plans.md", content=in_pieces(TEXT), collection_id=made.id)
    await ingestion.ingest_waiting()
    member = await make_actor(tenant=actor.tenant_id, roles=[Role.CONTENT_OWNER])
    # An admin of the tenant, a writer of it, and an admin of another one.
    return Restricted(made.id, uploaded.document.id, owner, reader, (actor, member, other_actor))


READS = (
    "/v1/files/{file}",
    "/v1/files/{file}/content",
    "/v1/files/{file}/preview",
    "/v1/files/{file}/preview?version=1",
    "/v1/files/{file}/passage?start=0&end=5",
    "/v1/files/{file}/chunks",
    "/v1/files/{file}/versions",
    "/v1/files?collection_id={store}",
    "/v1/vector_stores/{store}",
    "/v1/vector_stores/{store}/files",
    "/v1/vector_stores/{store}/files/{file}",
    "/v1/vector_stores/{store}/files/{file}/content",
)
UPLOAD = {"files": {"file": ("new.md", b"# New\n\nOther words.")}}
CHANGES = (
    ("PUT", "/v1/files/{file}", UPLOAD),
    ("POST", "/v1/files/{file}/cancel", {}),
    ("POST", "/v1/files/{file}/retry", {}),
    ("POST", "/v1/files", {"data": {"collection_id": "{store}"}, **UPLOAD}),
    ("POST", "/v1/vector_stores/{store}", {"json": {"name": "Mine"}}),
    ("POST", "/v1/vector_stores/{store}/files", {"json": {"file_id": "{own}"}}),
    ("DELETE", "/v1/vector_stores/{store}/files/{file}", {}),
    ("DELETE", "/v1/files/{file}", {}),
    ("DELETE", "/v1/vector_stores/{store}", {}),
)


def filled(value: object, names: dict[str, str]) -> object:
    if isinstance(value, dict):
        return {key: filled(each, names) for key, each in value.items()}
    return value.format(**names) if isinstance(value, str) else value


async def test_who_has_no_grant_finds_nothing_on_any_way_of_reading(
    client: httpx.AsyncClient, key_of: KeyOf, restricted: Restricted
) -> None:
    names = {"file": str(restricted.file_id), "store": str(restricted.id)}
    insiders = [await key_of(who) for who in (restricted.owner, restricted.reader)]
    for headers in insiders:
        for path in READS:
            answer = await client.get(path.format(**names), headers=headers)
            assert answer.status_code == 200, (path, answer.text)
    for outsider in restricted.outsiders:
        headers = await key_of(outsider)
        for path in READS:
            answer = await client.get(path.format(**names), headers=headers)
            assert answer.status_code == 404, (path, answer.text)
            assert "Borealis" not in answer.text
            assert "plans" not in answer.text.lower()


async def test_lists_searches_and_answers_leave_out_what_is_not_granted(
    client: httpx.AsyncClient, key_of: KeyOf, restricted: Restricted
) -> None:
    ask = {"messages": [{"role": "user", "content": QUESTION}]}
    chosen = {**ask, "collections": [str(restricted.id)]}
    search = f"/v1/vector_stores/{restricted.id}/search"
    headers = await key_of(restricted.reader)
    assert "Borealis" in (await client.post("/v1/chat/completions", json=ask, headers=headers)).text
    assert "Borealis" in (await client.post(search, json={"query": "merger"}, headers=headers)).text
    for outsider in restricted.outsiders:
        headers = await key_of(outsider)
        for path in ("/v1/files", "/v1/vector_stores", f"/v1/files?ids={restricted.file_id}", "/v1/files?search=plans"):
            answer = await client.get(path, headers=headers)
            assert answer.json()["data"] == [], path
            assert answer.json().get("total", 0) == 0, path
        answer = await client.post("/v1/chat/completions", json=ask, headers=headers)
        assert answer.status_code == 200
        assert "Borealis" not in answer.json()["choices"][0]["message"]["content"]
        assert answer.json()["choices"][0]["message"].get("annotations", []) == []
        assert (await client.post("/v1/chat/completions", json=chosen, headers=headers)).status_code == 404
        assert (await client.post(search, json={"query": "merger"}, headers=headers)).status_code == 404
        assert "plans" not in await document_export.as_csv(outsider)
        assert "document" not in [item.kind for item in await palette.search(outsider, "plans")]
    assert "document" in [item.kind for item in await palette.search(restricted.reader, "plans")]
    assert "plans.md" in await document_export.as_csv(restricted.reader)


async def test_who_may_only_read_is_refused_every_change_and_who_may_not_finds_nothing(
    client: httpx.AsyncClient, key_of: KeyOf, restricted: Restricted
) -> None:
    for who, status in ((restricted.reader, 403), *((outsider, 404) for outsider in restricted.outsiders)):
        headers = await key_of(who)
        own = (await client.post("/v1/files", files={"file": ("own.md", b"# Own\n\nMine.")}, headers=headers)).json()
        names = {"file": str(restricted.file_id), "store": str(restricted.id), "own": own["id"]}
        for method, path, body in CHANGES:
            arguments = {key: value if key == "files" else filled(value, names) for key, value in body.items()}
            answer = await client.request(method, path.format(**names), headers=headers, **arguments)
            assert answer.status_code == status, (method, path, answer.text)
    view = await collections.get(restricted.owner, restricted.id)
    assert (view.name, view.counts.total) == ("Plans", 1)


async def test_a_document_is_moved_only_where_both_ends_may_be_written(actor: Actor, restricted: Restricted) -> None:
    from chatapp.errors import NotFound, NotPermitted

    mine = await collections.create(restricted.reader, name="Mine")
    own = await documents.upload(
        restricted.reader, filename="own.md", content=in_pieces(b"# Own\n\nWords."), collection_id=mine.id
    )
    with pytest.raises(NotPermitted):
        await documents.move(restricted.reader, own.document.id, restricted.id)
    with pytest.raises(NotPermitted):
        await documents.move(restricted.reader, restricted.file_id, mine.id)
    with pytest.raises(NotFound):
        await documents.move(actor, restricted.file_id, mine.id)
    moved = await documents.move(restricted.owner, restricted.file_id, mine.id)
    assert moved.collection_id == mine.id


async def test_the_views_say_what_may_be_written(
    client: httpx.AsyncClient, key_of: KeyOf, restricted: Restricted
) -> None:
    for who, can_write in ((restricted.owner, True), (restricted.reader, False)):
        headers = await key_of(who)
        assert (await client.get(f"/v1/files/{restricted.file_id}", headers=headers)).json()["can_write"] is can_write
        store = (await client.get(f"/v1/vector_stores/{restricted.id}", headers=headers)).json()
        assert (store["can_write"], store["readers"]) == (can_write, "Test Person and Test Person")


async def test_what_is_taken_away_is_gone_with_the_next_request(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, restricted: Restricted
) -> None:
    headers = await key_of(restricted.reader)
    group = await groups.create(actor, name="Board", user_ids=[restricted.reader.user_id or uuid4()])
    await grants.set_grants(actor, restricted.id, [Grant("group", str(group.id))])
    path = f"/v1/files/{restricted.file_id}/content"
    assert (await client.get(path, headers=headers)).status_code == 200
    await groups.remove_members(actor, group.id, [restricted.reader.user_id or uuid4()])
    assert (await client.get(path, headers=headers)).status_code == 404
    await groups.add_members(actor, group.id, [restricted.reader.user_id or uuid4()])
    assert (await client.get(path, headers=headers)).status_code == 200
    await groups.delete(actor, group.id)
    assert (await client.get(path, headers=headers)).status_code == 404


async def test_a_conversation_goes_on_without_a_collection_that_was_taken_away(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, restricted: Restricted
) -> None:
    reader = restricted.reader
    first = await turns.start(reader, question=QUESTION, collection_ids=[restricted.id], model="extractive")
    first = await turns.wait(reader, first.id)
    assert "Borealis" in first.answer
    (source, *_) = first.citations
    await grants.set_grants(actor, restricted.id, [Grant("user", str(restricted.owner.user_id), "write")])

    # What they were told stays theirs; where it came from does not open any more.
    assert (await turns.get(reader, first.id)).answer == first.answer
    headers = await key_of(reader)
    opened = f"/v1/files/{source['file_citation']['file_id']}/preview?version=1"
    assert (await client.get(opened, headers=headers)).status_code == 404
    for again in (
        await turns.regenerate(reader, first.id),
        await turns.resend(reader, first.id, "And when does the merger with Borealis really close?"),
    ):
        done = await turns.wait(reader, again.id)
        assert "Borealis" not in done.answer
        assert done.citations == []


async def test_a_question_asked_before_a_grant_was_taken_away_does_not_use_the_collection(
    actor: Actor, restricted: Restricted
) -> None:
    from chatapp.pipeline.retrieve import TOP_K
    from chatapp.retrieval.retrieve import retrieve

    ids = await collections.readable_ids(restricted.reader, None)
    assert restricted.id in ids
    await grants.set_grants(actor, restricted.id, [])
    # What was planned with still names it; the search finds nothing in it.
    found = await retrieve(restricted.reader, QUESTION, collection_ids=ids, top_k=TOP_K)
    assert found.chunks == ()
    assert (found.best_cosine, found.best_coverage) == (0.0, 0.0)


async def test_a_trace_of_somebody_else_shows_nothing_of_documents_its_reader_may_not_read(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, restricted: Restricted
) -> None:
    done = await turns.wait(restricted.reader, (await turns.start(restricted.reader, question=QUESTION)).id)
    path = f"/v1/traces/{done.id}"
    own = (await client.get(path, headers=await key_of(restricted.reader))).json()
    assert own["citations"][0]["file_citation"]["filename"] == "plans.md"
    headers = await key_of(actor)
    for granted in (False, True):
        if granted:
            await grants.set_grants(actor, restricted.id, [Grant("everyone", "")])
        answer = await client.get(path, headers=headers)
        trace = answer.json()
        assert answer.status_code == 200
        assert [each["file_id"] for each in trace["retrieval"]] == [each["file_id"] for each in own["retrieval"]]
        cited = trace["citations"][0]["file_citation"]
        assert (cited["quote"] != "", cited["filename"] == "plans.md") == (granted, granted)
        assert ("plans.md" in answer.text, '"Plans"' in answer.text) == (granted, granted)


async def test_a_services_key_reads_what_is_granted_to_it_and_to_everyone(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, restricted: Restricted
) -> None:
    key_id = uuid4()
    headers = await key_of(actor, scopes=("use:chat", "write:documents"), is_service=True, key_id=key_id)
    path = f"/v1/vector_stores/{restricted.id}"
    assert (await client.get(path, headers=headers)).status_code == 404
    await grants.set_grants(actor, restricted.id, [Grant("key", str(key_id))])
    assert (await client.get(path, headers=headers)).status_code == 200
    assert (await client.post(path, json={"name": "Other"}, headers=headers)).status_code == 403
    await grants.set_grants(actor, restricted.id, [Grant("key", str(key_id), "write")])
    assert (await client.post(path, json={"name": "Other"}, headers=headers)).status_code == 200

    made = await client.post("/v1/vector_stores", json={"name": "Robots", "grants": []}, headers=headers)
    assert made.json()["readers"] == "test"
    assert (await client.get(f"/v1/vector_stores/{made.json()['id']}", headers=await key_of(actor))).status_code == 404


async def test_a_persons_key_reads_what_the_person_reads(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, restricted: Restricted
) -> None:
    headers = await key_of(restricted.reader, scopes=("use:chat",))
    assert (await client.get(f"/v1/vector_stores/{restricted.id}", headers=headers)).status_code == 200
    await grants.set_grants(actor, restricted.id, [Grant("role", Role.AUDITOR)])
    assert (await client.get(f"/v1/vector_stores/{restricted.id}", headers=headers)).status_code == 404


async def test_a_file_in_no_collection_is_its_uploaders_alone(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, restricted: Restricted
) -> None:
    headers = await key_of(restricted.reader)
    file = (await client.post("/v1/files", files={"file": ("own.md", b"# Own\n\nMine.")}, headers=headers)).json()
    assert (await client.get(f"/v1/files/{file['id']}", headers=headers)).json()["can_write"] is True
    for who in (actor, restricted.owner):
        other = await key_of(who)
        assert (await client.get(f"/v1/files/{file['id']}", headers=other)).status_code == 404
        assert (await client.delete(f"/v1/files/{file['id']}", headers=other)).status_code == 404
        # The same bytes are no duplicate of what somebody else keeps for themselves.
        again = await client.post("/v1/files", files={"file": ("own.md", b"# Own\n\nMine.")}, headers=other)
        assert (again.json()["is_duplicate"], again.json()["id"] == file["id"]) == (False, False)


async def test_a_services_file_in_no_collection_is_its_keys_alone(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor
) -> None:
    own, other = await key_of(actor, is_service=True), await key_of(actor, is_service=True)
    file = (await client.post("/v1/files", files={"file": ("own.md", b"# Own\n\nMine.")}, headers=own)).json()
    assert (await client.get(f"/v1/files/{file['id']}/content", headers=own)).status_code == 200
    assert (await client.get(f"/v1/files/{file['id']}/content", headers=other)).status_code == 404
    assert (await client.get("/v1/files", headers=other)).json()["data"] == []


async def test_a_file_is_taken_out_by_whoever_may_write_the_collection(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor
) -> None:
    service, person = await key_of(actor, is_service=True), await key_of(actor)
    store = (await client.post("/v1/vector_stores", json={"name": "Shared"}, headers=person)).json()
    file = (await client.post("/v1/files", files={"file": ("a.md", b"# A\n\nText.")}, headers=service)).json()
    path = f"/v1/vector_stores/{store['id']}/files"
    assert (await client.post(path, json={"file_id": file["id"]}, headers=service)).status_code == 200
    taken = await client.delete(f"{path}/{file['id']}", headers=person)
    assert taken.status_code == 200, taken.text
    assert (await client.get(path, headers=person)).json()["data"] == []
    assert (await client.get(f"/v1/files/{file['id']}", headers=service)).status_code == 200


async def test_grants_on_a_new_collection_are_checked(client: httpx.AsyncClient, key_of: KeyOf, actor: Actor) -> None:
    headers = await key_of(actor)
    for bad in (
        [{"subject_kind": "user", "subject": str(uuid4())}],
        [{"subject_kind": "user", "subject": "me"}],
        [{"subject_kind": "everybody"}],
        [{"subject_kind": "everyone", "access": "own"}],
        [{"subject_kind": "everyone", "more": 1}],
        "everyone",
    ):
        answer = await client.post("/v1/vector_stores", json={"name": "New", "grants": bad}, headers=headers)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.json()["error"]["param"].startswith("grants")
    assert (await client.get("/v1/vector_stores", headers=headers)).json()["data"] == []

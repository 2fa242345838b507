"""The unmodified `openai` package against the running product."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import openai
import pytest

from tests.fixtures.backend import Backend

NOTE = b"""# Refunds

Refunds are paid within 14 days of the request. Gift cards are never refunded.

# Shipping

Parcels are shipped from Hamburg within two working days.
"""


@pytest.fixture(scope="module")
def key(backend: Backend) -> str:
    return backend.key()


@pytest.fixture(scope="module")
def client(backend: Backend, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{backend.url}/v1", api_key=key, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def store(client: openai.OpenAI) -> str:
    """A vector store with one file, ready to be asked."""
    store = client.vector_stores.create(name=f"Policies {uuid4().hex[:6]}")
    file = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("refunds.md", NOTE))
    assert file.status == "completed", file.last_error
    return store.id


def ask(client: openai.OpenAI, question: str, **extra: object) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": question}], extra_body=extra or None
    )


def test_models_hold_auto_first(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()][:2] == ["auto", "extractive"]
    assert client.models.retrieve("extractive").owned_by == "built-in"


def test_an_uploaded_file_is_attached_waited_for_listed_and_deleted(client: openai.OpenAI) -> None:
    store = client.vector_stores.create()
    uploaded = client.files.create(file=("note.txt", b"Lions sleep twenty hours a day."), purpose="assistants")

    attached = client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=uploaded.id)

    assert (attached.id, attached.status, attached.last_error) == (uploaded.id, "completed", None)
    assert client.files.retrieve(uploaded.id).status == "processed"
    assert client.files.content(uploaded.id).read() == b"Lions sleep twenty hours a day."
    assert [file.id for file in client.vector_stores.files.list(store.id)] == [uploaded.id]
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 1
    assert [part.text for part in client.vector_stores.files.content(uploaded.id, vector_store_id=store.id)] == [
        "Lions sleep twenty hours a day."
    ]
    assert client.vector_stores.update(store.id, name=f"Lions {store.id}").name == f"Lions {store.id}"
    assert client.vector_stores.files.delete(uploaded.id, vector_store_id=store.id).deleted
    assert client.files.retrieve(uploaded.id).id == uploaded.id
    assert client.files.delete(uploaded.id).deleted
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(uploaded.id)


def test_lists_are_paged_without_a_gap(client: openai.OpenAI) -> None:
    store = client.vector_stores.create()
    made = [
        client.files.create(
            file=(f"{number}.txt", f"Text number {number} of {store.id}".encode()),
            purpose="assistants",
            extra_body={"collection_id": store.id},
        ).id
        for number in range(5)
    ]

    listed = [file.id for file in client.vector_stores.files.list(store.id, limit=2, order="asc")]

    assert listed == made


def test_a_file_that_cannot_be_read_says_why(client: openai.OpenAI) -> None:
    store = client.vector_stores.create()

    file = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("broken.pdf", b"%PDF-1.7\nnothing of a document follows\n%%EOF\n")
    )

    assert file.status == "failed"
    assert file.last_error is not None
    assert len(file.last_error.message) > 20


def test_a_batch_is_uploaded_waited_for_listed_and_counted(client: openai.OpenAI) -> None:
    store = client.vector_stores.create()

    batch = client.vector_stores.file_batches.upload_and_poll(
        store.id,
        files=[
            ("whales.txt", b"Whales sing for thirty minutes. " + store.id.encode()),
            ("otters.txt", b"Otters hold hands while they sleep. " + store.id.encode()),
            ("broken.pdf", b"%PDF-1.7\nnothing of a document follows\n%%EOF\n" + store.id.encode()),
        ],
    )

    assert (batch.object, batch.status, batch.vector_store_id) == ("vector_store.files_batch", "completed", store.id)
    counts = batch.file_counts
    assert (counts.total, counts.completed, counts.failed, counts.in_progress, counts.cancelled) == (3, 2, 1, 0, 0)
    assert client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id) == batch
    files = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, limit=1))
    assert sorted(str(file.attributes["filename"]) for file in files if file.attributes) == [
        "broken.pdf",
        "otters.txt",
        "whales.txt",
    ]
    failed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed")
    assert [file.last_error is not None for file in failed] == [True]
    found = client.vector_stores.search(store.id, query="How long do whales sing?")
    assert found.data[0].filename == "whales.txt"
    assert client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id).status == "cancelled"
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 2
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=client.vector_stores.create().id)


def test_a_search_finds_the_passage_and_its_place(client: openai.OpenAI, store: str) -> None:
    best = client.vector_stores.search(store, query="When are refunds paid?").data[0]

    assert best.filename == "refunds.md"
    assert "14 days" in best.content[0].text
    assert best.attributes is not None
    assert best.attributes["page"] == 1
    start, end = int(best.attributes["start"]), int(best.attributes["end"])
    assert NOTE.decode().replace("# ", "", 1)[start - 2 : end].find("14 days") > 0 or end > start >= 0
    assert best.attributes["heading"] == "Refunds"
    assert 0 <= best.score <= 1


def test_an_answer_cites_the_passage_it_rests_on(client: openai.OpenAI, store: str) -> None:
    answer = ask(client, "When are refunds paid?", collections=[store])

    message = answer.choices[0].message
    assert "14 days" in (message.content or "")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    annotation = (message.annotations or [])[0].model_dump()
    citation = annotation["file_citation"]
    assert annotation["type"] == "file_citation"
    assert citation["quote"] == "Refunds are paid within 14 days of the request."
    assert (citation["page"], citation["number"], citation["support"]) == (1, 1, "supported")
    assert "[1]" in (message.content or "")[citation["start_index"] : citation["end_index"]]


def test_a_stream_brings_the_same_text_annotations_and_usage(client: openai.OpenAI, store: str) -> None:
    question = "Where are parcels shipped from?"
    whole = ask(client, question, collections=[store])

    chunks = list(
        client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"collections": [store]},
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    last = chunks[-1]
    annotations = [item.model_dump() for item in whole.choices[0].message.annotations or []]
    assert text == whole.choices[0].message.content
    assert last.choices[0].finish_reason == "stop"
    assert last.usage == whole.usage
    assert [item["file_citation"] for item in last.choices[0].delta.model_extra["annotations"]] == [
        item["file_citation"] for item in annotations
    ]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_headers_say_what_answered_and_what_it_cost(client: openai.OpenAI, store: str) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": "When are refunds paid?"}],
        extra_body={"collections": [store], "cache": "bypass"},
    )

    assert raw.headers["x-model"] == "extractive"
    assert raw.headers["x-cost-micro-usd"] == "0"
    assert raw.headers["x-cache"] == "bypass"
    assert raw.headers["cache-control"] == "private, no-store"
    trace = client.get(f"/traces/{raw.headers['x-trace-id']}", cast_to=dict[str, object])
    assert trace["trace_id"] == raw.parse().id
    assert trace["spans"]


def test_what_no_document_says_is_a_plain_sentence(client: openai.OpenAI, store: str) -> None:
    answer = ask(client, "How tall is the Eiffel tower in furlongs?", collections=[store])

    assert (answer.choices[0].message.content or "").startswith("Nothing in")
    assert answer.choices[0].message.annotations == []


def test_no_collections_means_no_documents(client: openai.OpenAI, store: str) -> None:
    answer = ask(client, "When are refunds paid?", collections=[])

    assert "14 days" not in (answer.choices[0].message.content or "")


def test_embeddings_come_as_floats_of_unit_length(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="all-MiniLM-L6-v2", input=["a refund", "some money back"])
    plain = client.embeddings.create(model="all-MiniLM-L6-v2", input="a refund", encoding_format="float")

    first, second = (item.embedding for item in answer.data)
    assert sum(value * value for value in first) == pytest.approx(1, abs=1e-4)
    assert sum(one * other for one, other in zip(first, second, strict=True)) > 0.5
    assert plain.data[0].embedding == pytest.approx(first, abs=1e-6)


def test_the_same_idempotency_key_gives_the_same_answer(client: openai.OpenAI, store: str) -> None:
    options = {"extra_headers": {"Idempotency-Key": uuid4().hex}, "extra_body": {"collections": [store]}}
    first, second = (
        client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": "When are refunds paid?"}],
            **options,
        )
        for _ in range(2)
    )

    assert first.id == second.id
    assert first.choices == second.choices


@pytest.mark.parametrize(
    ("request_body", "error", "code"),
    [
        ({"messages": []}, openai.UnprocessableEntityError, "invalid_input"),
        ({"messages": [{"role": "user", "content": " "}]}, openai.UnprocessableEntityError, "invalid_input"),
        ({"messages": [{"role": "user", "content": "x" * 200_000}]}, openai.UnprocessableEntityError, "invalid_input"),
        ({"model": "gpt-none"}, openai.NotFoundError, "not_found"),
        ({"extra_body": {"conversation_id": str(uuid4())}}, openai.NotFoundError, "not_found"),
        ({"extra_body": {"collections": [str(uuid4())]}}, openai.NotFoundError, "not_found"),
        ({"extra_body": {"collections": ["nonsense"]}}, openai.NotFoundError, "not_found"),
        ({"temperature": 9}, openai.UnprocessableEntityError, "invalid_input"),
    ],
)
def test_bad_requests_raise_the_packages_own_errors(
    client: openai.OpenAI, request_body: dict, error: type[openai.APIStatusError], code: str
) -> None:
    arguments = {"model": "auto", "messages": [{"role": "user", "content": "Hello?"}]} | request_body

    for stream in (False, True):
        with pytest.raises(error) as caught:
            client.chat.completions.create(**arguments, stream=stream)
        assert caught.value.code == code


def test_a_wrong_key_is_an_authentication_error(backend: Backend) -> None:
    with (
        openai.OpenAI(base_url=f"{backend.url}/v1", api_key="sk-chatapp-wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def test_a_services_key_asks_and_reads_its_own_traces_only(backend: Backend, client: openai.OpenAI, store: str) -> None:
    printed = backend.command("admin", "key", "--scopes", "use:chat")
    service_key = next(word for word in printed.split() if word.startswith("sk-chatapp-"))
    persons = ask(client, "When are refunds paid?", collections=[store])
    with openai.OpenAI(base_url=f"{backend.url}/v1", api_key=service_key, max_retries=0) as service:
        own = ask(service, "When are refunds paid?", collections=[store])

        assert "14 days" in (own.choices[0].message.content or "")
        assert service.get(f"/traces/{own.id}", cast_to=dict[str, object])["user_id"] is None
        with pytest.raises(openai.NotFoundError):
            service.get(f"/traces/{persons.id}", cast_to=dict[str, object])
        with pytest.raises(openai.PermissionDeniedError):
            service.files.create(file=("a.txt", b"Some text."), purpose="assistants")


def test_a_revoked_key_ends_within_a_second(backend: Backend) -> None:
    import sqlite3
    import time

    with openai.OpenAI(base_url=f"{backend.url}/v1", api_key=backend.key(), max_retries=0) as client:
        client.models.list()
        with sqlite3.connect(backend.data_dir / "chatapp.db", timeout=10) as database:
            database.execute(
                "UPDATE api_keys SET revoked_at = CURRENT_TIMESTAMP WHERE id = "
                "(SELECT id FROM api_keys ORDER BY created_at DESC LIMIT 1)"
            )
        database.close()
        time.sleep(1)
        with pytest.raises(openai.AuthenticationError):
            client.models.list()

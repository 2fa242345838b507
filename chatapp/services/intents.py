"""Use cases of intents: examples of what people ask about, which rules of a route may go by."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput
from chatapp.retrieval.embedder import embed_query, embed_texts
from chatapp.routing.intents import MIN_SCORE, IntentExamples
from chatapp.routing.rules import MAX_INTENT_CHARACTERS
from chatapp.services.list_page import ListPage
from chatapp.store import audit, groups, intents, listing, routes
from chatapp.store.database import Transaction, transaction
from chatapp.store.tables import IntentExampleTable

MAX_TEXT_CHARACTERS = 500
MAX_AT_ONCE = 500
"""Examples added or deleted with one call."""
MAX_EXAMPLES = 2_000
"""Of a tenant: 3 MB of vectors in each process that answers it, compared in a fraction of a millisecond."""
_SHOWN_SCORES = 10
_AUDITED_TEXTS = 20
_KEPT_TENANTS = 32


class NewExample(BaseModel):
    """A question, and what it is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    intent: str = Field(min_length=1, max_length=MAX_INTENT_CHARACTERS, description="What the question is about.")
    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARACTERS, description="The question, as people ask it.")


@dataclass(frozen=True, slots=True)
class ExampleView:
    """An example as admins see it."""

    id: UUID
    intent: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ExamplesAdded:
    """What became of examples that were sent."""

    added: int
    known: int
    """Were there already, word for word, and stay as they were."""


@dataclass(frozen=True, slots=True)
class IntentScore:
    """How near a sentence is to an intent."""

    intent: str
    score: float
    """-1 to 1, higher is nearer."""


@dataclass(frozen=True, slots=True)
class TriedSentence:
    """Which intent a sentence shows."""

    intent: str
    """Empty: none."""
    score: float
    min_score: float
    """What an intent has to reach."""
    scores: list[IntentScore]
    """The nearest intents, best first."""


class _Kept:
    """Examples of the tenants answered last, each with the version they were read at."""

    by_tenant: OrderedDict[UUID, tuple[int, IntentExamples]] = OrderedDict()  # noqa: RUF012  # one a process


async def list_examples(actor: Actor, wanted: Mapping[str, str]) -> ListPage[ExampleView]:
    """The tenant's examples, by intent.

    Args:
        actor: who asks.
        wanted: filters and order, as for `store.listing`.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        InvalidInput: something of what is wanted is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return ListPage.of(await listing.find(tx, intents.LISTING, wanted), ExampleView)


async def list_names(actor: Actor) -> list[str]:
    """The tenant's intents, in alphabetical order.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return await intents.list_names(tx)


async def get(actor: Actor, example_id: UUID) -> ExampleView:
    """One example.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        NotFound: no such example in this tenant.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return _view(await intents.get(tx, example_id))


async def add(actor: Actor, examples: Sequence[NewExample]) -> ExamplesAdded:
    """Add examples; the next question is told by them. What is there word for word stays as it is.

    Args:
        actor: who adds them.
        examples: 1 to 500.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        InvalidInput: none or too many, an empty one, or the same text under two intents; nothing is added then.
    """
    actor.require(Permission.ADMIN)
    wanted = _distinct(examples)
    async with transaction(actor, readonly=True) as tx:
        known = await intents.find_by_texts(tx, list(wanted))
    vectors = dict(zip(texts := [text for text in wanted if text not in known], await embed_texts(texts), strict=True))
    async with transaction(actor) as tx:
        await groups.lock_names(tx)
        known = await intents.find_by_texts(tx, list(wanted))
        fresh = {text: wanted[text] for text in vectors if text not in known}
        if await intents.count(tx) + len(fresh) > MAX_EXAMPLES:
            raise InvalidInput(f"A tenant has at most {MAX_EXAMPLES:,} examples. Delete some first.", param="examples")
        tx.session.add_all(
            IntentExampleTable(tenant_id=actor.tenant_id, intent=intent, text=text, vector=_bytes(vectors[text]))
            for text, intent in fresh.items()
        )
        if fresh:
            await _note(tx, "intent_examples.added", after=_summary(list(fresh.items())))
    return ExamplesAdded(len(fresh), len(wanted) - len(fresh))


async def change(actor: Actor, example_id: UUID, *, intent: str | None = None, text: str | None = None) -> ExampleView:
    """Change an example; what is None stays.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: no such example in this tenant.
        InvalidInput: the intent or the text is empty or too long.
        Conflict: another example has this text.
    """
    actor.require(Permission.ADMIN)
    intent = None if intent is None else _valid(intent, "intent", MAX_INTENT_CHARACTERS)
    text = None if text is None else _valid(text, "text", MAX_TEXT_CHARACTERS)
    vector = None if text is None else await embed_query(text)
    async with transaction(actor) as tx:
        await groups.lock_names(tx)
        row = await intents.get(tx, example_id)
        before = {"intent": row.intent, "text": row.text}
        row.intent = row.intent if intent is None else intent
        if text is not None and vector is not None and text != row.text:
            if await intents.find_by_texts(tx, [text]):
                raise Conflict("There is an example with these words already.", param="text")
            row.text, row.vector = text, _bytes(vector)
        after = {"intent": row.intent, "text": row.text}
        if after != before:
            await tx.session.flush()
            await _note(tx, "intent_example.changed", row.id, before=before, after=after)
        return _view(row)


async def delete(actor: Actor, ids: Sequence[UUID]) -> int:
    """Delete examples, and return how many there were.

    Args:
        actor: who deletes them.
        ids: 1 to 500; those that are not the tenant's are passed over.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        InvalidInput: none or too many.
        NotFound: the tenant has none of them.
    """
    actor.require(Permission.ADMIN)
    if not 1 <= len(ids) <= MAX_AT_ONCE:
        raise InvalidInput(f"Name 1 to {MAX_AT_ONCE} examples.", param="ids")
    async with transaction(actor) as tx:
        rows = await intents.list_by_ids(tx, ids)
        if not rows:
            await intents.get(tx, ids[0])
        await intents.delete(tx, [row.id for row in rows])
        before = _summary([(row.text, row.intent) for row in rows])
        await _note(tx, "intent_examples.deleted", rows[0].id if len(rows) == 1 else None, before=before)
    return len(rows)


async def try_sentence(actor: Actor, text: str) -> TriedSentence:
    """Which intent a sentence shows, and how near the others are.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        InvalidInput: the sentence is empty or too long.
    """
    actor.require(Permission.READ_ADMIN)
    text = _valid(text, "text", MAX_TEXT_CHARACTERS)
    async with transaction(actor, readonly=True) as tx:
        examples = IntentExamples.of(await intents.list_vectors(tx))
    embedding = await embed_query(text)
    found, scores = examples.classify(embedding), examples.scores(embedding)
    shown = [IntentScore(each.name, round(each.score, 4)) for each in scores[:_SHOWN_SCORES]]
    return TriedSentence(found.name, round(found.score, 4), MIN_SCORE, shown)


async def examples_of(actor: Actor, version: int) -> IntentExamples:
    """The tenant's examples, from this process's memory where nothing has changed.

    Args:
        actor: whose tenant's.
        version: `intents_version` of the tenant's route as it is now.
    """
    kept = _Kept.by_tenant.get(actor.tenant_id)
    if kept is None or kept[0] != version:
        async with transaction(actor, readonly=True) as tx:
            kept = (version, IntentExamples.of(await intents.list_vectors(tx)))
        _Kept.by_tenant[actor.tenant_id] = kept
        while len(_Kept.by_tenant) > _KEPT_TENANTS:
            _Kept.by_tenant.popitem(last=False)
    _Kept.by_tenant.move_to_end(actor.tenant_id)
    return kept[1]


async def _note(
    tx: Transaction,
    action: str,
    subject_id: UUID | None = None,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    await routes.note_change_of_intents(tx)
    await audit.write(tx, action, subject_id, before=before, after=after)


def _distinct(examples: Sequence[NewExample]) -> dict[str, str]:
    """The intent of each text."""
    if not 1 <= len(examples) <= MAX_AT_ONCE:
        raise InvalidInput(f"Send 1 to {MAX_AT_ONCE} examples at once.", param="examples")
    wanted: dict[str, str] = {}
    for number, example in enumerate(examples):
        place = f"examples.{number}"
        text = _valid(example.text, f"{place}.text", MAX_TEXT_CHARACTERS)
        intent = _valid(example.intent, f"{place}.intent", MAX_INTENT_CHARACTERS)
        if wanted.setdefault(text, intent) != intent:
            raise InvalidInput(f"“{text[:60]}” stands under two intents. Choose one.", param=f"{place}.intent")
    return wanted


def _valid(text: str, param: str, max_characters: int) -> str:
    text = " ".join(text.replace("\x00", "").encode("utf-8", "replace").decode().split())
    if not text:
        raise InvalidInput("This is empty. Write a few words.", param=param)
    if len(text) > max_characters:
        raise InvalidInput(f"This is longer than {max_characters} characters. Shorten it.", param=param)
    return text


def _summary(examples: Sequence[tuple[str, str]]) -> dict[str, object]:
    """What the audit log keeps of texts with their intents: all counted, the first of them in words."""
    return {
        "examples": dict(sorted(Counter(intent for _, intent in examples).items())),
        "texts": [text for text, _ in examples[:_AUDITED_TEXTS]],
    }


def _bytes(vector: np.ndarray) -> bytes:
    return np.asarray(vector, dtype=np.float32).tobytes()


def _view(row: IntentExampleTable) -> ExampleView:
    return ExampleView(row.id, row.intent, row.text, row.created_at)

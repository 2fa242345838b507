"""Questions to begin with, made of what the documents are about: their titles and headings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from uuid import UUID

from chatapp.domain import Actor, DocumentStatus, Permission
from chatapp.services import documents
from chatapp.services.document_views import DocumentView
from chatapp.store import chunks
from chatapp.store.database import transaction

_DOCUMENTS_LOOKED_AT = 30
_NUMBERING = re.compile(
    r"^(?:(?:chapter|section|part|item|note)\s+)?(?:\d+|[ivx]+|[a-z])(?:\.\d+)*[.):]?\s+", re.IGNORECASE
)
_MAX_WORDS, _MAX_CHARACTERS = 8, 60
_MIN_LETTERS_SHARE = 0.8
_SAYS_NOTHING = frozenset(
    """
    introduction contents table of contents overview summary abstract background conclusion conclusions references
    appendix index general notes notice preface foreword glossary about changelog license copyright signatures exhibits
    other miscellaneous definitions scope purpose read me readme home
    """.split()
)


async def suggest(actor: Actor, *, limit: int = 3) -> list[str]:
    """Questions that the documents can answer, of as many documents and collections as there are.

    Args:
        actor: who is about to ask; nobody is led to what they may not read.
        limit: most questions.
    """
    if not actor.may(Permission.READ_DOCUMENTS):
        return []
    listed = await documents.list_documents(actor, statuses=(DocumentStatus.COMPLETED,), limit=_DOCUMENTS_LOOKED_AT)
    async with transaction(actor, readonly=True) as tx:
        headings = await chunks.headings(tx, [each.id for each in listed.items])
    sentences = (_question(each, headings.get(each.id, ())) for each in _in_turn(listed.items))
    return list(dict.fromkeys(sentences))[:limit]


def _in_turn(listed: Iterable[DocumentView]) -> list[DocumentView]:
    """One document of each collection, then the next of each."""
    by_collection: dict[UUID | None, list[DocumentView]] = {}
    for each in listed:
        by_collection.setdefault(each.collection_id, []).append(each)
    return [each for each in chain.from_iterable(zip_longest(*by_collection.values())) if each is not None]


def _question(document: DocumentView, headings: Sequence[str]) -> str:
    title = _readable(document.title or document.filename)
    topics = [topic for heading in headings if (topic := _topic(heading, title))]
    asked = next((topic for topic in topics if topic.endswith("?")), "")
    if asked:
        return asked
    # Several words say what it is about; one is often the name of a part.
    topic = next((topic for topic in topics if " " in topic), topics[0] if topics else "")
    return f"{topic}: what does “{title}” say?" if topic else f"What are the main points of “{title}”?"


def _topic(heading: str, title: str) -> str:
    """What the last of some headings is about; empty when it says nothing."""
    last = _NUMBERING.sub("", heading.rpartition(" > ")[2].strip()).strip(" .:–—-")
    letters = sum(character.isalpha() or character == " " for character in last)
    words = last.split()
    fits = 4 <= len(last) <= _MAX_CHARACTERS and len(words) <= _MAX_WORDS and "|" not in last
    if not fits or letters < _MIN_LETTERS_SHARE * len(last) or last.casefold() == title.casefold():
        return ""
    if all(word.casefold().strip(",;&?") in _SAYS_NOTHING for word in words):
        return ""
    return last.capitalize() if last.isupper() else last


def _readable(title: str) -> str:
    """A title as one writes it; of a file's name without its ending and with blanks for what joins its words."""
    name = re.sub(r"\.[A-Za-z]\w{1,4}$", "", title.strip())
    return name if " " in name else re.sub(r"[_-]+", " ", name)

"""Nothing reads a collection past the grants on it, but for the few places named here."""

from __future__ import annotations

import re

from tests.architecture.source import modules

_SEE_EVERY_COLLECTION = {
    "chatapp/services/grants.py": "admins see and change who may read what, also what they may not read themselves",
    "chatapp/store/collections.py": "two collections of a tenant must not have one name, whoever may read them",
    "chatapp/store/database.py": "defines it",
    "chatapp/store/overview.py": "counts of documents by their state, nothing of one of them",
}
"""Modules that may ask past grants, and why."""

_PAST_THE_ORM = re.compile(r"__table__|metadata\.(tables|sorted_tables)|\.connection\(|\bengine\(\)|from_statement\(")
_MAY_GO_PAST_THE_ORM = {
    "chatapp/services/doctor.py": "asks the database's name",
    "chatapp/store/access_conditions.py": "makes the conditions themselves",
    "chatapp/store/admins.py": "who is admin of every tenant somebody is in; no collection nor document",
    "chatapp/store/database.py": "holds the engine",
    "chatapp/store/deletions.py": "removes what a deleted tenant leaves, in system transactions",
    "chatapp/store/encrypted_columns.py": "lists the columns that hold secrets",
    "chatapp/store/planner_hints.py": "tells SQLite of the tables' sizes",
    "chatapp/store/schema.py": "migrates",
    "chatapp/store/tables/append_only.py": "has the database refuse to change the audit log",
}
"""Statements on tables that are not the classes of `store.tables` get no conditions added to them."""

_NOT_WALLED = {
    "CollectionGrantTable": "the grants themselves; read by the services of grants and of collections only",
    "DocumentBatchMemberTable": "ids of documents, which are then read through their wall",
    "DocumentBatchTable": "belongs to a collection that was read through its wall first",
    "PostingTable": "terms of collections whose version was read through the wall first",
    "RemovalTable": "ids of what is gone, for the worker",
}
"""Tables that name a collection or document and have no wall of their own, and why."""

_INDEX_READERS = {
    "chatapp.retrieval.keyword_index": {
        "chatapp/retrieval/fusion.py",
        "chatapp/retrieval/retrieve.py",
        "ingest/index.py",
    },
    "chatapp.store.postings": {
        "chatapp/retrieval/keyword_index.py",
        "chatapp/retrieval/occurrences.py",
        "ingest/index.py",
    },
}
"""Who may ask the keyword index: the search, which is given readable collections, and what fills it."""


def test_only_named_modules_ask_past_grants() -> None:
    users = {str(m.path) for m in modules() if re.search("sees_every_collection", m.text, re.IGNORECASE)}
    assert users == _SEE_EVERY_COLLECTION.keys()


def test_every_statement_speaks_of_the_tables_classes() -> None:
    users = {str(module.path) for module in modules() if _PAST_THE_ORM.search(module.text)}
    assert users - _MAY_GO_PAST_THE_ORM.keys() == set()


def test_every_table_of_documents_has_a_wall_or_is_named() -> None:
    from uuid import uuid4

    from chatapp.domain import Actor
    from chatapp.store.access_conditions import walls
    from chatapp.store.tables import TenantRow

    walled = set(walls(Actor(uuid4(), uuid4(), frozenset())))
    of_documents = {
        table for table in TenantRow.__subclasses__() if {"collection_id", "document_id"} & table_columns(table)
    }
    assert {table.__name__ for table in of_documents - walled} == _NOT_WALLED.keys()
    assert {table.__name__ for table in walled - of_documents} == {"CollectionTable"}


def table_columns(table: type) -> set[str]:
    return {column.name for column in table.__table__.columns}  # pyright: ignore[reportAttributeAccessIssue]


def test_the_keyword_index_is_asked_by_the_search_alone() -> None:
    for name, allowed in _INDEX_READERS.items():
        package, _, last = name.rpartition(".")
        statement = re.compile(
            rf"from {re.escape(package)} import [^\n]*\b{last}\b|(from|import) {re.escape(name)}\b", re.MULTILINE
        )
        assert {str(module.path) for module in modules() if statement.search(module.text)} == allowed


def test_the_search_is_given_readable_collections_alone() -> None:
    callers = {str(m.path) for m in modules() if re.search(r"retrieval(\.retrieve)? import (retrieve\b)", m.text)}
    assert callers == {"chatapp/pipeline/retrieve.py", "chatapp/services/search.py"}
    search = next(module for module in modules() if str(module.path) == "chatapp/services/search.py")
    plan = next(module for module in modules() if "async def make_plan(" in module.text)
    assert "collections.readable_ids(" in search.text
    assert "collections.readable_ids(" in plan.text

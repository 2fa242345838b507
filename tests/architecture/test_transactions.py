"""No query runs without a tenant, but for the few places named here."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import Module, modules

_SYSTEM_TRANSACTIONS = {
    "chatapp/services/audit.py": "the command line verifies every tenant's log",
    "chatapp/services/access_watch.py": "sign-ins of every tenant, while their people read a stream",
    "chatapp/services/account.py": "which tenants a person is in",
    "chatapp/services/actors.py": "whom a session or a key stands for, before they are known",
    "chatapp/services/authentication.py": "sign-in, before the actor is known",
    "chatapp/services/breaker_watch.py": "breakers belong to the installation",
    "chatapp/services/catalog.py": "providers and models belong to the installation",
    "chatapp/services/credentials.py": "sign-in, before the actor is known",
    "chatapp/services/conversations.py": "the worker removes what was deleted long ago, in every tenant",
    "chatapp/services/erasure.py": "the worker deletes tenants",
    "chatapp/services/ingestion.py": "the worker looks for documents of every tenant",
    "chatapp/services/installation.py": "first start",
    "chatapp/services/identity_providers.py": "what the sign-in page offers, before the actor is known",
    "chatapp/services/loose_files.py": "the worker removes files of every tenant that nobody sees any more",
    "chatapp/services/load.py": "writes down what was refused in every tenant",
    "chatapp/services/keys.py": "a key made on the command line",
    "chatapp/services/models_served.py": "which tenants' routes name a model of the installation",
    "chatapp/services/keys_left.py": "in which tenants somebody made keys, for platform admins",
    "chatapp/services/oidc.py": "sign-in, before the actor is known",
    "chatapp/services/oidc_people.py": "who somebody is, before the actor is known",
    "chatapp/services/overview.py": "the worker sums up the days of every tenant",
    "chatapp/services/providers.py": "which tenants' routes name a model of the installation",
    "chatapp/services/secret_rotation.py": "the installation's secrets, in every tenant",
    "chatapp/services/tenants.py": "platform admins look at every tenant",
    "chatapp/services/turn_runner.py": "finds turns that a killed process left",
    "chatapp/services/one_time_links.py": "links, before the actor is known",
    "chatapp/services/invitations.py": "whether a person is in another tenant too",
    "chatapp/services/memberships.py": "whether a person is in another tenant too, or in none any more",
    "chatapp/services/sign_ins.py": "the worker removes sign-ins that ended long ago",
    "chatapp/services/users.py": "the command line makes admins, and platform admins change people of any tenant",
    "chatapp/store/database.py": "defines it",
    "ingest/removals.py": "the worker finishes removals of every tenant",
}
"""Modules that may open a transaction over all tenants, and why."""

_RAW_SQL = re.compile(r"(?<![\w.])text\(|exec_driver_sql\(")
_SQL_ALLOWED = {"chatapp/store/database.py"}
"""SQLite's BEGIN and PRAGMA have no other form."""


def _calls(module: Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == name)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
        )
        for node in ast.walk(module.tree)
    )


def test_only_named_modules_look_across_tenants() -> None:
    users = {str(module.path) for module in modules() if _calls(module, "system_transaction")}
    assert users - _SYSTEM_TRANSACTIONS.keys() == set()


def test_no_module_is_named_without_need() -> None:
    users = {str(module.path) for module in modules() if "system_transaction" in module.text}
    assert _SYSTEM_TRANSACTIONS.keys() - users == set()


def test_sql_is_never_written_as_text() -> None:
    found = [
        f"{module.path}:{number}"
        for module in modules()
        if "sqlalchemy" in module.imports and str(module.path) not in _SQL_ALLOWED
        for number, line in enumerate(module.text.splitlines(), 1)
        if _RAW_SQL.search(line)
    ]
    assert found == []


def test_only_the_database_module_makes_sessions() -> None:
    makers = [str(m.path) for m in modules() if _calls(m, "async_sessionmaker") or _calls(m, "AsyncSession")]
    assert makers == ["chatapp/store/database.py"]


def test_only_turns_are_written_by_table() -> None:
    # What is written so is of the tenant, but goes by no grant: turns and traces need none.
    users = {str(m.path) for m in modules() if _calls(m, "insert_all") or _calls(m, "update_all")}
    assert users == {"chatapp/store/turns.py"}


def test_every_table_belongs_to_a_tenant_or_is_named() -> None:
    from sqlmodel import SQLModel

    from chatapp.store.tables import TenantRow

    of_tenants = {cls.__tablename__ for cls in TenantRow.__subclasses__()}
    without = set(SQLModel.metadata.tables) - of_tenants
    people = {"tenants", "users", "sessions", "one_time_links"}
    assert without - people == {"providers", "models", "model_prices", "deployments", "breakers", "breaker_drills"}

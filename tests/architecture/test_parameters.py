"""Who acts comes first in services, the transaction first in store functions."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source import Function, Module, modules_in

_TENANTLESS_SERVICES = {
    "actors": "finds out who is there",
    "admission": "lets turns in, and is opened by the lifespan",
    "authentication": "before anybody is known",
    "breaker_watch": "a process's own breakers, in nobody's name",
    "credentials": "before anybody is known",
    "csv_export": "its argument is a service that was given an actor",
    "devices": "before anybody is known",
    "doctor": "about the installation, not about a tenant",
    "erasure": "the worker's, which deletes tenants",
    "ingestion": "the worker's loop over every tenant",
    "installation": "before there is a tenant",
    "lifespan": "opens and closes the parts",
    "load": "what processes tell each other",
    "oidc": "sign-in, before anybody is known",
    "oidc_client": "talks to identity providers, before anybody is known",
    "oidc_people": "finds who somebody is, before they are known",
    "one_time_links": "before anybody is known",
    "passwords": "about no tenant",
    "secret_rotation": "the command line moves the installation's secrets",
    "turn_metrics": "counts turns that ended",
    "turn_runner": "opened by the lifespan, recovers every tenant's turns",
    "upkeep": "the worker's sweep over every tenant",
}
"""Service modules whose functions are not called in somebody's name, and why."""

_WITHOUT_ACTOR = {
    "audit.verify_all",
    "catalog.register_from_environment",
    "conversations.purge_deleted",
    "keys.create_key",
    "route_memory.forget",
    "keys_left.end",
    "loose_files.sweep",
    "overview.keep_ended_days",
    "sign_ins.purge_ended",
    "sign_ins.sign_ins_of",
    "users.admin_actor",
    "users.create_or_reset_admin",
    "users.new_sign_in_link",
    "users.valid_email",
}
"""Functions of other service modules that the command line, set-up or the worker calls in nobody's name."""

_STORE_QUERIES = (
    "admins",
    "api_keys",
    "audit_chain",
    "audit_list",
    "breakers",
    "catalog",
    "chunks",
    "collections",
    "conversations",
    "deletions",
    "deployments",
    "document_batches",
    "document_questions",
    "documents",
    "encrypted_columns",
    "feedback",
    "grants",
    "groups",
    "identity_providers",
    "ingestions",
    "intents",
    "onboarding",
    "listing",
    "loose_files",
    "memberships",
    "model_prices",
    "one_time_links",
    "overview",
    "palette",
    "postings",
    "providers",
    "refusals",
    "removals",
    "routes",
    "sessions",
    "tenant_limits",
    "tenants",
    "traces",
    "turns",
    "users",
)


def _first_parameter(function: Function) -> str:
    parameters = (*function.args.posonlyargs, *function.args.args)
    return parameters[0].arg if parameters else ""


def _is_coroutine(function: Function) -> bool:
    return isinstance(function, ast.AsyncFunctionDef)


@pytest.mark.parametrize("module", modules_in("chatapp/services"), ids=lambda module: module.path.stem)
def test_a_service_is_called_in_somebodys_name(module: Module) -> None:
    if module.path.stem in _TENANTLESS_SERVICES:
        return
    missing = [
        name
        for function in module.public_functions
        if _is_coroutine(function) and _first_parameter(function) != "actor"
        if (name := f"{module.path.stem}.{function.name}") not in _WITHOUT_ACTOR
    ]
    assert missing == []


@pytest.mark.parametrize("module", modules_in("chatapp/store"), ids=lambda module: module.path.stem)
def test_a_query_runs_in_the_callers_transaction(module: Module) -> None:
    if module.path.stem not in _STORE_QUERIES:
        return
    missing = [
        function.name
        for function in module.public_functions
        if _is_coroutine(function) and _first_parameter(function) != "tx"
    ]
    assert missing == []


def test_every_query_module_is_known() -> None:
    others = {
        "access_conditions",
        "answers",
        "audit",
        "catalog_changes",
        "compaction",
        "database",
        "encryption",
        "files",
        "job_queue",
        "load_reports",
        "planner_hints",
        "redis",
        "schema",
        "shared_places",
        "sqlite_connection",
        "statement_tables",
        "tables",
        "turn_log",
        "turn_writes",
    }
    assert {module.path.stem for module in modules_in("chatapp/store")} - others == set(_STORE_QUERIES)

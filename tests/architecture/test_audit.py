"""Whoever changes something in a service writes it into the audit log, in the same transaction."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import Function, Module, modules_in

_TURN = "a question and its answer are the conversation itself, kept with who asked and when"
_WORKER = "the worker goes on with what somebody asked for, whose line is written already"
_WITHOUT_A_LINE = {
    "actors._note_use": "when a key was last used stands in its own row",
    "actors.actor_of_session_hash": "when a session was last seen stands in its own row",
    "breaker_watch.close": "what a process says of its own breakers",
    "breaker_watch.look": "what a process says of its own breakers",
    "catalog.register_from_environment": "first start, before there is a tenant",
    "conversations.purge_deleted": _WORKER,
    "erasure._claim": _WORKER,
    "erasure._erase": _WORKER,
    "erasure._put_back": _WORKER,
    "erasure._remove_rows": _WORKER,
    "ingestion._claim": _WORKER,
    "load.write_refusals": "counts of what was turned away",
    "overview._keep_days": "sums of what is there, kept so that nobody waits for them again",
    "overview.keep_ended_days": "sums of what is there, kept so that nobody waits for them again",
    "secret_rotation.rotate": "the operator, who has the secrets, in every tenant; what is kept stays the same",
    "sign_ins.purge_ended": "the worker forgets sign-ins that ended long ago",
    "tenants._begin_deletion": "its line is in the log of another tenant, so in another transaction: `tenants._note`",
    "tenants._end_work": "stops answers of a tenant whose suspension or deletion has its line",
    "turn_runner._fail": _TURN,
    "turn_runner._renew": _TURN,
    "turn_runner._supervise": _TURN,
    "turn_runner.recover": _TURN,
    "turns._again": _TURN,
    "turns.cancel": _TURN,
    "turns.select": _TURN,
    "turns._write_asked": _TURN,
    "users.new_sign_in_link": "set-up and `create_or_reset_admin`, which writes the line",
}
"""Functions that write and leave no line, and why."""

Functions = dict[str, Function]
"""Every function of the modules at hand, nested ones too, by `module.name`."""


def _functions(modules: list[Module]) -> Functions:
    return {f"{module.path.stem}.{function.name}": function for module in modules for function in module.functions}


def _calls(node: ast.AST, module: str) -> Iterator[str]:
    """What a piece of code calls, as `module.name`: its own module's functions, and those of modules it imports."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            if isinstance(call.func, ast.Name):
                yield f"{module}.{call.func.id}"
            elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
                yield f"{call.func.value.id}.{call.func.attr}"


def _is_audited(node: ast.AST, module: str, functions: Functions, seen: set[str] | None = None) -> bool:
    """Whether the code calls `audit.write`, itself or through what it calls."""
    seen = set() if seen is None else seen
    for name in _calls(node, module):
        if name == "audit.write":
            return True
        if name in functions and name not in seen:
            seen.add(name)
            if _is_audited(functions[name], name.partition(".")[0], functions, seen):
                return True
    return False


def _opens(item: ast.withitem) -> str | None:
    """`transaction` or `system_transaction` where one that writes is opened."""
    call = item.context_expr
    if not isinstance(call, ast.Call):
        return None
    name = (
        call.func.id
        if isinstance(call.func, ast.Name)
        else call.func.attr
        if isinstance(call.func, ast.Attribute)
        else ""
    )
    is_readonly = any(
        keyword.arg == "readonly" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )
    return name if name in {"transaction", "system_transaction"} and not is_readonly else None


def _silent(modules: list[Module]) -> set[str]:
    """Functions with a transaction that writes and reaches no `audit.write`.

    A system transaction can hold no line, as it has nobody to name: there the function itself has to write one in a
    transaction of its own.
    """
    functions = _functions(modules)
    found = set()
    for name, function in functions.items():
        module = name.partition(".")[0]
        for node in ast.walk(function):
            if not isinstance(node, ast.AsyncWith):
                continue
            opened = {_opens(item) for item in node.items} - {None}
            where = function if "system_transaction" in opened else node
            if opened and not _is_audited(where, module, functions):
                found.add(name)
    return found


def test_every_change_leaves_a_line() -> None:
    silent = _silent(modules_in("chatapp/services"))

    assert silent - _WITHOUT_A_LINE.keys() == set(), "call audit.write in the transaction, or say above why not"


def test_no_function_is_excused_without_need() -> None:
    assert _WITHOUT_A_LINE.keys() - _silent(modules_in("chatapp/services")) == set()


_PLANTED = """
async def silent(actor, thing_id):
    async with transaction(actor) as tx:
        await things.remove(tx, thing_id)

async def silent_in_one_of_two(actor, thing_id):
    async with transaction(actor) as tx:
        await audit.write(tx, "thing.removed", thing_id)
    async with store.transaction(actor, readonly=False) as tx:
        await things.remove(tx, thing_id)

async def silent_system():
    async with system_transaction() as tx:
        await things.remove_all(tx)

async def told(actor, thing_id):
    async with transaction(actor) as tx:
        await _remove(tx, thing_id)

async def _remove(tx, thing_id):
    await audit.write(tx, "thing.removed", thing_id)

async def told_for_the_system(actor):
    async with system_transaction() as tx:
        await things.remove_all(tx)
    async with transaction(actor) as tx:
        await _remove(tx, None)

async def reads(actor):
    async with transaction(actor, readonly=True) as tx:
        return await things.list_all(tx)
"""


def test_a_planted_silent_change_is_found(tmp_path: Path) -> None:
    path = tmp_path / "planted.py"
    path.write_text(_PLANTED)

    assert _silent([Module(path)]) == {"planted.silent", "planted.silent_in_one_of_two", "planted.silent_system"}

"""What README and docstrings promise is what the code does."""

from __future__ import annotations

import ast
import re

from chatapp.domain import SCOPE_PERMISSIONS
from chatapp.settings import Settings
from tests.architecture.source import PROJECT, Module, modules

_README = (PROJECT / "README.md").read_text(encoding="utf-8")


def _module(path: str) -> Module:
    return next(module for module in modules() if str(module.path) == path)


def test_readme_lists_every_setting() -> None:
    variables = []
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        choices = getattr(alias, "choices", [alias])
        variables.append(str(choices[0]) if alias else f"CHATAPP_{name.upper()}")
    assert [variable for variable in variables if f"`{variable}`" not in _README] == []


def test_readme_lists_no_setting_that_is_gone() -> None:
    known = {f"CHATAPP_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"`(CHATAPP_[A-Z_]+)`", _README)) - known == set()


def test_the_scopes_of_keys_are_written_down_as_they_are() -> None:
    text = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z:]+)` \| (.+) \|$", text, re.MULTILINE))
    assert list(rows) == list(SCOPE_PERMISSIONS)
    for scope, permissions in SCOPE_PERMISSIONS.items():
        assert set(re.findall(r"`(\w+)`", rows[scope])) - {"platform"} == {str(each) for each in permissions}


def test_the_path_of_a_message_is_the_same_everywhere() -> None:
    answer = _module("chatapp/pipeline/answer.py")
    function = next(f for f in answer.functions if f.name == "answer")
    steps = [node.id for node in ast.walk(function) if isinstance(node, ast.Name)]
    called = [step for step in dict.fromkeys(_in_order(function)) if step in steps]
    docstring = ast.get_docstring(_module("chatapp/pipeline/__init__.py").tree) or ""
    described = re.findall(r"^(\w+) {2,}\S", docstring, re.MULTILINE)
    in_readme = re.findall(r"^\d+\. `(\w+)`", _README, re.MULTILINE)
    assert called == described
    assert in_readme[: len(called)] == called


def _in_order(function: ast.AST) -> list[str]:
    """The steps in the order of their lines: `_timed(step, turn)` and `step(turn)`."""
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.args[0].id if node.func.id == "_timed" and isinstance(node.args[0], ast.Name) else node.func.id
            if name not in {"replace", "_timed"}:
                found.append((node.lineno, name))
    return [name for _, name in sorted(found)]


def test_ingest_does_its_steps_in_the_order_it_tells() -> None:
    docstring = ast.get_docstring(_module("ingest/__init__.py").tree) or ""
    assert "parse" in docstring
    assert docstring.index("parse") < docstring.index("chunk") < docstring.index("embed") < docstring.index("index")

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.source import PROJECT, Module, modules

_MAX_MODULE_LINES = 400
_MAX_FUNCTION_LINES = 60
_EMPTY_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "core",
    "manager",
    "models",
    "types",
    "base_utils",
}
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")


def _names(paths: Iterable[Path]) -> list[str]:
    return [str(path) for path in paths]


def test_modules_are_short() -> None:
    too_long = [(str(m.path), len(m.text.splitlines())) for m in modules()]
    assert [found for found in too_long if found[1] > _MAX_MODULE_LINES] == []


def test_components_in_javascript_are_short() -> None:
    sources = [path for folder in ("chatapp", "admin") for path in (PROJECT / folder).rglob("*.js*")]
    lengths = [(str(path.relative_to(PROJECT)), len(path.read_text().splitlines())) for path in sources]
    assert [found for found in lengths if found[1] > _MAX_MODULE_LINES] == []


def test_functions_are_short() -> None:
    lengths = [
        (f"{module.path}:{function.name}", (function.end_lineno or 0) - function.lineno + 1)
        for module in modules()
        for function in module.functions
    ]
    assert [found for found in lengths if found[1] > _MAX_FUNCTION_LINES] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert _names(m.path for m in modules() if m.path.stem in _EMPTY_NAMES or m.path.parent.name in _EMPTY_NAMES) == []


@pytest.mark.parametrize("module", [m for m in modules() if m.path.name == "__init__.py"], ids=lambda m: str(m.path))
def test_every_package_says_what_lives_in_it(module: Module) -> None:
    import ast

    siblings = [path for path in (PROJECT / module.path).parent.glob("*.py") if path.name != "__init__.py"]
    assert not siblings or ast.get_docstring(module.tree) or module.path == Path("chatapp/__init__.py")


def test_nothing_is_unfinished() -> None:
    found = [
        f"{module.path}:{number}"
        for module in modules()
        for number, line in enumerate(module.text.splitlines(), 1)
        if _UNFINISHED.search(line)
    ]
    assert found == []


def test_there_is_no_package_in_the_root() -> None:
    assert not (PROJECT / "__init__.py").exists()

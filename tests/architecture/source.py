"""The source as the rules see it: modules, their text and their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PROJECT = Path(__file__).parents[2]
_ROOTS = ("chatapp", "admin", "ingest")
_GENERATED = Path("chatapp/store/migrations/versions")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the product."""

    path: Path
    """From the project's root."""

    @cached_property
    def text(self) -> str:
        return (PROJECT / self.path).read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def functions(self) -> Iterator[Function]:
        """Every function, methods and nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    @property
    def public_functions(self) -> Iterator[Function]:
        """Functions of the module itself whose names do not begin with an underscore."""
        for node in self.tree.body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                yield node

    @cached_property
    def imports(self) -> frozenset[str]:
        """Top-level names of the packages imported anywhere in the module."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
        return frozenset(found)


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the product but alembic's revisions."""
    paths = (path.relative_to(PROJECT) for root in _ROOTS for path in sorted((PROJECT / root).rglob("*.py")))
    return tuple(Module(path) for path in paths if _GENERATED not in path.parents)


def modules_in(folder: str) -> list[Module]:
    """The modules directly in a folder, without its `__init__`."""
    return [module for module in modules() if module.path.parent == Path(folder) and module.path.stem != "__init__"]

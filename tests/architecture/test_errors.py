from __future__ import annotations

import ast
from importlib import import_module

import pytest

from chatapp.errors import AppError
from tests.architecture.source import modules


def _errors(cls: type[AppError] = AppError) -> list[type[AppError]]:
    """The class and everything below it, wherever it is defined."""
    return [cls, *(error for child in cls.__subclasses__() for error in _errors(child))]


def _import_everything_that_defines_one() -> None:
    for module in modules():
        if any(isinstance(node, ast.ClassDef) and node.bases for node in module.tree.body) and "rrors" in module.text:
            import_module(".".join(module.path.with_suffix("").parts).removesuffix(".__init__"))


_import_everything_that_defines_one()


@pytest.mark.parametrize("error", _errors(), ids=lambda error: error.__name__)
def test_an_error_has_a_sentence_a_code_and_a_status(error: type[AppError]) -> None:
    assert error.sentence().endswith(".")
    assert error is AppError or error.code != AppError.code
    assert 400 <= error.status_code < 600


def test_an_error_elsewhere_is_a_special_case_of_one_in_the_tree() -> None:
    for error in _errors():
        if error.__module__ != "chatapp.errors":
            assert "code" not in vars(error), f"{error.__name__} has a code of its own: it belongs into chatapp.errors"

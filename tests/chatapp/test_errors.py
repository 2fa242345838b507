from __future__ import annotations

import pytest

from chatapp import errors
from chatapp.errors import AppError, InvalidInput, RateLimited


def tree(cls: type[AppError]) -> list[type[AppError]]:
    """The class and those below it in the module; special cases elsewhere are looked at in `tests/architecture`."""
    below = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [cls, *(leaf for child in below for leaf in tree(child))]


def test_codes_are_unique():
    # A special case that does not say its own is known to programs by the code it inherits.
    codes = [cls.code for cls in tree(AppError) if "code" in vars(cls)]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("cls", tree(AppError), ids=lambda cls: cls.__name__)
def test_every_error_has_a_status_a_code_and_a_sentence(cls):
    assert 400 <= cls.status_code < 600
    assert cls.code == cls.code.lower()
    assert cls.sentence().endswith(".")


@pytest.mark.parametrize("cls", tree(AppError)[1:], ids=lambda cls: cls.__name__)
def test_every_error_stands_in_the_modules_tree(cls):
    assert cls.__name__ in (errors.__doc__ or "")


def test_the_classs_sentence_is_the_message_when_none_is_given():
    assert InvalidInput().message == "Something in what was sent is not valid."
    assert InvalidInput("Name is empty.", param="name").message == "Name is empty."
    assert InvalidInput("Name is empty.", param="name").param == "name"


def test_a_rate_limit_says_how_long_to_wait():
    assert RateLimited(retry_after_seconds=2.5).retry_after_seconds == 2.5

from __future__ import annotations

from chatapp.pages.sign_in import PAGE
from chatapp.services.authentication import MIN_PASSWORD_CHARACTERS


def test_the_page_asks_for_as_many_characters_as_the_server_does() -> None:
    assert f"minPasswordCharacters:{MIN_PASSWORD_CHARACTERS}" in str(PAGE.component()).replace(" ", "")

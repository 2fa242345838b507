from __future__ import annotations

import re

from chatapp.pages.sign_in import PAGE
from chatapp.services.authentication import MIN_PASSWORD_CHARACTERS
from chatapp.services.oidc_client import PROBLEMS
from tests.architecture.source import PROJECT


def test_the_page_asks_for_as_many_characters_as_the_server_does() -> None:
    assert f"minPasswordCharacters:{MIN_PASSWORD_CHARACTERS}" in str(PAGE.component()).replace(" ", "")


def test_the_page_knows_every_reason_why_a_provider_let_nobody_in() -> None:
    page = str(PAGE.component())
    raised = set()
    for module in ("oidc", "oidc_client", "oidc_people"):
        source = (PROJECT / "chatapp" / "services" / f"{module}.py").read_text()
        raised |= set(re.findall(r'SignInFailed\("(\w+)"', source)) | set(re.findall(r'_told\("(\w+)"', source))
    assert raised <= PROBLEMS.keys()
    for reason, sentence in PROBLEMS.items():
        assert f"oidc_{reason}" in page
        assert sentence.endswith(".")

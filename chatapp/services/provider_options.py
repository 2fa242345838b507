"""What a cloud wants to know beside an address and a key; kept as the key is, encrypted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import structlog

from chatapp.errors import InvalidInput
from chatapp.providers.litellm_provider import LiteLLMProvider
from chatapp.settings import get_settings
from chatapp.store.encryption import CannotDecrypt, decrypt, encrypt
from chatapp.store.tables import ProviderTable

_log = structlog.get_logger(__name__)

MAX_CHARACTERS = 4_096
_SHORT = re.compile(r"[A-Za-z0-9._-]{1,40}")
"""Both stand in addresses, and must not lead anywhere else."""
_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "api_version": (_SHORT, "A version such as 2024-10-21."),
    "region": (_SHORT, "A region such as eu-central-1."),
    "access_key_id": (re.compile(rf"[\x21-\x7e]{{1,{MAX_CHARACTERS}}}"), "It has no spaces or line breaks."),
    "secret_access_key": (re.compile(rf"[\x21-\x7e]{{1,{MAX_CHARACTERS}}}"), "It has no spaces or line breaks."),
}
NAMES = tuple(_FORMS)
"""Azure's `api_version`; Bedrock's `region`, `access_key_id` and `secret_access_key`."""


def options_of(row: ProviderTable) -> dict[str, str]:
    """What is kept of a provider; nothing where no known secret opens it."""
    if not row.encrypted_options:
        return {}
    settings = get_settings()
    try:
        kept = decrypt(settings.effective_secret_key, row.encrypted_options, previous=settings.previous_secret_keys)
    except CannotDecrypt:
        # The provider will refuse the call, and the refusal says what an admin has to do.
        _log.error("provider.options_unreadable", provider=row.name)
        return {}
    return json.loads(kept)


def set_options(row: ProviderTable, wanted: Mapping[str, Any]) -> None:
    """Keep those of `NAMES` that are given; an empty one is forgotten, and what is left out stays.

    Raises:
        InvalidInput: one is not valid, the provider is of a kind that has none, or half of a pair is missing.
    """
    given = {name: str(wanted[name] or "").strip() for name in NAMES if name in wanted}
    for name, value in given.items():
        pattern, sentence = _FORMS[name]
        if value and not pattern.fullmatch(value):
            raise InvalidInput(sentence, param=name)
        if value and row.kind != LiteLLMProvider.kind:
            raise InvalidInput("Only providers through LiteLLM have this.", param=name)
    if not given:
        return
    options = {name: value for name, value in {**options_of(row), **given}.items() if value}
    if ("access_key_id" in options) != ("secret_access_key" in options):
        missing = "access_key_id" if "secret_access_key" in options else "secret_access_key"
        raise InvalidInput("An access key has two parts, its id and its secret. Give both.", param=missing)
    text = json.dumps(options) if options else ""
    row.encrypted_options = encrypt(get_settings().effective_secret_key, text)

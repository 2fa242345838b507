from __future__ import annotations

import json
import subprocess
import sys

import pytest

from chatapp.providers import public_catalog
from tests.fixtures.surroundings import PROJECT


def _listed(**said: object) -> str:
    return json.dumps({"model": {"litellm_provider": "openai", "mode": "chat", **said}})


@pytest.mark.parametrize(
    ("dollars_per_token", "micro_usd_per_mtok"),
    [
        ("4e-07", 400_000),
        ("1.5000000000000002e-07", 150_000),
        ("0.0000001", 100_000),
        ("7.5e-8", 75_000),
        ("0", 0),
        ("3.0000000000000004e-06", 3_000_000),
        ('"4e-07"', None),
        ("true", None),
        ("-1e-6", None),
        ("null", None),
    ],
)
def test_prices_are_exact(dollars_per_token: str, micro_usd_per_mtok: int | None) -> None:
    text = _listed(input_cost_per_token="PRICE").replace('"PRICE"', dollars_per_token)
    assert public_catalog.read_catalog(text)["model"].input_micro_usd_per_mtok == micro_usd_per_mtok


def test_an_entry_says_what_the_model_takes_and_can() -> None:
    text = _listed(
        max_tokens=4_096,
        max_input_tokens=128_000,
        supports_function_calling=True,
        supports_vision=False,
        supports_response_schema=True,
        supports_native_streaming=False,
        deprecation_date="2027-01-31",
    )
    entry = public_catalog.read_catalog(text)["model"]
    assert (entry.max_input_tokens, entry.max_output_tokens) == (128_000, 4_096)
    assert entry.capabilities == ("json", "tools")
    assert entry.retired_on == "2027-01-31"


def test_what_does_not_chat_is_left_out() -> None:
    assert public_catalog.read_catalog(_listed(mode="embedding")) == {}
    assert public_catalog.read_catalog(json.dumps({"sample_spec": {"mode": "chat"}, "odd": 3})) == {}


async def test_the_installed_catalogue_lists_models_of_many_providers() -> None:
    found = await public_catalog.load()
    assert len(found) > 1_000
    assert {"openai", "anthropic", "gemini", "ollama"} <= {entry.provider for entry in found.values()}
    assert all(entry.name == name for name, entry in found.items())
    assert await public_catalog.load() is found


def test_reading_the_catalogue_imports_no_litellm() -> None:
    code = (
        "import asyncio, sys; from chatapp.providers import public_catalog; "
        "found = asyncio.run(public_catalog.load()); print(bool(found), 'litellm' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["True", "False"]

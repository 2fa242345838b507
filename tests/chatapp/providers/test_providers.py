from __future__ import annotations

from pathlib import Path

import pytest

import chatapp.providers
from chatapp.errors import ProviderRejected
from chatapp.providers import PROVIDER_KINDS, make_provider
from chatapp.providers.base import ProviderConfig

NOT_KINDS = {
    "__init__",
    "base",
    "event_stream",
    "connections",
    "encodings",
    "litellm_loop",
    "public_catalog",
    "refusals",
}


def test_every_kind_on_disk_is_registered() -> None:
    modules = {path.stem for path in Path(chatapp.providers.__file__).parent.glob("*.py")} - NOT_KINDS
    assert {kind.__module__.rpartition(".")[2] for kind in PROVIDER_KINDS} == modules


@pytest.mark.parametrize("kind", PROVIDER_KINDS, ids=lambda kind: kind.kind)
def test_a_kind_is_made_by_its_name_and_opens_nothing(kind) -> None:
    made = make_provider(kind.kind, ProviderConfig("http://127.0.0.1:9/v1"))
    assert isinstance(made, kind)
    assert isinstance(made.quotes, bool)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ProviderRejected):
        make_provider("carrier_pigeon", ProviderConfig())


def test_a_key_is_not_shown() -> None:
    assert "sk-1" not in repr(ProviderConfig("http://x", "sk-1"))

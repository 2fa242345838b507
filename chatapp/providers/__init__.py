"""Who serves models: `base` and one module per kind. A new kind is one module and one line in `PROVIDER_KINDS`.

What does not live here: which provider answers whom (the catalogue service) and what is asked (the pipeline).
"""

from __future__ import annotations

from chatapp.errors import ProviderRejected
from chatapp.providers.base import Provider, ProviderConfig
from chatapp.providers.extractive import Extractive
from chatapp.providers.litellm_provider import LiteLLMProvider
from chatapp.providers.openai_compatible import OpenAICompatible

PROVIDER_KINDS: tuple[type[Provider], ...] = (OpenAICompatible, LiteLLMProvider, Extractive)


def make_provider(kind: str, config: ProviderConfig) -> Provider:
    """A provider of this kind; it holds no connection of its own and costs nothing to make.

    Raises:
        ProviderRejected: no such kind is installed.
    """
    for provider in PROVIDER_KINDS:
        if provider.kind == kind:
            return provider(config)
    raise ProviderRejected(f"The model's provider is of the kind {kind!r}, which this installation does not have.")

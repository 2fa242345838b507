"""OpenAI's parameters of a request: which go to the provider, and which of them it cannot do without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatapp.errors import InvalidInput
from chatapp.providers.base import Provider, form_of

_PASSED_ON = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "max_completion_tokens",
        "max_tokens",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "verbosity",
    }
)


def passed_on(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters that go to the provider as they are; the others are left out."""
    return {name: value for name, value in (parameters or {}).items() if name in _PASSED_ON}


def honours(provider: Provider, parameters: Mapping[str, Any]) -> bool:
    """Whether a provider answers in the form that is asked for.

    A provider that quotes has nothing to sample and may ignore how; but who asks for JSON cannot read its prose.

    Args:
        provider: who is to answer.
        parameters: as `passed_on` gives them.
    """
    return not provider.quotes or form_of(parameters) == "text"


def not_honoured(parameters: Mapping[str, Any]) -> InvalidInput:
    """The refusal where nobody who could be asked answers in the form wanted."""
    return InvalidInput(
        f"This model quotes documents and cannot answer as {form_of(parameters)}. Choose another model.",
        param="response_format",
    )

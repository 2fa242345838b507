"""What every provider kind offers: one call that streams an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from chatapp.domain import PromptMessage, Usage
from chatapp.outbound import Reach


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """Where a provider is and how long to wait for it."""

    base_url: str = ""
    """Without a slash at the end, with the version: `https://api.openai.com/v1`."""
    api_key: str = field(default="", repr=False)
    connect_timeout_seconds: float = 5.0
    idle_timeout_seconds: float = 60.0
    """Longest silence on an open stream, more than 0."""
    reach: Reach = Reach.PUBLIC
    """How far in the address may lead."""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a cloud wants beside a key: `api_version`, `region`, `access_key_id`, `secret_access_key`."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A sentence or table row of a source, chosen because it answers the question."""

    number: int
    """The source's number."""
    text: str
    filename: str
    page: int


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One question to a model."""

    model: str
    """The provider's own name of the model."""
    messages: tuple[PromptMessage, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Sampling and length as the OpenAI wire names them; unknown ones have been removed."""
    excerpts: tuple[Excerpt, ...] = ()
    """In reading order; only for providers that quote."""
    searched: tuple[str, ...] | None = None
    """Names of the collections searched; None when no search was asked for."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer. Exactly one of a stream, the last, has a finish reason."""

    text: str = ""
    finish_reason: str = ""
    """`stop`, `length`, `content_filter` ... as the provider says it."""
    usage: Usage | None = None
    """With the last delta, where the provider reports it."""


class Provider(Protocol):
    """One kind of provider."""

    kind: ClassVar[str]
    quotes: ClassVar[bool]
    """True: answers from `excerpts` and needs no prompt. False: a language model reads `messages`."""

    def __init__(self, config: ProviderConfig) -> None:
        """Keep the configuration; open nothing."""
        ...

    def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta, None]:
        """Ask the model. Closing the generator closes the connection to the provider.

        Yields:
            deltas with text, then one with the finish reason.

        Raises:
            ProviderTimeout: it did not connect in time, or fell silent.
            ProviderUnavailable: it cannot be reached, is overloaded, failed, or broke off.
            ProviderRejected: it refused the request or our key.
        """
        ...


def form_of(parameters: Mapping[str, Any]) -> str:
    """The form an answer is asked for in: `text`, `json_object` or `json_schema`.

    Args:
        parameters: of a `ProviderRequest`.
    """
    wanted = parameters.get("response_format")
    return str(wanted.get("type", "text")) if isinstance(wanted, Mapping) else "text"

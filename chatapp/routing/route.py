"""What may answer a turn, in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from chatapp.domain import Usage
from chatapp.providers.base import Provider
from chatapp.routing.facts import Facts

if TYPE_CHECKING:
    from chatapp.routing.choice import Choice

WhenTooLong = Literal["fit", "refuse"]
"""`fit` drops weak sources and summarises old turns; `refuse` says that it is too long."""

WhenNamedFails = Literal["fall_back", "say_so"]
"""What is done where a model asked for by name fails: the fallbacks answer, or it is said and nobody else is asked."""


class Escalation(StrEnum):
    """Why an answer is asked of the next rung of a ladder."""

    INVALID_OUTPUT = "invalid_output"
    """It was empty or broken, or no JSON where JSON was asked for."""
    LOW_SUPPORT = "low_support"
    """Too little of it is carried by its sources."""
    ASKED_AGAIN = "asked_again"
    """The person had the same question answered once more: the answer begins a rung higher."""


_CACHE_WRITE_PERCENT = 25
"""What input costs on top where the provider keeps it for five minutes and charges for that.

Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#pricing; nobody else reports such tokens.
"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one provider, and its price."""

    provider: Provider
    provider_name: str
    model: str
    """Our name of the model."""
    provider_model: str
    """The provider's name of it."""
    max_input_tokens: int
    max_output_tokens: int
    input_micro_usd_per_mtok: int = 0
    output_micro_usd_per_mtok: int = 0
    cached_input_micro_usd_per_mtok: int | None = None
    """Price of input the provider had kept; None: that of any other input."""
    weight: int = 1
    """Its share of the work beside equal deployments, 0 or more."""
    max_concurrent: int | None = None
    """How many requests its provider takes at once, of all its models together; None: any number."""

    @property
    def key(self) -> str:
        """What tells this deployment from others of the installation, for breaker and retry budget."""
        return f"{self.provider_name}/{self.provider_model}"

    def cost_micro_usd(self, usage: Usage) -> int:
        """What the tokens cost, in micro-dollars, rounded up so that no turn is free by rounding."""
        return price_micro_usd(
            usage,
            input_micro_usd_per_mtok=self.input_micro_usd_per_mtok,
            output_micro_usd_per_mtok=self.output_micro_usd_per_mtok,
            cached_input_micro_usd_per_mtok=self.cached_input_micro_usd_per_mtok,
        )


def price_micro_usd(
    usage: Usage,
    *,
    input_micro_usd_per_mtok: int,
    output_micro_usd_per_mtok: int,
    cached_input_micro_usd_per_mtok: int | None,
) -> int:
    """What tokens cost at these prices, in micro-dollars, rounded up; None: kept input costs what other input does."""
    if cached_input_micro_usd_per_mtok is None:
        cached_input_micro_usd_per_mtok = input_micro_usd_per_mtok
    kept_anew = usage.cache_write_tokens * input_micro_usd_per_mtok * _CACHE_WRITE_PERCENT // 100
    picodollars = (
        (usage.input_tokens - usage.cached_input_tokens) * input_micro_usd_per_mtok
        + kept_anew
        + usage.cached_input_tokens * cached_input_micro_usd_per_mtok
        + usage.output_tokens * output_micro_usd_per_mtok
    )
    return -(-picodollars // 1_000_000)


@dataclass(frozen=True, slots=True)
class Route:
    """Who is asked, first to last, and why."""

    deployments: tuple[Deployment, ...]
    """Not empty. The next is asked when the one before failed."""
    reason: str = ""
    """Why this route, for the trace."""
    version: int = 0
    """Of the tenant's route; 0: the installation's own."""
    when_too_long: WhenTooLong = "fit"
    """What is done with a prompt over the model's input."""
    above: tuple[Route, ...] = ()
    """The higher rungs of a ladder, the next first: who is asked when the answer of this one will not do."""
    escalate_on: frozenset[Escalation] = frozenset()
    """Why one climbs to the next rung."""
    facts: Facts | None = None
    """What was known of the question when it was chosen."""
    choice: Choice | None = None
    """What it is to be chosen by once more when the search is done; None: it stays."""

    @property
    def first(self) -> Deployment:
        """Who is asked first."""
        return self.deployments[0]

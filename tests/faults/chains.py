"""Chains over real sockets: deployments of the scripted provider, and what became of asking along them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from chatapp.domain import PromptMessage, Usage
from chatapp.errors import UpstreamError
from chatapp.outbound import Reach
from chatapp.providers.base import ProviderConfig, ProviderRequest
from chatapp.providers.connections import close_providers, open_providers
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.routing import breaker, retries
from chatapp.routing.chain import Chain, Patience, Wish
from chatapp.routing.route import Deployment, Route


@pytest.fixture
async def routing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Providers that can be asked, breakers and budgets that know nothing yet, and short waits."""
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)
    breaker.forget_breakers()
    retries.forget_budgets()
    open_providers()
    yield
    await close_providers()
    breaker.forget_breakers()
    retries.forget_budgets()


def deployment(url: str, script: str, name: str = "first", **config: float) -> Deployment:
    """A script as a deployment of a provider of that name."""
    timeouts = {"idle_timeout_seconds": 0.3, **config}
    provider = OpenAICompatible(ProviderConfig(base_url=url, reach=Reach.ANY, **timeouts))
    return Deployment(provider, name, f"{name} model", script, 1_000, 100, 1_000_000, 2_000_000)


def chain(*deployments: Deployment) -> Chain:
    """One turn's way along these."""
    return Chain(
        route=Route(deployments),
        request_for=_request,
        estimate=lambda request, text: Usage(len(request.messages), len(text.split()), is_estimated=True),
        patience=Patience(first_token_seconds=3, answer_seconds=15),
        on_begin=_nothing,
    )


@dataclass
class Outcome:
    """What became of a chain."""

    text: str
    endings: int
    error: UpstreamError | None


async def run(asked: Chain) -> Outcome:
    """Go along a chain to its end."""
    text, endings = "", 0
    try:
        async with aclosing(asked.stream()) as stream:
            async for delta in stream:
                assert endings == 0, "nothing comes behind the end"
                text += delta.text
                endings += bool(delta.finish_reason)
    except UpstreamError as error:
        return Outcome(text, endings, error)
    return Outcome(text, endings, None)


async def _request(asked: Deployment, wish: Wish) -> ProviderRequest:
    said = [PromptMessage("user", "Count" + " more" * (10 >> wish.reduction) + wish.problem)]
    if wish.written:
        said += [PromptMessage("assistant", wish.written), PromptMessage("user", "Your answer broke off. Go on.")]
    return ProviderRequest(asked.provider_model, tuple(said))


async def _nothing(_: Deployment, __: str) -> None:
    return None

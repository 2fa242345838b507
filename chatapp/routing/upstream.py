"""A request on its way to a provider, as the chain sees it: it may have to wait for a place, and may be shared."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

from chatapp.domain import Usage
from chatapp.errors import ProviderOverloaded
from chatapp.providers.base import Delta, ProviderRequest
from chatapp.routing.route import Deployment


class NoFreePlace(ProviderOverloaded):
    """The model has too much to do at the moment, and this question was not put to it. Try again in a while."""


def _is_own() -> bool:
    return True


def _nothing() -> None:
    return None


def _decide(decision: Callable[[], bool]) -> bool:
    return decision()


@dataclass(frozen=True, slots=True)
class Upstream:
    """What comes of a request."""

    deltas: AsyncGenerator[Delta, None]
    """As `Provider.stream` yields them, and with its errors."""
    leave: Callable[[], bool] = _is_own
    """Take no more of it. True: the request counts as this turn's, and so do its cost and how it ended."""
    reported: Callable[[], Usage | None] = _nothing
    """What the provider said of its usage, also where this turn did not read as far."""
    is_joined: bool = False
    """Another turn made the request, and this one has what comes of it too."""
    once: Callable[[Callable[[], bool]], bool] = _decide
    """Decides something once for all turns that share the request, such as whether it may be made once more."""
    chance: float | None = None
    """Between 0 and 1, the same for all of them, so that they meet again; None: nobody to meet."""


OpenUpstream = Callable[[Deployment, ProviderRequest], AbstractAsyncContextManager[Upstream]]
"""Makes a request; entering waits for leave to make it, and raises `NoFreePlace` where there is none in time."""


@asynccontextmanager
async def ask_directly(deployment: Deployment, request: ProviderRequest) -> AsyncIterator[Upstream]:
    """Make a request at once, for one turn alone."""
    async with aclosing(deployment.provider.stream(request)) as deltas:
        yield Upstream(deltas)

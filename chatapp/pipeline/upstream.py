"""Putting a turn's request to a provider: in a place of the provider's, and once for all who ask the same."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from chatapp.cache import single_flight
from chatapp.domain import Usage
from chatapp.errors import TooManyInFlight
from chatapp.limits.concurrency import ProviderLimit, needs_no_place, provider_place
from chatapp.limits.fair_queue import Claim
from chatapp.limits.places import OnWait
from chatapp.pipeline.gauge import likely_text_tokens, likely_tokens
from chatapp.pipeline.turn import Turn
from chatapp.providers.base import Delta, ProviderRequest
from chatapp.routing.route import Deployment
from chatapp.routing.upstream import NoFreePlace, Upstream
from chatapp.store.turn_log import Superseded


def provider_limit(deployment: Deployment) -> ProviderLimit | None:
    """How many things the deployment's provider is asked at once; None: any number."""
    if deployment.max_concurrent is None:
        return None
    return ProviderLimit(deployment.provider_name, deployment.max_concurrent)


def claim_of(turn: Turn) -> Claim:
    """Whose places a turn's are."""
    return Claim.of(turn.actor, turn.lane)


@asynccontextmanager
async def upstream_for(turn: Turn, deployment: Deployment, request: ProviderRequest) -> AsyncIterator[Upstream]:
    """Put the request for an answer to a provider, for this turn and those that ask the same at the moment.

    Readers are told of a wait. Nothing is shared where the turn wants an answer of its own.

    Raises:
        NoFreePlace: the provider has no place in time.
    """
    if deployment.provider.quotes:
        async with aclosing(deployment.provider.stream(request)) as deltas:
            yield Upstream(deltas)
        return
    reader = _Reader(turn, deployment)
    try:
        if not turn.may_share:
            async with asked_alone(turn, deployment, request, on_wait=reader.tell) as deltas:
                yield Upstream(deltas)
            return
        key = single_flight.key_of(turn.actor.tenant_id, deployment.key, request)
        async with single_flight.joined(
            key, lambda: asked_alone(turn, deployment, request, on_wait=reader.tell)
        ) as seat:
            if seat.is_joined and (limit := provider_limit(deployment)) is not None:
                needs_no_place(claim_of(turn), limit)
            yield Upstream(seat.deltas(), seat.leave, seat.reported, seat.is_joined, seat.once, seat.chance)
    finally:
        reader.is_there = False


@asynccontextmanager
async def asked_alone(
    turn: Turn, deployment: Deployment, request: ProviderRequest, *, on_wait: OnWait | None = None
) -> AsyncIterator[AsyncGenerator[Delta, None]]:
    """Put a request to a provider for one turn alone, in one of the provider's places.

    Raises:
        NoFreePlace: the provider has no place in time.
    """
    async with AsyncExitStack() as stack:
        limit = provider_limit(deployment)
        if limit is not None:
            try:
                await stack.enter_async_context(provider_place(claim_of(turn), limit, on_wait=on_wait))
            except TooManyInFlight as error:
                raise NoFreePlace(retry_after_seconds=error.retry_after_seconds) from error
        yield await stack.enter_async_context(aclosing(deployment.provider.stream(request)))


async def tell_wait(turn: Turn, why: str, number: int) -> None:
    """Tell a turn's readers that it waits.

    Args:
        turn: which.
        why: a sentence.
        number: how many are served before it, itself included.
    """
    place = "next" if number == 1 else f"number {number:,}"
    text = f"{why} Your question is {place}."
    await turn.writer.emit("status", {"stage": "wait", "text": text, "position": number})


async def whole_text(turn: Turn, request: ProviderRequest) -> tuple[str, Usage]:
    """Put a request to who is asked first, for the turn itself and not for its readers.

    Returns:
        the text and its tokens, counted here where the provider reports none.

    Raises:
        UpstreamError: it failed, or has no place in time.
    """
    pieces: list[str] = []
    usage: Usage | None = None
    async with asked_alone(turn, turn.deployment, request) as stream:
        async for delta in stream:
            pieces.append(delta.text)
            usage = delta.usage or usage
    text = "".join(pieces)
    sent = likely_tokens(request.model, [message.content for message in request.messages])
    return text, usage or Usage(sent, likely_text_tokens(request.model, text), is_estimated=True)


class _Reader:
    """The readers of one turn, told of the wait for a request that may outlive it."""

    def __init__(self, turn: Turn, deployment: Deployment) -> None:
        self.is_there = True
        self._turn = turn
        self._deployment = deployment

    async def tell(self, number: int) -> None:
        if not self.is_there:
            return
        with contextlib.suppress(Superseded):
            await tell_wait(self._turn, f"{self._deployment.model} has much to do.", number)

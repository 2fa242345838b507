"""Going through a route until somebody answers: retries, breakers, fallbacks, and going on in mid-answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from chatapp.domain import Usage
from chatapp.errors import (
    AnswerUnusable,
    OutputInvalid,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    UpstreamError,
)
from chatapp.providers.base import Delta, ProviderRequest
from chatapp.routing import balance
from chatapp.routing.breaker import Permit, breaker_of
from chatapp.routing.continuation import Continuation
from chatapp.routing.retries import Again, again_after, budget_of
from chatapp.routing.route import Deployment, Route
from chatapp.routing.upstream import NoFreePlace, OpenUpstream, Upstream, ask_directly


@dataclass(frozen=True, slots=True)
class Wish:
    """How a request differs from the first one of a turn."""

    reduction: int = 0
    """How often the prompt was made shorter: 0 is the whole one."""
    problem: str = ""
    """What was wrong with the answer before, to be said in the prompt."""
    written: str = ""
    """The answer so far, as the models wrote it, to be continued."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to one deployment, for the trace."""

    provider: str
    model: str
    start_ms: float
    duration_ms: float
    outcome: str
    """`answered`, `failed`, `stopped`, `skipped` where the breaker was open, or `escalated` where the answer would not
    do."""
    error: str = ""
    """The error's code; empty where there was none."""
    message: str = ""
    text_offset: int = 0
    """Characters other models had written when this one began."""
    usage: Usage | None = None
    is_shared: bool = False
    """The request was another turn's too, and counts as that one's: here it cost nothing."""

    def later(self, offset_ms: float) -> Attempt:
        """The attempt counted from a moment so much earlier."""
        return replace(self, start_ms=self.start_ms + offset_ms)

    def as_json(self) -> dict[str, Any]:
        """The attempt as the trace keeps it."""
        return {
            "provider": self.provider,
            "model": self.model,
            "start_ms": round(self.start_ms, 1),
            "duration_ms": round(self.duration_ms, 1),
            "outcome": self.outcome,
            "error": self.error,
            "message": self.message,
            "text_offset": self.text_offset,
            "single_flight": self.is_shared,
        }


RequestFor = Callable[[Deployment, Wish], Awaitable[ProviderRequest | None]]
"""Makes the request; None: this deployment cannot do what is wished, such as to continue an answer."""

Check = Callable[[str], Awaitable[str]]
"""What is wrong with a whole answer; empty: nothing."""

Estimate = Callable[[ProviderRequest, str], Usage]
"""Tokens of a request and of the text it brought, where the provider reported none."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one turn waits."""

    first_token_seconds: float
    """For the first text of each request."""
    answer_seconds: float
    """For everything together."""


class _Resting(ProviderUnavailable):
    """The model is resting after several failures. Try again in a moment."""


class _CannotContinue(Exception):
    """The deployment cannot go on with an answer that somebody else began."""


@dataclass(slots=True)
class Chain:
    """One turn's way along its route."""

    route: Route
    request_for: RequestFor
    estimate: Estimate
    patience: Patience
    on_begin: Callable[[Deployment, str], Awaitable[None]]
    """Told of every request before it goes out: who is asked, and what is written already."""
    ends_on: tuple[type[UpstreamError], ...] = ()
    """Failures before any text that end it at once: somebody else knows whom to ask then."""
    check: Check | None = None
    """Where there is one, an answer is held until it has passed; None: its text comes as it is written."""
    open_upstream: OpenUpstream = ask_directly
    """Makes a request, after a wait where there has to be one."""
    attempts: list[Attempt] = field(default_factory=list)
    written: str = ""
    """What the models wrote, joined."""
    deployment: Deployment | None = None
    """Whose text comes now, or came last."""
    usage: Usage = field(default_factory=Usage)
    """Of every request that brought text or a report."""
    cost_micro_usd: int = 0
    _started: float = field(default_factory=time.monotonic)
    _wish: Wish = field(default_factory=Wish)
    _upstream: Upstream | None = None
    """The last request."""

    async def stream(self) -> AsyncGenerator[Delta, None]:
        """Ask until somebody answers. Each piece of text comes once, whoever wrote it.

        Yields:
            deltas with text; the last has the finish reason and the usage of the request it ended.

        Raises:
            UpstreamError: nobody answered, or the answer broke off and nobody could go on; the last error.
        """
        last: UpstreamError | None = None
        for deployment in self._candidates():
            async with aclosing(self._ask(deployment)) as deltas:
                try:
                    async for delta in deltas:
                        yield delta
                    return
                except _Resting as error:
                    # Why somebody else failed says more than that this one was not asked.
                    last = last or error
                except UpstreamError as error:
                    last = error
                    if isinstance(error, self.ends_on) and not self.written:
                        break
                except _CannotContinue:
                    continue
            if self._seconds_left() <= 0:
                break
        raise last or ProviderUnavailable("No model can answer at the moment. Try again in a moment.")

    def _candidates(self) -> Iterator[Deployment]:
        yield from self.route.deployments
        if self.deployment is not None and not any(
            attempt.text_offset and attempt.outcome != "skipped" for attempt in self.attempts
        ):
            # Nobody else could go on: the one that broke off may do so with its own answer, once.
            yield self.deployment

    async def _ask(self, deployment: Deployment) -> AsyncGenerator[Delta, None]:
        """One deployment, until it answers, breaks off after some text, or is given up."""
        tries = 0
        wish = Wish(written=self.written)
        while True:
            request = await self.request_for(deployment, wish)
            if request is None:
                raise _CannotContinue
            permit = self._admit(deployment, tries)
            tries += 1
            try:
                async with aclosing(self._attempt(deployment, request, permit, is_first=tries == 1)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except UpstreamError as error:
                again = self._again(deployment, error, tries)
                if again is None or not (again.is_free or self._decide_once(budget_of(deployment.key).spend)):
                    raise
                wish = Wish(wish.reduction + again.is_shorter, _problem_of(error) if again.names_problem else "")
            await asyncio.sleep(again.wait_seconds)

    def _admit(self, deployment: Deployment, tries: int) -> Permit:
        """Leave to ask a deployment, for the first time or once more."""
        breaker = breaker_of(deployment.key)
        permit = breaker.admit()
        if permit is None:
            breaker.counts.skipped += not tries
            self._note(deployment, self._elapsed_ms(), "skipped")
            raise _Resting
        if tries:
            breaker.counts.retries += 1
        else:
            breaker.counts.requests += 1
        return permit

    def _decide_once(self, decision: Callable[[], bool]) -> bool:
        """Decide for all turns that shared the last request."""
        return self._upstream.once(decision) if self._upstream is not None else decision()

    def _again(self, deployment: Deployment, error: UpstreamError, tries: int) -> Again | None:
        has_next = deployment is not self.route.deployments[-1]
        # Who was to go on with an answer has been asked once too often already, and who has no place for this turn has
        # been waited for long enough: the next one goes on.
        again = (
            None
            if self.written or isinstance(error, NoFreePlace)
            else again_after(
                error, tries, has_next=has_next, chance=self._upstream.chance if self._upstream is not None else None
            )
        )
        return again if again is not None and again.wait_seconds < self._seconds_left() else None

    async def _attempt(
        self, deployment: Deployment, request: ProviderRequest, permit: Permit, *, is_first: bool
    ) -> AsyncGenerator[Delta, None]:
        async with AsyncExitStack() as stack:
            began = self._elapsed_ms()
            try:
                self._upstream = upstream = await stack.enter_async_context(self.open_upstream(deployment, request))
            except BaseException as error:
                # Nobody was asked.
                breaker_of(deployment.key).abandoned(permit)
                if isinstance(error, NoFreePlace):
                    self._note(deployment, began, "skipped", error)
                raise
            if is_first and not upstream.is_joined:
                budget_of(deployment.key).earn()
            deltas = await stack.enter_async_context(aclosing(self._relayed(deployment, request, permit, upstream)))
            async for delta in deltas:
                yield delta

    async def _relayed(
        self, deployment: Deployment, request: ProviderRequest, permit: Permit, upstream: Upstream
    ) -> AsyncGenerator[Delta, None]:
        """What comes of a request, and in the end a note of how it ended."""
        began, offset = self._elapsed_ms(), len(self.written)
        outcome, failure, usage, held = "stopped", None, None, ""
        first_text_ms: float | None = None
        if not upstream.is_joined:
            balance.note_begin(deployment.key)
        try:
            await self.on_begin(deployment, self.written)
            async with aclosing(self._deltas(upstream)) as deltas:
                async for delta in deltas:
                    if first_text_ms is None and delta.text:
                        first_text_ms = self._elapsed_ms() - began
                    usage = delta.usage or usage
                    if self.check is not None:
                        held += delta.text
                        if not delta.finish_reason:
                            continue
                        await self._require_form(held, delta.finish_reason)
                        delta = replace(delta, text=held)  # noqa: PLW2901  # the whole in the place of its last piece
                    if delta.text:
                        self.deployment = deployment
                        self.written += delta.text
                    yield delta
            outcome = "answered"
        except UpstreamError as error:
            outcome, failure = "failed", error
            raise
        finally:
            if not upstream.is_joined:
                balance.note_end(deployment.key, None if first_text_ms is None else first_text_ms / 1000)
            is_own = upstream.leave()
            self._report(deployment, permit, outcome if is_own else "stopped", failure)
            usage = usage or upstream.reported()
            if usage is None and (produced := self.written[offset:] or held):
                usage = self.estimate(request, produced)
            self._note(deployment, began, outcome, failure, offset, usage if is_own else None, is_shared=not is_own)

    def _report(self, deployment: Deployment, permit: Permit, outcome: str, error: UpstreamError | None) -> None:
        """Tell the breaker how a request ended; one that many turns share is told of once."""
        breaker = breaker_of(deployment.key)
        if outcome == "answered":
            breaker.succeeded(permit)
        elif error is None or outcome == "stopped" or isinstance(error, ProviderRejected | OutputInvalid):
            # The request or the key was refused, or nothing has the form that was asked for: says nothing about the
            # next request's chances of an answer.
            breaker.abandoned(permit)
        else:
            wait = getattr(error, "retry_after_seconds", None)
            breaker.failed(permit, retry_after_seconds=wait, reason=error.message)

    async def _require_form(self, answer: str, finish_reason: str) -> None:
        # What was cut at the length asked for, or held back by the provider, is not whole for a reason that is told.
        if self.check is not None and finish_reason == "stop" and (problem := await self.check(answer)):
            raise OutputInvalid(f"The model did not answer in the form asked for: {problem}.")

    async def _deltas(self, upstream: Upstream) -> AsyncGenerator[Delta, None]:
        """The stream of one request, each wait within its time, without what was written before."""
        joint = Continuation(self.written) if self.written else None
        first_by = asyncio.get_running_loop().time() + min(self.patience.first_token_seconds, self._seconds_left())
        is_answering = False
        async with aclosing(upstream.deltas) as stream:
            while True:
                until = asyncio.get_running_loop().time() + self._seconds_left() if is_answering else first_by
                try:
                    async with asyncio.timeout_at(until):
                        delta = await anext(stream, None)
                except TimeoutError:
                    raise _too_slow(is_answering=is_answering) from None
                if delta is None:
                    break
                is_answering = is_answering or bool(delta.text)
                text = joint.feed(delta.text) if joint else delta.text
                if delta.finish_reason:
                    text += joint.finish() if joint else ""
                if text or delta.finish_reason:
                    if delta.finish_reason and not is_answering:
                        raise AnswerUnusable("The model returned an empty answer. Try again.")
                    yield Delta(text=text, finish_reason=delta.finish_reason, usage=delta.usage)

    def _note(
        self,
        deployment: Deployment,
        began_ms: float,
        outcome: str,
        error: UpstreamError | None = None,
        offset: int = 0,
        usage: Usage | None = None,
        *,
        is_shared: bool = False,
    ) -> None:
        if usage is not None:
            self.usage += usage
            self.cost_micro_usd += deployment.cost_micro_usd(usage)
        self.attempts.append(
            Attempt(
                provider=deployment.provider_name,
                model=deployment.model,
                start_ms=began_ms,
                duration_ms=self._elapsed_ms() - began_ms,
                outcome=outcome,
                error=error.code if error else "",
                message=error.message if error else "",
                text_offset=offset,
                usage=usage,
                is_shared=is_shared,
            )
        )

    def _elapsed_ms(self) -> float:
        return (time.monotonic() - self._started) * 1000

    def _seconds_left(self) -> float:
        return self.patience.answer_seconds - (time.monotonic() - self._started)


def _problem_of(error: UpstreamError) -> str:
    return error.message if isinstance(error, OutputInvalid) else "The answer was empty or could not be read."


def _too_slow(*, is_answering: bool) -> ProviderTimeout:
    if is_answering:
        return ProviderTimeout("The answer took longer than is allowed and was cut off.")
    return ProviderTimeout("The model did not begin to answer in time. Try again.")

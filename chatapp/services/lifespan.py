"""One lifespan opens every part of a process and closes them in reverse."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

import structlog

from chatapp.limits import attempts
from chatapp.providers import connections, litellm_loop
from chatapp.retrieval import embedder, vector_index
from chatapp.routing import balance, breaker, retries
from chatapp.services import admission, breaker_watch, route_memory, turn_runner
from chatapp.settings import Settings
from chatapp.store import database, files, job_queue, redis, turn_log
from ingest import sandbox

_log = structlog.get_logger(__name__)

ProcessRole = Literal["web", "worker", "command"]

_OBJECTS_BETWEEN_LOOKS = 10_000
"""How many more objects there are before rubbish is looked for among the young ones; Python's own number is 700."""


@asynccontextmanager
async def running(settings: Settings, *, role: ProcessRole) -> AsyncIterator[None]:
    """Open the parts a process of this role needs; close them at the end, the last one first.

    Args:
        settings: the process's settings.
        role: `web` serves people, `worker` ingests and cleans up, `command` does one thing and ends.

    Raises:
        ModelNotPrepared: the embedding model is missing, and the role needs it.
    """
    async with AsyncExitStack() as stack:
        _open_store(stack, settings)
        if role != "command":
            await _open_retrieval(stack, settings, role)
        stack.callback(sandbox.close_sandbox)  # starts by itself when the first file comes
        if role == "web":
            breaker.forget_breakers()
            retries.forget_budgets()
            balance.forget_loads()
            route_memory.forget()
            connections.open_providers()
            stack.push_async_callback(connections.close_providers)
            stack.push_async_callback(litellm_loop.close_litellm_loop)
            breaker_watch.open_breaker_watch()
            stack.push_async_callback(breaker_watch.close_breaker_watch)
            admission.open_admission(settings)
            stack.push_async_callback(admission.close_admission)
            turn_runner.open_turn_runner(settings)
            stack.push_async_callback(turn_runner.close_turn_runner)
        _log.debug("parts.opened", role=role)
        yield


async def warm_up() -> None:
    """Load what the first question would otherwise wait for, some 0.3 s; for a server, inside `running`."""
    await embedder.warm_up()


def settle_memory() -> None:
    """Look for rubbish once among all that was loaded and never again; for a server, before its first request.

    Modules, tables and pages are half a million objects and stay to the end. To go through them takes a fifth of a
    second, in which nothing is answered, and Python would do so every few hundred answers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS, *gc.get_threshold()[1:])


def _open_store(stack: AsyncExitStack, settings: Settings) -> None:
    redis_url = settings.redis_url.get_secret_value()
    database.open_database(settings.effective_database_url)
    stack.push_async_callback(database.close_database)
    files.open_files(settings.data_dir)
    stack.callback(files.close_files)
    if redis_url:
        redis.open_redis(redis_url)
        stack.push_async_callback(redis.close_redis)
    turn_log.open_turn_log(redis.RedisTurnLog() if redis_url else None)
    stack.callback(turn_log.close_turn_log)
    job_queue.open_job_queue(settings.data_dir, redis_url)
    stack.push_async_callback(job_queue.close_job_queue)
    attempts.open_attempts(redis_url)
    stack.push_async_callback(attempts.close_attempts)


async def _open_retrieval(stack: AsyncExitStack, settings: Settings, role: ProcessRole) -> None:
    await vector_index.open_vector_index(settings.chroma_url)
    stack.push_async_callback(vector_index.close_vector_index)
    # A question must not take the cores from the others; a document may have all of them.
    embedder.open_embedder(settings.effective_model_dir, threads=1 if role == "web" else os.cpu_count() or 1)
    stack.callback(embedder.close_embedder)

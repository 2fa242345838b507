"""The process's connections to providers, shared by every kind that asks over HTTP."""

from __future__ import annotations

import httpx

from chatapp.outbound import Policy, Reach, async_client

_MAX_CONNECTIONS = 1_000
_KEEPALIVE_CONNECTIONS = 100
_KEEPALIVE_SECONDS = 60


class _Clients:
    """The connection pools; opened and closed by the lifespan."""

    by_reach: dict[Reach, httpx.AsyncClient] = {}  # noqa: RUF012  # one set a process is what this is


def open_providers() -> None:
    """Make the connection pools, one for each reach: what one may reach is not lent to another.

    Connections are opened when first needed.
    """
    limits = httpx.Limits(
        max_connections=_MAX_CONNECTIONS,
        max_keepalive_connections=_KEEPALIVE_CONNECTIONS,
        keepalive_expiry=_KEEPALIVE_SECONDS,
    )
    _Clients.by_reach = {reach: async_client(policy_of(reach), limits=limits) for reach in Reach}


async def close_providers() -> None:
    """Close every connection to a provider."""
    clients, _Clients.by_reach = _Clients.by_reach, {}
    for client in clients.values():
        await client.aclose()


def client_of(reach: Reach) -> httpx.AsyncClient:
    """The pool for addresses that lead so far.

    Raises:
        RuntimeError: the lifespan has not opened it.
    """
    if not _Clients.by_reach:
        raise RuntimeError("the providers are not open: run inside the lifespan")
    return _Clients.by_reach[reach]


def policy_of(reach: Reach) -> Policy:
    """What a provider's address must be like."""
    return Policy(reach=reach, advice="The operator can allow that with CHATAPP_ALLOW_PRIVATE_PROVIDERS=1.")

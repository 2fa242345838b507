"""Asking an address: looked up once, checked, and connected to as checked.

The check sits where the socket is opened, below everything that reads addresses, redirects or proxies: there is no
second look-up that could give something else, and no request that goes another way. `Host`, the name TLS asks for and
the certificate it insists on stay those of the name.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any, cast

import httpcore
import httpx

from chatapp.errors import ProviderTimeout, ProviderUnavailable, UpstreamError
from chatapp.outbound.addresses import (
    AddressRefused,
    IPAddress,
    Policy,
    check_address,
    check_url,
    checked_url,
    literal_of,
)

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the network addresses of a name and port, best first; raises `OSError` where there are none."""

MAX_REDIRECTS = 5
DEFAULT_MAX_BYTES = 1024 * 1024
DEFAULT_TIMEOUT_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


class ResponseTooLarge(UpstreamError):
    """The server sent more than is read of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    url: str
    """Where it came from, behind all redirects."""
    status_code: int
    headers: Mapping[str, str]
    content: bytes


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system, as any program does."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def async_client(
    policy: Policy,
    *,
    resolve: Resolver = system_resolver,
    limits: httpx.Limits | None = None,
    max_bytes: int | None = None,
    timeout: httpx.Timeout | float = DEFAULT_TIMEOUT_SECONDS,
) -> httpx.AsyncClient:
    """A client that reaches only what the policy allows. It follows no redirect and asks no proxy.

    One client has one policy: a connection kept open for one must not serve a request under another.

    Args:
        policy: what may be asked.
        resolve: looks names up; another one in tests only.
        limits: how many connections it keeps.
        max_bytes: the longest answer; None: any length, for streams whose reader sets a limit itself.
        timeout: for each step of a request, in seconds.
    """
    transport = _CheckedTransport(policy, resolve, limits or httpx.Limits(), max_bytes)
    return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False, timeout=timeout)


async def check_reachable(text: str, policy: Policy, *, resolve: Resolver = system_resolver) -> httpx.URL:
    """Check an address somebody wants kept, its name's network addresses included, without asking it anything.

    It is checked again each time it is asked: this one tells whoever writes it at once.

    Raises:
        AddressRefused: it may not be asked, or its name is not known.
    """
    url = checked_url(text, policy)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await _checked_addresses(url.raw_host.decode("ascii"), url.port or _port_of(url), policy, resolve)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"No server is known by the name {url.host}. Check the address.") from error
    return url


async def fetch(
    text: str,
    policy: Policy,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    resolve: Resolver = system_resolver,
    max_bytes: int = DEFAULT_MAX_BYTES,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> Answer:
    """Ask an address and read the whole answer.

    Redirects are followed for a plain request only, each checked like the address itself; credentials go to no other
    origin, and nothing goes from https to http. With a body a redirect is the answer: what it holds goes nowhere else.

    Args:
        text: the address.
        policy: what may be asked.
        headers: sent along.
        body: makes it a POST; None: a GET.
        resolve: looks names up; another one in tests only.
        max_bytes: longest answer that is read.
        timeout_seconds: for everything together, redirects included.

    Raises:
        AddressRefused: the address, or one it redirects to, may not be asked.
        ProviderTimeout: it took too long.
        ProviderUnavailable: no connection, or it broke off.
        ResponseTooLarge: more than `max_bytes` came.
    """
    url = checked_url(text, policy)
    sent = dict(headers or {})
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            async_client(policy, resolve=resolve, max_bytes=max_bytes, timeout=timeout_seconds) as client,
        ):
            if body is not None:
                return _answer(await client.post(url, headers=sent, content=body))
            for _ in range(MAX_REDIRECTS + 1):
                response = await client.get(url, headers=sent)
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or location is None:
                    return _answer(response)
                # What one server set is not for the next.
                client.cookies.clear()
                url, sent = _next(url, location, sent, policy)
    except (httpx.TimeoutException, TimeoutError) as error:
        raise ProviderTimeout(f"{url.host} did not answer in time. Try again.") from error
    except httpx.InvalidURL as error:
        # The client reads where a redirect leads, though it does not go there.
        raise AddressRefused("The address leads on to something that is no address.") from error
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"{url.host} cannot be reached. Check the address.") from error
    raise AddressRefused(f"The address leads on more than {MAX_REDIRECTS} times. Give the one it ends at.")


def _answer(response: httpx.Response) -> Answer:
    return Answer(str(response.url), response.status_code, response.headers, response.content)


def _next(url: httpx.URL, location: str, headers: dict[str, str], policy: Policy) -> tuple[httpx.URL, dict[str, str]]:
    """Where a redirect leads, and what is sent there."""
    try:
        joined = str(url.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused("The address leads on to something that is no address.") from error
    following = checked_url(joined, policy)
    if url.scheme == "https" and following.scheme != "https":
        raise AddressRefused("The address leads from https on to http.")
    if _origin(url) != _origin(following):
        headers = {name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS}
    return following, headers


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _port_of(url)


def _port_of(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


class _CheckedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over connections that are opened here."""

    def __init__(self, policy: Policy, resolve: Resolver, limits: httpx.Limits, max_bytes: int | None) -> None:
        # httpx takes no network backend, so its pool is made here, as its own constructor makes it; the tests hold
        # the wall against a canary, and would show it if a new version read another name.
        self._policy = policy
        self._max_bytes = max_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_CheckedBackend(policy, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        check_url(request.url, self._policy)
        if self._max_bytes is None:
            return await super().handle_async_request(request)
        # Unpacked, a small answer can be a large one.
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx.DecodingError("the answer is packed, which was not asked for", request=request)
        response.stream = _LimitedStream(cast("httpx.AsyncByteStream", response.stream), self._max_bytes)
        return response


class _LimitedStream(httpx.AsyncByteStream):
    """An answer's bytes, up to a number of them."""

    def __init__(self, stream: httpx.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._left -= len(piece)
            if self._left < 0:
                raise ResponseTooLarge
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections, to checked addresses only."""

    def __init__(self, policy: Policy, resolve: Resolver) -> None:
        self._policy = policy
        self._resolve = resolve
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the name is the base class's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the name's addresses that answers; refuse all if one of them is refused."""
        ends = asyncio.get_running_loop().time() + (timeout or _CONNECT_SECONDS)
        try:
            async with asyncio.timeout_at(ends):
                addresses = await _checked_addresses(host, port, self._policy, self._resolve)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not looked up in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for position, address in enumerate(addresses):
            # What is left of the time is shared, so that one address that stays silent leaves some for the next.
            share = (ends - asyncio.get_running_loop().time()) / (len(addresses) - position)
            try:
                return _Stream(
                    await self._inner.connect_tcp(str(address), port, max(share, 0.001), local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Refuse: nobody's wish is a file of this machine."""
        raise AddressRefused(f"{path} is no address on a network.")

    async def sleep(self, seconds: float) -> None:
        """Wait, for the pool's own retries, of which there are none."""
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that is quick to say whether its other end has closed it.

    The pool asks that of each connection it does not use, for every request, and with many it takes longer than the
    request: the usual stream looks up all there is to know of its socket first.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._socket: socket.socket = inner.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _has_something(self._socket.fileno())
        return self._inner.get_extra_info(info)


def _has_something(descriptor: int) -> bool:
    """Whether there is something to read: the end, on a connection that is not used. -1: it is closed here already."""
    if descriptor < 0:
        return True
    look = select.poll()
    look.register(descriptor, select.POLLIN)
    return bool(look.poll(0))


async def _checked_addresses(host: str, port: int, policy: Policy, resolve: Resolver) -> list[IPAddress]:
    literal = literal_of(host)
    addresses = [literal] if literal is not None else [ip_address(text) for text in await resolve(host, port)]
    for address in addresses:
        # One refused address among good ones is no accident: which of them is taken would be up to chance.
        check_address(address, policy)
    return addresses


@cache
def _tls() -> ssl.SSLContext:
    # The authorities that come with httpx, and those the machine trusts: an organisation's own stands among these.
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import httpcore
import httpx
import pytest

from chatapp.errors import AppError, ProviderTimeout, ProviderUnavailable
from chatapp.outbound import (
    AddressRefused,
    Policy,
    Reach,
    ResponseTooLarge,
    async_client,
    check_reachable,
    fetch,
    system_resolver,
)
from chatapp.outbound import client as outbound_client
from tests.fixtures.certificates import make_certificate

PUBLIC = Policy(advice="Allow it.")
PRIVATE = Policy(reach=Reach.PRIVATE)
ANY = Policy(reach=Reach.ANY)
PUBLIC_ADDRESS = "93.184.216.34"

NAMES = {
    "public.example": [PUBLIC_ADDRESS],
    "second.example": ["93.184.216.35"],
    "loop.example": ["127.0.0.1"],
    "loop6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "ten.example": ["10.1.2.3"],
    "metadata.example": ["169.254.169.254"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::1"],
    "zero.example": ["0.0.0.0"],
    "scoped.example": ["fe80::1%1"],
    "mixed.example": [PUBLIC_ADDRESS, "127.0.0.1"],
    "mixed6.example": ["2600::1", "::1"],
    "xn--lcalhost-nbh.example": ["127.0.0.1"],
}


async def resolve(host: str, _: int) -> Sequence[str]:
    """Known names, and numbers as the C library reads them."""
    if host in NAMES:
        return NAMES[host]
    with contextlib.suppress(OSError):
        return [socket.inet_ntoa(socket.inet_aton(host))]
    if host.rstrip(".").endswith("localhost"):
        return ["127.0.0.1"]
    raise socket.gaierror("unknown")


class Server:
    """A server on loopback: answers as told and counts who came."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.answer: Callable[[bytes], Awaitable[bytes] | bytes] = lambda _: ok(b"reached")
        self.open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            answer = self.answer(request)
            writer.write(answer if isinstance(answer, bytes) else await answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.open.discard(task)

    async def end(self) -> None:
        for task in (waiting := list(self.open)):
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def ok(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def redirect(where: str, status: int = 302) -> bytes:
    return b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, where.encode())


@contextlib.asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on every loopback address of the machine."""
    own = Server()
    listener = await asyncio.start_server(own.serve, "127.0.0.1", 0, ssl=tls)
    own.port = listener.sockets[0].getsockname()[1]
    others = []
    for host in ("::1", "127.7.7.7"):
        with contextlib.suppress(OSError):
            others.append(await asyncio.start_server(own.serve, host, own.port, ssl=tls))
    try:
        yield own
    finally:
        for each in (listener, *others):
            each.close()
        await own.end()


@pytest.fixture
async def canary() -> AsyncIterator[Server]:
    """What no wish may reach."""
    async with listening() as server:
        yield server


@pytest.fixture
async def internet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server behind the public addresses, whatever the port; `dialled` has every address a connection went to."""
    dial = httpcore.AnyIOBackend.connect_tcp
    async with listening() as server:
        server.dialled = []  # type: ignore[attr-defined]

        async def connect(self, host, port, *others, **named):
            server.dialled.append(host)  # type: ignore[attr-defined]
            if host.startswith("93.184.216."):
                host, port = "127.0.0.1", server.port
            return await dial(self, host, port, *others, **named)

        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
        yield server


VECTORS = [
    # Loopback as it is written by honest people
    *("http://127.0.0.1:{p}/", "http://127.7.7.7:{p}/", "http://localhost:{p}/", "http://LOCALHOST:{p}/"),
    *("http://[::1]:{p}/", "http://[0:0:0:0:0:0:0:1]:{p}/", "http://[0000::0001]:{p}/", "http://a.localhost:{p}/"),
    *("http://localhost.localdomain:{p}/", "http://ip6-localhost:{p}/", "http://intranet:{p}/"),
    # Numbers some readers take for an address
    *("http://2130706433:{p}/", "http://0x7f000001:{p}/", "http://0x7F.0.0.1:{p}/", "http://017700000001:{p}/"),
    *("http://0177.0.0.1:{p}/", "http://127.1:{p}/", "http://127.0.1:{p}/", "http://0:{p}/", "http://127.0.0.01:{p}/"),
    *("http://0x7f.0x0.0x0.0x1:{p}/", "http://127.0.0.0x1:{p}/", "http://00000000177.0.0.1:{p}/"),
    # IPv4 in the dresses of IPv6
    *("http://[::ffff:127.0.0.1]:{p}/", "http://[::ffff:7f00:1]:{p}/", "http://[0:0:0:0:0:ffff:7f00:0001]:{p}/"),
    *("http://[::127.0.0.1]:{p}/", "http://[::ffff:0:127.0.0.1]:{p}/", "http://[64:ff9b::127.0.0.1]:{p}/"),
    *("http://[64:ff9b:1::7f00:1]:{p}/", "http://[2002:7f00:1::]:{p}/", "http://[2001:0:0:0:0:0:80ff:fffe]:{p}/"),
    # Everywhere, nowhere, and zones
    *("http://0.0.0.0:{p}/", "http://[::]:{p}/", "http://[::1%25lo]:{p}/", "http://[fe80::1%25eth0]:{p}/"),
    *("http://[::1%lo]:{p}/", "http://255.255.255.255:{p}/"),
    # Dots, widths and letters that only look alike
    *("http://127.0.0.1.:{p}/", "http://localhost.:{p}/", "http://１２７.０.０.１:{p}/", "http://127。0。0。1:{p}/"),  # noqa: RUF001
    *("http://ⓛocalhost:{p}/", "http://loc\u00adalhost:{p}/", "http://lоcalhost.example:{p}/", "http://①②⑦.0.0.1:{p}/"),  # noqa: RUF001
    *("http://127.0.0.1%00.public.example:{p}/", "http://%31%32%37.0.0.1:{p}/", "http://%6cocalhost:{p}/"),
    # Two readers, two servers
    *("http://public.example@127.0.0.1:{p}/", "http://127.0.0.1:{p}@public.example/", "http://a:b@public.example/"),
    *("http://public.example\\@127.0.0.1:{p}/", "http://127.0.0.1:{p}\\@public.example/", "http:\\\\127.0.0.1:{p}/"),
    *("http://public.example #@127.0.0.1:{p}/", "http://public.example\t@127.0.0.1:{p}/", "http://@127.0.0.1:{p}/"),
    *("http://127.0.0.1:{p}\r\nHost: public.example/", "http://public.example\x00@127.0.0.1:{p}/"),
    *("http://[::1]public.example:{p}/", "http:///127.0.0.1:{p}/", "http:127.0.0.1:{p}/", "//127.0.0.1:{p}/"),
    # Other schemes
    *("file:///etc/passwd", "gopher://127.0.0.1:{p}/_GET", "ftp://127.0.0.1:{p}/", "unix:///var/run/docker.sock"),
    *("http+unix://%2Fvar%2Frun%2Fdocker.sock/", "data:text/plain,hello", "javascript:alert(1)"),
    # Other services' ports
    *("http://public.example:22/", "http://public.example:25/", "http://public.example:0/"),
    # Where clouds keep a machine's secrets
    *("http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://100.100.100.200/"),
    *("http://metadata.google.internal/", "http://169.254.170.2/", "http://192.0.0.192/", "http://2852039166/"),
    # The networks around
    *("http://10.0.0.1/", "http://172.16.5.4/", "http://192.168.0.1/", "http://100.64.0.1/", "http://[fd12::1]/"),
    *("http://224.0.0.1/", "http://printer.local/", "http://router.lan/"),
    # Names that lead there
    *(f"http://{name}:{{p}}/" for name in NAMES if name not in {"public.example", "second.example"}),
]


def test_there_are_enough_vectors() -> None:
    assert len(set(VECTORS)) >= 60


@pytest.mark.parametrize("vector", VECTORS)
async def test_no_wish_reaches_the_canary(canary: Server, vector: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        await fetch(vector.replace("{p}", str(canary.port)), PUBLIC, resolve=resolve)

    assert canary.requests == []
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.isascii() and not set("\r\n\x00") & set(v)])
async def test_none_reaches_it_through_a_redirect_either(internet: Server, canary: Server, vector: str) -> None:
    where = vector.replace("{p}", str(canary.port))
    internet.answer = lambda _: redirect(where)

    # What one reader takes for a path stays on the server that sent it, which sends it again until it is too much.
    with pytest.raises((AddressRefused, ProviderUnavailable)):
        await fetch("http://public.example/", PUBLIC, resolve=resolve)

    assert canary.requests == []
    assert set(internet.dialled) == {PUBLIC_ADDRESS}  # type: ignore[attr-defined]


async def test_the_canary_can_be_reached_by_whoever_may(canary: Server) -> None:
    for policy in (PRIVATE, ANY):
        answer = await fetch(f"http://loop.example:{canary.port}/", policy, resolve=resolve)
        assert (answer.status_code, answer.content) == (200, b"reached")
    assert len(canary.requests) == 2


async def test_a_name_that_changes_its_mind_stays_what_was_checked(internet: Server, canary: Server) -> None:
    asked = []

    async def rebinding(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return [PUBLIC_ADDRESS] if len(asked) == 1 else ["127.0.0.1"]

    answer = await fetch(f"http://rebind.example:{canary.port}/", PUBLIC, resolve=rebinding)
    with pytest.raises(AddressRefused):
        await fetch(f"http://rebind.example:{canary.port}/", PUBLIC, resolve=rebinding)

    assert answer.content == b"reached"
    assert asked == ["rebind.example", "rebind.example"]
    assert internet.dialled == [PUBLIC_ADDRESS]  # type: ignore[attr-defined]
    assert canary.requests == []


async def test_a_name_that_changes_its_mind_between_redirects_is_refused(internet: Server, canary: Server) -> None:
    asked = []

    async def rebinding(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return [PUBLIC_ADDRESS] if len(asked) == 1 else ["127.0.0.1"]

    internet.answer = lambda _: redirect(f"http://rebind.example:{canary.port}/again")
    with pytest.raises(AddressRefused):
        await fetch("http://rebind.example/", PUBLIC, resolve=rebinding)

    assert canary.requests == []


async def test_the_server_is_still_asked_by_its_name(internet: Server) -> None:
    await fetch("http://public.example:8080/path?q=1", PUBLIC, resolve=resolve)

    request = internet.requests[0].lower()
    assert request.startswith(b"get /path?q=1 ")
    assert b"host: public.example:8080" in request


async def test_credentials_stay_with_their_origin(internet: Server) -> None:
    answers = iter([redirect("/same"), redirect("http://second.example/other"), ok(b"done")])
    internet.answer = lambda _: next(answers)

    answer = await fetch(
        "http://public.example/",
        PUBLIC,
        headers={"Authorization": "Bearer secret", "Accept": "application/json"},
        resolve=resolve,
    )

    assert answer.url == "http://second.example/other"
    assert [b"secret" in request for request in internet.requests] == [True, True, False]
    assert all(b"application/json" in request for request in internet.requests)


async def test_cookies_of_one_server_do_not_go_to_the_next(internet: Server) -> None:
    answers = iter([redirect("http://public.example/2").replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n"), ok(b"")])
    internet.answer = lambda _: next(answers)
    await fetch("http://public.example/", PUBLIC, resolve=resolve)
    assert not any(b"cookie" in request.lower() for request in internet.requests)


async def test_a_body_goes_nowhere_else(internet: Server) -> None:
    internet.answer = lambda _: redirect("http://second.example/", 307)

    answer = await fetch("http://public.example/token", PUBLIC, body=b"secret=s", resolve=resolve)

    assert answer.status_code == 307
    assert len(internet.requests) == 1


async def test_redirects_end(internet: Server) -> None:
    internet.answer = lambda _: redirect("/again")
    with pytest.raises(AddressRefused, match="more than 5 times"):
        await fetch("http://public.example/", PUBLIC, resolve=resolve)
    assert len(internet.requests) == 6


async def test_a_long_answer_is_not_read_to_its_end(internet: Server) -> None:
    internet.answer = lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000
    with pytest.raises(ResponseTooLarge):
        await fetch("http://public.example/", PUBLIC, resolve=resolve, max_bytes=100_000)


async def test_a_packed_answer_is_not_unpacked(internet: Server) -> None:
    internet.answer = lambda _: ok(b"\x1f\x8b", b"Content-Encoding: gzip")
    with pytest.raises(ProviderUnavailable):
        await fetch("http://public.example/", PUBLIC, resolve=resolve)


async def test_a_silent_server_and_a_silent_resolver_end_in_time(internet: Server) -> None:
    async def never(_: object, __: object = None) -> bytes:
        await asyncio.Event().wait()
        return b""

    internet.answer = never
    for resolver in (resolve, never):
        with pytest.raises(ProviderTimeout):
            await fetch("http://public.example/", PUBLIC, resolve=resolver, timeout_seconds=0.2)  # type: ignore[arg-type]


async def test_an_unknown_name_is_said(internet: Server) -> None:
    with pytest.raises(ProviderUnavailable, match=r"unknown\.example"):
        await fetch("http://unknown.example/", PUBLIC, resolve=resolve)
    with pytest.raises(AddressRefused, match=r"unknown\.example"):
        await check_reachable("http://unknown.example/", PUBLIC, resolve=resolve)


async def test_an_address_can_be_checked_without_being_asked(internet: Server, canary: Server) -> None:
    assert (await check_reachable("https://public.example/v1", PUBLIC, resolve=resolve)).host == "public.example"
    for name in ("loop.example", "mixed.example", "metadata.example"):
        with pytest.raises(AddressRefused):
            await check_reachable(f"https://{name}/v1", PUBLIC, resolve=resolve)
    assert internet.dialled == []  # type: ignore[attr-defined]


async def test_the_next_address_of_a_name_is_tried(canary: Server) -> None:
    async def two(*_: object) -> Sequence[str]:
        return ["127.9.9.9", "127.0.0.1"]

    answer = await fetch(f"http://two.example:{canary.port}/", PRIVATE, resolve=two)
    assert answer.content == b"reached"


async def test_the_environments_proxies_are_not_asked(
    internet: Server, canary: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    await fetch("http://public.example/", PUBLIC, resolve=resolve)
    assert canary.requests == []


async def test_a_client_checks_each_request_and_each_connection(internet: Server, canary: Server) -> None:
    async with async_client(PUBLIC, resolve=resolve) as client:
        assert (await client.get("http://public.example/")).content == b"reached"
        for address in (
            f"http://127.0.0.1:{canary.port}",
            f"http://loop.example:{canary.port}",
            "http://a@public.example",
        ):
            with pytest.raises(AddressRefused):
                await client.get(address)
    assert canary.requests == []


async def test_a_client_follows_no_redirect(internet: Server) -> None:
    internet.answer = lambda _: redirect("http://second.example/")
    async with async_client(PUBLIC, resolve=resolve) as client:
        assert (await client.get("http://public.example/")).status_code == 302


async def test_an_operators_own_name_is_looked_up_by_the_system(canary: Server) -> None:
    assert await system_resolver("127.0.0.1", canary.port) == ["127.0.0.1"]
    assert (await fetch(f"http://localhost:{canary.port}/", ANY)).content == b"reached"


async def test_https_insists_on_the_names_own_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path, "idp.example")
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate, key)
    asked_for: list[str | None] = []
    server_side.sni_callback = lambda _, name, __: asked_for.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(outbound_client, "_tls", lambda: trusting)

    async def loopback(*_: object) -> Sequence[str]:
        return ["127.0.0.1"]

    async with listening(server_side) as server:
        answer = await fetch(f"https://idp.example:{server.port}/", PRIVATE, resolve=loopback)
        with pytest.raises(ProviderUnavailable):
            await fetch(f"https://other.example:{server.port}/", PRIVATE, resolve=loopback)

    assert answer.content == b"reached"
    assert asked_for == ["idp.example", "other.example"]


async def test_nothing_goes_from_https_on_to_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path, "idp.example")
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(outbound_client, "_tls", lambda: trusting)

    async with listening(server_side) as server, listening() as plain:
        server.answer = lambda _: redirect(f"http://loop.example:{plain.port}/")
        NAMES["idp.example"] = ["127.0.0.1"]
        with pytest.raises(AddressRefused, match="https on to http"):
            await fetch(f"https://idp.example:{server.port}/", PRIVATE, resolve=resolve)
        assert plain.requests == []


async def test_a_machines_own_authorities_are_trusted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path, "idp.example")
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    outbound_client._tls.cache_clear()
    try:
        async with listening(server_side) as server:
            answer = await fetch(f"https://idp.example:{server.port}/", PRIVATE, resolve=lambda *_: _loopback())
    finally:
        outbound_client._tls.cache_clear()
    assert answer.content == b"reached"


async def _loopback() -> Sequence[str]:
    return ["127.0.0.1"]


async def test_files_of_this_machine_are_no_addresses() -> None:
    with pytest.raises(AddressRefused):
        await outbound_client._CheckedBackend(ANY, resolve).connect_unix_socket("/var/run/docker.sock")


def test_every_refusal_is_one_of_our_errors() -> None:
    assert issubclass(AddressRefused, AppError)
    assert not issubclass(AddressRefused, httpx.HTTPError)

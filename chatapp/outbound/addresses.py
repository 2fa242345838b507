"""Which addresses may be asked on somebody's wish.

An address is read once, by the library that also makes the request, so no two readers can differ. Whatever two
readers could take for two things is refused: backslashes, user names, numbers in place of a name.

Sources: the registries https://www.iana.org/assignments/iana-ipv4-special-registry and `iana-ipv6-special-registry`;
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html;
the "ends in a number" check of https://url.spec.whatwg.org/#ends-in-a-number-checker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import httpx

from chatapp.errors import InvalidInput

IPAddress = IPv4Address | IPv6Address

MAX_URL_CHARACTERS = 2_048
_MAX_NAME_CHARACTERS = 253
_FIRST_FREE_PORT = 1_024
_WEB_PORTS = (80, 443)
_ODD = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\"<>^`{|}]")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_LOCAL_NAMES = (".localhost", ".localdomain", ".local", ".internal", ".home.arpa", ".lan")


class AddressRefused(InvalidInput):
    """This address may not be asked."""


class Reach(IntEnum):
    """How far in an address leads, or may lead."""

    PUBLIC = 0
    """The open internet."""
    PRIVATE = 1
    """This machine and the networks around it, but for what hands out the machine's own secrets."""
    ANY = 2
    """Everything, link-local and reserved addresses too: for what the operator wrote into the environment."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an address must be like to be asked."""

    reach: Reach = Reach.PUBLIC
    schemes: frozenset[str] = frozenset({"http", "https"})
    advice: str = ""
    """Said to whoever is refused because an address is private: how the operator allows it."""


def checked_url(text: str, policy: Policy) -> httpx.URL:
    """Read an address and check all that can be seen without looking its name up.

    Args:
        text: as somebody wrote it, or as a server sent it.
        policy: what it must be like.

    Raises:
        AddressRefused: it is none, or one that may not be asked; the sentence says what to write instead.
    """
    if not 0 < len(text) <= MAX_URL_CHARACTERS or _ODD.search(text):
        raise AddressRefused(
            f"An address has 1 to {MAX_URL_CHARACTERS} characters and no spaces, backslashes or quotation marks."
        )
    authority = re.split(r"[/?#]", text.partition("//")[2], maxsplit=1)[0]
    if "%" in authority:
        raise AddressRefused("Write the address without percent signs and zones in the server's name.")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused("This is no address. One looks like https://login.example.org.") from error
    check_url(url, policy)
    return url


def check_url(url: httpx.URL, policy: Policy) -> None:
    """Check an address that was read before; see `checked_url`.

    Raises:
        AddressRefused: it may not be asked.
    """
    if url.scheme not in policy.schemes or not url.host:
        raise AddressRefused(f"The address has to begin with {' or '.join(_beginnings(policy))} and name a server.")
    if url.userinfo:
        raise AddressRefused("Write the address without a user name and password.")
    check_port(url.port, policy)
    host = url.raw_host.decode("ascii")
    literal = literal_of(host)
    if literal is not None:
        check_address(literal, policy)
    elif policy.reach is Reach.PUBLIC and _is_local_name(host):
        raise _private(policy)


def check_port(port: int | None, policy: Policy) -> None:
    """Refuse the ports of other services: below 1,024 only the web's own, above it any.

    Raises:
        AddressRefused: another service's port, or no port at all.
    """
    if port is None or port in _WEB_PORTS:
        return
    if not 0 < port < 65_536 or (port < _FIRST_FREE_PORT and policy.reach is not Reach.ANY):
        raise AddressRefused(f"The port has to be 80, 443 or from {_FIRST_FREE_PORT} to 65535.")


def literal_of(host: str) -> IPAddress | None:
    """The network address a host is written as; None: it is a name, to be looked up.

    Args:
        host: lower case, ASCII, IPv6 without its brackets.

    Raises:
        AddressRefused: it is neither, or a number some readers take for an address: `127.1`, `0x7f000001`,
            `2130706433`, `0177.0.0.1`.
    """
    if ":" in host:
        return _read(IPv6Address, host)
    if host.endswith("."):
        raise AddressRefused("Write the server's name without a dot at its end.")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _read(IPv4Address, host)
    if len(host) > _MAX_NAME_CHARACTERS or not _NAME.fullmatch(host):
        raise AddressRefused("The server's name has letters, digits, hyphens and dots only.")
    return None


def _read(kind: type[IPv4Address | IPv6Address], host: str) -> IPAddress:
    try:
        address = kind(host)
    except ValueError as error:
        raise AddressRefused("Write a network address in full, as in 192.0.2.1 or [2001:db8::1].") from error
    if isinstance(address, IPv6Address) and address.scope_id:
        raise AddressRefused("Write the address without percent signs and zones in the server's name.")
    return address


def check_address(address: IPAddress, policy: Policy) -> None:
    """Refuse a network address that leads further in than the policy allows.

    Raises:
        AddressRefused: it does. The sentence does not repeat the address: a name's address is nobody's to learn.
    """
    reach = reach_of(address)
    if reach <= policy.reach:
        return
    if reach is Reach.PRIVATE:
        raise _private(policy)
    raise AddressRefused("The address leads to a reserved network, which is never asked.")


def _private(policy: Policy) -> AddressRefused:
    return AddressRefused(f"The address leads into a private network. {policy.advice}".rstrip())


def _is_local_name(host: str) -> bool:
    # A name without a dot is completed by the machine with the domain it stands in.
    return "." not in host or host.endswith(_LOCAL_NAMES)


def _beginnings(policy: Policy) -> list[str]:
    return [f"{scheme}://" for scheme in sorted(policy.schemes, reverse=True)]


def reach_of(address: IPAddress) -> Reach:
    """How far in a network address leads; what is in no list leads furthest."""
    if address in _METADATA:
        return Reach.ANY
    if isinstance(address, IPv4Address):
        if _is_in(address, _PRIVATE):
            return Reach.PRIVATE
        return Reach.ANY if _is_in(address, _RESERVED_4) else Reach.PUBLIC
    if address in _NAT64:
        # An IPv6 network reaches the IPv4 world through it, so the address inside decides.
        inside = IPv4Address(int(address) & 0xFFFF_FFFF)
        return Reach.PUBLIC if reach_of(inside) is Reach.PUBLIC else Reach.ANY
    if _is_in(address, _PRIVATE):
        return Reach.PRIVATE
    return Reach.PUBLIC if address in _GLOBAL_6 and not _is_in(address, _RESERVED_6) else Reach.ANY


def _is_in(address: IPAddress, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


_PRIVATE = _networks(
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
    *("::1/128", "fc00::/7"),
)
_RESERVED_4 = _networks(
    *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
)
_GLOBAL_6 = IPv6Network("2000::/3")
"""All that is given out for the open internet; IPv4 in any of its IPv6 dresses lies outside, but for the next."""
_RESERVED_6 = _networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
"""Teredo and its neighbours, documentation, 6to4, documentation: inside `_GLOBAL_6` and not for anybody."""
_NAT64 = IPv6Network("64:ff9b::/96")
_METADATA: frozenset[IPAddress] = frozenset({IPv6Address("fd00:ec2::254"), IPv4Address("100.100.100.200")})
"""Where clouds give a machine its own secrets, inside private networks; the others are link-local."""

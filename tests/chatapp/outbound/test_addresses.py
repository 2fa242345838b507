from __future__ import annotations

from ipaddress import ip_address

import pytest

from chatapp.outbound import AddressRefused, Policy, Reach, checked_url
from chatapp.outbound.addresses import check_address, literal_of, reach_of

PUBLIC = Policy(advice="The operator can allow it.")
PRIVATE = Policy(reach=Reach.PRIVATE)
OPERATOR = Policy(reach=Reach.ANY)
HTTPS = Policy(schemes=frozenset({"https"}))


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2600::1"])
def test_the_open_internet_is_public(text: str) -> None:
    assert reach_of(ip_address(text)) is Reach.PUBLIC


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
        *("100.127.255.255", "::1", "fc00::1", "fd12:3456::1"),
    ],
)
def test_this_machine_and_its_networks_are_private(text: str) -> None:
    assert reach_of(ip_address(text)) is Reach.PRIVATE
    check_address(ip_address(text), PRIVATE)
    with pytest.raises(AddressRefused, match=r"private network\. The operator can allow it"):
        check_address(ip_address(text), PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
        *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("100.100.100.200", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1", "fe80::1%2"),
        *("fec0::1", "ff02::1", "fd00:ec2::254", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1"),
        *("2002:7f00:1::", "2002:c0a8:101::1", "3fff::1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1"),
        *("100::1", "5f00::1", "4000::1"),
    ],
)
def test_what_nobody_serves_from_is_refused_even_where_private_is_allowed(text: str) -> None:
    assert reach_of(ip_address(text)) is Reach.ANY
    for policy in (PUBLIC, PRIVATE):
        with pytest.raises(AddressRefused) as caught:
            check_address(ip_address(text), policy)
        assert text not in caught.value.message
    check_address(ip_address(text), OPERATOR)


def test_an_ipv6_network_reaches_ipv4_through_its_gateway() -> None:
    assert reach_of(ip_address("64:ff9b::8.8.8.8")) is Reach.PUBLIC


@pytest.mark.parametrize(
    "host", ["login.example.org", "xn--bcher-kva.example", "a_b.example.org", "8.example.org", "x"]
)
def test_a_name_is_no_literal(host: str) -> None:
    assert literal_of(host) is None


@pytest.mark.parametrize("host", ["1", "127.1", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "256.1.1.1", "0x", "1.2.3.4.5"])
def test_a_number_that_is_no_full_address_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        literal_of(host)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://login.example.org/tenant/v2.0", "login.example.org"),
        ("HTTPS://LOGIN.Example.org:8443", "login.example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("http://[2600::1]:8080/v1", "2600::1"),
        ("http://8.8.8.8/v1", "8.8.8.8"),
        ("https://example.org/a%20b?c=%40d#e", "example.org"),
    ],
)
def test_good_addresses_are_read(text: str, host: str) -> None:
    assert checked_url(text, PUBLIC).raw_host.decode() == host


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("http://login.example.org", "https://"),
        ("ftp://login.example.org", "https://"),
        ("//login.example.org", "https://"),
        ("login.example.org", "https://"),
        ("https://", "name a server"),
        ("https://ada@login.example.org", "user name"),
        ("https://login.example.org:22", "port"),
        ("https://login.example.org:0", "port"),
        ("https://login.example.org:65536", "port"),
        ("https://login.example.org:-1", "port"),
        ("https://login.example.org:x", "no address"),
        ("https://login example.org", "spaces"),
        ("", "characters"),
        ("https://a.example/" + "x" * 3_000, "characters"),
    ],
)
def test_a_refusal_says_what_to_write_instead(text: str, word: str) -> None:
    with pytest.raises(AddressRefused, match=word):
        checked_url(text, HTTPS)


def test_the_operator_may_use_any_port_and_any_name() -> None:
    for text in ("http://ollama:11434/v1", "http://localhost:81", "http://host.docker.internal:8000"):
        assert checked_url(text, OPERATOR).host

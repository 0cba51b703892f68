"""Which addresses are fetched from, and that only judged ones are given."""

from __future__ import annotations

import ipaddress

import anyio
import pytest

from ccproxy.errors import Forbidden, Unreachable
from ccproxy.mcp.builtin.addresses import Guard, objection

REFUSED = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "private",
    "10.1.2.3": "private",
    "100.64.0.1": "not a public",
    "100.100.100.200": "not a public",  # Alibaba's metadata
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "metadata",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "special-purpose",  # Oracle's metadata
    "192.0.2.1": "private",
    "192.168.1.1": "private",
    "198.18.0.1": "private",
    "224.0.0.251": "multicast",
    "240.0.0.1": "private",
    "255.255.255.255": "private",
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "::ffff:169.254.169.254": "link-local",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a00:1": "private",
    "64:ff9b:1::7f00:1": "special-purpose",
    "2002:7f00:1::": "loopback",
    "2002:c0a8:101::1": "private",
    "2001:0:0:0:0:0:80ff:fffe": "loopback",  # Teredo: the client's address is inverted
    "2001:db8::1": "private",
    "100::1": "private",
    "fc00::1": "private",
    "fd00:ec2::254": "private",  # Amazon's metadata
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
}
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize(("address", "why"), REFUSED.items())
def test_what_is_not_public_is_refused(address: str, why: str) -> None:
    assert why in objection(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_not(address: str) -> None:
    assert objection(ipaddress.ip_address(address)) == ""


def judged(guard: Guard, host: str) -> list[str]:
    return anyio.run(guard.addresses, host)


def knowing(*addresses: str) -> Guard:
    return allowing((), *addresses)


def allowing(allow: tuple[str, ...], *addresses: str) -> Guard:
    async def resolve(host: str) -> list[str]:
        return list(addresses)

    return Guard(allow, resolve)


def test_a_name_gives_its_public_addresses_only() -> None:
    assert judged(knowing("127.0.0.1", "1.1.1.1", "fd00::1", "2606:4700::1111"), "x.test") == ["1.1.1.1", "2606:4700::1111"]


def test_a_name_without_a_public_address_is_refused_and_what_to_do_is_said() -> None:
    with pytest.raises(Forbidden, match=r'x\.test is at 10\.0\.0\.1, a private address.*allow = \["x\.test"\]'):
        judged(knowing("10.0.0.1"), "x.test")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "169.254.169.254"])
def test_an_address_is_judged_without_a_question(host: str) -> None:
    with pytest.raises(Forbidden, match=f"{host} is a l"):
        judged(knowing("1.1.1.1"), host)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "localhost"])
def test_other_spellings_are_judged_by_what_the_system_makes_of_them(host: str) -> None:
    with pytest.raises((Forbidden, Unreachable)):
        judged(Guard(), host)


@pytest.mark.parametrize("allow", ["10.0.0.0/8", "10.0.0.1/32", "x.test"])
def test_what_is_allowed_is_exempt(allow: str) -> None:
    assert judged(allowing((allow,), "10.0.0.1"), "x.test") == ["10.0.0.1"]


def test_a_network_that_is_allowed_is_so_in_every_form() -> None:
    assert judged(allowing(("127.0.0.0/8",), "::ffff:127.0.0.1"), "x.test") == ["::ffff:7f00:1"]


def test_another_host_at_the_same_address_is_not_exempt() -> None:
    with pytest.raises(Forbidden):
        judged(allowing(("x.test",), "10.0.0.1"), "y.test")


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(Unreachable, match=r"no host nowhere\.test"):
        judged(knowing(), "nowhere.test")


def test_behind_a_proxy_a_name_may_be_unknown_here() -> None:
    anyio.run(knowing().judge_name, "nowhere.test")
    with pytest.raises(Forbidden):
        anyio.run(knowing("10.0.0.1").judge_name, "x.test")

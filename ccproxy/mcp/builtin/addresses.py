"""Which addresses `web_fetch` may connect to.

A page is written by anybody, and a link in it, or a redirect, could lead an agent to what only this machine or this network
reaches: a router, a database, a cloud's metadata with its credentials. So a host's name is resolved here, each address is
judged, and the connection is made to an address that was judged, not to the name: a name that resolves otherwise the second
time (DNS rebinding) gains nothing. What `[mcp.fetch] allow` names is exempt.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

from ccproxy.errors import Forbidden, Unreachable

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""A host name -> its addresses, best first. Raises OSError."""

_METADATA = {ipaddress.ip_address("168.63.129.16")}
"""Public by its number only: Azure's host, from each of its virtual machines ("What is IP address 168.63.129.16?")."""

_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "3fff::/20", "5f00::/16")))
"""Of IANA's special-purpose registries what not every Python knows; Oracle's metadata are in the first."""

_IPV4_AT_THE_END = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""NAT64's well-known prefix (RFC 6052), through which IPv6-only networks reach all of IPv4; IPv4-compatible addresses."""

_KINDS: tuple[tuple[str, Callable[[Address], bool]], ...] = (
    ("an unspecified address", lambda a: a.is_unspecified),
    ("a loopback address", lambda a: a.is_loopback),
    ("a link-local address, where clouds keep their metadata", lambda a: a.is_link_local),
    ("a multicast address", lambda a: a.is_multicast),
    ("a private address", lambda a: a.is_private),
    ("a site-local address", lambda a: isinstance(a, ipaddress.IPv6Address) and a.is_site_local),
    ("a special-purpose address", lambda a: any(a in n for n in _SPECIAL if n.version == a.version)),
    ("a metadata service", lambda a: a in _METADATA),
    ("a reserved address", lambda a: a.is_reserved),
    ("not a public address", lambda a: not a.is_global),  # 100.64.0.0/10 among others (RFC 6598), Alibaba's metadata there
)


def objection(address: Address) -> str:
    """What a refused address is; "" for a public one."""
    meant = _embedded(address) or address
    return next((kind for kind, fits in _KINDS if fits(meant)), "")


def _embedded(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped (RFC 4291, 2.5.5), NAT64, 6to4 (RFC 3056), Teredo's client
    (RFC 4380)."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address.teredo:
        return address.teredo[1]
    if any(address in network for network in _IPV4_AT_THE_END) and int(address) > 1:  # 0 and 1 are :: and ::1
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


async def resolved(host: str) -> list[str]:
    """What the system says of a name."""
    import anyio

    found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guard:
    """Judges hosts. allow: networks, addresses and host names that are exempt."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve = resolved) -> None:
        self._resolve = resolve
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        for place in allow:
            try:
                self._networks.append(ipaddress.ip_network(place))
            except ValueError:
                self._hosts.add(place)

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a host that may be connected to. Raises Forbidden when there is none, Unreachable when the name
        is not known."""
        known = _literal(host)
        found = [known] if known else [ipaddress.ip_address(text) for text in await self._asked(host)]
        refused = {} if self._is_exempt(host) else {address: why for address in found if (why := self._why(address))}
        if len(refused) == len(found):
            address, why = next(iter(refused.items()))
            what = f"{host} is {why}" if known else f"{host} is at {address}, {why}"
            raise Forbidden(
                f"{what}, and such are not fetched; the owner of this ccproxy can allow it with "
                f'allow = ["{host}"] in [mcp.fetch]',
                code="address_refused",
            )
        return [str(address) for address in found if address not in refused]

    async def judge_name(self, host: str) -> None:
        """The same for a host that a proxy will resolve: refused when this machine too finds only refused addresses."""
        try:
            await self.addresses(host)
        except Unreachable:
            return  # behind a proxy names are often unknown here

    def _is_exempt(self, host: str) -> bool:
        return host.lower().rstrip(".") in self._hosts

    def _why(self, address: Address) -> str:
        inner = _embedded(address)
        for each in (address, inner):
            if each and any(each in network for network in self._networks if network.version == each.version):
                return ""
        return objection(address)

    async def _asked(self, host: str) -> Sequence[str]:
        try:
            found = await self._resolve(host)
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise Unreachable(f"there is no host {host}: its name is not known; check its spelling")
        return found


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None

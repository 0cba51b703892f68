# ruff: noqa: RUF009 - `key` makes an attrs field
"""`[mcp.fetch]` and `[mcp.search]`: what the tools that ccproxy has itself may do, and with whose keys."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from attrs import Factory, frozen

from ccproxy.tables import (
    Spot,
    Wrong,
    a_record,
    choice,
    header_value,
    key,
    like,
    list_of,
    number,
    one_or_more,
    record,
    secret,
    text,
    url,
    whole,
)

ENGINES: dict[str, tuple[str, ...]] = {
    "brave": ("api_key",),
    "tavily": ("api_key",),
    "google": ("api_key", "cx"),
    "serper": ("api_key",),
    "searxng": ("url",),
}
"""Search engines, and the keys of their tables without which they cannot be asked."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")


def _place(value: Any, spot: Spot) -> str:
    """A network as `ipaddress` writes it, or a host name in small letters."""
    words = text(value, spot).lower()
    try:
        return str(ipaddress.ip_network(words, strict=False))
    except ValueError:
        if words.replace(".", "").replace("/", "").isdigit() or not _HOST.fullmatch(words):
            raise Wrong('must be a network, an address or a host name, as in "10.0.0.0/8" or "wiki.example.com"') from None
    return words


def _proxy(value: Any, spot: Spot) -> str:
    """A proxy URL, or "" for none."""
    words = text(value, spot)
    return words and _proxy_url(words, spot)


_proxy_url = url("http", "https", "socks5", credentials=True)


@frozen(kw_only=True)
class Fetch:
    """The tool web_fetch, which is there when this table is. allow: networks and host names that may be fetched although
    they are not public."""

    allow: tuple[str, ...] = key(list_of(_place), (), "public addresses only: a web page must not reach your network")
    proxy: str = key(_proxy, "", "straight to the page; through a proxy names are resolved by it", secret=True)
    timeout: float = key(number(1, 600), 30, "seconds for all of it, redirects included; clients give a tool 60")
    max_bytes: int = key(
        whole(1024, 256 * 2**20), 5 * 2**20, "what is read of a page, uncompressed; the largest articles have 2 MB"
    )
    max_redirects: int = key(whole(0, 20), 5, "http to https, to www, to a language; Fetch (WHATWG) gives up after 20")
    max_length: int = key(
        whole(500, 1_000_000), 20_000, "characters in one answer, 5,000 tokens; Claude Code warns of more than 10,000"
    )
    user_agent: str = key(header_value, "", "ccproxy's own name, version and address")


@frozen(kw_only=True)
class Keyed:
    """A search engine with a key. url: another address that speaks the same."""

    api_key: str = key(secret, "", "must be given", secret=True)
    url: str = key(url("http", "https"), "", "the engine's own")


@frozen(kw_only=True)
class Google(Keyed):
    """Google's Programmable Search Engine."""

    cx: str = key(like(re.compile(r"[\w:-]+"), "the engine's id, as its control panel shows it"), "", "must be given")


@frozen(kw_only=True)
class Instance:
    """A SearXNG server."""

    url: str = key(url("http", "https"), "", "must be given")
    api_key: str = key(secret, "", "none; else it is sent as a bearer token", secret=True)


@frozen(kw_only=True)
class Search:
    """The tool web_search, which is there when this table is. engine: the engines, in the order in which they are asked."""

    engine: tuple[str, ...] = key(one_or_more(choice(*ENGINES)), why=f"one or more of {', '.join(ENGINES)}")
    count: int = key(whole(1, 20), 8, "results, where the model does not say how many; 20 is the most that engines give")
    timeout: float = key(number(1, 60), 10, "seconds for each engine; they take one or two")
    proxy: str = key(_proxy, "", "straight to the engine", secret=True)
    brave: Keyed = key(a_record(Keyed), Factory(Keyed))
    tavily: Keyed = key(a_record(Keyed), Factory(Keyed))
    google: Google = key(a_record(Google), Factory(Google))
    serper: Keyed = key(a_record(Keyed), Factory(Keyed))
    searxng: Instance = key(a_record(Instance), Factory(Instance))


def search(value: Any, spot: Spot) -> Search:
    """Reads `[mcp.search]`: each engine that is named has what it needs."""
    found = record(Search, value, spot)
    for name in found.engine or ():
        said = value.get(name, {})
        for needed in ENGINES[name]:
            if isinstance(said, dict) and needed not in said:
                spot.at(name).at(needed).complain(f'is missing; engine names "{name}", which cannot be asked without it')
    return found

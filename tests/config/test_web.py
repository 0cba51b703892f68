"""`[mcp.fetch]` and `[mcp.search]`: what is read, and what is complained about."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from ccproxy.config.web import ENGINES, Fetch, Search, search
from ccproxy.mcp.builtin.engines import ENGINES as ASKED
from ccproxy.tables import Spot, record


def read(content: str, reader: Any) -> tuple[Any, list[str]]:
    spot = Spot("mcp.x", [], {"KEY": "k-1"})
    return reader(tomllib.loads(content), spot), spot.problems


def fetch(content: str) -> tuple[Fetch, list[str]]:
    return read(content, lambda value, spot: record(Fetch, value, spot))


def test_what_may_be_fetched() -> None:
    found, problems = fetch('allow = ["10.1.2.3/8", "127.0.0.1", "Wiki.Example.com", "::1"]')
    assert not problems
    assert found.allow == ("10.0.0.0/8", "127.0.0.1/32", "wiki.example.com", "::1/128")


@pytest.mark.parametrize("place", ["10.0.0.0/99", "300.1.1.1", "http://x", "a b", "*", "", "x/8"])
def test_what_is_no_place(place: str) -> None:
    assert "mcp.x.allow[0]: must be a network" in fetch(f'allow = ["{place}"]')[1][0]


def test_defaults() -> None:
    found, _ = fetch("")
    assert (found.allow, found.proxy, found.max_redirects, found.max_length) == ((), "", 5, 20_000)


def test_a_proxy_may_have_credentials_which_are_not_shown() -> None:
    found, problems = fetch('proxy = "socks5://u:secret@p.test:1080"')
    assert not problems
    assert "secret" not in repr(found)


def test_engines() -> None:
    content = 'engine = ["brave", "searxng"]\nbrave = { api_key = "${KEY}" }\nsearxng = { url = "http://127.0.0.1:8888" }'
    found, problems = read(content, search)
    assert not problems
    assert (found.engine, found.brave.api_key) == (("brave", "searxng"), "k-1")
    assert "k-1" not in repr(found)


def test_one_engine_alone() -> None:
    assert read('engine = "brave"\nbrave.api_key = "k"', search)[0].engine == ("brave",)


COMPLAINTS = [
    ("", "mcp.x.engine: is missing: one or more of brave, tavily, google, serper, searxng"),
    ('engine = "bing"', "mcp.x.engine: must be one of brave"),
    ('engine = "brave"', 'mcp.x.brave.api_key: is missing; engine names "brave"'),
    ('engine = "google"\ngoogle.api_key = "k"', "mcp.x.google.cx: is missing"),
    ('engine = ["tavily", "searxng"]\ntavily.api_key = "k"', "mcp.x.searxng.url: is missing"),
    ('engine = "brave"\nbrave.api_key = "${NONE}"', "the environment variable NONE is not set"),
    ('engine = "brave"\nbrave = 3', "mcp.x.brave: must be a table"),
    ('engine = "brave"\nbrave = { api_key = "k", cx = "x" }', "mcp.x.brave.cx: unknown key"),
    ('engine = "brave"\nbrave.api_key = "k"\ncount = 50', "mcp.x.count: must be a whole number from 1 to 20"),
]


@pytest.mark.parametrize(("content", "complaint"), COMPLAINTS)
def test_complaints(content: str, complaint: str) -> None:
    _, problems = read(content, search)
    assert len(problems) == 1
    assert complaint in problems[0]


def test_every_engine_can_be_asked() -> None:
    assert set(ENGINES) == set(ASKED)
    assert set(ENGINES) < {attribute.name for attribute in Search.__attrs_attrs__}

"""How each engine is asked, and what is read of its answers. The shapes are those of the engines' documentation."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ccproxy.config.web import Google, Instance, Keyed, Search
from ccproxy.mcp.builtin.engines import ENGINES, Ask, Hit, Query, secrets_of

SETTINGS: dict[str, Any] = {
    "brave": Keyed(api_key="b-key"),
    "tavily": Keyed(api_key="t-key"),
    "google": Google(api_key="g-key", cx="c:x"),
    "serper": Keyed(api_key="s-key"),
    "searxng": Instance(url="http://127.0.0.1:8888/"),
}
PLAIN = Query("red fox", 5)
FULL = Query("red fox", 20, "week", "e.test")

ASKED = [
    # (engine, query, address, what it says in the query string or the body)
    ("brave", PLAIN, "https://api.search.brave.com/res/v1/web/search", {"q": "red fox", "count": "5"}),
    ("brave", FULL, "https://api.search.brave.com/res/v1/web/search", {"q": "red fox site:e.test", "freshness": "pw"}),
    ("tavily", PLAIN, "https://api.tavily.com/search", {"query": "red fox", "max_results": 5}),
    ("tavily", FULL, "https://api.tavily.com/search", {"time_range": "week", "include_domains": ["e.test"]}),
    ("google", PLAIN, "https://customsearch.googleapis.com/customsearch/v1", {"q": "red fox", "num": "5", "cx": "c:x"}),
    (
        "google",
        FULL,
        "https://customsearch.googleapis.com/customsearch/v1",
        {"num": "10", "dateRestrict": "w1", "siteSearch": "e.test", "siteSearchFilter": "i"},
    ),
    ("serper", PLAIN, "https://google.serper.dev/search", {"q": "red fox", "num": 5}),
    ("serper", FULL, "https://google.serper.dev/search", {"q": "red fox site:e.test", "tbs": "qdr:w"}),
    ("searxng", PLAIN, "http://127.0.0.1:8888/search", {"q": "red fox", "format": "json"}),
    ("searxng", FULL, "http://127.0.0.1:8888/search", {"q": "red fox site:e.test", "time_range": "week"}),
]
KEYS = {
    "brave": ("x-subscription-token", "b-key"),
    "tavily": ("authorization", "Bearer t-key"),
    "serper": ("x-api-key", "s-key"),
}


def values(ask: Ask) -> dict[str, Any]:
    if ask.body:
        found: dict[str, Any] = json.loads(ask.body)
        return found
    return {name: value for name, (value,) in parse_qs(urlsplit(ask.url).query).items()}


@pytest.mark.parametrize(("name", "query", "address", "says"), ASKED)
def test_how_it_is_asked(name: str, query: Query, address: str, says: dict[str, Any]) -> None:
    ask = ENGINES[name].request(SETTINGS[name], query)
    assert ask.url.partition("?")[0] == address
    assert says.items() <= values(ask).items()
    if name in KEYS:
        header, value = KEYS[name]
        assert ask.headers[header] == value
        assert value not in ask.url
    assert SETTINGS[name].api_key not in repr(ask) or not SETTINGS[name].api_key


def test_what_is_not_asked_for_is_not_said() -> None:
    for name, engine in ENGINES.items():
        limits = {"freshness", "time_range", "include_domains", "dateRestrict", "siteSearch", "siteSearchFilter", "tbs"}
        assert not limits & set(values(engine.request(SETTINGS[name], PLAIN)))


def test_an_instance_with_a_key_and_another_address() -> None:
    ask = ENGINES["searxng"].request(Instance(url="https://s.test/x/", api_key="k"), PLAIN)
    assert (ask.url.partition("?")[0], ask.headers["authorization"]) == ("https://s.test/x/search", "Bearer k")
    ask = ENGINES["brave"].request(Keyed(api_key="k", url="https://b.test"), PLAIN)
    assert ask.url.startswith("https://b.test/res/v1/web/search?")


BRAVE = {
    "type": "search",
    "query": {"original": "red fox"},
    "web": {
        "type": "search",
        "results": [
            {
                "title": "Red fox",
                "url": "https://e.test/fox",
                "description": "The <strong>red fox</strong> is &amp; was",
                "page_age": "2026-05-01T10:00:00",
                "age": "May 1, 2026",
            },
            {"title": "No address", "url": "", "description": ""},
        ],
    },
}
TAVILY = {
    "query": "red fox",
    "results": [
        {"title": "Red fox", "url": "https://e.test/fox", "content": "The red fox", "score": 0.9, "raw_content": None}
    ],
    "response_time": 1.2,
}
GOOGLE = {
    "kind": "customsearch#search",
    "searchInformation": {"totalResults": "1"},
    "items": [{"title": "Red fox", "link": "https://e.test/fox", "snippet": "The red\nfox", "displayLink": "e.test"}],
}
SERPER = {
    "searchParameters": {"q": "red fox"},
    "organic": [
        {"title": "Red fox", "link": "https://e.test/fox", "snippet": "The red fox", "date": "1 May 2026", "position": 1}
    ],
}
SEARXNG = {
    "query": "red fox",
    "number_of_results": 0,
    "results": [
        {"title": "Red fox", "url": "https://e.test/fox", "content": "The red fox", "engine": "x", "publishedDate": None},
        {"title": "A file", "url": "magnet:?xt=1", "content": ""},
    ],
    "unresponsive_engines": [],
}
ANSWERS: dict[str, Any] = {"brave": BRAVE, "tavily": TAVILY, "google": GOOGLE, "serper": SERPER, "searxng": SEARXNG}
SNIPPETS = {"brave": "The red fox is & was"}
DATES = {"brave": "2026-05-01T10:00:00", "serper": "1 May 2026"}
NOTHING: dict[str, Any] = {
    "brave": {"type": "search", "query": {}},
    "tavily": {"results": []},
    "google": {"searchInformation": {"totalResults": "0"}},
    "serper": {"organic": []},
    "searxng": {"results": []},
}


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_read(name: str) -> None:
    expected = Hit("Red fox", "https://e.test/fox", SNIPPETS.get(name, "The red fox"), DATES.get(name, ""))
    assert ENGINES[name].hits(ANSWERS[name], PLAIN) == [expected]
    assert ENGINES[name].hits(NOTHING[name], PLAIN) == []


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("document", [None, [], {}, {"error": "x"}, {"results": 3, "organic": "x", "items": {}}, "text"])
def test_what_is_no_answer(name: str, document: Any) -> None:
    with pytest.raises(ValueError, match="not an answer"):
        ENGINES[name].hits(document, PLAIN)


def test_odd_results_are_left_out() -> None:
    document = {"results": [None, 3, {}, {"url": 5}, {"url": "https://e.test/", "title": None, "content": ["x"]}]}
    assert ENGINES["tavily"].hits(document, PLAIN) == [Hit("", "https://e.test/", "")]


def test_no_more_than_were_asked_for() -> None:
    document = {"results": [{"url": f"https://e.test/{i}"} for i in range(30)]}
    assert len(ENGINES["searxng"].hits(document, PLAIN)) == 5


def test_the_secrets_are_known() -> None:
    search = Search(engine=("brave",), brave=SETTINGS["brave"], google=SETTINGS["google"])
    assert set(secrets_of(search)) == {"b-key", "g-key"}

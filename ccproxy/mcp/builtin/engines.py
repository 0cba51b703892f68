"""Search engines: how each is asked, and what its answer says. No I/O.

An engine is a row of ENGINES: its address, a function that makes the request, and one that reads the answer. Sources: Brave
Search API, "Web search"; Tavily API reference, "Search"; Google, Custom Search JSON API, "cse.list"; Serper, "Search";
SearXNG, "Search API".
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

import orjson
from attrs import field, frozen

from ccproxy.config.web import Google, Instance, Keyed, Search

AGES = ("day", "week", "month", "year")


@frozen
class Query:
    """What is looked for. age: one of AGES, "" for any time. site: a domain, "" for all."""

    words: str
    count: int
    age: str = ""
    site: str = ""

    @property
    def with_site(self) -> str:
        """For engines that know the `site:` operator only."""
        return f"{self.words} site:{self.site}" if self.site else self.words


@frozen
class Ask:
    """One request to an engine. headers and url hold its key and are shown to nobody."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Ask {self.method} {urlsplit(self.url).netloc}>"


@frozen
class Hit:
    title: str
    url: str
    snippet: str
    date: str = ""


Settings: TypeAlias = Any
"""An engine's own table of `[mcp.search]`."""


@frozen
class Engine:
    """base: its own address. ask: (address, settings, query) -> request. items: an answer's document -> the list of its
    results. names: what the title, the URL, the snippet and the date (the first that is said) of one are called. advice: by
    status, where it means something of its own."""

    base: str
    ask: Callable[[str, Settings, Query], Ask]
    items: Callable[[Any], Any]
    names: tuple[str, str, str, tuple[str, ...]]
    advice: Mapping[int, str] = field(factory=dict)

    def request(self, settings: Settings, query: Query) -> Ask:
        return self.ask((settings.url or self.base).rstrip("/"), settings, query)

    def hits(self, document: Any, query: Query) -> list[Hit]:
        """Raises ValueError for what is no answer of this engine."""
        found = self.items(document) if isinstance(document, dict) else None
        if not isinstance(found, list):
            raise ValueError("not an answer of this engine")
        hits = (self._hit(item) for item in found if isinstance(item, dict))
        return [hit for hit in hits if hit.url.startswith(("http://", "https://"))][: query.count]

    def _hit(self, item: dict[str, Any]) -> Hit:
        title, url, snippet, dates = self.names
        date = next((text for name in dates if (text := _words(item.get(name)))), "")
        return Hit(_words(item.get(title)), _words(item.get(url)), _words(item.get(snippet)), date)


_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


def _words(value: Any) -> str:
    """Plain text: engines mark what was found with tags, and some write entities."""
    return " ".join(html.unescape(_TAG.sub("", value)).split()) if isinstance(value, str) else ""


def _get(url: str, values: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
    return Ask("GET", f"{url}?{urlencode({name: value for name, value in values.items() if value})}", headers)


def _post(url: str, values: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
    body = orjson.dumps({name: value for name, value in values.items() if value})
    return Ask("POST", url, {"content-type": "application/json", **headers}, body)


def _brave(base: str, settings: Keyed, query: Query) -> Ask:
    values = {
        "q": query.with_site,
        "count": query.count,
        "freshness": query.age and f"p{query.age[0]}",
        "text_decorations": "false",
        "result_filter": "web",
    }
    return _get(f"{base}/res/v1/web/search", values, {"x-subscription-token": settings.api_key})


def _tavily(base: str, settings: Keyed, query: Query) -> Ask:
    values = {
        "query": query.words,
        "max_results": query.count,
        "time_range": query.age,
        "include_domains": [query.site] if query.site else [],
    }
    return _post(f"{base}/search", values, {"authorization": f"Bearer {settings.api_key}"})


def _google(base: str, settings: Google, query: Query) -> Ask:
    values = {
        "key": settings.api_key,
        "cx": settings.cx,
        "q": query.words,
        "num": min(query.count, 10),  # the most that it gives at once
        "dateRestrict": query.age and f"{query.age[0]}1",
        "siteSearch": query.site,
        "siteSearchFilter": query.site and "i",
    }
    return _get(f"{base}/customsearch/v1", values, {})


def _serper(base: str, settings: Keyed, query: Query) -> Ask:
    values = {"q": query.with_site, "num": query.count, "tbs": query.age and f"qdr:{query.age[0]}"}
    return _post(f"{base}/search", values, {"x-api-key": settings.api_key})


def _searxng(base: str, settings: Instance, query: Query) -> Ask:
    values = {"q": query.with_site, "format": "json", "time_range": query.age}
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    return _get(f"{base}/search", values, headers)


def _brave_items(document: dict[str, Any]) -> Any:
    """Without `web` where nothing was found; every answer says its type."""
    web = document.get("web") or {}
    return web.get("results", [] if document.get("type") == "search" else None)


def _google_items(document: dict[str, Any]) -> Any:
    """Without `items` where nothing was found."""
    return document.get("items", [] if "searchInformation" in document else None)


ENGINES: Mapping[str, Engine] = {
    "brave": Engine(
        base="https://api.search.brave.com",
        ask=_brave,
        items=_brave_items,
        names=("title", "url", "description", ("page_age", "age")),
    ),
    "tavily": Engine(
        base="https://api.tavily.com",
        ask=_tavily,
        items=lambda document: document.get("results"),
        names=("title", "url", "content", ("published_date",)),
    ),
    "google": Engine(
        base="https://customsearch.googleapis.com",
        ask=_google,
        items=_google_items,
        names=("title", "link", "snippet", ()),
    ),
    "serper": Engine(
        base="https://google.serper.dev",
        ask=_serper,
        items=lambda document: document.get("organic"),
        names=("title", "link", "snippet", ("date",)),
    ),
    "searxng": Engine(
        base="",
        ask=_searxng,
        items=lambda document: document.get("results"),
        names=("title", "url", "content", ("publishedDate",)),
        advice={403: "its JSON format is switched off; its owner must add json to search.formats in settings.yml"},
    ),
}


def secrets_of(settings: Search) -> Iterable[str]:
    """Every key that could stand in an engine's error."""
    return filter(None, (getattr(settings, name).api_key for name in ENGINES))

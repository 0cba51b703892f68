"""The tool web_fetch over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import jsonschema
import pytest
from mcp_types import CallToolResult, TextContent

from ccproxy.config.web import Fetch
from ccproxy.errors import TimedOut
from ccproxy.mcp.builtin import web_fetch
from ccproxy.mcp.builtin.web_fetch import KEPT, KEPT_FOR, WebFetch
from tests.mcp.builtin.sites import Said, Site, html, moved


@pytest.fixture
def site() -> Iterator[Site]:
    with Site().running() as running:
        yield running


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def tool(clock: Clock | None = None, **settings: Any) -> WebFetch:
    return WebFetch(Fetch(allow=("127.0.0.0/8",), **settings), "ccproxy/test", clock=clock or Clock())


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def ask(using: WebFetch, **arguments: Any) -> str:
    result = anyio.run(using.call, arguments)
    assert not result.is_error, text_of(result)
    return text_of(result)


def told(using: WebFetch, **arguments: Any) -> str:
    """What an error says."""
    result = anyio.run(using.call, arguments)
    assert result.is_error
    return text_of(result)


def test_the_definition_is_a_tool() -> None:
    wire = tool().definition.model_dump(by_alias=True, exclude_none=True)
    jsonschema.Draft202012Validator.check_schema(wire["inputSchema"])
    assert (wire["name"], wire["inputSchema"]["required"]) == ("web_fetch", ["url"])
    assert wire["annotations"]["readOnlyHint"] is True
    assert wire["inputSchema"]["properties"]["max_length"]["maximum"] == 20_000


def test_a_page_with_what_stands_on_top(site: Site) -> None:
    site.pages |= {"/old": moved("/new"), "/new": html("<title>A page</title><h1>Head</h1><p>Some <a href=/x>words</a>")}
    answer = ask(tool(), url=site.url("/old"), whole=True)
    assert answer == (
        f"Title: A page\nURL: {site.url('/new')} (redirected from {site.url('/old')})\nType: text/html, utf-8\n\n"
        f"# Head\n\nSome [words]({site.url('/x')})"
    )


def test_text_and_links(site: Site) -> None:
    site.pages["/"] = html("<h1>Head</h1><p>Some <a href=/x>words</a>")
    assert ask(tool(), url=site.url(), whole="true", format="text").endswith("\n\nHead\n\nSome words")
    assert ask(tool(), url=site.url(), format="links").endswith(f"\n\n- [words]({site.url('/x')})")


def test_an_empty_page_says_so(site: Site) -> None:
    site.pages["/"] = Said(headers={"content-type": "text/plain"})
    assert ask(tool(), url=site.url()).endswith("(the page is empty)")


LONG = "".join(chr(97 + i % 26) for i in range(1000))


def test_a_long_page_comes_in_parts_that_make_the_whole(site: Site) -> None:
    site.pages["/"] = Said(LONG.encode(), headers={"content-type": "text/plain"})
    using, start, parts = tool(max_length=500), 0, []
    while True:
        head, _, part = ask(using, url=site.url(), start=start, max_length=300).partition("\n\n")
        parts.append(part)
        if "next part has start=" not in head:
            break
        start = int(head.rpartition("start=")[2])
    assert "".join(parts) == LONG
    assert [len(part) for part in parts] == [300, 300, 300, 100]
    assert "characters 900 to 1,000 of 1,000, the last" in head
    assert len(site.seen) == 1, "further parts are of the page as it was"


def test_a_part_that_is_not_there(site: Site) -> None:
    site.pages["/"] = Said(LONG.encode(), headers={"content-type": "text/plain"})
    assert "nothing at start=1000: the page has 1,000 characters" in told(tool(), url=site.url(), start=1000)


def test_the_first_part_is_always_fetched_anew(site: Site) -> None:
    site.pages["/"] = Said(LONG.encode(), headers={"content-type": "text/plain"})
    using = tool(max_length=500)
    ask(using, url=site.url())
    site.pages["/"] = Said(LONG.upper().encode(), headers={"content-type": "text/plain"})
    assert LONG[500:] in ask(using, url=site.url(), start=500)
    assert LONG.upper()[:500] in ask(using, url=site.url())
    assert LONG.upper()[500:] in ask(using, url=site.url(), start=500)


def test_kept_pages_grow_old_and_are_few(site: Site) -> None:
    clock = Clock()
    using = tool(clock, max_length=500)
    site.pages |= {f"/{i}": Said(LONG.encode(), headers={"content-type": "text/plain"}) for i in range(KEPT + 1)}
    for i in range(KEPT + 1):
        ask(using, url=site.url(f"/{i}"))
    asked = len(site.seen)
    ask(using, url=site.url(f"/{KEPT}"), start=500)
    assert len(site.seen) == asked
    ask(using, url=site.url("/0"), start=500)
    assert len(site.seen) == asked + 1
    clock.now += KEPT_FOR + 1
    ask(using, url=site.url("/0"), start=500)
    assert len(site.seen) == asked + 2


def test_a_page_that_is_too_large_says_what_is_missing(site: Site) -> None:
    site.pages["/"] = Said(b"x" * 5000, headers={"content-type": "text/plain"})
    answer = ask(tool(max_bytes=1024), url=site.url())
    assert "Cut: the page is larger than what is read of it, 1,024 bytes of 5,000" in answer


ERRORS = [
    (Said(b"<p>Sorry, gone", 404, {"content-type": "text/html"}), "answers 404 Not Found; check the URL", "Sorry, gone"),
    (Said(b'{"error": "no"}', 400, {"content-type": "application/json"}), "answers 400 Bad Request", '{"error": "no"}'),
    (Said(b"x", 429, {"retry-after": "30"}), "answers 429 Too Many Requests (retry-after: 30); too many", "x"),
    (Said(b"\x89PNG", 500, {"content-type": "image/png"}), "answers 500 Internal Server Error", ""),
    (Said(b"\x89PNG", 403, {"content-type": "text/html"}), "answers 403 Forbidden; it does not let", ""),
    (Said(b"x", 599), "answers 599; try another", ""),
]


@pytest.mark.parametrize(("said", "status", "body"), ERRORS)
def test_errors_of_the_site(site: Site, said: Said, status: str, body: str) -> None:
    site.pages["/"] = said
    answer = told(tool(), url=site.url())
    assert status in answer
    assert answer.endswith(body)


def test_a_pdf_is_refused_with_its_size(site: Site) -> None:
    site.pages["/a.pdf"] = Said(b"%PDF-1.7" + b"x" * 1000, headers={"content-type": "application/pdf"})
    assert "application/pdf of 1,008 bytes, which is not text" in told(tool(), url=site.url("/a.pdf"))


def test_what_is_not_fetched_is_told_and_not_raised(site: Site) -> None:
    assert "loopback" in told(WebFetch(Fetch(), "x"), url=site.url())
    assert "not a URL" in told(tool(), url="http://")
    assert "url is missing" in told(tool())
    assert "no argument uri; did you mean url" in told(tool(), uri="x")
    assert "format must be one of" in told(tool(), url=site.url(), format="pdf")
    site.pages["/slow"] = Said(headers={"content-type": "text/html"}, pieces=site.slowly(10_000))
    assert "longer than 0.3 seconds" in told(tool(timeout=0.3), url=site.url("/slow"))


def test_a_page_that_cannot_be_read_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*args: Any, **more: Any) -> None:
        raise TimedOut("too intricate")

    site.pages["/"] = html("x")
    monkeypatch.setattr(web_fetch, "read_apart", fails)
    assert "too intricate" in told(tool(), url=site.url())


def test_calls_run_together(site: Site) -> None:
    site.pages["/slow"] = Said(headers={"content-type": "text/html"}, pieces=site.slowly(10))
    site.pages["/"] = html("<p>fast")
    order: list[str] = []

    async def one(using: WebFetch, path: str) -> None:
        await using.call({"url": site.url(path), "whole": True})
        order.append(path)

    async def both() -> None:
        using = tool()
        async with anyio.create_task_group() as group:
            group.start_soon(one, using, "/slow")
            group.start_soon(one, using, "/")

    anyio.run(both)
    assert order == ["/", "/slow"]

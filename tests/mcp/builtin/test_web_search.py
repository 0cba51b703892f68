"""The tool web_search with engines that are ours, over real sockets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import anyio
import jsonschema
import pytest

from ccproxy.config.web import Google, Instance, Keyed, Search
from ccproxy.mcp.builtin.engines import ENGINES
from ccproxy.mcp.builtin.web_search import WebSearch
from tests.mcp.builtin.sites import Said, Seen, Site
from tests.mcp.builtin.test_engines import ANSWERS, NOTHING
from tests.mcp.builtin.test_web_fetch import Clock, text_of

KEY = "secret-key-123"
PATHS = {
    "brave": "/res/v1/web/search",
    "tavily": "/search",
    "google": "/customsearch/v1",
    "serper": "/search",
    "searxng": "/search",
}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site().running() as running:
        yield running


def says(document: Any, status: int = 200, **headers: str) -> Said:
    return Said(json.dumps(document).encode(), status, {name.replace("_", "-"): value for name, value in headers.items()})


def search(site: Site, *engines: str, clock: Clock | None = None, **settings: Any) -> WebSearch:
    """Each engine on a path of its own: `/brave/res/v1/...`."""
    tables: dict[str, Any] = {name: Keyed(api_key=KEY, url=site.url(f"/{name}")) for name in ("brave", "tavily", "serper")}
    tables["google"] = Google(api_key=KEY, cx="x", url=site.url("/google"))
    tables["searxng"] = Instance(url=site.url("/searxng"))
    return WebSearch(Search(engine=engines, **tables, **settings), "ccproxy/test", clock or Clock())


def answer(site: Site, name: str, said: Said) -> None:
    site.pages[f"/{name}{PATHS[name]}"] = said


def ask(tool: WebSearch, **arguments: Any) -> tuple[str, Any]:
    result = anyio.run(tool.call, arguments)
    assert not result.is_error, text_of(result)
    jsonschema.validate(result.structured_content, tool.definition.output_schema)
    return text_of(result), result.structured_content


def told(tool: WebSearch, **arguments: Any) -> str:
    result = anyio.run(tool.call, arguments)
    assert result.is_error
    assert KEY not in text_of(result)
    return text_of(result)


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine(site: Site, name: str) -> None:
    answer(site, name, says(ANSWERS[name]))
    text, structured = ask(search(site, name), query="red fox", count=3)
    assert text.startswith(f'1 result for "red fox" ({name})\n\n1. Red fox')
    assert "https://e.test/fox\nThe red fox" in text
    assert structured["engine"] == name
    assert structured["results"][0]["url"] == "https://e.test/fox"
    assert site.seen[0].headers["user-agent"] == "ccproxy/test"


@pytest.mark.parametrize("name", ENGINES)
def test_nothing_found_is_an_answer(site: Site, name: str) -> None:
    answer(site, name, says(NOTHING[name]))
    text, structured = ask(search(site, name, "serper"), query="x", freshness="day", site="https://e.test/a")
    assert text == f'0 results for "x" of the last day of e.test ({name}); try other or fewer words, or without the limits'
    assert structured["results"] == []
    assert len(site.seen) == 1


def test_the_definition_is_a_tool(site: Site) -> None:
    wire = search(site, "brave").definition.model_dump(by_alias=True, exclude_none=True)
    for schema in (wire["inputSchema"], wire["outputSchema"]):
        jsonschema.Draft202012Validator.check_schema(schema)
    assert wire["name"] == "web_search"


def test_the_configured_count(site: Site) -> None:
    answer(site, "serper", says(ANSWERS["serper"]))
    ask(search(site, "serper", count=7), query="x")
    ask(search(site, "serper", count=7), query="x", count=99)
    assert [json.loads(seen.body)["num"] for seen in site.seen] == [7, 20]


REFUSALS = [
    ("tavily", 401, {"detail": {"error": "Unauthorized: missing or invalid API key."}}, "it refuses its key"),
    ("tavily", 432, {"detail": {"error": "This request exceeds your plan's set usage limit."}}, "plan's quota is used up"),
    ("tavily", 433, {}, "pay-as-you-go"),
    ("brave", 422, {"type": "ErrorResponse", "error": {"code": "SUBSCRIPTION_TOKEN_INVALID", "detail": "x"}}, "or its key"),
    ("brave", 429, {"error": {"code": "RATE_LIMITED", "detail": "Request rate limit exceeded"}}, "too many requests"),
    ("serper", 403, {"message": "Unauthorized.", "statusCode": 403}, "it refuses its key"),
    ("google", 400, {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}, "not valid"),
    ("searxng", 403, "<html>Forbidden", "must add json to search.formats"),
    ("serper", 500, None, "it failed (status 500)"),
]


@pytest.mark.parametrize(("name", "status", "document", "words"), REFUSALS)
def test_refusals_are_told(site: Site, name: str, status: int, document: Any, words: str) -> None:
    answer(site, name, says(document, status))
    text = told(search(site, name), query="x")
    assert text.startswith(f"the search failed:\n- {name}: ")
    assert words in text
    assert str(status) in text


def test_a_key_in_an_engines_own_words_is_struck_out(site: Site) -> None:
    answer(site, "google", says({"error": {"message": f"API key {KEY} is bad"}}, 400))
    assert "API key *** is bad" in told(search(site, "google"), query="x")


def test_no_key_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer(site, "google", says(ANSWERS["google"]))
    ask(search(site, "google"), query="x")
    assert f"key={KEY}" in site.seen[0].path
    assert KEY not in caplog.text
    assert KEY not in repr(search(site, "google")._settings)


BROKEN = [
    (Said(b"<html>"), "not JSON"),
    (Said(b'{"x": 1}'), "not a list of results"),
    (Said(b"[]"), "not a list of results"),
    (Said(b"x" * 5_000_000), "more than can be"),
    (Said(b"{", length=100), "cannot be reached (remote protocol error)"),
]


@pytest.mark.parametrize(("said", "words"), BROKEN)
def test_broken_answers_are_told(site: Site, said: Said, words: str) -> None:
    answer(site, "tavily", said)
    assert words in told(search(site, "tavily"), query="x")


def test_a_slow_engine(site: Site) -> None:
    answer(site, "tavily", Said(pieces=site.slowly(10_000)))
    assert "no answer within 0.3 seconds" in told(search(site, "tavily", timeout=0.3), query="x")


def test_an_engine_that_is_not_there() -> None:
    with Site().running() as gone:
        tool = search(gone, "brave")
    assert "cannot be reached (connect error)" in told(tool, query="x")


def test_the_next_engine_answers_for_one_that_fails(site: Site) -> None:
    answer(site, "brave", says({}, 429))
    answer(site, "tavily", says(ANSWERS["tavily"]))
    text, structured = ask(search(site, "brave", "tavily"), query="x")
    assert structured["engine"] == "tavily"
    assert "Not asked with success: brave: too many requests" in text


def test_what_failed_is_asked_last_until_it_has_rested(site: Site) -> None:
    clock = Clock()
    tool = search(site, "brave", "tavily", clock=clock)
    answer(site, "brave", says({}, 429, retry_after="30"))
    answer(site, "tavily", says(ANSWERS["tavily"]))
    ask(tool, query="x")
    answer(site, "brave", says(ANSWERS["brave"]))
    assert ask(tool, query="x")[1]["engine"] == "tavily"
    clock.now += 31
    assert ask(tool, query="x")[1]["engine"] == "brave"


def test_what_rests_is_asked_when_nothing_else_answers(site: Site) -> None:
    tool = search(site, "brave", "tavily")
    answer(site, "brave", says({}, 429))
    answer(site, "tavily", says({}, 401))
    assert "brave" in told(tool, query="x")
    answer(site, "brave", says(ANSWERS["brave"]))
    assert ask(tool, query="x")[1]["engine"] == "brave"


def test_arguments_that_do_not_fit(site: Site) -> None:
    tool = search(site, "brave")
    assert "query is missing" in told(tool)
    assert "freshness must be one of day, week, month, year" in told(tool, query="x", freshness="hour")
    assert "no argument q" in told(tool, q="x")
    assert not site.seen


def test_a_proxy(site: Site) -> None:
    def passing(seen: Seen) -> Said:
        return says(ANSWERS["searxng"])

    with Site({"http://engine.test/search": passing}).running() as proxy:
        settings = Search(engine=("searxng",), searxng=Instance(url="http://engine.test"), proxy=proxy.url(""))
        assert ask(WebSearch(settings, "x"), query="x")[1]["engine"] == "searxng"

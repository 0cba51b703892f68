"""The built-in tools as clients of a real ccproxy process have them."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from tests.mcp.builtin.sites import Site, html
from tests.mcp.builtin.test_engines import ANSWERS
from tests.mcp.builtin.test_web_search import says
from tests.mcp.serving import MODES, client, said_of, serving, words

CONFIG = """
[keys]
all = "k-all"
[providers.up]
protocol = "openai"
[groups.reading]
mcp = ["web_fetch"]
models = { "*" = "up/*" }
[mcp.fetch]
allow = ["127.0.0.0/8"]
[mcp.search]
engine = ["brave", "searxng"]
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site().running() as running:
        running.pages["/page"] = html("<title>A page</title><p>" + "words and more words " * 3000)
        running.pages["/search"] = says(ANSWERS["searxng"])
        running.pages["/res/v1/web/search"] = says({"error": {"detail": "no quota"}}, 429, retry_after="0")
        yield running


@pytest.fixture(scope="module")
def address(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    engines = f'brave = {{ api_key = "s3cret", url = "{site.url("")}" }}\nsearxng = {{ url = "{site.url("")}" }}\n'
    folder = tmp_path_factory.mktemp("served")
    with serving(CONFIG + engines, folder) as running:
        yield running
    assert "s3cret" not in (folder / "ccproxy.log").read_text()


@pytest.mark.parametrize("mode", MODES)
def test_they_are_listed_and_called(address: str, site: Site, mode: str) -> None:
    async def use() -> None:
        async with client(address, token="k-all", mode=mode) as mcp:
            tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
            assert list(tools) == ["web_fetch", "web_search"]
            assert tools["web_search"].output_schema is not None
            fetched = words(await mcp.call_tool("web_fetch", {"url": site.url("/page")}))
            assert fetched.startswith(f"Title: A page\nURL: {site.url('/page')}\n")
            assert "characters 0 to 20,000 of" in fetched
            found = await mcp.call_tool("web_search", {"query": "red fox"})
            assert "brave: too many requests, or the quota is used up (status 429, no quota)" in words(found)
            assert found.structured_content is not None
            assert found.structured_content["results"][0]["url"] == "https://e.test/fox"
            assert "start must be a whole number" in await said_of(mcp, "web_fetch", {"url": "x.test", "start": "no"})
            assert "link-local" in await said_of(mcp, "web_fetch", {"url": "http://169.254.169.254/latest/"})

    anyio.run(use)


def test_a_group_has_those_that_it_names(address: str) -> None:
    async def use() -> None:
        async with client(address, "/reading/mcp/http", token="k-all") as mcp:
            assert [tool.name for tool in (await mcp.list_tools()).tools] == ["web_fetch"]
            assert "web_search" in await said_of(mcp, "web_search", {"query": "x"})

    anyio.run(use)


def test_hostile_pages_do_not_hold_up_others(address: str, site: Site) -> None:
    """While one that takes the extractor minutes is being read, another is answered."""
    pytest.importorskip("trafilatura")
    site.pages["/hostile"] = html("<li>word " * 22_000)
    answered: list[str] = []

    async def fetch(path: str) -> None:
        async with client(address, token="k-all") as mcp:
            await mcp.call_tool("web_fetch", {"url": site.url(path)})
            answered.append(path)

    async def use() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch, "/hostile")
            await anyio.sleep(0.5)
            await fetch("/page")
            tasks.cancel_scope.cancel()

    anyio.run(use)
    assert answered == ["/page"]

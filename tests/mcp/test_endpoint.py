"""The endpoint over real sockets: the SDK's client on a real ccproxy process, and what HTTP itself shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from tests.mcp.serving import MODES, client, said_of, serving, stdio, words


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(stdio("plain"), tmp_path_factory.mktemp("mcp")) as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
def test_tools_are_listed_with_all_that_they_say_and_are_called(address: str, mode: str) -> None:
    async def run() -> None:
        async with client(address, mode=mode) as mcp:
            tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
            add = tools["plain__add"]
            assert (add.title, add.description) == ("Adds", "a + b")
            assert add.annotations is not None
            assert add.annotations.read_only_hint is True
            assert add.input_schema["required"] == ["a", "b"]
            assert add.output_schema is not None
            result = await mcp.call_tool("plain__add", {"a": 1, "b": 2})
            assert (words(result), result.structured_content) == ("3", {"result": 3})
            weather = await mcp.call_tool("plain__weather", {"city": "Paris"})
            assert weather.structured_content == {"city": "Paris", "degrees": 21.5}

    anyio.run(run)


@pytest.mark.parametrize("mode", MODES)
def test_images_and_links_pass(address: str, mode: str) -> None:
    async def run() -> None:
        async with client(address, mode=mode) as mcp:
            (image,) = (await mcp.call_tool("plain__picture", {})).content
            assert (image.type, image.data, image.mime_type) == ("image", "cG5n", "image/png")
            (link,) = (await mcp.call_tool("plain__linked", {})).content
            assert (link.type, str(link.uri)) == ("resource_link", "plain://notes/1")
            read = await mcp.read_resource("plain://notes/1")
            assert [content.text for content in read.contents] == ["note 1"]

    anyio.run(run)


@pytest.mark.parametrize("mode", MODES)
def test_prompts_resources_and_templates_pass(address: str, mode: str) -> None:
    async def run() -> None:
        async with client(address, mode=mode) as mcp:
            (prompt,) = (await mcp.list_prompts()).prompts
            assert (prompt.name, prompt.title) == ("plain__greeting", "Greets")
            got = await mcp.get_prompt("plain__greeting", {"name": "Ada"})
            assert got.messages[0].content.text == "Greet Ada."
            assert [str(resource.uri) for resource in (await mcp.list_resources()).resources] == ["plain://readme"]
            (template,) = (await mcp.list_resource_templates()).resource_templates
            assert template.uri_template == "plain://notes/{number}"

    anyio.run(run)


@pytest.mark.parametrize("mode", MODES)
def test_progress_is_passed_on(address: str, mode: str) -> None:
    async def run() -> None:
        told: list[tuple[float, float | None, str | None]] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            told.append((done, total, message))

        async with client(address, mode=mode) as mcp:
            assert words(await mcp.call_tool("plain__slow", {"seconds": 0.2}, progress_callback=progress)) == "done"
        assert (1, 10, "step 1") in told
        assert len(told) >= 9

    anyio.run(run)


BAD = [
    ("nope", {}, "unknown tool 'nope'"),
    ("plain__nope", {}, "MCP server plain has no such tool"),
    ("plain__add", {"a": 1, "b": "x"}, "MCP server plain: add: the arguments do not fit its schema: b: 'x' is not"),
    ("plain__add", {}, "MCP server plain: add: the arguments do not fit its schema"),
    ("plain__asks", {}, "Elicitation not supported"),
]


@pytest.mark.parametrize(("name", "arguments", "said"), BAD)
@pytest.mark.parametrize("mode", MODES)
def test_a_bad_call_is_an_error_that_names_the_server_and_the_session_goes_on(
    address: str, mode: str, name: str, arguments: dict[str, Any], said: str
) -> None:
    async def run() -> None:
        async with client(address, mode=mode) as mcp:
            assert said in await said_of(mcp, name, arguments)
            assert words(await mcp.call_tool("plain__echo", {"text": "on"})) == "on"

    anyio.run(run)

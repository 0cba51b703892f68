"""All servers as one: many at once, broken ones among them, changes, and what a configuration's change leaves alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp.types as types
import pytest
from mcp.shared.exceptions import MCPError

from ccproxy.config import loads
from ccproxy.mcp.hub import Hub, _fits
from tests.mcp.serving import MODES, client, eventually, inside, reached, said_of, stdio, words
from tests.mcp.test_connection import odd

PROVIDER = "[providers.p]\nprotocol = 'openai'\n"


@asynccontextmanager
async def hub_of(config: str) -> AsyncIterator[Hub]:
    async with Hub(loads(config, {})).running() as hub:
        yield hub


TEN = "".join(
    [
        *(odd(f"well{i}", more="") for i in range(7)),
        odd("broken", "broken"),
        odd("silent", "silent", more="timeout = 30"),
        reached("away", "http://127.0.0.1:1/mcp"),
    ]
)


@pytest.mark.parametrize("mode", MODES)
def test_ten_servers_of_which_three_are_broken(mode: str) -> None:
    """The seven are listed and called; each of the three is an error of its own, that names it."""

    async def run() -> None:
        async with inside(f"[mcp]\nwait = 20\nservers = {{}}\n{TEN}".replace("servers = {}\n", "")) as (address, endpoint):
            hub = endpoint.hub
            async with client(address, mode=mode) as mcp:
                await eventually(lambda: sum(c.state == "ready" for c in hub.connections.values()) == 7)
                hub.settings = loads(f"[mcp]\nwait = 0.2\n{TEN}", {}).mcp or hub.settings
                tools = [tool.name for tool in (await mcp.list_tools()).tools]
                assert {name.partition("__")[0] for name in tools} == {f"well{i}" for i in range(7)}
                results: dict[str, str] = {}

                async def call(server: str) -> None:
                    results[server] = words(await mcp.call_tool(f"{server}__echo", {"s": server}))

                async with anyio.create_task_group() as tasks:
                    for i in range(7):
                        tasks.start_soon(call, f"well{i}")
                assert results == {f"well{i}": f"{{'s': 'well{i}'}}" for i in range(7)}
                assert "MCP server broken is resting" in await said_of(mcp, "broken__echo", {})
                assert "MCP server away is resting: cannot be reached" in await said_of(mcp, "away__echo", {})
                states = {status.name: status.state for status in hub.servers()}
                assert states["silent"] == "starting"

    anyio.run(run)


@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_calls_at_once(mode: str) -> None:
    async def run() -> None:
        async with inside(stdio("a") + stdio("b")) as (address, _), client(address, mode=mode) as mcp:
            results: dict[int, str] = {}

            async def call(number: int) -> None:
                server = "ab"[number % 2]
                results[number] = words(await mcp.call_tool(f"{server}__add", {"a": number, "b": 1000}))

            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(call, number)
            assert results == {number: str(number + 1000) for number in range(100)}

    anyio.run(run)


@pytest.mark.parametrize("mode", MODES)
def test_who_comes_late_is_told_of(mode: str) -> None:
    async def run() -> None:
        told = anyio.Event()

        async def heard(message: Any) -> None:
            if isinstance(message, types.ToolListChangedNotification):
                told.set()

        config = "[mcp]\nwait = 0.2\n" + odd("late", "slow", more="")
        async with inside(config) as (address, _), client(address, mode=mode, message_handler=heard) as mcp:
            if mode == "legacy":
                assert (await mcp.list_tools()).tools == []
                with anyio.fail_after(10):
                    await told.wait()
            else:
                async with mcp.listen(tools_list_changed=True) as changes:
                    assert (await mcp.list_tools()).tools == []
                    with anyio.fail_after(10):
                        await changes.__anext__()
            assert len((await mcp.list_tools(cache_mode="bypass")).tools) > 5

    anyio.run(run)


def test_a_servers_own_change_is_passed_on() -> None:
    async def run() -> None:
        told = anyio.Event()

        async def heard(message: Any) -> None:
            if isinstance(message, types.ToolListChangedNotification):
                told.set()

        async with inside(stdio("plain")) as (address, _), client(address, message_handler=heard) as mcp:
            assert "plain__grown" not in [tool.name for tool in (await mcp.list_tools()).tools]
            await mcp.call_tool("plain__grows", {})
            with anyio.fail_after(10):
                await told.wait()
            assert words(await mcp.call_tool("plain__grown", {})) == "grown"

    anyio.run(run)


def test_bare_names_and_what_a_server_keeps_to_itself() -> None:
    async def run() -> None:
        config = (
            "[mcp]\nnames = 'bare'\n"
            + stdio("a", more="allow = ['add', 'echo', 'slow']\ndeny = ['slow']")
            + odd("b", more="")
        )
        async with hub_of(config) as hub:
            await hub.settled(seconds=20)
            names = [tool.name for tool in await hub.tools("")]
            assert names[:2] == ["add", "a__echo"]
            assert "b__echo" in names
            assert "nothing" in names
            for name in ("add", "a__add"):
                assert words(await hub.call(name, {"a": 1, "b": 1})) == "2"
            with pytest.raises(MCPError):
                await hub.call("slow", {"seconds": 0})
            with pytest.raises(MCPError):
                await hub.call("a__slow", {"seconds": 0})

    anyio.run(run)


def test_twins_of_one_server_are_told_apart_by_their_full_names_where_names_are_bare() -> None:
    async def run() -> None:
        async with hub_of("[mcp]\nnames = 'bare'\n" + odd("b", more="")) as hub:
            await hub.settled(seconds=20)
            for name in ("twin_name", "b__twin_name"):
                assert words(await hub.call(name, {})) == "twin_name"
            (other,) = (tool.name for tool in await hub.tools("") if tool.name.startswith("b__twin_name_"))
            assert words(await hub.call(other, {})) == "twin.name"

    anyio.run(run)


def test_a_tool_of_a_server_that_is_still_starting_is_not_said_to_be_missing() -> None:
    async def run() -> None:
        async with hub_of(odd("still", "silent", more="timeout = 0.3")) as hub:
            with pytest.raises(MCPError, match="MCP server still is still starting"):
                await hub.call("still__echo", {})

    anyio.run(run)


class Told:
    """An Audience that counts what it is told."""

    def __init__(self, group: str = "") -> None:
        self.group = group
        self.heard: list[str] = []

    def changed(self, kind: str) -> None:
        self.heard.append(kind)

    def updated(self, uri: str) -> None: ...

    def logged(self, params: types.LoggingMessageNotificationParams) -> None:
        self.heard.append(str(params.data))


def test_a_change_of_something_else_in_the_file_is_told_to_nobody() -> None:
    async def run() -> None:
        table = PROVIDER + "[mcp.fetch]\n" + odd("same", more="")
        async with hub_of(table) as hub:
            await hub.settled(seconds=20)
            told, tool = Told(), hub._builtins["web_fetch"]
            hub.audience.add(told)
            for file, heard in ((table + "[providers.q]\nprotocol = 'openai'\n", False), (PROVIDER + "[mcp]\n", True)):
                hub.apply(changed := loads(file, {}))
                await eventually(lambda changed=changed: hub._config is changed)
                assert bool(told.heard) == heard
                assert (hub._builtins.get("web_fetch") is tool) != heard

    anyio.run(run)


def test_a_group_that_is_gone_hears_of_no_server() -> None:
    async def run() -> None:
        async with hub_of(PROVIDER + odd("a", more="")) as hub:
            told = Told("gone")
            hub.audience.add(told)
            hub.logged("a", types.LoggingMessageNotificationParams(level="error", data="for others"))
            hub.changed("a", "tools")
            assert told.heard == []

    anyio.run(run)


def test_resources_of_two_servers_find_their_own() -> None:
    async def run() -> None:
        async with hub_of(stdio("a") + odd("b", more="")) as hub:
            await hub.settled(seconds=20)
            assert [str(resource.uri) for resource in await hub.resources("")] == ["plain://readme"]
            (content,) = (await hub.read_resource("plain://notes/7")).contents
            assert isinstance(content, types.TextResourceContents)
            assert content.text == "note 7"
            (other,) = (await hub.read_resource("plain://readme")).contents
            assert isinstance(other, types.TextResourceContents)
            with pytest.raises(MCPError, match="MCP server a: "):
                await hub.read_resource("elsewhere://x")
        async with hub_of(odd("b", more="")) as hub:
            with pytest.raises(MCPError, match="no MCP server has the resource 'elsewhere://x'"):
                await hub.read_resource("elsewhere://x")

    anyio.run(run)


def test_a_changed_configuration_leaves_alone_what_is_the_same() -> None:
    async def run() -> None:
        first = PROVIDER + odd("same", more="") + odd("other", more="") + odd("gone", more="")
        then = PROVIDER + odd("same", more="") + odd("other", more="allow = ['pid']") + odd("new", more="")
        async with hub_of(first) as hub:
            await hub.settled(seconds=20)
            pids = {name: words(await hub.call(f"{name}__pid", {})) for name in ("same", "other", "gone")}
            hub.apply(loads(then, {}))
            await eventually(lambda: "new" in hub.connections)
            assert words(await hub.call("same__pid", {})) == pids["same"]
            assert words(await hub.call("other__pid", {})) != pids["other"]
            assert [tool.name for tool in await hub.tools("") if tool.name.startswith("other")] == ["other__pid"]
            assert words(await hub.call("new__pid", {}))
            with pytest.raises(MCPError, match="there is no such tool"):
                await hub.call("gone__pid", {})
            await eventually(lambda: not Path(f"/proc/{pids['gone']}").exists())
            hub.apply(loads(PROVIDER, {}))
            await eventually(lambda: not hub.connections)

    anyio.run(run)


def test_a_disabled_server_is_not_started() -> None:
    async def run() -> None:
        async with hub_of(odd("off", more="enabled = false")) as hub:
            assert [(status.name, status.state) for status in hub.servers()] == [("off", "disabled")]
            assert await hub.tools("") == []

    anyio.run(run)


def test_servers_are_told_with_what_they_are_doing() -> None:
    async def run() -> None:
        async with hub_of(odd("a", more="") + odd("b", "broken")) as hub:
            assert [status.state for status in hub.servers()] == ["idle", "idle"]
            await hub.settled(seconds=20)
            a, b = hub.servers()
            assert (a.state, a.error, a.tools[0]) == ("ready", "", "a__echo")
            assert b.state == "resting"
            assert "I cannot begin" in b.error

    anyio.run(run)


def test_a_server_may_start_with_ccproxy() -> None:
    async def run() -> None:
        async with hub_of(odd("a", more="start = 'startup'") + odd("b", more="")) as hub:
            await eventually(lambda: hub.connections["a"].state == "ready")
            assert hub.connections["b"].state == "idle"

    anyio.run(run)


@pytest.mark.parametrize(
    ("template", "uri", "fits"),
    [
        ("a://{x}", "a://1", True),
        ("a://{x}/b", "a://1/b", True),
        ("a://{x}/b", "a://1/c", False),
        ("a://{x}/m/{y}", "a://1/m/2", True),
        ("a://{x}/m/{y}", "a://1/2", False),
        ("a://b", "a://b", True),
        ("a://b", "a://c", False),
        ("{+path}", "anything", True),
    ],
)
def test_which_uris_a_template_makes(template: str, uri: str, fits: bool) -> None:
    assert _fits(template, uri) is fits


class Heard:
    """An audience that counts."""

    group = ""

    def __init__(self) -> None:
        self.uris: list[str] = []

    def changed(self, kind: Any) -> None: ...

    def updated(self, uri: str) -> None:
        self.uris.append(uri)

    def logged(self, params: Any) -> None: ...


def test_a_resource_is_subscribed_to_once_for_all_who_want_it() -> None:
    async def run() -> None:
        async with hub_of(stdio("plain")) as hub:
            await hub.settled(seconds=20)
            asked: list[tuple[str, bool]] = []

            async def subscribe(uri: str, on: bool) -> None:
                asked.append((uri, on))

            plain = hub.connections["plain"]
            plain.subscribe = subscribe  # type: ignore[method-assign]
            plain.drop = lambda uri: asked.append((uri, False))  # type: ignore[method-assign]
            one, two = Heard(), Heard()
            await hub.subscribe(one, "plain://readme")
            await hub.subscribe(two, "plain://readme")
            hub.updated("plain", "plain://readme")
            await hub.unsubscribe(one, "plain://readme")
            hub.updated("plain", "plain://readme")
            assert (len(one.uris), len(two.uris)) == (1, 2)
            assert asked == [("plain://readme", True)]
            hub.leave(two)
            assert asked == [("plain://readme", True), ("plain://readme", False)]
            hub.updated("plain", "plain://readme")
            assert len(two.uris) == 2

    anyio.run(run)

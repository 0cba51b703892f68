"""One server behind us: how it starts, what becomes of a call when it does what it should not, and that it comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from ccproxy.mcp import connection
from tests.fakes.server import free_port
from tests.mcp.serving import SERVERS, client, eventually, inside, reached, said_of, stdio, words

SHORT = "timeout = 1"


def odd(name: str, how: str = "well", more: str = SHORT) -> str:
    return stdio(name, "odd", how, more=more, env={"KEY": "hush-hush"})


MISDEEDS = [
    ("odd__nothing", "MCP server odd: did not answer within 1 s"),
    ("odd__unknown_id", "MCP server odd: did not answer within 1 s"),
    ("odd__nonsense", "MCP server odd: answers tools/call with what that has no place for"),
    ("odd__half", "MCP server odd: ended during the call, which may have taken effect; it is not repeated"),
    ("odd__error", "MCP server odd: no such thing as it was"),
]


@pytest.mark.parametrize(("name", "said"), MISDEEDS)
def test_a_call_that_goes_wrong_is_an_error_that_names_the_server(name: str, said: str) -> None:
    async def run() -> None:
        more = SHORT if "within 1 s" in said else ""
        async with inside(odd("odd", more=more)) as (address, _), client(address) as mcp:
            assert said in await said_of(mcp, name, {})
            assert words(await mcp.call_tool("odd__echo", {"a": 1})) == "{'a': 1}"

    anyio.run(run)


def test_an_error_keeps_its_code() -> None:
    async def run() -> None:
        async with inside(odd("odd")) as (address, _), client(address) as mcp:
            with pytest.raises(MCPError) as caught:
                await mcp.call_tool("odd__error", {})
            assert caught.value.code == -32050

    anyio.run(run)


def test_a_server_that_prints_to_its_stdout_is_heard_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with inside(odd("odd", "babbles")) as (address, _), client(address) as mcp:
            assert words(await mcp.call_tool("odd__echo", {"a": 1})) == "{'a': 1}"

    anyio.run(run)
    assert "odd: says what is no message" in caplog.text


def test_a_server_that_babbles_without_end_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with inside(odd("odd")) as (address, _), client(address) as mcp:
            assert words(await mcp.call_tool("odd__babble", {})) == "babbled"

    anyio.run(run)
    assert 0 < sum("says what is no message" in record.message for record in caplog.records) <= 60


def test_what_it_writes_to_stderr_is_logged_in_part_and_masked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ccproxy.mcp")

    async def run() -> None:
        async with inside(odd("odd")) as (address, _), client(address) as mcp:
            assert words(await mcp.call_tool("odd__flood", {})) == "flooded"

    anyio.run(run)
    lines = [record.message for record in caplog.records if "to stderr" in record.message]
    assert 0 < len(lines) <= 60
    assert set(lines) == {"odd: to stderr with ***"}


def test_a_large_answer_passes() -> None:
    async def run() -> None:
        async with inside(odd("odd", more="")) as (address, _), client(address) as mcp:
            assert len(words(await mcp.call_tool("odd__large", {"size": 5_000_000}))) == 5_000_000

    anyio.run(run)


BROKEN = [
    (odd("a", "broken"), "I cannot begin: *** is no key"),
    (odd("a", "silent"), "it does not answer in time"),
    ("[mcp.servers.a]\ncommand = '/nowhere/at-all'\n", "there is no at-all"),
    ("[mcp.servers.a]\ncommand = 'true'\ncwd = '/nowhere'\n", "there is no nowhere"),
    (reached("a", "http://127.0.0.1:1/mcp"), "cannot be reached"),
]


@pytest.mark.parametrize(("table", "why"), BROKEN)
def test_a_server_that_cannot_begin_says_why(table: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "START_SECONDS", 1.0)

    async def run() -> None:
        async with inside(table) as (address, endpoint), client(address) as mcp:
            assert (await mcp.list_tools()).tools == []
            said = await said_of(mcp, "a__x", {})
            assert "MCP server a is" in said
            assert why in said
            (status,) = endpoint.hub.servers()
            assert status.state in ("resting", "starting")
            assert why in status.error

    anyio.run(run)


def test_it_comes_back_after_it_was_killed(tmp_path: Path) -> None:
    async def run() -> None:
        async with inside(stdio("plain")) as (address, endpoint), client(address) as mcp:
            first = int(words(await mcp.call_tool("plain__process", {})))
            os.kill(first, signal.SIGKILL)
            server = endpoint.hub.connections["plain"]
            await eventually(lambda: server.state != "ready")
            assert {tool.name for tool in (await mcp.list_tools()).tools} >= {"plain__add"}  # which it had before
            second = int(words(await mcp.call_tool("plain__process", {})))
            assert second != first

    anyio.run(run)


def test_a_server_killed_in_mid_call_is_an_error_at_once_and_not_asked_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def run() -> None:
        async with inside(stdio("plain", env={"PLAIN_LOG": str(log)})) as (address, _), client(address) as mcp:
            pid = int(words(await mcp.call_tool("plain__process", {})))
            said: list[str] = []

            async def call() -> None:
                said.append(await said_of(mcp, "plain__slow", {"seconds": 30}))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await eventually(log.exists)
                os.kill(pid, signal.SIGKILL)
            assert said == ["MCP server plain: ended during the call, which may have taken effect; it is not repeated"]
            assert words(await mcp.call_tool("plain__echo", {"text": "on"})) == "on"
        assert log.read_text() == "slow begins\n"

    anyio.run(run)


def test_a_cancelled_call_is_cancelled_behind_us(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def run() -> None:
        async with inside(stdio("plain", env={"PLAIN_LOG": str(log)})) as (address, _):
            for mode in ("legacy", "auto"):
                async with client(address, mode=mode) as mcp:
                    await mcp.call_tool("plain__echo", {"text": "up"})
                    with anyio.move_on_after(1):
                        await mcp.call_tool("plain__slow", {"seconds": 30})
                    await eventually(lambda: "slow cancelled" in log.read_text())
                    assert words(await mcp.call_tool("plain__echo", {"text": "on"})) == "on"
                log.write_text("")

    anyio.run(run)


def test_its_environment_is_its_own() -> None:
    async def run() -> None:
        async with inside(stdio("plain", env={"MINE": "yes"})) as (address, _), client(address) as mcp:
            os.environ["CCPROXY_TEST_KEY"] = "sk-1"
            try:
                assert words(await mcp.call_tool("plain__variable", {"name": "MINE"})) == "yes"
                assert words(await mcp.call_tool("plain__variable", {"name": "CCPROXY_TEST_KEY"})) == "(none)"
            finally:
                del os.environ["CCPROXY_TEST_KEY"]

    anyio.run(run)


# Over HTTP


@contextmanager
def http_server(port: int, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(SERVERS / "plain.py"), str(port), *more]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_server_over_http_is_found_again_after_it_was_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call finds that the server forgot us, and was not taken; the third meets the new session. Where the
    connection was not used for a while, a ping finds it out and no call fails."""
    port = free_port()

    async def run() -> None:
        async with inside(reached("there", f"http://127.0.0.1:{port}/mcp")) as (address, _), client(address) as mcp:
            with http_server(port):
                assert words(await mcp.call_tool("there__add", {"a": 1, "b": 2})) == "3"
            assert "MCP server there" in await said_of(mcp, "there__add", {"a": 1, "b": 2})
            with http_server(port):
                with anyio.fail_after(20):
                    while (said := await said_of(mcp, "there__add", {"a": 2, "b": 2})) != "4":
                        assert "MCP server there" in said
            monkeypatch.setattr(connection, "STALE_SECONDS", 0.0)
            with http_server(port):
                assert words(await mcp.call_tool("there__add", {"a": 3, "b": 2})) == "5"

    anyio.run(run)


def test_one_request_that_cannot_be_sent_leaves_the_others_alone() -> None:
    port = free_port()

    async def run() -> None:
        async with inside(reached("there", f"http://127.0.0.1:{port}/mcp")) as (address, endpoint):
            async with client(address) as mcp:
                with http_server(port):
                    results: list[Any] = []

                    async def slow() -> None:
                        results.append(words(await mcp.call_tool("there__slow", {"seconds": 1})))

                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(slow)
                        await anyio.sleep(0.3)
                        assert words(await mcp.call_tool("there__add", {"a": 1, "b": 2})) == "3"
                    assert results == ["done"]
            assert endpoint.hub.connections["there"].state in ("ready", "resting", "starting")

    anyio.run(run)


def test_a_slow_server_is_waited_for_once() -> None:
    async def run() -> None:
        config = "[mcp]\nwait = 1\n" + odd("slow", "silent", more="timeout = 60")
        async with inside(config) as (address, endpoint), client(address) as mcp:
            assert (await mcp.list_tools()).tools == []
            assert endpoint.hub.connections["slow"].state == "starting"
            with anyio.fail_after(0.95):  # no second is waited for again
                assert (await mcp.list_prompts()).prompts == []
                assert (await mcp.list_resources()).resources == []

    anyio.run(run)


def test_lists_of_a_server_over_http_are_read_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream that tells changes may have ended without a sign."""
    port = free_port()

    async def run() -> None:
        table = reached("there", f"http://127.0.0.1:{port}/mcp")
        with http_server(port):
            async with inside(table) as (address, endpoint), client(address) as mcp:
                await mcp.list_tools()
                server = endpoint.hub.connections["there"]
                server.tools = []
                endpoint.hub.changed("there", "tools")
                assert (await mcp.list_tools(cache_mode="bypass")).tools == []
                monkeypatch.setattr(connection, "STALE_SECONDS", 0.0)
                assert (await mcp.list_tools(cache_mode="bypass")).tools

    anyio.run(run)

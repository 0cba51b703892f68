"""Suite `mcp`: one call of a tool, to an MCP server directly and through ccproxy, with the SDK's own client.

    stdio   the server is run: by the client, or by ccproxy, which the client reaches over Streamable HTTP
    http    the server is reached over Streamable HTTP by the client, or by ccproxy

Through ccproxy twice: with the SDK's client, whose HTTP costs milliseconds of its own (as `direct` over HTTP shows beside
`direct` over stdio), and with a bare one on `http.client`, which leaves what ccproxy and the server cost.

The server is one on the SDK whose tool says what it was given; `python -m bench.mcp [PORT]` is it. Each round makes as many
calls on each way, one after the other, on connections that stand already, and counts the median.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from ccproxy.measure.processes import free_port, started
from ccproxy.measure.report import amount
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite, Table

ROUNDS, SHORT_ROUNDS = 15, 5
CALLS = 40
WARM_UP = 10

DIRECT, THROUGH, BARE = "direct", "ccproxy", "ccproxy, bare client"
KINDS = ("stdio", "http")

TEXT = "x" * 200


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Kind by kind, the ways in turn within each round. Needs the MCP SDK; raises ImportError without."""
    import anyio

    rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
    for kind in KINDS:
        if setting.wants(server=kind):
            found = anyio.run(_measured, kind, rounds, progress)
            for way, seconds in found.items():
                labels = {"server": kind, "way": way}
                yield Measure("mcp", labels, "ms", [value * 1e3 for value in seconds])


async def _measured(kind: str, rounds: int, progress: Progress) -> dict[str, list[float]]:
    """Seconds of a call, by way."""
    async with _clients(kind) as clients:
        found: dict[str, list[float]] = {way: [] for way in clients}
        for call in clients.values():
            await _calls(call, WARM_UP)
        for number in range(rounds):
            progress.step(kind, number, rounds)
            for way in list(clients) if number % 2 else list(clients)[::-1]:
                found[way].append(await _calls(clients[way], CALLS))
        return found


Call = Callable[[], Awaitable[str]]


async def _calls(call: Call, count: int) -> float:
    """The median of so many calls, in seconds."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        said = await call()
        times.append(time.perf_counter() - began)
        assert said == TEXT
    return median(times)


@asynccontextmanager
async def _clients(kind: str) -> AsyncIterator[dict[str, Call]]:
    """How one call is made, by way."""
    from mcp import Client, StdioServerParameters

    with ExitStack() as processes:
        folder = Path(processes.enter_context(TemporaryDirectory()))
        server = ["-m", "bench.mcp"]
        direct: Any = StdioServerParameters(command=sys.executable, args=server, cwd=Path.cwd())
        table = f"command = '{sys.executable}'\nargs = {server!r}\ncwd = '{Path.cwd()}'\n"
        if kind == "http":
            port = free_port()
            processes.enter_context(started([*server, str(port)], port))
            direct = f"http://127.0.0.1:{port}/mcp"
            table = f"url = '{direct}'\n"
        port = free_port()
        (folder / "ccproxy.toml").write_text(f"[server]\nport = {port}\n[mcp.servers.s]\n{table}")
        processes.enter_context(started(["-m", "ccproxy", "serve", "--config", str(folder / "ccproxy.toml")], port))
        async with AsyncExitStack() as stack:
            there = await stack.enter_async_context(Client(direct, mode="legacy"))
            here = await stack.enter_async_context(Client(f"http://127.0.0.1:{port}/mcp/http", mode="legacy"))
            bare = Bare(port)
            stack.callback(bare.http.close)
            yield {DIRECT: partial(_by_sdk, there, "echo"), THROUGH: partial(_by_sdk, here, "s__echo"), BARE: bare.call}


async def _by_sdk(client: Any, tool: str) -> str:
    said: str = (await client.call_tool(tool, {"text": TEXT})).content[0].text
    return said


class Bare:
    """A client that only writes and reads. It blocks, since it is alone."""

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port)
        self._headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        answer, _ = self._post("initialize", client)
        self._headers["mcp-session-id"] = answer.headers["mcp-session-id"]

    async def call(self) -> str:
        _, document = self._post("tools/call", {"name": "s__echo", "arguments": {"text": TEXT}})
        said: str = document["result"]["content"][0]["text"]
        return said

    def _post(self, method: str, params: Any) -> tuple[HTTPResponse, Any]:
        document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.http.request("POST", "/mcp/http", json.dumps(document), self._headers)
        answer = self.http.getresponse()
        return answer, json.loads(answer.read())


def table(measures: Sequence[Measure]) -> Table:
    """A row for each server and way, with what ccproxy adds: the median of the rounds' differences."""
    direct = {m.siblings: m for m in measures if m.labels["way"] == DIRECT}
    rows = []
    for m in measures:
        beside = direct.get(m.siblings)
        added = ""
        if beside is not None and m is not beside:
            added = amount(median(a - b for a, b in zip(m.values, beside.values, strict=True)), m.unit)
        rows.append([m.labels["server"], m.labels["way"], amount(m.median, m.unit), f"±{m.spread / 2:.0%}", added])
    return ["server", "way", "one call", "spread", "added"], rows


SUITE = Suite("mcp", "A call of a tool, to an MCP server directly and through ccproxy", run, table)


def serve(arguments: Sequence[str]) -> None:
    """The server: over stdio, or on a port."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("bench", log_level="WARNING")

    @server.tool(structured_output=False)
    def echo(text: str) -> str:
        """What it was given."""
        return text

    if arguments:
        server.run("streamable-http", host="127.0.0.1", port=int(arguments[0]))
    else:
        server.run("stdio")


if __name__ == "__main__":
    serve(sys.argv[1:])

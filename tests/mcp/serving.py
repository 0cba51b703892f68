"""A real ccproxy process in front of MCP servers, and the SDK's client on it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from ccproxy.app import App
from ccproxy.config import loads
from ccproxy.mcp import Endpoint
from ccproxy.transport.on_asyncio import serve
from tests.fakes.server import ccproxy_process, free_port

SERVERS = Path(__file__).parent / "servers"

MODES = ("legacy", "auto")
"""How the SDK's client begins: with a session, or as 2026-07-28 has it."""


def stdio(name: str, script: str = "plain", *arguments: str, more: str = "", env: dict[str, str] | None = None) -> str:
    """The table of a server of `servers/` that is run."""
    given = [str(SERVERS / f"{script}.py"), *arguments]
    said = ", ".join(f"{name} = {json.dumps(value)}" for name, value in (env or {}).items())
    return (
        f"[mcp.servers.{name}]\ncommand = {json.dumps(sys.executable)}\nargs = {json.dumps(given)}\n"
        f"env = {{ {said} }}\n{more}\n"
    )


def reached(name: str, url: str, more: str = "") -> str:
    """The table of a server that is reached."""
    return f"[mcp.servers.{name}]\nurl = {json.dumps(url)}\n{more}\n"


@contextmanager
def serving(config: str, folder: Path) -> Iterator[str]:
    """The address of a ccproxy with this configuration; its log is `ccproxy.log` in the folder."""
    port = free_port()
    with ccproxy_process(f"[server]\nport = {port}\n{config}", folder, port) as address:
        yield address


@asynccontextmanager
async def client(
    address: str, path: str = "/mcp/http", *, token: str = "", mode: str = "legacy", **more: Any
) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(address + path, http_client=http, max_sse_event_size=None)
        async with Client(transport, mode=mode, **more) as connected:
            yield connected


async def said_of(mcp: Client, name: str, arguments: dict[str, Any]) -> str:
    """What a call is answered with, whether as a result or as an error."""
    try:
        result = await mcp.call_tool(name, arguments)
    except MCPError as error:
        return error.message
    return words(result)


def words(result: Any) -> str:
    """A tool's result as text."""
    return "".join(part.text for part in result.content if part.type == "text")


async def eventually(check: Any, seconds: float = 20) -> None:
    """Waits until `check` gives something true."""
    with anyio.fail_after(seconds):
        while not check():
            await anyio.sleep(0.02)


@asynccontextmanager
async def inside(config: str) -> AsyncIterator[tuple[str, Endpoint]]:
    """A server in this loop: its address, and the endpoint to look into."""
    app = App(loads(config, {}))
    server = await serve(app, "127.0.0.1", 0)
    try:
        assert app._mcp is not None
        yield f"http://127.0.0.1:{server.port}", app._mcp
    finally:
        await server.close(0)

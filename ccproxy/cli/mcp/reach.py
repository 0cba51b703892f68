"""How commands reach the MCP servers: through the ccproxy that runs, or with connections of their own.

A running ccproxy is asked for `/mcp/servers` at the address and with a key of the configuration; where none answers, the
command is a hub itself for as long as it takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from attrs import frozen

from ccproxy.cli.show import base_url
from ccproxy.config import Config

if TYPE_CHECKING:
    from mcp import Client
    from mcp.shared.dispatcher import ProgressFnT
    from mcp_types import CallToolResult, Tool

    from ccproxy.mcp import Hub

ASK_SECONDS = 3.0
"""For a server on this machine to say that it is there."""

SETTLE_SECONDS = 30.0
"""For servers that a command starts itself: `npx` may have to download one first."""


@frozen
class Server:
    """As the running ccproxy, or our own hub, has it. state: one of idle, starting, ready, resting (it failed, and is tried
    again) and disabled."""

    name: str
    state: str
    error: str
    tools: tuple[str, ...]


class Reach(Protocol):
    """where: who answers, for people."""

    where: str

    async def tools(self) -> list[Tool]: ...

    async def servers(self) -> list[Server]:
        """After `tools`, which starts what is started lazily."""
        ...

    async def call(self, name: str, arguments: dict[str, Any], progress: ProgressFnT) -> CallToolResult:
        """Raises MCPError."""
        ...


@asynccontextmanager
async def reached(config: Config, group: str = "") -> AsyncIterator[Reach]:
    """The servers of a group, or all. Raises MCPError when a running ccproxy refuses us."""
    from ccproxy.mcp import Hub

    address, key = base_url(config.server.host, config.server.port), _key(config, "")
    if await _statuses(address, key) is None:
        async with Hub(config).running() as hub:
            yield _Own(hub, group)
        return
    async with _connected(f"{address}{f'/{group}' if group else ''}/mcp/http", _key(config, group)) as client:
        yield _Running(client, address, key)


def _key(config: Config, group: str) -> str:
    """A proxy key that may be used there; "" for none."""
    its = config.groups.get(group)
    allowed = (its.keys if its else config.mcp.keys if config.mcp else None) or list(config.keys)
    return next((config.keys[name] for name in allowed if name in config.keys), "")


def _headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


async def _statuses(address: str, key: str) -> list[Server] | None:
    """What a running ccproxy says of its servers; None where none answers so."""
    import httpx

    try:
        async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{address}/mcp/servers", headers=_headers(key))
            document = answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("servers"), list):
        return None
    return [Server(s["name"], s["state"], s["error"], tuple(s["tools"])) for s in document["servers"]]


@asynccontextmanager
async def _connected(url: str, key: str) -> AsyncIterator[Client]:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers=_headers(key), timeout=None, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


class _Running:
    """Through the ccproxy that runs."""

    def __init__(self, client: Client, address: str, key: str) -> None:
        self.where = f"the ccproxy at {address}"
        self._client = client
        self._address = address
        self._key = key

    async def tools(self) -> list[Tool]:
        with anyio.move_on_after(SETTLE_SECONDS):
            while True:
                found = await self._listed()
                if all(server.state != "starting" for server in await self.servers()):
                    break
                await anyio.sleep(0.2)
        return found

    async def _listed(self) -> list[Tool]:
        found: list[Tool] = []
        cursor: str | None = None
        while True:
            page = await self._client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if not cursor:
                return found

    async def servers(self) -> list[Server]:
        return await _statuses(self._address, self._key) or []

    async def call(self, name: str, arguments: dict[str, Any], progress: ProgressFnT) -> CallToolResult:
        return await self._client.call_tool(name, arguments, progress_callback=progress)


class _Own:
    """With connections of this command."""

    where = "this command itself, for no ccproxy runs with this configuration"

    def __init__(self, hub: Hub, group: str) -> None:
        self._hub = hub
        self._group = group

    async def tools(self) -> list[Tool]:
        await self._hub.settled(seconds=SETTLE_SECONDS)
        return await self._hub.tools(self._group)

    async def servers(self) -> list[Server]:
        return [Server(s.name, s.state, s.error, s.tools) for s in self._hub.servers()]

    async def call(self, name: str, arguments: dict[str, Any], progress: ProgressFnT) -> CallToolResult:
        its = self._hub.connections.get(name.partition("__")[0])
        if its is not None:
            await its.listed(SETTLE_SECONDS)
        return await self._hub.call(name, arguments, group=self._group, progress=progress)


def owners(servers: list[Server]) -> Mapping[str, str]:
    """A tool's name -> its server's."""
    return {tool: server.name for server in servers for tool in server.tools}

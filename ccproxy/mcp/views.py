"""What a group's clients are served: the SDK's low-level Server, each handler a call of the hub.

One view for each group, for clients of either age: sessions with a handshake (`session.py`), and the requests of 2026-07-28
that stand for themselves. What a request's session is stands in its ASGI scope.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp.types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError

from ccproxy.mcp.connection import Kind
from ccproxy.mcp.hub import Hub
from ccproxy.mcp.session import LEVELS, Session

log = logging.getLogger("ccproxy.mcp")

SESSION = "ccproxy.session"
"""The key of an ASGI scope under which its session stands."""

Context = ServerRequestContext[Any, Any]

INSTRUCTIONS = "Tools of several MCP servers, each named server__tool."


class View:
    """See the module. Also the hub's Audience for the clients without sessions."""

    def __init__(self, group: str, hub: Hub, version: str, max_body: int) -> None:
        self.group = group
        self._hub = hub
        self._bus = InMemorySubscriptionBus()
        self.server = self._served(version)
        self._manager = StreamableHTTPSessionManager(self.server, stateless=True, max_request_body_size=max_body)
        self.handle = self._manager.handle_request

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._manager.run():
            self._hub.audience.add(self)
            try:
                yield
            finally:
                self._hub.audience.discard(self)

    def _served(self, version: str) -> Server[Any]:
        server: Server[Any] = _Server(
            "ccproxy",
            version=version,
            title="ccproxy",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_subscribe_resource=self._subscribe,
            on_unsubscribe_resource=self._unsubscribe,
            on_completion=self._complete,
            on_subscriptions_listen=ListenHandler(self._bus),
        )
        server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, self._set_level)  # of earlier versions
        return server

    # Lists

    async def _list_tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        _whole(params)
        found = await self._hub.tools(self.group)
        _listed(ctx, "tools")
        return types.ListToolsResult(tools=found)

    async def _list_prompts(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        _whole(params)
        found = await self._hub.prompts(self.group)
        _listed(ctx, "prompts")
        return types.ListPromptsResult(prompts=found)

    async def _list_resources(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        _whole(params)
        found = await self._hub.resources(self.group)
        _listed(ctx, "resources")
        return types.ListResourcesResult(resources=found)

    async def _list_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        _whole(params)
        found = await self._hub.templates(self.group)
        _listed(ctx, "resources")
        return types.ListResourceTemplatesResult(resource_templates=found)

    # Calls

    async def _call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        meta = {name: value for name, value in (params.meta or {}).items() if name not in _OURS and not _is_envelope(name)}
        wants_progress = "progress_token" in (ctx.meta or {})
        return await self._hub.call(
            params.name,
            params.arguments,
            group=self.group,
            meta=meta,
            progress=ctx.session.report_progress if wants_progress else None,
        )

    async def _get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        return await self._hub.get_prompt(params.name, params.arguments, group=self.group)

    async def _read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await self._hub.read_resource(str(params.uri), group=self.group)

    async def _complete(self, ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        return await self._hub.complete(params, group=self.group)

    async def _subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        session = _session(ctx)
        if session is not None:
            await self._hub.subscribe(session, str(params.uri))
        return types.EmptyResult()

    async def _unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        session = _session(ctx)
        if session is not None:
            await self._hub.unsubscribe(session, str(params.uri))
        return types.EmptyResult()

    async def _set_level(self, ctx: Context, params: types.SetLevelRequestParams) -> types.EmptyResult:
        session = _session(ctx)
        if session is not None:
            session.level = params.level
            wanted = {one.level for one in self._hub.audience if isinstance(one, Session)}
            self._hub.set_level(min(wanted, key=LEVELS.index, default=params.level))
        return types.EmptyResult()

    # As the hub's audience

    def changed(self, kind: Kind) -> None:
        self._hub.start(self._bus.publish, _EVENTS[kind])

    def updated(self, uri: str) -> None: ...

    def logged(self, params: types.LoggingMessageNotificationParams) -> None: ...


class _Server(Server[Any]):
    """Tells clients that its lists change; the SDK's has to be told so at each use."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> Any:
        changes = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        return super().create_initialization_options(changes, experimental_capabilities, extensions)


_EVENTS: dict[Kind, ServerEvent] = {
    "tools": ToolsListChanged(),
    "prompts": PromptsListChanged(),
    "resources": ResourcesListChanged(),
}

_OURS = frozenset({"progressToken", "progress_token"})
"""Of a request's `_meta`: between a client and us. Our own request to the server has a token of its own."""


def _is_envelope(name: str) -> bool:
    """What a request of 2026-07-28 says of its client and version, for each hop anew."""
    return name.startswith("io.modelcontextprotocol/")


def _whole(params: types.PaginatedRequestParams | None) -> None:
    """Lists are given whole, so that there is no cursor to come back with. Raises MCPError."""
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, "there is no such cursor: lists are given in one page")


def _session(ctx: Context) -> Session | None:
    session = ctx.request.scope.get(SESSION) if ctx.request is not None else None
    return session if isinstance(session, Session) else None


def _listed(ctx: Context, kind: Kind) -> None:
    session = _session(ctx)
    if session is not None:
        session.listed(kind)

"""One server behind us: when it is connected, what it offers, and calls to it.

             wanted                 greeted, lists read
    idle ─────────────> starting ─────────────────────> ready
                           │  ^                           │
                  failed   v  │ pause over, or asked for  │ its process or connection ended
                         resting <────────────────────────┘

- One task, `run`, opens and closes the connection; calls come from their own tasks and use the session that is there.
- A pause grows from FIRST_PAUSE to LONGEST_PAUSE with each failure in turn. Who calls does not wait for its end, but no
  attempt begins sooner than EAGER_PAUSE after the last one began.
- What a server offered stays listed while it rests: a list that flickers costs clients their prompt caches.
- A call is sent once. What becomes of it when the connection ends is not known, and so it is an error that says this.
- A connection over HTTP that was not used for a while is asked with a ping before a call is sent on it, and a network that
  failed is found out in the same way: nothing is repeated, and what was lost in a sleep is connected anew.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

import anyio
import mcp.types as types
from mcp.client.session import ClientSession
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost, listen
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, TypeAdapter, ValidationError

from ccproxy.config import Mcp, McpServer
from ccproxy.mcp.transports import Lines, Stderr, Watched, masked, opened, reason, secrets_of

log = logging.getLogger("ccproxy.mcp")

Kind = Literal["tools", "prompts", "resources"]
State = Literal["idle", "starting", "ready", "resting", "disabled"]

START_SECONDS = 90.0
"""From the start to the lists: npx and uvx fetch a server's packages the first time."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Long, since nobody waits for its end: a call begins an attempt at once."""
EAGER_PAUSE = 1.0

STABLE_SECONDS = 30.0
"""A connection that lived so long was well: the pauses begin anew."""

STALE_SECONDS = 60.0
"""Unused for so long, a connection over HTTP may be gone without a sign (sleep, a restarted server, a NAT)."""

PING_SECONDS = 5.0

MOST_PAGES = 200
"""Of one list: a server whose pages never end must not fill the memory."""

_LISTS: dict[Kind, tuple[str, ...]] = {
    "tools": ("tools",),
    "prompts": ("prompts",),
    "resources": ("resources", "templates"),
}

_CALLED: TypeAdapter[Any] = TypeAdapter(types.CallToolResult | types.InputRequiredResult)
_PROMPT: TypeAdapter[Any] = TypeAdapter(types.GetPromptResult | types.InputRequiredResult)
_READ: TypeAdapter[Any] = TypeAdapter(types.ReadResourceResult | types.InputRequiredResult)


class Listener:
    """What is told of a server; every method is called from the server's own tasks and must not block."""

    def changed(self, server: str, kind: Kind) -> None: ...

    def updated(self, server: str, uri: str) -> None: ...

    def logged(self, server: str, params: types.LoggingMessageNotificationParams) -> None: ...


class Connection:
    """See the module."""

    def __init__(self, name: str, settings: McpServer, mcp: Mcp, listener: Listener) -> None:
        self.name = name
        self.settings = settings
        self.timeout = settings.timeout or mcp.timeout
        self.state: State = "idle"
        self.error = ""
        self.tools: list[types.Tool] = []
        self.prompts: list[types.Prompt] = []
        self.resources: list[types.Resource] = []
        self.templates: list[types.ResourceTemplate] = []
        self.capabilities = types.ServerCapabilities()
        self._start = settings.start or mcp.start
        self._listener = listener
        self._secrets = secrets_of(settings)
        self._session: ClientSession | None = None
        self._wanted = anyio.Event()
        self._settled = anyio.Event()  # the attempt that runs has come to an end
        self._first = anyio.Event()  # the first one has
        self._ended = anyio.Event()
        self._attempt = anyio.Event()  # that it is being connected
        self._waiting = 0  # calls that wait for a connection
        self._stderr = Stderr(name, settings)
        self._babble = Lines(name, logging.WARNING)
        self._scope = anyio.CancelScope()
        self._tasks: Any = None
        self._pause = FIRST_PAUSE
        self._began = 0.0
        self._read = 0.0  # when its lists were read
        self._used = 0.0
        self._level: types.LoggingLevel | None = None
        self._subscribed: set[str] = set()

    def __repr__(self) -> str:
        return f"<Connection {self.name} {self.state}{f': {self.error}' if self.error else ''}>"

    # Its life

    async def run(self) -> None:
        """Until `stop`."""
        with self._scope:
            if self._start == "startup":
                self.want()
            while True:
                await self._wanted.wait()
                self.state = "starting"
                self._attempt.set()
                self._began = anyio.current_time()
                try:
                    await self._connected()
                    failure = "the connection ended"
                except Exception as error:
                    failure = self._words(reason(error))
                    failure = "it ended before it was ready" if failure == _CLOSED else failure
                if anyio.current_time() - self._began > STABLE_SECONDS:
                    self._pause = FIRST_PAUSE
                await self._rest(failure)

    def stop(self) -> None:
        self._scope.cancel()

    def want(self) -> None:
        """Somebody asks: it starts, if it has not."""
        self._wanted.set()

    async def attempted(self) -> None:
        """Connects, where it is not connected: returns when it is ready or the attempt has failed, or too late."""
        with anyio.move_on_after(self.timeout):
            await self._connected_anew()

    async def listed(self, seconds: float) -> None:
        """Returns when its lists are there, or `seconds` after it was started: who lists waits for a slow server once, and
        for one that is broken not again."""
        self.want()
        until = (self._began or anyio.current_time()) + seconds
        with anyio.move_on_after(until - anyio.current_time()):
            await self._first.wait()
        if self.settings.url and self._session is not None and anyio.current_time() - self._read > STALE_SECONDS:
            with anyio.move_on_after(PING_SECONDS):
                await self._refresh_all()

    async def _connected(self) -> None:
        self._ended = anyio.Event()
        async with opened(self.name, self.settings, self._suspect, self._stderr) as (reading, writing):
            session = ClientSession(
                Watched(reading, self._ended),
                writing,
                logging_callback=self._on_log,
                message_handler=self._on_message,
                client_info=_CLIENT,
            )
            async with anyio.create_task_group() as self._tasks, session:
                with anyio.fail_after(START_SECONDS):
                    await self._greet(session)
                self._session = session
                try:
                    await self._serve(session)
                finally:
                    self._lose()
                self._tasks.cancel_scope.cancel()

    async def _greet(self, session: ClientSession) -> None:
        """The handshake, which servers of every age know; those of 2026 only have `server/discover` in its place."""
        try:
            await session.initialize()
        except MCPError as error:
            if error.code not in (types.UNSUPPORTED_PROTOCOL_VERSION, types.METHOD_NOT_FOUND, types.INVALID_REQUEST):
                raise
            await session.discover()
        self.capabilities = session.server_capabilities or types.ServerCapabilities()
        for kind in _LISTS:
            await self._read_lists(session, kind)
        self._read = anyio.current_time()

    async def _serve(self, session: ClientSession) -> None:
        """While it is connected."""
        self.state, self.error = "ready", ""
        self._used = anyio.current_time()
        log.info("%s: connected, %d tools", self.name, len(self.tools))
        self._settled.set()
        self._first.set()
        for kind in _LISTS:
            self._listener.changed(self.name, kind)
        self._tasks.start_soon(self._renew)
        if session.discover_result is not None:
            self._tasks.start_soon(self._listen, session)
        await self._ended.wait()

    async def _rest(self, failure: str) -> None:
        """Until it is to be tried again."""
        self._lose()
        await self._stderr.ended()
        self.error = f"{failure} ({self._stderr.last})" if self._stderr.last else failure
        log.warning("%s: %s; tried again in %g s", self.name, self.error, self._pause)
        self._settled.set()
        self._first.set()
        self._wanted = anyio.Event()
        if self._waiting:
            self.want()
        with anyio.move_on_after(self._pause):
            await self._wanted.wait()
            await anyio.sleep_until(self._began + EAGER_PAUSE)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._settled = anyio.Event()
        self._wanted.set()

    def _lose(self) -> None:
        """The connection is of no use any more."""
        self._ended.set()
        self._session = None
        if self.state != "resting":
            self.state = "resting"
            self._attempt = anyio.Event()

    def _suspect(self) -> None:
        """A request could not be sent."""
        if self._session is not None:
            self._tasks.start_soon(self._probe)

    async def _probe(self) -> bool:
        """Whether the server still knows us; if not, the connection ends and is made anew."""
        session = self._session
        if session is None:
            return False
        try:
            with anyio.fail_after(PING_SECONDS):
                await self._ping(session)
        except (MCPError, TimeoutError) as error:
            if isinstance(error, MCPError) and error.code == types.METHOD_NOT_FOUND:
                return True  # it answers
            if session is self._session:
                self._lose()
            return False
        self._used = anyio.current_time()
        return True

    async def _ping(self, session: ClientSession) -> None:
        if session.discover_result is not None:  # which has no ping
            await session.send_discover(session.protocol_version or "")
        else:
            await session.send_ping()

    # What it offers

    async def _read_lists(self, session: ClientSession, kind: Kind) -> None:
        """Reads the lists anew. A server may have a capability and no such list (`templates`)."""
        if getattr(self.capabilities, kind) is None:
            return
        for attribute in _LISTS[kind]:
            request, result, field = _REQUESTS[attribute]
            try:
                setattr(self, attribute, await self._pages(session, request, result, field))
            except MCPError as error:
                if error.code != types.METHOD_NOT_FOUND:
                    raise
                setattr(self, attribute, [])

    async def _pages(self, session: ClientSession, request: Any, result: Any, field: str) -> list[Any]:
        found: list[Any] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
            page = await session.send_request(request(params=params), result)
            found.extend(getattr(page, field))
            if not page.next_cursor or page.next_cursor == cursor:
                return found
            cursor = page.next_cursor
        log.warning("%s: a list has more than %d pages; the rest is left out", self.name, MOST_PAGES)
        return found

    async def _refresh(self, kind: Kind) -> None:
        session = self._session
        if session is None:
            return
        try:
            with anyio.fail_after(self.timeout):
                await self._read_lists(session, kind)
        except (MCPError, ValidationError, TimeoutError) as error:
            log.warning("%s: its %s cannot be read: %s", self.name, kind, self._words(reason(error)))
            return
        self._listener.changed(self.name, kind)

    async def _refresh_all(self) -> None:
        """Over HTTP the stream that tells changes may have ended without a sign."""
        self._read = anyio.current_time()
        for kind in _LISTS:
            await self._refresh(kind)

    # What it tells

    async def _on_message(self, message: types.ServerNotification | Exception) -> None:
        if isinstance(message, Exception):
            self._babble.say(lambda: f"says what is no message: {self._words(_unreadable(message))}")
            return
        kind = _CHANGES.get(type(message))
        if kind is not None:
            self._tasks.start_soon(self._refresh, kind)
        elif isinstance(message, types.ResourceUpdatedNotification):
            self._listener.updated(self.name, str(message.params.uri))

    async def _on_log(self, params: types.LoggingMessageNotificationParams) -> None:
        self._listener.logged(self.name, params)

    async def _listen(self, session: ClientSession) -> None:
        """The changes of a server of 2026, which come on a stream that is asked for."""
        try:
            async with listen(
                session, tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True
            ) as changes:
                async for _ in changes:
                    pass  # each comes to `_on_message` as well
        except (MCPError, ListenNotSupportedError, SubscriptionLost, TimeoutError) as error:
            log.info("%s: tells no changes: %s", self.name, self._words(reason(error)))

    # Calls

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any] | None,
        meta: dict[str, Any] | None = None,
        progress: Callable[[float, float | None, str | None], Awaitable[None]] | None = None,
    ) -> types.CallToolResult:
        """Raises MCPError."""
        said = cast("types.RequestParamsMeta", meta) if meta else None
        params = types.CallToolRequestParams(name=name, arguments=arguments, _meta=said)
        result = await self._asked(types.CallToolRequest(params=params), _CALLED, progress)
        assert isinstance(result, types.CallToolResult)
        return result

    async def get_prompt(self, name: str, arguments: dict[str, str] | None) -> types.GetPromptResult:
        """Raises MCPError."""
        params = types.GetPromptRequestParams(name=name, arguments=arguments)
        result = await self._asked(types.GetPromptRequest(params=params), _PROMPT)
        assert isinstance(result, types.GetPromptResult)
        return result

    async def read_resource(self, uri: str) -> types.ReadResourceResult:
        """Raises MCPError."""
        params = types.ReadResourceRequestParams(uri=uri)
        result = await self._asked(types.ReadResourceRequest(params=params), _READ)
        assert isinstance(result, types.ReadResourceResult)
        return result

    async def complete(self, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Raises MCPError."""
        result = await self._asked(types.CompleteRequest(params=params), TypeAdapter(types.CompleteResult))
        assert isinstance(result, types.CompleteResult)
        return result

    async def subscribe(self, uri: str, on: bool) -> None:
        """Raises MCPError."""
        (self._subscribed.add if on else self._subscribed.discard)(uri)
        await self._asked(_subscription(uri, on), TypeAdapter(types.EmptyResult))

    def drop(self, uri: str) -> None:
        """Nobody is subscribed to it any more. Waits for no answer."""
        if uri in self._subscribed:
            self._subscribed.discard(uri)
            if self._session is not None:
                self._tasks.start_soon(self._tried, _subscription(uri, False))

    def set_level(self, level: types.LoggingLevel) -> None:
        """The least severe of its messages that anybody wants."""
        if level != self._level:
            self._level = level
            if self._session is not None:
                self._tasks.start_soon(self._renew)

    async def _renew(self) -> None:
        """What clients asked of the connection before this one."""
        if self._level is not None and self.capabilities.logging is not None:
            params = types.SetLevelRequestParams(level=self._level)
            await self._tried(types.SetLevelRequest(params=params))
        for uri in list(self._subscribed):
            await self._tried(_subscription(uri, True))

    async def _tried(self, request: types.ClientRequest) -> None:
        try:
            await self._asked(request, TypeAdapter(types.EmptyResult))
        except MCPError as error:
            log.info("%s", error.message)

    async def _asked(self, request: Any, result: TypeAdapter[Any], progress: Any = None) -> BaseModel:
        """Sends a request, once. Raises MCPError, which names the server."""
        session = None
        try:
            with anyio.fail_after(self.timeout):
                session = await self._reached()
                answer = await session.send_request(request, result, progress_callback=progress)
        except TimeoutError:
            raise self._late(session is not None) from None
        except MCPError as error:
            raise self._named(error) from None
        except ValidationError as error:
            what = f"answers {request.method} with what that has no place for: {_unreadable(error)}"
            raise self.failure(what, types.INTERNAL_ERROR) from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError) as error:
            raise self.failure(f"the connection ended: {reason(error)}") from None
        self._used = anyio.current_time()
        if isinstance(answer, types.InputRequiredResult):
            raise self.failure(
                "asks for input of the client's (sampling, elicitation or roots), which ccproxy does not pass on"
            )
        assert isinstance(answer, BaseModel)
        return answer

    async def _reached(self) -> ClientSession:
        """The session, connected if need be. Raises MCPError."""
        idle = anyio.current_time() - self._used
        if self.state == "ready" and self.settings.url and idle > STALE_SECONDS:
            await self._probe()
        if self._session is None:
            await self._connected_anew()
        if self._session is None:
            raise MCPError(types.CONNECTION_CLOSED, self.error or "is not connected")
        return self._session

    async def _connected_anew(self) -> None:
        """Until the attempt that runs, or the next one, has come to an end."""
        self._waiting += 1
        try:
            self.want()
            if self.state == "resting":
                await self._attempt.wait()
            if self.state in ("idle", "starting"):
                await self._settled.wait()
        finally:
            self._waiting -= 1

    # What is said of failures

    def failure(self, what: str, code: int = types.CONNECTION_CLOSED, data: Any = None) -> MCPError:
        return MCPError(code, f"MCP server {self.name}: {self._words(what)}", data)

    def _late(self, sent: bool) -> MCPError:
        what = "did not answer" if sent else "could not be connected"
        effect = "the call may have taken effect" if sent else self.error or "it is still starting"
        return self.failure(f"{what} within {self.timeout:g} s; {effect}", types.REQUEST_TIMEOUT)

    def _named(self, error: MCPError) -> MCPError:
        if error.code == types.REQUEST_TIMEOUT and "timed out" in error.message:
            return self._late(True)
        if error.code == types.CONNECTION_CLOSED and error.message == _CLOSED:
            return self.failure("ended during the call, which may have taken effect; it is not repeated")
        if error.code == types.INVALID_REQUEST and error.message == "Session terminated":  # the SDK's word for 404
            self._lose()
            return self.failure(
                "had forgotten our session and did not take the call; it is being connected anew: call again"
            )
        return self.failure(error.message, error.code, error.data)

    def _words(self, what: str) -> str:
        return masked(what, self._secrets)


_CLOSED = "Connection closed"
"""The SDK's word for the end of a connection with requests on it."""

_CLIENT = types.Implementation(name="ccproxy", version="1")

_REQUESTS: dict[str, tuple[Any, Any, str]] = {
    "tools": (types.ListToolsRequest, types.ListToolsResult, "tools"),
    "prompts": (types.ListPromptsRequest, types.ListPromptsResult, "prompts"),
    "resources": (types.ListResourcesRequest, types.ListResourcesResult, "resources"),
    "templates": (types.ListResourceTemplatesRequest, types.ListResourceTemplatesResult, "resource_templates"),
}

_CHANGES: dict[type, Kind] = {
    types.ToolListChangedNotification: "tools",
    types.PromptListChangedNotification: "prompts",
    types.ResourceListChangedNotification: "resources",
}


def _subscription(uri: str, on: bool) -> types.ClientRequest:
    if on:
        return types.SubscribeRequest(params=types.SubscribeRequestParams(uri=uri))
    return types.UnsubscribeRequest(params=types.UnsubscribeRequestParams(uri=uri))


def _unreadable(error: Exception) -> str:
    """Where a message is wrong; pydantic's own words show the message at length."""
    if not isinstance(error, ValidationError):
        return reason(error)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else str(first["msg"])

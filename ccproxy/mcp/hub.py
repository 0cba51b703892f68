"""All servers behind us as one: which there are, what they offer together, and whose a name or a resource is.

    configuration ──> Hub ── Connection (one each, in the hub's task) ──> servers
                       │
          Endpoint ────┘ lists, calls, subscriptions; told of changes as an Audience

- `run` is the one task under which every connection lives. A new configuration is looked for in it, since it is another
  thread that reads the file: connections whose table is the same go on, the others end and begin.
- A list waits for servers that are starting, each until `[mcp] wait` seconds after its start; who comes later is told of by
  list_changed. One that is broken is simply not in it, and not waited for again.
- A call goes to one server, once. Arguments that do not fit the tool's schema are refused before it is asked.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol

import anyio
import mcp.types as types
from attrs import frozen
from mcp.shared.exceptions import MCPError

from ccproxy.config import Config, Mcp
from ccproxy.mcp.builtin import BuiltIn, built_in
from ccproxy.mcp.connection import Connection, Kind, Listener, State
from ccproxy.mcp.names import LONGEST, SEPARATOR, allowed, in_set, listed, qualified, serves
from ccproxy.mcp.schemas import Schemas
from ccproxy.mcp.transports import printable

log = logging.getLogger("ccproxy.mcp")

LOOK_SECONDS = 0.25
"""Between two looks at whether the configuration is another one."""

Named = Literal["tools", "prompts"]
"""Kinds of things that are asked for by a name."""

Words = Sequence[str] | None
"""A group's `mcp`: None for everything."""

Names = dict[str, tuple[str, str]]
"""What a thing is called here -> its server, and its name there."""

Progress = Callable[[float, float | None, str | None], Awaitable[None]]


@frozen
class Status:
    """A server, for people. tools: as they are called here."""

    name: str
    state: State
    error: str
    tools: tuple[str, ...]


class Audience(Protocol):
    """Who is told of changes; nothing of it may block."""

    group: str

    def changed(self, kind: Kind) -> None: ...

    def updated(self, uri: str) -> None: ...

    def logged(self, params: types.LoggingMessageNotificationParams) -> None: ...


class Hub(Listener):
    """See the module. Made without a running loop; everything but `apply` is called in that of `run`."""

    def __init__(self, config: Config) -> None:
        self._wanted = config
        self._config: Config | None = None
        self.settings: Mcp = config.mcp or Mcp()
        self.connections: dict[str, Connection] = {}
        self.audience: set[Audience] = set()
        self._builtins: dict[str, BuiltIn] = {}
        self._schemas = Schemas()
        self._subscribers: dict[str, set[Audience]] = {}
        self._known: dict[tuple[str, tuple[str, ...] | None, bool], Names] = {}
        self._tasks: Any = None

    def __repr__(self) -> str:
        return f"<Hub {list(self.connections.values())}>"

    # Its life

    async def run(self) -> None:
        """Until cancelled; then every server is closed."""
        async with anyio.create_task_group() as self._tasks:
            while True:
                if self._wanted is not self._config:
                    self._adopt(self._wanted)
                await anyio.sleep(LOOK_SECONDS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        """The hub alone, for a command."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.run)
            await self.begun()
            yield self
            tasks.cancel_scope.cancel()

    async def begun(self) -> None:
        while self._config is None:
            await anyio.sleep(0)

    def apply(self, config: Config) -> None:
        """Another configuration is in force. May be called from any thread."""
        self._wanted = config

    def start(self, task: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """A task that lives as long as the hub."""
        self._tasks.start_soon(task, *arguments)

    def _adopt(self, config: Config) -> None:
        before, self._config = self._config, config
        settings = config.mcp or Mcp()
        shared = ("timeout", "start")
        same_defaults = all(getattr(settings, word) == getattr(self.settings, word) for word in shared)
        self.settings = settings
        kept: dict[str, Connection] = {}
        for name, server in settings.servers.items():
            old = self.connections.get(name)
            if old is not None and old.settings == server and same_defaults:
                kept[name] = old
            elif server.enabled:
                kept[name] = Connection(name, server, settings, self)
                self.start(kept[name].run)
        for name, connection in self.connections.items():
            if kept.get(name) is not connection:
                connection.stop()
        self.connections = kept
        if before is None or _tools_of(before) != _tools_of(config):
            self._builtins = built_in(settings.fetch, settings.search)  # which keep pages, and which engines rest
        self._known.clear()
        if before is not None and _offer(before) != _offer(config):
            self._tell_all()

    def _tell_all(self) -> None:
        for audience in list(self.audience):
            for kind in ("tools", "prompts", "resources"):
                audience.changed(kind)

    # What the connections tell

    def changed(self, server: str, kind: Kind) -> None:
        self._known.clear()
        for audience in list(self.audience):
            if serves(server, self.words(audience.group)):
                audience.changed(kind)

    def updated(self, server: str, uri: str) -> None:
        for audience in list(self._subscribers.get(uri, ())):
            audience.updated(uri)

    def logged(self, server: str, params: types.LoggingMessageNotificationParams) -> None:
        name = f"{server}/{params.logger}" if params.logger else server
        told = params.model_copy(update={"logger": name})
        for audience in list(self.audience):
            if serves(server, self.words(audience.group)):
                audience.logged(told)

    # What there is

    def words(self, group: str) -> Words:
        """The group's tool set."""
        assert self._config is not None
        its = self._config.groups.get(group)
        if its is None:
            return () if group else None  # a group that is gone, whose streams are open yet, hears of nothing
        return its.mcp

    def servers(self) -> list[Status]:
        """Every configured server, the disabled ones too."""
        return [self._status(name) for name in self.settings.servers]

    def _status(self, name: str) -> Status:
        connection = self.connections.get(name)
        if connection is None:
            return Status(name, "disabled", "", ())
        names = tuple(listed_name for listed_name, (server, _) in self._names("tools", None).items() if server == name)
        return Status(name, connection.state, connection.error, names)

    def wake(self, words: Words = None) -> None:
        """Starts what is started lazily."""
        for connection in self._serving(words):
            connection.want()

    async def settled(self, words: Words = None, seconds: float | None = None) -> None:
        """Waits until each server has its lists or has failed for the first time, but for none longer than so many seconds
        after its start; `[mcp] wait` by default."""
        async with anyio.create_task_group() as tasks:
            for connection in self._serving(words):
                tasks.start_soon(connection.listed, self.settings.wait if seconds is None else seconds)

    def _serving(self, words: Words) -> list[Connection]:
        return [connection for name, connection in self.connections.items() if serves(name, words)]

    async def tools(self, group: str) -> list[types.Tool]:
        words = self.words(group)
        await self.settled(words)
        own = [tool.definition for name, tool in self._builtins.items() if in_set("", name, words)]
        return [*own, *self._renamed("tools", words)]

    async def prompts(self, group: str) -> list[types.Prompt]:
        words = self.words(group)
        await self.settled(words)
        return self._renamed("prompts", words)

    def _renamed(self, kind: Named, words: Words) -> list[Any]:
        """What there is, under the names that it has here."""
        found = {name: {thing.name: thing for thing in getattr(c, kind)} for name, c in self.connections.items()}
        names = self._names(kind, words)
        return [found[server][own].model_copy(update={"name": name}) for name, (server, own) in names.items()]

    async def resources(self, group: str) -> list[types.Resource]:
        return await self._first_of(group, "resources", lambda resource: str(resource.uri))

    async def templates(self, group: str) -> list[types.ResourceTemplate]:
        return await self._first_of(group, "templates", lambda template: str(template.uri_template))

    async def _first_of(self, group: str, kind: str, key: Callable[[Any], str]) -> list[Any]:
        """Of things that two servers have, the first one's: a URI is all by which it can be asked for."""
        words = self.words(group)
        await self.settled(words)
        found: dict[str, Any] = {}
        for connection in self._whole(words):
            for thing in getattr(connection, kind):
                found.setdefault(key(thing), thing)
        return list(found.values())

    def _whole(self, words: Words) -> list[Connection]:
        """The servers that the group has as such, not only tools of them: resources have no names to be chosen by."""
        return [connection for name, connection in self.connections.items() if in_set(name, "", words)]

    def _names(self, kind: Named, words: Words, *, full: bool = False) -> Names:
        """What is called how, worked out once for each set of words between two changes. full: by the names that are
        understood whatever the configuration says of bare ones."""
        bare = self.settings.names == "bare" and not full
        key = (kind, words if words is None else tuple(words), bare)
        found = self._known.get(key)
        if found is None:
            tables = {name: self._table(connection, kind, words) for name, connection in self.connections.items()}
            found = listed(tables, bare=bare, taken=self._builtins if kind == "tools" else ())
            self._known[key] = found
        return found

    def _table(self, connection: Connection, kind: Named, words: Words) -> dict[str, str]:
        name, its = connection.name, connection.settings
        table = qualified(name, [thing.name for thing in getattr(connection, kind)])
        return {
            full: own
            for full, own in table.items()
            if in_set(name, full, words) and (kind == "prompts" or allowed(own, its.allow, its.deny))
        }

    # Calls

    async def call(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        *,
        group: str = "",
        meta: dict[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> types.CallToolResult:
        """Raises MCPError, which names the server."""
        began, outcome = anyio.current_time(), "cancelled"
        try:
            result = await self._called(name, arguments, self.words(group), meta, progress)
            outcome = "an error" if result.is_error else "done"
        except MCPError as error:
            outcome = error.message
            raise
        finally:
            where = f"mcp {group}" if group else "mcp"
            log.info("%s", printable(f"{where} {name[:LONGEST]}: {outcome}, {anyio.current_time() - began:.2f} s"))
        return result

    async def _called(
        self,
        name: str,
        arguments: dict[str, Any] | None,
        words: Words,
        meta: dict[str, Any] | None,
        progress: Progress | None,
    ) -> types.CallToolResult:
        """Raises MCPError."""
        if name in self._builtins and in_set("", name, words):
            return await self._builtins[name].call(arguments or {})  # which tells the model itself what does not fit
        connection, own = await self._found(name, "tools", words)
        definition = next((tool for tool in connection.tools if tool.name == own), None)
        if definition is not None:
            await self._check(f"MCP server {connection.name}: {own}", definition, arguments)
        return await connection.call_tool(own, arguments, meta, progress)

    async def _check(self, what: str, definition: types.Tool, arguments: dict[str, Any] | None) -> None:
        wrong = await self._schemas.wrong(definition.input_schema, arguments or {})
        if wrong:
            raise MCPError(types.INVALID_PARAMS, f"{what}: the arguments do not fit its schema: {wrong}")

    async def get_prompt(self, name: str, arguments: dict[str, str] | None, *, group: str = "") -> types.GetPromptResult:
        """Raises MCPError."""
        connection, own = await self._found(name, "prompts", self.words(group))
        return await connection.get_prompt(own, arguments)

    async def read_resource(self, uri: str, *, group: str = "") -> types.ReadResourceResult:
        """Raises MCPError."""
        return await (await self._owner(uri, self.words(group))).read_resource(uri)

    async def complete(self, params: types.CompleteRequestParams, *, group: str = "") -> types.CompleteResult:
        """Raises MCPError."""
        words = self.words(group)
        if isinstance(params.ref, types.PromptReference):
            connection, own = await self._found(params.ref.name, "prompts", words)
            params = params.model_copy(update={"ref": params.ref.model_copy(update={"name": own})})
        else:
            connection = await self._owner(str(params.ref.uri), words)
        if connection.capabilities.completions is None:
            return types.CompleteResult(completion=types.Completion(values=[]))
        return await connection.complete(params)

    async def subscribe(self, audience: Audience, uri: str) -> None:
        """Raises MCPError."""
        owner = await self._owner(uri, self.words(audience.group))
        others = self._subscribers.setdefault(uri, set())
        if not others:
            await owner.subscribe(uri, True)
        others.add(audience)

    async def unsubscribe(self, audience: Audience, uri: str) -> None:
        """Raises MCPError."""
        others = self._subscribers.get(uri, set())
        others.discard(audience)
        if not others and self._subscribers.pop(uri, None) is not None:
            await (await self._owner(uri, self.words(audience.group))).subscribe(uri, False)

    def leave(self, audience: Audience) -> None:
        """It is told nothing any more. Waits for nobody, for it may be the end of all."""
        self.audience.discard(audience)
        for uri in [uri for uri, others in self._subscribers.items() if audience in others]:
            self._subscribers[uri].discard(audience)
            if not self._subscribers[uri]:
                del self._subscribers[uri]
                for connection in self.connections.values():
                    connection.drop(uri)

    def set_level(self, level: types.LoggingLevel) -> None:
        """The least severe message that any client wants."""
        for connection in self.connections.values():
            connection.set_level(level)

    # Whose it is

    async def _found(self, name: str, kind: Named, words: Words) -> tuple[Connection, str]:
        """The server, and what it calls the thing. Raises MCPError."""
        found = self._lookup(name, kind, words)
        if found is None:
            await self._asked_for(name, words)
            found = self._lookup(name, kind, words)
        if found is None:
            raise MCPError(types.INVALID_PARAMS, self._unknown(name, kind.removesuffix("s"), words))
        server, own = found
        return self.connections[server], own

    async def _asked_for(self, name: str, words: Words) -> None:
        """The name may be one of a server that was not connected yet."""
        connection = self.connections.get(name.partition(SEPARATOR)[0])
        if connection is not None and serves(connection.name, words):
            await connection.attempted()
        else:
            await self.settled(words)

    def _lookup(self, name: str, kind: Named, words: Words) -> tuple[str, str] | None:
        """Bare names are listed in place of full ones, which are understood as well."""
        return self._names(kind, words).get(name) or self._names(kind, words, full=True).get(name)

    def _unknown(self, name: str, what: str, words: Words) -> str:
        server = name.partition(SEPARATOR)[0]
        connection = self.connections.get(server)
        if connection is None or not serves(server, words):
            why = f"there is no such {what}"
        elif connection.error:
            why = f"MCP server {server} is {connection.state}: {connection.error}"
        elif connection.state != "ready":
            why = f"MCP server {server} is still starting"
        else:
            why = f"MCP server {server} has no such {what}"
        return f"unknown {what} {name[:100]!r}: {why}"

    async def _owner(self, uri: str, words: Words) -> Connection:
        """The server that lists the resource or a template of it; else the only one that has resources. Raises MCPError."""
        for last in (False, True):
            having = [c for c in self._whole(words) if c.capabilities.resources is not None]
            for connection in having:
                if any(str(resource.uri) == uri for resource in connection.resources):
                    return connection
            for connection in having:
                if any(_fits(str(template.uri_template), uri) for template in connection.templates):
                    return connection
            if not last:
                await self.settled(words)
        if len(having) == 1:
            return having[0]
        raise MCPError(RESOURCE_NOT_FOUND, f"no MCP server has the resource {uri[:200]!r}", {"uri": uri})


def _tools_of(config: Config) -> tuple[Any, Any]:
    """What decides on the tools that are built in."""
    return (config.mcp.fetch, config.mcp.search) if config.mcp else (None, None)


def _offer(config: Config) -> tuple[Any, Any]:
    """What decides on what clients are offered: most changes of the file are of something else."""
    return config.mcp, {name: group.mcp for name, group in config.groups.items()}


RESOURCE_NOT_FOUND = -32002
"""MCP, Resources, Error Handling."""


def _fits(template: str, uri: str) -> bool:
    """Whether the URI may be made of the template (RFC 6570): its literal pieces, in order."""
    pieces = _literals(template)
    if len(pieces) == 1:
        return template == uri
    if not uri.startswith(pieces[0]) or not uri.endswith(pieces[-1]):
        return False
    at = len(pieces[0])
    for piece in pieces[1:-1]:
        at = uri.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return at <= len(uri) - len(pieces[-1])


def _literals(template: str) -> list[str]:
    pieces, rest = [], template
    while True:
        before, brace, behind = rest.partition("{")
        pieces.append(before)
        if not brace:
            return pieces
        rest = behind.partition("}")[2]

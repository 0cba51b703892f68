"""One client's session with us, from `initialize` to its end: the SDK's JSON-RPC loop between two streams of messages.

    POST ──> Session.take ──> SDK: dispatcher, Server (views.py) ──> Session.send ──> Stream of the request ──> its POST
                                                                               └──> the standing stream ──> GET

A session belongs to the proxy key and the group that began it. It is the hub's Audience: what changes behind us goes to
its standing stream, each kind only to a client that has asked for that list before.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
import mcp.types as types
from attrs import frozen
from mcp.server.connection import Connection as Peer
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_connection
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp.shared.transport_context import TransportContext

from ccproxy.mcp.connection import Kind
from ccproxy.mcp.hub import Hub
from ccproxy.mcp.streams import Shelf, Stream

log = logging.getLogger("ccproxy.mcp")

CANCELLED = -32800
"""For a request that its client cancelled: on this wire only an answer ends its stream. As LSP and the SDKs have it."""

LEVELS: tuple[types.LoggingLevel, ...] = (
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
)  # fmt: skip

QUIET: types.LoggingLevel = "info"
"""What a client hears that has not said how much it wants."""


@frozen
class Owner:
    """Whose a session is: the proxy key's name, and the group of the path."""

    key: str
    group: str


class Session:
    """See the module."""

    def __init__(self, id: str, owner: Owner, server: Server[Any], hub: Hub) -> None:
        self.id = id
        self.owner = owner
        self.group = owner.group
        self.level: types.LoggingLevel = QUIET
        self.shelf = Shelf()
        self.requests = 0  # HTTP requests in flight
        self.used = anyio.current_time()
        self.over = False
        self._hub = hub
        self._server = server
        self._listed: set[Kind] = set()
        self._answering: dict[types.RequestId, Stream] = {}
        self._unanswered: dict[int, int] = {}
        self._scope = anyio.CancelScope()
        self._inbox, reading = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        self._reading = reading
        dispatcher: JSONRPCDispatcher[TransportContext] = JSONRPCDispatcher(
            reading, _Outbox(self), inline_methods=frozenset({"initialize"})
        )
        self._dispatcher = dispatcher
        self.peer = Peer.for_loop(dispatcher, session_id=id)

    def __repr__(self) -> str:
        return f"<Session {self.id[:8]} {self.group or '-'} requests={self.requests}{' over' if self.over else ''}>"

    @property
    def version(self) -> str:
        """The protocol's, as it was negotiated."""
        return self.peer.protocol_version

    async def run(self) -> None:
        """Until `end`."""
        try:
            with self._scope:
                await serve_connection(self._server, self._dispatcher, connection=self.peer, lifespan_state={})
        except Exception:
            log.exception("internal error in an MCP session")
        finally:
            self.end()
            self._inbox.close()
            self._reading.close()
            self._hub.leave(self)

    def end(self) -> None:
        self.over = True
        self.shelf.end()
        self._scope.cancel()

    # What comes from the client

    def is_answering(self, ids: list[types.RequestId]) -> bool:
        return len(set(ids)) < len(ids) or any(id in self._answering for id in ids)

    async def take(self, messages: list[types.JSONRPCMessage], request: Any) -> Stream | None:
        """What was posted, and the stream on which it is answered; None where nothing of it is a request."""
        asking = [message for message in messages if isinstance(message, types.JSONRPCRequest)]
        stream = self.shelf.open() if asking else None
        if stream is not None:
            self._unanswered[stream.number] = len(asking)
            self._answering.update({message.id: stream for message in asking})
        for message in messages:
            await self._inbox.send(SessionMessage(message, metadata=self._metadata(message, request)))
        return stream

    def _metadata(self, message: types.JSONRPCMessage, request: Any) -> ServerMessageMetadata:
        if not isinstance(message, types.JSONRPCRequest):
            return ServerMessageMetadata(request_context=request)

        async def cancelled() -> None:
            error = types.ErrorData(code=CANCELLED, message="the request was cancelled")
            await self.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=message.id, error=error)))

        return ServerMessageMetadata(request_context=request, on_request_unanswered=cancelled)

    # What goes to the client

    async def send(self, sent: SessionMessage) -> None:
        """Puts a message where it belongs. Never waits: a slow client's stream is bounded, and nobody else's affair."""
        message = sent.message
        data = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        if isinstance(message, (types.JSONRPCResponse, types.JSONRPCError)) and message.id is not None:
            stream = self._answering.pop(message.id, None)
            if stream is not None:
                stream.add(data, is_answer=True)
                self._unanswered[stream.number] -= 1
                if not self._unanswered[stream.number]:
                    del self._unanswered[stream.number]
                    self.shelf.finish(stream)
            return
        related = sent.metadata.related_request_id if isinstance(sent.metadata, ServerMessageMetadata) else None
        target = self._answering.get(related) if related is not None else None
        (target or self.shelf.standing).add(data)

    # What the hub tells

    def listed(self, kind: Kind) -> None:
        """The client has asked for the list, and so is to hear of its changes."""
        self._listed.add(kind)

    def changed(self, kind: Kind) -> None:
        if kind in self._listed and not self.over:
            self._hub.start(_TOLD[kind], self.peer)

    def updated(self, uri: str) -> None:
        if not self.over:
            self._hub.start(self.peer.send_resource_updated, uri)

    def logged(self, params: types.LoggingMessageNotificationParams) -> None:
        if not self.over and LEVELS.index(params.level) >= LEVELS.index(self.level):
            self._hub.start(self._log, params)

    async def _log(self, params: types.LoggingMessageNotificationParams) -> None:
        await self.peer.notify("notifications/message", params.model_dump(by_alias=True, mode="json", exclude_none=True))


_TOLD = {
    "tools": Peer.send_tool_list_changed,
    "prompts": Peer.send_prompt_list_changed,
    "resources": Peer.send_resource_list_changed,
}


class _Outbox:
    """A session's outgoing messages, as the SDK's dispatcher writes them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def send(self, item: SessionMessage, /) -> None:
        if self._session.over:
            raise anyio.ClosedResourceError
        await self._session.send(item)

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> _Outbox:
        return self

    async def __aexit__(self, *details: Any) -> None: ...

"""Our side of MCP: Streamable HTTP, as an ASGI application for each group.

    POST    initialize begins a session; requests are answered as JSON, or as events where something comes before the answer
            or it takes longer than HOLD_SECONDS; batches as 2025-03-26 has them; notifications and answers get 202
    GET     the standing stream, or with Last-Event-ID any stream from where it broke
    DELETE  ends the session

A request whose `mcp-protocol-version` is of no handshake is one of 2026-07-28 or later, which stands for itself: the SDK
answers it. Keys, groups, Host and Origin have been judged before (`app`).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import mcp.types as types
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from ccproxy.config import Config
from ccproxy.mcp.hub import Hub
from ccproxy.mcp.session import Owner, Session
from ccproxy.mcp.streams import Stream
from ccproxy.mcp.views import SESSION, View

log = logging.getLogger("ccproxy.mcp")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_SESSIONS = 128
"""At once. One person's clients have a handful each; the one that was not used for the longest time makes room."""

IDLE_SECONDS = 30 * 60.0
"""A session without a request or an open stream. A client that comes back later gets 404 and begins anew, as it must."""

HOLD_SECONDS = 0.5
"""An answer's head is held for so long: most answers are there by then, and leave as plain JSON in one write."""

KEEPALIVE_SECONDS = 15.0
"""Between two comments on a silent stream: half of what proxies and clients wait."""

BATCHES = ("2024-11-05", "2025-03-26")
"""The versions that have batches: 2025-06-18 took them away again."""

MOST_MESSAGES = 100
"""Of one batch."""

_POSTED: TypeAdapter[types.JSONRPCMessage] = types.jsonrpc_message_adapter
_SSE = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_JSON = [(b"content-type", b"application/json")]


class Refused(Exception):
    """An HTTP error, with a JSON-RPC error as its body."""

    def __init__(
        self, status: int, message: str, code: int = types.INVALID_REQUEST, id: types.RequestId | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = types.JSONRPCError(jsonrpc="2.0", id=id, error=types.ErrorData(code=code, message=message))


class Endpoint:
    """See the module."""

    def __init__(self, hub: Hub, version: str, max_body: int) -> None:
        self.hub = hub
        self._version = version
        self._max_body = max_body
        self._views: dict[str, View] = {}
        self._sessions: dict[str, Session] = {}
        self._tasks: Any = None

    def __repr__(self) -> str:
        return f"<Endpoint {len(self._sessions)} sessions {self.hub}>"

    async def run(self) -> None:
        """The job of the whole: the hub, the sessions, and the servers behind. Until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self.hub.run)
            while True:
                await anyio.sleep(1)
                self._expire()

    def apply(self, config: Config) -> None:
        """Another configuration is in force. May be called from any thread."""
        self.hub.apply(config)

    def servers(self) -> list[dict[str, object]]:
        """Every server's state, for people and programs that look after them."""
        return [{"name": s.name, "state": s.state, "error": s.error, "tools": s.tools} for s in self.hub.servers()]

    def handler(self, group: str, key: str) -> Handler:
        """The ASGI application for one request. key: the proxy key's name."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self._handle(Owner(key, group), scope, receive, send)
            except Refused as refused:
                body = refused.error.model_dump_json(by_alias=True).encode()
                more = [(b"allow", b"GET, POST, DELETE")] if refused.status == 405 else []  # RFC 9110, section 15.5.6
                await _reply(send, refused.status, [*_JSON, *more], body)

        return handle

    async def _handle(self, owner: Owner, scope: Scope, receive: Receive, send: Send) -> None:
        await self.hub.begun()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        version = headers.get("mcp-protocol-version")
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            self.hub.wake(self.hub.words(owner.group))
            await (await self._view(owner.group)).handle(scope, receive, send)
            return
        method = _METHODS.get(scope["method"])
        if method is None:
            raise Refused(405, f"{scope['method']} is no method of this path; GET, POST and DELETE are")
        await method(self, owner, headers, scope, receive, send)

    # Sessions

    async def _view(self, group: str) -> View:
        view = self._views.get(group)
        if view is None:
            view = self._views[group] = View(group, self.hub, self._version, self._max_body)
            await self._tasks.start(_run_view, view)
        return view

    def _session(self, owner: Owner, headers: dict[str, str]) -> Session:
        """Raises Refused. A session of somebody else is answered as one that does not exist."""
        id = headers.get("mcp-session-id")
        if id is None:
            raise Refused(400, "the mcp-session-id header is missing; a session begins with initialize")
        session = self._sessions.get(id)
        if session is None or session.owner != owner or session.over:
            raise Refused(404, "there is no such session; begin another one with initialize")
        return session

    async def _begun(self, owner: Owner) -> Session:
        """A new session. Raises Refused."""
        self._make_room()
        view = await self._view(owner.group)
        session = Session(secrets.token_urlsafe(24), owner, view.server, self.hub)
        self._sessions[session.id] = session
        self.hub.audience.add(session)
        self._tasks.start_soon(self._run_session, session)
        self.hub.wake(self.hub.words(owner.group))
        return session

    async def _run_session(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            self._sessions.pop(session.id, None)

    def _make_room(self) -> None:
        if len(self._sessions) < MOST_SESSIONS:
            return
        idle = [session for session in self._sessions.values() if not session.requests]
        if not idle:
            raise Refused(503, f"{MOST_SESSIONS} sessions are in use", types.INTERNAL_ERROR)
        self._end(min(idle, key=lambda session: session.used))

    def _expire(self) -> None:
        now = anyio.current_time()
        for session in list(self._sessions.values()):
            if not session.requests and now - session.used > IDLE_SECONDS:
                self._end(session)

    def _end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        session.end()

    # Methods

    async def _post(self, owner: Owner, headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        _check_post(headers)
        body = await _whole(receive)
        messages, is_batch = _messages(body)
        begins = not is_batch and isinstance(messages[0], types.JSONRPCRequest) and messages[0].method == "initialize"
        session = await self._begun(owner) if begins else self._session(owner, headers)
        if is_batch:
            _check_batch(session, messages)
        ids = [message.id for message in messages if isinstance(message, types.JSONRPCRequest)]
        if session.is_answering(ids):
            raise Refused(400, "a request with this id is being answered already", id=ids[0])
        with _InUse(session):
            try:
                stream = await session.take(messages, Request({**scope, SESSION: session}))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                raise Refused(404, "the session has ended; begin another one with initialize") from None
            if stream is None:
                await _reply(send, 202, [], b"")
                return
            takes_events = _accepts(headers, "text/event-stream")
            more = [(b"mcp-session-id", session.id.encode())] if begins else []
            await _Answer(session, stream, is_batch, takes_events, more).write(receive, send)
        if begins and not session.peer.initialize_accepted:
            self._end(session)

    async def _get(self, owner: Owner, headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        session = self._session(owner, headers)
        if not _accepts(headers, "text/event-stream"):
            raise Refused(406, "the standing stream is text/event-stream, which the accept header leaves out")
        last = headers.get("last-event-id")
        found = session.shelf.resumed(last) if last else None
        stream, seen = found or (session.shelf.standing, session.shelf.standing.told)
        with _InUse(session):
            await _events(session, stream, seen, receive, send, [])

    async def _delete(self, owner: Owner, headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        self._end(self._session(owner, headers))
        await _reply(send, 200, [], b"")


_METHODS: dict[str, Callable[..., Awaitable[None]]] = {
    "POST": Endpoint._post,
    "GET": Endpoint._get,
    "DELETE": Endpoint._delete,
}


async def _run_view(view: View, *, task_status: Any) -> None:
    async with view.running():
        task_status.started()
        await anyio.sleep_forever()


class _InUse:
    """While an HTTP request of the session is served."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        self._session.requests += 1

    def __exit__(self, *details: Any) -> None:
        self._session.requests -= 1
        self._session.used = anyio.current_time()


# ---------------------------------------------------------------------------------------------------------------------
# What is posted


def _check_post(headers: dict[str, str]) -> None:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "the content-type must be application/json")
    if not _accepts(headers, "application/json") and not _accepts(headers, "text/event-stream"):
        raise Refused(406, "the accept header must name application/json and text/event-stream")


def _accepts(headers: dict[str, str], kind: str) -> bool:
    ranges = [each.partition(";")[0].strip().lower() for each in headers.get("accept", "*/*").split(",")]
    return any(each in (kind, "*/*", f"{kind.partition('/')[0]}/*") for each in ranges)


def _messages(body: bytes) -> tuple[list[types.JSONRPCMessage], bool]:
    """The messages of a body, and whether they are a batch. Raises Refused."""
    try:
        if body.lstrip()[:1] != b"[":
            return [_POSTED.validate_json(body, by_name=False)], False
        found = _BATCH.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise Refused(400, "the body is not JSON", types.PARSE_ERROR) from None
        raise Refused(400, "the body is no JSON-RPC message") from None
    if not found:
        raise Refused(400, "the batch is empty")
    return found, True


_BATCH: TypeAdapter[list[types.JSONRPCMessage]] = TypeAdapter(list[types.JSONRPCMessage])


def _check_batch(session: Session, messages: list[types.JSONRPCMessage]) -> None:
    """Raises Refused."""
    if session.version not in BATCHES:
        raise Refused(400, f"MCP {session.version} has no batches: send each message by itself")
    if len(messages) > MOST_MESSAGES:
        raise Refused(400, f"a batch may have {MOST_MESSAGES} messages")
    if any(isinstance(message, types.JSONRPCRequest) and message.method == "initialize" for message in messages):
        raise Refused(400, "initialize cannot be part of a batch")


async def _whole(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


# ---------------------------------------------------------------------------------------------------------------------
# What is answered


async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Answer:
    """The answer to a POST. more: headers."""

    def __init__(
        self, session: Session, stream: Stream, is_batch: bool, takes_events: bool, more: list[tuple[bytes, bytes]]
    ) -> None:
        self._session = session
        self._stream = stream
        self._is_batch = is_batch
        self._takes_events = takes_events
        self._more = more

    async def write(self, receive: Receive, send: Send) -> None:
        stream = self._stream
        with anyio.move_on_after(HOLD_SECONDS if self._takes_events else None):
            while not stream.done and not (self._takes_events and stream.last):
                await stream.news()
        answers = stream.answers()
        if stream.done and (not self._takes_events or len(answers) == stream.last):
            if not answers:
                raise Refused(404, "the session ended before the answer")
            self._session.shelf.forget(stream)  # no event of it went out that could be come back with
            body = b"[" + b",".join(answers) + b"]" if self._is_batch else answers[-1]
            await _reply(send, 200, [*_JSON, *self._more], body)
            return
        await _events(self._session, stream, 0, receive, send, self._more)


async def _events(
    session: Session, stream: Stream, seen: int, receive: Receive, send: Send, more: list[tuple[bytes, bytes]]
) -> None:
    """A stream's events behind number `seen`, until its end, another reader's coming, or the client's going."""
    me = object()
    stream.take_over(me)
    primer = stream.primer() if session.version not in _WITHOUT_PRIMER else b": \r\n\r\n"
    await send({"type": "http.response.start", "status": 200, "headers": [*_SSE, *more]})
    await send({"type": "http.response.body", "body": primer if not seen else b": \r\n\r\n", "more_body": True})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
        while stream.reader is me:
            seen, data = stream.after(seen)
            if data:
                stream.told = seen
                await send({"type": "http.response.body", "body": data, "more_body": True})
            elif stream.done:
                break
            else:
                with anyio.move_on_after(KEEPALIVE_SECONDS) as silence:
                    await stream.news()
                if silence.cancelled_caught:
                    await send({"type": "http.response.body", "body": b": \r\n\r\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        tasks.cancel_scope.cancel()


_WITHOUT_PRIMER = ("2024-11-05", "2025-03-26", "2025-06-18")
"""Clients of these versions cannot read an event without data."""


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()

"""Hands a request to an async handler, which speaks ASGI, and its answer back to the client's connection.

    ClientConnection ── begin, body, gone, pause ──>  Handed ── receive ──>  handler (a task of the runtime's)
                     <── reply, commit, write, end ──        <── send ──

To the connection a Handed is what a Driver is: there are requests whose answer an exchange makes, and those that are handed
on. The body is read before the handler begins, at most `max_body` bytes. What the handler sends leaves at once; while the
client takes nothing, `send` waits. When the client is gone `receive` says so and `send` does nothing.

Imported when the first request is handed on: nothing else on the way of a request needs an event of a runtime.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote_to_bytes

import anyio

from ccproxy.actions import Commit, Handoff, Message, Reply
from ccproxy.errors import CcproxyError
from ccproxy.transport.driving import Answer
from ccproxy.transport.http1 import RequestHead

log = logging.getLogger("ccproxy")

Spawn = Callable[[Coroutine[Any, Any, None]], object]

_OURS = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
"""Headers of the framing, which is the connection's."""


class Handed:
    """See the module."""

    def __init__(
        self, handoff: Handoff, head: RequestHead, answer: Answer, spawn: Spawn, refusal: Callable[[CcproxyError], Reply]
    ) -> None:
        self._handoff = handoff
        self._head = head
        self._answer = answer
        self._spawn = spawn
        self._refusal = refusal
        self.standing = handoff.standing
        self._body: bytes | None = None
        self._start: Message | None = None
        self._committed = False
        self._complete = False
        self._gone = False
        self._paused = False
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        marks = [word for word, on in (("committed", self._committed), ("paused", self._paused)) if on]
        return f"<Handed {self._head.method} {self._head.path} {' '.join(marks)}>"

    # From the client's connection

    def begin(self) -> None: ...

    def body(self, data: bytes) -> None:
        self._body = data
        self._spawn(self._run())

    def body_failed(self, error: Exception) -> None:
        failure = error if isinstance(error, CcproxyError) else CcproxyError("the request's body could not be read")
        self._complete = True
        self._answer.reply(self._refusal(failure))
        self._answer.finished(None)

    def client_gone(self) -> None:
        self._gone = True
        self._tell()

    def tick(self) -> None: ...

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    # The handler

    async def _run(self) -> None:
        try:
            await self._handoff.handler(_scope(self._head), self._receive, self._send)
        except Exception:
            log.exception("internal error; this request is given up")
        finally:
            if not self._complete and not self._gone:
                self._complete = True
                self._answer.broken()

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while not self._gone and not self._complete:
            await self._changed.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        while self._paused and not self._gone:
            await self._changed.wait()
        if self._gone or self._complete:
            return
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            self._write(message.get("body", b""), bool(message.get("more_body")))

    def _write(self, data: bytes, more: bool) -> None:
        start, answer = self._start, self._answer
        assert start is not None, "an answer begins with http.response.start"
        if self._committed:
            if data:
                answer.write(data)
        elif more:
            self._committed = True
            answer.commit(Commit(start["status"], _headers(start), data))
        else:
            answer.reply(Reply(start["status"], _headers(start), data))
        if self._committed and not more:
            answer.end()
        answer.flush()
        if not more:
            self._complete = True
            self._tell()
            answer.finished(None)


def _scope(head: RequestHead) -> Message:
    """ASGI's HTTP connection scope (specification, version 3.0)."""
    path, _, query = head.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": head.version,
        "method": head.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head.headers],
        "client": (head.peer, 0) if head.peer else None,
        "server": None,
    }


def _headers(start: Message) -> list[tuple[str, str]]:
    decoded = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", ()))
    return [(name, value) for name, value in decoded if name not in _OURS]

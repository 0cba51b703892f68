"""The client's side: HTTP/1 requests off one connection, one at a time, without I/O.

                 ┌──────────────────────── keep-alive ────────────────────────┐
                 v                                                            │
    _read_head ──> app.head ── Accept ──> _read_body ──> busy (the life runs) ┤
         │             ├────── Handoff ─ the same, with a handler for a life ─┤
         │             └────── Reply ──────────────┬──> _skip_body ───────────┤
         └── refused ──────────────────────────────┴──────────────────────────┴──> _drop (closing)

The method in `_take` is what the next bytes are for; None is busy, when they are held. Each state has its own deadline and
what happens at it, which the server's one ticker looks at.

- Route, key and size are judged on the head: a Reply goes out before a body is read or `100 Continue` is sent.
- When an answer comes before its request's body has, the body is skipped if it is short. Else the connection closes, but
  not before the client had time to read: a socket that closes with unread bytes in it resets, and takes the answer along.
- Bytes behind the request (pipelining) are held, HOLD_BYTES of them; then reading pauses until their turn.
- The end of input counts as a client that is gone: a half-closed HTTP client is not told from a dead one.
- What one turn writes is gathered in `_out` and leaves in one write.
- Memory of a connection: its request's body, up to `max_body`; HOLD_BYTES and a read behind it; of its answer what
  the wire keeps until it says `pause_writing` (64 KiB) and what one read of the upstream (256 KiB) becomes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from ccproxy.actions import Accept, Commit, Handoff, Reply
from ccproxy.errors import CcproxyError, Malformed, RequestError, TooLarge
from ccproxy.transport.body import (
    CHUNKED,
    CLOSE,
    LAST_CHUNK,
    NONE,
    BodyReader,
    ContentDecoder,
    Framing,
    chunk,
    reader_for,
)
from ccproxy.transport.driving import Driver
from ccproxy.transport.heads_out import CONTINUE, response_bytes, stream_framing
from ccproxy.transport.http1 import Headers, HeadReader, RequestHead
from ccproxy.transport.seam import App, Limits, Wire
from ccproxy.transport.upstream import Upstreams

if TYPE_CHECKING:
    from ccproxy.transport.handing import Handed

log = logging.getLogger("ccproxy")

HOLD_BYTES = 64 * 1024
"""Of later requests, while one is served. Nobody pipelines to a model; one head fits."""

SKIP_BYTES = 64 * 1024
"""The longest body that is read for nothing so that its connection can be kept. A new one costs less than more."""

LINGER_SECONDS = 2.0
"""For a client that is still sending to find the answer that it was refused with (nginx: up to 30 s, 5 s between reads)."""


class House:
    """What all connections of one server share, and the one ticker's work."""

    def __init__(
        self,
        app: App,
        upstreams: Upstreams,
        clock: Callable[[], float],
        later: Callable[[Callable[[], None]], object],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """later: calls what it is given once what was written is on its way. spawn: makes a task of what it is given."""
        self._later = later
        self.spawn = spawn
        self.app = app
        self.limits: Limits = app.limits
        self.upstreams = upstreams
        self.clock = clock
        self.connections: set[ClientConnection] = set()
        self.closing = False

    def __repr__(self) -> str:
        return f"<House clients={len(self.connections)}{' closing' if self.closing else ''} {self.upstreams}>"

    def tick(self) -> None:
        """To be called every `tick_seconds`. What fails for one connection is logged, and the others have their turn."""
        now = self.clock()
        for connection in list(self.connections):
            try:
                connection.tick(now)
            except Exception:
                log.exception("internal error at the tick of %r", connection)
                connection.abort()
        self.upstreams.tick(now)
        for endpoint, count in () if self.closing else self.app.warm:
            self.upstreams.warm(endpoint, count)

    def retire(self) -> None:
        """No more requests: closes the connections that wait for one, and the others after their answer."""
        self.closing = True
        for connection in list(self.connections):
            connection.retire()

    def close(self) -> None:
        """Ends everything now."""
        self.closing = True
        for connection in list(self.connections):
            connection.abort()
        self.upstreams.close()

    # The app, from which no exception is let through

    def judge(self, head: RequestHead) -> Accept | Handoff | Reply:
        try:
            return self.app.head(head, self.clock())
        except CcproxyError as error:
            return self.refusal(error, head)
        except Exception:
            log.exception("internal error at the head of a request")
            return self.refusal(CcproxyError("internal error"), head)

    def refusal(self, error: CcproxyError, head: RequestHead | None) -> Reply:
        try:
            return self.app.refuse(error, head)
        except Exception:
            log.exception("internal error while writing an error")
            return Reply(500, [], b"")

    def finished(self, record: Any) -> None:
        """The log has time: a short answer is not in the socket yet when its exchange is over."""
        self._later(partial(self._tell, record))

    def _tell(self, record: Any) -> None:
        try:
            self.app.finished(record)
        except Exception:
            log.exception("internal error after a request")


class ClientConnection:
    """See the module. The Peer of its Wire and the Answer of its Driver."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._limits = house.limits
        self._peer = ""
        self._gone = False  # nothing can be written any more
        self._out: list[bytes] = []
        # input
        self._take: Callable[[bytes], None] | None = self._read_head
        self._held = b""
        self._advancing = False
        self.reading = True
        self._deadline = math.inf
        self._late: Callable[[], None] = self.abort
        self.stalled: float | None = None  # since when the client takes nothing
        # of the request that is served
        self._reader = HeadReader.server()
        self._head: RequestHead | None = None
        self._body: BodyReader | None = None
        self._decoder: ContentDecoder | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._max_body = 0
        self._awaits_continue = False
        self._driver: Driver | Handed | None = None
        # of its answer
        self._framing: Framing | None = None  # None until a head is sent
        self._complete = False
        self._keep = False

    def __repr__(self) -> str:
        state = self._take.__name__.strip("_") if self._take else "busy"
        marks = [mark for mark, on in (("gone", self._gone), ("stalled", self.stalled is not None)) if on]
        return f"<ClientConnection {' '.join([state, *marks])} held={len(self._held)} {self._driver or ''}>"

    # From the wire

    def opened(self, wire: Wire, peer: str) -> None:
        self.wire = wire
        self._peer = peer
        crowded = len(self._house.connections) >= self._limits.max_connections
        self._house.connections.add(self)
        self._next_request(self._limits.head_seconds)
        if crowded:
            self._refuse(CcproxyError("too many connections", status=503, retry_after=1))
        elif self._house.closing:
            self.retire()

    def received(self, data: bytes) -> None:
        self._held = self._held + data if self._held else data
        self._advance()
        if len(self._held) > HOLD_BYTES and self.reading:
            self.reading = False
            self.wire.pause_reading()

    def eof(self) -> None:
        busy = self._driver is not None
        self._client_gone()
        if busy:
            self.wire.abort()
        else:
            self._hang_up()

    def lost(self, error: Exception | None) -> None:
        self._house.connections.discard(self)
        self._client_gone()

    def pause_writing(self) -> None:
        self.stalled = self._house.clock()
        if self._driver is not None:
            self._driver.pause()

    def resume_writing(self) -> None:
        self.stalled = None
        if self._driver is not None:
            self._driver.resume()
        self._advance()

    # From the house

    def tick(self, now: float) -> None:
        if self.stalled is not None:
            if now - self.stalled >= self._limits.stall_seconds:
                self.abort()
        elif self._driver is not None:
            self._driver.tick()
        if now >= self._deadline:
            self._late()

    def retire(self) -> None:
        """Closes if no request has begun, or if its answer would have no end."""
        if self._take == self._read_head and not self._reader.pending:
            self._hang_up()
        elif self._driver is not None and self._driver.standing:
            self.abort()

    def abort(self) -> None:
        self._client_gone()
        self.wire.abort()

    # From the driver: the answer

    def reply(self, reply: Reply) -> None:
        head = self._head
        self._keep = self._may_keep()
        self._send_head(reply.status, reply.headers, Framing("length", len(reply.body)))
        if reply.body and (head is None or head.method != "HEAD"):
            self._out.append(reply.body)
        self._complete = True

    def commit(self, commit: Commit) -> None:
        head = self._head
        assert head is not None
        framing = stream_framing(head.version)
        self._keep = framing is not CLOSE and self._may_keep()
        self._send_head(commit.status, commit.headers, framing)
        if head.method == "HEAD" or commit.status in (204, 304):
            self._framing = NONE
        if commit.data:
            self.write(commit.data)

    def write(self, data: bytes) -> None:
        framing = self._framing
        if framing is CHUNKED:
            self._out.append(chunk(data))
        elif framing is CLOSE:
            self._out.append(data)

    def send(self, data: bytes) -> None:
        if self._framing is CHUNKED and not self._out and not self._gone:
            self.wire.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self.write(data)
            self.flush()

    def end(self) -> None:
        if self._framing is CHUNKED:
            self._out.append(LAST_CHUNK)
        self._complete = True

    def finished(self, record: Any) -> None:
        self._driver = None
        self._house.finished(record)
        self._answered()

    def broken(self) -> None:
        if self._driver is not None:
            self._driver = None
            self._answered()

    def flush(self) -> None:
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            if not self._gone:
                self.wire.write(data)

    # States of the input

    def _advance(self) -> None:
        """Gives the held bytes to whom they are for, as long as anyone takes them. A request that is answered on the spot
        comes back here for the next one, and finds the loop running."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._held and self._take is not None and self.stalled is None and not self._gone:
                data, self._held = self._held, b""
                self._take(data)
        finally:
            self._advancing = False
        if not self.reading and not self._gone and len(self._held) <= HOLD_BYTES:
            self.reading = True
            self.wire.resume_reading()

    def _enter(self, take: Callable[[bytes], None] | None, seconds: float, late: Callable[[], None]) -> None:
        self._take = take
        self._deadline = self._house.clock() + seconds
        self._late = late

    def _next_request(self, seconds: float) -> None:
        self._reader = HeadReader.server(self._peer, self._limits.max_head)
        self._head = self._body = self._decoder = self._framing = None
        self._complete = False
        self._enter(self._read_head, seconds, self._hang_up)

    def _read_head(self, data: bytes) -> None:
        begun = self._reader.pending > 0
        try:
            head = self._reader.feed(data)
        except CcproxyError as error:
            self._refuse(error)
            return
        if head is not None:
            self._held, self._reader.rest = self._reader.rest, b""
            self._judge(head)
        elif not begun:
            self._enter(self._read_head, self._limits.head_seconds, self._head_late)

    def _judge(self, head: RequestHead) -> None:
        self._head = head
        self._body = reader_for(head.framing)
        self._awaits_continue = head.expect_continue and not self._held
        self._take = None
        self._deadline = math.inf
        verdict = self._house.judge(head)
        if isinstance(verdict, Reply):
            self.reply(verdict)
            self._answered()
        else:
            self._accept(head, verdict)

    def _accept(self, head: RequestHead, accept: Accept | Handoff) -> None:
        self._max_body = accept.max_body
        self._size = 0
        self._parts.clear()
        self._driver = self._driven(head, accept)
        if self.stalled is not None:
            self._driver.pause()
        self._driver.begin()
        if self._driver is None:
            return
        try:
            self._prepare_body(head)
        except CcproxyError as error:
            self._driver.body_failed(error)
            return
        if self._awaits_continue:
            self._awaits_continue = False
            self._out.append(CONTINUE)
            self.flush()
        data = b""
        if self.stalled is None:
            data, self._held = self._held, b""
        self._read_body(data)

    def _driven(self, head: RequestHead, accept: Accept | Handoff) -> Driver | Handed:
        house = self._house
        if isinstance(accept, Accept):
            return Driver(accept.life, self, house.upstreams, house.clock)
        from ccproxy.transport.handing import Handed  # with anyio, which no exchange needs

        return Handed(accept, head, self, house.spawn, lambda error: house.refusal(error, head))

    def _prepare_body(self, head: RequestHead) -> None:
        coding = head.header("content-encoding")
        if coding:
            self._decoder = ContentDecoder(coding, self._max_body)
        elif head.framing.length > self._max_body:
            raise self._too_large()

    def _read_body(self, data: bytes) -> None:
        body, driver = self._body, self._driver
        assert body is not None
        assert driver is not None
        try:
            if slices := body.feed(data):
                self._collect(slices)
            if not body.done:
                self._enter(self._read_body, self._limits.body_seconds, self._body_late)
                return
            if self._decoder is not None:
                self._decoder.finish()
        except CcproxyError as error:
            self._end_body(body)
            driver.body_failed(_of_the_client(error))
            return
        self._end_body(body)
        whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        driver.body(whole)

    def _end_body(self, body: BodyReader) -> None:
        """No more of it is wanted; what came behind it is the next request's."""
        if body.rest:
            self._held, body.rest = body.rest + self._held, b""
        self._take = None
        self._deadline = math.inf

    def _collect(self, slices: list[bytes]) -> None:
        """One part for each read: a body of tiny chunks must not take many times its bytes."""
        data = slices[0] if len(slices) == 1 else b"".join(slices)
        if self._decoder is not None:
            data = self._decoder.feed(data)
        self._size += len(data)
        self._parts.append(data)
        if self._size > self._max_body:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the request body is larger than {self._max_body} bytes")

    def _skip_body(self, data: bytes) -> None:
        """The rest of a body whose answer has been given."""
        body = self._body
        assert body is not None
        try:
            body.feed(data)
        except CcproxyError:
            self._close()
            return
        if body.done:
            self._held = body.rest
            self._next_request(self._limits.idle_seconds)

    def _drop(self, data: bytes) -> None:
        """The connection is closing."""

    # Deadlines

    def _head_late(self) -> None:
        self._refuse(RequestError("the request's head did not arrive in time", status=408))

    def _body_late(self) -> None:
        self._take = None
        self._deadline = math.inf
        if self._driver is not None:
            self._driver.body_failed(RequestError("the request's body did not arrive in time", status=408))

    # The end of an answer

    def _refuse(self, error: CcproxyError) -> None:
        """Answers what is no request."""
        self.reply(self._house.refusal(error, None))
        self._answered()

    def _answered(self) -> None:
        """The life is over: the next request's turn, or the end."""
        if self._gone:
            return
        if self._framing is None:
            self.reply(self._house.refusal(CcproxyError("internal error"), self._head))
        self.flush()
        if not self._complete:
            self._hang_up()
        elif not self._keep or self._house.closing:
            self._close()
        elif self._body is not None and not self._body.done:
            self._enter(self._skip_body, self._limits.body_seconds, self._hang_up)
        else:
            self._next_request(self._limits.idle_seconds)
        self._advance()

    def _may_keep(self) -> bool:
        head, body = self._head, self._body
        if head is None or body is None or not head.keep_alive or self._house.closing:
            return False
        if body.done:
            return True
        short = head.framing.kind == "length" and head.framing.length <= SKIP_BYTES
        return short and not self._awaits_continue

    def _send_head(self, status: int, headers: Headers, framing: Framing) -> None:
        version = self._head.version if self._head is not None else "1.1"
        self._out.append(response_bytes(status, headers, framing, self._keep, version))
        self._framing = framing

    def _close(self) -> None:
        """Closes behind a whole answer, in a way that lets the client read it."""
        unread = self._held or self._body is None or not self._body.done
        self._held = b""
        if not unread:
            self._hang_up()
            return
        if self.wire.can_write_eof():
            self.wire.write_eof()
        self._enter(self._drop, LINGER_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        """Closes once what was written is sent, or was not taken for too long."""
        self._enter(self._drop, self._limits.stall_seconds, self.abort)
        self.wire.close()

    def _client_gone(self) -> None:
        self._gone = True
        self._take = self._drop
        self._held = b""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.client_gone()


def _of_the_client(error: CcproxyError) -> CcproxyError:
    """Framing that breaks its rules is Malformed, an upstream's fault, to the reader; here it is the client's."""
    return RequestError(error.message) if isinstance(error, Malformed) else error

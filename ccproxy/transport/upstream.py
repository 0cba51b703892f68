"""The upstream side: Dials carried out on kept or new connections, without I/O.

    Errand (one Dial)     connecting ──> asked ──> answering ──> over
                               ^           │           │          ^
                               └── stale ──┘           └─ draining ┘

- A connection from the pool that closes before any byte of the answer was stale: the server had hung up while it lay there.
  The request goes out once more, on a new connection, and nobody above hears of it. A new one that does so is Broken.
- `release` leaves the answer to run out, which it mostly does within the same moment, so that the connection can be kept.
  One that has more than DRAIN_BYTES or DRAIN_SECONDS to go is closed: a stop in mid-generation costs money.
- `abort` closes at once, whatever the phase.
- A connection is kept only after a message that ended by its framing, with nothing after it and the whole request sent. One
  that says anything while it is idle is closed: what it says belongs to nobody.
- `warm` opens connections ahead of the requests. An endpoint that refuses them, or closes one that nothing was asked on, is
  left alone for REST_SECONDS.

Who asks (`Asker`, a Driver) hears for one Dial: `head`, `data`..., then `eof` or `failed`; after each read `flush`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ccproxy.actions import Dial, Endpoint
from ccproxy.errors import Broken, CcproxyError, UpstreamError
from ccproxy.transport.body import BodyReader, ContentDecoder, reader_for
from ccproxy.transport.heads_out import authority, request_bytes
from ccproxy.transport.http1 import Headers, HeadReader, ResponseHead
from ccproxy.transport.pool import Pool
from ccproxy.transport.seam import Connect, Limits, Wire

DRAIN_BYTES = 64 * 1024
"""Of an answer that nobody needs any more. After a stream's last event come a last chunk and trailers: tens of bytes."""

DRAIN_SECONDS = 1.0
"""The same in time. A new connection with TLS costs 50 to 200 ms, so that waiting much longer saves nothing."""

JOIN_BYTES = 64 * 1024
"""Requests up to here are one piece and one system call; above, copying the body behind its head costs more."""

REST_SECONDS = 5.0
"""Before a warm connection is tried again where one failed: the ticker would knock four times a second at a server that is
down, or that closes at once what says nothing."""

DECODED_PIECE = 16 * 1024 * 1024
"""Bytes that one read of a compressed answer may give: a read has at most 256 KiB, and JSON shrinks ten- to thirtyfold."""


class Asker(Protocol):
    """Who hears of an Errand."""

    def head(self, status: int, headers: Headers) -> None: ...

    def data(self, data: bytes) -> None:
        """More of the body, decoded; never empty."""

    def eof(self) -> None:
        """The message ended as it should."""

    def failed(self, error: UpstreamError) -> None: ...

    def flush(self) -> None:
        """One read's worth has been told."""

    def one(self, data: bytes) -> None:
        """`data` and `flush`: more of the body, which is all that a read brought."""


class _Nobody:
    """The asker of an errand that was released: its answer is read to its end and dropped. The two let go of each other
    then, so that no request leaves work for the garbage collector."""

    def __init__(self, errand: Errand) -> None:
        self._errand: Errand | None = errand
        self._taken = 0

    def head(self, status: int, headers: Headers) -> None: ...

    def data(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > DRAIN_BYTES and self._errand is not None:
            self._errand.abort()
            self._errand = None

    def eof(self) -> None:
        self._errand = None

    def failed(self, error: UpstreamError) -> None:
        self._errand = None

    def flush(self) -> None: ...

    one = data


class Upstreams:
    """All upstream connections of one server."""

    def __init__(self, connect: Connect, clock: Callable[[], float], limits: Limits) -> None:
        self.connect = connect
        self.clock = clock
        self.limits = limits
        self.connections: set[UpstreamConnection] = set()
        self._pool: Pool[UpstreamConnection] = Pool(idle_seconds=limits.keep_upstream_seconds)
        self._draining: dict[Errand, float] = {}
        self._opening: Counter[Endpoint] = Counter()  # warm connections under way
        self._resting: dict[Endpoint, float] = {}  # until when no warm connection is tried

    def __repr__(self) -> str:
        return f"<Upstreams open={len(self.connections)} idle={len(self._pool)} draining={len(self._draining)}>"

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._pool)

    def take(self, endpoint: Endpoint) -> UpstreamConnection | None:
        """A kept connection, or None."""
        now = self.clock()
        while (connection := self._pool.take(endpoint, now)) is not None:
            if not connection.wire.is_closing():
                return connection
        return None

    def keep(self, connection: UpstreamConnection) -> None:
        for surplus in self._pool.put(connection.endpoint, connection, self.clock()):
            surplus.wire.abort()

    def forget(self, connection: UpstreamConnection) -> None:
        self._pool.remove(connection)

    def warm(self, endpoint: Endpoint, count: int) -> None:
        """Sees to it that `count` connections are idle or about to be; to be called again and again."""
        if self.clock() < self._resting.get(endpoint, 0.0):
            return
        for _ in range(count - self._pool.count(endpoint) - self._opening[endpoint]):
            self._opening[endpoint] += 1
            peer = UpstreamConnection(self, endpoint, None)
            self.connect(endpoint, self.limits.connect_seconds, peer, partial(self._not_warmed, endpoint))

    def warmed(self, connection: UpstreamConnection) -> None:
        self._opening[connection.endpoint] -= 1
        self.keep(connection)

    def _not_warmed(self, endpoint: Endpoint, error: UpstreamError) -> None:
        """Nobody is told: a request that comes will find out and say so."""
        self._opening[endpoint] -= 1
        self.rest(endpoint)

    def rest(self, endpoint: Endpoint) -> None:
        self._resting[endpoint] = self.clock() + REST_SECONDS

    def drain(self, errand: Errand) -> None:
        self._draining[errand] = self.clock() + DRAIN_SECONDS

    def drained(self, errand: Errand) -> None:
        self._draining.pop(errand, None)

    def tick(self, now: float) -> None:
        for connection in self._pool.expire(now):
            connection.wire.abort()
        for errand in [errand for errand, until in self._draining.items() if now >= until]:
            errand.abort()

    def close(self) -> None:
        """Closes every connection, at work or not."""
        self._pool.close_all()
        for connection in list(self.connections):
            connection.wire.abort()


class UpstreamConnection:
    """One connection: at work for an errand, or idle in the pool. The Peer of its Wire.

    waited: it was in the pool, so that the server may have hung up unseen. used: something was asked on it.
    """

    __slots__ = ("__weakref__", "_upstreams", "endpoint", "errand", "used", "waited", "wire")

    wire: Wire

    def __init__(self, upstreams: Upstreams, endpoint: Endpoint, errand: Errand | None) -> None:
        self.endpoint = endpoint
        self.errand = errand
        self.used = False
        self.waited = errand is None
        self._upstreams = upstreams

    def __repr__(self) -> str:
        return f"<UpstreamConnection {self.endpoint.host}:{self.endpoint.port} {self.errand or 'idle'}>"

    def opened(self, wire: Wire, peer: str) -> None:
        self.wire = wire
        self._upstreams.connections.add(self)
        if self.errand is not None:
            self.errand.connected(self)
        else:
            self._upstreams.warmed(self)

    def received(self, data: bytes) -> None:
        if self.errand is not None:
            self.errand.received(data)
        else:
            self._hang_up()

    def eof(self) -> None:
        self._over(None)
        self.wire.abort()

    def lost(self, error: Exception | None) -> None:
        self._upstreams.connections.discard(self)
        self._over(error)

    def pause_writing(self) -> None:
        """A request is one write; whoever made it holds it in memory anyway."""

    def resume_writing(self) -> None: ...

    def free(self, *, keep: bool) -> None:
        """The errand is over."""
        self.errand = None
        self.waited = True
        if keep and not self.wire.is_closing() and not self.wire.get_write_buffer_size():
            self._upstreams.keep(self)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        self._upstreams.forget(self)
        self.wire.abort()

    def _over(self, error: Exception | None) -> None:
        errand, self.errand = self.errand, None
        self._upstreams.forget(self)
        if errand is not None:
            errand.lost(error)
        elif not self.used:
            self._upstreams.rest(self.endpoint)


class Errand:
    """One Dial carried out. Starts at once. Raises RequestError for a target or header that cannot be sent."""

    # What every errand begins with, here so that making one costs nothing for it:
    _connection: UpstreamConnection | None = None
    _stop_connecting: Callable[[], object] | None = None
    _over = False
    _paused = False
    silent = True  # no byte of an answer has come
    _head: ResponseHead | None = None
    _body: BodyReader | None = None
    _decoder: ContentDecoder | None = None

    def __init__(self, dial: Dial, asker: Asker, upstreams: Upstreams) -> None:
        self._endpoint = dial.endpoint
        self._request = (_head_of(dial), dial.body)  # empty once it will not be sent again; bodies are large
        self._seconds = min(dial.connect_timeout, upstreams.limits.connect_seconds)
        self._asker = asker
        self._upstreams = upstreams
        kept = upstreams.take(dial.endpoint)
        if kept is not None:
            self._ask(kept)
        else:
            self._connect()
        # Of the answer, so behind the write:
        self._reader = HeadReader.client(dial.method)
        self._one: Callable[[bytes], bytes] = _not_one  # of a body that is not coded, its reader's

    def __repr__(self) -> str:
        phase = "over" if self._over else "answering" if self._body else "asked" if self._connection else "connecting"
        return f"<Errand {phase}{' paused' if self._paused else ''}>"

    # From above

    def pause(self) -> None:
        """The client is slow: read no more until `resume`."""
        self._paused = True
        if self._connection is not None:
            self._connection.wire.pause_reading()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if self._connection is not None:
                self._connection.wire.resume_reading()

    def abort(self) -> None:
        """Closes the connection at once; nothing more is told."""
        self._end(keep=False)

    def release(self) -> None:
        """Nothing more is told; the connection is kept if the answer ends by itself."""
        if self._over:
            return
        if self._body is None or self._head is None or not self._head.keep_alive:
            self.abort()
            return
        self._asker = _Nobody(self)
        self.resume()
        self._upstreams.drain(self)

    # From the connection

    def connected(self, connection: UpstreamConnection) -> None:
        self._stop_connecting = None
        self._ask(connection)

    def received(self, data: bytes) -> None:
        """An event of a stream first: nearly every read is one."""
        if piece := self._one(data):
            self._asker.one(piece)
        else:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        asker = self._asker
        self.silent = False
        try:
            body = self._body
            if body is None:
                body, data = self._read_head(data)
            if body is not None and not self._over:
                self._read_body(body, data)
        except CcproxyError as error:
            self._fail(error)
        asker.flush()

    def lost(self, error: Exception | None) -> None:
        """The connection closed, `error` tells why if it was not a clean end."""
        connection, self._connection = self._connection, None
        if self._over:
            return
        if self.silent and connection is not None and connection.waited:
            self._connect()
            return
        asker = self._asker
        try:
            self._judge_end(error)
            self._complete()
        except CcproxyError as failure:
            self._fail(failure)
        asker.flush()

    # Steps

    def _connect(self) -> None:
        peer = UpstreamConnection(self._upstreams, self._endpoint, self)
        self._stop_connecting = self._upstreams.connect(self._endpoint, self._seconds, peer, self._unreachable)

    def _unreachable(self, error: UpstreamError) -> None:
        self._stop_connecting = None
        self._fail(error)
        self._asker.flush()

    def _ask(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.errand = self
        connection.used = True
        wire = connection.wire
        if self._paused:
            wire.pause_reading()
        head, body = self._request
        if len(body) <= JOIN_BYTES:
            wire.write(head + body)
        else:
            wire.write(head)
            wire.write(body)

    def _read_head(self, data: bytes) -> tuple[BodyReader | None, bytes]:
        head = self._reader.feed(data)
        if head is None:
            return None, b""
        self._request = (b"", b"")
        self._head = head
        self._body = reader_for(head.framing)
        headers = head.headers
        coding = head.header("content-encoding")
        if coding:
            self._decoder = ContentDecoder(coding, DECODED_PIECE, answer=True)
            headers = [(name, value) for name, value in headers if name not in _OF_THE_CODED_BODY]
        else:
            self._one = self._body.one
        self._asker.head(head.status, headers)
        rest, self._reader.rest = self._reader.rest, b""
        return self._body, rest

    def _read_body(self, body: BodyReader, data: bytes) -> None:
        """The path of a chunk: everything that came in one read goes up as one piece."""
        slices = body.feed(data)
        if slices:
            piece = slices[0] if len(slices) == 1 else b"".join(slices)
            if self._decoder is not None:
                piece = self._decoder.feed(piece)
            if piece:
                self._asker.data(piece)
        if body.done and not self._over:
            self._complete()

    def _judge_end(self, error: Exception | None) -> None:
        """Raises Broken unless the end of the connection is the end of the body."""
        if error is not None or self._body is None:
            phase = "in the midst of its answer" if self._body is not None or not self.silent else "before it answered"
            raise Broken(f"{_where(self._endpoint)} closed the connection {phase}{_why(error)}")
        try:
            self._body.eof()
        except Broken as broken:
            raise Broken(f"{_where(self._endpoint)}: {broken.message}") from None

    def _complete(self) -> None:
        """The message has ended. The connection is free before the asker hears of it, for a dial that follows."""
        if self._decoder is not None:
            self._decoder.finish()
        head, body, asker = self._head, self._body, self._asker
        assert head is not None
        assert body is not None
        self._end(keep=head.keep_alive and head.framing.kind != "close" and not body.rest)
        asker.eof()

    def _fail(self, error: CcproxyError) -> None:
        if not self._over:
            asker = self._asker
            self.abort()
            asker.failed(error if isinstance(error, UpstreamError) else Broken(error.message))

    def _end(self, *, keep: bool) -> None:
        if self._over:
            return
        self._over = True
        self._upstreams.drained(self)
        if self._stop_connecting is not None:
            self._stop_connecting()
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._paused and keep:
                connection.wire.resume_reading()
            connection.free(keep=keep)


def _not_one(data: bytes) -> bytes:
    """In the place of a `BodyReader.one`."""
    return b""


_OF_THE_CODED_BODY = frozenset({"content-encoding", "content-length"})


def _head_of(dial: Dial) -> bytes:
    """The request's head, with what a Dial leaves to us."""
    endpoint = dial.endpoint
    host = authority(endpoint.host, endpoint.port, endpoint.scheme)
    return request_bytes(dial.method, dial.target, dial.headers, len(dial.body), host=host)


def _where(endpoint: Endpoint) -> str:
    """For a message; never the URL of a proxy, which may hold a password."""
    return authority(endpoint.host, endpoint.port)


def _why(error: Exception | None) -> str:
    reason = getattr(error, "strerror", None) or (str(error) if error is not None else "")
    return f" ({reason.lower()})" if reason else ""

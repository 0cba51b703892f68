"""What the network scenarios are played with: a scripted app, blocking peers, and the server under test in its own thread.

Nothing here knows which runtime serves. What is waited for is waited for on a socket, a queue or a condition, each with
one generous time-out.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import h11
import trustme

from ccproxy.actions import Abort, Accept, Action, Commit, Dial, End, Endpoint, Finished, Headers, Release, Reply
from ccproxy.errors import CcproxyError
from ccproxy.transport.http1 import RequestHead
from ccproxy.transport.seam import Limits
from ccproxy.transport.serving import House

PATIENCE = 20.0
"""Seconds until what is waited for counts as not coming."""

BODY_LIMIT = 100_000

SMALL_BUFFER = 128 * 1024
"""Of a slow client's kernel. One below loopback's segments of 64 KiB would leave TCP to its timers."""

# ---------------------------------------------------------------------------------------------------------------------
# The app


class ScriptedLife:
    """Relays what the upstream sends, byte for byte, until `[DONE]` or the upstream's end; answers failures with their
    status and message. `app.happened` hears of every call."""

    def __init__(self, app: ScriptedApp, head: RequestHead) -> None:
        self.app = app
        self.request = head
        self.done = False
        self.committed = False
        self.status = 0
        self.headers: Headers = []

    def begin(self, now: float) -> list[Action]:
        return []

    def body(self, data: bytes, now: float) -> list[Action]:
        self.app.happened.put(("body", data))
        return [self.app.dial(self.request, data)]

    def body_failed(self, error: Exception, now: float) -> list[Action]:
        return self._refuse(error)

    def upstream_head(self, status: int, headers: Headers, now: float) -> list[Action]:
        self.status, self.headers = status, headers
        self.app.happened.put(("head", status))
        return []

    def upstream_bytes(self, data: bytes, now: float) -> list[Action]:
        self.committed = True
        self.done = b"[DONE]" in data
        kept = [(name, value) for name, value in self.headers if name.startswith(("content-type", "x-"))]
        return [Commit(self.status, kept, data)]

    def upstream_eof(self, now: float) -> list[Action]:
        self.app.happened.put(("eof", None))
        if not self.committed:
            return [Reply(self.status, [], b""), Finished("empty")]
        return [End(), Finished("ended")]

    def upstream_failed(self, error: Exception, now: float) -> list[Action]:
        self.app.happened.put(("failed", error))
        if self.committed:
            return [End(), Finished("failed")]
        return self._refuse(error)

    def pump(self, data: bytes) -> bytes:
        self.app.watch()
        self.done = b"[DONE]" in data
        return data

    def ended(self, now: float) -> list[Action]:
        return [End(), Release(), Finished("done")]

    def client_gone(self, now: float) -> list[Action]:
        self.app.happened.put(("gone", None))
        return [Abort(), Finished("gone")]

    def tick(self, now: float) -> list[Action]:
        return []

    def meanwhile(self) -> None: ...

    def resumed(self) -> None: ...

    def _refuse(self, error: Exception) -> list[Action]:
        assert isinstance(error, CcproxyError)
        kind = type(error).__name__
        return [Reply(error.status, [("x-error", kind)], error.message.encode()), Finished(kind)]


class Buggy(ScriptedLife):
    """Fails where the path says."""

    def body(self, data: bytes, now: float) -> list[Action]:
        if self.request.path == "/bug/body":
            raise RuntimeError("a bug, as it was ordered")
        return super().body(data, now)

    def pump(self, data: bytes) -> bytes:
        raise RuntimeError("a bug, as it was ordered")


class ScriptedApp:
    """Takes POST and GET to anywhere and relays them to `endpoint`; `/no` is refused on the head, `/bug/...` has bugs."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.warm: list[tuple[Endpoint, int]] = []
        self.endpoint = Endpoint(scheme="http", host="127.0.0.1", port=9)
        self.happened: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.records: queue.Queue[Any] = queue.Queue()
        self.jobs_run: queue.Queue[str] = queue.Queue()
        self.watch: Callable[[], Any] = lambda: None

    def head(self, head: RequestHead, now: float) -> Accept | Reply:
        if head.path == "/no":
            return Reply(403, [("x-error", "Forbidden")], b"no")
        if head.path == "/bug/head":
            raise RuntimeError("a bug, as it was ordered")
        kind = Buggy if head.path.startswith("/bug/") else ScriptedLife
        return Accept(kind(self, head), BODY_LIMIT)

    def dial(self, head: RequestHead, data: bytes) -> Dial:
        return Dial(endpoint=self.endpoint, method=head.method, target=head.target, headers=[("x-test", "1")], body=data)

    def refuse(self, error: CcproxyError, head: RequestHead | None) -> Reply:
        return Reply(error.status, [("x-error", type(error).__name__)], error.message.encode())

    def finished(self, record: Any) -> None:
        self.records.put(record)

    def jobs(self) -> list[Any]:
        async def job() -> None:
            self.jobs_run.put("ran")

        return [job]

    def next(self, name: str) -> Any:
        """What the next event of this name carried; others are passed over."""
        while True:
            found, value = self.happened.get(timeout=PATIENCE)
            if found == name:
                return value


# ---------------------------------------------------------------------------------------------------------------------
# The peers


class Conn:
    """A blocking socket with the time-out, and h11 to read messages with, which is not what ccproxy reads bodies with."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.held = b""

    def send(self, *data: bytes) -> None:
        """Each piece in a write of its own."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in data:
            self.sock.sendall(piece)

    def receive(self) -> bytes:
        held, self.held = self.held, b""
        return held or self.sock.recv(65536)

    def until(self, mark: bytes) -> bytes:
        """Reads up to and with `mark`; what is behind it is held."""
        while mark not in self.held:
            data = self.sock.recv(65536)
            assert data, f"closed before {mark!r}: {self.held[:200]!r}"
            self.held += data
        found, _, self.held = self.held.partition(mark)
        return found + mark

    def to_end(self) -> bytes:
        """Everything up to the other side's close."""
        data = b""
        while piece := self.receive():
            data += piece
        return data

    def assert_closed(self) -> None:
        """The other side closed, cleanly or not, and sent nothing before."""
        with contextlib.suppress(ConnectionResetError):
            assert self.receive() == b""

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def request(self) -> Message:
        """Reads one request, in the role of a server."""
        return self._message(h11.Connection(h11.SERVER))

    def answer(self, method: str = "GET") -> Message:
        """Reads one answer, in the role of a client."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        reader.send(h11.EndOfMessage())
        return self._message(reader)

    def _message(self, reader: h11.Connection) -> Message:
        message = Message()
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(self.receive())
            elif isinstance(event, h11.Data):
                message.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.held = reader.trailing_data[0] + self.held
                return message
            else:
                assert isinstance(event, h11.Request | h11.Response), event
                message.start(event)


class Message:
    def __init__(self) -> None:
        self.status = 0
        self.method = self.target = ""
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    def start(self, event: h11.Request | h11.Response) -> None:
        self.headers = {name.decode(): value.decode() for name, value in event.headers}
        if isinstance(event, h11.Request):
            self.method, self.target = event.method.decode(), event.target.decode()
        else:
            self.status = event.status_code


class Listener:
    """An upstream, or a proxy on the way to one."""

    def __init__(self, backlog: int = 16) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.sock.settimeout(PATIENCE)
        self.port: int = self.sock.getsockname()[1]

    def accept(self, context: ssl.SSLContext | None = None) -> Conn:
        sock, _ = self.sock.accept()
        sock.settimeout(PATIENCE)
        return Conn(context.wrap_socket(sock, server_side=True) if context else sock)


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


def trusting() -> ssl.SSLContext:
    """A client's context that trusts `authority`."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


@functools.cache
def certified(host: str = "127.0.0.1") -> ssl.SSLContext:
    """A server's context for `host`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(host).configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


# ---------------------------------------------------------------------------------------------------------------------
# The harness


class Running(Protocol):
    """A server that a runtime's harness started in a thread of its own."""

    house: House
    port: int

    def call(self, function: Callable[[], Any]) -> Any:
        """Runs it in the server's thread."""

    def stop(self, grace_seconds: float) -> threading.Event:
        """Begins the stop; the event is set when all is closed."""


class Net:
    """One scenario's world."""

    def __init__(self, app: ScriptedApp, running: Running) -> None:
        self.app = app
        self.running = running
        self._open = contextlib.ExitStack()

    def client(self, *data: bytes, receive_buffer: int = 0) -> Conn:
        """A client that has sent this."""
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", self.running.port))
        self._open.callback(sock.close)
        conn = Conn(sock)
        conn.send(*data)
        return conn

    def upstream(self, **endpoint: Any) -> Listener:
        """A listener that the app dials from now on."""
        listener = self.listener()
        self.app.endpoint = Endpoint(**{"scheme": "http", "host": "127.0.0.1", "port": listener.port, **endpoint})
        return listener

    def listener(self) -> Listener:
        listener = Listener()
        self._open.callback(listener.sock.close)
        return listener

    def accept(self, listener: Listener, context: ssl.SSLContext | None = None) -> Conn:
        conn = listener.accept(context)
        self._open.callback(conn.close)
        return conn

    def until(self, condition: Callable[[House], bool]) -> None:
        """Waits until it holds in the server's thread."""
        deadline = time.monotonic() + PATIENCE
        while not self.running.call(lambda: condition(self.running.house)):
            assert time.monotonic() < deadline, f"never came: {self.running.house}"
            time.sleep(0.005)

    def close(self) -> None:
        self._open.close()


# ---------------------------------------------------------------------------------------------------------------------
# Messages


def post(path: str = "/x", body: bytes = b"hello", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def get(path: str = "/x", *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "host: localhost", *headers, "", ""]).encode()


def chunks(*data: bytes, end: bool = True) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in data) + (b"0\r\n\r\n" if end else b"")


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def streamed(*data: bytes) -> bytes:
    """A whole chunked answer."""
    return CHUNKED + chunks(*data)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def piped(one: socket.socket, other: socket.socket) -> None:
    """Carries bytes both ways until each side has closed. In one thread: two must not use one TLS connection at a time."""
    sinks = {one: other, other: one}

    def carry() -> None:
        with contextlib.suppress(OSError):
            while sinks:
                held = [source for source in sinks if isinstance(source, ssl.SSLSocket) and source.pending()]
                for source in held or select.select(list(sinks), [], [])[0]:
                    if data := source.recv(65536):
                        sinks[source].sendall(data)
                    else:
                        sinks.pop(source).shutdown(socket.SHUT_WR)

    threading.Thread(target=carry, daemon=True).start()


def serve_one(upstream: Conn, answer: bytes = OK) -> Message:
    request = upstream.request()
    upstream.send(answer)
    return request

"""The transport's core without sockets: wires that remember, a clock that is set, connects that are answered by hand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from ccproxy.actions import Accept, Action, Dial, Endpoint, Headers, Reply
from ccproxy.errors import CcproxyError, UpstreamError
from ccproxy.transport.http1 import RequestHead
from ccproxy.transport.seam import Limits, Peer
from ccproxy.transport.serving import ClientConnection, House
from ccproxy.transport.upstream import Upstreams

ENDPOINT = Endpoint(scheme="https", host="api.example", port=443)


class FakeWire:
    """Remembers what is done to it. `full` makes it keep what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.calls: list[str] = []
        self.full = 0

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return self.full

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.calls.append("eof")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def is_closing(self) -> bool:
        return "close" in self.calls or "abort" in self.calls


class World:
    """A House with its upstreams, and everything that the core asks of a runtime."""

    def __init__(self, app: Any = None, **limits: Any) -> None:
        self.now = 0.0
        self.attempts: list[Attempt] = []
        self.spawned: list[Coroutine[Any, Any, None]] = []
        self.app = app or FakeApp(**limits)
        self.upstreams = Upstreams(self._connect, lambda: self.now, self.app.limits)
        self.house = House(self.app, self.upstreams, lambda: self.now, lambda call: call(), self.spawned.append)

    def client(self, *data: bytes) -> tuple[ClientConnection, FakeWire]:
        connection, wire = ClientConnection(self.house), FakeWire()
        connection.opened(wire, "127.0.0.1")
        for piece in data:
            connection.received(piece)
        return connection, wire

    def upstream(self, number: int = -1) -> tuple[Peer, FakeWire]:
        """The connection that was asked for becomes open."""
        peer, wire = self.attempts[number].peer, FakeWire()
        peer.opened(wire, "192.0.2.1")
        return peer, wire

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.house.tick()

    def _connect(
        self, endpoint: Endpoint, seconds: float, peer: Peer, failed: Callable[[UpstreamError], None]
    ) -> Callable[[], object]:
        attempt = Attempt(endpoint, seconds, peer, failed)
        self.attempts.append(attempt)
        return attempt.stop


class Attempt:
    """One call of `Connect`."""

    def __init__(self, endpoint: Endpoint, seconds: float, peer: Peer, failed: Callable[[UpstreamError], None]) -> None:
        self.endpoint = endpoint
        self.seconds = seconds
        self.peer = peer
        self.failed = failed
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class FakeLife:
    """Answers each call with the actions that stand under its name, remembers the calls."""

    def __init__(self, **actions: list[Action]) -> None:
        self.done = False
        self.actions = actions
        self.calls: list[tuple[Any, ...]] = []

    def _called(self, name: str, *arguments: Any) -> list[Action]:
        self.calls.append((name, *arguments))
        actions = self.actions.get(name, [])
        if isinstance(actions, Exception):
            raise actions
        return actions

    def begin(self, now: float) -> list[Action]:
        return self._called("begin")

    def body(self, data: bytes, now: float) -> list[Action]:
        return self._called("body", data)

    def body_failed(self, error: Exception, now: float) -> list[Action]:
        return self._called("body_failed", error)

    def meanwhile(self) -> None:
        self._called("meanwhile")

    def upstream_head(self, status: int, headers: Headers, now: float) -> list[Action]:
        return self._called("upstream_head", status)

    def upstream_bytes(self, data: bytes, now: float) -> list[Action]:
        return self._called("upstream_bytes", data)

    def upstream_eof(self, now: float) -> list[Action]:
        return self._called("upstream_eof")

    def upstream_failed(self, error: Exception, now: float) -> list[Action]:
        return self._called("upstream_failed", error)

    def pump(self, data: bytes) -> bytes:
        self._called("pump", data)
        self.done = data.endswith(b"[DONE]")
        return data

    def ended(self, now: float) -> list[Action]:
        return self._called("ended")

    def client_gone(self, now: float) -> list[Action]:
        return self._called("client_gone")

    def tick(self, now: float) -> list[Action]:
        return self._called("tick")

    def resumed(self) -> None:
        self.calls.append(("resumed",))


class FakeApp:
    """Accepts every request with the life that comes next."""

    def __init__(self, *lives: FakeLife, max_body: int = 1000, **limits: Any) -> None:
        self.limits = Limits(**limits)
        self.warm: list[tuple[Endpoint, int]] = []
        self.lives = list(lives)
        self.max_body = max_body
        self.records: list[Any] = []

    def head(self, head: RequestHead, now: float) -> Accept | Reply:
        return Accept(self.lives.pop(0), self.max_body) if self.lives else Reply(404, [], b"none")

    def refuse(self, error: CcproxyError, head: RequestHead | None) -> Reply:
        return Reply(error.status, [], error.message.encode())

    def finished(self, record: Any) -> None:
        self.records.append(record)

    def jobs(self) -> list[Any]:
        return []


def dial(body: bytes = b"hello", **fields: Any) -> Dial:
    return Dial(**{"endpoint": ENDPOINT, "method": "POST", "target": "/v1/x", "headers": [], "body": body, **fields})

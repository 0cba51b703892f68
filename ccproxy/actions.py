"""Between an exchange and a runtime: what a runtime is told to do, and the calls by which it tells what happened.

Nothing here does anything; `exchange.py` makes actions, `transport/driving.py` carries them out. A Handoff is the other way
of serving a request: an async handler has it whole (`transport/handing.py`). Those that every request
has are not frozen, though nobody changes them: they would take three times as long to make.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, NamedTuple
from typing import Protocol as Shape

from attrs import define, field, frozen

Headers = list[tuple[str, str]]


class Endpoint(NamedTuple):
    """Where an upstream is reached. scheme: http or https. proxy: "" or an http://, https:// or socks5:// URL, with
    credentials in it if need be. Two dials may share a connection when their endpoints are equal. A tuple, because each
    request looks for it several times."""

    scheme: str
    host: str
    port: int
    proxy: str = ""

    def __repr__(self) -> str:
        """Without the proxy, which may hold a password."""
        return f"Endpoint(scheme={self.scheme!r}, host={self.host!r}, port={self.port!r})"


@define(kw_only=True)
class Dial:
    """Send this request. `target` is the request target (path and query), headers are complete but for framing: the
    runtime adds host (unless given), content-length and connection headers. Where they are a tuple that came before, what
    was written then is written again. `body` may be empty."""

    endpoint: Endpoint
    method: str
    target: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    connect_timeout: float = 10.0


@define
class Commit:
    """The answer streams from here on: send this head and these first bytes in one write, then what `pump` returns.
    The runtime frames the body (chunked, or until close for HTTP/1.0 clients)."""

    status: int
    headers: Headers
    data: bytes


@define
class Write:
    """More bytes of a committed answer (keep-alives, the end of a stream)."""

    data: bytes


@define
class Reply:
    """A whole answer with content-length. Ends the exchange on the client's side."""

    status: int
    headers: Headers
    body: bytes


@frozen
class End:
    """The committed answer is complete: finish its framing."""


@frozen
class Abort:
    """Close the upstream connection at once, whatever it is doing."""


@frozen
class Release:
    """The upstream is not needed any more: keep its connection if its message has ended or ends by itself within a
    moment, else close it."""


@define
class Finished:
    """The exchange is over; `record` is for the log. Last of all actions."""

    record: Any = field(default=None)


Action = Dial | Commit | Write | Reply | End | Abort | Release | Finished


class Life(Shape):
    """What a runtime drives. Every call but `pump` returns actions, to be carried out in order.

    Order: begin, body, then for each Dial: upstream_head, upstream_bytes*, and one of upstream_eof or upstream_failed.
    upstream_eof is a clean end of the HTTP message; upstream_failed carries Unreachable, TimedOut or Broken. After a
    Commit the runtime calls `pump(data)` instead of upstream_bytes, writes what it returns, and, when `done` has become
    true, calls `ended()` for the closing actions. `meanwhile`, when the request of a Dial is on its way, is for what
    nobody shall wait for. client_gone may come at any time and returns Abort and Finished. After Finished nothing is
    called. `tick` comes from the server's one ticker, but not while the client takes nothing and its
    upstream is not read for that; `resumed` tells that this is over.
    """

    done: bool

    def begin(self, now: float) -> list[Action]: ...
    def body(self, data: bytes, now: float) -> list[Action]: ...
    def body_failed(self, error: Exception, now: float) -> list[Action]: ...
    def meanwhile(self) -> None: ...
    def upstream_head(self, status: int, headers: Headers, now: float) -> list[Action]: ...
    def upstream_bytes(self, data: bytes, now: float) -> list[Action]: ...
    def upstream_eof(self, now: float) -> list[Action]: ...
    def upstream_failed(self, error: Exception, now: float) -> list[Action]: ...
    def pump(self, data: bytes) -> bytes: ...
    def ended(self, now: float) -> list[Action]: ...
    def client_gone(self, now: float) -> list[Action]: ...
    def tick(self, now: float) -> list[Action]: ...
    def resumed(self) -> None: ...


@define
class Accept:
    """The app takes the request: its body, at most `max_body` bytes after decoding, goes to `life`."""

    life: Life
    max_body: int


Message = MutableMapping[str, Any]
Handler = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""An ASGI application (version 3.0): `await handler(scope, receive, send)`."""


@define
class Handoff:
    """The app hands the request to an async handler, which the runtime spawns once the body is read. standing: its
    answer is a stream without an end of its own, so that a server that stops does not wait for it."""

    handler: Handler
    max_body: int
    standing: bool = False

"""Where the runtimes, the core of the transport and the app meet.

    app (App, Limits)  ──>  serving, driving, upstream: what happens, no I/O  ──>  on_asyncio, on_trio (Wire, Connect)

The core makes every decision between the sockets and an exchange: whose turn it is, what is read, held, written, paused,
kept and closed. A runtime listens, connects, moves bytes, and calls `tick` a few times a second; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

from ccproxy.actions import Accept, Endpoint, Handoff, Reply
from ccproxy.errors import CcproxyError, UpstreamError
from ccproxy.transport.http1 import RequestHead

# ---------------------------------------------------------------------------------------------------------------------
# The app's side


@frozen(kw_only=True)
class Limits:
    """What one server bears. Seconds and bytes.

    max_head: request line and headers. Agents send 2-4 KiB; nginx takes 32 KiB in all, Node 16, h11 16.
    head_seconds: from a connection's first moment, or a later request's first byte, to the end of the head. Not renewed
        by each byte, so that a client that trickles one (slowloris) is cut off; Node gives 60, nginx 60 between bytes.
    idle_seconds: a kept connection between two requests. Longer than the SDKs' own pools keep theirs (httpx 5 s, undici
        4 s), so that it is the client which closes; nginx has 75 too.
    body_seconds: between two pieces of a request's body; nginx has 60.
    stall_seconds: a client that takes nothing of what is written to it. Its upstream is paused meanwhile, but a
        person may have suspended the client in a terminal for a while.
    max_connections: clients at once. One person's agents need tens; a file descriptor each, of the usual 1024.
    connect_seconds: the most that TCP, tunnel and TLS to an upstream may take together, whatever a Dial asks for.
    tick_seconds: how coarse all these times are.
    keep_upstream_seconds: an idle upstream connection. Providers close theirs after 60 s and more.
    """

    max_head: int = 64 * 1024
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    body_seconds: float = 60.0
    stall_seconds: float = 300.0
    max_connections: int = 1000
    connect_seconds: float = 30.0
    tick_seconds: float = 0.25
    keep_upstream_seconds: float = 55.0


class App(Protocol):
    """What is served. None of its methods blocks; `jobs` and a Handoff give the only async code."""

    @property
    def limits(self) -> Limits: ...

    @property
    def warm(self) -> Sequence[tuple[Endpoint, int]]:
        """How many connections to keep ready, and where."""

    def head(self, head: RequestHead, now: float) -> Accept | Handoff | Reply:
        """Judges route, key and size, before a body is read or `100 Continue` is sent."""

    def refuse(self, error: CcproxyError, head: RequestHead | None) -> Reply:
        """The error as an answer in the shape that the route tells; `head` is None when it could not be read."""

    def finished(self, record: Any) -> None:
        """An exchange is over; `record` is what its Finished carried."""

    def jobs(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """What is to run in the background from now to the stop: asked at each tick, each is given once."""


# ---------------------------------------------------------------------------------------------------------------------
# The runtime's side


class Wire(Protocol):
    """One connected socket, TLS included; asyncio's transports are such. No method blocks or raises."""

    def write(self, data: bytes) -> None:
        """Sends now what the socket takes, keeps the rest, and tells `pause_writing` when it keeps much."""

    def get_write_buffer_size(self) -> int: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def can_write_eof(self) -> bool: ...

    def write_eof(self) -> None: ...

    def close(self) -> None:
        """Closes when what was written is sent. `lost` follows."""

    def abort(self) -> None:
        """Closes at once. `lost` follows."""

    def is_closing(self) -> bool: ...


class Peer(Protocol):
    """What a runtime tells about a Wire. `opened` comes first, `lost` last and once."""

    def opened(self, wire: Wire, peer: str) -> None: ...

    def received(self, data: bytes) -> None: ...

    def eof(self) -> None:
        """The other side will send no more."""

    def lost(self, error: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class Connect(Protocol):
    """How a runtime connects, through a proxy and with TLS where the endpoint says so."""

    def __call__(
        self, endpoint: Endpoint, seconds: float, peer: Peer, failed: Callable[[UpstreamError], None]
    ) -> Callable[[], object]:
        """Calls `peer.opened` or `failed`, later and not from within; gives a function that stops the attempt, after which
        neither is called. `failed` gets Unreachable."""

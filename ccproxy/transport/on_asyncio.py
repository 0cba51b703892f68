"""The asyncio runtime, uvloop where it is installed. It listens, connects and ticks; what happens is decided in `serving`,
`driving` and `upstream`.

Everything on a request's path is a callback: a chunk goes from the upstream's `data_received` to the client's
`transport.write` in one synchronous stack. Tasks exist for connecting (TCP, tunnel, TLS) and for the app's background jobs.

    server = await serve(app, "127.0.0.1", 0)     inside a running loop, until `await server.close()`
    run(app, host, port, on_ready=...)            for the command line, until a signal comes
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, cast

from ccproxy.actions import Endpoint
from ccproxy.errors import CcproxyError, Unreachable, UpstreamError
from ccproxy.transport.heads_out import authority
from ccproxy.transport.seam import App, Peer, Wire
from ccproxy.transport.serving import ClientConnection, House
from ccproxy.transport.tunnel import Proxy, Tunnel, parse_proxy, tunnel_for
from ccproxy.transport.upstream import Upstreams

log = logging.getLogger("ccproxy")

Address = tuple[int, Any]
"""A socket family, and an address as that family has them."""

GRACE_SECONDS = 10.0
"""For running answers at a stop. Supervisors kill 10 s (Docker) to 90 s (systemd) after they asked."""

READ_BYTES = 256 * 1024
"""The most that one read takes, as in asyncio itself. What one read brings is converted and written in one go, so this is
part of the bound on a stream's memory."""

STAGGER_SECONDS = 0.25
"""Head start of one address of a name on the next, as RFC 8305, section 5, recommends."""

CLOSE_SECONDS = 2.0
"""For sockets that were aborted to be gone: a turn of the loop, or two for TLS."""

BACKLOG = 1024
"""Connections that the kernel holds until they are accepted: more than an agent's swarm opens at once."""


# ---------------------------------------------------------------------------------------------------------------------
# Wires


class Wires:
    """The open wires of one side: how many, and when the last has closed. They share the buffer that is read into, which is
    theirs only within one callback."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_BYTES))
        self._open: set[Bridge] = set()
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, bridge: Bridge) -> None:
        self._open.add(bridge)
        self._none.clear()

    def discard(self, bridge: Bridge) -> None:
        self._open.discard(bridge)
        if not self._open:
            self._none.set()

    async def emptied(self, seconds: float) -> None:
        """Waits until none is open, but not for longer than this."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), seconds)


class Bridge(asyncio.BaseProtocol):
    """asyncio's names for a Peer's methods. Which of the two kinds a wire has, `_bridge` says."""

    def __init__(self, peer: Peer, wires: Wires) -> None:
        self._wires = wires
        self._opened = False
        self._serve(peer)

    def _serve(self, peer: Peer) -> None:
        self._peer = peer
        self.pause_writing = peer.pause_writing  # type: ignore[method-assign]
        self.resume_writing = peer.resume_writing  # type: ignore[method-assign]

    def hand_over(self, peer: Peer, transport: asyncio.Transport) -> None:
        """The wire stands, behind a tunnel if need be: from now on it is `peer`'s, with `transport` to write to."""
        self._serve(peer)
        self._open(transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._opened = True
        self._wires.add(self)
        self._open(cast(asyncio.Transport, transport))

    def _open(self, transport: asyncio.Transport) -> None:
        _no_delay(transport)
        address = transport.get_extra_info("peername")
        self._peer.opened(transport, str(address[0]) if address else "")

    def eof_received(self) -> None:
        self._peer.eof()

    def connection_lost(self, error: Exception | None) -> None:
        self._wires.discard(self)
        if self._opened:
            self._peer.lost(error)


class BufferedBridge(Bridge, asyncio.BufferedProtocol):
    """For asyncio, and for TLS: with `data_received` these make a bytes object of 256 KiB for every read and shrink it, 6
    to 20 µs for a chunk of 200 bytes; reading into a buffer that is there costs 1 µs."""

    def _serve(self, peer: Peer) -> None:
        super()._serve(peer)
        self._buffer = self._wires.buffer
        self._received = peer.received

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._received(bytes(self._buffer[:nbytes]))


class PlainBridge(Bridge, asyncio.Protocol):
    """For TCP without TLS under uvloop, which makes its bytes object as long as what was read: the 1 µs is saved, a tenth
    of what it takes to pass an event on. `data_received` is the peer's own method, which the transport holds."""

    def _serve(self, peer: Peer) -> None:
        super()._serve(peer)
        self.data_received = peer.received  # type: ignore[method-assign]

    def hand_over(self, peer: Peer, transport: asyncio.Transport) -> None:
        self._serve(peer)
        transport.set_protocol(self)  # it takes the method anew
        self._open(transport)


def _bridge(peer: Peer, wires: Wires, *, plain: bool) -> Bridge:
    """plain: TCP, to which no TLS will be added."""
    by_uvloop = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    return PlainBridge(peer, wires) if plain and by_uvloop else BufferedBridge(peer, wires)


def _no_delay(transport: asyncio.Transport) -> None:
    """Both runtimes' loops set it for TCP today; chunks of a few bytes depend on it, so it is said here."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Unclaimed:
    """The Peer of a wire that is being opened. HTTP's servers do not speak first."""

    def opened(self, wire: Wire, peer: str) -> None:
        self._wire = wire

    def received(self, data: bytes) -> None:
        self._wire.abort()

    def eof(self) -> None:
        self._wire.abort()

    def lost(self, error: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class _TunnelTalk:
    """The Peer that talks to an outbound proxy until the tunnel stands: `ready` is set, or fails with Unreachable."""

    def __init__(self, tunnel: Tunnel, ready: asyncio.Future[None]) -> None:
        self.ready = ready
        self._tunnel = tunnel

    def opened(self, wire: Wire, peer: str) -> None:
        self._wire = wire
        self._step(self._tunnel.first_bytes)

    def received(self, data: bytes) -> None:
        self._step(partial(self._tunnel.feed, data))

    def eof(self) -> None:
        self._step(self._closed)

    def lost(self, error: Exception | None) -> None:
        self._step(self._closed)

    def pause_writing(self) -> None:
        """A greeting of some hundred bytes."""

    def resume_writing(self) -> None: ...

    def _closed(self) -> bytes:
        self._tunnel.eof()
        return b""

    def _step(self, step: Callable[[], bytes]) -> None:
        if self.ready.done():
            return
        try:
            out = step()
        except CcproxyError as error:
            self.ready.set_exception(error)
            return
        if out:
            self._wire.write(out)
        if self._tunnel.done:
            self.ready.set_result(None)


class Connector:
    """The `Connect` of this runtime. `upstream_ssl`: for https upstreams and proxies, instead of the system's trust."""

    def __init__(self, upstream_ssl: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._trust: asyncio.Future[ssl.SSLContext] | None = None
        if upstream_ssl is not None:
            self._trust = self._loop.create_future()
            self._trust.set_result(upstream_ssl)
        self.wires = Wires()
        self._attempts: set[asyncio.Task[None]] = set()

    def __call__(
        self, endpoint: Endpoint, seconds: float, peer: Peer, failed: Callable[[UpstreamError], None]
    ) -> Callable[[], object]:
        attempt = self._loop.create_task(self._attempt(endpoint, seconds, peer, failed))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return attempt.cancel

    async def close(self) -> None:
        """Stops what is being connected, and waits for the connections, which are aborted already."""
        await _cancelled(list(self._attempts))
        await self.wires.emptied(CLOSE_SECONDS)

    async def _attempt(
        self, endpoint: Endpoint, seconds: float, peer: Peer, failed: Callable[[UpstreamError], None]
    ) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._connect(endpoint, peer)
        except CcproxyError as error:
            failed(error if isinstance(error, UpstreamError) else Unreachable(error.message))
        except TimeoutError:
            failed(Unreachable(f"no connection to {_route(endpoint)} within {seconds:g} s"))
        except (OSError, ValueError) as error:
            failed(Unreachable(f"no connection to {_route(endpoint)}: {_reason(error)}"))

    async def _connect(self, endpoint: Endpoint, peer: Peer) -> None:
        """The wire is the peer's from the last line on, behind which nothing stops the attempt any more."""
        if endpoint.proxy:
            bridge, transport = await self._connect_through(parse_proxy(endpoint.proxy), endpoint)
        else:
            bridge = _bridge(_Unclaimed(), self.wires, plain=endpoint.scheme == "http")
            transport = await self._open(endpoint.scheme, endpoint.host, endpoint.port, bridge)
        if transport is None or transport.is_closing():
            raise Unreachable(f"no connection to {_route(endpoint)}: it closed at once")
        bridge.hand_over(peer, transport)

    async def _connect_through(self, proxy: Proxy, endpoint: Endpoint) -> tuple[Bridge, asyncio.Transport | None]:
        talk = _TunnelTalk(tunnel_for(proxy, endpoint.host, endpoint.port), self._loop.create_future())
        bridge = BufferedBridge(talk, self.wires)
        transport = await self._open(proxy.scheme, proxy.host, proxy.port, bridge)
        inner: asyncio.Transport | None = transport
        try:
            await talk.ready
            if endpoint.scheme == "https":
                trust = await self._trusted()
                inner = await self._loop.start_tls(transport, bridge, trust, server_hostname=endpoint.host)
        except BaseException:
            transport.abort()
            raise
        return bridge, inner

    async def _open(self, scheme: str, host: str, port: int, bridge: Bridge) -> asyncio.Transport:
        tls: dict[str, Any] = {"ssl": await self._trusted(), "server_hostname": host} if scheme == "https" else {}
        sock = await first_reached(await self._addresses(host, port))
        try:
            transport, _ = await self._loop.create_connection(lambda: bridge, sock=sock, **tls)
        except BaseException:
            sock.close()
            self.wires.discard(bridge)  # uvloop tells a stopped attempt nothing more
            raise
        return transport

    async def _trusted(self) -> ssl.SSLContext:
        """Whom to trust. The system's certificates take tens of milliseconds and some MiB, so that they are read for the
        first https upstream, once, and in a thread: no stream waits for them."""
        if self._trust is None:
            self._trust = self._loop.run_in_executor(None, trusting_the_system)
        return await asyncio.shield(self._trust)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """Of a name, in the order in which to try them: as the system says, families in turn (RFC 8305, section 4)."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:  # a name: that takes a thread
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [(family, address) for family, _, _, _, address in found]
        preferred = [entry for entry in addresses if entry[0] == addresses[0][0]]
        others = [entry for entry in addresses if entry[0] != addresses[0][0]]
        return [entry for pair in zip_longest(preferred, others) for entry in pair if entry is not None]


def trusting_the_system() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def first_reached(addresses: Sequence[Address]) -> socket.socket:
    """A socket connected to the first of the addresses that answers. Each has a head start on the next, so that a broken
    IPv6 costs a moment, not the time-out (RFC 8305, "happy eyeballs"; uvloop has none of its own). Raises OSError."""
    loop = asyncio.get_running_loop()
    waiting = list(reversed(addresses))
    running: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_reached(*waiting.pop())))
            head_start = STAGGER_SECONDS if waiting else None
            done, _ = await asyncio.wait(running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                running.discard(attempt)
                failure = attempt.exception()
                if failure is None:
                    return attempt.result()
    finally:
        for attempt in running:
            attempt.add_done_callback(_close_reached)
            attempt.cancel()
    raise failure or OSError("the host name has no address")


async def _reached(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_reached(attempt: asyncio.Task[socket.socket]) -> None:
    """It came second, or too late."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _route(endpoint: Endpoint) -> str:
    way = f" through the proxy {parse_proxy(endpoint.proxy).name}" if endpoint.proxy else ""
    return f"{authority(endpoint.host, endpoint.port)}{way}"


_REASONS: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
    (ssl.SSLCertVerificationError, lambda error: f"its TLS certificate is refused: {error.verify_message}"),
    (ssl.SSLError, lambda error: f"TLS failed: {(error.reason or 'handshake').lower().replace('_', ' ')}"),
    (socket.gaierror, lambda error: "the host name cannot be resolved"),
    (ConnectionRefusedError, lambda error: "connection refused"),
    (ConnectionError, lambda error: "connection reset"),
    (OSError, lambda error: (error.strerror or str(error)).lower()),
    (ValueError, lambda error: "the host name is not one"),  # of IDNA
)


def _reason(error: Exception) -> str:
    return next(words(error) for kind, words in _REASONS if isinstance(error, kind))


# ---------------------------------------------------------------------------------------------------------------------
# The server


class Server:
    """A running server; `serve` makes it.

    addresses: host and port of each socket that it was bound to. house: what it is doing, for status pages and tests.
    """

    addresses: tuple[tuple[str, int], ...] = ()

    def __init__(self, app: App, upstream_ssl: ssl.SSLContext | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._app = app
        self._connector = Connector(upstream_ssl)
        self.house = House(
            app,
            Upstreams(self._connector, self._loop.time, app.limits),
            self._loop.time,
            self._loop.call_soon,
            self._spawn,
        )
        self._wires = Wires()
        self._jobs: list[asyncio.Task[None]] = []
        self._handlers: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._ticker: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Server {self.addresses} {self.house}>"

    @property
    def port(self) -> int:
        """The port that was bound, where 0 was asked for."""
        return self.addresses[0][1]

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._plain = context is None
        self._listener = await self._loop.create_server(self._accept, host, port, ssl=context, backlog=BACKLOG)
        self.addresses = tuple(sock.getsockname()[:2] for sock in self._listener.sockets)
        self._tick()

    async def close(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Stops listening, lets running answers end for so long, then ends everything. May be called again, from another
        task too, to shorten the grace."""
        if self._listener is not None:
            self._listener.close()
        self.house.retire()
        await self._wires.emptied(grace_seconds)
        self.house.close()
        await _cancelled(list(self._handlers))
        await _cancelled(self._jobs)
        await self._connector.close()
        await self._wires.emptied(CLOSE_SECONDS)
        if self._ticker is not None:
            self._ticker.cancel()

    def _accept(self) -> Bridge:
        return _bridge(ClientConnection(self.house), self._wires, plain=self._plain)

    def _spawn(self, handler: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(handler)
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    def _tick(self) -> None:
        for job in () if self.house.closing else self._app.jobs():
            self._jobs.append(self._loop.create_task(_guarded(job)))
        self.house.tick()
        self._ticker = self._loop.call_later(self.house.limits.tick_seconds, self._tick)


async def _guarded(job: Callable[[], Awaitable[None]]) -> None:
    try:
        await job()
    except Exception:
        log.exception("a background job failed")


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def serve(
    app: App,
    host: str,
    port: int,
    *,
    ssl: ssl.SSLContext | None = None,
    upstream_ssl: ssl.SSLContext | None = None,
) -> Server:
    """Starts a server in the running loop. port: 0 for any. ssl: to be spoken to in TLS. upstream_ssl: trust for https
    upstreams instead of the system's. Raises OSError where the address cannot be had."""
    server = Server(app, upstream_ssl)
    await server.start(host, port, ssl)
    return server


def run(
    app: App,
    host: str,
    port: int,
    *,
    on_ready: Callable[[Server], None] | None = None,
    stop_signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
    grace_seconds: float = GRACE_SECONDS,
    ssl: ssl.SSLContext | None = None,
) -> None:
    """Serves until one of the signals comes; a second one does not wait for running answers. Raises OSError where the
    address cannot be had."""

    async def main() -> None:
        stopped = asyncio.Event()
        server = await serve(app, host, port, ssl=ssl)
        _on_signals(stop_signals, partial(_stop, stopped, server))
        gc.collect()
        gc.freeze()  # what a start made stays until the end: no collection, which holds up all streams, looks at it again
        if on_ready is not None:
            on_ready(server)
        await stopped.wait()
        await server.close(grace_seconds)

    with asyncio.Runner(loop_factory=_new_loop()) as runner:
        runner.run(main())


def _stop(stopped: asyncio.Event, server: Server) -> None:
    if stopped.is_set():
        server.house.close()
    stopped.set()


def _on_signals(signals: Sequence[signal.Signals], stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in signals:
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop

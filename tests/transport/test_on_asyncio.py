"""The network scenarios on plain asyncio and on uvloop, and what is asyncio's alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import h11
import pytest
import uvloop

from ccproxy.actions import Endpoint
from ccproxy.transport import on_asyncio
from ccproxy.transport.on_asyncio import Server, serve
from ccproxy.transport.seam import Limits, Wire
from ccproxy.transport.serving import House
from tests.transport.harness import PATIENCE, Conn, Net, ScriptedApp, certified, get, post, trusting
from tests.transport.scenarios import SCENARIOS, Scenario

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Loop = Callable[[], asyncio.AbstractEventLoop]


class Running:
    """A server in a thread with a loop of its own. What the loop complains of is kept in `complaints`."""

    house: House
    port: int

    def __init__(self, app: ScriptedApp, new_loop: Loop) -> None:
        self.complaints: list[dict[str, Any]] = []
        self._app = app
        self._new_loop = new_loop
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._grace = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def call(self, function: Callable[[], Any]) -> Any:
        async def inner() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(inner(), self._loop).result(PATIENCE)

    def stop(self, grace_seconds: float) -> threading.Event:
        self._grace = grace_seconds
        self._loop.call_soon_threadsafe(self._stop.set)
        return self._stopped

    def join(self) -> None:
        if not self._stopped.is_set():
            self.stop(0)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            runner.run(self._serve())
        self._stopped.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda loop, context: self.complaints.append(context))
        self._stop = asyncio.Event()
        server = await serve(self._app, "127.0.0.1", 0, upstream_ssl=trusting())
        self.house, self.port = server.house, server.port
        self._ready.set()
        await self._stop.wait()
        await server.close(self._grace)
        assert not server.house.connections
        assert not server.house.upstreams.connections
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("scenario", "limits"), SCENARIOS, ids=[function.__name__ for function, _ in SCENARIOS])
def test_scenario(scenario: Scenario, limits: dict[str, Any], loop: str) -> None:
    app = ScriptedApp(Limits(**limits))
    running = Running(app, LOOPS[loop])
    net = Net(app, running)
    try:
        scenario(net)
    finally:
        net.close()
        running.join()
    assert not running.complaints


def ask(port: int) -> int:
    """The status that a server on this port answers with."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        conn = Conn(sock)
        conn.send(get("/no"))
        return conn.answer().status


@pytest.mark.parametrize("loop", LOOPS)
def test_serves_inside_a_running_loop(loop: str) -> None:
    async def main() -> None:
        server = await serve(ScriptedApp(Limits()), "127.0.0.1", 0)
        assert server.addresses == (("127.0.0.1", server.port),)
        assert await asyncio.to_thread(ask, server.port) == 403
        await server.close()
        await server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(ask, server.port)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_speaks_tls_to_clients(loop: str) -> None:
    def client(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            conn = Conn(trusting().wrap_socket(sock, server_hostname="127.0.0.1"))
            for request in (get("/no"), post("/no", b"x" * 1_000_000)):
                conn.send(request)
                assert conn.answer().status == 403
            conn.assert_closed()
            conn.close()

    async def main() -> None:
        server = await serve(ScriptedApp(Limits()), "127.0.0.1", 0, ssl=certified())
        await asyncio.to_thread(client, server.port)
        await server.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_an_address_that_is_silent_costs_a_moment(loop: str) -> None:
    """A listener with a full backlog lets SYNs fall, as a broken route does."""

    async def main() -> None:
        silent, good = socket.create_server(("127.0.0.1", 0), backlog=0), socket.create_server(("127.0.0.1", 0))
        full = [socket.socket() for _ in range(4)]
        for sock in full:
            sock.setblocking(False)
            sock.connect_ex(silent.getsockname())
        addresses = [(socket.AF_INET, listener.getsockname()) for listener in (silent, silent, good)]
        reached = await on_asyncio.first_reached(addresses)
        assert reached.getpeername() == good.getsockname()
        for sock in (*full, silent, good, reached):
            sock.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize("loop", LOOPS)
def test_addresses_that_all_refuse(loop: str) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = (socket.AF_INET, listener.getsockname())
        with pytest.raises(ConnectionRefusedError):
            await on_asyncio.first_reached([closed, closed])
        with pytest.raises(OSError, match="no address"):
            await on_asyncio.first_reached([])

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


class Silence:
    """A Peer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def opened(self, wire: Wire, peer: str) -> None:
        self.told.append("opened")
        self.wire = wire

    def lost(self, error: Exception | None) -> None:
        self.told.append("lost")

    def received(self, data: bytes) -> None: ...

    def eof(self) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("plain", [True, False])
def test_what_a_wire_reads_into(loop: str, plain: bool) -> None:
    async def main() -> on_asyncio.Bridge:
        return on_asyncio._bridge(Silence(), on_asyncio.Wires(), plain=plain)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        bridge = runner.run(main())
    assert isinstance(bridge, on_asyncio.PlainBridge) == (plain and loop == "uvloop")


@pytest.mark.parametrize("loop", LOOPS)
def test_an_attempt_can_be_stopped_at_any_turn_of_the_loop(loop: str) -> None:
    async def main() -> None:
        connector = on_asyncio.Connector(trusting())
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
            endpoint = Endpoint(scheme="http", host="127.0.0.1", port=listener.getsockname()[1])
            for turns in range(20):
                peer = Silence()
                stop = connector(endpoint, PATIENCE, peer, lambda error: None)
                for _ in range(turns):
                    await asyncio.sleep(0)
                opened = peer.told == ["opened"]
                if opened:
                    peer.wire.abort()
                else:
                    stop()
                for _ in range(20):
                    await asyncio.sleep(0)
                assert peer.told == (["opened", "lost"] if opened else [])
            assert len(connector.wires) == 0
            await connector.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


def test_runs_until_a_signal_comes() -> None:
    statuses: list[int] = []

    def visit(server: Server) -> None:
        port = server.port

        def client() -> None:
            statuses.append(ask(port))
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=client).start()

    on_asyncio.run(ScriptedApp(Limits()), "127.0.0.1", 0, on_ready=visit)
    assert statuses == [403]


def test_a_second_signal_does_not_wait() -> None:
    """The first closes the listener and waits for the running answer, which never ends."""
    app = ScriptedApp(Limits())
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as sock:
        app.endpoint = Endpoint(scheme="http", host="127.0.0.1", port=silent.getsockname()[1])

        def client(port: int) -> None:
            sock.connect(("127.0.0.1", port))
            sock.sendall(post())
            app.next("body")
            os.kill(os.getpid(), signal.SIGINT)
            try:  # a connection that was just accepted is closed without an answer
                with contextlib.suppress(ConnectionError, h11.RemoteProtocolError, AssertionError):
                    while True:
                        ask(port)
            finally:
                os.kill(os.getpid(), signal.SIGINT)

        def visit(server: Server) -> None:
            threading.Thread(target=client, args=[server.port]).start()

        on_asyncio.run(app, "127.0.0.1", 0, on_ready=visit, grace_seconds=1000)
    assert app.records.get(timeout=PATIENCE) == "gone"


def test_a_job_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class BadJobs(ScriptedApp):
        def jobs(self) -> list[Any]:
            async def job() -> None:
                self.jobs_run.put("ran")
                raise KeyError("a bug, as it was ordered")

            return [job]

    async def main() -> None:
        app = BadJobs(Limits())
        server = await serve(app, "127.0.0.1", 0)
        assert await asyncio.to_thread(app.jobs_run.get, timeout=PATIENCE) == "ran"
        assert await asyncio.to_thread(ask, server.port) == 403
        await server.close()

    with caplog.at_level(logging.ERROR, "ccproxy"):
        asyncio.run(main())
    assert [record.message for record in caplog.records] == ["a background job failed"]


def test_a_port_that_is_taken_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        on_asyncio.run(ScriptedApp(Limits()), "127.0.0.1", taken.getsockname()[1])

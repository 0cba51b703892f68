from __future__ import annotations

import socket
import time

from ccproxy.measure.processes import free_port, started

SECONDS = 0.1


def test_bytes_come_late_whole_and_in_order_and_so_does_the_end() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as there:
        command = ["-m", "bench.delay", str(port), str(there.getsockname()[1]), str(1000 * SECONDS)]
        with started(command, port):
            there.accept()[0].close()  # the look whether it listens
            with socket.create_connection(("127.0.0.1", port), 30) as client:
                began = time.monotonic()
                for number in range(10):
                    client.sendall(b"%04d" % number * 1000)
                upstream, _ = there.accept()
                with upstream:
                    upstream.settimeout(30)
                    assert upstream.recv(1) == b"0"
                    assert time.monotonic() - began > SECONDS * 1.4  # the connection's round trip, and the half of one
                    assert taken(upstream, 39_999) == b"".join(b"%04d" % n * 1000 for n in range(10))[1:]
                    began = time.monotonic()
                    upstream.sendall(b"answer")
                    assert taken(client, 6) == b"answer"
                    assert time.monotonic() - began > SECONDS * 0.4
                assert client.recv(1) == b""


def taken(sock: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += sock.recv(65536)
    return found


def test_without_an_upstream_the_client_is_let_go() -> None:
    port = free_port()
    command = ["-m", "bench.delay", str(port), str(free_port()), "1"]
    with started(command, port), socket.create_connection(("127.0.0.1", port), 30) as client:
        assert client.recv(1) == b""

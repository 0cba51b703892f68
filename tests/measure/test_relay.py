from __future__ import annotations

import socket
import threading

from ccproxy.measure.processes import free_port, started


def test_bytes_pass_both_ways_and_so_does_the_end() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as there:
        command = ["-m", "ccproxy.measure.relay", str(port), str(there.getsockname()[1])]
        with started(command, port):
            there.accept()[0].close()  # the look whether it listens
            for size in (1, 3_000_000):
                with socket.create_connection(("127.0.0.1", port), 30) as client:
                    upstream, _ = there.accept()
                    with upstream:
                        upstream.settimeout(30)
                        pass_both_ways(client, upstream, size)
                    assert client.recv(1) == b""


def pass_both_ways(client: socket.socket, upstream: socket.socket, size: int) -> None:
    for one, other in ((client, upstream), (upstream, client)):
        sender = threading.Thread(target=one.sendall, args=[b"x" * size])
        sender.start()
        assert sum(len(data) for data in taken(other, size)) == size
        sender.join()


def taken(sock: socket.socket, size: int) -> list[bytes]:
    found: list[bytes] = []
    while sum(map(len, found)) < size:
        found.append(sock.recv(65536))
        assert found[-1]
    return found


def test_without_an_upstream_the_client_is_let_go() -> None:
    port = free_port()
    command = ["-m", "ccproxy.measure.relay", str(port), str(free_port())]
    with started(command, port), socket.create_connection(("127.0.0.1", port), 30) as client:
        assert client.recv(1) == b""

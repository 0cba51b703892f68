"""Time to first content byte and CPU per chunk, claude -> openai, three ways in turn; see README.md beside this file.

direct    client ──────────────────────────────────────> fake upstream
ccproxy   client ──> ccproxy serve, a real process ────> fake upstream
httpx     client ──> the same pump behind httpx ───────> fake upstream
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

ROUNDS = 200
BURSTS = 20
CHUNKS = 1000
EMPTY_LINE = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def openai_chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class FakeUpstream(asyncio.Protocol):
    """Answers every request with a stream: two words, or, for the model `burst`, CHUNKS words of one write each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(EMPTY_LINE)
        if not found or len(body) < content_length(head):
            return
        self.buffer = b""
        words = CHUNKS if b'"burst"' in body else 2
        start = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self.transport.write(start + framed(openai_chunk({"role": "assistant", "content": "word "})))
        self.send(words - 1)

    def send(self, left: int) -> None:
        """One chunk a turn of the loop, so that each is a read of its own for the proxy as far as the kernel allows."""
        if left:
            self.transport.write(framed(openai_chunk({"content": "word "})))
            asyncio.get_running_loop().call_soon(self.send, left - 1)
        else:
            self.transport.write(framed(openai_chunk({}, "stop")) + framed(b"data: [DONE]\n\n") + LAST_CHUNK)


class HttpxProxy(asyncio.Protocol):
    """The same conversion behind the usual upstream client: one task a request, httpx for the upstream."""

    def __init__(self, upstream: str, client: object) -> None:
        self.upstream = upstream
        self.client = client
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(EMPTY_LINE)
        if found and len(body) >= content_length(head):
            self.buffer = b""
            self.task = asyncio.get_running_loop().create_task(self.answer(body))

    async def answer(self, body: bytes) -> None:
        from ccproxy.convert import StreamConverter, convert_request

        converted = convert_request(body, source="claude", target="openai")
        stream = StreamConverter(converted.context)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        url = self.upstream + converted.path
        async with self.client.stream("POST", url, content=converted.body, headers=headers) as answer:  # type: ignore[attr-defined]
            async for piece in answer.aiter_raw():
                out = stream.feed(piece)
                if out:
                    self.transport.write(head + framed(out))
                    head = b""
        self.transport.write(framed(stream.close()) + LAST_CHUNK if not stream.done else LAST_CHUNK)


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(*arguments: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens on `port`; ended by its id."""
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise SystemExit(f"{arguments} does not listen on {port}")
        yield child
    finally:
        child.terminate()
        child.wait(10)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(port: int, path: str, document: dict[str, object], sock: socket.socket) -> float:
    """Seconds to the first byte of content; reads to the end of the stream."""
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    began = time.perf_counter()
    sock.sendall(request)
    seen = b""
    first = 0.0
    while not seen.endswith(LAST_CHUNK):
        data = sock.recv(65536)
        if not data:
            raise SystemExit("the connection was closed")
        seen = seen[-64:] + data
        if not first and b"word " in seen:
            first = time.perf_counter() - began
    return first


def connected(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def measure(ports: dict[str, int], pids: dict[str, int]) -> None:
    said = [{"role": "user", "content": "hi"}]
    paths = dict.fromkeys(ports, "/v1/messages") | {"direct": "/v1/chat/completions"}
    socks = {name: connected(port) for name, port in ports.items()}

    def one(name: str, model: str) -> float:
        document: dict[str, object] = {"model": model, "max_tokens": 50, "stream": True, "messages": said}
        return ask(ports[name], paths[name], document, socks[name])

    times: dict[str, list[float]] = {name: [] for name in ports}
    for number in range(ROUNDS + 20):
        for name in ports:  # interleaved, so that the machine's mood is shared
            taken = one(name, "two")
            if number >= 20:
                times[name].append(taken)
    cpu = dict.fromkeys(pids, 0.0)
    for _ in range(BURSTS):
        for name, pid in pids.items():
            before = cpu_seconds(pid)
            one(name, "burst")
            cpu[name] += cpu_seconds(pid) - before
    report(times, cpu)


def report(times: dict[str, list[float]], cpu: dict[str, float]) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {ROUNDS} rounds, interleaved")
    direct = statistics.median(times["direct"])
    print(f"{'way':<10}{'first content byte, p50':>26}{'p99':>12}{'added p50':>14}{'CPU per chunk':>16}")
    for name, taken in times.items():
        middle = statistics.median(taken)
        high = statistics.quantiles(taken, n=100)[98]
        spent = f"{cpu[name] / (BURSTS * CHUNKS) * 1e6:.1f} us" if name in cpu else "-"
        added = f"{(middle - direct) * 1e3:.3f} ms" if name != "direct" else "-"
        print(f"{name:<10}{middle * 1e3:>23.3f} ms{high * 1e3:>9.3f} ms{added:>14}{spent:>16}")


def main() -> None:
    upstream, ccproxy, with_httpx = free_port(), free_port(), free_port()
    me = str(Path(__file__).resolve())
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "ccproxy.toml"
        config.write_text(
            f'[server]\nport = {ccproxy}\n[log]\nlevel = "warning"\n'
            f'[providers.up]\nprotocol = "openai"\nbase_url = "http://127.0.0.1:{upstream}/v1"\n'
            '[groups.default.models]\ntwo = "up/two"\nburst = "up/burst"\n'
        )
        serve = ("-m", "ccproxy", "serve", "--config", str(config))
        with (
            process(me, "upstream", str(upstream), port=upstream),
            process(*serve, port=ccproxy) as ours,
            process(me, "httpx", str(with_httpx), str(upstream), port=with_httpx) as theirs,
        ):
            measure(
                {"direct": upstream, "ccproxy": ccproxy, "httpx": with_httpx}, {"ccproxy": ours.pid, "httpx": theirs.pid}
            )


async def listen(role: str, port: int, upstream: int) -> None:
    loop = asyncio.get_running_loop()
    if role == "upstream":
        server = await loop.create_server(FakeUpstream, "127.0.0.1", port)
    else:
        import httpx

        client = httpx.AsyncClient(trust_env=False)
        server = await loop.create_server(lambda: HttpxProxy(f"http://127.0.0.1:{upstream}/v1", client), "127.0.0.1", port)
    await server.serve_forever()


def serve_role(role: str, port: int, upstream: int = 0) -> None:
    """The fake upstream or the httpx proxy, in a process of its own."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(listen(role, port, upstream))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        serve_role(sys.argv[1], *map(int, sys.argv[2:]))
    else:
        main()

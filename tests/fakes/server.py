"""A fake upstream for all protocols at once, and a real ccproxy process in front of it."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import ANSWERS, CONTENT_TYPES, ERRORS, STREAMS


@dataclass
class Scripted:
    """One answer: the body goes out in `pieces`, chunked; `cut` closes the connection behind them without an end. waits:
    seconds before the head. resets: the connection is reset instead."""

    status: int
    content_type: str
    pieces: Iterable[bytes]
    cut: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    waits: float = 0.0
    resets: bool = False


@dataclass
class Asked:
    """One request that the upstream got."""

    protocol: str
    path: str
    headers: dict[str, str]
    document: dict[str, Any]
    streams: bool


Script = Callable[[Asked, str], Scripted]
"""(request, the name of the scenario: the model asked for) -> answer."""

_GEMINI_PATH = re.compile(r"/models/(?P<model>[^:]+):(?P<action>\w+)")


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that hangs up is nothing to talk about
            super().handle_error(request, client_address)


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server in a thread; its port."""
    server = _QuietServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Upstream:
    """Serves every protocol below a path prefix of its name: `/claude/v1/messages`."""

    script: Script
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Scripted:
        protocol, _, rest = path.lstrip("/").partition("/")
        document = json.loads(body)
        gemini = _GEMINI_PATH.search(rest)
        model = gemini["model"] if gemini else document["model"]
        streams = gemini["action"] == "streamGenerateContent" if gemini else document.get("stream", protocol == "ollama")
        asked = Asked(protocol, rest, headers, document, bool(streams))
        self.asked.append(asked)
        return self.script(asked, model)

    @contextmanager
    def running(self) -> Iterator[Upstream]:
        with answering(self._handler()) as self.port:
            yield self

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.send_error(404)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                scripted = upstream.answer(self.path, headers, body)
                time.sleep(scripted.waits)
                if scripted.resets:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    return
                self.send_response(scripted.status)
                self.send_header("content-type", scripted.content_type)
                for name, value in scripted.headers.items():
                    self.send_header(name, value)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                try:
                    for piece in filter(None, scripted.pieces):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    if scripted.cut:
                        self.close_connection = True
                    else:
                        self.wfile.write(b"0\r\n\r\n")
                except OSError:  # ccproxy hung up, as it does when it has heard enough
                    self.close_connection = True

        return Handler


def scenario_script(asked: Asked, model: str) -> Scripted:
    """The Meaning that the model's name says, in the asked protocol; streams leave in pieces of 100 bytes."""
    meaning = SCENARIOS[model]
    protocol = asked.protocol
    if meaning.status != 200 or (meaning.breaks and not asked.streams):
        status = meaning.status if meaning.status != 200 else 500
        return Scripted(status, "application/json", [json.dumps(ERRORS[protocol](status)).encode()])
    if not asked.streams:
        return Scripted(200, "application/json", [json.dumps(ANSWERS[protocol](meaning)).encode()])
    stream = STREAMS[protocol](meaning)
    return Scripted(200, CONTENT_TYPES[protocol], [stream[i : i + 100] for i in range(0, len(stream), 100)])


class Held:
    """Answers in the scenario's words. While `hold` has been called and not `let_go`, a stream waits in its middle."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._free, self._reached = threading.Event(), threading.Event()
        self._free.set()

    def __call__(self, asked: Asked, model: str) -> Scripted:
        scripted = scenario_script(asked, model)
        if not self._free.is_set() and asked.streams:
            scripted.pieces = self._slowly(list(scripted.pieces))
        return scripted

    def hold(self) -> None:
        self._reached.clear()
        self._free.clear()

    def reached(self) -> bool:
        """Whether a stream has come to its middle, waited for."""
        return self._reached.wait(self._patience)

    def let_go(self) -> None:
        self._free.set()

    def _slowly(self, pieces: list[bytes]) -> Iterator[bytes]:
        half = len(pieces) // 2
        yield from pieces[:half]
        self._reached.set()
        self._free.wait(self._patience)
        yield from pieces[half:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


BASE_PATHS = {"openai": "/v1", "responses": "/v1", "claude": "", "gemini": "", "ollama": ""}


def config_for(upstream_port: int, port: int) -> str:
    """A group `to-PROTOCOL` for each upstream protocol, which passes the model's name through."""
    lines = [f"[server]\nport = {port}\n"]
    for protocol, base_path in BASE_PATHS.items():
        base_url = f"http://127.0.0.1:{upstream_port}/{protocol}{base_path}"
        lines.append(f'[providers.{protocol}]\nprotocol = "{protocol}"\nbase_url = "{base_url}"\napi_keys = ["sk-up"]\n')
        lines.append(f'[groups.to-{protocol}.models]\n"*" = "{protocol}/*"\n')
    return "\n".join(lines)


@contextmanager
def ccproxy_process(config: str, folder: Path, port: int) -> Iterator[str]:
    """A real `ccproxy serve` with this configuration; gives its address, ends it by its id."""
    path = folder / "ccproxy.toml"
    path.write_text(config)
    log = (folder / "ccproxy.log").open("w")
    command = [sys.executable, "-m", "ccproxy", "serve", "--config", str(path)]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, process, folder / "ccproxy.log")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"ccproxy did not start:\n{log.read_text()}")

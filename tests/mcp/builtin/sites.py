"""Small web sites on this machine, for the tools that fetch."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.server import answering


@dataclass
class Said:
    """One answer. pieces: its body, in place of `body`. length: as the head says it, the true one by default."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Callable[[], Iterator[bytes]] | None = None
    length: int | None = None


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: str


@dataclass
class Site:
    """pages: path (without a query) -> what is said, or what makes it of the request."""

    pages: dict[str, Said | Callable[[Seen], Said]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def slowly(self, pieces: int, pause: float = 0.05) -> Callable[[], Iterator[bytes]]:
        """A body that comes bit by bit, until the site is closed."""

        def bits() -> Iterator[bytes]:
            for _ in range(pieces):
                if self.stopped.wait(pause):
                    return
                yield b"<p>bit"

        return bits

    @contextmanager
    def running(self) -> Iterator[Site]:
        with answering(self._handler()) as self.port:
            try:
                yield self
            finally:
                self.stopped.set()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, self.rfile.read(length), self.client_address[0])
                site.seen.append(seen)
                page = site.pages.get(self.path.partition("?")[0], Said(b"<p>not here", 404, {"content-type": "text/html"}))
                self._say(page(seen) if callable(page) else page)

            def do_POST(self) -> None:
                self.do_GET()

            def setup(self) -> None:
                if site.tls:
                    self.request = site.tls.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
                super().setup()

            def handle(self) -> None:
                with suppress(ssl.SSLError):  # the client does not trust us
                    super().handle()

            def finish(self) -> None:
                super().finish()
                self.request.close()

            def _say(self, said: Said) -> None:
                self.close_connection = True
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                if said.pieces is None:
                    self.send_header("content-length", str(len(said.body) if said.length is None else said.length))
                self.end_headers()
                with suppress(OSError):  # the client has heard enough
                    for piece in said.pieces() if said.pieces else (said.body,):
                        self.wfile.write(piece)

        return Handler


def html(text: str, **headers: str) -> Said:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(text.encode(), headers={"content-type": "text/html; charset=utf-8"} | said)


def moved(target: str, status: int = 302) -> Said:
    return Said(status=status, headers={"location": target})

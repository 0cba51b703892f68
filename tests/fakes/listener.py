"""Stands between ccproxy and a server that is not ours, and keeps what that server said."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.server import answering

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


@dataclass
class Overheard:
    """One exchange. done: all of it has come."""

    path: str
    asked: bytes
    status: int = 0
    said: bytes = b""
    done: threading.Event = field(default_factory=threading.Event)


@dataclass
class Listener:
    """Passes everything on to `server` (its address) and back, as it comes."""

    server: str
    overheard: list[Overheard] = field(default_factory=list)
    port: int = 0

    @contextmanager
    def running(self) -> Iterator[Listener]:
        with answering(self._handler()) as self.port:
            yield self

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._pass_on(b"")

            def do_POST(self) -> None:
                self._pass_on(self.rfile.read(int(self.headers["content-length"])))

            def _pass_on(self, body: bytes) -> None:
                exchange = Overheard(self.path, body)
                listener.overheard.append(exchange)
                upstream = http.client.HTTPConnection(urlsplit(listener.server).netloc, timeout=120)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                upstream.request(self.command, self.path, body or None, headers)
                answer = upstream.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                exchange.status = answer.status
                while piece := answer.read1(65536):
                    exchange.said += piece
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                exchange.done.set()
                self.wfile.write(b"0\r\n\r\n")
                upstream.close()

        return Handler

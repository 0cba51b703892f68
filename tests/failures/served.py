"""A whole ccproxy without sockets: the app with its config, HTTP on both sides, wires that remember.

world = served("claude", "openai")        a provider of that protocol behind the model name `alias`
client = asks(world, "claude")            the client's wire; what it is sent stands in `said(client)`
peer, upstream = world.upstream()         the provider's side: `peer.received(...)`, `upstream.writes`
"""

from __future__ import annotations

import json
from typing import Any

from ccproxy.app import App
from ccproxy.config import loads
from tests.failures.wire import Doc
from tests.test_exchange import REQUESTS
from tests.transport.fakes import FakeWire, World

PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "claude": "/v1/messages",
    "gemini": "/v1beta/models/alias:{}",
    "ollama": "/api/chat",
}
_ACTIONS = {True: "streamGenerateContent?alt=sse", False: "generateContent"}


def served(upstream: str, *, headers: str = "{}") -> World:
    """headers: the provider's, in TOML."""
    provider = f'protocol = "{upstream}"\nbase_url = "http://up.example"\napi_keys = ["sk-up"]\nheaders = {headers}'
    return World(App(loads(f'[providers.p]\n{provider}\n[groups.default.models]\nalias = "p/up"\n', {})))


def posted(client: str, *headers: str, stream: bool = True, body: bytes | None = None) -> bytes:
    """A client's request."""
    document: Doc = REQUESTS[client] if client == "gemini" else {**REQUESTS[client], "stream": stream}
    data = json.dumps(document).encode() if body is None else body
    lines = [f"POST {PATHS[client].format(_ACTIONS[stream])} HTTP/1.1", "host: localhost", f"content-length: {len(data)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + data


def asks(world: World, client: str, *headers: str, stream: bool = True, body: bytes | None = None) -> FakeWire:
    """The wire of a client that has sent its request."""
    return world.client(posted(client, *headers, stream=stream, body=body))[1]


def head(*headers: str, status: str = "200 OK") -> bytes:
    """An answer's head; its body is chunked."""
    return "\r\n".join([f"HTTP/1.1 {status}", "transfer-encoding: chunked", *headers, "", ""]).encode()


def piece(data: bytes) -> bytes:
    """One chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"


def said(wire: FakeWire) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of what a client has been sent; chunks are put together."""
    top, _, rest = b"".join(wire.writes).partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if headers.get("transfer-encoding") == "chunked":
        rest = _unchunked(rest)
    return int(first.split(" ")[1]), headers, rest


def _unchunked(data: bytes) -> bytes:
    found = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        found, data = found + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return found


def request_of(wire: FakeWire) -> tuple[dict[str, str], Any]:
    """(headers, document) of what an upstream has been sent."""
    top, _, body = b"".join(wire.writes).partition(b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in top.decode().split("\r\n")[1:]), json.loads(body)

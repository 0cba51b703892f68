"""Ollama's record."""

from __future__ import annotations

from ccproxy.model import Context, Target
from ccproxy.protocols.ollama import PROTOCOL


def test_the_record() -> None:
    assert [(route.method, route.path, route.operation) for route in PROTOCOL.routes] == [
        ("POST", "/api/chat", "chat"),
        ("POST", "/api/generate", "chat"),
        ("POST", "/api/embed", "embeddings"),
        ("POST", "/api/embeddings", "embeddings"),
        ("POST", "/api/show", "show"),
        ("GET", "/api/tags", "models"),
        ("GET", "/api/ps", "fixed"),
        ("GET", "/api/version", "fixed"),
    ]
    assert all(route.path == f"/api/{route.shape}" for route in PROTOCOL.routes if route.shape)
    assert set(PROTOCOL.operations) == {"chat", "embeddings"}
    assert PROTOCOL.key_headers("k") == [("authorization", "Bearer k")]
    assert PROTOCOL.chat.path(Target(protocol="ollama", model="m"), True, "") == "/api/chat"
    assert PROTOCOL.chat.stream_type(Context(client="ollama", upstream="ollama")) == "application/x-ndjson"
    assert "/v1" in PROTOCOL.sdk_suffix, "users give the base URL of the other API that Ollama serves (F188)"


def test_the_reader_frames_lines() -> None:
    reader = PROTOCOL.chat.reader()
    assert reader.feed(b'{"a":1}\r\n\n{"b"') == [b'{"a":1}']
    assert reader.pending == 4
    assert reader.eof() == [b'{"b"']

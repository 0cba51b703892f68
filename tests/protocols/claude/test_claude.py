"""What the record says, and what the registry and the exchange rely on."""

from __future__ import annotations

from ccproxy.model import Context
from ccproxy.protocols.claude import PROTOCOL
from ccproxy.protocols.claude.terms import NAME


def test_the_record() -> None:
    assert PROTOCOL.key_headers("k") == [("x-api-key", "k")]
    assert PROTOCOL.chat.stream_type(Context(client=NAME, upstream=NAME)).startswith("text/event-stream")
    assert [(route.method, route.path, route.operation) for route in PROTOCOL.routes] == [
        ("POST", "/v1/messages", "chat"),
        ("POST", "/v1/messages/count_tokens", "count"),
        ("POST", "/v1/claude/embeddings", "embeddings"),
        ("GET", "/v1/models", "models"),
        ("GET", "/v1/models/{model}", "model"),
    ]
    assert set(PROTOCOL.operations) == {"chat", "count"}
    assert (PROTOCOL.name, PROTOCOL.headers, PROTOCOL.chat.renames) == (NAME, (("anthropic-version", "2023-06-01"),), True)
    assert PROTOCOL.marks == {"anthropic-version"}
    assert PROTOCOL.pass_headers == {"anthropic-version", "anthropic-beta"}

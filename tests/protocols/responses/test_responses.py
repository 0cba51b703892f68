"""The record of the protocol."""

from __future__ import annotations

from ccproxy.model import Context, Target
from ccproxy.protocols.responses import PROTOCOL


def test_the_record() -> None:
    assert [(route.method, route.path, route.operation) for route in PROTOCOL.routes] == [
        ("POST", "/v1/responses", "chat"),
        ("POST", "/v1/responses/input_tokens", "count"),
        ("GET", "/v1/responses/{id}", "kept"),
        ("DELETE", "/v1/responses/{id}", "kept"),
        ("GET", "/v1/responses/{id}/input_items", "kept"),
    ]
    assert PROTOCOL.base_url == "https://api.openai.com/v1"
    assert PROTOCOL.chat.path(Target(protocol="responses", model="m"), True, "") == "/responses"
    assert PROTOCOL.key_headers("k") == [("authorization", "Bearer k")]
    assert PROTOCOL.chat.stream_type(Context(client="responses", upstream="responses")).startswith("text/event-stream")
    assert PROTOCOL.chat.renames
    assert PROTOCOL.models.path == "/models"


def test_no_credential_passes() -> None:
    assert not {"authorization", "x-api-key", "cookie"} & PROTOCOL.pass_headers

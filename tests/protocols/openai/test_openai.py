"""OpenAI's record."""

from __future__ import annotations

from ccproxy.errors import UpstreamError
from ccproxy.model import Context, Target
from ccproxy.protocols.openai import PROTOCOL


def test_the_record() -> None:
    assert [(route.method, route.path, route.operation, route.stream) for route in PROTOCOL.routes] == [
        ("POST", "/v1/chat/completions", "chat", None),
        ("POST", "/v1/embeddings", "embeddings", None),
        ("GET", "/v1/models", "models", None),
        ("GET", "/v1/models/{model}", "model", None),
    ]
    assert PROTOCOL.key_headers("k") == [("authorization", "Bearer k")]
    assert PROTOCOL.base_url + PROTOCOL.chat.path(Target(protocol="openai", model="m"), True, "") == (
        "https://api.openai.com/v1/chat/completions"
    )
    assert PROTOCOL.models.path == "/models"
    assert PROTOCOL.chat.stream_type(Context(client="openai", upstream="openai")) == "text/event-stream"
    assert not PROTOCOL.chat.renames


def test_the_reader_frames_events() -> None:
    reader = PROTOCOL.chat.reader()
    assert reader.feed(b': hello\n\ndata: {"a":1}\r\n\r\ndata:[DONE]') == [b'{"a":1}']
    assert reader.eof() == [b"[DONE]"]


def test_overloaded_is_a_status_that_clients_ask_again_for() -> None:
    assert [PROTOCOL.status_for(UpstreamError("m", status=status)) for status in (429, 503, 529)] == [429, 503, 503]

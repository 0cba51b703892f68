"""The protocol's record."""

from __future__ import annotations

import pytest

from ccproxy.errors import NotFound
from ccproxy.model import Target
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.gemini import PROTOCOL
from ccproxy.protocols.gemini.answers import write_model
from tests.protocols.gemini.judge import context
from tests.tools import Recorder


def test_routes_under_every_prefix() -> None:
    posts = {(route.path, route.stream) for route in PROTOCOL.routes if route.method == "POST"}
    gets = {(route.path, route.operation) for route in PROTOCOL.routes if route.method == "GET"}
    for prefix in ("/v1beta/models", "/v1/models", "/v1alpha/models", "/models"):
        assert (f"{prefix}/{{model}}:generateContent", False) in posts
        assert (f"{prefix}/{{model}}:streamGenerateContent", True) in posts
        assert {(prefix, "models"), (f"{prefix}/{{model}}", "model")} <= gets


def test_a_models_methods_are_routes() -> None:
    chats = write_model(ModelInfo(id="m"))["supportedGenerationMethods"]
    embeds = write_model(ModelInfo(id="m", abilities=frozenset({"embedding"})))["supportedGenerationMethods"]
    assert ("countTokens" in chats, "embedContent" in chats, "embedContent" in embeds) == (True, False, True)
    assert {f"/models/{{model}}:{method}" for method in chats + embeds} <= {route.path for route in PROTOCOL.routes}


def test_the_key_goes_in_its_header() -> None:
    assert PROTOCOL.key_headers("secret") == [("x-goog-api-key", "secret")]


@pytest.mark.parametrize("stream", [True, False])
def test_the_base_url_is_the_sdks(stream: bool) -> None:
    assert PROTOCOL.chat.path(Target(protocol="gemini", model="m"), stream, "").startswith("/v1beta/models/m:")
    assert PROTOCOL.base_url == "https://generativelanguage.googleapis.com"
    assert "/v1beta" in PROTOCOL.sdk_suffix


def test_upstreams_stream_events_not_arrays() -> None:
    assert PROTOCOL.chat.native_shapes == {"sse"}
    assert PROTOCOL.chat.stream_type(context()) == "text/event-stream"


def test_the_parts_fit_together() -> None:
    encoder = PROTOCOL.chat.encoder(context())
    decoder = PROTOCOL.chat.decoder(context(), Recorder())
    tap = PROTOCOL.chat.tap(context())
    assert tap.keepalive() == encoder.keepalive()
    assert not decoder.done
    assert PROTOCOL.write_error(NotFound("gone"))["error"]["code"] == PROTOCOL.status_for(NotFound("gone"))

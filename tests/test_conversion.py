"""A request's way upstream: relayed when nothing has to change, written anew otherwise; and which pump its answer takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy.conversion import document_of, model_of, prepare, pump_for
from ccproxy.errors import RequestError, Unsupported
from ccproxy.model import Context, Target, seal, unsigned
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from ccproxy.pump import Carrier, Converter, Folder, Gatherer, Pump, Relay

NAMES = list(PROTOCOLS)
PAIRS = [pytest.param(client, upstream, id=f"{client}-{upstream}") for client in NAMES for upstream in NAMES]
SSE = {"alt": "sse"}
MESSAGES = [{"role": "user", "content": "hi"}]
REQUESTS: dict[str, dict[str, Any]] = {
    "openai": {"model": "alias", "messages": MESSAGES},
    "responses": {"model": "alias", "input": "hi"},
    "claude": {"model": "alias", "max_tokens": 100, "messages": MESSAGES},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "ollama": {"model": "alias", "messages": MESSAGES},
}
PATHS = {
    "openai": ("/chat/completions", "/chat/completions"),
    "responses": ("/responses", "/responses"),
    "claude": ("/v1/messages", "/v1/messages"),
    "gemini": ("/v1beta/models/up-1:generateContent", "/v1beta/models/up-1:streamGenerateContent?alt=sse"),
    "ollama": ("/api/chat", "/api/chat"),
}


def target(protocol: str, **more: Any) -> Target:
    return Target(protocol=protocol, model="up-1", **more)


class Asked:
    """One request, prepared. Gemini says in the path what the others say in the body."""

    def __init__(self, client: str, target: Target, *, stream: bool = True, raw: bytes = b"", **call: Any) -> None:
        in_path = client == "gemini"
        said = REQUESTS[client] if in_path else {**REQUESTS[client], "stream": stream}
        body = raw or json.dumps(said).encode()
        self.context = Context(client=client, upstream=target.protocol, model="alias", created=1)
        call = {"model": "alias", "stream": stream, "query": SSE, **call} if in_path else call
        sides = PROTOCOLS[client], PROTOCOLS[target.protocol]
        self.prepared = prepare(body, json.loads(body), *sides, target, self.context, Call(**call))

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.prepared.body)
        return document


# ---------------------------------------------------------------------------------------------------------------------
# Bodies and names


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{", b"nope", b"\xff", b"[]", b'"a"', b"7", b"null", b"[" * 2000, b'{"a":NaN}']
)
def test_a_body_that_is_no_object_is_the_clients_fault(body: bytes) -> None:
    with pytest.raises(RequestError) as error:
        document_of(body)
    assert error.value.status == 400
    assert error.value.code == "invalid_json"


def test_numbers_arrive_as_they_were_sent() -> None:
    assert document_of(b'{"seed": 123456789012345678901234567890}')["seed"] == 123456789012345678901234567890


MODELS = [
    ({"model": "a"}, Call(), "a"),
    ({}, Call(model="b"), "b"),
    ({"model": "a"}, Call(model="b"), "b"),
    ({}, Call(), None),
    ({"model": ""}, Call(), None),
    ({"model": None}, Call(), None),
    ({"model": 7}, Call(), None),
]


@pytest.mark.parametrize(("document", "call", "model"), MODELS)
def test_the_model_stands_in_the_path_or_in_the_body(document: dict[str, Any], call: Call, model: str | None) -> None:
    if model is not None:
        assert model_of(document, call) == model
        return
    with pytest.raises(RequestError) as error:
        model_of(document, call)
    assert (error.value.code, error.value.param) == ("missing_model", "model")


# ---------------------------------------------------------------------------------------------------------------------
# Prepared


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_the_upstream_is_asked_in_its_protocol_for_its_model(client: str, upstream: str, stream: bool) -> None:
    asked = Asked(client, target(upstream), stream=stream)
    assert asked.prepared.path == PATHS[upstream][stream]
    assert asked.prepared.stream == asked.context.stream == stream
    assert asked.prepared.relayed == (client == upstream)
    assert asked.prepared.headers == list(PROTOCOLS[upstream].headers)
    assert b"alias" not in asked.prepared.body
    if upstream != "gemini":
        assert asked.document["model"] == "up-1"
        assert asked.document.get("stream", upstream == "ollama") == stream


@pytest.mark.parametrize("protocol", NAMES)
def test_what_passes_untouched_changes_in_the_models_name_only(protocol: str) -> None:
    in_path = protocol == "gemini"
    body = {"later": {"model": "alias"}, **REQUESTS[protocol], **({} if in_path else {"stream": True}), "seed": 1e2}
    raw = json.dumps(body, indent=3).encode()
    prepared = Asked(protocol, target(protocol), raw=raw).prepared
    assert prepared.body == raw.replace(b'\n   "model": "alias"', b'\n   "model": "up-1"')
    assert (prepared.body == raw) == in_path


TOUCHED = [
    pytest.param("claude", {"stream": "never"}, True, False, id="an upstream that never streams"),
    pytest.param("claude", {"stream": "always"}, False, True, id="an upstream that only streams"),
    pytest.param("openai", {"defaults": {"temperature": 0.1}}, True, True, id="a provider's defaults"),
]


@pytest.mark.parametrize(("protocol", "more", "stream", "asked"), TOUCHED)
def test_where_something_has_to_change_the_request_is_written_anew(
    protocol: str, more: dict[str, Any], stream: bool, asked: bool
) -> None:
    prepared = Asked(protocol, target(protocol, **more), stream=stream)
    assert not prepared.prepared.relayed
    assert prepared.prepared.stream == asked
    assert prepared.document.get("stream", False) == asked
    assert prepared.context.stream == stream


def test_a_variant_that_upstreams_are_not_asked_for_is_converted() -> None:
    """Gemini's stream as one array: the upstream streams events, whichever way the client wants them."""
    asked = Asked("gemini", target("gemini"), query={})
    assert asked.context.shape == "array"
    assert not asked.prepared.relayed
    assert asked.prepared.path.endswith("alt=sse")


def test_defaults_fill_what_the_client_does_not_say() -> None:
    defaults = {"temperature": 0.1, "max_tokens": 55}
    document = Asked("claude", target("openai", defaults=defaults)).document
    assert document["temperature"] == 0.1
    assert 55 not in document.values()


@pytest.mark.parametrize("upstream", NAMES)
@pytest.mark.parametrize("client", NAMES)
def test_what_a_protocol_demands_is_asked_of_relayed_requests_too(client: str, upstream: str) -> None:
    with pytest.raises(RequestError) as error:
        Asked(client, target(upstream), raw=b'{"model":"alias"}')
    assert error.value.status == 400
    assert error.value.param is not None


def test_what_the_target_has_no_place_for_is_refused() -> None:
    raw = json.dumps({**REQUESTS["openai"], "n": 2}).encode()
    with pytest.raises(Unsupported) as error:
        Asked("openai", target("claude"), raw=raw)
    assert error.value.target == "claude"
    assert Asked("openai", target("openai"), raw=raw).document["n"] == 2


# ---------------------------------------------------------------------------------------------------------------------
# Pumps

PUMPS = [
    # (client wants a stream, relayed, upstream streams) -> pump
    (True, False, True, Converter),
    (True, True, True, Relay),
    (True, False, False, Folder),
    (True, True, False, Folder),
    (False, False, True, Gatherer),
    (False, True, True, Gatherer),
    (False, False, False, Folder),
    (False, True, False, Carrier),
]


@pytest.mark.parametrize(("stream", "relayed", "streams", "kind"), PUMPS)
def test_the_pump_follows_what_was_asked_and_what_came(
    stream: bool, relayed: bool, streams: bool, kind: type[Pump]
) -> None:
    claude = PROTOCOLS["claude"]
    context = Context(client="claude", upstream="claude", stream=stream)
    assert type(pump_for(claude, claude, context, relayed=relayed, streams=streams)) is kind


@pytest.mark.parametrize("sealed", [seal("c2ln", "openai", "claude"), unsigned("gemini")])
def test_another_makers_signature_never_goes_up_even_on_the_same_protocol(sealed: str) -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": sealed}
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "hello"}]},
        {"role": "user", "content": "go on"},
    ]
    asked = Asked("claude", target("claude"), raw=json.dumps({**REQUESTS["claude"], "messages": history}).encode())
    assert sealed not in json.dumps(asked.document)
    assert asked.document["messages"][-1]["content"] == "go on"

"""A request's way upstream: relayed when nothing has to change, written anew otherwise; and which pump its answer takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy import pump as pump_module
from ccproxy.conversion import Prepared, answered_here, document_of, model_of, prepare, pump_for
from ccproxy.errors import RequestError, Unsupported
from ccproxy.model import Context, Target, seal, unsigned
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call, Protocol
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


# ---------------------------------------------------------------------------------------------------------------------
# Other operations than chat


def sides(client: str, upstream: str, model: str = "alias") -> tuple[Protocol, Protocol, Context]:
    return PROTOCOLS[client], PROTOCOLS[upstream], Context(client=client, upstream=upstream, model=model)


def embedded(client: str, upstream: str, document: dict[str, Any], call: Call, **more: Any) -> tuple[Prepared, Context]:
    ours, theirs, context = sides(client, upstream)
    raw = json.dumps(document).encode()
    return prepare(raw, document, ours, theirs, target(upstream, **more), context, call, "embeddings"), context


VECTORS = {"model": "alias", "input": ["a", "b"], "encoding_format": "int8"}
BATCH = Call(model="alias", shape="batchEmbedContents")


@pytest.mark.parametrize("more", [{}, {"defaults": {"max_tokens": 9}}, {"stream": "always"}], ids=str)
def test_same_protocol_vectors_pass_as_they_are(more: dict[str, Any]) -> None:
    """Whatever the encoding, and whatever the provider's chats are like."""
    prepared, _ = embedded("openai", "openai", VECTORS, Call(), **more)
    assert prepared.relayed
    assert not prepared.stream
    assert json.loads(prepared.body) == {**VECTORS, "model": "up-1"}
    pump = pump_for(*sides("openai", "openai"), relayed=True, streams=False, operation="embeddings")
    body = b'{"data": [{"embedding": "AAAA"}], "usage": {"total_tokens": 3}}'
    assert pump.feed(body) + pump.eof() == body
    assert (pump.done, pump.usage) == (True, None)


def test_a_relayed_answers_usage_is_known() -> None:
    pump = pump_for(*sides("openai", "openai"), relayed=True, streams=False, operation="embeddings")
    pump.feed(b'{"data": [{"embedding": [0.5]}], "usage": {"total_tokens": 3}}')
    pump.eof()
    assert pump.usage is not None
    assert (pump.usage.input, pump.usage.estimated) == (3, False)


def test_usage_that_nobody_counted_is_estimated_and_says_so() -> None:
    prepared, context = embedded("openai", "gemini", {"model": "alias", "input": "some words"}, Call())
    assert prepared.path == "/v1beta/models/up-1:batchEmbedContents"
    pump = pump_for(PROTOCOLS["openai"], PROTOCOLS["gemini"], context, relayed=False, streams=False, operation="embeddings")
    pump.feed(b'{"embeddings": [{"values": [0.5]}]}')
    document = json.loads(pump.eof())
    assert (document["model"], document["data"][0]["embedding"]) == ("alias", [0.5])
    assert document["usage"]["prompt_tokens"] == context.input_estimate > 0
    assert pump.usage is not None
    assert pump.usage.estimated


def test_geminis_batches_name_the_targets_model() -> None:
    document = {"requests": [{"model": "models/alias", "content": {"parts": [{"text": "a"}]}}]}
    prepared, _ = embedded("gemini", "gemini", document, BATCH)
    assert not prepared.relayed
    assert json.loads(prepared.body)["requests"][0]["model"] == "models/up-1"


@pytest.mark.parametrize("upstream", ["claude", "responses"])
def test_an_upstream_without_the_operation_is_not_asked(upstream: str) -> None:
    with pytest.raises(Unsupported, match="embeddings"):
        embedded("openai", upstream, {"model": "alias", "input": "a"}, Call())


@pytest.mark.parametrize("body", [b"nope", b"[]", b'{"error": {"message": "no"}}'])
@pytest.mark.parametrize("operation", ["embeddings", "count"])
def test_what_is_no_answer_of_an_operation(operation: str, body: bytes) -> None:
    client = "gemini"
    pump = pump_for(*sides(client, client), relayed=True, streams=False, operation=operation)
    assert pump.feed(body) + pump.eof() == b""
    assert pump.failure is not None


def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "LONGEST_ANSWER", 10)
    pump = pump_for(*sides("claude", "claude"), relayed=True, streams=False, operation="count")
    assert pump.feed(b'{"input_tokens"') == b""
    assert (pump.done, pump.feed(b"x"), pump.eof()) == (True, b"", b"")
    assert pump.failure is not None


COUNT = {"model": "alias", "messages": MESSAGES}


def test_a_count_is_ours_only_for_upstreams_of_other_protocols() -> None:
    ours, theirs, context = sides("claude", "openai")
    answered = answered_here(COUNT, ours, theirs, context, Call(), "count")
    assert answered is not None
    assert json.loads(answered.body)["input_tokens"] > 3
    assert answered_here(COUNT, ours, ours, context, Call(), "count") is None
    with pytest.raises(RequestError):
        answered_here({"model": "alias"}, ours, theirs, context, Call(), "count")


def test_a_count_goes_up_without_another_makers_signature() -> None:
    """F106: the way that only counts is no other way."""
    ours, _, context = sides("claude", "claude")
    thought = {"type": "thinking", "thinking": "hm", "signature": seal("c2ln", "openai", "claude")}
    history = [*MESSAGES, {"role": "assistant", "content": [thought, {"type": "text", "text": "x"}]}, *MESSAGES]
    document = {"model": "alias", "messages": history}
    relayed = prepare(json.dumps(COUNT).encode(), COUNT, ours, ours, target("claude"), context, Call(), operation="count")
    written = prepare(
        json.dumps(document).encode(), document, ours, ours, target("claude"), context, Call(), operation="count"
    )
    assert (relayed.relayed, written.relayed) == (True, False)
    assert {relayed.path, written.path} == {"/v1/messages/count_tokens"}
    assert b"ccproxy." not in written.body
    assert set(json.loads(written.body)) == {"model", "messages"}


def test_a_request_that_only_loads_asks_nobody_elsewhere() -> None:
    ours, theirs, context = sides("ollama", "openai")
    call = Call(shape="generate")
    streamed = answered_here({"model": "alias"}, ours, theirs, context, call, "chat")
    whole = answered_here({"model": "alias", "stream": False}, ours, theirs, context, call, "chat")
    assert streamed is not None
    assert whole is not None
    assert (streamed.content_type, streamed.body[-1:]) == ("application/x-ndjson", b"\n")
    assert (whole.content_type, json.loads(whole.body)["done_reason"]) == ("application/json", "load")
    assert answered_here({"model": "alias"}, ours, ours, context, call, "chat") is None
    assert answered_here({"model": "alias", "prompt": "x"}, ours, theirs, context, call, "chat") is None
    assert answered_here({"model": "alias", "input": "x"}, ours, theirs, context, Call(shape="embed"), "embeddings") is None


def test_generate_is_relayed_on_its_own_path() -> None:
    ours, _, context = sides("ollama", "ollama")
    document = {"model": "alias", "prompt": "x", "raw": True}
    prepared = prepare(
        json.dumps(document).encode(), document, ours, ours, target("ollama"), context, Call(shape="generate")
    )
    assert (prepared.relayed, prepared.path) == (True, "/api/generate")
    assert json.loads(prepared.body) == {**document, "model": "up-1"}


def test_a_model_named_twice_goes_up_under_one_name() -> None:
    """Who takes the first of two names must not find there what the client wrote."""
    body = b'{"model":"theirs","messages":[{"role":"user","content":"hi"}],"mod\\u0065l":"alias"}'
    sent = Asked("openai", target("openai"), raw=body).prepared.body
    assert json.loads(sent)["model"] == "up-1"
    assert b"theirs" not in sent
    assert b"alias" not in sent


def test_a_count_of_what_goes_as_text() -> None:
    tool = {"name": "t", "description": "d" * 400, "input_schema": {"type": "object"}}
    document = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    counts = []
    for compat in (False, True):
        context = Context(client="claude", upstream="openai", compat=compat)
        sides = PROTOCOLS["claude"], PROTOCOLS["openai"]
        answered = answered_here(document, *sides, context, Call(), "count")
        assert answered is not None
        counts.append(json.loads(answered.body)["input_tokens"])
    assert 200 < counts[1] - counts[0] < 500

"""Field failures, section J: errors, disconnects, sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy import StreamConverter
from ccproxy.errors import Broken
from tests.failures.served import LAST, asks, head, piece, posted, request_of, said, served
from tests.failures.wire import (
    CLIENTS,
    Doc,
    chunk,
    context_for,
    converted,
    heard_finish,
    heard_text,
    named,
    openai_stream,
    records,
    sse,
)
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import ANSWERS, CONTENT_TYPES, STREAMS
from tests.test_exchange import Playbook, pieces

TEXT = SCENARIOS["text"]
RESPONSE = {"id": "resp_1", "object": "response", "model": "up", "status": "in_progress", "output": []}
CREATED = {"type": "response.created", "response": RESPONSE}
BUSY = {"code": "server_is_overloaded", "message": "try later"}
FAILED = {"type": "response.failed", "response": {**RESPONSE, "status": "failed", "error": BUSY}}
PLACE = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
DELTA = {"type": "response.output_text.delta", **PLACE, "delta": "Half"}
ENDS: dict[str, tuple[str, ...]] = {
    "openai": ("finish_reason", "[DONE]"),
    "responses": ("response.completed",),
    "claude": ("message_stop", "message_delta"),
    "gemini": ("finishReason",),
    "ollama": ("done_reason",),
}
"""What a good end says in each protocol."""


def ends_well(client: str, data: bytes) -> bool:
    """Whether a client would take the stream for an answer that is complete."""
    text = data.decode().replace('"finish_reason":null', "").replace('"finish_reason": null', "")
    return any(word in text for word in ENDS[client])


def error_of(client: str, document: Doc) -> Doc:
    """The error's own members, asserted to stand where the client's SDK looks."""
    if client == "ollama":
        assert isinstance(document["error"], str)
        return {"message": document["error"]}
    error: Doc = document["error"]
    assert isinstance(error["message"], str)
    return error


# -- errors before the answer


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("upstream", CLIENTS)
def test_f215_a_stream_that_fails_before_its_first_event_is_no_empty_answer(client: str, upstream: str) -> None:
    """Whether it says nothing and ends, or breaks off."""
    for broken in (False, True):
        play = Playbook(client, upstream)
        play.body()
        play.head()
        told = play.take(play.exchange.upstream_failed(Broken("reset"), 3.0)) if broken else play.eof()
        assert told == ["Reply", "Abort", "Finished"]
        assert play.reply.status == 502
        assert error_of(client, json.loads(play.reply.body))["message"]


@pytest.mark.parametrize("client", CLIENTS)
def test_f230_an_error_as_the_first_event_of_a_200_is_an_http_error(client: str) -> None:
    """Of a Responses upstream; its own word tells the status."""
    play = Playbook(client, "responses")
    play.body()
    play.head()
    assert play.bytes(named({"type": "error", **BUSY, "param": None})) == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 503
    assert "try later" in error_of(client, json.loads(play.reply.body))["message"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail": "no such thing"}', "no such thing"),
        (b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        (b"<html><head><title>t</title></head><body><h1>Bad Gateway</h1></body></html>", "Bad Gateway"),
        (b"plain words", "plain words"),
        (b'"a string"', "a string"),
        (b'{"error": "words"}', "words"),
        (b'[{"error": {"message": "in a list", "code": 400}}]', "in a list"),
        (b"\xff\xfe\x00", ""),
        (b"", ""),
    ],
)
def test_f218_an_error_in_any_shape_keeps_its_status_and_its_words(client: str, body: bytes, message: str) -> None:
    """No shape makes us fall over it."""
    for stream in (True, False):
        play = Playbook(client, "openai", stream=stream)
        play.body()
        play.head(422, [("content-type", "text/plain")])
        play.bytes(body)
        assert play.eof() == ["Reply", "Release", "Finished"]
        assert play.reply.status == 422
        assert message in error_of(client, json.loads(play.reply.body))["message"]


@pytest.mark.parametrize("client", CLIENTS)
def test_f224_a_refusal_of_a_stream_request_is_read_to_its_end(client: str) -> None:
    """However it is cut, and whatever its type says."""
    world = served("openai")
    wire = asks(world, client)
    peer, _ = world.upstream()
    body = json.dumps({"error": {"message": "a long explanation", "type": "invalid_request_error"}}).encode()
    answer = head("content-type: text/event-stream", status="404 Not Found")
    for byte in answer + b"".join(piece(body[at : at + 9]) for at in range(0, len(body), 9)):
        peer.received(bytes([byte]))
    assert wire.writes == []
    peer.received(LAST)
    status, headers, sent = said(wire)
    assert (status, headers["content-type"]) == (404, "application/json")
    assert error_of(client, json.loads(sent))["message"] == "a long explanation"


@pytest.mark.parametrize("code", [1113, "1113", None, 400.5])
@pytest.mark.parametrize("client", CLIENTS)
def test_f222_an_errors_code_may_be_a_number(client: str, code: Any) -> None:
    """As an answer and in a stream."""
    error = {"error": {"message": "no balance", "type": "x", "code": code}}
    play = Playbook(client, "openai", stream=False)
    play.body()
    play.head(429)
    play.bytes(json.dumps(error).encode())
    play.eof()
    assert play.reply.status == 429
    assert error_of(client, json.loads(play.reply.body))["message"] == "no balance"
    data = converted(client, "openai", sse(chunk(role="assistant", content="Hi"), error))
    assert b"no balance" in data
    assert not ends_well(client, data)


def test_f228_overloaded_is_an_error_that_clients_ask_again_for() -> None:
    """Claude's own 529 for its own clients, 503 for the others; with the time to wait."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for client in CLIENTS:
        play = Playbook(client, "claude")
        play.body()
        play.head(529, [("retry-after", "4")])
        play.bytes(json.dumps(error).encode())
        play.eof()
        assert play.reply.status == (529 if client == "claude" else 503)
        assert dict(play.reply.headers)["retry-after"] == "4"
        if client == "claude":
            assert json.loads(play.reply.body)["error"] == error["error"]


@pytest.mark.parametrize("client", CLIENTS)
def test_f223_an_error_of_our_own_is_said_once_in_the_clients_shape(client: str) -> None:
    """It is not taken for the upstream's, which is not asked at all."""
    world = served("openai" if client != "openai" else "claude")
    wire = asks(world, client, body=b'{"model": "alias", "messages": 7, "input": 7, "contents": 7}')
    assert world.attempts == []
    status, _, body = said(wire)
    assert status == 400
    error = error_of(client, json.loads(body))
    assert body.count(b'"message"') == (0 if client == "ollama" else 1)
    assert "{" not in error["message"]
    assert "upstream" not in error["message"]


def test_f232_any_success_is_a_plain_200() -> None:
    """Clients take other statuses of a stream for errors."""
    world = served("openai")
    wire = asks(world, "openai")
    peer, _ = world.upstream()
    peer.received(head("content-type: text/event-stream", status="246 Guarded") + piece(openai_stream(chunk(content="Hi"))))
    status, _, body = said(wire)
    assert status == 200
    assert heard_text("openai", records("openai", body)) == "Hi"


# -- errors in mid-stream


@pytest.mark.parametrize("upstream", CLIENTS)
def test_f216_a_responses_client_hears_of_a_failure_as_response_failed(upstream: str) -> None:
    """With the error in the response, as Codex reads it, and nothing behind it."""
    stream = StreamConverter(context_for("responses", upstream))
    first, rest = pieces(upstream)
    data = stream.feed(first) + stream.feed(rest[: len(rest) // 3]) + stream.close(broken="the connection was cut")
    last = records("responses", data)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["message"] == "the connection was cut"
    assert last["response"]["error"]["code"]
    assert not ends_well("responses", data)


@pytest.mark.parametrize("events", [[{"type": "error", **BUSY, "param": None}, FAILED], [FAILED]], ids=["both", "one"])
@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "responses"])
def test_f219_error_and_failed_are_one_error(client: str, events: list[Doc]) -> None:
    """In mid-stream; never a good end of an unknown kind."""
    data = converted(client, "responses", named(CREATED, DELTA, *events))
    assert not ends_well(client, data)
    assert data.count(b"try later") == 1


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "responses"])
def test_an_overloaded_upstream_is_told_as_such_behind_response_created(client: str) -> None:
    """Where the head has gone out already (F212 wants it so), the client's stream says it; else it is an HTTP error."""
    play = Playbook(client, "responses")
    play.body()
    play.head()
    play.bytes(named(CREATED))
    committed = play.exchange.state == "committed"
    if committed:
        play.pump(named(FAILED))
        play.ended()
    else:
        assert play.bytes(named(FAILED)) == ["Reply", "Abort", "Finished"]
        assert play.reply.status == 503
    assert b"try later" in play.sent
    assert not committed or not ends_well(client, play.sent)


def test_f220_an_openai_client_gets_errors_as_error_objects() -> None:
    """With the members that its types have, whatever the upstream's protocol."""
    for upstream in CLIENTS:
        stream = StreamConverter(context_for("openai", upstream))
        first, rest = pieces(upstream)
        data = stream.feed(first) + stream.feed(rest[: len(rest) // 3]) + stream.close(broken="the connection was cut")
        last = records("openai", data)[-1]
        assert set(last) == {"error"}
        assert set(last["error"]) == {"message", "type", "param", "code"}
        assert not ends_well("openai", data)


# -- clients that go, connections that are shared


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase", ["connecting", "asked", "answering"])
@pytest.mark.parametrize("client", CLIENTS)
def test_f226_f227_a_client_that_goes_takes_its_upstream_with_it_at_once(client: str, phase: str, stream: bool) -> None:
    """In every phase: the connection is closed, not kept, and nobody waits for a timer."""
    upstream = "openai" if client != "openai" else "claude"
    world = served(upstream)
    connection, _ = world.client(posted(client, stream=stream))
    assert len(world.attempts) == 1
    if phase == "connecting":
        connection.lost(None)
        assert world.attempts[0].stopped
        return
    peer, wire = world.upstream()
    if phase == "answering":
        first, _ = pieces(upstream)
        answer = first if stream else json.dumps(ANSWERS[upstream](TEXT)).encode()[:20]
        kind = CONTENT_TYPES[upstream] if stream else "application/json"
        peer.received(head(f"content-type: {kind}") + piece(answer))
    connection.lost(None)
    assert wire.calls[-1] == "abort"
    assert world.upstreams.idle == 0


def test_f234_a_connection_serves_nobody_else_while_its_stream_goes_on() -> None:
    """One client leaves in mid-stream, another asks: it gets a connection of its own and none of the first one's bytes."""
    world = served("openai")
    leaving, gone = world.client(posted("openai"))
    peer, wire = world.upstream()
    peer.received(head("content-type: text/event-stream") + piece(sse(chunk(role="assistant", content="first"))))
    leaving.lost(None)
    wire_of_other = asks(world, "openai")
    assert len(world.attempts) == 2
    other, other_upstream = world.upstream()
    peer.received(piece(sse(chunk(content="late"))))
    other.received(head("content-type: text/event-stream") + piece(openai_stream(chunk(content="second"))) + LAST)
    assert heard_text("openai", records("openai", said(wire_of_other)[2])) == "second"
    assert b"late" not in b"".join(gone.writes)
    assert request_of(other_upstream)[1]["stream"] is True
    assert set(wire.calls) == {"abort"}


@pytest.mark.parametrize("client", CLIENTS)
def test_f234_a_connection_whose_answer_has_ended_is_used_again(client: str) -> None:
    """And gives each client its own answer."""
    world = served("claude" if client != "claude" else "openai")
    upstream = "claude" if client != "claude" else "openai"
    for number in range(2):
        wire = asks(world, client)
        assert len(world.attempts) == 1
        if not number:
            peer, _ = world.upstream()
        peer.received(head(f"content-type: {CONTENT_TYPES[upstream]}") + piece(STREAMS[upstream](TEXT)) + LAST)
        events = records(client, said(wire)[2])
        assert heard_text(client, events) == TEXT.text
        assert heard_finish(client, events)

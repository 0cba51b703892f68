"""Whole answers, usage, errors and model lists."""

from __future__ import annotations

import json
import random
from typing import Any

import anthropic
import pytest
from anthropic.types import ModelInfo as TheirModel
from pydantic import TypeAdapter

from ccproxy.errors import CcproxyError, Malformed, NotFound, RequestError, Unauthorized, UpstreamError
from ccproxy.model import Answer, Audio, Citation, Context, Image, Opaque, Reasoning, Refusal, Text, ToolCall, Usage, seal
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.claude import PROTOCOL
from ccproxy.protocols.claude.answers import (
    error_type,
    merge_usage,
    read_answer,
    read_models,
    read_usage,
    write_answer,
    write_error,
    write_models,
)
from ccproxy.protocols.claude.encoder import Encoder
from ccproxy.protocols.claude.terms import NAME
from ccproxy.protocols.failures import read_error
from ccproxy.stream import Collector
from tests.protocols.claude.judge import ANSWER, ASK, client, judged, own, said
from tests.protocols.claude.test_stream import meant
from tests.tools import Recorder, recorded, recordings

ID = "0123456789abcdef01234567"


def context(**fields: Any) -> Context:
    return Context(**{"client": NAME, "upstream": NAME, "id": ID, **fields})


def message(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-stub", "content": list(content)}
    return {
        **head,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 4},
        **fields,
    }


def read(document: dict[str, Any], **fields: Any) -> list[tuple[Any, ...]]:
    recorder = Recorder()
    read_answer(document, context(**fields), recorder)
    return recorder.calls


def test_an_answer_becomes_a_streams_calls() -> None:
    document = message(
        {"type": "thinking", "thinking": "Hm.", "signature": "S"},
        {"type": "text", "text": "So."},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"n": 2**80}},
        stop_reason="tool_use",
    )
    assert read(document) == [
        ("start", "msg_1", "claude-stub", 0),
        ("thinking", "Hm."),
        ("signature", "S", NAME),
        ("text", "So."),
        ("opaque", NAME, document["content"][2]),
        ("tool_start", 0, "toolu_1", "f"),
        ("tool_arguments", 0, f'{{"n":{2**80}}}'),
        ("tool_end", 0),
        ("usage", Usage(3, 4)),
        ("finish", "tool_calls", None),
    ]


def test_an_empty_answer_and_an_error_with_a_good_status() -> None:
    assert read(message(usage=None)) == [("start", "msg_1", "claude-stub", 0), ("finish", "stop", None)]
    ((name, error),) = read({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}})
    assert (name, error.status, error.message) == ("error", 429, "slow down")


@pytest.mark.parametrize("document", [{}, {"content": None}, {"content": "x"}, {"content": [None]}, {"content": [{}]}])
def test_what_is_no_message(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(document)


PARTS = [
    Reasoning("Hm.", signature="S", origin=NAME),
    Reasoning("Foreign.", signature="S", origin="gemini"),
    Reasoning(redacted="R", origin=NAME),
    Text("So ", citations=[Citation("responses", {}, "https://x.example/", "X")]),
    Text(""),
    Refusal("no."),
    ToolCall("call.1", "f", '{"b":1,"a":2}'),
    ToolCall("c2", "g", ""),
    ToolCall("c3", "h", '{"cut'),
    ToolCall("c4", "i", "free", kind="custom"),
    Opaque(NAME, {"type": "compaction", "content": "c"}),
    Opaque("responses", {"type": "web_search_call"}),
    Image(data="x"),
    Audio(data="x"),
]


def test_every_part_in_a_clients_answer() -> None:
    answer = Answer(id="chatcmpl-1", parts=PARTS, finish="tool_calls", usage=Usage(9, 5, 2, 1))
    document = write_answer(answer, context(upstream="openai", model="alias"))
    ANSWER.validate_python(document, strict=True)
    assert said(ANSWER.validate_python(document)) == [
        ("thinking", "Hm.", "S"),
        ("thinking", "Foreign.", seal("S", "gemini", NAME)),
        ("redacted", "R"),
        ("text", "So no."),
        ("tool", document["content"][5]["id"], "f", {"b": 1, "a": 2}),
        ("tool", "c2", "g", {}),
        ("tool", "c3", "h", {"raw": '{"cut'}),
        ("tool", "c4", "i", {"input": "free"}),
        ("opaque", "compaction"),
        ("text", "".join(block["text"] for block in document["content"][-2:])),
    ]
    assert document["content"][5]["id"].startswith("call_1_")
    assert (document["id"], document["model"], document["stop_reason"]) == (f"msg_{ID}", "alias", "tool_use")
    assert document["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 1,
        "cache_read_input_tokens": 2,
        "output_tokens": 5,
    }


def test_an_answer_of_thoughts_only_gets_a_text_block_and_an_empty_one_none() -> None:
    thought = write_answer(Answer(parts=[Reasoning("Hm.", origin=NAME)]), context())
    assert [block["type"] for block in thought["content"]] == ["thinking", "text"]
    assert write_answer(Answer(), context())["content"] == []


@pytest.mark.parametrize("case", own(recordings("claude", part="response"), NAME))
def test_recorded_answers_say_the_same_streamed_and_whole(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "response"))
    collector, encoder = Collector(), Encoder(context(model=document["model"]))
    read_answer(document, context(), collector)
    read_answer(document, context(), encoder)
    whole = write_answer(collector.answer, context(model=document["model"]))
    assert said(ANSWER.validate_python(whole)) == meant(collector) == said(judged(encoder.take()))
    kept = {"id", "type", "role", "model", "stop_sequence"}
    assert {name: whole[name] for name in kept} == {name: document[name] for name in kept}
    assert {**document["usage"], **whole["usage"]} == whole["usage"]
    if document["stop_reason"] != "tool_use" or collector.answer.finish == "tool_calls":
        assert whole["stop_reason"] == document["stop_reason"]


# ---------------------------------------------------------------------------------------------------------------------
# Usage


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        ([{"input_tokens": 3, "output_tokens": 1}, {"output_tokens": 9}], Usage(3, 9)),
        ([{"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 7, "output_tokens": 2}], Usage(7, 2)),
        ([{"input_tokens": 7}, {"input_tokens": 0, "output_tokens": 2}], Usage(7, 2)),
        ([{"input_tokens": 1, "cache_read_input_tokens": 8}, {"cache_read_input_tokens": 8}], Usage(9, 0, 8)),
        ([{"input_tokens": 1, "cache_creation_input_tokens": 4, "output_tokens": 1}], Usage(5, 1, 0, 4)),
        ([{"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}}], Usage(0, 9, reasoning=5)),
        ([{"input_tokens": None, "output_tokens": "9", "output_tokens_details": []}, None, []], Usage()),
        ([{"input_tokens": -3}], Usage()),
    ],
)
def test_counts_are_totals_and_the_last_one_counts(events: list[Any], usage: Usage) -> None:
    known: dict[str, Any] = {}
    assert merge_usage(known, events[0]) is True
    for event in events[1:]:
        merge_usage(known, event)
    assert read_usage(known) == usage


# ---------------------------------------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize(
    ("error", "status", "kind", "raised"),
    [
        (RequestError("bad"), 400, "invalid_request_error", anthropic.BadRequestError),
        (Unauthorized("key"), 401, "authentication_error", anthropic.AuthenticationError),
        (NotFound("model"), 404, "not_found_error", anthropic.NotFoundError),
        (UpstreamError("slow", status=429), 429, "rate_limit_error", anthropic.RateLimitError),
        (UpstreamError("busy", status=529), 529, "overloaded_error", anthropic.InternalServerError),
        (UpstreamError("busy", status=503), 503, "overloaded_error", anthropic.InternalServerError),
        (UpstreamError("odd", status=418), 418, "invalid_request_error", anthropic.APIStatusError),
        (UpstreamError("down"), 502, "api_error", anthropic.InternalServerError),
    ],
)
def test_errors_are_what_the_sdk_knows(error: CcproxyError, status: int, kind: str, raised: type[Exception]) -> None:
    document = write_error(error)
    assert document == {"type": "error", "error": {"type": kind, "message": error.message}}
    assert PROTOCOL.status_for(error) == status
    with client(json.dumps(document).encode(), status, "application/json") as sdk, pytest.raises(raised):
        sdk.messages.create(**ASK)


def test_an_error_of_the_protocols_own_is_replayed() -> None:
    raw = {"type": "error", "error": {"type": "billing_error", "message": "pay", "details": None}, "request_id": "req_1"}
    error = read_error(NAME, 402, [("request-id", "req_1")], json.dumps(raw).encode())
    assert write_error(error) == raw
    error.origin = "openai"
    assert write_error(error) == {
        "type": "error",
        "error": {"type": "billing_error", "message": "pay"},
        "request_id": "req_1",
    }
    odd = UpstreamError("x", status=500, origin=NAME, raw={"error": "x"})
    assert write_error(odd)["error"] == {"type": "api_error", "message": "x"}


@pytest.mark.parametrize("case", own(recordings("errors", part="response"), NAME))
def test_recorded_errors_are_replayed(case: dict[str, Any]) -> None:
    body = recorded(case, "response")
    error = read_error(NAME, case["status"], [], body)
    assert write_error(error) == json.loads(body)
    assert error.code == error_type(case["status"])


# ---------------------------------------------------------------------------------------------------------------------
# Model lists


def test_models_both_ways() -> None:
    rows = [
        ModelInfo(id="a", created=1_763_942_400, title="Model A", context=200_000, output=64_000),
        ModelInfo(id="b/c"),
    ]
    document = write_models(rows)
    TypeAdapter(list[TheirModel]).validate_python(document["data"])
    assert document["data"][0]["created_at"] == "2025-11-24T00:00:00Z"
    assert (document["first_id"], document["last_id"], document["has_more"]) == ("a", "b/c", False)
    assert read_models(document) == [rows[0], ModelInfo(id="b/c", title="b/c")]
    assert write_models([])["first_id"] is None


def test_what_models_can() -> None:
    row = {"id": "a", "capabilities": {"image_input": {"supported": True}, "thinking": {"supported": False}, "x": 1}}
    assert read_models({"data": [row, None, {"id": 1}]}) == [ModelInfo(id="a", abilities=frozenset({"tools", "vision"}))]


@pytest.mark.parametrize("date", [None, 5, "yesterday", "0001-01-01T00:00:00Z"])
def test_odd_dates(date: Any) -> None:
    assert read_models({"data": [{"id": "a", "created_at": date}]}) == [ModelInfo(id="a")]


@pytest.mark.parametrize("document", [{}, {"data": None}, {"data": {}}])
def test_what_is_no_list(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="model list"):
        read_models(document)


@pytest.mark.parametrize("case", own(recordings("claude", part="response"), NAME, "models"))
def test_recorded_model_lists(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "response"))
    written = write_models(read_models(document))
    assert [{k: row[k] for k in theirs} for row, theirs in zip(written["data"], document["data"], strict=True)] == document[
        "data"
    ]


def test_spoiled_answers_raise_nothing_but_malformed() -> None:
    values: list[Any] = [None, 0, "", "x", [], {}, {"type": []}, True]
    base = message(
        {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
    )
    for seed in range(500):
        chance = random.Random(seed)
        document = json.loads(json.dumps(base))
        spot = chance.choice([document, document["usage"], *document["content"]])
        spot[chance.choice(list(spot))] = chance.choice(values)
        try:
            calls = read(document)
        except Malformed:
            continue
        assert calls[-1][0] in ("finish", "error")


def test_a_call_that_was_cut_at_the_limit_is_not_handed_to_a_client() -> None:
    cut = Answer(parts=[Text("I call"), ToolCall("toolu_1", "f", '{"a":')], finish="length")
    document = write_answer(cut, Context(client=NAME, upstream="openai", model="m"))
    assert [block["type"] for block in document["content"]] == ["text"]
    assert document["stop_reason"] == "max_tokens"

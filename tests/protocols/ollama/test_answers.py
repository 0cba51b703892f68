"""Whole answers, errors and model lists of Ollama."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import ollama
import pytest
from ollama import ChatResponse, ListResponse

from ccproxy.errors import Malformed, NotFound, UpstreamError
from ccproxy.model import (
    Answer,
    Context,
    Extras,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
    arguments_object,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.failures import read_error
from ccproxy.protocols.ollama import PROTOCOL
from ccproxy.protocols.ollama.answers import read_answer, read_models, timestamp, write_answer, write_error, write_models
from ccproxy.protocols.ollama.requests_in import NAME
from ccproxy.protocols.ollama.stream import Encoder
from ccproxy.stream import Collector
from tests.tools import Recorder, recorded, recordings

ID = "0123456789abcdef01234567"


def context(**fields: Any) -> Context:
    return Context(client=NAME, upstream=NAME, id=ID, created=1_770_000_000, **fields)


def told(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    recorder = Recorder()
    read_answer(document, context(), recorder)
    return recorder.calls


def collected(document: dict[str, Any]) -> Answer:
    collector = Collector()
    read_answer(document, context(), collector)
    assert collector.done
    return collector.answer


WHOLE = {
    "model": "stub:1b",
    "created_at": "2026-02-03T04:05:06.7Z",
    "message": {
        "role": "assistant",
        "content": "Done.",
        "thinking": "Easy.",
        "images": None,
        "tool_calls": [{"function": {"name": "save", "arguments": {"n": 2**70}}}],
    },
    "done": True,
    "done_reason": "stop",
    "total_duration": 5,
    "prompt_eval_count": 11,
    "eval_count": 12,
}


def test_a_whole_answer() -> None:
    assert told(WHOLE) == [
        ("start", "", "stub:1b", 1_770_091_506),
        ("thinking", "Easy."),
        ("text", "Done."),
        ("tool_start", 0, f"call_{ID}", "save"),
        ("tool_arguments", 0, '{"n":1180591620717411303424}'),
        ("tool_end", 0),
        ("usage", Usage(11, 12, extras=Extras(NAME, {"total_duration": 5}))),
        ("finish", "tool_calls"),
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("load", "stop"),
        ("custom", "stop"),
        (None, "stop"),
        (7, "stop"),
        ([], "stop"),
    ],
)
def test_reasons(reason: Any, finish: str) -> None:
    assert told({"message": {"content": "x"}, "done": True, "done_reason": reason})[-1] == ("finish", finish)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, None),
        ({"prompt_eval_count": 3}, Usage(3, 0, extras=Extras(NAME))),
        ({"eval_count": 3}, Usage(0, 3, extras=Extras(NAME))),
        ({"prompt_eval_count": "3", "eval_count": -1}, Usage(0, 0, extras=Extras(NAME))),
    ],
)
def test_usage(counts: dict[str, Any], usage: Usage | None) -> None:
    assert collected({"message": {"content": "x"}, "done": True, **counts}).usage == usage


def test_done_may_be_missing() -> None:
    assert told({"message": {"content": "x"}})[-1] == ("finish", "stop")


def test_an_error_in_an_answer() -> None:
    ((name, error),) = told({"error": "no"})
    assert (name, error.status, error.message) == ("error", 500, "no")


@pytest.mark.parametrize(
    "document", [{}, {"message": 7}, {"message": {"content": 7}}, {"done": False, "message": None, "response": 1}]
)
def test_what_is_no_answer(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        told(document)


def test_writing_an_answer() -> None:
    answer = Answer(
        model="up",
        parts=[
            Reasoning("Hm. ", signature="s", origin="elsewhere"),
            Text("One"),
            ToolCall("id0", "f", '{"b":1,"a":2}'),
            Text(", two"),
            ToolCall("id1", "g", "free", kind="custom"),
            Refusal(" No."),
            Reasoning("Yes."),
            Reasoning(redacted="x", origin="elsewhere"),
            Image(data="AA"),
        ],
        finish="tool_calls",
        usage=Usage(3, 4, cache_read=1, reasoning=2),
    )
    document = write_answer(answer, context(model="alias"))
    assert document == {
        "model": "alias",
        "created_at": "2026-02-02T02:40:00.000000000Z",
        "message": {
            "role": "assistant",
            "content": "One, two No.[image left out: the ollama protocol has no place for it here]",
            "thinking": "Hm. Yes.",
            "tool_calls": [
                {"id": "id0", "function": {"index": 0, "name": "f", "arguments": {"b": 1, "a": 2}}},
                {"id": "id1", "function": {"index": 1, "name": "g", "arguments": {"input": "free"}}},
            ],
        },
        "done": True,
        "done_reason": "stop",
        "total_duration": 0,
        "load_duration": 0,
        "prompt_eval_count": 3,
        "prompt_eval_duration": 0,
        "eval_count": 4,
        "eval_duration": 0,
    }
    assert list(document["message"]["tool_calls"][0]["function"]["arguments"]) == ["b", "a"]
    ChatResponse.model_validate(document)


RECORDED = recordings("ollama", part="response")
LISTS = [case for case in RECORDED if not case.values[0] or "models-list" in case.values[0]["name"]]
ANSWERS = [case for case in RECORDED if not case.values[0] or "models-list" not in case.values[0]["name"]]


def test_a_call_that_was_cut_off_is_not_handed_out() -> None:
    """A client would run it (F063)."""
    cut = Answer(parts=[Text("a"), ToolCall("x", "f", '{"a":')], finish="length")
    assert write_answer(cut, context())["message"] == {"role": "assistant", "content": "a"}


@pytest.mark.parametrize("case", ANSWERS)
def test_recorded_answers_both_ways(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "response"))
    answer = collected(document)
    written = ChatResponse.model_validate(write_answer(answer, context()))
    original = ChatResponse.model_validate({**document, "message": {**document["message"], "images": None}})
    assert (written.model, written.message.content) == (original.model, original.message.content)
    assert (written.message.thinking, written.message.tool_calls) == (
        original.message.thinking,
        original.message.tool_calls,
    )
    assert (written.prompt_eval_count, written.eval_count) == (original.prompt_eval_count, original.eval_count)
    assert (written.total_duration, written.eval_duration) == (original.total_duration, original.eval_duration)


@pytest.mark.parametrize("case", ANSWERS)
def test_the_stream_of_a_recorded_answer_says_the_same(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "response"))
    encoder = Encoder(context())
    read_answer(document, context(), encoder)
    lines = [json.loads(line) for line in encoder.take().splitlines()]
    answer = collected(document)
    calls = [call["function"] for line in lines for call in line["message"].get("tool_calls", [])]
    assert "".join(line["message"]["content"] for line in lines) == (document["message"]["content"] or "")
    assert [(call["name"], call["arguments"]) for call in calls] == [
        (part.name, arguments_object(part)) for part in answer.parts if isinstance(part, ToolCall)
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Errors


def test_errors() -> None:
    assert write_error(NotFound("model 'x' not found")) == {"error": "model 'x' not found"}
    raw = {"error": "busy", "StatusCode": 503}
    assert write_error(UpstreamError("busy", status=503, origin=NAME, raw=raw)) == raw
    assert write_error(UpstreamError("busy", origin="elsewhere", raw={"error": {"type": "x"}})) == {"error": "busy"}
    assert write_error(UpstreamError("busy", origin=NAME, raw={"detail": "busy"})) == {"error": "busy"}


def test_the_sdk_understands_errors() -> None:
    body = json.dumps(write_error(NotFound("no such model")))
    transport = httpx.MockTransport(lambda request: httpx.Response(404, content=body))
    with pytest.raises(ollama.ResponseError) as caught:
        ollama.Client(host="http://upstream.test", transport=transport).chat("m", [])
    assert (caught.value.error, caught.value.status_code) == ("no such model", 404)


@pytest.mark.parametrize("case", recordings("errors", part="response"))
def test_recorded_errors_come_back_as_they_were(case: dict[str, Any]) -> None:
    body = recorded(case, "response")
    error = read_error(NAME, case["status"], [], body)
    assert error.status == case["status"]
    if case["protocol"] == NAME:
        assert write_error(error) == json.loads(body)


# ---------------------------------------------------------------------------------------------------------------------
# Model lists


def test_model_lists() -> None:
    models = [
        ModelInfo(id="qwen3:14b", created=1_770_000_000, owner="qwen", abilities=frozenset({"tools"})),
        ModelInfo(id="claude-x"),
    ]
    document = write_models(models)
    listed = ListResponse.model_validate(document)
    assert [model.model for model in listed.models] == ["qwen3:14b", "claude-x"]
    assert len({row["digest"] for row in document["models"]}) == 2
    read = read_models(document)
    assert [(one.id, one.created, one.owner) for one in read] == [("qwen3:14b", 1_770_000_000, "qwen"), ("claude-x", 0, "")]
    assert PROTOCOL.models.write_one(models[0])["name"] == "qwen3:14b"


@pytest.mark.parametrize("case", LISTS)
def test_a_recorded_model_list(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "response"))
    assert [model.id for model in read_models(document)] == [row["model"] for row in document["models"]]


def test_a_model_row_of_an_upstream() -> None:
    rows = [{"name": "a:1b", "modified_at": "2025-05-10T08:06:48.639712648-07:00", "capabilities": ["tools", 7]}]
    assert read_models({"models": rows}) == [ModelInfo(id="a:1b", created=1_746_889_608, abilities=frozenset({"tools"}))]


@pytest.mark.parametrize("document", [{}, {"models": None}, {"models": [7]}, {"models": [{}]}, {"models": [{"name": 7}]}])
def test_what_is_no_model_list(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_models(document)


def test_timestamps() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000000000Z"
    assert timestamp(10**30) == timestamp(0)


# ---------------------------------------------------------------------------------------------------------------------
# Garbage

JUNK = [None, True, 0, -1, 2.5, "", "x", [], [None], {}, {"a": 1}]


def junked(value: Any, chance: random.Random) -> Any:
    """The document with some values replaced."""
    if chance.random() < 0.15:
        return chance.choice(JUNK)
    if isinstance(value, dict):
        return {key: junked(one, chance) for key, one in value.items()}
    return [junked(one, chance) for one in value] if isinstance(value, list) else value


def test_garbage_is_malformed_or_read() -> None:
    chance = random.Random(7)
    for _ in range(500):
        document = {key: junked(value, chance) for key, value in WHOLE.items()}
        recorder = Recorder()
        try:
            read_answer(document, context(), recorder)
        except Malformed:
            continue
        assert recorder.calls[-1][0] in ("finish", "error")

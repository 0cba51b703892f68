from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ccproxy.errors import Malformed
from ccproxy.model import (
    Answer,
    Citation,
    Document,
    Image,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    Usage,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.responses.answers import (
    read_answer,
    read_models,
    write_answer,
    write_model,
    write_models,
)
from ccproxy.protocols.responses.encoder import Encoder
from ccproxy.stream import Collector
from tests.protocols.responses.judge import context, events, whole
from tests.protocols.responses.test_stream import CASES, mutated
from tests.tools import Recorder, recorded, recordings

OUTPUT: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAA"},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [
            {
                "type": "output_text",
                "text": "Hi",
                "annotations": [
                    {"type": "url_citation", "url": "https://example.com", "title": "T", "start_index": 0, "end_index": 2}
                ],
            }
        ],
    },
    {"type": "message", "id": "msg_2", "role": "assistant", "content": [{"type": "output_text", "text": " there"}]},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"b":1,"a":2}'},
    {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "patch", "input": "***"},
    {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "status": "completed", "container_id": "x", "outputs": []},
]
DOCUMENT: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_700_000_000,
    "model": "m",
    "status": "completed",
    "output": OUTPUT,
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


def read(document: Any) -> Collector:
    collector = Collector()
    read_answer(document, context(), collector)
    return collector


def test_a_whole_answer() -> None:
    answer = read(DOCUMENT).answer
    assert (answer.id, answer.model, answer.created, answer.finish) == ("resp_1", "m", 1_700_000_000, "tool_calls")
    thought, said, call, custom, opaque = answer.parts
    assert thought == Reasoning("Hm.", signature="rs_1:gAAA", origin="responses")
    assert isinstance(said, Text)
    assert (said.text, said.citations[0].url) == ("Hi there", "https://example.com")
    assert call == ToolCall("c1", "f", '{"b":1,"a":2}')
    assert custom == ToolCall("c2", "patch", "***", kind="custom")
    assert opaque == Opaque("responses", OUTPUT[-1])
    assert answer.usage == Usage(3, 4)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**DOCUMENT, "status": "failed", "error": {"code": "server_error", "message": "broke"}}, "broke"),
        ({**DOCUMENT, "status": "cancelled"}, "the upstream's response is cancelled"),
        ({**DOCUMENT, "status": "queued", "output": []}, "the upstream's response is queued"),
        ({"error": {"message": "no credit", "code": "insufficient_quota"}}, "no credit"),
    ],
)
def test_answers_that_are_errors(document: dict[str, Any], message: str) -> None:
    failure = read(document).failure
    assert failure is not None
    assert failure.message == message


@pytest.mark.parametrize(
    "document", [[], None, "x", {}, {"choices": []}, {**DOCUMENT, "output": "x"}, {**DOCUMENT, "output": [3]}]
)
def test_what_is_no_answer(document: Any) -> None:
    with pytest.raises(Malformed):
        read(document)


def test_an_answer_without_output() -> None:
    """F158."""
    assert read({**DOCUMENT, "output": None}).answer.parts == []


ANSWER = Answer(
    id="up-1",
    model="up",
    parts=[
        Reasoning("Let me see.", signature="sig", origin="claude"),
        Reasoning(redacted="data", origin="claude"),
        Reasoning(signature="g", origin="gemini"),
        Text("Hello", citations=[Citation("claude", {}, url="https://example.com")]),
        Text(""),
        Refusal("but no"),
        ToolCall("c1", "f", {"b": 1, "a": 12345678901234567890}),
        ToolCall("c2", "patch", '{"input":"***"}'),
        Image(mime="image/png", data="iVBO"),
        Document(mime="application/pdf", data="JVBE", name="a.pdf"),
        Opaque("claude", {"type": "server_tool_use"}),
    ],
    finish="tool_calls",
    usage=Usage(5, 6),
)


def test_an_answer_for_a_client() -> None:
    exchange = context(tools={"patch": Tool("patch", kind="custom")})
    document = write_answer(ANSWER, exchange)
    read = whole(document)
    assert (read.id, read.model, read.status) == ("resp_" + "ab" * 12, "asked", "completed")
    assert [item.type for item in read.output] == [
        "reasoning",
        "reasoning",
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
        "image_generation_call",
        "message",
    ]
    assert read.output[4].arguments == '{"b":1,"a":12345678901234567890}'
    assert read.output[5].input == "***"
    assert "a.pdf left out" in read.output_text
    assert read.usage is not None
    assert read.usage.total_tokens == 11


def test_an_answer_says_what_the_stream_says() -> None:
    encoder = Encoder(context())
    encoder.start("", "", 0)
    encoder.text("Hello")
    encoder.finish("length")
    streamed = events(encoder.take())[-1]["response"]
    document = write_answer(Answer(parts=[Text("Hello")], finish="length"), context())
    assert document == streamed
    assert whole(document).incomplete_details is not None


@pytest.mark.parametrize("case", recordings("openai-responses", part="response"))
def test_recorded_answers(case: dict[str, Any]) -> None:
    """What our own answer says of a recorded one is read as the same again."""
    document = json.loads(recorded(case, "response"))
    if document.get("object") != "response":
        pytest.skip("no answer of a model")
    first = read(document)
    assert first.failure is None
    assert first.answer.parts or first.answer.finish == "length"
    exchange = context(upstream="responses", model=first.answer.model, created=first.answer.created)
    again = Collector()
    read_answer(write_answer(first.answer, exchange), exchange, again)
    assert again.answer == first.answer


@pytest.mark.parametrize("seed", range(60))
def test_garbage_raises_nothing_but_its_own_errors(seed: int) -> None:
    chance = random.Random(seed)
    ends = [payloads[-1]["response"] for payloads, _ in CASES.values() if payloads and "response" in payloads[-1]]
    for document in [DOCUMENT, *ends]:
        recorder = Recorder()
        try:
            read_answer(mutated(document, chance), context(), recorder)
        except Malformed:
            continue
        assert [call[0] for call in recorder.calls if call[0] in ("finish", "error")] == [recorder.calls[-1][0]]


def test_model_lists() -> None:
    document = {
        "object": "list",
        "data": [{"id": "a", "created": 5, "owned_by": "x"}, {"id": "b", "created": None}, {"no": "id"}, 3],
    }
    models = read_models(document)
    assert models == [ModelInfo(id="a", created=5, owner="x"), ModelInfo(id="b")]
    assert read_models(write_models(models))[0] == models[0]
    assert write_model(models[1]) == {"id": "b", "object": "model", "created": 0, "owned_by": "ccproxy"}


@pytest.mark.parametrize("document", [None, {}, {"data": {}}, "x"])
def test_what_is_no_model_list(document: Any) -> None:
    with pytest.raises(Malformed):
        read_models(document)

"""Whole answers and model lists, judged by OpenAI's own SDK."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from openai.types import Model

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed
from ccproxy.model import (
    Answer,
    Audio,
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
    seal,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.openai.answers import read_answer, read_models, write_answer, write_model, write_models
from ccproxy.protocols.openai.terms import NAME
from ccproxy.stream import Collector
from tests.protocols.openai.judge import ID, context, sdk_answer, variations
from tests.tools import Recorder, recorded, recordings


def collected(document: Any) -> Collector:
    collector = Collector()
    read_answer(document, context(), collector)
    return collector


def answer(message: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {
        "id": "a",
        "model": "up",
        "created": 5,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **more,
    }


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"b":1, "a":2}'}}
CALLED = ToolCall("c", "f", '{"b":1, "a":2}')


@pytest.mark.parametrize(
    ("message", "parts", "finish"),
    [
        pytest.param({"role": "assistant", "content": "a"}, [Text("a")], "stop", id="text"),
        pytest.param({"content": None, "tool_calls": [CALL]}, [CALLED], "tool_calls", id="call"),
        pytest.param(
            {"content": "a", "reasoning": "hm", "tool_calls": [CALL]},
            [Reasoning("hm"), Text("a"), CALLED],
            "tool_calls",
            id="order",
        ),
        pytest.param({"content": None, "refusal": "no"}, [Refusal("no")], "refusal", id="refusal"),
        pytest.param(
            {"content": None, "audio": {"data": "YQ==", "transcript": "ah"}},
            [Text("ah"), Audio(data="YQ==")],
            "stop",
            id="audio",
        ),
        pytest.param(
            {"content": None, "function_call": {"name": "f", "arguments": "{}"}},
            [ToolCall(f"call_{ID}", "f", "{}")],
            "tool_calls",
            id="legacy",
        ),
        pytest.param(
            {"content": "", "tool_calls": None, "function_call": {"name": "", "arguments": ""}, "audio": {"data": ""}},
            [],
            "stop",
            id="nothing",
        ),
        pytest.param({"content": ["a", {"type": "text", "text": "b"}]}, [Text("ab")], "stop", id="list"),
    ],
)
def test_read_answer(message: Any, parts: list[Any], finish: str) -> None:
    collector = collected(answer(message))
    assert collector.answer.parts == parts
    assert collector.answer.finish == finish
    assert (collector.answer.id, collector.answer.model, collector.answer.created) == ("a", "up", 5)


def test_usage_is_read() -> None:
    usage = collected(answer({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1})).answer.usage
    assert usage is not None
    assert (usage.input, usage.output) == (3, 1)


def test_an_error_instead_of_an_answer() -> None:
    failure = collected({"error": {"message": "filtered", "code": "content_filter"}}).failure
    assert failure is not None
    assert (failure.status, failure.message) == (400, "filtered")


@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"choices": []}, {"choices": None}, {"choices": [1]}, {"choices": {"a": 1}}]
)
def test_what_is_no_answer(document: Any) -> None:
    with pytest.raises(Malformed):
        read_answer(document, context(), Recorder())


def test_values_of_any_type_raise_only_malformed() -> None:
    message = {
        "content": "a",
        "tool_calls": [CALL],
        "reasoning_details": [{"data": "x", "text": "t"}],
        "annotations": [{"url_citation": {"url": "u"}}],
    }
    for changed in variations(answer(message, usage={"prompt_tokens": 1}, error=None)):
        with contextlib.suppress(Malformed):
            read_answer(changed, context(), Recorder())


def test_deep_nesting_is_no_other_error() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = {"a": deep}
    call = {"id": "c", "function": {"name": "f", "arguments": deep}}
    for message in ({"tool_calls": [call]}, {"reasoning_details": [{"signature": "s", "more": deep}]}):
        with pytest.raises(Malformed):
            read_answer(answer(message), context(), Recorder())
    collected(answer({"reasoning": deep, "content": "a"}))


@pytest.mark.parametrize(
    "case", [case for case in recordings("openai-chat", part="response") if "models-list" not in case.id]
)
def test_recorded_answers(case: dict[str, Any]) -> None:
    """The SDK hears from our document what the upstream's said. OpenRouter's annotations of files, which it gets back, are
    nothing that the SDK's strict types know."""
    document = jsontext.loads(recorded(case, "response"))
    collector = collected(document)
    assert collector.failure is None
    written = sdk_answer(write_answer(collector.answer, context()), strict=case["vendor"] != "openrouter")
    message, given = written.choices[0].message, document["choices"][0].get("message", {})
    assert (message.content or "") == (given.get("content") or "")
    assert (message.refusal or "") == (given.get("refusal") or "")
    calls = [(call.id, call.function.arguments) for call in message.tool_calls or [] if call.type == "function"]
    assert calls[: len(given.get("tool_calls") or [])] == [
        (call["id"], call["function"]["arguments"]) for call in given.get("tool_calls") or []
    ]
    assert written.usage is not None
    assert written.usage.to_dict() | document["usage"] == written.usage.to_dict()


def test_write_answer() -> None:
    parts: list[Any] = [
        Reasoning("h", signature="s", origin="x"),
        Reasoning("m", signature='{"type":"reasoning.text"}', origin=NAME),
        Text("abc"),
        Text("def", citations=[Citation("x", {}, "https://a.test", "A", start=1, end=3), Citation("x", {})]),
        Reasoning(signature="sig", origin="x"),
        CALLED,
        ToolCall("d", "g", {"z": 1}),
        Image(url="https://a.test/i.png"),
        Document(mime="application/pdf", data="a"),
        Opaque(NAME, {"executed_tools": [1]}),
        Opaque("x", {"s": 1}),
    ]
    document = write_answer(Answer(parts=parts, finish="tool_calls", usage=Usage(3, 2)), context())
    message = document["choices"][0].pop("message")
    assert document["choices"] == [{"index": 0, "logprobs": None, "finish_reason": "tool_calls"}]
    assert (document["id"], document["model"], document["object"]) == (f"chatcmpl-{ID}", "asked", "chat.completion")
    source = {"start_index": 4, "end_index": 6, "url": "https://a.test", "title": "A"}
    assert message == {
        "role": "assistant",
        "content": "abcdef[document left out: the openai protocol has no place for it here]",
        "refusal": None,
        "reasoning_content": "hm",
        "reasoning_details": [{"type": "reasoning.text"}],
        "annotations": [{"type": "url_citation", "url_citation": source}],
        "images": [{"type": "image_url", "image_url": {"url": "https://a.test/i.png"}}],
        "tool_calls": [
            {**CALL, "extra_content": {"ccproxy": {"signature": seal("sig", "x", NAME)}}},
            {"id": "d", "type": "function", "function": {"name": "g", "arguments": '{"z":1}'}},
        ],
        "executed_tools": [1],
    }


@pytest.mark.parametrize(
    ("parts", "content", "refusal"),
    [
        ([], "", None),
        ([CALLED], None, None),
        ([Refusal("no")], None, "no"),
        ([Reasoning("hm")], "", None),
        ([Text("a"), CALLED], "a", None),
    ],
)
def test_content_is_null_only_beside_something(parts: list[Any], content: str | None, refusal: str | None) -> None:
    document = write_answer(Answer(parts=parts), context())
    message = sdk_answer(document).choices[0].message
    assert (message.content, message.refusal) == (content, refusal)
    assert "usage" not in document


@pytest.mark.parametrize(
    "call", [ToolCall("c", "patch", '{"input":"text"}'), ToolCall("c", "patch", "text", kind="custom")]
)
def test_custom_tools_get_their_text_back(call: ToolCall) -> None:
    written = write_answer(Answer(parts=[call]), context(tools={"patch": Tool("patch", kind="custom")}))
    called = sdk_answer(written).choices[0].message.tool_calls
    assert called is not None
    assert called[0].type == "custom"
    assert (called[0].custom.name, called[0].custom.input) == ("patch", "text")


# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [case for case in recordings("openai-chat", part="response") if "models-list" in case.id or case.id.startswith("no-")],
)
def test_recorded_model_lists(case: dict[str, Any]) -> None:
    document = jsontext.loads(recorded(case, "response"))
    models = read_models(document)
    assert [model.id for model in models] == [row["id"] for row in document["data"]]
    assert [row["id"] for row in write_models(models)["data"]] == [model.id for model in models]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": "a", "created": 5, "owned_by": "o"}, ModelInfo(id="a", created=5, owner="o")),
        ({"id": "a", "max_model_len": 4096, "created": None, "owned_by": None}, ModelInfo(id="a", context=4096)),
        (
            {
                "id": "a",
                "name": "A",
                "context_length": 9,
                "top_provider": {"max_completion_tokens": 3},
                "supported_parameters": ["tools", "top_p", 1],
                "architecture": {"input_modalities": ["text", "image"]},
            },
            ModelInfo(id="a", title="A", context=9, output=3, abilities=frozenset({"tools", "vision"})),
        ),
        (
            {"id": "a", "max_context_length": 9, "capabilities": {"function_calling": True, "vision": False}},
            ModelInfo(id="a", context=9, abilities=frozenset({"tools"})),
        ),
    ],
)
def test_model_rows(row: dict[str, Any], expected: ModelInfo) -> None:
    assert read_models({"data": [row, {"id": ""}, {"id": 3}, "x"]}) == [expected]
    assert read_models([row]) == [expected]


@pytest.mark.parametrize("document", [None, {}, {"data": None}, {"data": {}}, "x", {"error": {"message": "no"}}])
def test_what_is_no_model_list(document: Any) -> None:
    with pytest.raises(Malformed):
        read_models(document)


def test_a_model_as_the_sdk_takes_it() -> None:
    model = Model.model_validate(write_model(ModelInfo(id="a", created=5)), strict=True)
    assert (model.id, model.created, model.object) == ("a", 5, "model")


def message_of(*parts: Any, **fields: Any) -> Any:
    return write_answer(Answer(parts=list(parts)), context(**fields))["choices"][0]["message"]


def test_what_arguments_a_custom_tool_cannot_be_unwrapped_from_are_its_text() -> None:
    for text in ("no JSON", '["input"]', '{"input":1}'):
        message = message_of(ToolCall("c", "patch", text), tools={"patch": Tool("patch", kind="custom")})
        assert message["tool_calls"][0]["custom"]["input"] == text


def test_members_of_the_protocols_own_come_back_and_lists_grow() -> None:
    facts = [Opaque(NAME, {"executed_tools": [1], "reply": 1}), Opaque(NAME, {"executed_tools": [2], "reply": 2})]
    message = message_of(*facts)
    assert (message["executed_tools"], message["reply"]) == ([1, 2], 2)


def test_a_call_keeps_the_signature_that_it_came_with() -> None:
    proof = jsontext.dumps_str({"extra_content": {"google": {"thought_signature": "s"}}})
    message = message_of(Reasoning(signature=proof, origin=NAME), ToolCall("c", "f", "{}"))
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}


def test_speech_has_its_place_and_other_files_are_named() -> None:
    message = message_of(
        Audio(mime="audio/pcm", data="AA=="), Document(mime="application/pdf", data="AA==", name="plan.pdf")
    )
    assert message["audio"]["data"] == "AA=="
    assert "plan.pdf" in message["content"]

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest
from google.genai import types

from ccproxy.errors import Malformed, UpstreamError
from ccproxy.model import Answer, Audio, Citation, Document, Image, Opaque, Reasoning, Refusal, Text, ToolCall, Usage
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.gemini.answers import read_answer, read_models, wire_parts, write_answer, write_model, write_models
from ccproxy.protocols.gemini.wire import read_signature
from ccproxy.stream import Collector
from tests.protocols.gemini.judge import context, document, judged_answer, strictly
from tests.tools import Recorder, recorded, recordings


def collected(raw: dict[str, Any]) -> Collector:
    collector = Collector()
    read_answer(raw, context(), collector)
    return collector


def test_an_answer_comes_back() -> None:
    raw = document("answer-everything.json")
    answer = collected(raw).answer
    assert (answer.finish, answer.id, answer.model) == ("tool_calls", "answer-9", "gemini-9-air")
    assert [type(part) for part in answer.parts] == [Reasoning, Text, Reasoning, ToolCall, Opaque, Image, Text, Opaque]
    written = write_answer(answer, context(model=""))
    assert written == raw
    strictly({key: value for key, value in written.items() if key != "usageMetadata"})


@pytest.mark.parametrize("case", recordings("gemini", part="response"))
def test_recorded_answers_come_back(case: dict[str, Any]) -> None:
    raw = json.loads(recorded(case, "response"))
    if "candidates" not in raw:
        return
    answer = collected(raw).answer
    written = write_answer(answer, context(model=""))
    for key in ("finishReason", "groundingMetadata", "logprobsResult", "citationMetadata"):
        assert written["candidates"][0].get(key) == (raw["candidates"][0].get(key) or None), key
    assert texts(written) == texts(raw)
    assert counts(written) == counts(raw)
    assert judged_answer(written).text == judged_answer(raw).text


def texts(answer: dict[str, Any]) -> list[Any]:
    """What the parts say; a text may come back in more or fewer pieces, and made-up ids may be there."""
    found: list[Any] = []
    for part in answer["candidates"][0]["content"].get("parts", []):
        if "text" in part and found and "text" in found[-1] and found[-1].get("thought") == part.get("thought"):
            found[-1] = found[-1] | {"text": found[-1]["text"] + part["text"]}
        else:
            found.append(json.loads(json.dumps(part)))
        found[-1].get("functionCall", {}).pop("id", None)
    return found


def counts(answer: dict[str, Any]) -> dict[str, int]:
    return {k: v for k, v in answer.get("usageMetadata", {}).items() if isinstance(v, int) and v}


@pytest.mark.parametrize(
    ("raw", "finish"),
    [
        ({"candidates": [{"finishReason": "SAFETY"}]}, "content_filter"),
        ({"candidates": [{"finishReason": "MAX_TOKENS", "content": {"role": "model"}}]}, "length"),
        ({"promptFeedback": {"blockReason": "MODEL_ARMOR"}}, "content_filter"),
        (
            {"candidates": [{"content": {"parts": [{"function_call": {"name": "f"}}]}, "finish_reason": "STOP"}]},
            "tool_calls",
        ),
        ({"candidates": [{"content": {"parts": [{"toolCall": {"id": "x"}}]}, "finishReason": "STOP"}]}, "stop"),
    ],
)
def test_ends(raw: dict[str, Any], finish: str) -> None:
    assert collected(raw).answer.finish == finish


def test_a_stumble_of_the_model_is_an_error() -> None:
    collector = collected({"candidates": [{"finishReason": "UNEXPECTED_TOOL_CALL"}]})
    assert isinstance(collector.failure, UpstreamError)
    assert collector.failure.code == "UNEXPECTED_TOOL_CALL"


@pytest.mark.parametrize("raw", [{}, {"candidates": []}, {"candidates": [7]}, {"candidates": [{"content": []}], "a": 1}])
def test_what_is_no_answer(raw: dict[str, Any]) -> None:
    with suppress(Malformed):
        read_answer(raw, context(), Recorder())
        assert raw["candidates"] == [{"content": []}]  # empty content is an answer


def test_an_answer_from_another_protocol() -> None:
    answer = Answer(
        parts=[
            Reasoning("hm", signature="sig", origin="claude"),
            Refusal("no"),
            Text("yes", citations=[Citation("claude", {}, url="https://a", title="A")]),
            ToolCall("call-1", "f", '{"a":98765432109876543210}'),
            ToolCall("call-2", "patch", "free", kind="custom"),
            Opaque("claude", {"type": "x"}),
            Audio(mime="audio/wav", data="UklG"),
            Image(url="https://a/b.png"),
            Document(text="words"),
        ],
        finish="tool_calls",
        usage=Usage(1, 2),
    )
    written = write_answer(answer, context())
    read = strictly(written)
    assert read.response_id == "0" * 24
    candidate = written["candidates"][0]
    assert candidate["groundingMetadata"] == {"groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}]}
    parts = candidate["content"]["parts"]
    assert [next(iter(part)) for part in parts] == [
        "text", "text", "text", "functionCall", "functionCall", "inlineData", "fileData", "text",
    ]  # fmt: skip
    assert read_signature(parts[1]["thoughtSignature"]) == Reasoning("hm", signature="sig", origin="claude")
    assert parts[4]["functionCall"]["args"] == {"input": "free"}
    assert written["modelVersion"] == "asked-for"


def test_an_answer_without_anything_has_a_part_all_the_same() -> None:
    written = write_answer(Answer(), context())
    assert written["candidates"][0]["content"]["parts"] == [{"text": ""}]
    assert "usageMetadata" not in written


def test_a_call_that_was_cut_off_is_not_handed_out() -> None:
    """A client would run it (F063)."""
    answer = Answer(parts=[Text("a"), ToolCall("x", "f", '{"a":')], finish="length")
    assert write_answer(answer, context())["candidates"][0]["content"]["parts"] == [{"text": "a"}]


def test_a_last_signature_stands_on_an_empty_text() -> None:
    parts = wire_parts([Text("a"), Reasoning(signature="b3du", origin="gemini")])
    assert parts == [{"text": "a"}, {"text": "", "thoughtSignature": "b3du"}]


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [7], {"a": 7}, True])
def test_wrong_types_anywhere_are_malformed(wrong: Any) -> None:
    for way in places(document("answer-everything.json"))[1:]:
        changed = document("answer-everything.json")
        inner = changed
        for step in way[:-1]:
            inner = inner[step]
        inner[way[-1]] = wrong
        with suppress(Malformed):
            write_answer(collected(changed).answer, context())


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *itertools.chain.from_iterable(places(one, (*way, key)) for key, one in inner)]


# -- Model lists


@pytest.mark.parametrize("case", recordings("gemini", part="response"))
def test_the_recorded_model_list(case: dict[str, Any]) -> None:
    raw = json.loads(recorded(case, "response"))
    if "models" not in raw:
        return
    models = read_models(raw)
    assert len(models) == len(raw["models"])
    flash = next(model for model in models if model.id == "gemini-2.5-flash")
    assert (flash.title, flash.context, flash.output) == ("Gemini 2.5 Flash", 1_048_576, 65_536)
    assert flash.abilities == {"thinking"}


def test_models_for_a_client() -> None:
    info = ModelInfo(id="alias", context=1000, output=10, abilities=frozenset({"thinking"}))
    row = write_models([info])["models"][0]
    assert (row["name"], row["inputTokenLimit"], row["outputTokenLimit"], row["thinking"]) == (
        "models/alias",
        1000,
        10,
        True,
    )
    assert read_models({"models": [row]})[0].id == "alias"
    assert "inputTokenLimit" not in write_model(ModelInfo(id="x"))


def test_embedding_models_say_so() -> None:
    rows = [{"name": "models/e", "supportedGenerationMethods": ["embedContent"], "inputTokenLimit": "x"}, 7, {}]
    (model,) = read_models({"models": rows})
    assert model == ModelInfo(id="e", owner="google", abilities=frozenset({"embedding"}))


@pytest.mark.parametrize("raw", [{}, {"models": None}, {"models": {}}, {"error": {"code": 403}}])
def test_what_is_no_model_list(raw: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_models(raw)


def test_the_sdk_takes_our_answers() -> None:
    answer = Answer(parts=[Text("hello")], usage=Usage(3, 4, 1, 0, 2))
    read = judged_answer(write_answer(answer, context()))
    assert read.text == "hello"
    assert read.candidates is not None
    assert read.candidates[0].finish_reason is types.FinishReason.STOP


def test_signatures_without_a_part_between_them_each_get_one() -> None:
    thoughts = [Reasoning(signature=one, origin="gemini") for one in ("Zmlyc3Q=", "c2Vjb25k")]
    (candidate,) = write_answer(Answer(parts=[*thoughts, Text("a")]), context())["candidates"]
    assert candidate["content"]["parts"] == [
        {"text": "", "thoughtSignature": "Zmlyc3Q="},
        {"text": "a", "thoughtSignature": "c2Vjb25k"},
    ]

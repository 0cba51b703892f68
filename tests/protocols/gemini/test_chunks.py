"""The stream's cases stand in `test_stream.py`; here is what only single chunks show."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import Broken, Malformed
from ccproxy.model import Image
from ccproxy.protocols.gemini.chunks import ChunkReader
from tests.protocols.gemini.judge import context
from tests.tools import Recorder


def calls(*chunks: Any, end: bool = True) -> list[tuple[Any, ...]]:
    recorder = Recorder()
    reader = ChunkReader(context(), recorder)
    for chunk in chunks:
        reader.take(chunk)
    if end:
        reader.end()
    return recorder.calls


def parts(*given: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(given)}, **more}]}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": ""}, []),
        ({}, []),
        ({"text": "a"}, [("text", "a")]),
        ({"text": "a", "thought": True, "thoughtSignature": "s"}, [("thinking", "a"), ("signature", "s", "gemini")]),
        ({"text": "a", "thought_signature": "s"}, [("signature", "s", "gemini"), ("text", "a")]),
        ({"thought": True, "inlineData": {}}, [("opaque", "gemini", {"thought": True, "inlineData": {}})]),
        (
            {"inline_data": {"mime_type": "image/png", "data": "iVBO"}, "thoughtSignature": "s"},
            [("signature", "s", "gemini"), ("media", Image(mime="image/png", data="iVBO"))],
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://a"}},
            [("media", Image(mime="image/png", url="gs://a"))],
        ),
        ({"toolCall": {"id": "1"}}, [("opaque", "gemini", {"toolCall": {"id": "1"}})]),
        ({"functionCall": {}}, []),
    ],
)
def test_parts(part: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert calls(parts(part))[1:-1] == expected


def test_a_named_call_closes_the_one_before() -> None:
    seen = calls(
        parts({"functionCall": {"name": "f", "args": {"a": 1}, "willContinue": True}}),
        parts({"functionCall": {"name": "g"}}),
    )
    assert [call[0] for call in seen[1:-1]] == ["tool_start", "tool_arguments", "tool_end"] * 2


def test_later_facts_take_the_place_of_earlier_ones() -> None:
    first = parts({"text": "a"}, groundingMetadata={"webSearchQueries": ["a"]})
    second = parts(groundingMetadata={"webSearchQueries": ["a", "b"]})
    assert ("opaque", "gemini", {"groundingMetadata": {"webSearchQueries": ["a", "b"]}}) in calls(first, second)


def test_after_the_end_comes_nothing() -> None:
    recorder = Recorder()
    reader = ChunkReader(context(), recorder)
    reader.take(parts({"text": "a"}, finishReason="STOP"))
    assert reader.reason == "STOP"
    reader.end()
    reader.end()
    assert [call[0] for call in recorder.calls] == ["start", "text", "finish"]
    assert "ended=True" in repr(reader)


def test_nothing_at_all() -> None:
    with pytest.raises(Broken):
        calls()


@pytest.mark.parametrize(
    "chunk",
    [
        7,
        [],
        [7],
        {"candidates": 7},
        {"candidates": [7]},
        {"candidates": [{"content": 7}]},
        {"candidates": [{"content": {"parts": 7}}]},
        {"candidates": [{"content": {}, "finishReason": 7}]},
        {"usageMetadata": 7},
        {"modelVersion": 7},
        parts({"inlineData": 7}),
        parts({"inlineData": {"mimeType": 7, "data": "x"}}),
        parts({"functionCall": 7}),
        parts({"functionCall": {"name": 7}}),
        parts({"functionCall": {"name": "f", "id": 7}}),
        parts({"functionCall": {"name": "f", "partialArgs": 7}}),
        parts({"text": "a", "thoughtSignature": 7}),
    ],
)
def test_what_is_no_chunk(chunk: Any) -> None:
    with pytest.raises(Malformed):
        calls(chunk)

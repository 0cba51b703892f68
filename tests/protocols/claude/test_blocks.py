"""Content blocks in pieces and whole: both ways make the same calls."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import Malformed
from ccproxy.model import Context
from ccproxy.protocols.claude.blocks import Blocks
from ccproxy.protocols.claude.terms import NAME
from tests.tools import Recorder


def blocks() -> tuple[Blocks, Recorder]:
    recorder = Recorder()
    return Blocks(Context(client=NAME, upstream=NAME), recorder), recorder


def whole(block: Any) -> list[tuple[Any, ...]]:
    made, recorder = blocks()
    made.begin(0, block)
    made.end_all()
    return recorder.calls


def in_pieces(block: dict[str, Any], *deltas: dict[str, Any]) -> list[tuple[Any, ...]]:
    made, recorder = blocks()
    made.begin(0, block)
    for delta in deltas:
        made.delta({"index": 0, "delta": delta})
    made.end(0)
    return recorder.calls


SAME = [
    (
        {"type": "text", "text": "Hi"},
        [{"type": "text", "text": ""}, {"type": "text_delta", "text": "H"}, {"type": "text_delta", "text": "i"}],
    ),
    (
        {"type": "thinking", "thinking": "Hm", "signature": "S"},
        [
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "signature_delta", "signature": "S"},
        ],
    ),
    (
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        [
            {"type": "tool_use", "id": "a", "name": "f", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"x"'},
            {"type": "input_json_delta", "partial_json": ":1}"},
        ],
    ),
    (
        {"type": "mcp_tool_use", "id": "a", "name": "f", "server_name": "s", "input": {"x": 1}},
        [
            {"type": "mcp_tool_use", "id": "a", "name": "f", "server_name": "s", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"x":1}'},
        ],
    ),
    (
        {"type": "brand_new", "note": "ab", "n": 2},
        [{"type": "brand_new", "note": "a"}, {"type": "brand_new_delta", "note": "b", "n": 2}],
    ),
    (
        {"type": "text", "text": "Hi", "citations": [{"type": "char_location", "document_title": "T", "cited_text": "c"}]},
        [
            {"type": "text", "text": "", "citations": []},
            {"type": "citations_delta", "citation": {"type": "char_location", "document_title": "T", "cited_text": "c"}},
            {"type": "text_delta", "text": "Hi"},
        ],
    ),
]


@pytest.mark.parametrize(("block", "pieces"), SAME)
def test_pieces_mean_what_the_whole_means(block: dict[str, Any], pieces: list[dict[str, Any]]) -> None:
    assert in_pieces(*pieces) == whole(block) != []


@pytest.mark.parametrize(
    ("input", "arguments"),
    [({}, "{}"), (None, "{}"), ("", "{}"), ('{"a": 1}', '{"a": 1}'), ({"b": 1, "a": 2}, '{"b":1,"a":2}'), ([1], "[1]")],
)
def test_inputs_that_are_no_objects(input: Any, arguments: str) -> None:
    assert whole({"type": "tool_use", "id": "a", "name": "f", "input": input})[1] == ("tool_arguments", 0, arguments)


def test_a_server_tools_broken_input_is_kept_as_text() -> None:
    delta = {"type": "input_json_delta", "partial_json": '{"x":'}
    calls = in_pieces({"type": "server_tool_use", "id": "a", "name": "f", "input": {}}, delta)
    assert calls[0][2]["input"] == {"raw": '{"x":'}


def test_a_block_that_begins_anew_ends_the_one_before() -> None:
    made, recorder = blocks()
    for id in ("a", "b"):
        made.begin(0, {"type": "tool_use", "id": id, "name": "f", "input": {}})
    made.delta({"delta": {"type": "input_json_delta", "partial_json": "{}"}})
    made.end_all()
    assert [call[:2] for call in recorder.calls] == [
        ("tool_start", 0),
        ("tool_arguments", 0),
        ("tool_end", 0),
        ("tool_start", 1),
        ("tool_arguments", 1),
        ("tool_end", 1),
    ]
    assert repr(made) == "<Blocks open=[] calls=2>"


@pytest.mark.parametrize("block", [None, [], {}, {"type": None}, {"type": []}, {"type": "tool_use", "name": 1}])
def test_what_is_no_block(block: Any) -> None:
    with pytest.raises(Malformed):
        whole(block)

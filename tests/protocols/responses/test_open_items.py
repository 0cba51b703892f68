from __future__ import annotations

import pytest

from ccproxy.model import Citation
from ccproxy.protocols.responses.open_items import Call, Message, Thought, annotation_of, opening


def call(*pieces: str, custom: bool = False, wrapped: bool = False) -> Call:
    made = Call("c", "f", "", custom, wrapped)
    made.pieces.extend(pieces)
    return made


@pytest.mark.parametrize(
    ("made", "payload", "whole"),
    [
        (call('{"a":', "1}"), '{"a":1}', True),
        (call(), "{}", True),
        (call('{"a"'), '{"a"', False),
        (call("free {", custom=True), "free {", True),
        (call(custom=True), "", True),
        (call('{"input":"x"}', custom=True, wrapped=True), "x", True),
        (call('{"input":3}', custom=True, wrapped=True), '{"input":3}', True),
        (call("[1]", custom=True, wrapped=True), "[1]", True),
        (call('{"inp', custom=True, wrapped=True), '{"inp', False),
        (call(custom=True, wrapped=True), "", True),
    ],
)
def test_what_a_call_says(made: Call, payload: str, whole: bool) -> None:
    assert made.payload() == payload
    assert made.is_whole() is whole


def test_an_event_begins_with_its_name() -> None:
    assert opening(b"x.y", b'"a":1') == b'event: x.y\ndata: {"type":"x.y","a":1'
    thought = Thought(2, {"id": "rs_1"})
    assert thought.delta.endswith(b'"item_id":"rs_1","output_index":2,"summary_index":0,"delta":')


def test_a_citation_points_at_the_end_of_the_text() -> None:
    message = Message(0, {"id": "m"})
    message.pieces.extend(["abc", "de"])
    note = annotation_of(Citation("claude", {}, url="u"), message)
    assert (note["start_index"], note["end_index"], note["title"]) == (5, 5, "u")
    assert annotation_of(Citation("responses", {"type": "file_path"}), message) == {"type": "file_path"}

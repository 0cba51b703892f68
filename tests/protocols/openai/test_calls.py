"""Tool calls in the ways vendors send them."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Tool
from ccproxy.protocols.openai import calls as module
from ccproxy.protocols.openai.calls import UNKNOWN, Calls
from ccproxy.protocols.openai.terms import NAME
from tests.protocols.openai.judge import ID, context
from tests.tools import Recorder


def heard(entries: list[Any], **fields: Any) -> list[tuple[Any, ...]]:
    """The Sink calls of these entries of tool_calls and the end."""
    recorder = Recorder()
    calls = Calls(context(**fields), recorder)
    for entry in entries:
        calls.piece(entry)
    calls.end()
    return recorder.calls


def pairs(calls: list[tuple[Any, ...]]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call."""
    found: dict[int, list[str]] = {}
    for name, *arguments in calls:
        if name == "tool_start":
            found[arguments[0]] = [arguments[1], arguments[2], ""]
        elif name == "tool_arguments":
            found[arguments[0]][2] += arguments[1]
    return [(id, name, text) for id, name, text in found.values()]


def function(name: Any = None, arguments: Any = None, **entry: Any) -> dict[str, Any]:
    body = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**entry, "function": body}


ONE = [("c", "f", '{"a":1}')]
TWO = [("c", "f", '{"a":1}'), ("d", "g", '{"b":2}')]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param(
            [function("f", "", index=0, id="c"), function(None, '{"a"', index=0), function(None, ":1}", index=0)],
            ONE,
            id="by-the-book",
        ),
        pytest.param([function("f", '{"a":1}', index=0, id="c", type=None)], ONE, id="whole"),
        pytest.param(
            [function("f", '{"a"', index=0, id="c"), function("f", ":1}", index=0, id="c")], ONE, id="id-and-name-repeated"
        ),
        pytest.param([function("f", {"a": 1}, index=0, id="c")], ONE, id="object"),
        pytest.param([function("f", "null", index=0, id="c")], [("c", "f", "")], id="null"),
        pytest.param(
            [
                function("f", "nu", index=0, id="c"),
                function(None, "ll", index=0),
                function("g", '{"b":2}', index=1, id="d"),
            ],
            [("c", "f", ""), ("d", "g", '{"b":2}')],
            id="null-in-pieces",
        ),
        pytest.param(
            [function("f", "n", index=0, id="c"), function(None, "ope", index=0)],
            [("c", "f", "nope")],
            id="not-null-after-all",
        ),
        pytest.param([function("f", "nul", index=0, id="c")], [("c", "f", "nul")], id="not-even-null"),
        pytest.param(
            [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": "null"}}],
            [("c", "f", "null")],
            id="null-as-free-text",
        ),
        pytest.param([function("f", '{"a"', id="c"), function(None, ":1}")], ONE, id="no-index"),
        pytest.param([function("f", '{"a"', id="c"), function("f", ":1}")], ONE, id="no-index-name-repeated"),
        pytest.param([function("f", '{"a"', id="c"), function("", ":1}", id="c")], ONE, id="no-index-id-repeated"),
        pytest.param([function(None, '{"a"', index=0, id="c"), function("f", ":1}", index=0)], ONE, id="name-late"),
        pytest.param([function("", "", index=0, id="c"), function("f", '{"a":1}', index=0)], ONE, id="name-empty-first"),
        pytest.param([function("f", '{"a":1}', index=0, id="c"), function(None, '{"a":1}', index=0)], ONE, id="all-again"),
        pytest.param(
            [function("f", '{"a"', index=0, id="c"), function(None, '{"a":', index=0), function(None, '{"a":1}', index=0)],
            ONE,
            id="snapshots",
        ),
        pytest.param([function("f", "{", index=0, id="c"), function(None, '{"a":1}', index=0)], ONE, id="one-snapshot"),
        pytest.param(
            [function("f", '{"a":', index=0, id="c"), function(None, '{"a":1}', index=0), function(None, "}", index=0)],
            [("c", "f", '{"a":{"a":1}}')],
            id="no-snapshot-after-all",
        ),
        pytest.param(
            [function("f", '{"a":', index=0, id="c"), function(None, '{"a":1}}', index=0)],
            [("c", "f", '{"a":{"a":1}}')],
            id="no-snapshot-at-the-end",
        ),
        pytest.param([function("f", '{"a":1}', index=0, id="c"), function("g", '{"b":2}', index=1, id="d")], TWO, id="two"),
        pytest.param(
            [function("f", '{"a":1}', index=0, id="c"), function("g", '{"b":2}', index=0, id="d")], TWO, id="always-0"
        ),
        pytest.param([function("f", '{"a":1}', id="c"), function("g", '{"b":2}', id="d")], TWO, id="two-by-id"),
        pytest.param(
            [
                function("f", '{"a"', index=0, id="c"),
                function("g", '{"b"', index=1, id="d"),
                function(None, ":1}", index=0),
                function(None, ":2}", index=1),
            ],
            TWO,
            id="interleaved",
        ),
        pytest.param(
            [function("f", '{"a":1}'), function("f", '{"a":1}')],
            [(f"call_{ID}", "f", '{"a":1}'), (f"call_{ID}1", "f", '{"a":1}')],
            id="two-without-anything",
        ),
        pytest.param(
            [function("f", "{}", index=0, id="c"), function("f", "{}", index=1, id="c")],
            [("c", "f", "{}"), (f"call_{ID}1", "f", "{}")],
            id="same-id-twice",
        ),
        pytest.param([function("f", index=0, id="c")], [("c", "f", "")], id="no-arguments"),
        pytest.param([function(None, "{}", index=0, id="c")], [("c", UNKNOWN, "{}")], id="never-named"),
        pytest.param([{"index": 0}, function("", "", index=0), {}], [], id="nothing"),
        pytest.param([{"index": 0, "id": "c", "function": None}], [], id="id-only"),
    ],
)
def test_every_way_is_one_meaning(entries: list[Any], expected: list[Any]) -> None:
    calls = heard(entries)
    assert pairs(calls) == expected
    starts, ends = ([call[1] for call in calls if call[0] == name] for name in ("tool_start", "tool_end"))
    assert sorted(ends) == starts


def test_a_custom_call_goes_on_without_its_type() -> None:
    """As ours do (API reference, streaming, `delta.tool_calls`): type, id and name come in the first piece only."""
    first = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}}
    assert pairs(heard([first, {"index": 0, "custom": {"input": "a"}}])) == [("c", "patch", "a")]


@pytest.mark.parametrize("arguments", ['{"a":"\\"}"}', '{"a":"\\\\"}', "[]", '"x"', "5", ' {"a":[{}]}'])
def test_arguments_are_whole_at_their_last_character(arguments: str) -> None:
    recorder = Recorder()
    calls = Calls(context(), recorder)
    calls.piece(function("f", "", index=0, id="c"))
    for sign in arguments:
        calls.settle()
        assert calls.open == 1
        calls.piece(function(None, sign, index=0))
    calls.settle()
    assert calls.open == 0


def test_what_calls_cost_grows_with_their_length_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text between the pieces of an open call, and many calls open at once: the JSON parser is asked about none of them."""
    asked: list[int] = []
    monkeypatch.setattr(module, "is_complete", lambda text: bool(asked.append(len(text))))
    calls = Calls(context(), Recorder())
    for index in range(300):
        calls.piece(function("f", '{"a":"', index=index, id=f"c{index}"))
        calls.piece(function(None, "}", index=index))
        calls.settle()
    assert asked == []


def test_what_is_no_json_is_not_asked_about_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(module, "is_complete", lambda text: bool(asked.append(len(text))))
    calls = Calls(context(), Recorder())
    for _ in range(300):
        calls.piece(function("f", "{}x", index=0, id="c"))
        calls.settle()
    assert len(asked) < 5


def test_a_call_ends_when_the_next_begins() -> None:
    """So that encoders that keep one block open can stream the next one live."""
    calls = heard([function("f", "{}", index=0, id="c"), function("g", "{", index=1, id="d"), function(None, "}", index=1)])
    assert [call[0] for call in calls] == [
        "tool_start", "tool_arguments", "tool_end", "tool_start", "tool_arguments", "tool_end",
    ]  # fmt: skip


def test_an_unnamed_call_of_the_only_tool() -> None:
    assert pairs(heard([function(None, "{}", index=0, id="c")], tools={"f": Tool("f")})) == [("c", "f", "{}")]


def test_the_client_gets_its_own_names() -> None:
    assert heard([function("f_12345678", index=0, id="c")], tool_names={"f_12345678": "f.g"})[0][3] == "f.g"


def test_custom_calls() -> None:
    entries = [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "p", "input": "aa"}},
        {"index": 0, "type": "custom", "custom": {"input": "aaa"}},
    ]
    assert heard(entries) == [("tool_start", 0, "c", "p", "custom"), ("tool_arguments", 0, "aaaaa"), ("tool_end", 0)]


def test_googles_signature_comes_before_its_call() -> None:
    extra = {"google": {"thought_signature": "s"}}
    calls = heard([function("f", "{}", index=0, id="c", extra_content=extra)])
    assert calls[0] == ("signature", '{"extra_content":{"google":{"thought_signature":"s"}}}', NAME)
    assert calls[1][0] == "tool_start"

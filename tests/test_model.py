from __future__ import annotations

from typing import Any

import pytest
from attrs import fields

from ccproxy.model import (
    Answer,
    Context,
    Text,
    Tool,
    ToolCall,
    arguments_object,
    arguments_text,
    is_whole,
    parts_to_run,
    seal,
    unseal,
)
from ccproxy.turns import Pairs

BIG = 2**70


@pytest.mark.parametrize(
    ("arguments", "text", "decoded"),
    [
        ({"b": 1, "a": BIG}, f'{{"b":1,"a":{BIG}}}', {"b": 1, "a": BIG}),
        (f'{{ "a": {BIG} }}', f'{{ "a": {BIG} }}', {"a": BIG}),
        ("", "{}", {}),
        ("  ", "{}", {}),
        ("null", "{}", {}),
        ('{"cut', '{"cut', {"raw": '{"cut'}),
        ("[1]", "[1]", {"raw": "[1]"}),
    ],
)
def test_arguments_as_text_and_as_object(arguments: str | dict, text: str, decoded: dict) -> None:
    call = ToolCall("id", "f", arguments)
    assert arguments_text(call) == text
    assert arguments_object(call) == decoded


def test_a_custom_tools_input_is_plain_text() -> None:
    call = ToolCall("id", "patch", "*** Begin", kind="custom")
    assert arguments_text(call) == "*** Begin"
    assert arguments_object(call) == {"input": "*** Begin"}
    assert arguments_text(ToolCall("id", "patch", "", kind="custom")) == ""


@pytest.mark.parametrize(
    ("call", "whole"),
    [
        (ToolCall("1", "f", '{"a":1}'), True),
        (ToolCall("1", "f", {"a": 1}), True),
        (ToolCall("1", "f", ""), True),
        (ToolCall("1", "f", "*** Begin", kind="custom"), True),
        (ToolCall("1", "f", '{"a":'), False),
        (ToolCall("1", "f", "[1]"), False),
    ],
)
def test_a_call_that_was_cut_off_is_not_run(call: ToolCall, whole: bool) -> None:
    assert is_whole(call) is whole
    parts = [Text("a"), call]
    assert parts_to_run(Answer(parts=[*parts], finish="length")) == (parts if whole else parts[:1])
    assert parts_to_run(Answer(parts=[*parts], finish="tool_calls")) == parts


def test_a_seal_tells_whose_a_signature_is() -> None:
    assert seal("sig", "a", "a") == "sig"
    assert unseal(seal("si.g", "a", "b"), "b") == ("si.g", "a")
    assert unseal("sig", "b") == ("sig", "b")
    assert seal("", "a", "a") == ""


def test_a_note_is_kept_once() -> None:
    context = Context(client="a", upstream="b")
    context.note("x")
    context.note("x")
    assert context.notes == ["x"]


def test_a_context_made_anew_keeps_what_was_there_before_the_request_was_read() -> None:
    """A new field of Context stands in one of the two halves; `anew` keeps the first."""
    given: dict[str, Any] = {"client": "claude", "model": "m", "id": "1" * 24, "created": 7}
    read: dict[str, Any] = {
        "upstream": "openai",
        "stream": True,
        "include_usage": False,
        "shape": "array",
        "tool_names": {"a": "b"},
        "tool_ids": {"a": "b"},
        "tools": {"a": Tool("a")},
        "echo": {"a": 1},
        "input_estimate": 5,
        "count_input": lambda: 5,
        "compat": True,
        "written_tools": [Tool("a")],
        "json_wanted": True,
        "notes": ["n"],
        "pairs": Pairs(),
    }
    assert {field.name for field in fields(Context)} == given.keys() | read.keys()
    context = Context(**given, **read)
    assert context.anew() == Context(**given, upstream="")
    assert context.anew().count_input is None
    assert context.anew().notes is not context.notes

"""Messages as clients send them."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Message, Reasoning, Refusal, Text, ToolCall, ToolResult, seal
from ccproxy.protocols.openai.messages import write_message
from ccproxy.protocols.openai.terms import NAME
from tests.protocols.openai.asking import CALL, CUSTOM, USER, asking, parts_of, read, written_back


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"content": "a", "tool_calls": [CALL, CUSTOM]},
            [Text("a"), ToolCall("c", "f", '{"b": 1, "a": 2}'), ToolCall("d", "p", "*** Begin", kind="custom")],
        ),
        ({"content": None, "refusal": "no"}, [Refusal("no")]),
        ({"content": "a", "reasoning_content": "hm"}, [Reasoning("hm", origin=NAME), Text("a")]),
        ({"content": "", "reasoning": "hm", "reasoning_details": [{"text": "hm"}]}, [Reasoning("hm", origin=NAME)]),
        ({"content": "", "reasoning_details": [{"text": "h"}, {"summary": "m"}]}, [Reasoning("hm", origin=NAME)]),
        ({"function_call": {"name": "f", "arguments": "{}"}}, [ToolCall("call_function_1", "f", "{}")]),
    ],
)
def test_assistant_messages(message: Any, expected: list[Any]) -> None:
    assert parts_of({"role": "assistant", **message}) == expected


def test_results_know_their_calls() -> None:
    legacy = {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
    messages = [
        legacy,
        {"role": "function", "name": "f", "content": "1"},
        legacy,
        {"role": "function", "name": "f", "content": "2"},
    ]
    found = read(asking(*messages, {"role": "tool", "tool_call_id": "c", "content": "3"})).messages
    assert [message.role for message in found] == ["assistant", "tool", "assistant", "tool", "tool"]
    results = [part for message in found for part in message.parts if isinstance(part, ToolResult)]
    assert [(result.id, result.name) for result in results] == [
        ("call_function_1", "f"),
        ("call_function_2", "f"),
        ("c", ""),
    ]


def test_a_sealed_signature_comes_back_before_its_call_and_goes_no_further() -> None:
    call = {**CALL, "extra_content": {"ccproxy": {"signature": seal("sig", "elsewhere", NAME)}}}
    document = asking(USER, {"role": "assistant", "tool_calls": [call]})
    parts = read(document).messages[1].parts
    assert isinstance(parts[0], Reasoning)
    assert (parts[0].signature, parts[0].origin) == ("sig", "elsewhere")
    assert written_back(document)["messages"][1]["tool_calls"] == [CALL]


def test_each_result_is_a_message() -> None:
    results = Message("tool", [ToolResult("a", "", [Text("1")]), ToolResult("b", "g", [Text("2")])])
    assert write_message(results) == [
        {"role": "tool", "content": "1", "tool_call_id": "a"},
        {"role": "tool", "content": "2", "tool_call_id": "b", "name": "g"},
    ]

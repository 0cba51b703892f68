from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ccproxy.model import Answer, Context, Target, Text, ToolCall, Usage
from ccproxy.protocols.base import Call
from ccproxy.protocols.openai import PROTOCOL
from tests.tools import encode

CHAT = PROTOCOL.chat
FUNCTION = {"name": "look", "parameters": {"type": "object", "properties": {}}}
DOCUMENT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "functions": [FUNCTION]}
START: list[tuple[Any, ...]] = [("start", "id", "up", 1)]
CALL: list[tuple[Any, ...]] = [
    ("tool_start", 0, "call_1", "look"),
    ("tool_arguments", 0, '{"a"'),
    ("tool_arguments", 0, ":1}"),
]
END: list[tuple[Any, ...]] = [("tool_end", 0), ("usage", Usage(3, 2)), ("finish", "tool_calls")]


def context(upstream: str = "other") -> Context:
    shared = Context(client="openai", upstream=upstream, model="asked")
    CHAT.peek(DOCUMENT, shared, Call())
    return shared


def streamed(shared: Context, calls: list[tuple[Any, ...]]) -> list[ChatCompletionChunk]:
    lines = encode(CHAT.encoder(shared), calls).decode().split("\n\n")
    return [ChatCompletionChunk(**json.loads(line[6:])) for line in lines if line and "[DONE]" not in line]


def test_the_request_says_which_way_the_client_knows() -> None:
    assert context().shape in CHAT.native_shapes
    modern = Context(client="openai", upstream="other", shape="?")
    CHAT.peek({**DOCUMENT, "tools": [{"type": "function", "function": FUNCTION}]}, modern, Call())
    assert modern.shape == ""


def test_another_protocol_is_asked_for_one_call() -> None:
    assert CHAT.read_request(DOCUMENT, context(), Call()).parallel_tool_calls is False
    own = context("openai")
    assert (
        CHAT.write_request(CHAT.read_request(DOCUMENT, own, Call()), Target(protocol="openai", model="m"), own) == DOCUMENT
    )


def test_the_stream_has_a_function_call() -> None:
    chunks = streamed(context(), START + CALL + END)
    calls = [c.delta.function_call for chunk in chunks for c in chunk.choices if c.delta.function_call]
    assert "".join(call.name or "" for call in calls) == "look"
    assert json.loads("".join(call.arguments or "" for call in calls)) == {"a": 1}
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["function_call"]
    assert not any(c.delta.tool_calls for chunk in chunks for c in chunk.choices)


def test_a_call_without_arguments_has_none() -> None:
    chunks = streamed(context(), [*START, CALL[0], *END])
    assert [c.delta.function_call.arguments for chunk in chunks for c in chunk.choices if c.delta.function_call] == [
        "",
        "{}",
    ]


@pytest.mark.parametrize("words", ["finish_reason", '"finish_reason":"tool_calls"'])
def test_only_the_reason_is_another_word(words: str) -> None:
    chunks = streamed(context(), [*START, ("text", words), *CALL, *END])
    assert "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices) == words


def test_a_second_call_is_noted() -> None:
    shared = context()
    second = [("tool_start", 1, "call_2", "look"), ("tool_arguments", 1, "{}"), ("tool_end", 1)]
    chunks = streamed(shared, START + CALL + second + END)
    assert len([c for chunk in chunks for c in chunk.choices if c.delta.function_call and c.delta.function_call.name]) == 1
    assert len(shared.notes) == 1


def test_a_whole_answer_has_a_function_call() -> None:
    shared = context()
    calls = [ToolCall("call_1", "look", '{"a":1}'), ToolCall("call_2", "look", "{}")]
    answer = ChatCompletion(**CHAT.write_answer(Answer(parts=[Text("x"), *calls], finish="tool_calls"), shared))
    (choice,) = answer.choices
    assert choice.message.function_call is not None
    assert (choice.message.function_call.name, choice.message.function_call.arguments) == ("look", '{"a":1}')
    assert (choice.finish_reason, choice.message.tool_calls) == ("function_call", None)
    assert len(shared.notes) == 1


def test_one_call_needs_no_note() -> None:
    shared = context()
    cut = CHAT.write_answer(Answer(parts=[ToolCall("call_1", "look", "{}")], finish="length"), shared)
    assert (cut["choices"][0]["message"]["function_call"]["name"], cut["choices"][0]["finish_reason"]) == ("look", "length")
    assert shared.notes == []


def test_other_answers_are_as_ever() -> None:
    assert CHAT.write_answer(Answer(parts=[Text("x")]), context())["choices"][0]["finish_reason"] == "stop"
    modern = Context(client="openai", upstream="other")
    document = CHAT.write_answer(Answer(parts=[ToolCall("c", "look", "{}")], finish="tool_calls"), modern)
    assert document["choices"][0]["finish_reason"] == "tool_calls"

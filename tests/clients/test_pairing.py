"""Pairs are found in each protocol's own terms, and what no provider would take is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.pairing import pairs

ARGUMENTS = {"path": "a"}
TEXT = json.dumps(ARGUMENTS)


def openai(answers: str, arguments: str = TEXT) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": arguments}}
    result = {"role": "tool", "tool_call_id": answers, "content": "words"}
    return {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [call]}, result]}


def responses(answers: str, arguments: str = TEXT) -> dict[str, Any]:
    call = {"type": "function_call", "call_id": "c1", "name": "read", "arguments": arguments}
    return {"input": [{"role": "user"}, call, {"type": "function_call_output", "call_id": answers, "output": "words"}]}


def claude(answers: str, *before: dict[str, Any]) -> dict[str, Any]:
    call = {"type": "tool_use", "id": "c1", "name": "read", "input": ARGUMENTS}
    result = {"type": "tool_result", "tool_use_id": answers, "content": [{"type": "text", "text": "words"}]}
    return {"messages": [{"role": "assistant", "content": [call]}, {"role": "user", "content": [*before, result]}]}


def gemini(answers: str, name: str = "read") -> dict[str, Any]:
    call = {"functionCall": {"id": "c1", "name": "read", "args": ARGUMENTS}}
    result = {"functionResponse": {"id": answers, "name": name, "response": {"output": "words"}}}
    return {"contents": [{"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]}


def ollama(name: str, arguments: Any = ARGUMENTS) -> dict[str, Any]:
    call = {"function": {"name": "read", "arguments": arguments}}
    result = {"role": "tool", "tool_name": name, "content": "words"}
    return {"messages": [{"role": "assistant", "content": "", "tool_calls": [call]}, result]}


@pytest.mark.parametrize(
    ("protocol", "document"),
    [
        ("openai", openai("c1")),
        ("responses", responses("c1")),
        ("claude", claude("c1")),
        ("gemini", gemini("c1")),
        ("ollama", ollama("read")),
    ],
)
def test_a_call_and_its_result(protocol: str, document: dict[str, Any]) -> None:
    [(name, result)] = pairs(protocol, document)
    assert name == "read"
    assert "words" in result


@pytest.mark.parametrize(
    ("protocol", "document"),
    [
        ("openai", openai("other")),
        ("openai", openai("c1", "[]")),
        ("openai", {"messages": openai("c1")["messages"][:-1]}),
        ("responses", responses("other")),
        ("responses", responses("c1", "7")),
        ("responses", {"input": responses("c1")["input"][:-1]}),
        ("claude", claude("other")),
        ("claude", claude("c1", {"type": "text", "text": "before"})),
        ("claude", {"messages": claude("c1")["messages"][:-1]}),
        ("gemini", gemini("other")),
        ("gemini", gemini("c1", "write")),
        ("gemini", {"contents": gemini("c1")["contents"][:-1]}),
        ("ollama", ollama("write")),
        ("ollama", ollama("read", TEXT)),
        ("ollama", {"messages": ollama("read")["messages"][:-1]}),
    ],
)
def test_what_does_not_belong_together(protocol: str, document: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        pairs(protocol, document)

"""Tools that stand in the input, which is how Codex gives all of them for its newer models."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ccproxy.convert import convert_request
from ccproxy.errors import RequestError
from ccproxy.model import Opaque, Request, Tool
from ccproxy.policy.rewrite import Rules, apply
from ccproxy.protocols.base import Call
from ccproxy.protocols.responses.requests_in import read_request
from tests.protocols.responses.judge import context
from tests.protocols.responses.test_requests_out import TARGET, again, write_request

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
EXEC = {"type": "custom", "name": "exec", "description": "Runs code", "format": {"type": "text"}}
WAIT = {"type": "function", "name": "wait", "description": "Waits", "strict": False, "parameters": SCHEMA}
SPACE = {"type": "namespace", "name": "functions", "description": "", "tools": [EXEC, WAIT]}
SEARCH = {"type": "web_search"}
ITEM = {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [SPACE, SEARCH]}
LATER = {"type": "additional_tools", "role": "developer", "tools": [{**WAIT, "name": "sleep"}]}
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
DOCUMENT: dict[str, Any] = {"model": "m", "input": [ITEM, USER, LATER], "tool_choice": "auto"}


def read(document: dict[str, Any], upstream: str) -> Request:
    return read_request(copy.deepcopy(document), context(upstream=upstream), Call())


@pytest.mark.parametrize(
    "document",
    [
        DOCUMENT,
        {**DOCUMENT, "tools": [WAIT, SEARCH]},
        {**DOCUMENT, "input": [{**ITEM, "tools": []}, USER]},
        {**DOCUMENT, "input": [LATER, {**ITEM, "tools": [SPACE]}, USER, LATER]},
    ],
)
def test_its_own_protocol_gets_them_where_they_stood(document: dict[str, Any]) -> None:
    assert again(document) == document


def test_they_are_the_requests_tools() -> None:
    names = [tool.name if isinstance(tool, Tool) else tool.raw for tool in read(DOCUMENT, "responses").tools]
    assert names == ["functions__exec", "functions__wait", SEARCH, "sleep"]


def test_calls_of_them_are_known() -> None:
    exchange = context(upstream="openai")
    read_request(copy.deepcopy(DOCUMENT), exchange, Call())
    assert exchange.tools["functions__exec"].kind == "custom"
    assert exchange.tools["functions__wait"].namespace == "functions"


@pytest.mark.parametrize("target", ["openai", "claude", "gemini", "ollama"])
def test_other_protocols_get_them_as_tools(target: str) -> None:
    converted = convert_request(DOCUMENT, source="responses", target=target, model="m")
    assert b"functions__exec" in converted.body
    assert b"sleep" in converted.body
    assert not any("additional_tools" in note or "place of a tool" in note for note in converted.notes)


def test_of_two_of_one_name_the_later_is_meant() -> None:
    """A client that repeats its history repeats the items."""
    newer = {**WAIT, "name": "sleep", "description": "Sleeps"}
    again = {**LATER, "tools": [newer]}
    request = read({**DOCUMENT, "input": [LATER, USER, again]}, "openai")
    [tool] = request.tools
    assert isinstance(tool, Tool)
    assert tool.description == "Sleeps"
    assert [message.role for message in request.messages] == ["user"]


def test_a_tool_filter_reaches_them() -> None:
    exchange = context(upstream="responses")
    request = read_request(copy.deepcopy(DOCUMENT), exchange, Call())
    assert apply(Rules(tool_filter=("functions__exec", "sleep")), request)
    document = write_request(request, TARGET, exchange)
    assert document["input"] == [{**ITEM, "tools": [{**SPACE, "tools": [WAIT]}, SEARCH]}, USER]
    assert "tools" not in document


def test_an_item_that_is_broken_is_told() -> None:
    for tools in ("none", [{"type": "function"}], [7]):
        with pytest.raises(RequestError) as raised:
            read({**DOCUMENT, "input": [{**ITEM, "tools": tools}]}, "openai")
        assert str(raised.value.param).startswith("input[0].tools")


def test_server_tools_among_them_are_left_out_elsewhere_with_a_note() -> None:
    request = read(DOCUMENT, "openai")
    assert [tool.raw for tool in request.tools if isinstance(tool, Opaque)] == [SEARCH]

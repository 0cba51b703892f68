"""A request without its tools."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import RequestError
from ccproxy.model import Context, Message, Opaque, Request, ResponseFormat, Text, Tool, ToolCall, ToolChoice, ToolResult
from ccproxy.policy import compat
from ccproxy.policy.compat.stage import Calls
from ccproxy.stream import Sink
from tests.policy.compat.cases import BASH, READ

MARK = {"type": "ephemeral"}


def asked(**more: Any) -> tuple[Request, Context]:
    request = Request(**{"origin": "x", "model": "m", "messages": [Message("user", [Text("go")])], "tools": [READ], **more})
    context = Context(client="x", upstream="y", compat=True)
    compat.apply(request, context)
    return request, context


def text_of(part: Any) -> str:
    assert isinstance(part, Text)
    return part.text


def test_the_tools_go_into_the_system_prompt() -> None:
    request, context = asked(tool_choice=ToolChoice("auto"), parallel_tool_calls=False)
    assert (request.tools, request.tool_choice, request.parallel_tool_calls) == ([], None, None)
    assert context.written_tools == [READ]
    [system] = request.system
    assert '<tool name="Read">' in text_of(system)
    assert "one tool at a time" in text_of(system)
    assert request.messages == [Message("user", [Text("go")])]


def test_at_the_end_of_the_system_prompt_with_its_cache_mark() -> None:
    request, _ = asked(system=[Text("a", cache=MARK)])
    assert [part.cache for part in request.system] == [MARK]
    request, _ = asked(system=[Text("a")])
    assert text_of(request.system[0]).startswith("a\n\n# Tools")
    request, _ = asked(tools=[READ, Tool("t", cache=MARK)])
    assert request.system[-1].cache == MARK


def test_behind_system_messages_that_lead() -> None:
    messages = [Message("system", [Text("a")]), Message("system", [Text("b")]), Message("user", [Text("c")])]
    request, _ = asked(messages=messages)
    assert request.system == []
    assert [text_of(message.parts[0])[:10] for message in request.messages] == ["a", "b\n\n# Tools", "c"]


def test_the_prompt_is_the_same_in_each_turn() -> None:
    first, _ = asked()
    more = [Message("user", [Text("go")]), Message("assistant", [Text("ok")]), Message("user", [Text("on")])]
    second, _ = asked(messages=more, tool_choice=ToolChoice("required"))
    assert first.system == second.system
    assert text_of(second.messages[-1].parts[-1]) == "on\n\nYou must call a tool in this answer."


def test_no_tool_may_be_called() -> None:
    request, context = asked(tool_choice=ToolChoice("none"))
    assert (request.system, request.tools, compat.stages(context)) == ([], [], [])


def test_without_tools_the_history_is_still_text() -> None:
    turns = [Message("assistant", [ToolCall("1", "Read", {})]), Message("tool", [ToolResult("1", "Read", [Text("x")])])]
    request, context = asked(tools=[], messages=turns)
    assert [message.role for message in request.messages] == ["assistant", "user"]
    assert compat.stages(context) == []


def test_a_call_without_result_gets_one() -> None:
    request, _ = asked(messages=[Message("assistant", [ToolCall("1", "Read", {})]), Message("user", [Text("so?")])])
    assert "interrupted" in text_of(request.messages[1].parts[0])


def test_results_stand_in_the_order_of_their_calls() -> None:
    calls = [ToolCall("1", "Read", {}), ToolCall("2", "Bash", {})]
    results = [ToolResult("2", "Bash", [Text("b")]), ToolResult("1", "", [Text("a")])]
    request, _ = asked(messages=[Message("assistant", [*calls]), Message("tool", [*results])], tools=[READ, BASH])
    assert text_of(request.messages[1].parts[0]).split('"')[1::2] == ["Read", "Bash"]


def test_server_tools_are_noted() -> None:
    request, context = asked(tools=[Opaque("x", {"type": "web_search"}), READ])
    assert (request.tools, context.written_tools) == ([], [READ])
    assert "server tools" in context.notes[0]


def test_several_answers_are_refused() -> None:
    with pytest.raises(RequestError, match="one answer") as refused:
        asked(choices=2)
    assert refused.value.param == "n"


def test_the_choice_stands_somewhere_even_without_a_user() -> None:
    request, _ = asked(messages=[], tool_choice=ToolChoice("tool", "Read"))
    assert request.messages == [Message("user", [Text("You must call the tool Read in this answer.")])]


@pytest.mark.parametrize(
    ("format", "read"), [(None, True), (ResponseFormat("text"), True), (ResponseFormat("json"), False)]
)
def test_the_stage_for_the_answer(format: Any, read: bool) -> None:
    _, context = asked(format=format)
    [make] = compat.stages(context)
    stage = make(Sink())
    assert isinstance(stage, Calls)
    assert stage._json == read

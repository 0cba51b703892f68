"""Settings of a request for a Claude upstream."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from pydantic import TypeAdapter

from ccproxy.errors import Unsupported
from ccproxy.model import (
    Context,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Sampling,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.claude import PROTOCOL
from ccproxy.protocols.claude.requests_in import read_request
from ccproxy.protocols.claude.requests_out import DEFAULT_MAX_TOKENS, NUDGE, write_request
from ccproxy.protocols.claude.terms import NAME
from tests.tools import known

OLD, ADAPTIVE, FIXED, THINKING, UNKNOWN = (
    "claude-sonnet-4-5",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-opus-5",
    "kimi-k3",
)


def foreign(**fields: Any) -> Request:
    base: dict[str, Any] = {"origin": "openai", "model": "m", "messages": [Message("user", [Text("Hi")])]}
    return Request(**{**base, **fields})


def wrote(request: Request, model: str = OLD, **target: Any) -> tuple[dict[str, Any], list[str]]:
    context = Context(client=request.origin, upstream=NAME)
    document = write_request(request, known(Target(protocol=NAME, model=model, **target)), context)
    if request.origin != NAME:
        TypeAdapter(MessageCreateParamsNonStreaming).validate_python({**document, "stream": False})
    return document, context.notes


def settings(model: str = OLD, **fields: Any) -> dict[str, Any]:
    """What stands in the document beside the least that there is."""
    document, _ = wrote(foreign(**fields), model)
    least = {"model", "messages", "max_tokens"}
    return {name: value for name, value in document.items() if name not in least}


def own(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **fields}


def test_the_least() -> None:
    context = Context(client="openai", upstream=NAME)
    target = Target(protocol=NAME, model="m")
    outgoing = write_request(foreign(), target, context)
    assert outgoing == {
        "model": "m",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }
    assert PROTOCOL.chat.path(target, True, "") == "/v1/messages"
    assert context.notes == []


def test_a_whole_request() -> None:
    request = foreign(
        system=[Text("S")],
        messages=[
            Message("system", [Text("T")]),
            Message("user", [Text("Hi")]),
            Message("assistant", [ToolCall("a", "f", "{}")]),
            Message("tool", [ToolResult("a", "f", [Text("r")])]),
            Message("system", [Text("U")]),
        ],
        tools=[Tool("f")],
        tool_choice=ToolChoice("required"),
        parallel_tool_calls=False,
        sampling=Sampling(temperature=1.7, max_tokens=50, stop=["x", " "]),
        user="u1",
        stream=True,
    )
    document, notes = wrote(request)
    assert document["system"] == [{"type": "text", "text": "S"}, {"type": "text", "text": "T"}]
    assert [message["role"] for message in document["messages"]] == ["user", "assistant", "user"]
    assert document["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    kept = ("temperature", "max_tokens", "stop_sequences", "metadata", "stream")
    assert [document[name] for name in kept] == [1, 50, ["x"], {"user_id": "u1"}, True]
    assert [note.split()[0] for note in notes] == ["temperature", "a"]


# ---------------------------------------------------------------------------------------------------------------------
# Thinking


@pytest.mark.parametrize(
    ("options", "model", "thinking", "effort"),
    [
        (None, OLD, None, None),
        (ReasoningOptions(), OLD, None, None),
        (ReasoningOptions(summary="auto"), OLD, None, None),
        (ReasoningOptions(True), OLD, {"type": "enabled", "budget_tokens": 8192}, None),
        (ReasoningOptions(effort="low"), OLD, {"type": "enabled", "budget_tokens": 1024}, None),
        (ReasoningOptions(effort="high"), OLD, {"type": "enabled", "budget_tokens": 24576}, None),
        (ReasoningOptions(effort="max"), UNKNOWN, {"type": "enabled", "budget_tokens": 31999}, None),
        (ReasoningOptions(budget=50), OLD, {"type": "enabled", "budget_tokens": 1024}, None),
        (ReasoningOptions(budget=-1), OLD, {"type": "enabled", "budget_tokens": 8192}, None),
        (ReasoningOptions(budget=99_999), OLD, {"type": "enabled", "budget_tokens": 16_000}, None),
        (ReasoningOptions(True, adaptive=True), OLD, {"type": "enabled", "budget_tokens": 8192}, None),
        (ReasoningOptions(True, adaptive=True), ADAPTIVE, {"type": "adaptive"}, None),
        (ReasoningOptions(effort="minimal"), ADAPTIVE, {"type": "adaptive"}, "low"),
        (ReasoningOptions(effort="xhigh"), FIXED, {"type": "adaptive"}, "high"),
        (ReasoningOptions(effort="max"), THINKING, {"type": "adaptive"}, "max"),
        (ReasoningOptions(budget=9_000), ADAPTIVE, {"type": "adaptive"}, "medium"),
        (ReasoningOptions(True, summary="detailed"), ADAPTIVE, {"type": "adaptive", "display": "summarized"}, None),
        (
            ReasoningOptions(effort="low", summary="none"),
            OLD,
            {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
            None,
        ),
        (ReasoningOptions(False), OLD, {"type": "disabled"}, None),
        (ReasoningOptions(effort="none"), UNKNOWN, {"type": "disabled"}, None),
        (ReasoningOptions(budget=0), THINKING, {"type": "disabled"}, None),
        (ReasoningOptions(False), FIXED, None, None),
    ],
)
def test_thinking_in_the_form_that_the_model_takes(options: Any, model: str, thinking: Any, effort: Any) -> None:
    document, _ = wrote(foreign(reasoning=options), model)
    assert document.get("thinking") == thinking
    assert document.get("output_config") == ({"effort": effort} if effort else None)


SIGNED, LOST = Reasoning("hm", signature="sig", origin=NAME), Reasoning("hm", origin="openai")
ASKED, CALLED = Message("user", [Text("Hi")]), ToolCall("1", "f", "{}")
ANSWERED = Message("tool", [ToolResult("1", "f", [Text("ok")])])


def said(*parts: Part) -> Message:
    return Message("assistant", [*parts])


@pytest.mark.parametrize(
    ("model", "messages", "thinks"),
    [
        (OLD, [ASKED, said(LOST, Text("a"), CALLED), ANSWERED], False),
        (OLD, [ASKED, said(CALLED), ANSWERED, Message("user", [Text("and")])], False),
        (OLD, [ASKED, said(CALLED), ANSWERED, said(SIGNED, CALLED), ANSWERED], False),
        (OLD, [ASKED, said(SIGNED, CALLED), ANSWERED], True),
        (OLD, [ASKED, said(Reasoning(redacted="x", origin=NAME), CALLED), ANSWERED], True),
        (OLD, [ASKED, said(SIGNED, CALLED), ANSWERED, said(CALLED), ANSWERED], True),
        (OLD, [ASKED, said(CALLED), ANSWERED, said(Text("a")), ASKED], True),
        (OLD, [ASKED, said(CALLED), ANSWERED, said(Text("a")), ASKED, said(SIGNED, CALLED), ANSWERED], True),
        (ADAPTIVE, [ASKED, said(CALLED), ANSWERED], True),
        (UNKNOWN, [ASKED, said(CALLED), ANSWERED], True),
    ],
)
def test_thinking_gives_way_where_a_tool_loop_began_without_its_thought(
    model: str, messages: list[Message], thinks: bool
) -> None:
    """Chat clients keep no signatures; with the thought left out, a budget for thinking makes the request a bad one."""
    request = foreign(messages=messages, reasoning=ReasoningOptions(effort="high"), sampling=Sampling(temperature=0.5))
    document, notes = wrote(request, model)
    assert ("thinking" in document, "temperature" in document) == (thinks, not thinks)
    assert any("began without" in note for note in notes) is not thinks


def test_thinking_needs_room() -> None:
    request = foreign(reasoning=ReasoningOptions(effort="high"), sampling=Sampling(max_tokens=1024))
    document, notes = wrote(request)
    assert "thinking" not in document
    assert "no room" in notes[0]
    request.sampling.max_tokens = 1500
    assert wrote(request)[0]["thinking"]["budget_tokens"] == 1024


@pytest.mark.parametrize(
    ("sampling", "reasoning", "model", "kept"),
    [
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 3}, None, OLD, {"temperature": 0.5, "top_k": 3}),
        ({"top_p": 0.9}, None, OLD, {"top_p": 0.9}),
        ({"top_p": 1.5, "top_k": 0}, None, OLD, {"top_p": 1}),
        ({"temperature": 2}, None, UNKNOWN, {"temperature": 1}),
        ({"temperature": -1}, None, OLD, {"temperature": 0}),
        ({"temperature": 0.5, "top_k": 3}, "low", OLD, {}),
        ({"temperature": 1, "top_p": 0.5}, "low", OLD, {"temperature": 1}),
        ({"temperature": 0.5}, "none", OLD, {"temperature": 0.5}),
        ({"temperature": 0.5, "top_p": 0.5}, None, FIXED, {}),
        ({"seed": 1, "min_p": 0.1, "frequency_penalty": 1, "presence_penalty": 1, "repeat_penalty": 1}, None, OLD, {}),
    ],
)
def test_sampling(sampling: dict[str, Any], reasoning: Any, model: str, kept: dict[str, Any]) -> None:
    options = ReasoningOptions(effort=reasoning) if reasoning else None
    document, notes = wrote(foreign(sampling=Sampling(**sampling), reasoning=options), model)
    found = {name: document[name] for name in ("temperature", "top_p", "top_k") if name in document}
    assert found == kept
    changed = sampling != kept
    assert changed == bool(notes)


@pytest.mark.parametrize(
    ("said", "defaults", "found"),
    [
        ({}, {"max_tokens": 500, "temperature": 0.2}, {"max_tokens": 500, "temperature": 0.2}),
        (
            {"max_tokens": 9, "temperature": 0.5},
            {"max_tokens": 500, "temperature": 0.2},
            {"max_tokens": 9, "temperature": 0.5},
        ),
        ({"top_p": 0.5}, {"temperature": 0.2, "stop": ["x"]}, {"top_p": 0.5, "stop_sequences": ["x"]}),
        ({}, {"unknown": 5}, {}),
    ],
)
@pytest.mark.parametrize("origin", ["openai", NAME])
def test_a_providers_defaults_where_the_client_is_silent(said: Any, defaults: Any, found: Any, origin: str) -> None:
    document, _ = wrote(foreign(origin=origin, sampling=Sampling(**said)), defaults=defaults)
    names = ("max_tokens", "temperature", "top_p", "stop_sequences")
    assert {name: document[name] for name in names if name in document} == {"max_tokens": DEFAULT_MAX_TOKENS, **found}


def test_the_temperature_that_a_policy_changed() -> None:
    """Of a request in this protocol, only that is bent which would make it a bad one."""
    for thinking, temperature, written in (
        (None, 1.4, 1),
        (None, 0.3, 0.3),
        ("enabled", 0.7, None),
        ("enabled", 1.0, 1.0),
        ("disabled", 0.7, 0.7),
    ):
        context = Context(client=NAME, upstream=NAME)
        extra = {"thinking": {"type": thinking, "budget_tokens": 2000}} if thinking else {}
        request = read_request(own(**extra), context, Call())
        request.sampling.temperature = temperature
        document = write_request(request, known(Target(protocol=NAME, model=OLD)), context)
        assert document.get("temperature") == written


# ---------------------------------------------------------------------------------------------------------------------
# Tools and formats


WIRE = "f_1_78018998"


@pytest.mark.parametrize(
    ("choice", "parallel", "reasoning", "written", "notes"),
    [
        (None, None, None, None, 0),
        (None, True, None, None, 0),
        (None, False, None, {"type": "auto", "disable_parallel_tool_use": True}, 0),
        (ToolChoice("auto"), True, None, {"type": "auto"}, 0),
        (ToolChoice("none"), False, None, {"type": "none"}, 0),
        (ToolChoice("required"), None, None, {"type": "any"}, 0),
        (ToolChoice("tool", "f.1"), None, None, {"type": "tool", "name": WIRE}, 0),
        (ToolChoice("tool", "gone"), None, None, {"type": "auto"}, 1),
        (ToolChoice("required"), False, "low", {"type": "auto", "disable_parallel_tool_use": True}, 1),
        (ToolChoice("tool", "f.1"), None, "low", {"type": "auto"}, 1),
        (ToolChoice("auto"), None, "low", {"type": "auto"}, 0),
        (ToolChoice("tool", "f.1"), None, "none", {"type": "tool", "name": WIRE}, 0),
    ],
)
def test_tool_choice(choice: Any, parallel: Any, reasoning: Any, written: Any, notes: int) -> None:
    options = ReasoningOptions(effort=reasoning) if reasoning else None
    request = foreign(tools=[Tool("f.1"), Tool("g")], tool_choice=choice, parallel_tool_calls=parallel, reasoning=options)
    document, noted = wrote(request)
    assert document["tools"][0]["name"] == WIRE
    assert document.get("tool_choice") == written
    assert len(noted) == notes


def test_no_tool_choice_without_tools() -> None:
    assert settings(tool_choice=ToolChoice("auto"), parallel_tool_calls=False) == {}


def test_allowed_tools_are_the_only_ones_sent() -> None:
    server = Opaque(NAME, {"type": "web_search_20250305", "name": "web_search"})
    tools = [Tool("f"), Tool("g"), server]
    document, _ = wrote(foreign(tools=tools, tool_choice=ToolChoice("required", allowed=["g"])))
    assert [tool["name"] for tool in document["tools"]] == ["g", "web_search"]


def test_a_policy_that_takes_tools_away_takes_the_choice_along() -> None:
    context = Context(client=NAME, upstream=NAME)
    for left, written in (([], None), ([Tool("g")], {"type": "auto"})):
        tools = [{"name": "f"}, {"name": "g"}]
        request = read_request(own(tools=tools, tool_choice={"type": "tool", "name": "f"}), context, Call())
        request.tools = list(left)
        document = write_request(request, known(Target(protocol=NAME, model=OLD)), context)
        assert document.get("tool_choice") == written


SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}},
        "type": {"anyOf": [{"type": "object"}, {"type": "null"}]},
    },
    "$defs": {"D": {"type": "object"}},
}


def test_a_json_schema_is_closed_and_cut_to_what_is_taken() -> None:
    found = settings(format=ResponseFormat("json_schema", SCHEMA, "name", strict=True))["output_config"]["format"]
    assert found["type"] == "json_schema"
    schema = found["schema"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"]["items"] == {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert schema["properties"]["type"]["anyOf"][0]["additionalProperties"] is False
    assert "minimum" in SCHEMA["properties"]["a"]["items"]["properties"]["n"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("format", "model", "words"),
    [
        (ResponseFormat("json"), OLD, "one JSON object"),
        (ResponseFormat("json_schema", {"type": "object"}), "claude-3-7-sonnet-20250219", '{"type":"object"}'),
    ],
)
def test_a_format_that_the_model_has_not_is_an_instruction(format: ResponseFormat, model: str, words: str) -> None:
    document, notes = wrote(foreign(format=format, system=[Text("S")]), model)
    assert document["system"][0]["text"] == "S"
    assert words in document["system"][1]["text"]
    assert len(notes) == 1
    assert settings(format=ResponseFormat("text")) == {}


# ---------------------------------------------------------------------------------------------------------------------
# Turns at both ends


@pytest.mark.parametrize("messages", [[], [Message("system", [Text("S")])], [Message("user", [Text("")])]])
def test_a_conversation_without_a_user(messages: list[Message]) -> None:
    document, notes = wrote(foreign(messages=messages))
    assert document["messages"] == [{"role": "user", "content": NUDGE}]
    assert len(notes) == 1


def test_a_conversation_that_the_assistant_begins_or_ends() -> None:
    messages = [Message("assistant", [Text("One: \n")])]
    assert wrote(foreign(messages=messages))[0]["messages"] == [
        {"role": "user", "content": NUDGE},
        {"role": "assistant", "content": [{"type": "text", "text": "One:"}]},
    ]
    messages = [Message("user", [Text("Count")]), Message("assistant", [Text("One: ")])]
    assert [turn["role"] for turn in wrote(foreign(messages=messages), ADAPTIVE)[0]["messages"]] == [
        "user",
        "assistant",
        "user",
    ]


@pytest.mark.parametrize(("fields", "param"), [({"choices": 2}, "n"), ({"previous_id": "resp_1"}, "previous_response_id")])
def test_what_would_change_the_answer_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as raised:
        wrote(foreign(**fields))
    assert raised.value.param == param


def test_what_has_no_place_is_noted() -> None:
    document, notes = wrote(foreign(choices=1, logprobs=3, metadata={"a": "b"}))
    assert sorted(document) == ["max_tokens", "messages", "model"]
    assert [note.split()[0] for note in notes] == ["logprobs", "metadata"]

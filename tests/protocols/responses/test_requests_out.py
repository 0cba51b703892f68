from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ccproxy.errors import Unsupported
from ccproxy.model import (
    Context,
    Extras,
    Message,
    Opaque,
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
from ccproxy.protocols.responses.requests_in import read_request
from ccproxy.protocols.responses.requests_out import write_request
from tests.protocols.responses.judge import context, own_recordings
from tests.protocols.responses.test_requests_in import DOCUMENTS
from tests.tools import recorded

TARGET = Target(protocol="responses", model="up")


def again(document: dict[str, Any], target: Target = TARGET) -> dict[str, Any]:
    """What a request of our own client is, written for its own protocol."""
    exchange = context(upstream="responses")
    outgoing = write_request(read_request(copy.deepcopy(document), exchange, Call()), target, exchange)
    assert exchange.notes == []
    return outgoing


def write(of: Context | None = None, target: Target = TARGET, **more: Any) -> dict[str, Any]:
    """A request of another protocol."""
    usual: dict[str, Any] = {"origin": "claude", "model": "up", "messages": [Message("user", [Text("Hi")])]}
    return write_request(Request(**usual | more), target, of or context(upstream="responses"))


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_the_very_same_request(name: str) -> None:
    assert again(DOCUMENTS[name]) == DOCUMENTS[name]


@pytest.mark.parametrize("case", own_recordings("request"))
def test_recorded_requests(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "request"))
    assert again(document) == document


SPELLINGS: list[dict[str, Any]] = [
    {"input": ""},
    {"input": []},
    {"input": [{"role": "user", "content": "x"}], "instructions": ""},
    {"input": "x", "instructions": None},
    {"input": "x", "tools": [], "tool_choice": "none"},
    {"input": "x", "tool_choice": {"type": "custom", "name": "c"}},
    {"input": "x", "tool_choice": {"type": "function", "name": "f", "namespace": "ns"}},
    {"input": "x", "tool_choice": {"type": "file_search"}},
    {"input": "x", "text": {}},
    {"input": "x", "text": None},
    {"input": "x", "text": {"format": None}},
    {"input": "x", "text": {"format": {"type": "text"}}},
    {"input": "x", "text": {"format": {"type": "json_object", "more": 1}, "verbosity": None}},
    {"input": "x", "text": {"format": {"type": "json_schema", "name": "", "schema": None}}},
    {"input": "x", "text": {"format": {"type": "grammar", "definition": "x"}}},
    {"input": "x", "reasoning": {}},
    {"input": "x", "reasoning": {"effort": None, "summary": None}},
    {"input": "x", "reasoning": {"effort": "heroic"}},
    {"input": "x", "stream": True, "stream_options": {"include_obfuscation": False}},
    {"input": "x", "stream": False},
    {"input": "x", "stream": None, "user": "", "metadata": {}},
    {"prompt": {"id": "pmpt_1"}, "input": None},
    {"previous_response_id": "resp_1"},
]


@pytest.mark.parametrize("more", SPELLINGS, ids=[json.dumps(more)[:60] for more in SPELLINGS])
def test_spellings(more: dict[str, Any]) -> None:
    document = {"model": "m", **more}
    assert again(document) == document


def test_what_policies_change_in_our_own_request() -> None:
    exchange = context(upstream="responses")
    request = read_request(copy.deepcopy(DOCUMENTS["codex_turn"]), exchange, Call())
    request.model, request.stream = "other", False
    request.system.append(Text("Be kind."))
    request.tools = [tool for tool in request.tools if isinstance(tool, Tool) and tool.name != "mcp_docs__search"]
    request.sampling.temperature = 3.0
    document = write_request(request, TARGET, exchange)
    assert (document["model"], document["instructions"], document["temperature"]) == ("other", "Be kind.", 2)
    assert "stream" not in document
    names = [(tool["name"], [inner["name"] for inner in tool.get("tools", [])]) for tool in document["tools"]]
    assert names == [("shell", []), ("apply_patch", []), ("mcp_docs", ["fetch"])]
    assert document["tools"][2]["description"] == "The docs server"


def test_reasoning_that_an_encoder_of_ours_sealed() -> None:
    """F115: a foreign proof stays down; our own goes up as its item was."""
    items = [
        {"type": "reasoning", "id": "rs_ccproxy_1", "summary": [], "encrypted_content": "ccproxy.claude.sig"},
        {"type": "reasoning", "id": "rs_ccproxy_2", "summary": [], "encrypted_content": "ccproxy.responses.rs_9:gAAA"},
        {"role": "assistant", "content": "x"},
    ]
    exchange = context(upstream="responses")
    request = read_request({"model": "m", "input": items}, exchange, Call())
    assert write_request(request, TARGET, exchange)["input"] == [
        {"id": "rs_9", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        items[2],
    ]
    assert exchange.notes


def test_system_prompts_of_another_protocol() -> None:
    """Leading ones are the instructions, later ones keep their place (F251, F258)."""
    messages = [
        Message("system", [Text("Two.")]),
        Message("user", [Text("Hi")]),
        Message("system", [Text("Three.")]),
    ]
    document = write(system=[Text("One."), Text("")], messages=messages)
    assert document["instructions"] == "One.\n\nTwo."
    assert [item["role"] for item in document["input"]] == ["user", "developer"]


def test_a_system_prompt_alone() -> None:
    document = write(system=[Text("One.")], messages=[])
    assert "instructions" not in document
    assert document["input"][0]["role"] == "developer"


def test_a_history_is_settled() -> None:
    """F263."""
    messages = [Message("assistant", [ToolCall("c", "f", "{}")]), Message("tool", [ToolResult("x", "f", [Text("lost")])])]
    assert [item["type"] for item in write(messages=messages)["input"]] == [
        "function_call",
        "function_call_output",
        "message",
    ]


def test_tools_of_another_protocol() -> None:
    exchange = context(upstream="responses")
    tools = [
        Tool("my.tool", "Does", {"properties": {"a": {"type": "object"}}}),
        Tool("plain"),
        Tool("exact", parameters={"type": "object", "properties": {}}, strict=True),
        Tool("patch", kind="custom", grammar={"type": "text"}),
        Opaque("claude", {"type": "web_search_20250305"}),
    ]
    document = write(exchange, tools=tools, tool_choice=ToolChoice("tool", "my.tool"), parallel_tool_calls=False)
    first, plain, exact, custom = document["tools"]
    assert first["parameters"]["type"] == "object"
    assert first["parameters"]["properties"]["a"]["properties"] == {}
    assert [tool["strict"] for tool in (first, plain, exact)] == [False, False, True]
    assert plain == {
        "type": "function",
        "name": "plain",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    assert custom == {"type": "custom", "name": "patch", "format": {"type": "text"}}
    assert document["tool_choice"] == {"type": "function", "name": first["name"]}
    assert exchange.tool_names == {first["name"]: "my.tool"}
    assert document["parallel_tool_calls"] is False
    assert exchange.notes == ["the tool web_search_20250305 was left out: only the claude protocol knows it"]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("required"), "required"),
        (ToolChoice("none"), "none"),
        (ToolChoice("tool", "c"), {"type": "custom", "name": "c"}),
        (ToolChoice("tool", "web_search"), None),
        (
            ToolChoice("required", allowed=["f", "gone"]),
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_tool_choices(choice: ToolChoice, written: Any) -> None:
    """F282, F284."""
    tools = [Tool("f"), Tool("c", kind="custom")]
    assert write(tools=tools, tool_choice=choice).get("tool_choice") == written


def test_a_choice_without_tools_is_left_out() -> None:
    """F184."""
    document = write(tools=[], tool_choice=ToolChoice("auto"), parallel_tool_calls=True)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(document)


@pytest.mark.parametrize(
    ("sampling", "written"),
    [
        (Sampling(temperature=3.0, top_p=2.0, max_tokens=1), {"temperature": 2, "top_p": 1, "max_output_tokens": 16}),
        (Sampling(temperature=-1.0), {"temperature": 0}),
        (Sampling(temperature=0.3, max_tokens=64_000), {"temperature": 0.3, "max_output_tokens": 64_000}),
    ],
)
def test_sampling_is_clamped(sampling: Sampling, written: dict[str, Any]) -> None:
    document = write(sampling=sampling)
    assert {key: document[key] for key in written} == written


def test_defaults_stand_in_for_a_silent_client() -> None:
    target = Target(protocol="responses", model="up", defaults={"max_tokens": 500, "temperature": 1.0, "seed": 3})
    document = write(target=target, sampling=Sampling(temperature=0.2))
    assert (document["temperature"], document["max_output_tokens"]) == (0.2, 500)
    assert again({"model": "m", "input": "x", "temperature": None}, target)["temperature"] == 1.0
    assert "seed" not in document


def test_what_has_no_place_is_noted() -> None:
    exchange = context(upstream="responses")
    sampling = Sampling(top_k=1, min_p=0.1, seed=1, frequency_penalty=1, presence_penalty=1, repeat_penalty=1, stop=["x"])
    document = write(exchange, sampling=sampling, logprobs=2, metadata={"user_id": "u"}, user="u" * 65, choices=1)
    assert set(document) == {"model", "input"}
    assert len(exchange.notes) == 10


def test_several_choices_are_refused() -> None:
    with pytest.raises(Unsupported) as error:
        write(choices=2)
    assert error.value.param == "n"


def test_a_short_user_id() -> None:
    assert write(user="u-1")["safety_identifier"] == "u-1"


@pytest.mark.parametrize(
    ("options", "reasoning", "encrypted"),
    [
        (ReasoningOptions(effort="high"), {"effort": "high"}, True),
        (ReasoningOptions(enabled=True, budget=31_999), {"effort": "high", "summary": "auto"}, True),
        (ReasoningOptions(enabled=True), {"effort": "medium", "summary": "auto"}, True),
        (ReasoningOptions(adaptive=True), {"summary": "auto"}, True),
        (ReasoningOptions(adaptive=True, summary="omitted"), None, True),
        (ReasoningOptions(effort="low", summary="summarized"), {"effort": "low", "summary": "auto"}, True),
        (ReasoningOptions(enabled=False), {"effort": "none"}, False),
        (ReasoningOptions(), None, False),
        (None, None, False),
    ],
)
def test_reasoning(options: ReasoningOptions | None, reasoning: Any, encrypted: bool) -> None:
    document = write(reasoning=options)
    assert document.get("reasoning") == reasoning
    assert document.get("include") == (["reasoning.encrypted_content"] if encrypted else None)
    assert document.get("store") is (False if encrypted else None)


def test_a_client_that_wants_its_response_stored() -> None:
    assert write(reasoning=ReasoningOptions(effort="low"), store=True)["store"] is True


@pytest.mark.parametrize(
    ("format", "written"),
    [
        (ResponseFormat("text"), {"type": "text"}),
        (ResponseFormat("json"), {"type": "json_object"}),
        (
            ResponseFormat(
                "json_schema", {"type": "object"}, "my name", "d", strict=True, extras=Extras("openai", {"x": 1})
            ),
            {"type": "json_schema", "name": "my_name_", "description": "d", "strict": True},
        ),
        (ResponseFormat("json_schema", None), {"type": "json_schema", "name": "response"}),
    ],
)
def test_formats(format: ResponseFormat, written: dict[str, Any]) -> None:
    """F276."""
    found = write(format=format)["text"]["format"]
    schema = found.pop("schema", None)
    assert (schema is not None) == (format.kind == "json_schema")
    found["name"] = found["name"][:8] if "my" in found.get("name", "") else found.get("name")
    assert {key: value for key, value in found.items() if value is not None} == written


def test_a_stream_is_asked_for() -> None:
    assert write(stream=True)["stream"] is True
    assert "stream" not in write()
    assert write(system=[Text("a"), Opaque("claude", {})])["instructions"] == "a"


@pytest.mark.parametrize("more", [{"safety_identifier": "u"}, {"safety_identifier": "u", "user": "u"}, {"user": "u"}])
def test_the_end_user_is_called_as_before(more: dict[str, str]) -> None:
    document = again({"model": "m", "input": "x", **more})
    assert {key: document[key] for key in ("safety_identifier", "user") if key in document} == more


def test_what_was_brought_into_a_range_is_told() -> None:
    of = context(upstream="responses")
    assert write(of, sampling=Sampling(temperature=3, max_tokens=5))["max_output_tokens"] == 16
    assert of.notes == [
        "temperature 3 was brought into the range of the responses protocol",
        "max_output_tokens 5 was brought into the range of the responses protocol",
    ]

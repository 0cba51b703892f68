"""Requests of other protocols' clients, as this protocol's upstreams are asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy.errors import Unsupported
from ccproxy.model import (
    Audio,
    Document,
    Extras,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    ResponseFormat,
    Sampling,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Traits,
)
from ccproxy.protocols.openai.requests import write_request
from ccproxy.protocols.openai.terms import NAME
from ccproxy.turns import INTERRUPTED
from tests.protocols.openai.judge import context

ELSEWHERE = "elsewhere"
USER = Message("user", [Text("Hi")])
CALLED = Message("assistant", [ToolCall("c", "f", {"b": 1, "a": 2})])
ANSWERED = Message("tool", [ToolResult("c", "f", [Text("r")])])
WIRE_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"b":1,"a":2}'}}


def written(request: Request, abilities: tuple[str, ...] = (), **target: Any) -> tuple[dict[str, Any], list[str]]:
    """The upstream's document and the notes."""
    own = context(client=ELSEWHERE)
    wanted = Target(protocol=NAME, model="m", abilities=frozenset(abilities), **target)
    return write_request(request, wanted, own), own.notes


def asking(*messages: Message, **fields: Any) -> Request:
    return Request(origin=ELSEWHERE, model="m", messages=list(messages) or [USER], **fields)


def messages_of(*messages: Message, takes: tuple[str, ...] = (), thoughts: str = "", **fields: Any) -> list[Any]:
    traits = Traits(takes=frozenset(takes), thoughts=thoughts)
    document, _ = written(asking(*messages, **fields), traits=traits)
    json.dumps(document)
    found: list[Any] = document["messages"]
    return found


def options_of(**fields: Any) -> dict[str, Any]:
    """The document without model and messages."""
    document, _ = written(asking(**fields))
    return {key: value for key, value in document.items() if key not in ("model", "messages")}


# ---------------------------------------------------------------------------------------------------------------------
# Messages


def test_system_words_stand_first_as_one_text_and_later_ones_in_place() -> None:
    later = Message("system", [Text("later")])
    found = messages_of(Message("system", [Text("two")]), USER, later, USER, system=[Text("one", cache={"a": 1}), Text("")])
    assert found == [
        {"role": "system", "content": "one\n\ntwo"},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "later"},
        {"role": "user", "content": "Hi"},
    ]


def test_cache_marks_where_the_vendor_knows_them() -> None:
    found = messages_of(system=[Text("one", cache={"type": "ephemeral"}), Text("two")], takes=("cache_control",))
    marked = {"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}}
    assert found[0] == {"role": "system", "content": [marked, {"type": "text", "text": "two"}]}


def test_user_parts() -> None:
    parts: list[Part] = [
        Text("a", extras=Extras(ELSEWHERE, {"x": 1})),
        Text(""),
        Image(mime="image/png", data="aaaa", detail="low", extras=Extras(ELSEWHERE, {"x": 1})),
        Image(url="https://a.test/i"),
        Audio(mime="audio/mpeg", data="aaaa"),
        Document(mime="application/pdf", data="aaaa", name="f.pdf"),
        Document(mime="application/pdf", data="aaaa"),
        Document(text="words", name="notes"),
    ]
    assert messages_of(Message("user", parts))[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://a.test/i"}},
        {"type": "input_audio", "input_audio": {"data": "aaaa", "format": "mp3"}},
        {"type": "file", "file": {"filename": "f.pdf", "file_data": "data:application/pdf;base64,aaaa"}},
        {"type": "file", "file": {"filename": "document", "file_data": "data:application/pdf;base64,aaaa"}},
        {"type": "text", "text": "notes\n\nwords"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        Image(file_id="x"),
        Audio(url="https://a.test/a"),
        Document(url="https://a.test/d"),
        Document(file_id="x"),
        Document(mime="video/mp4", data="aaaa"),
    ],
)
def test_media_without_a_place_is_named(part: Part) -> None:
    document, notes = written(asking(Message("user", [part])))
    assert "left out" in document["messages"][0]["content"]
    assert "left out" in notes[0]


def test_assistant_messages() -> None:
    parts: list[Part] = [
        Reasoning("hm", signature="s", origin=ELSEWHERE),
        Text("a"),
        Opaque(ELSEWHERE, {}),
        Text("b"),
        *CALLED.parts,
    ]
    document, notes = written(asking(USER, Message("assistant", parts), ANSWERED))
    assert document["messages"][1] == {"role": "assistant", "content": "ab", "tool_calls": [WIRE_CALL]}
    assert any("thoughts" in note for note in notes)
    assert any(ELSEWHERE in note for note in notes)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (CALLED.parts, {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]}),
        ([Refusal("no")], {"role": "assistant", "content": None, "refusal": "no"}),
        (
            [Image(url="https://a.test/i")],
            {"role": "assistant", "content": "[image left out: the openai protocol has no place for it here]"},
        ),
    ],
)
def test_assistant_content(parts: list[Part], expected: Any) -> None:
    assert messages_of(USER, Message("assistant", parts), *([ANSWERED] if parts is CALLED.parts else []))[1] == expected


def test_empty_messages_are_not_sent() -> None:
    thoughts = Message("assistant", [Reasoning("hm", origin=ELSEWHERE)])
    assert len(messages_of(USER, thoughts, Message("user", [Text("")]), thoughts="reasoning_content")) == 1


def test_thoughts_where_the_vendor_wants_them() -> None:
    parts: list[Part] = [Reasoning("h", origin=ELSEWHERE), Reasoning("m"), *CALLED.parts]
    found = messages_of(USER, Message("assistant", parts), ANSWERED, thoughts="reasoning_content")
    assert found[1]["reasoning_content"] == "hm"


@pytest.mark.parametrize(
    ("thought", "details"),
    [
        (
            Reasoning("hm", signature='{"type":"reasoning.text","signature":"s","index":0}', origin=NAME),
            [{"type": "reasoning.text", "signature": "s", "index": 0, "text": "hm"}],
        ),
        (
            Reasoning("hm", signature='{"type":"reasoning.encrypted","data":"d","format":"x"}', origin=NAME),
            [
                {"type": "reasoning.summary", "summary": "hm", "format": "x"},
                {"type": "reasoning.encrypted", "data": "d", "format": "x"},
            ],
        ),
        (
            Reasoning(redacted='{"type":"reasoning.encrypted","data":"d"}', origin=NAME),
            [{"type": "reasoning.encrypted", "data": "d"}],
        ),
        (Reasoning("hm", signature='{"type":"reasoning.text","signature":"s"}', origin=ELSEWHERE), None),
        (Reasoning("hm", signature="no json", origin=NAME), None),
    ],
)
def test_its_own_thoughts_go_back_as_they_came(thought: Reasoning, details: Any) -> None:
    assert messages_of(USER, Message("assistant", [thought, Text("a")]))[1].get("reasoning_details") == details


def test_its_own_signature_goes_back_on_its_call() -> None:
    extra = {"google": {"thought_signature": "s"}}
    signature = Reasoning(signature=json.dumps({"extra_content": extra}, separators=(",", ":")), origin=NAME)
    found = messages_of(USER, Message("assistant", [signature, *CALLED.parts]), ANSWERED)
    assert found[1]["tool_calls"] == [{**WIRE_CALL, "extra_content": extra}]
    assert "reasoning_details" not in found[1]


def test_results_are_settled_and_pictures_follow_them_all() -> None:
    calls = Message("assistant", [ToolCall("c", "f", ""), ToolCall("d", "g", "{}"), ToolCall("e", "h", "{}")])
    png = Image(mime="image/png", data="aaaa")
    results = Message("tool", [ToolResult("d", "g", [Text("x"), Text("y")], is_error=True), ToolResult("c", "", [png])])
    assert messages_of(USER, calls, results, USER)[1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "d", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                {"id": "e", "type": "function", "function": {"name": "h", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "content": "[shown in the next message]", "tool_call_id": "c"},
        {"role": "tool", "content": "x\ny", "tool_call_id": "d"},
        {"role": "tool", "content": INTERRUPTED, "tool_call_id": "e"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "From the result of f:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}},
            ],
        },
        {"role": "user", "content": "Hi"},
    ]


def test_the_error_mark_of_a_result_is_noted() -> None:
    failed = Message("tool", [ToolResult("c", "f", [Text("no such file")], is_error=True)])
    document, notes = written(asking(USER, CALLED, failed))
    assert document["messages"][-1]["content"] == "no such file"
    assert [note.split(" has ")[0] for note in notes] == ["the error mark of a tool result"]


def test_an_empty_result_has_content() -> None:
    assert messages_of(USER, CALLED, Message("tool", [ToolResult("c", "f", [])]))[2]["content"] == ""


def test_names_and_ids_are_made_legal_everywhere() -> None:
    long = "call/" + "x" * 60
    own = context(client=ELSEWHERE)
    request = asking(
        USER,
        Message("assistant", [ToolCall(long, "a.b", "{}")]),
        Message("tool", [ToolResult(long, "a.b", [Text("r")])]),
        tools=[Tool("a.b"), Tool("n" * 80)],
        tool_choice=ToolChoice("tool", "a.b"),
    )
    document = write_request(request, Target(protocol=NAME, model="m"), own)
    name = document["tools"][0]["function"]["name"]
    call = document["messages"][1]["tool_calls"][0]
    assert call["function"]["name"] == name == document["tool_choice"]["function"]["name"]
    assert own.tool_names[name] == "a.b"
    assert len(document["tools"][1]["function"]["name"]) == 64
    assert call["id"] == document["messages"][2]["tool_call_id"]
    assert len(call["id"]) == 40
    assert own.tool_ids[call["id"]] == long


# ---------------------------------------------------------------------------------------------------------------------
# Tools


def test_tools() -> None:
    tools: list[Tool | Opaque] = [
        Tool("f", "d", {"type": "object"}, strict=True, cache={"type": "ephemeral"}),
        Tool("g"),
        Opaque(ELSEWHERE, {"type": "web_search"}),
    ]
    document, notes = written(asking(tools=tools, parallel_tool_calls=False))
    empty = {"type": "object", "properties": {}}
    assert document["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": empty, "strict": True}},
        {"type": "function", "function": {"name": "g", "parameters": empty}},
    ]
    assert document["parallel_tool_calls"] is False
    assert any("web_search" in note for note in notes)


@pytest.mark.parametrize("native", [True, False])
def test_custom_tools(native: bool) -> None:
    """As functions with one text, where the vendor is not known to have them."""
    request = asking(
        USER,
        Message("assistant", [ToolCall("c", "p", "*** Begin", kind="custom")]),
        Message("tool", [ToolResult("c", "p", [Text("r")], kind="custom")]),
        tools=[Tool("p", "d", kind="custom", grammar={"type": "text"})],
        tool_choice=ToolChoice("tool", "p"),
    )
    document, _ = written(request, traits=Traits(takes=frozenset({"custom_tools"} if native else ())))
    tool, call, choice = document["tools"][0], document["messages"][1]["tool_calls"][0], document["tool_choice"]
    if native:
        assert tool == {"type": "custom", "custom": {"name": "p", "description": "d", "format": {"type": "text"}}}
        assert call == {"id": "c", "type": "custom", "custom": {"name": "p", "input": "*** Begin"}}
        assert choice == {"type": "custom", "custom": {"name": "p"}}
    else:
        assert tool["function"]["parameters"]["required"] == ["input"]
        assert call["function"] == {"name": "p", "arguments": '{"input":"*** Begin"}'}
        assert choice == {"type": "function", "function": {"name": "p"}}


@pytest.mark.parametrize(
    ("choice", "expected", "names"),
    [
        (ToolChoice("auto"), "auto", ["f", "g"]),
        (ToolChoice("none"), "none", ["f", "g"]),
        (ToolChoice("required", extras=Extras(ELSEWHERE, shape="any")), "required", ["f", "g"]),
        (ToolChoice("tool", "f"), {"type": "function", "function": {"name": "f"}}, ["f", "g"]),
        (ToolChoice("required", allowed=["g"]), "required", ["g"]),
        (ToolChoice("tool", "web_search"), None, ["f", "g"]),
        (None, None, ["f", "g"]),
    ],
)
def test_the_choice_among_tools(choice: ToolChoice | None, expected: Any, names: list[str]) -> None:
    options = options_of(tools=[Tool("f"), Tool("g")], tool_choice=choice)
    assert options.get("tool_choice") == expected
    assert [tool["function"]["name"] for tool in options["tools"]] == names


def test_no_tools_no_choice() -> None:
    assert options_of(tools=[Opaque(ELSEWHERE, {})], tool_choice=ToolChoice("required"), parallel_tool_calls=True) == {}


# ---------------------------------------------------------------------------------------------------------------------
# Options


def test_nothing_is_invented() -> None:
    assert options_of() == {}
    assert options_of(stream=True) == {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (
            Sampling(temperature=0.0, top_p=1.0, seed=3, max_tokens=9),
            {"temperature": 0.0, "top_p": 1.0, "seed": 3, "max_tokens": 9},
        ),
        (
            Sampling(temperature=9.0, top_p=-1.0, frequency_penalty=-9.0),
            {"temperature": 2.0, "top_p": 0.0, "frequency_penalty": -2.0},
        ),
        (Sampling(stop=["a"]), {"stop": ["a"]}),
        (Sampling(stop=list("abcde")), {"stop": list("abcd")}),
        (Sampling(top_k=1, min_p=0.1, repeat_penalty=1.1), {}),
    ],
)
def test_sampling(sampling: Sampling, expected: dict[str, Any]) -> None:
    assert options_of(sampling=sampling) == expected


def test_what_only_vendors_take() -> None:
    request = asking(sampling=Sampling(top_k=1, min_p=0.1, repeat_penalty=1.1))
    traits = Traits(takes=frozenset({"min_p"}))
    document, notes = written(request, traits=traits, defaults={"top_k": 40, "temperature": 0.5})
    assert (document["top_k"], document["min_p"], document["temperature"]) == (1, 0.1, 0.5)
    assert "repetition_penalty" not in document
    assert any("repeat_penalty" in note for note in notes)


@pytest.mark.parametrize(
    ("options", "effort"),
    [
        (ReasoningOptions(effort="max"), "max"),
        (ReasoningOptions(enabled=True, budget=31_999), "high"),
        (ReasoningOptions(budget=1_024), "low"),
        (ReasoningOptions(effort="none"), "none"),
        (ReasoningOptions(enabled=False), None),
        (ReasoningOptions(enabled=True), "medium"),
        (ReasoningOptions(enabled=True, adaptive=True), None),
        (ReasoningOptions(enabled=True, budget=-1), None),
        (ReasoningOptions(adaptive=True), None),
        (None, None),
    ],
)
def test_reasoning(options: ReasoningOptions | None, effort: str | None) -> None:
    assert options_of(reasoning=options).get("reasoning_effort") == effort


def test_thinking_is_switched_off_where_the_model_is_known_to_think() -> None:
    document, _ = written(asking(reasoning=ReasoningOptions(enabled=False)), ("thinking",))
    assert document["reasoning_effort"] == "none"


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (ResponseFormat("text"), {"type": "text"}),
        (ResponseFormat("json"), {"type": "json_object"}),
        (
            ResponseFormat("json_schema", {"type": "object", "properties": {"z": {"type": "string"}}}, strict=True),
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": {"type": "object", "properties": {"z": {"type": "string"}}},
                    "strict": True,
                },
            },
        ),
        (ResponseFormat("json_schema", None, "a b"), {"type": "json_schema", "json_schema": {"name": "a_b_c8687a08"}}),
    ],
)
def test_formats(format: ResponseFormat, expected: Any) -> None:
    assert options_of(format=format) == {"response_format": expected}


def test_long_user_names_are_shortened() -> None:
    assert options_of(user="ann") == {"user": "ann"}
    assert len(options_of(user="u" * 150)["user"]) == 64


def test_what_has_no_place_is_noted() -> None:
    document, notes = written(asking(logprobs=0, metadata={"a": "b"}, store=True, choices=1))
    assert set(document) == {"model", "messages"}
    assert len(notes) == 3


@pytest.mark.parametrize("fields", [{"choices": 2}, {"previous_id": "resp_1"}])
def test_what_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        written(asking(**fields))

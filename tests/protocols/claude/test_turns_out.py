"""Turns and tools of other protocols as Claude's blocks."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from ccproxy.model import (
    Audio,
    Context,
    Document,
    Extras,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from ccproxy.protocols.claude.terms import NAME
from ccproxy.protocols.claude.turns_out import CACHE_MARKS, Writer

MARK = {"type": "ephemeral"}
LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def context() -> Context:
    return Context(client="openai", upstream=NAME)


def turns(*messages: tuple[str, list[Part]], own: bool = False) -> list[dict[str, Any]]:
    return noted(*messages, own=own)[0]


def noted(*messages: tuple[Any, list[Part]], own: bool = False) -> tuple[list[dict[str, Any]], list[str]]:
    made = context()
    writer = Writer(made, own)
    read = [Message(role, parts) for role, parts in messages]
    return (writer.messages(read) if own else writer.foreign_messages(read)), made.notes


def block(part: Part, role: str = "user") -> Any:
    """What becomes of one part beside a text."""
    turn = turns((role, [part, Text("+")]))[0]
    return turn["content"][0] if len(turn["content"]) == 2 else None


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_results_stand_right_behind_their_calls_and_first_in_their_turn() -> None:
    call_a, call_b = ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "")
    written = turns(
        ("user", [Text("Go")]),
        ("assistant", [Text("Both."), call_a, call_b]),
        ("user", [Text("And?")]),
        ("tool", [ToolResult("b", "", [Text("B")])]),
        ("tool", [ToolResult("a", "", [Text("A")], is_error=True)]),
        ("tool", [ToolResult("b", "", [Text("B2")])]),
        ("assistant", [Text("Done.")]),
    )
    assert written == [
        {"role": "user", "content": [text("Go")]},
        {
            "role": "assistant",
            "content": [
                text("Both."),
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "A", "is_error": True},
                {"type": "tool_result", "tool_use_id": "b", "content": "B2"},
                text("And?"),
            ],
        },
        {"role": "assistant", "content": [text("Done.")]},
    ]


def test_missing_and_orphaned_results() -> None:
    written = turns(
        ("user", [Text("Go")]),
        ("assistant", [ToolCall("a", "f", "{}")]),
        ("tool", [ToolResult("z", "old", [Text("Z")])]),
    )
    result, *rest = written[2]["content"]
    assert (result["tool_use_id"], result["is_error"]) == ("a", True)
    assert "no result" in result["content"]
    assert [one["type"] for one in rest] == ["text", "text"]


def test_later_system_messages_are_folded_and_turns_joined() -> None:
    written = turns(("user", [Text("a")]), ("system", [Text("b")]), ("user", [Text("c")]), ("assistant", [Text("d")]))
    assert [turn["role"] for turn in written] == ["user", "assistant"]
    assert written[0]["content"][1]["text"] == "<system>\nb\n</system>"


def test_empty_text_and_what_it_leaves_empty_is_left_out() -> None:
    assert turns(("user", [Text(" \n"), Text("", cache=MARK)]), ("assistant", [Text("x")])) == [
        {"role": "assistant", "content": [text("x")]}
    ]
    assert turns(("user", [Text("")]), own=True) == [{"role": "user", "content": [text("")]}]
    (result,) = turns(("assistant", [ToolCall("a", "f", {})]), ("tool", [ToolResult("a", "f", [Text("")])]))[1]["content"]
    assert result == {"type": "tool_result", "tool_use_id": "a"}


@pytest.mark.parametrize(
    ("arguments", "kind", "input"),
    [
        ('{"b":1,"a":{"n":123456789012345678901234}}', "function", {"b": 1, "a": {"n": 123456789012345678901234}}),
        ("", "function", {}),
        ("null", "function", {}),
        ('{"cut', "function", {"raw": '{"cut'}),
        ("[1]", "function", {"raw": "[1]"}),
        ({"x": 1}, "function", {"x": 1}),
        ("free text", "custom", {"input": "free text"}),
    ],
)
def test_inputs_are_objects(arguments: Any, kind: Any, input: dict[str, Any]) -> None:
    written = block(ToolCall("a", "f", arguments, kind=kind), "assistant")
    assert written["input"] == input
    assert list(written["input"]) == list(input)


def test_ids_and_names_of_the_apis_alphabet() -> None:
    made = context()
    writer = Writer(made, own=False)
    (tool,) = writer.tools([Tool("mcp.search/web")])
    written = writer.foreign_messages(
        [
            Message("assistant", [ToolCall("functions.f:0", "mcp.search/web", "{}")]),
            Message("tool", [ToolResult("functions.f:0", "", [])]),
        ]
    )
    call, result = written[0]["content"][0], written[1]["content"][0]
    assert call["name"] == tool["name"]
    assert call["id"] == result["tool_use_id"]
    assert all(LEGAL.fullmatch(name) for name in (call["id"], call["name"]))
    assert made.tool_names == {tool["name"]: "mcp.search/web"}


@pytest.mark.parametrize(
    ("thought", "written"),
    [
        (Reasoning("t", signature="S", origin=NAME), {"type": "thinking", "thinking": "t", "signature": "S"}),
        (Reasoning("", signature="S", origin=NAME), {"type": "thinking", "thinking": "", "signature": "S"}),
        (Reasoning(redacted="R", origin=NAME), {"type": "redacted_thinking", "data": "R"}),
        (Reasoning("t", signature="S", origin="gemini"), None),
        (Reasoning("t", origin=NAME), None),
        (Reasoning("t"), None),
        (Reasoning(redacted="R", origin="responses"), None),
    ],
)
def test_only_claudes_own_thoughts_go_up(thought: Reasoning, written: Any) -> None:
    assert block(thought, "assistant") == written


def test_what_is_left_out_is_noted() -> None:
    parts: list[Part] = [Reasoning("t"), Opaque("gemini", {}), Audio(data="x", mime="audio/mpeg"), Text("x")]
    written, notes = noted(("user", parts))
    assert [one["type"] for one in written[0]["content"]] == ["text", "text"]
    assert "audio left out" in written[0]["content"][0]["text"]
    assert len(notes) == 3
    assert any("gemini" in note for note in notes)


PLAIN = base64.b64encode("Grüße".encode()).decode()


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            Image(mime="image/png", data="iVBORw0KGgo="),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        ),
        (Image(data="/9j/"), {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}}),
        (
            Image(url="https://x.example/a", detail="low"),
            {"type": "image", "source": {"type": "url", "url": "https://x.example/a"}},
        ),
        (
            Document(mime="application/pdf", data="JVBERi0=", name="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                "title": "a.pdf",
            },
        ),
        (
            Document(mime="text/markdown", data=PLAIN),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}},
        ),
        (
            Document(text="words"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        ),
        (
            Document(url="https://x.example/a.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}},
        ),
    ],
)
def test_media_that_the_api_takes(part: Part, written: dict[str, Any]) -> None:
    assert block(part) == written


@pytest.mark.parametrize(
    ("part", "role"),
    [
        (Image(mime="image/tiff", data="xxxx"), "user"),
        (Image(file_id="file-1"), "user"),
        (Image(mime="image/png", data="x"), "assistant"),
        (Document(mime="video/mp4", data="xxxx"), "user"),
        (Document(mime="video/mp4", url="https://example.com/v"), "user"),
        (Document(mime="text/plain", data="no base64!"), "user"),
        (Document(mime="text/plain", data="/w=="), "user"),
        (Document(), "user"),
        (Audio(url="https://x.example/a.mp3"), "user"),
    ],
)
def test_media_that_it_does_not_take(part: Part, role: str) -> None:
    written = block(part, role)
    assert written["type"] == "text"
    assert "left out" in written["text"]


def test_media_in_results() -> None:
    parts: list[Part] = [Text("see"), Image(mime="image/png", data="iVBORw0KGgo=")]
    written = turns(("assistant", [ToolCall("a", "f", "{}")]), ("tool", [ToolResult("a", "f", parts)]))
    assert [one["type"] for one in written[1]["content"][0]["content"]] == ["text", "image"]


def test_refusals_are_text() -> None:
    assert block(Refusal("No."), "assistant") == text("No.")


def test_tools() -> None:
    made = context()
    written = Writer(made, own=False).tools(
        [
            Tool("f", "does f", {"type": "object", "properties": {"x": {"type": "integer"}}}, strict=True, cache=MARK),
            Tool("g", extras=Extras("openai", {"x": 1})),
            Tool("patch", kind="custom", grammar={"syntax": "lark"}),
            Tool("union", parameters={"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}]}),
            Opaque("responses", {"type": "web_search"}),
            Opaque(NAME, {"type": "web_search_20250305", "name": "web_search"}),
        ]
    )
    assert written[0] == {
        "name": "f",
        "description": "does f",
        "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}},
        "cache_control": MARK,
    }
    assert written[1] == {"name": "g", "input_schema": {"type": "object", "properties": {}}}
    assert written[2]["input_schema"]["required"] == ["input"]
    assert (written[3]["input_schema"]["type"], "anyOf" in written[3]["input_schema"]) == ("object", False)
    assert [tool["name"] for tool in written] == ["f", "g", "patch", "union", "web_search"]
    assert [word for word in ("strict", "grammar", "responses") if any(word in note for note in made.notes)] == [
        "strict",
        "grammar",
        "responses",
    ]


def test_only_the_last_cache_marks_stay() -> None:
    made = context()
    writer = Writer(made, own=False)
    tools = writer.tools([Tool("f", cache=MARK)])
    system = writer.system([Text("a", cache=MARK), Text("", cache=MARK)], "")
    written = writer.foreign_messages([Message("user", [Text(str(n), cache=MARK) for n in range(CACHE_MARKS)])])
    writer.cap_cache_marks()
    assert isinstance(system, list)
    marked = ["cache_control" in one for one in (*tools, *system, *written[0]["content"])]
    assert marked == [False, False, True, True, True, True]
    assert len(made.notes) == 1


def test_system_parts_of_any_kind() -> None:
    assert Writer(context(), own=False).system([Text("a"), Text(" "), Image(data="x")], "") == [
        text("a"),
        text("[image left out: the claude protocol has no place for it here]"),
    ]


def test_a_joined_turn_whose_neighbour_a_policy_took_away() -> None:
    joined = Extras(NAME, {}, "joined")
    plain = Extras(NAME, {}, "text")
    writer = Writer(context(), own=True)
    assert writer.messages([Message("user", [Text("b")], extras=joined)]) == [{"role": "user", "content": [text("b")]}]
    read = [Message("user", [Text("a")], extras=plain), Message("user", [Text("b")], extras=joined)]
    assert writer.messages(read) == [{"role": "user", "content": [text("a"), text("b")]}]
    read = [Message("user", [Text("a"), Text("b")], extras=plain)]
    assert writer.messages(read) == [{"role": "user", "content": [text("a"), text("b")]}]


def test_a_turn_of_foreign_thoughts_only_is_left_out() -> None:
    thought = Reasoning("t", origin="openai")
    assert turns(("user", [Text("a")]), ("assistant", [thought]), own=True) == [{"role": "user", "content": [text("a")]}]
    silent = ("assistant", [thought, Text("")])  # what the encoder makes of an answer of thoughts alone
    assert turns(("user", [Text("a")]), silent, own=True) == [{"role": "user", "content": [text("a")]}]
    assert turns(("assistant", []), own=True) == [{"role": "assistant", "content": []}]

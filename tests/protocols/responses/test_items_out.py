from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import (
    Audio,
    Document,
    Extras,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from ccproxy.protocols.responses.items_in import read_items
from ccproxy.protocols.responses.items_out import write_items
from tests.protocols.responses.judge import context
from tests.protocols.responses.test_requests_in import DOCUMENTS


def written(*messages: Message, notes: int = 0, own: bool = False) -> list[dict[str, Any]]:
    exchange = context(upstream="responses")
    items = write_items(list(messages), exchange, own)
    assert len(exchange.notes) == notes, exchange.notes
    return items


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_the_very_same_items(name: str) -> None:
    items = DOCUMENTS[name]["input"]
    assert written(*read_items(items), own=True) == items


def test_a_history_of_another_protocol() -> None:
    items = written(
        Message("user", [Text("Look"), Text(""), Image(mime="image/png", data="iVBO")]),
        Message(
            "assistant", [Text("I see"), Refusal("but no"), ToolCall("c1", "f", {"b": 1, "a": 2}), ToolCall("c2", "g", "")]
        ),
        Message("tool", [ToolResult("c1", "f", [Text("ok")]), ToolResult("c2", "g", [])]),
        Message("system", [Text("Mind.")]),
        Message("user", [Text("")]),
    )
    assert items == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto"},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I see"}, {"type": "refusal", "refusal": "but no"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"b":1,"a":2}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "output": "ok", "call_id": "c1"},
        {"type": "function_call_output", "output": "", "call_id": "c2"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Mind."}]},
    ]


@pytest.mark.parametrize(
    ("part", "item"),
    [
        (Image(url="https://example.com/a", detail="low"), {"image_url": "https://example.com/a", "detail": "low"}),
        (Image(file_id="file-x"), None),
        (Document(mime="application/pdf", data="QQ==", name="a.pdf"), {"filename": "a.pdf"}),
        (Document(mime="application/pdf", data="QQ=="), {"filename": "document.pdf"}),
        (
            Document(mime="text/plain", data="QQ=="),
            {"filename": "document.txt", "file_data": "data:text/plain;base64,QQ=="},
        ),
        (Document(url="https://example.com/a.pdf"), {"type": "input_file", "file_url": "https://example.com/a.pdf"}),
        (Document(text="words", name="a.txt"), {"type": "input_text", "text": "a.txt\nwords"}),
        (Document(text="words"), {"type": "input_text", "text": "words"}),
        (Document(file_id="x"), None),
        (Document(mime="video/mp4", data="QQ=="), None),
        (Audio(mime="audio/wav", data="QQ=="), {"input_audio": {"data": "QQ==", "format": "wav"}}),
        (Audio(mime="audio/flac", data="QQ=="), None),
        (Audio(mime="audio/wav", url="https://example.com"), None),
    ],
)
def test_media(part: Part, item: dict[str, Any] | None) -> None:
    """F242, F246, F267; what has no place is told in words."""
    content = written(Message("user", [part]), notes=0 if item else 1)[0]["content"][0]
    if item is None:
        assert "left out" in content["text"]
    else:
        assert content.items() >= item.items()


def test_media_where_there_is_no_place() -> None:
    said = written(Message("assistant", [Image(mime="image/png", data="iVBO")]), notes=1)[0]["content"]
    assert said == "[image left out: the responses protocol has no place for it here]"
    audio = Audio(mime="audio/wav", data="QQ==")
    part = written(Message("tool", [ToolResult("c", "f", [audio])]), notes=1)[0]["output"][0]
    assert part["type"] == "input_text"
    assert "left out" in part["text"]


def test_an_assistants_words_are_one_text() -> None:
    """As a list they would need an id and a status. A refusal has no other place than the list."""
    said = Message("assistant", [Text("He"), Text("llo"), ToolCall("c", "f", "{}"), Text("x")])
    assert [item.get("content") for item in written(said)] == ["Hello", None, "x"]
    refused = written(Message("assistant", [Text("I am sorry."), Refusal("No.")]))[0]["content"]
    assert [part["type"] for part in refused] == ["output_text", "refusal"]


def test_a_result_with_a_picture() -> None:
    result = ToolResult("c", "f", [Text("seen"), Image(mime="image/png", data="iVBO")], is_error=True)
    assert written(Message("tool", [result]), notes=1)[0]["output"] == [
        {"type": "input_text", "text": "seen"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto"},
    ]


def test_a_custom_call_and_its_result() -> None:
    """Only the call says that it is one."""
    messages = [
        Message("assistant", [ToolCall("c", "patch", "***", kind="custom")]),
        Message("tool", [ToolResult("c", "patch", [Text("ok")])]),
    ]
    call, output = written(*messages)
    assert call == {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "***"}
    assert output["type"] == "custom_tool_call_output"


def test_ids_and_names_are_made_legal() -> None:
    """F002, F004: the same for the call and its result, and there is a way back."""
    exchange = context(upstream="responses")
    long = "call:" + "x" * 80
    messages = [Message("assistant", [ToolCall(long, "my.tool", "{}")]), Message("tool", [ToolResult(long, "my.tool", [])])]
    call, output = write_items(messages, exchange, own=False)
    assert call["call_id"] == output["call_id"]
    assert len(call["call_id"]) == 64
    assert exchange.tool_names == {call["name"]: "my.tool"}


def test_an_own_id_that_is_too_long() -> None:
    items = read_items(
        [
            {"type": "message", "id": "msg_" + "x" * 80, "role": "assistant", "content": "a"},
            {"type": "reasoning", "id": "rs_" + "x" * 80, "summary": [], "encrypted_content": "gAAA"},
        ]
    )
    message, reasoning = written(*items, own=True)
    assert len(message["id"]) == 64
    assert len(reasoning["id"]) == 83, "it is tied to its encrypted content"


def test_reasoning_of_our_own_goes_up() -> None:
    thought = Reasoning("hm", signature="rs_1:gAAA", origin="responses")
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert written(Message("assistant", [thought, Text("x")]))[0] == item
    nameless = Reasoning(signature="gAAA", origin="responses")
    assert "id" not in written(Message("assistant", [nameless, ToolCall("c", "f", "{}")]))[0]


@pytest.mark.parametrize(
    "thought",
    [
        Reasoning("hm", signature="sig", origin="claude"),
        Reasoning("hm"),
        Reasoning("hm", origin="responses"),
        Reasoning(redacted="data", origin="claude"),
    ],
)
def test_other_reasoning_does_not(thought: Reasoning) -> None:
    """F115: neither the proof nor the words."""
    assert [item["type"] for item in written(Message("assistant", [thought, Text("x")]), notes=1)] == ["message"]


def test_reasoning_without_its_item_is_left_out() -> None:
    """F156."""
    thought = Reasoning(signature="rs_1:gAAA", origin="responses")
    assert written(Message("assistant", [Text("x"), thought, Text("")]), notes=1)[1:] == []


def test_what_only_another_protocol_knows_is_left_out() -> None:
    foreign = Opaque("claude", {"type": "server_tool_use"})
    assert written(Message("assistant", [foreign, Text("x")]), notes=1)[0]["content"] == "x"
    assert written(Message("user", [foreign]), notes=1) == []


def test_what_a_policy_adds_to_our_own_messages() -> None:
    """Text that nobody said in this protocol joins what was said."""
    messages = read_items([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}])
    messages[0].parts.append(Text("more"))
    messages[1].parts.append(Text("and more"))
    assert written(*messages, own=True) == [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_text", "text": "more"}]},
        {"role": "assistant", "content": "Yes"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "and more"}]},
    ]


def test_extras_of_another_protocol_are_left_alone() -> None:
    text = Text("x", extras=Extras("claude", {"citations": []}, "item string raw"))
    assert written(Message("assistant", [text])) == [{"type": "message", "role": "assistant", "content": "x"}]

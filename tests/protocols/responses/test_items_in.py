from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Audio, Document, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from ccproxy.protocols.responses.items_in import read_content, read_items
from tests.protocols.responses.test_requests_in import DOCUMENTS


def bare(part: Part) -> Part:
    """The part without what only this protocol says of it."""
    part.extras = None
    for inner in getattr(part, "parts", []):
        bare(inner)
    return part


def test_a_codex_turn() -> None:
    """F262: what the assistant did is one message, the outputs another."""
    messages = read_items(DOCUMENTS["codex_turn"]["input"])
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool", "user"]
    assert [bare(part) for part in messages[2].parts] == [
        Reasoning("I should list.\n\nThen read.", signature="gAAAAABexample1", origin="responses"),
        Text("Listing."),
        ToolCall("call_ls", "shell", '{"command":["ls"],"big":12345678901234567890}'),
        ToolCall("call_docs", "mcp_docs__search", "{}"),
        ToolCall("call_patch", "apply_patch", "*** Begin Patch\n*** End Patch", kind="custom"),
    ]
    image = Image(mime="image/png", data="iVBORw0KGgo=", detail="high")
    assert [bare(part) for part in messages[3].parts] == [
        ToolResult("call_ls", "", [Text("README.md\nsrc")]),
        ToolResult("call_docs", "", [Text("two hits"), image]),
        ToolResult("call_patch", "", [Text("Done!")], kind="custom"),
    ]


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({"type": "input_text", "text": "x"}, Text("x")),
        ({"type": "output_text", "text": ""}, Text("")),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
        ({"type": "input_image", "image_url": "https://example.com/a"}, Image(url="https://example.com/a")),
        ({"type": "input_image", "image_url": "data:;base64,/9j/A"}, Image(mime="image/jpeg", data="/9j/A")),
        ({"type": "input_image", "file_id": "file-1", "detail": "low"}, Image(file_id="file-1", detail="low")),
        (
            {"type": "input_file", "file_data": "data:text/plain;base64,QQ==", "filename": "a.txt"},
            Document(mime="text/plain", data="QQ==", name="a.txt"),
        ),
        ({"type": "input_file", "file_data": "JVBERi0x"}, Document(mime="application/pdf", data="JVBERi0x")),
        ({"type": "input_file", "file_data": "data:audio/wav;base64,QQ=="}, Audio(mime="audio/wav", data="QQ==")),
        ({"type": "input_file", "file_url": "https://example.com/a"}, Document(url="https://example.com/a")),
        ({"type": "input_file", "file_id": "file-2"}, Document(file_id="file-2")),
        ({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}}, Audio(mime="audio/mpeg", data="QQ==")),
        ({"type": "input_hologram", "x": 1}, Opaque("responses", {"type": "input_hologram", "x": 1})),
    ],
)
def test_content_parts(raw: dict[str, Any], part: Part) -> None:
    assert [bare(one) for one in read_content([raw], "content")] == [part]


def test_citations_of_an_earlier_answer() -> None:
    note = {"type": "url_citation", "url": "https://example.com", "title": "T", "start_index": 0, "end_index": 2}
    text = read_content([{"type": "output_text", "text": "Hi", "annotations": [note]}], "content")[0]
    assert isinstance(text, Text)
    assert text.citations[0].url == "https://example.com"


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            Reasoning(signature="rs_1:gAAA", origin="responses"),
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": [{"text": "a"}], "content": [{"text": "b"}]},
            Reasoning("a\n\nb", origin="responses"),
        ),
        (
            {
                "type": "reasoning",
                "id": "rs_ccproxy_1",
                "summary": [{"text": "a"}],
                "encrypted_content": "ccproxy.claude.sig",
            },
            Reasoning("a", signature="sig", origin="claude"),
        ),
        (
            {"type": "reasoning", "id": "rs_ccproxy_1", "summary": [], "encrypted_content": "ccproxy.claude.redacted:data"},
            Reasoning(redacted="data", origin="claude"),
        ),
        (
            {"type": "reasoning", "id": "rs_ccproxy_1", "summary": [], "encrypted_content": "ccproxy.responses.rs_1:gAAA"},
            Reasoning(signature="rs_1:gAAA", origin="responses"),
        ),
        ({"type": "reasoning", "id": "rs_ccproxy_1", "summary": [{"text": "a"}]}, Reasoning("a")),
        (
            {"type": "reasoning", "id": "rs_ccproxy_1", "summary": [{"text": "a"}], "encrypted_content": "ccproxy.x."},
            Reasoning("a", origin="x"),
        ),
    ],
)
def test_reasoning(raw: dict[str, Any], part: Reasoning) -> None:
    found = read_items([raw])[0].parts[0]
    ours = str(raw["id"]).startswith("rs_ccproxy_")
    assert (found.extras is None) is ours, "an item that we made up is not replayed as it is"
    assert bare(found) == part


def test_an_output_that_is_json_text_with_pictures() -> None:
    """F240, F238."""
    inner = '[{"type":"input_text","text":"seen"},{"type":"input_image","image_url":"data:image/png;base64,iVBO"}]'
    result = read_items([{"type": "custom_tool_call_output", "call_id": "c", "output": inner}])[0].parts[0]
    assert isinstance(result, ToolResult)
    assert [type(part) for part in result.parts] == [Text, Image]


@pytest.mark.parametrize(
    "output", ["[1]", '["input_image"]', '[{"type":"input_image"}]', '["input_image"', '[{"type":"x","y":"input_image"}]']
)
def test_an_output_that_only_looks_so(output: str) -> None:
    result = read_items([{"type": "function_call_output", "call_id": "c", "output": output}])[0].parts[0]
    assert isinstance(result, ToolResult)
    assert result.parts == [Text(output)]


def test_who_says_a_server_tools_item() -> None:
    kinds = {"web_search_call": "assistant", "computer_call_output": "user", "mcp_approval_response": "user"}
    for kind, role in kinds.items():
        message = read_items([{"type": kind, "id": "x"}])[0]
        assert (message.role, message.parts) == (role, [Opaque("responses", {"type": kind, "id": "x"})])


def test_neighbours_of_the_user_stay_apart() -> None:
    items = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert [message.parts for message in read_items(items)] == [[Text("a")], [Text("b")]]

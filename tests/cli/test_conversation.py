"""Requests and answers as rows: the same whatever the protocol, short or whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy.cli.conversation import SHORT_CHARACTERS, Row, Teller, tokens
from ccproxy.convert import convert_request
from ccproxy.model import (
    Answer,
    Context,
    Document,
    EmbeddingInput,
    EmbeddingRequest,
    Image,
    Message,
    Opaque,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call

SHORT, FULL = Teller(full=False), Teller(full=True)
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
SAID: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "system": "You are an agent.",
    "tools": [{"name": "Read", "description": "Reads a file", "input_schema": SCHEMA}],
    "messages": [
        {"role": "user", "content": "Read a.py"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "/a.py"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x = 1\n"}]},
    ],
}


def read(protocol: str) -> Request:
    """The conversation in the words of this protocol."""
    converted = convert_request(SAID, source="claude", target=protocol)
    document = json.loads(converted.body)
    context = Context(client=protocol, upstream=protocol)
    return PROTOCOLS[protocol].chat.read_request(document, context, Call(model="m"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocols_request_reads_alike(protocol: str) -> None:
    rows = {row.label: row.text for row in SHORT.request(read(protocol))}
    assert rows["system"] == "You are an agent."
    assert rows["tools"] == "1: Read"
    assert rows["earlier"] == "2 messages"
    assert rows["result"] in ("x = 1", "Read: x = 1")
    whole = FULL.request(read(protocol))
    assert [row.label for row in whole] == ["system", "tools", "user", "call", "result", "settings"]
    texts = {row.label: row.text for row in whole}
    assert texts["user"] == "Read a.py"
    assert texts["call"] == "Read\npath: /a.py"
    assert texts["tools"].startswith('Read: Reads a file\n{"type":"object"')


def test_long_texts_show_their_beginning() -> None:
    request = Request(origin="x", model="m", messages=[Message("user", [Text("word " * 1000)])])
    (row,) = SHORT.request(request)
    assert (len(row.text) < SHORT_CHARACTERS + 30, row.text.endswith("… (5,000 characters)")) == (True, True)
    assert FULL.request(request) == [Row("user", "word " * 1000)]
    many = Request(origin="x", model="m", messages=[Message("user", [Text("\n".join("abcdefghij"))])])
    assert SHORT.request(many)[0].text.count("\n") == 5


def test_only_what_is_new_is_shown() -> None:
    def labels(*roles: str) -> list[str]:
        messages = [Message(role, [Text(role)]) for role in roles]  # type: ignore[arg-type]
        return [f"{row.label} {row.text}" for row in SHORT.request(Request(origin="x", model="m", messages=messages))]

    assert labels("user") == ["user user"]
    assert labels("system", "user", "assistant", "user", "system") == [
        "system system",
        "earlier 2 messages",
        "user user",
        "system system",
    ]
    assert labels("user", "assistant") == ["earlier 1 message", "assistant assistant"]
    assert labels() == []


def test_settings() -> None:
    request = Request(
        origin="x",
        model="m",
        sampling=Sampling(max_tokens=9, temperature=0.5, stop=["x"]),
        reasoning=ReasoningOptions(enabled=True, effort="high", budget=1024),
        tool_choice=ToolChoice("tool", "Read"),
        format=ResponseFormat("json_schema", {}),
        stream=True,
    )
    (row,) = SHORT.request(request)
    assert row.text == (
        'stream, max_tokens 9, temperature 0.5, stop ["x"], thinking high 1024 tokens, tool choice Read, answer in JSON'
    )
    for options, words in (
        (ReasoningOptions(enabled=False), "off"),
        (ReasoningOptions(enabled=True), "on"),
        (ReasoningOptions(adaptive=True), "adaptive"),
    ):
        assert SHORT.request(Request(origin="x", model="m", reasoning=options)) == [Row("settings", f"thinking {words}")]


def test_the_parts_of_an_answer() -> None:
    answer = Answer(
        parts=[
            Reasoning("hm"),
            Reasoning(redacted="x"),
            Reasoning(signature="only"),
            Text("Well."),
            Refusal("No."),
            ToolCall("1", "Read", '{"path":"/a"}'),
            ToolCall("2", "patch", "free text", kind="custom"),
            Image(data="AAAA", mime="image/png"),
            Image(url="https://x/y.png"),
            Image(data="[base64: image/png, 9 bytes]", mime="image/png"),
            Document(text="words", name="a.txt"),
            Opaque("claude", {"type": "server_tool_use"}),
        ],
        finish="tool_calls",
        usage=Usage(1000, 20, cache_read=5, reasoning=7, estimated=True),
    )
    assert [(row.label, row.text) for row in SHORT.answer(answer, broken=False)] == [
        ("thinking", "hm"),
        ("thinking", "[redacted]"),
        ("assistant", "Well."),
        ("refusal", "No."),
        ("call", 'Read {"path":"/a"}'),
        ("call", 'patch {"input":"free text"}'),
        ("assistant", "[image: image/png 3 bytes]"),
        ("assistant", "[image: https://x/y.png]"),
        ("assistant", "[image: image/png [base64: image/png, 9 bytes]]"),
        ("assistant", "[document a.txt]\nwords"),
        ("claude", '{"type":"server_tool_use"}'),
        ("finish", "tool_calls"),
        ("tokens", "1,000 in (5 from the cache), 20 out (7 thinking), estimated"),
    ]
    assert "finish" not in [row.label for row in SHORT.answer(Answer(), broken=True)]


def test_results_and_tools_of_other_kinds() -> None:
    request = Request(
        origin="x",
        model="m",
        tools=[Tool("a"), Opaque("claude", {"type": "web_search", "name": "web"}), Opaque("gemini", {"googleSearch": {}})],
        messages=[Message("tool", [ToolResult("1", "a", [Text("x"), Image(url="u")], is_error=True)])],
    )
    assert [(row.label, row.text) for row in SHORT.request(request)] == [
        ("tools", "3: a, web, googleSearch"),
        ("failed", "a: x\n[image: u]"),
    ]
    assert FULL.request(request)[0].text.splitlines()[-1] == 'googleSearch {"googleSearch":{}}'


def test_texts_for_vectors_and_other_documents() -> None:
    request = EmbeddingRequest(origin="x", model="m", inputs=[EmbeddingInput(parts=[Text("one")])])
    assert SHORT.embedding(request) == [Row("text", "one")]
    assert SHORT.document({"a": "é"}) == Row("body", '{"a": "é"}')
    assert FULL.document({"a": 1}).text == '{\n  "a": 1\n}'
    assert (tokens(Usage(1, 2)), repr(FULL), repr(SHORT)) == ("1 in, 2 out", "<Teller full>", "<Teller short>")

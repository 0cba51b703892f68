"""A client's request into the model, and back into the same document."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from typing import Any

import pytest

from ccproxy.errors import RequestError
from ccproxy.model import (
    Context,
    Document,
    Extras,
    Image,
    Message,
    Opaque,
    Reasoning,
    ReasoningOptions,
    Request,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    seal,
    unsigned,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.claude.requests_in import peek, read_request
from ccproxy.protocols.claude.requests_out import DEFAULT_MAX_TOKENS, write_request
from ccproxy.protocols.claude.terms import NAME
from tests.protocols.claude.judge import own
from tests.tools import known, recorded, recordings

MARK = {"type": "ephemeral", "ttl": "1h"}


def read(document: dict[str, Any], **call: Any) -> Request:
    return read_request(document, Context(client=NAME, upstream=NAME), Call(**call))


def again(document: dict[str, Any]) -> dict[str, Any]:
    """Read and written again."""
    context = Context(client=NAME, upstream=NAME)
    request = read_request(copy.deepcopy(document), context, Call())
    return write_request(request, known(Target(protocol=NAME, model=request.model)), context)


def asked(*content: Any, **fields: Any) -> dict[str, Any]:
    """A request with one user turn of these blocks."""
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(content)}], **fields}


def turn(*messages: tuple[str, Any], **fields: Any) -> dict[str, Any]:
    return asked(**fields) | {"messages": [{"role": role, "content": content} for role, content in messages]}


TEXT = {"type": "text", "text": "Hi"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "title": "T"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1, "a": 2}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}

SAME_AGAIN: dict[str, dict[str, Any]] = {
    "plain": turn(("user", "Hi")),
    "empty content": turn(("user", ""), ("assistant", [])),
    "system as text": turn(("user", "Hi"), system="Be brief."),
    "system as blocks": turn(("user", "Hi"), system=[{**TEXT, "cache_control": MARK}, TEXT]),
    "no system": turn(("user", "Hi"), system=[]),
    "system in the middle": {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "system", "content": "Now in French.", "output_config": {"effort": "low"}},
            {"role": "system", "content": [{**TEXT, "cache_control": MARK}], "clear_at": 3},
        ],
    },
    "settings": turn(
        ("user", "Hi"),
        stream=True,
        temperature=1,
        top_p=0.9,
        top_k=5,
        stop_sequences=["a", "b"],
        metadata={"user_id": "u", "more": 1},
        service_tier="auto",
        container={"id": "c"},
        context_management={"edits": []},
        mcp_servers=[{"type": "url", "url": "https://x.example"}],
        cache_control=MARK,
    ),
    "settings that say nothing": turn(
        ("user", "Hi"),
        stream=False,
        temperature=None,
        stop_sequences=[],
        metadata={},
        tools=[],
        output_config={},
        thinking=None,
        system=None,
        tool_choice=None,
    ),
    "thinking": turn(("user", "Hi"), thinking={"type": "enabled", "budget_tokens": 2048, "display": "omitted"}),
    "adaptive thinking": turn(
        ("user", "Hi"),
        thinking={"type": "adaptive", "display": "summarized", "binding": "x"},
        output_config={"effort": "xhigh", "task_budget": {"type": "tokens", "total": 9}},
    ),
    "no thinking": turn(("user", "Hi"), thinking={"type": "disabled"}),
    "another thinking": turn(("user", "Hi"), thinking={"type": "brand_new", "x": 1}, output_config={"effort": "brand-new"}),
    "format": turn(("user", "Hi"), output_config={"format": {"type": "json_schema", "schema": {"type": "object"}, "x": 1}}),
    "old format": turn(("user", "Hi"), output_format={"type": "json_schema", "schema": {"type": "object"}}),
    "another format": turn(("user", "Hi"), output_config={"format": {"type": "brand_new"}}),
    "tools": turn(
        ("user", "Hi"),
        tools=[
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": MARK, "strict": True},
            {"name": "g", "description": "", "input_schema": {}, "type": "custom", "defer_loading": True},
            {"name": "h", "type": None, "eager_input_streaming": True, "strict": False},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
            {"type": "mcp_toolset", "mcp_server_name": "s"},
        ],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": False, "x": 1},
    ),
    "forced server tool": turn(
        ("user", "Hi"),
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
        tool_choice={"type": "tool", "name": "web_search"},
    ),
    "another tool choice": turn(("user", "Hi"), tool_choice={"type": "brand_new"}),
    "any tool choice": turn(("user", "Hi"), tools=[{"name": "f"}], tool_choice={"type": "any"}),
    "text": asked({**TEXT, "citations": None}, {**TEXT, "citations": []}, {**TEXT, "cache_control": None, "x": 1}),
    "cited text": turn(("assistant", [{**TEXT, "citations": [{"type": "char_location", "cited_text": "c"}]}])),
    "images": asked(
        {**IMAGE, "cache_control": MARK, "transformations": {}},
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1", "extra": 1}},
        {"type": "image", "source": {"type": "brand_new"}},
    ),
    "documents": asked(
        {**PDF, "context": "c", "citations": {"enabled": True}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}, "title": None},
        {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}, "title": ""},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "content", "content": "plain"}},
        {"type": "document", "source": {"type": "content", "content": [TEXT, IMAGE]}, "cache_control": MARK},
        {"type": "search_result", "source": "https://x.example", "title": "T", "content": [TEXT], "cache_control": MARK},
    ),
    "server tools": turn(
        ("user", [TEXT, {"type": "container_upload", "file_id": "f"}]),
        (
            "assistant",
            [
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                {"type": "tool_result", "tool_use_id": "odd place"},
                TEXT,
            ],
        ),
        ("user", [{"type": "tool_removal", "tool": {"name": "f"}}, USE]),
    ),
    "thoughts": turn(
        (
            "assistant",
            [
                {"type": "thinking", "thinking": "Hm.\n", "signature": "S"},
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking", "thinking": "unsigned", "x": 1},
                {"type": "redacted_thinking", "data": "R"},
                TEXT,
            ],
        )
    ),
    "a call and its result": turn(
        ("assistant", [TEXT, {**USE, "caller": {"type": "direct"}, "cache_control": MARK}]),
        ("user", [{**RESULT, "content": "sunny", "cache_control": MARK}]),
    ),
    "inputs that are no objects": turn(
        ("assistant", [{**USE, "input": "text"}, {**USE, "input": None}, {**USE, "input": [1]}]),
    ),
    "results and text in one turn": turn(
        ("assistant", [USE]),
        ("user", [TEXT, {**RESULT, "content": [TEXT, IMAGE, PDF]}, RESULT, TEXT, {**RESULT, "is_error": True}, IMAGE]),
        ("user", [TEXT]),
    ),
    "results of all kinds": turn(
        (
            "user",
            [
                {**RESULT, "content": []},
                {**RESULT, "content": None},
                {**RESULT, "content": "", "is_error": False},
                {**RESULT, "content": [{**TEXT, "cache_control": MARK}]},
                {**RESULT, "content": [{"type": "tool_reference", "tool_name": "f"}], "toolset_name": "t"},
            ],
        ),
        ("user", [RESULT]),
    ),
}


@pytest.mark.parametrize("name", SAME_AGAIN)
def test_what_was_read_is_written_again(name: str) -> None:
    assert again(SAME_AGAIN[name]) == SAME_AGAIN[name]


ASKED = recordings("claude", "errors", part="request")


@pytest.mark.parametrize("case", own(ASKED, NAME) + own(ASKED, NAME, "count"))
def test_recorded_requests_are_written_again(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "request"))
    document.setdefault("model", "in-the-path")
    assert again(document) == {"max_tokens": DEFAULT_MAX_TOKENS, **document}


# ---------------------------------------------------------------------------------------------------------------------


def parts_of(*content: Any) -> list[Any]:
    return [part for message in read(asked(*content)).messages for part in message.parts]


def test_settings() -> None:
    request = read(SAME_AGAIN["settings"])
    assert (request.origin, request.model, request.user, request.stream) == (NAME, "m", "u", True)
    assert (request.sampling.temperature, request.sampling.top_k, request.sampling.stop) == (1, 5, ["a", "b"])
    assert request.extras is not None
    assert request.extras.fields["metadata"] == {"more": 1}


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, ReasoningOptions(True, budget=5)),
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(False)),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
            ReasoningOptions(True, "max", adaptive=True, summary="omitted"),
        ),
        ({"output_config": {"effort": "low"}}, ReasoningOptions(effort="low")),
        ({"output_config": {"effort": 5}, "thinking": {"type": "new"}}, None),
    ],
)
def test_thinking(fields: dict[str, Any], options: ReasoningOptions | None) -> None:
    assert read(asked(TEXT, **fields)).reasoning == options


@pytest.mark.parametrize(
    ("choice", "meant", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "none"}, ToolChoice("none"), None),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("tool", "f"), True),
        ({"type": "new"}, None, None),
        (None, None, None),
    ],
)
def test_tool_choice(choice: Any, meant: ToolChoice | None, parallel: bool | None) -> None:
    request = read(asked(TEXT, tool_choice=choice))
    assert (request.tool_choice, request.parallel_tool_calls) == (meant, parallel)


def test_tools_and_the_context() -> None:
    context = Context(client=NAME, upstream="openai")
    request = read_request(SAME_AGAIN["tools"] | {"stream": True}, context, Call())
    first = request.tools[0]
    assert first == Tool("f", "d", {"type": "object"}, strict=True, cache=MARK)
    assert list(context.tools) == ["f", "g", "h"]
    assert context.stream is True
    assert request.tools[3] == Opaque(NAME, {"type": "web_search_20250305", "name": "web_search", "max_uses": 5})


def test_a_turn_with_results_and_text_becomes_several_messages() -> None:
    joined = Extras(NAME, {}, "joined")
    messages = read(SAME_AGAIN["results and text in one turn"]).messages
    assert [(message.role, message.extras) for message in messages] == [
        ("assistant", None),
        ("user", None),
        ("tool", joined),
        ("user", joined),
        ("tool", joined),
        ("user", joined),
        ("user", None),
    ]
    result = messages[2].parts[0]
    assert isinstance(result, ToolResult)
    assert [type(part) for part in result.parts] == [Text, Image, Document]


def test_parts() -> None:
    assert parts_of(IMAGE) == [Image(mime="image/png", data="iVBORw0KGgo=")]
    assert parts_of(PDF) == [Document(mime="application/pdf", data="JVBERi0=", name="T")]
    texts = [part.text for part in parts_of(*SAME_AGAIN["documents"]["messages"][0]["content"])]
    assert texts == [None, "t", None, None, "plain", "Hi\n[image]", "Hi"]
    calls = read(SAME_AGAIN["inputs that are no objects"]).messages[0].parts
    assert [call.arguments for call in calls if isinstance(call, ToolCall)] == ['"text"', "{}", "[1]"]


def test_thoughts_know_their_makers() -> None:
    block = {"type": "thinking", "thinking": "t"}
    made = [
        {**block, "signature": "S"},
        {**block, "signature": seal("S", "gemini", NAME)},
        {**block, "signature": unsigned("openai")},
        {"type": "redacted_thinking", "data": seal("R", "responses", NAME)},
    ]
    assert read(turn(("assistant", made))).messages[0].parts == [
        Reasoning("t", signature="S", origin=NAME),
        Reasoning("t", signature="S", origin="gemini"),
        Reasoning("t", origin="openai"),
        Reasoning(redacted="R", origin="responses"),
    ]


def test_citations_in_the_history() -> None:
    sources = [
        {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "c"},
        {"type": "search_result_location", "source": "https://b.example", "title": None},
        {"type": "page_location", "document_title": "D", "source": "no URL"},
        "odd",
    ]
    (part,) = read(turn(("assistant", [{**TEXT, "citations": sources}]))).messages[0].parts
    assert isinstance(part, Text)
    assert [(c.url, c.title, c.cited) for c in part.citations] == [
        ("https://a.example", "A", "c"),
        ("https://b.example", "", ""),
        ("", "D", ""),
        ("", "", ""),
    ]


def test_a_model_in_the_path() -> None:
    document = asked(TEXT)
    del document["model"]
    assert read(document, model="m").model == "m"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "model", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": [], "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        (
            {"messages": [{"role": "user", "content": [{**TEXT, "cache_control": 1}]}]},
            "messages[0].content[0].cache_control",
        ),
        ({"messages": [{"role": "user", "content": [{**RESULT, "content": 5}]}]}, "messages[0].content[0].content"),
        ({"messages": [{"role": "user", "content": [{**RESULT, "content": [1]}]}]}, "messages[0].content[0].content[0]"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]}, "messages[0].content[0].id"),
        ({"stream": "yes"}, "stream"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": "a"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"system": {}}, "system"),
        ({"system": [{"type": "text"}]}, "system[0].text"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"thinking": True}, "thinking"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
        ({"output_config": []}, "output_config"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "format.schema"),
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as raised:
        read(asked(TEXT) | change)
    assert raised.value.param == param
    assert raised.value.status == 400


def test_peeking_checks_what_must_be_there() -> None:
    context = Context(client=NAME, upstream=NAME)
    peek(asked(TEXT, stream=True), context, Call())
    assert context.stream is True
    peek(asked(TEXT), context, Call(model="m"))
    assert context.stream is False
    for wrong in ({"model": None}, {"messages": []}, {"stream": 1}):
        with pytest.raises(RequestError):
            peek(asked(TEXT) | wrong, context, Call())


def test_spoiled_requests_raise_nothing_but_request_errors() -> None:
    values: list[Any] = [None, 0, -1, 1.5, "", "x", [], {}, [[]], [{}], {"type": []}, {"type": "text"}, True]
    for seed in range(1500):
        chance = random.Random(seed)
        document = _spoiled(chance.choice(list(SAME_AGAIN.values())), chance, values)
        with contextlib.suppress(RequestError):
            again(document if isinstance(document, dict) else {})


def _spoiled(document: Any, chance: random.Random, values: list[Any]) -> Any:
    if chance.random() < 0.04:
        return chance.choice(values)
    if isinstance(document, dict):
        return {key: _spoiled(value, chance, values) for key, value in document.items()}
    if isinstance(document, list):
        return [_spoiled(value, chance, values) for value in document]
    return document


def test_extras_are_a_copy() -> None:
    document = asked(TEXT, service_tier="auto")
    kept = copy.deepcopy(document)
    request = read(document)
    assert isinstance(request.messages[0], Message)
    assert request.extras is not None
    request.extras.fields.clear()
    assert document == kept

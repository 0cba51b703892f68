"""Requests of this protocol's own clients: read, and written back as they were."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.errors import RequestError
from ccproxy.model import (
    Audio,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    seal,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.openai.requests import path, peek, read_request, write_request
from ccproxy.protocols.openai.terms import NAME
from tests.protocols.openai.judge import context
from tests.protocols.openai.test_stream import variations
from tests.tools import recorded, recordings

DATA = Path(__file__).parents[2] / "data" / "openai"
USER = {"role": "user", "content": "Hi"}
TARGET = Target(protocol=NAME, model="m")


def asking(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [USER], **fields}


def read(document: Any, **fields: Any) -> Request:
    return read_request(copy.deepcopy(document), context(**fields), Call())


def written_back(document: Any) -> Any:
    own = context()
    request = read_request(copy.deepcopy(document), own, Call())
    return write_request(request, TARGET, own).document


def parts_of(message: Any, **fields: Any) -> list[Any]:
    """The parts of one message without what only its writer needs."""
    parts = read(asking(message, **fields)).messages[0].parts
    for part in parts:
        part.extras = None
    return parts


PNG = "data:image/png;base64,iVBORw0KGgo="
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"b": 1, "a": 2}'}}
CUSTOM = {"id": "d", "type": "custom", "custom": {"name": "p", "input": "*** Begin"}}
FUNCTION = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "z": 1, "a": 2}},
}

DOCUMENTS: dict[str, Any] = json.loads((DATA / "requests.json").read_text())
"""Requests with everything in them that the protocol and its vendors can say."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_written_back_as_it_was(name: str) -> None:
    assert written_back(DOCUMENTS[name]) == DOCUMENTS[name]


@pytest.mark.parametrize("case", recordings("openai-chat", part="request"))
def test_recorded_requests_are_written_back_as_they_were(case: dict[str, Any]) -> None:
    document = jsontext.loads(recorded(case, "request"))
    assert written_back(document) == document


# ---------------------------------------------------------------------------------------------------------------------
# What is understood


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, Text("a", cache={"type": "ephemeral"})),
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            Image(mime="image/png", data="iVBORw0KGgo=", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://a.test/i"}, Image(url="https://a.test/i")),
        ({"type": "input_audio", "input_audio": {"data": "aa", "format": "mp3"}}, Audio(mime="audio/mpeg", data="aa")),
        (
            {"type": "input_audio", "input_audio": {"data": "data:;base64,aa", "format": "wav"}},
            Audio(mime="audio/wav", data="aa"),
        ),
        ({"type": "input_audio", "input_audio": {"data": "https://a.test/a"}}, Audio(url="https://a.test/a")),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "f.pdf"}},
            Document(mime="application/pdf", data="JVBERi0=", name="f.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "JVBERi0="}}, Document(mime="application/pdf", data="JVBERi0=")),
        ({"type": "file", "file": {"file_data": PNG}}, Image(mime="image/png", data="iVBORw0KGgo=")),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(file_id="file-1")),
        ({"type": "document_url", "document_url": "x"}, Opaque(NAME, {"type": "document_url", "document_url": "x"})),
        ("words", Text("words")),
    ],
)
def test_user_parts(part: Any, expected: Any) -> None:
    assert parts_of({"role": "user", "content": [part]}) == [expected]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"content": "a", "tool_calls": [CALL, CUSTOM]},
            [Text("a"), ToolCall("c", "f", '{"b": 1, "a": 2}'), ToolCall("d", "p", "*** Begin", kind="custom")],
        ),
        ({"content": None, "refusal": "no"}, [Refusal("no")]),
        ({"content": "a", "reasoning_content": "hm"}, [Reasoning("hm", origin=NAME), Text("a")]),
        ({"content": "", "reasoning": "hm", "reasoning_details": [{"text": "hm"}]}, [Reasoning("hm", origin=NAME)]),
        ({"content": "", "reasoning_details": [{"text": "h"}, {"summary": "m"}]}, [Reasoning("hm", origin=NAME)]),
        ({"function_call": {"name": "f", "arguments": "{}"}}, [ToolCall("call_function_1", "f", "{}")]),
    ],
)
def test_assistant_messages(message: Any, expected: list[Any]) -> None:
    assert parts_of({"role": "assistant", **message}) == expected


def test_results_know_their_calls() -> None:
    legacy = {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
    messages = [
        legacy,
        {"role": "function", "name": "f", "content": "1"},
        legacy,
        {"role": "function", "name": "f", "content": "2"},
    ]
    found = read(asking(*messages, {"role": "tool", "tool_call_id": "c", "content": "3"})).messages
    assert [message.role for message in found] == ["assistant", "tool", "assistant", "tool", "tool"]
    results = [part for message in found for part in message.parts if isinstance(part, ToolResult)]
    assert [(result.id, result.name) for result in results] == [
        ("call_function_1", "f"),
        ("call_function_2", "f"),
        ("c", ""),
    ]


def test_a_sealed_signature_comes_back_before_its_call_and_goes_no_further() -> None:
    call = {**CALL, "extra_content": {"ccproxy": {"signature": seal("sig", "elsewhere", NAME)}}}
    document = asking(USER, {"role": "assistant", "tool_calls": [call]})
    parts = read(document).messages[1].parts
    assert isinstance(parts[0], Reasoning)
    assert (parts[0].signature, parts[0].origin) == ("sig", "elsewhere")
    assert written_back(document)["messages"][1]["tool_calls"] == [CALL]


def test_what_the_model_holds() -> None:
    request = read(
        DOCUMENTS["many"]
        | {"max_completion_tokens": 5, "stop": "x", "reasoning_effort": "low", "tools": [FUNCTION], "tool_choice": "any"}
    )
    assert (request.choices, request.logprobs, request.user, request.metadata, request.store) == (
        2,
        2,
        "u",
        {"a": "b"},
        False,
    )
    assert (request.sampling.max_tokens, request.sampling.stop) == (5, ["x"])
    assert request.reasoning is not None
    assert request.reasoning.effort == "low"
    assert request.tool_choice is not None
    assert request.tool_choice.mode == "required"
    assert request.tools[0].name == "f"  # type: ignore[union-attr]


def test_what_the_context_learns() -> None:
    own = context(include_usage=True)
    read_request(asking(tools=[FUNCTION, {"type": "x"}], stream=True), own, Call())
    assert own.stream
    assert not own.include_usage
    assert [(name, type(tool)) for name, tool in own.tools.items()] == [("f", Tool)]
    peek(asking(stream_options={"include_usage": True}), own, Call())
    assert own.include_usage
    assert not own.stream


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"messages": [USER]}, "model"),
        ({"model": "", "messages": [USER]}, "model"),
        ({"model": 3, "messages": [USER]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": {}}, "messages"),
        (asking("x"), "messages[0]"),
        (asking({"content": "x"}), "messages[0].role"),
        (asking({"role": "robot", "content": "x"}), "messages[0].role"),
        (asking({"role": "user", "content": 3}), "messages[0].content"),
        (asking({"role": "user", "content": [{"text": "x"}]}), "messages[0].content[0].type"),
        (asking({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
        (
            asking({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
            "messages[0].content[0].image_url.url",
        ),
        (asking({"role": "user", "content": [{"type": "file", "file": {}}]}), "messages[0].content[0].file"),
        (asking(USER, {"role": "tool", "content": "x"}), "messages[1].tool_call_id"),
        (
            asking({"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}),
            "messages[0].tool_calls[0].function",
        ),
        (asking({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}), "messages[0].tool_calls[0].id"),
        (asking(tools={}), None),
        (asking(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
        (asking(tools=[FUNCTION], tool_choice="never"), "tool_choice"),
        (asking(tool_choice={"type": "function"}), "tool_choice.function.name"),
        (asking(temperature="hot"), "temperature"),
        (asking(max_tokens=1.5), "max_tokens"),
        (asking(n=True), "n"),
        (asking(stop=[3]), "stop[0]"),
        (asking(stream="yes"), "stream"),
        (asking(response_format={"type": "json_schema"}), "response_format.json_schema"),
    ],
)
def test_what_is_refused(document: Any, param: str | None) -> None:
    if param is None:
        assert read(document).tools == []
        return
    with pytest.raises(RequestError) as refused:
        read(document)
    assert refused.value.param == param
    assert refused.value.status == 400


def test_values_of_any_type_raise_only_request_errors() -> None:
    for document in DOCUMENTS.values():
        for changed in variations(document):
            own = context()
            try:
                request = read_request(changed, own, Call())
            except RequestError:
                continue
            write_request(request, TARGET, own)


# ---------------------------------------------------------------------------------------------------------------------
# What policies change


def test_the_path() -> None:
    assert path(TARGET, True) == path(TARGET, False) == "/chat/completions"
    assert write_request(read(asking()), TARGET, context()).path == "/chat/completions"


def test_a_changed_request_is_written_as_changed() -> None:
    request = read(DOCUMENTS["choice-allowed"] | {"max_tokens": None, "stop": "x"})
    request.model = "other"
    request.messages.insert(0, Message("system", [Text("one"), Text("two")]))
    request.sampling.max_tokens, request.sampling.stop = 7, ["x", "y"]
    request.reasoning = ReasoningOptions(effort="high")
    document = write_request(request, TARGET, context()).document
    assert document["model"] == "other"
    assert document["messages"][0] == {
        "role": "system",
        "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
    }
    assert (document["max_tokens"], document["stop"], document["reasoning_effort"]) == (7, ["x", "y"], "high")


def test_without_tools_there_is_no_choice() -> None:
    request = read(asking(tools=[FUNCTION], tool_choice="required", parallel_tool_calls=True))
    request.tools.clear()
    assert write_request(request, TARGET, context()).document == asking()


def test_defaults_where_the_client_is_silent() -> None:
    target = Target(protocol=NAME, model="m", defaults={"temperature": 0.5, "top_k": 3, "max_tokens": 10, "stop": ["z"]})
    document = write_request(read(asking(temperature=0, max_completion_tokens=5)), target, context()).document
    assert document == asking(temperature=0, top_k=3, max_completion_tokens=5, stop=["z"])


@pytest.mark.parametrize(
    ("document", "stream", "expected"),
    [
        (asking(), True, {"stream": True, "stream_options": {"include_usage": True}}),
        (asking(stream=False), True, {"stream": True, "stream_options": {"include_usage": True}}),
        (asking(stream=True, stream_options={"include_usage": True}), False, {}),
    ],
)
def test_the_other_way_of_answering(document: Any, stream: bool, expected: Any) -> None:
    """Where the upstream is asked otherwise than the client asked."""
    own = context()
    request = read_request(document, own, Call())
    request.stream = stream
    assert write_request(request, TARGET, own).document == asking(**expected)

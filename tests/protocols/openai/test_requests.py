"""Requests of this protocol's own clients: read, and written back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.errors import RequestError
from ccproxy.model import (
    Message,
    ReasoningOptions,
    Target,
    Text,
    Tool,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.openai.requests import path, peek, read_request, write_request
from ccproxy.protocols.openai.terms import NAME
from tests.protocols.openai.asking import FUNCTION, TARGET, USER, asking, read, written_back
from tests.protocols.openai.judge import context, variations
from tests.tools import recorded, recordings

DATA = Path(__file__).parents[2] / "data" / "openai"
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


def test_a_changed_request_is_written_as_changed() -> None:
    request = read(DOCUMENTS["choice-allowed"] | {"max_tokens": None, "stop": "x"})
    request.model = "other"
    request.messages.insert(0, Message("system", [Text("one"), Text("two")]))
    request.sampling.max_tokens, request.sampling.stop = 7, ["x", "y"]
    request.reasoning = ReasoningOptions(effort="high")
    document = write_request(request, TARGET, context())
    assert document["model"] == "other"
    assert document["messages"][0] == {
        "role": "system",
        "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
    }
    assert (document["max_tokens"], document["stop"], document["reasoning_effort"]) == (7, ["x", "y"], "high")


def test_without_tools_there_is_no_choice() -> None:
    request = read(asking(tools=[FUNCTION], tool_choice="required", parallel_tool_calls=True))
    request.tools.clear()
    assert write_request(request, TARGET, context()) == asking()


def test_defaults_where_the_client_is_silent() -> None:
    target = Target(protocol=NAME, model="m", defaults={"temperature": 0.5, "top_k": 3, "max_tokens": 10, "stop": ["z"]})
    document = write_request(read(asking(temperature=0, max_completion_tokens=5)), target, context())
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
    assert write_request(request, TARGET, own) == asking(**expected)


@pytest.mark.parametrize(
    ("said", "summary"),
    [
        ({"effort": "high"}, "auto"),
        ({"max_tokens": 2000}, "auto"),
        ({"effort": "high", "exclude": True}, "none"),
        ({"enabled": False}, ""),
    ],
)
def test_thoughts_that_are_asked_for_with_reasoning_are_shown(said: dict[str, Any], summary: str) -> None:
    """OpenRouter, "Reasoning tokens"; so a client sees them from an upstream that shows none unless told to."""
    options = read({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "reasoning": said}).reasoning
    assert options is not None
    assert options.summary == summary

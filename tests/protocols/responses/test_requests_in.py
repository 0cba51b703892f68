from __future__ import annotations

import contextlib
import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from ccproxy.errors import NotFound, RequestError, Unsupported
from ccproxy.model import (
    Context,
    Extras,
    Opaque,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolChoice,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.responses.requests_in import peek, read_request
from tests.protocols.responses.judge import context
from tests.protocols.responses.test_stream import mutated

DATA = Path(__file__).parents[2] / "data" / "responses"
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))}


def read(more: dict[str, Any] | None = None, of: Context | None = None) -> Request:
    return read_request({"model": "m", "input": "Hi"} | (more or {}), of or context(upstream="responses"), Call())


def test_the_smallest_request() -> None:
    exchange = context()
    request = read(of=exchange)
    assert (request.origin, request.model, request.stream) == ("responses", "m", False)
    assert [(message.role, message.parts) for message in request.messages] == [("user", [Text("Hi")])]
    assert request.system == []
    assert (exchange.stream, exchange.include_usage, exchange.echo, exchange.tools) == (False, True, {}, {})


def test_what_the_context_learns() -> None:
    exchange = context()
    document = copy.deepcopy(DOCUMENTS["codex_turn"])
    read_request(document, exchange, Call())
    assert document == DOCUMENTS["codex_turn"], "the client's document is left as it was"
    assert exchange.stream
    assert list(exchange.tools) == ["shell", "apply_patch", "mcp_docs__search", "mcp_docs__fetch"]
    assert exchange.tools["apply_patch"].kind == "custom"
    assert exchange.tools["mcp_docs__fetch"].namespace == "mcp_docs"
    assert exchange.echo["tools"] == document["tools"]
    assert exchange.echo["store"] is False
    assert "input" not in exchange.echo


def test_options() -> None:
    request = read(
        {
            "instructions": "Be brief.",
            "temperature": 1,
            "top_p": 0.5,
            "max_output_tokens": 7,
            "top_logprobs": 2,
            "parallel_tool_calls": False,
            "store": False,
            "metadata": {"k": "v"},
            "user": "u",
            "previous_response_id": "resp_0",
            "reasoning": {"effort": "xhigh", "summary": "detailed", "context": "auto"},
            "stream": True,
            "truncation": "auto",
        }
    )
    assert request.system == [Text("Be brief.")]
    assert request.sampling == Sampling(temperature=1, top_p=0.5, max_tokens=7)
    assert (request.logprobs, request.parallel_tool_calls, request.store) == (2, False, False)
    assert (request.metadata, request.user, request.previous_id, request.stream) == ({"k": "v"}, "u", "resp_0", True)
    assert request.reasoning == ReasoningOptions(
        effort="xhigh", summary="detailed", extras=Extras("responses", {"context": "auto"})
    )
    assert request.extras == Extras("responses", {"truncation": "auto"}, "string")


def test_thinking_that_is_off() -> None:
    odd = read({"reasoning": {"effort": ["low"]}}).reasoning
    assert odd is not None
    assert odd.effort is None
    off = read({"reasoning": {"effort": "none"}}).reasoning
    assert off is not None
    assert off.enabled is False


@pytest.mark.parametrize(
    ("given", "format"),
    [
        ({"type": "text"}, ResponseFormat("text", extras=Extras("responses"))),
        ({"type": "json_object"}, ResponseFormat("json", extras=Extras("responses"))),
        (
            {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"},
            ResponseFormat("json_schema", {"type": "object"}, "n", "d", strict=True, extras=Extras("responses")),
        ),
        ({"type": "grammar"}, None),
    ],
)
def test_formats(given: dict[str, Any], format: ResponseFormat | None) -> None:
    assert read({"text": {"format": given, "verbosity": "low"}}).format == format


def test_tools() -> None:
    tools = read({"tools": DOCUMENTS["codex_turn"]["tools"]}).tools
    shell, patch, search, fetch, web = tools
    assert isinstance(shell, Tool)
    assert (shell.name, shell.description, shell.strict, shell.kind) == ("shell", "Runs a command", False, "function")
    assert isinstance(patch, Tool)
    assert (patch.kind, patch.grammar["syntax"]) == ("custom", "lark")
    assert isinstance(search, Tool)
    assert (search.name, search.namespace) == ("mcp_docs__search", "mcp_docs")
    assert isinstance(fetch, Tool)
    assert (fetch.name, fetch.description, fetch.strict) == ("mcp_docs__fetch", "", None)
    assert web == Opaque("responses", {"type": "web_search", "external_web_access": False})


@pytest.mark.parametrize(
    ("given", "mode", "name", "allowed"),
    [
        ("auto", "auto", "", []),
        ("none", "none", "", []),
        ("required", "required", "", []),
        ({"type": "function", "name": "f"}, "tool", "f", []),
        ({"type": "function", "name": "f", "namespace": "ns"}, "tool", "ns__f", []),
        ({"type": "custom", "name": "c"}, "tool", "c", []),
        ({"type": "file_search"}, "auto", "", []),
        ({"type": "mcp", "server_label": "s"}, "auto", "", []),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}]},
            "auto",
            "",
            ["f"],
        ),
    ],
)
def test_tool_choices(given: Any, mode: str, name: str, allowed: list[str]) -> None:
    choice = read({"tool_choice": given}).tool_choice
    assert isinstance(choice, ToolChoice)
    assert (choice.mode, choice.name, choice.allowed) == (mode, name, allowed)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": 3}, "model"),
    ({"input": None}, "input"),
    ({"input": {}}, "input"),
    ({"input": [3]}, "input[0]"),
    ({"input": [{}]}, "input[0].type"),
    ({"input": [{"type": 3}]}, "input[0].type"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "robot", "content": ""}]}, "input[0].role"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
    ({"input": [{"role": "user", "content": [{}]}]}, "input[0].content[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
    ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
    ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].input_audio"),
    ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}, "input[0].arguments"),
    ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
    ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary"),
    ({"input": [{"type": "reasoning", "summary": [{"text": 3}]}]}, "input[0].summary[0].text"),
    ({"instructions": 3}, "instructions"),
    ({"tools": {}}, "tools"),
    ({"tools": [3]}, "tools[0]"),
    ({"tools": [{}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]}, "tools[0].tools[0].name"),
    ({"tool_choice": "any"}, "tool_choice"),
    ({"tool_choice": 3}, "tool_choice"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "none"}}, "tool_choice.mode"),
    ({"text": "x"}, "text"),
    ({"text": {"format": "x"}}, "text.format"),
    ({"text": {"format": {"type": "json_schema", "schema": 3}}}, "text.format.schema"),
    ({"reasoning": "high"}, "reasoning"),
    ({"temperature": "1"}, "temperature"),
    ({"max_output_tokens": 1.5}, "max_output_tokens"),
    ({"stream": 1}, "stream"),
    ({"store": "no"}, "store"),
    ({"metadata": []}, "metadata"),
]


@pytest.mark.parametrize(("more", "param"), WRONG, ids=[f"{param}-{number}" for number, (_, param) in enumerate(WRONG)])
def test_what_is_wrong_is_named(more: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as error:
        read(more)
    assert error.value.param == param
    assert error.value.status == 400


@pytest.mark.parametrize("stand_in", ["previous_response_id", "conversation", "prompt"])
def test_input_may_stand_elsewhere(stand_in: str) -> None:
    given: dict[str, Any] = {"model": "m", stand_in: "id"}
    assert read_request(given, context(upstream="responses"), Call()).messages == []


@pytest.mark.parametrize(
    ("key", "error", "status"),
    [("previous_response_id", NotFound, 404), ("conversation", Unsupported, 400), ("prompt", Unsupported, 400)],
)
def test_what_only_its_own_upstream_keeps_is_refused_elsewhere(key: str, error: type[RequestError], status: int) -> None:
    """Without the earlier turns, another upstream would answer to something else."""
    elsewhere = context(upstream="claude")
    assert read({key: None}, elsewhere).messages
    with pytest.raises(error) as caught:
        read({key: "kept_1"}, elsewhere)
    assert (caught.value.param, caught.value.status) == (key, status)


def test_a_prompt_may_name_the_model() -> None:
    assert read_request({"prompt": {"id": "pmpt_1"}}, context(upstream="responses"), Call()).model == ""


@pytest.mark.parametrize(
    ("document", "call", "stream"),
    [
        ({"model": "m", "input": "x"}, Call(), False),
        ({"model": "m", "input": "x", "stream": True}, Call(), True),
        ({"model": "m", "input": "x", "stream": None}, Call(), False),
        ({"model": "m", "input": "x"}, Call(stream=True), True),
        ({"input": "x"}, Call(model="m"), False),
    ],
)
def test_a_peek(document: dict[str, Any], call: Call, stream: bool) -> None:
    exchange = context()
    peek(document, exchange, call)
    assert exchange.stream is stream


@pytest.mark.parametrize("seed", range(150))
def test_garbage_raises_nothing_but_its_own_error(seed: int) -> None:
    chance = random.Random(seed)
    for document in DOCUMENTS.values():
        broken = mutated(document, chance)
        if isinstance(broken, dict):
            with contextlib.suppress(RequestError):
                read_request(broken, context(), Call())


def test_the_end_user_has_two_names() -> None:
    """`safety_identifier` is what `user` is called now; other protocols have one place for both."""
    assert read({"safety_identifier": "u"}).user == "u"
    assert read({"safety_identifier": "u", "user": "v"}).user == "v"

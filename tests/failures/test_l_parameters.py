"""Field failures, section L: parameters, the choice of tools, formats, cache marks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy import convert_request
from ccproxy.model import Target
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.failures.wire import Doc, asked, context_for, heard_calls, sse, streamed
from tests.test_exchange import REQUESTS, Playbook

QUESTION = {"role": "user", "content": "?"}
OPENAI: Doc = {"model": "m", "messages": [QUESTION]}
CLAUDE: Doc = {"model": "m", "max_tokens": 900, "messages": [QUESTION]}
RESPONSES: Doc = {"model": "m", "input": "?"}
SCHEMA = {
    "type": "object",
    "properties": {"z": {"type": "string"}, "a": {"type": "integer"}},
    "required": ["z", "a"],
    "additionalProperties": False,
}
MARK = {"cache_control": {"type": "ephemeral"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


def function(name: str, **more: Any) -> Doc:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


def rewritten(protocol: str, body: Doc) -> Doc:
    """The request of a protocol through the model to the same protocol, as traffic that a policy touches."""
    chat, context = PROTOCOLS[protocol].chat, context_for(protocol, protocol)
    request = chat.read_request(body, context, Call())
    return chat.write_request(request, Target(protocol=protocol, model="m"), context)


def at(document: Any, *path: str) -> Any:
    for key in path:
        document = document[key]
    return document


# -- limits and sampling


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param("gemini", ("generationConfig", "maxOutputTokens"), id="F272-gemini"),
        pytest.param("ollama", ("options", "num_predict"), id="F300-ollama"),
        pytest.param("claude", ("max_tokens",), id="F272-claude"),
        pytest.param("responses", ("max_output_tokens",), id="F272-responses"),
    ],
)
def test_f272_f300_both_spellings_of_the_limit_reach_every_target(target: str, path: tuple[str, ...], limit: str) -> None:
    """The old one and the one of reasoning models."""
    assert at(asked("openai", target, {**OPENAI, limit: 700}), *path) == 700


def test_f275_stop_sequences_are_a_list_even_when_one() -> None:
    """OpenAI's limit is four."""
    assert asked("claude", "openai", {**CLAUDE, "stop_sequences": ["A"]})["stop"] == ["A"]
    converted = convert_request({**CLAUDE, "stop_sequences": list("ABCDEF")}, source="claude", target="openai")
    assert json.loads(converted.body)["stop"] == list("ABCD")
    assert any("stop sequences" in note for note in converted.notes)


@pytest.mark.parametrize(
    ("model", "said", "sent"),
    [
        pytest.param("claude-sonnet-4-5", {}, {"temperature": 0.3}, id="one of the two where it is taken"),
        pytest.param("claude-sonnet-4-5", {"reasoning_effort": "high"}, {}, id="none beside thinking"),
        pytest.param("claude-opus-4-7", {}, {}, id="none where the model takes none"),
    ],
)
def test_f280_claude_gets_the_sampling_that_it_takes(model: str, said: Doc, sent: Doc) -> None:
    """What is left out is said."""
    body = {**OPENAI, "temperature": 0.3, "top_p": 0.9, **said}
    converted = convert_request(body, source="openai", target="claude", model=model)
    document = json.loads(converted.body)
    assert {key: document[key] for key in ("temperature", "top_p", "top_k") if key in document} == sent
    assert any(note.startswith("top_p") for note in converted.notes)


# -- formats


@pytest.mark.parametrize(
    ("target", "path", "format"),
    [
        (
            "openai",
            ("response_format",),
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        ),
        ("claude", ("output_config", "format"), {"type": "json_schema", "schema": SCHEMA}),
        ("gemini", ("generationConfig", "responseJsonSchema"), SCHEMA),
        ("ollama", ("format",), SCHEMA),
    ],
)
def test_f276_the_format_of_responses_is_each_targets_own(target: str, path: tuple[str, ...], format: Doc) -> None:
    """`text.format` is flat, `response_format` nests."""
    body = {**RESPONSES, "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}}}
    assert at(asked("responses", target, body), *path) == format


def test_f276_the_format_of_openai_is_flat_in_responses() -> None:
    """The way back."""
    format = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}
    document = asked("openai", "responses", {**OPENAI, "response_format": format})
    assert document["text"]["format"] == {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}


@pytest.mark.parametrize("target", ["openai", "claude", "gemini", "ollama"])
def test_what_responses_alone_knows_of_caches_and_streams_stays_there(target: str) -> None:
    """Beside a field, in the content, too. (To a strict upstream of its own protocol: see the table of what is pending.)"""
    part = {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"type": "ephemeral"}}
    extra = {"prompt_cache_retention": "24h", "prompt_cache_options": {"mode": "x"}}
    stream = {"stream": True, "stream_options": {"include_obfuscation": False}}
    body = {"model": "m", "input": [{"role": "user", "content": [part]}], **extra, **stream}
    said = json.dumps(asked("responses", target, body))
    assert "prompt_cache" not in said
    assert "obfuscation" not in said


# -- cache marks


def marks(document: Any) -> list[str]:
    """Where cache marks stand: the name or text beside each, in order."""
    if isinstance(document, list):
        return [found for one in document for found in marks(one)]
    if not isinstance(document, dict):
        return []
    own = [document.get("name") or document.get("text") or document["type"]] if "cache_control" in document else []
    return own + [found for key, value in document.items() if key != "cache_control" for found in marks(value)]


PIXEL = "data:image/png;base64,iVBORw0KGgo="
MARKED: list[tuple[str, Doc, list[str]]] = [
    ("a part", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", **MARK}]}]}, ["x"]),
    (
        "a system part",
        {"messages": [{"role": "system", "content": [{"type": "text", "text": "s", **MARK}]}, QUESTION]},
        ["s"],
    ),
    ("a message", {"messages": [{"role": "user", "content": "x", **MARK}]}, ["x"]),
    ("a system message", {"messages": [{"role": "system", "content": "s", **MARK}, QUESTION]}, ["s"]),
    (
        "a message of parts",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": t} for t in "xy"], **MARK}]},
        ["y"],
    ),
    (
        "a picture",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}, **MARK}]}]},
        ["image"],
    ),
    ("a tool", {"messages": [QUESTION], "tools": [function("f"), {**function("g"), **MARK}]}, ["g"]),
    (
        "a result",
        {
            "messages": [
                QUESTION,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "a", "content": "r", **MARK},
            ]
        },
        ["tool_result"],
    ),
]


@pytest.mark.parametrize(("body", "found"), [row[1:] for row in MARKED], ids=[row[0] for row in MARKED])
def test_f279_cache_marks_in_an_openai_request_are_claudes(body: Doc, found: list[str]) -> None:
    """On parts, messages and tools; and a rewrite to OpenAI leaves each where it stood."""
    assert marks(asked("openai", "claude", {"model": "m", **body})) == found
    assert rewritten("openai", {"model": "m", **body}) == {"model": "m", **body}


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_f279_nobody_else_is_sent_them(target: str) -> None:
    """Of a Claude client."""
    body = {**CLAUDE, "system": [{"type": "text", "text": "s", **MARK}]}
    body["messages"] = [{"role": "user", "content": [{"type": "text", "text": "x", **MARK}]}]
    body["tools"] = [{"name": "f", "input_schema": SCHEMA, **MARK}]
    assert "cache_control" not in json.dumps(asked("claude", target, body))


def test_f278_no_cache_mark_is_made_up() -> None:
    """None on a tool whose loading is deferred, none anywhere else; and those of the client stay where they are."""
    tools = [{"name": "f", "input_schema": SCHEMA, **MARK}, {"name": "g", "input_schema": SCHEMA, "defer_loading": True}]
    assert rewritten("claude", {**CLAUDE, "tools": tools})["tools"] == tools
    assert marks(rewritten("claude", {**CLAUDE, "tools": tools[1:]})) == []


def test_f286_system_blocks_stay_apart_with_their_marks() -> None:
    """In a rewrite, and from OpenAI's parts."""
    system = [{"type": "text", "text": "s", **MARK}, {"type": "text", "text": "t"}]
    assert rewritten("claude", {**CLAUDE, "system": system})["system"] == system
    body = {"model": "m", "messages": [{"role": "system", "content": system}, QUESTION]}
    assert asked("openai", "claude", body)["system"] == system


def test_f295_no_more_than_four_cache_marks_and_none_on_nothing() -> None:
    """The last ones stay, which reach furthest."""
    texts = [{"type": "text", "text": text, **MARK} for text in ("1", "2", "3", "4", "5", "")]
    body = {"model": "m", "messages": [{"role": "user", "content": texts}], "tools": [{**function("f"), **MARK}]}
    converted = convert_request(body, source="openai", target="claude")
    document = json.loads(converted.body)
    assert marks(document) == ["2", "3", "4", "5"]
    assert [block["text"] for block in document["messages"][0]["content"]] == ["1", "2", "3", "4", "5"]
    assert any("cache marks" in note for note in converted.notes)


# -- tools and their choice


@pytest.mark.parametrize(
    ("source", "target", "body", "choice"),
    [
        (
            "responses",
            "openai",
            {**RESPONSES, "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]}
            | {"tool_choice": {"type": "function", "name": "f"}},
            {"type": "function", "function": {"name": "f"}},
        ),
        (
            "openai",
            "responses",
            {**OPENAI, "tools": [function("f")], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"type": "function", "name": "f"},
        ),
        (
            "responses",
            "claude",
            {**RESPONSES, "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]}
            | {"tool_choice": {"type": "function", "name": "f"}},
            {"type": "tool", "name": "f"},
        ),
    ],
    ids=["responses-openai", "openai-responses", "responses-claude"],
)
def test_f282_a_choice_of_one_tool_is_nested_as_the_target_has_it(source: str, target: str, body: Doc, choice: Doc) -> None:
    """Flat in Responses, nested in OpenAI."""
    assert asked(source, target, body)["tool_choice"] == choice


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
@pytest.mark.parametrize("tools", [[], [{"name": "f", "input_schema": SCHEMA}]], ids=["alone", "beside another"])
def test_f284_a_forced_server_tool_that_is_not_sent_is_not_forced(target: str, tools: list[Doc]) -> None:
    """Claude Code's web search; and the other tools stay on offer."""
    choice = {"type": "tool", "name": "web_search"}
    converted = convert_request(
        {**CLAUDE, "tools": [*tools, SEARCH], "tool_choice": choice}, source="claude", target=target
    )
    said = json.loads(converted.body)
    assert b"web_search" not in converted.body
    assert "tool_choice" not in said
    assert "toolConfig" not in said
    assert (b'"f"' in converted.body) == bool(tools)
    assert converted.notes


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_f283_claudes_user_id_is_no_metadata_elsewhere(target: str) -> None:
    """It goes where the target names a user, or is left out."""
    document = asked("claude", target, {**CLAUDE, "metadata": {"user_id": "user_abc"}})
    assert "metadata" not in document
    named = {"openai": "user", "responses": "safety_identifier"}.get(target)
    assert document.get(named) == ("user_abc" if named else None)


def test_f287_arguments_of_the_history_keep_their_text_and_order() -> None:
    """Between protocols that carry text, to the byte."""
    text = '{"z": 1,  "a":1.0, "m":{"y":2,"b":3}}'
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": text}
    done = {"type": "function_call_output", "call_id": "c", "output": "fine"}
    document = asked("responses", "openai", {"model": "m", "input": [QUESTION, item, done]})
    assert document["messages"][1]["tool_calls"][0]["function"]["arguments"] == text
    for target in ("claude", "gemini", "ollama"):
        body = convert_request({"model": "m", "input": [QUESTION, item, done]}, source="responses", target=target).body
        assert b'{"z":1,"a":1.0,"m":{"y":2,"b":3}}' in body


def test_f287_the_same_from_objects() -> None:
    """A Claude turn that comes back in every request is the same text each time."""
    use = {"type": "tool_use", "id": "c", "name": "f", "input": {"z": 1, "a": {"y": 2, "b": 3}}}
    done = {"type": "tool_result", "tool_use_id": "c", "content": "fine"}
    turns = [QUESTION, {"role": "assistant", "content": [use]}, {"role": "user", "content": [done]}]
    one = asked("claude", "openai", {**CLAUDE, "messages": turns})["messages"]
    more = asked("claude", "openai", {**CLAUDE, "messages": [*turns, {"role": "assistant", "content": "ok"}, QUESTION]})
    assert one[1]["tool_calls"][0]["function"]["arguments"] == '{"z":1,"a":{"y":2,"b":3}}'
    assert more["messages"][: len(one)] == one


def test_f290_odd_names_in_streamed_arguments_are_names() -> None:
    """Nothing is merged into an object by its attributes."""

    def partial(*pieces: Doc, **more: Any) -> Doc:
        call = {"functionCall": {"partialArgs": list(pieces), **more}}
        return {"candidates": [{"content": {"role": "model", "parts": [call]}, "index": 0}]}

    odd = {"jsonPath": "$.__proto__.polluted", "stringValue": "yes"}
    also = {"jsonPath": "$.__class__", "stringValue": "no"}
    end = {"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": "STOP", "index": 0}]}
    data = sse(partial(odd, name="f", willContinue=True), partial(also), end)
    calls = heard_calls("openai", streamed("openai", "gemini", data))
    assert calls == [("f", {"__proto__": {"polluted": "yes"}, "__class__": "no"})]
    assert not hasattr(object, "polluted")


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        ({"tools": [function("f", strict=True)]}, "VALIDATED"),
        ({"tools": [function("f", strict=True)], "tool_choice": "required"}, "ANY"),
        ({"tools": [function("f", strict=True)], "tool_choice": "none"}, "NONE"),
        ({"tools": [function("f")]}, None),
    ],
)
def test_f291_strict_tools_are_validated_by_gemini(body: Doc, mode: str | None) -> None:
    """ANY validates by itself."""
    document = asked("openai", "gemini", {**OPENAI, **body})
    assert document.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode") == mode


@pytest.mark.parametrize(
    ("target", "path", "choice"),
    [
        ("claude", ("tool_choice",), {"type": "none"}),
        ("responses", ("tool_choice",), "none"),
        ("gemini", ("toolConfig", "functionCallingConfig", "mode"), "NONE"),
    ],
)
def test_f294_no_tools_is_said_in_the_targets_own_way(target: str, path: tuple[str, ...], choice: Any) -> None:
    """And the definitions stay, that a history with calls may need."""
    document = asked("openai", target, {**OPENAI, "tools": [function("f")], "tool_choice": "none"})
    assert at(document, *path) == choice
    assert '"f"' in json.dumps(document["tools"])


def test_f294_where_it_cannot_be_said_no_tools_are_sent() -> None:
    """Ollama."""
    document = asked("openai", "ollama", {**OPENAI, "tools": [function("f")], "tool_choice": "none"})
    assert "tools" not in document
    assert "tool_choice" not in document


@pytest.mark.parametrize("model", ["claude-3-5-haiku-20241022", "claude-sonnet-4-5"])
def test_f296_strict_does_not_reach_claude(model: str) -> None:
    """It is taken on some schemas and models only, and refused on the others; so it is left out, and that is said."""
    body = {**OPENAI, "tools": [function("f", strict=True)]}
    converted = convert_request(body, source="openai", target="claude", model=model)
    assert json.loads(converted.body)["tools"] == [{"name": "f", "input_schema": SCHEMA}]
    assert any("strict" in note for note in converted.notes)


@pytest.mark.parametrize("upstream", list(PROTOCOLS))
def test_f298_beta_flags_go_to_claude_and_to_nobody_else(upstream: str) -> None:
    """All of them, in one header."""
    play = Playbook("claude", upstream)
    play.body()
    sent = {name: value for name, value in play.dial.headers if name.startswith("anthropic")}
    assert sent.get("anthropic-beta") == ("one, two" if upstream == "claude" else None)
    assert upstream == "claude" or not sent


@pytest.mark.parametrize("source", ["openai", "responses", "claude", "gemini", "ollama"])
@pytest.mark.parametrize("target", ["openai", "responses", "claude", "gemini", "ollama"])
def test_f299_tools_keep_their_order_and_requests_their_bytes(source: str, target: str) -> None:
    """The same request is the same bytes each time, and the tools stand as the client has them; so do the schemas' keys."""
    names = ["zeta", "beta", "alpha", "mu"]
    plain = [{"name": name, "description": "d", "parameters": SCHEMA} for name in names]
    tools: dict[str, Any] = {
        "openai": [{"type": "function", "function": tool} for tool in plain],
        "responses": [{"type": "function", **tool} for tool in plain],
        "claude": [{"name": name, "description": "d", "input_schema": SCHEMA} for name in names],
        "gemini": [
            {"functionDeclarations": [{"name": n, "description": "d", "parametersJsonSchema": SCHEMA} for n in names]}
        ],
        "ollama": [{"type": "function", "function": tool} for tool in plain],
    }
    body = {**REQUESTS[source], "tools": tools[source]}
    stream = {"stream": False} if source == "gemini" else {}
    sent = [convert_request(body, source=source, target=target, model="m", **stream).body for _ in range(2)]
    assert sent[0] == sent[1]
    places = [sent[0].index(b'"%s"' % name.encode()) for name in names]
    assert places == sorted(places)
    assert sent[0].index(b'"z"') < sent[0].index(b'"a"')

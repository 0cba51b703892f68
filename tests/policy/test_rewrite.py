"""A group's rules, over the five protocols on both sides: what a request says once they were applied."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from itertools import pairwise, product, takewhile
from typing import Any

import pytest

from ccproxy.conversion import Prepared, answered_here, prepare, pump_for
from ccproxy.model import Context, Request, Target, Text, Tool, ToolChoice
from ccproxy.policy.rewrite import BILLING, Rules, apply, is_makers
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from ccproxy.pump import Relay

NAMES = list(PROTOCOLS)
Document = dict[str, Any]
PROMPT = "Work in small steps.\nTell what you do."
IN_PATH = Call(model="alias", stream=True, query={"alt": "sse"})
"""Gemini says in the path what the others say in the body."""

# ---------------------------------------------------------------------------------------------------------------------
# A request in each protocol, with its system prompt as a string and as an array


def _function(name: str) -> Document:
    return {"name": name, "description": f"{name} it", "parameters": {"type": "object", "properties": {}}}


def _wrapped(name: str) -> Document:
    return {"type": "function", "function": _function(name)}


def _texts(texts: list[str]) -> list[Document]:
    return [{"type": "text", "text": text} for text in texts]


TOOLS = ("Read", "WebFetch", "WebSearch")


def openai(system: str | list[str], said: list[str]) -> Document:
    first = [] if not system else [{"role": "system", "content": system if isinstance(system, str) else _texts(system)}]
    return {
        "model": "alias",
        "messages": [*first, *_turns(said, "assistant")],
        "tools": [_wrapped(name) for name in TOOLS],
        "tool_choice": {"type": "function", "function": {"name": "WebFetch"}},
        "temperature": 0.5,
        "stream": True,
        "logit_bias": {"50256": -100},
    }


def _turns(said: list[str], answering: str) -> list[Document]:
    return [{"role": ("user", answering)[number % 2], "content": text} for number, text in enumerate(said)]


def responses(system: str | list[str], said: list[str]) -> Document:
    developer = [] if isinstance(system, str) else [{"role": "developer", "content": _inputs(system)}]
    return {
        "model": "alias",
        **({"instructions": system} if system and isinstance(system, str) else {}),
        "input": [*developer, *_turns(said, "assistant")],
        "tools": [{"type": "function", **_function(name), "strict": False} for name in TOOLS],
        "tool_choice": {"type": "function", "name": "WebFetch"},
        "temperature": 0.5,
        "stream": True,
        "prompt_cache_key": "k",
    }


def _inputs(texts: list[str]) -> list[Document]:
    return [{"type": "input_text", "text": text} for text in texts]


def claude(system: str | list[str], said: list[str]) -> Document:
    return {
        "model": "alias",
        "max_tokens": 100,
        **({"system": system if isinstance(system, str) else _texts(system)} if system else {}),
        "messages": _turns(said, "assistant"),
        "tools": [{"name": name, "input_schema": {"type": "object", "properties": {}}} for name in TOOLS],
        "tool_choice": {"type": "tool", "name": "WebFetch"},
        "temperature": 0.5,
        "stream": True,
        "context_management": {"edits": []},
    }


def gemini(system: str | list[str], said: list[str]) -> Document:
    parts: Any = system if isinstance(system, str) else {"parts": [{"text": text} for text in system]}
    turns = [{"role": ("user", "model")[number % 2], "parts": [{"text": text}]} for number, text in enumerate(said)]
    return {
        **({"systemInstruction": parts} if system else {}),
        "contents": turns,
        "tools": [{"functionDeclarations": [_function(name) for name in TOOLS]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["WebFetch"]}},
        "generationConfig": {"temperature": 0.5},
        "safetySettings": [{"category": "C", "threshold": "T"}],
    }


def ollama(system: str | list[str], said: list[str]) -> Document:
    texts = [system] if system and isinstance(system, str) else list(system)
    return {
        "model": "alias",
        "messages": [*({"role": "system", "content": text} for text in texts), *_turns(said, "assistant")],
        "tools": [_wrapped(name) for name in TOOLS],
        "options": {"temperature": 0.5, "num_ctx": 4096},
        "keep_alive": "5m",
    }


MAKE = {"openai": openai, "responses": responses, "claude": claude, "gemini": gemini, "ollama": ollama}
SYSTEMS: dict[str, str | list[str]] = {
    "string": "You are Claude Code.",
    "array": ["You are Claude Code.", "Be brief, Claude Code."],
    "none": "",
}
HISTORY = ["one", "two", "three"]
CASES = [
    pytest.param(client, upstream, shape, id=f"{client}-{upstream}-{shape}")
    for client, upstream, shape in product(NAMES, NAMES, SYSTEMS)
]


def call_of(client: str) -> Call:
    return IN_PATH if client == "gemini" else Call()


def prepared(
    client: str, upstream: str, document: Document, rules: Rules | None, **target: Any
) -> tuple[Prepared, Context]:
    context = Context(client=client, upstream=upstream, model="alias", created=1)
    destination = Target(protocol=upstream, model="up-1", **target)
    sides = PROTOCOLS[client], PROTOCOLS[upstream]
    body = json.dumps(document).encode()
    return prepare(body, deepcopy(document), *sides, destination, context, call_of(client), rules=rules), context


def told(client: str, upstream: str, document: Document, rules: Rules) -> Request:
    """What the upstream is told, read as that reads it."""
    body = json.loads(prepared(client, upstream, document, rules)[0].body)
    return PROTOCOLS[upstream].chat.read_request(body, Context(client=upstream, upstream=upstream), IN_PATH)


def system_of(request: Request) -> str:
    leading = takewhile(lambda message: message.role == "system", request.messages)
    parts = [*request.system, *(part for message in leading for part in message.parts)]
    return "\n\n".join(part.text for part in parts if isinstance(part, Text))


def first_of(request: Request) -> str:
    """The user's first message."""
    first = next(message for message in request.messages if message.role == "user")
    return "\n".join(part.text for part in first.parts if isinstance(part, Text))


def whole(shape: str) -> str:
    system = SYSTEMS[shape]
    return system if isinstance(system, str) else "\n\n".join(system)


# ---------------------------------------------------------------------------------------------------------------------
# The table


@pytest.mark.parametrize(("client", "upstream", "shape"), CASES)
def test_a_prompt_is_added(client: str, upstream: str, shape: str) -> None:
    request = told(client, upstream, MAKE[client](SYSTEMS[shape], HISTORY), Rules(injection="enhance", prompt=PROMPT))
    assert system_of(request) == "\n\n".join(filter(None, [whole(shape), PROMPT]))
    assert first_of(request) == "one"


@pytest.mark.parametrize(("client", "upstream", "shape"), CASES)
def test_a_prompt_takes_the_place_of_the_clients(client: str, upstream: str, shape: str) -> None:
    request = told(client, upstream, MAKE[client](SYSTEMS[shape], HISTORY), Rules(injection="replace", prompt=PROMPT))
    assert (system_of(request), first_of(request)) == (PROMPT, "one")


@pytest.mark.parametrize("injection", ["enhance", "replace"])
@pytest.mark.parametrize(("client", "upstream", "shape"), CASES)
def test_a_prompt_before_the_users_first_message(client: str, upstream: str, shape: str, injection: Any) -> None:
    rules = Rules(injection=injection, prompt=PROMPT, position="user")
    request = told(client, upstream, MAKE[client](SYSTEMS[shape], HISTORY), rules)
    assert system_of(request) == (whole(shape) if injection == "enhance" else "")
    assert first_of(request) == f"{PROMPT}\n\none"
    assert [message.role for message in request.messages if message.role != "system"] == ["user", "assistant", "user"]


@pytest.mark.parametrize(("client", "upstream", "shape"), CASES)
def test_replacements(client: str, upstream: str, shape: str) -> None:
    rules = Rules(replacements=(("Claude Code", "the agent"), ("the agent.", "Bob.")))
    request = told(client, upstream, MAKE[client](SYSTEMS[shape], ["Claude Code", "is", "good"]), rules)
    assert system_of(request) == whole(shape).replace("Claude Code.", "Bob.")
    assert first_of(request) == "Claude Code"  # the user's words are the user's


@pytest.mark.parametrize(("client", "upstream", "shape"), CASES)
def test_tools_are_removed(client: str, upstream: str, shape: str) -> None:
    document = MAKE[client](SYSTEMS[shape], HISTORY)
    request = told(client, upstream, document, Rules(tool_filter=("Web*",)))
    assert [tool.name for tool in request.tools if isinstance(tool, Tool)] == ["Read"]
    assert request.tool_choice in (None, ToolChoice("auto"))
    body = json.loads(prepared(client, upstream, document, Rules(tool_filter=("*",)))[0].body)
    assert not body.keys() & {"tools", "tool_choice", "toolConfig", "parallel_tool_calls"}


@pytest.mark.parametrize("ratio", [0.5, 3.0, 100.0])
@pytest.mark.parametrize(("client", "upstream"), [pytest.param(*pair, id="-".join(pair)) for pair in product(NAMES, NAMES)])
def test_the_temperature_is_scaled_and_clamped_at_the_target(client: str, upstream: str, ratio: float) -> None:
    """0 to 1 for Claude (API reference, `temperature`), 0 to 2 elsewhere; what Ollama's own clients say has no bounds."""
    document = MAKE[client]("", HISTORY)
    most = 1 if upstream == "claude" else math.inf if client == upstream == "ollama" else 2
    assert told(client, upstream, document, Rules(temperature_ratio=ratio)).sampling.temperature == min(0.5 * ratio, most)
    for place in (document, document.get("options", {}), document.get("generationConfig", {})):
        place.pop("temperature", None)
    assert told(client, upstream, document, Rules(temperature_ratio=ratio)).sampling.temperature == min(ratio, most)


@pytest.mark.parametrize("rest", ["", "\nBe brief."])
@pytest.mark.parametrize(("client", "upstream"), [pytest.param(*pair, id="-".join(pair)) for pair in product(NAMES, NAMES)])
def test_the_billing_line_goes(client: str, upstream: str, rest: str) -> None:
    line = f"{BILLING} cc_version=2.1.4; cc_entrypoint=cli; cch=0a1b2;"
    rules = Rules(strip_billing_line=True)
    for system in (line + rest, [line, "Be brief."] if rest else [line]):
        request = told(client, upstream, MAKE[client](system, HISTORY), rules)
        assert system_of(request) == rest.strip()


# ---------------------------------------------------------------------------------------------------------------------
# The same protocol on both sides


@pytest.mark.parametrize("shape", ["string", "array"])
@pytest.mark.parametrize("client", NAMES)
def test_what_is_touched_loses_nothing_else(client: str, shape: str) -> None:
    document = MAKE[client](SYSTEMS[shape], HISTORY)
    written, _ = prepared(client, client, document, Rules(replacements=(("You are Claude Code", "You are"),)))
    expected = json.loads(json.dumps(document).replace("You are Claude Code", "You are"))
    assert json.loads(written.body) == (expected if client == "gemini" else {**expected, "model": "up-1"})


@pytest.mark.parametrize("rules", [
    Rules(replacements=(("not there", "x"),)),
    Rules(tool_filter=("Bash*",)),
    Rules(strip_billing_line=True),
    Rules(injection="enhance", prompt=PROMPT, models=("gpt-*",)).for_model("alias"),
    None,
])  # fmt: skip
@pytest.mark.parametrize("client", NAMES)
def test_what_no_rule_touches_stays_the_bytes_that_it_was(client: str, rules: Rules | None) -> None:
    document = MAKE[client](SYSTEMS["array"], HISTORY)
    written, _ = prepared(client, client, document, rules)
    assert written.relayed
    assert written.body == json.dumps(document).encode().replace(b'"alias"', b'"up-1"')


@pytest.mark.parametrize("client", NAMES)
def test_the_answer_to_a_touched_request_passes_as_it_is(client: str) -> None:
    written, context = prepared(client, client, MAKE[client]("x", HISTORY), Rules(injection="enhance", prompt=PROMPT))
    pump = pump_for(PROTOCOLS[client], PROTOCOLS[client], context, relayed=written.relayed, streams=True)
    assert isinstance(pump, Relay)


# ---------------------------------------------------------------------------------------------------------------------
# Growing histories

_HISTORIES = {"openai": "messages", "responses": "input", "claude": "messages", "gemini": "contents", "ollama": "messages"}


@pytest.mark.parametrize("position", ["system", "user"])
@pytest.mark.parametrize("injection", ["enhance", "replace"])
@pytest.mark.parametrize(("client", "upstream", "shape"), CASES)
def test_nothing_moves_as_the_history_grows(client: str, upstream: str, shape: str, injection: Any, position: Any) -> None:
    rules = Rules(injection=injection, prompt=PROMPT, position=position)
    turns = [["one"], ["one", "two", "three"], ["one", "two", "three", "four", "five"]]
    bodies = [prepared(client, upstream, MAKE[client](SYSTEMS[shape], said), rules)[0].body for said in turns]
    documents = [json.loads(body) for body in bodies]
    member = _HISTORIES[upstream]
    histories = [document.pop(member) for document in documents]
    assert documents[0] == documents[1] == documents[2]
    for earlier, later in pairwise(histories):
        assert later[: len(earlier)] == earlier
    prompt = json.dumps(PROMPT)[1:-1].encode()
    assert {body.count(prompt) for body in bodies} == {1}


# ---------------------------------------------------------------------------------------------------------------------
# Details


def test_a_cache_mark_moves_to_the_end_of_the_prompt() -> None:
    mark = {"type": "ephemeral"}
    document = claude(["a", "b"], ["one"])
    document["system"][1]["cache_control"] = mark
    for injection in ("enhance", "replace"):
        rules = Rules(injection=injection, prompt=PROMPT)  # type: ignore[arg-type]
        written, _ = prepared("claude", "claude", document, rules)
        system = json.loads(written.body)["system"]
        assert (system[-1]["text"].endswith(PROMPT), system[-1]["cache_control"]) == (True, mark)
        assert not any("cache_control" in block for block in system[:-1])


def test_a_string_stays_a_string() -> None:
    """Some servers take nothing else for a system prompt."""
    written, _ = prepared("openai", "openai", openai("a", ["one"]), Rules(injection="enhance", prompt="b"))
    assert json.loads(written.body)["messages"][0] == {"role": "system", "content": "a\n\nb"}
    written, _ = prepared("claude", "claude", claude("a", ["one"]), Rules(injection="replace", prompt="b"))
    assert json.loads(written.body)["system"] == "b"


def test_developers_stay_developers() -> None:
    document = {"model": "alias", "messages": [{"role": "developer", "content": "a"}, {"role": "user", "content": "one"}]}
    written, _ = prepared("openai", "openai", document, Rules(injection="replace", prompt="b"))
    assert json.loads(written.body)["messages"][0] == {"role": "developer", "content": "b"}


def test_a_system_message_in_mid_conversation_stays_where_it_is() -> None:
    document = openai("Claude Code", ["one"])
    document["messages"].append({"role": "system", "content": "Claude Code knows"})
    rules = Rules(injection="replace", prompt="b", replacements=(("Claude Code", "it"),))
    request = told("openai", "openai", document, rules)
    assert [(m.role, m.parts[0].text) for m in request.messages if isinstance(m.parts[0], Text)] == [
        ("system", "b"),
        ("user", "one"),
        ("system", "it knows"),
    ]


def test_a_text_that_nothing_is_left_of_goes() -> None:
    rules = Rules(replacements=(("Be brief.", ""),))
    document = claude(["Be brief.", "You code."], ["one"])
    written, _ = prepared("claude", "claude", document, rules)
    assert json.loads(written.body)["system"] == [{"type": "text", "text": "You code."}]
    for client in NAMES:
        body = json.loads(prepared(client, client, MAKE[client]("Be brief.", ["one"]), rules)[0].body)
        assert not body.keys() & {"system", "systemInstruction", "instructions"}
        assert "system" not in [message.get("role") for message in body[_HISTORIES[client]]]


def test_a_prompt_where_the_user_says_nothing_yet() -> None:
    request = Request(origin="x", model="m")
    assert apply(Rules(injection="enhance", prompt="b", position="user"), request)
    assert [message.role for message in request.messages] == ["user"]


def test_beside_blocks_the_prompt_is_a_block() -> None:
    document = claude("", [])
    document["messages"] = [{"role": "user", "content": _texts(["<system-reminder>x</system-reminder>", "one"])}]
    written, _ = prepared("claude", "claude", document, Rules(injection="enhance", prompt="b", position="user"))
    assert json.loads(written.body)["messages"][0]["content"] == _texts(
        ["b", "<system-reminder>x</system-reminder>", "one"]
    )


def test_an_earlier_answer_brings_the_prompt_with_the_users_first_message() -> None:
    """Instructions are not carried over to the next response, the input is (API reference, `previous_response_id`)."""
    document = {"model": "alias", "input": "more", "previous_response_id": "resp_1", "stream": True}
    user, _ = prepared("responses", "responses", document, Rules(injection="enhance", prompt="b", position="user"))
    system, _ = prepared("responses", "responses", document, Rules(injection="enhance", prompt="b"))
    assert json.loads(user.body) == {**document, "model": "up-1"}
    assert json.loads(system.body) == {**document, "model": "up-1", "instructions": "b"}


CHOICES = [
    ("WebFetch", [], {"WebFetch"}, None),
    ("Read", [], {"WebFetch"}, ToolChoice("tool", "Read")),
    ("", ["Read", "WebFetch"], {"WebFetch"}, ToolChoice("required", allowed=["Read"])),
    ("", ["WebFetch"], {"WebFetch"}, ToolChoice("none")),
    ("", [], {"WebFetch"}, ToolChoice("required")),
    ("", [], {"WebFetch", "Read"}, None),
]


@pytest.mark.parametrize(("name", "allowed", "gone", "expected"), CHOICES)
def test_the_choice_among_the_tools_that_are_left(
    name: str, allowed: list[str], gone: set[str], expected: ToolChoice | None
) -> None:
    choice = ToolChoice("tool", name) if name else ToolChoice("required", allowed=allowed)
    request = Request(origin="x", model="m", tools=[Tool("Read"), Tool("WebFetch")], tool_choice=choice)
    assert apply(Rules(tool_filter=tuple(gone)), request)
    assert request.tool_choice == expected


SERVER_TOOLS = [
    ("claude", {"type": "web_search_20250305", "name": "web_search"}, {"type": "tool", "name": "web_search"}),
    ("responses", {"type": "web_search"}, {"type": "web_search"}),
    ("gemini", {"googleSearch": {}}, None),
]


@pytest.mark.parametrize("pattern", ["web_search", "web*", "googleSearch"])
@pytest.mark.parametrize(("client", "tool", "choice"), SERVER_TOOLS)
def test_a_providers_own_tool_goes_by_its_name(client: str, tool: Document, choice: Document | None, pattern: str) -> None:
    document = MAKE[client]("", ["one"])
    document["tools"].append(tool)
    if choice is not None:
        document["tool_choice"] = choice
    body = json.loads(prepared(client, client, document, Rules(tool_filter=(pattern,)))[0].body)
    meant = (client == "gemini") == (pattern == "googleSearch")
    assert (tool in body["tools"]) == (not meant)
    if choice is not None:
        assert ("tool_choice" in body) == (not meant)


def test_a_tool_within_a_namespace_goes_by_either_name() -> None:
    space = {"type": "namespace", "name": "mcp", "tools": [{"type": "function", **_function("fetch")}]}
    for pattern in ("fetch", "mcp__*"):
        document = {**responses("", ["one"]), "tools": [space, {"type": "function", **_function("Read")}]}
        request = told("responses", "responses", document, Rules(tool_filter=(pattern,)))
        assert [tool.name for tool in request.tools if isinstance(tool, Tool)] == ["Read"]


def test_counts_count_what_would_be_sent() -> None:
    document = claude("a", ["one"])
    count = {key: document[key] for key in ("model", "system", "messages", "tools")}
    plain, _ = counted("claude", count, None)
    longer, _ = counted("claude", count, Rules(injection="enhance", prompt=PROMPT * 50))
    assert longer > plain + 200
    fewer, body = counted("claude", count, Rules(tool_filter=("*",)))
    assert fewer < plain
    assert set(body) == {"model", "system", "messages"}


def test_geminis_count_of_bare_turns_with_a_prompt_is_one_of_a_whole_request() -> None:
    turns = {"contents": gemini("", ["one"])["contents"]}
    _, body = counted("gemini", turns, Rules(injection="enhance", prompt="b"))
    assert body == {
        "generateContentRequest": {
            "contents": turns["contents"],
            "systemInstruction": {"parts": [{"text": "b"}]},
            "model": "models/up-1",
        }
    }
    _, body = counted("gemini", turns, Rules(injection="enhance", prompt="b", position="user"))
    assert body["contents"][0]["parts"] == [{"text": "b\n\none"}]


def counted(client: str, document: Document, rules: Rules | None) -> tuple[int, Document]:
    """The count for an upstream of another protocol, and what one of the same protocol is asked."""
    ours, other = PROTOCOLS[client], PROTOCOLS["openai"]
    context = Context(client=client, upstream="openai", model="alias")
    answered = answered_here(deepcopy(document), ours, other, context, call_of(client), "count", rules)
    assert answered is not None
    body = json.dumps(document).encode()
    target, own = Target(protocol=client, model="up-1"), Context(client=client, upstream=client, model="alias")
    sent = prepare(body, deepcopy(document), ours, ours, target, own, call_of(client), "count", rules)
    return next(iter(json.loads(answered.body).values())), json.loads(sent.body)


def test_a_temperature_has_no_dust() -> None:
    request = Request(origin="x", model="m")
    request.sampling.temperature = 0.7
    apply(Rules(temperature_ratio=0.7), request)
    assert request.sampling.temperature == 0.49


def test_whom_the_billing_line_is_meant_for() -> None:
    assert is_makers("api.anthropic.com")
    assert not is_makers("anthropic.com.evil.example")
    assert not is_makers("notanthropic.com")
    assert not is_makers("127.0.0.1")


MODELS = [
    ((), "gpt-5", True),
    (("claude-*",), "claude-sonnet-4", True),
    (("claude-*", "gpt-*"), "gpt-5", True),
    (("claude-*",), "gpt-5", False),
    (("claude-?",), "claude-42", False),
]


@pytest.mark.parametrize(("patterns", "name", "meant"), MODELS)
def test_prompts_for_some_models_only(patterns: tuple[str, ...], name: str, meant: bool) -> None:
    rules = Rules(injection="enhance", prompt="b", replacements=(("a", "b"),), models=patterns, tool_filter=("x",))
    found = rules.for_model(name)
    assert found is not None
    assert (found.injection, bool(found.replacements), found.tool_filter) == (
        ("enhance", True, ("x",)) if meant else ("off", False, ("x",))
    )


def test_rules_that_say_nothing_are_none() -> None:
    assert Rules().for_model("x") is None
    assert Rules(prompt="b").for_model("x") is None
    assert Rules(injection="enhance", prompt="b", models=("y",)).for_model("x") is None
    assert Rules(strip_billing_line=True).for_model("x") is not None

"""A conversation that is converted turn by turn becomes, each time, what it becomes as a whole: the same bytes, and a
context that knows the same."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from ccproxy import conversion
from ccproxy.codec import jsontext
from ccproxy.convert import new_context
from ccproxy.errors import CcproxyError, Unsupported
from ccproxy.model import Context, Message, Target, Text, ToolCall, ToolResult
from ccproxy.policy.rewrite import Rules
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from ccproxy.turnwise import Conversations
from tests.protocols.strategies import NAMES, changed, conversations, requests, steps
from tests.protocols.test_properties import PROFILE, of_another, written
from tests.tools import known

MODELS = {
    "openai": ("m", "deepseek-reasoner", "mistral-large-latest", "gpt-5"),
    "responses": ("m", "gpt-5"),
    "claude": ("claude-sonnet-4-5", "claude-opus-4-7", "m"),
    "gemini": ("gemini-2.5-flash", "gemini-3-pro-preview", "gemini-1.5-flash"),
    "ollama": ("m", "gpt-oss:20b"),
}
RULES = (
    None,
    None,
    Rules(injection="enhance", prompt="Be brief.", temperature_ratio=0.5),
    Rules(injection="replace", prompt="Be brief.", position="user", tool_filter=("Read",)),
    Rules(replacements=(("a", "e"), ("ß", "")), strip_billing_line=True),
)
MARK = {"cache_control": {"type": "ephemeral"}}
MANY = 1 << 24


def prepared(
    document: dict[str, Any], client: str, target: Target, rules: Rules | None, known: Conversations | None
) -> Any:
    """What comes of a request: the body, and what the context knows; or the error."""
    context = new_context(client=client, upstream=target.protocol, model="asked")
    body = jsontext.dumps(document)
    call = Call(model=target.model, stream=True, query={"alt": "sse"})
    try:
        document = conversion.document_of(body)
        done = conversion.prepare(
            body, document, PROTOCOLS[client], PROTOCOLS[target.protocol], target, context, call, rules=rules, known=known
        )
    except CcproxyError as error:
        return type(error), str(error), error.param if hasattr(error, "param") else None
    return done.body, facts(context)


def facts(context: Context) -> dict[str, Any]:
    return {
        "notes": sorted(name for note in context.notes for name in note.split(", ")),
        "names": context.tool_names,
        "ids": context.tool_ids,
        "tools": context.tools,
        "echo": context.echo,
        "stream": (context.stream, context.include_usage, context.shape),
    }


def history_of(document: dict[str, Any], client: str) -> list[Any]:
    found = document[PROTOCOLS[client].chat.conversation[0]]
    assert isinstance(found, list)
    return found


@st.composite
def growing(draw: st.DrawFn, client: str) -> list[dict[str, Any]]:
    """Requests of a conversation as it goes on, as that protocol's client says them; in some something is changed, cut off
    or marked that an earlier one had otherwise."""
    request = draw(requests())
    if draw(st.booleans()):
        request.messages = [Message("user", [Text("go")])]
    for _ in range(draw(st.integers(2, 5))):
        request.messages += draw(st.one_of(steps(), steps(), conversations()))
    if draw(st.integers(0, 3)):
        request.format, request.reasoning, request.tool_choice = None, None, None
        _tell_ids_apart(request.messages)
    try:
        document, _ = written(of_another(request, client), client)
    except Unsupported:
        reject()
    history = history_of(document, client)
    found = []
    for end in sorted(draw(st.lists(st.integers(1, len(history)), min_size=2, max_size=5))):
        turn = {**document, PROTOCOLS[client].chat.conversation[0]: deepcopy(history[:end])}
        found.append(draw(st.sampled_from([_same, _same, _same, _changed, _marked]))(draw, turn, client))
    return found


def _tell_ids_apart(messages: list[Message]) -> None:
    calls: list[ToolCall] = []
    for message in messages:
        for number, part in enumerate(message.parts):
            if isinstance(part, ToolResult):
                part.id = calls[number - len(message.parts)].id
            elif isinstance(part, ToolCall):
                part.id = f"call_{len(calls)}"
                calls.append(part)


def _same(draw: st.DrawFn, document: dict[str, Any], client: str) -> dict[str, Any]:
    return document


def _changed(draw: st.DrawFn, document: dict[str, Any], client: str) -> dict[str, Any]:
    found: dict[str, Any] = draw(changed(document))
    return found if isinstance(found, dict) else document


def _marked(draw: st.DrawFn, document: dict[str, Any], client: str) -> dict[str, Any]:
    for message in history_of(document, client)[-2:]:
        content = message.get("content")
        if isinstance(content, list) and content and isinstance(content[-1], dict):
            content[-1] |= MARK
    return document


@pytest.mark.parametrize("client", NAMES)
@settings(PROFILE)
@given(data=st.data())
def test_each_turn_is_what_it_is_alone(client: str, data: st.DataObject) -> None:
    turns = data.draw(growing(client))
    name = data.draw(st.sampled_from([name for name in NAMES if name != client]))
    target = known(Target(protocol=name, model=data.draw(st.sampled_from(MODELS[name]))))
    rules = data.draw(st.sampled_from(RULES))
    conversations = Conversations(MANY)
    for document in turns:
        alone = prepared(document, client, target, rules, None)
        assert prepared(document, client, target, rules, conversations) == alone
        assert prepared(document, client, target, rules, conversations) == alone

"""Messages, both ways.

API reference "Chat Completions", "Create chat completion", `messages`: developer, system, user, assistant, tool and the
deprecated function. A developer message is a system message of that shape. Members of an assistant message become parts in
the order thoughts, content, refusal, calls.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from ccproxy.errors import RequestError
from ccproxy.model import (
    JSON,
    Extras,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    unseal,
)
from ccproxy.protocols.openai.checks import (
    a_list,
    a_name,
    a_text,
    a_text_or_nothing,
    an_object,
    extras_of,
    own,
    rest_of,
    with_rest,
)
from ccproxy.protocols.openai.parts import RAW, read_content, write_content
from ccproxy.protocols.openai.reading import words_of
from ccproxy.protocols.openai.terms import DETAILS, EXTRA, NAME
from ccproxy.protocols.openai.tools import LEGACY

MEMBER = "member"
"""Shape of a part that stood as a member of its message, not in the content."""

_CONTENT_LIST = "list"
_DEVELOPER = "developer"
_UNTYPED = "untyped"
_THOUGHTS = ("reasoning_content", "reasoning", DETAILS)


class MessageReader:
    """Reads a request's messages in order; the deprecated function calls have no ids and are numbered as they come."""

    def __init__(self) -> None:
        self._legacy = 0

    def read(self, raw: JSON, where: str) -> Message:
        """One message. Raises RequestError."""
        message = an_object(raw, where)
        role = a_text(message.get("role"), f"{where}.role")
        read = _ROLES.get(role)
        if read is None:
            raise RequestError(f"{where}.role {role!r} is not one of {', '.join(_ROLES)}", param=f"{where}.role")
        return _marked(read(self, message, where), message.get("cache_control"))

    def _plain(self, raw: dict[str, JSON], where: str) -> Message:
        parts = read_content(raw.get("content"), f"{where}.content")
        extras = _extras(raw, ("role", "content"))
        return Message("user" if raw["role"] == "user" else "system", parts, extras=extras)

    def _assistant(self, raw: dict[str, JSON], where: str) -> Message:
        parts = _read_thoughts(raw)
        parts += read_content(raw.get("content"), f"{where}.content")
        if refusal := a_text_or_nothing(raw.get("refusal"), f"{where}.refusal"):
            parts.append(Refusal(refusal, extras=extras_of({}, MEMBER)))
        calls = raw.get("tool_calls") or []
        for number, call in enumerate(a_list(calls, f"{where}.tool_calls")):
            parts += _read_call(call, f"{where}.tool_calls[{number}]")
        if raw.get("function_call"):
            parts.append(self._legacy_call(raw["function_call"], f"{where}.function_call"))
        known = {"role", "content", "refusal", "tool_calls", "function_call"}
        return Message("assistant", parts, extras=_extras(raw, known | _thought_keys(raw)))

    def _tool(self, raw: dict[str, JSON], where: str) -> Message:
        id = a_text(raw.get("tool_call_id"), f"{where}.tool_call_id")
        result = ToolResult(id, _name(raw), read_content(raw.get("content"), f"{where}.content"))
        return Message("tool", [result], extras=_extras(raw, ("role", "content", "tool_call_id", "name")))

    def _function(self, raw: dict[str, JSON], where: str) -> Message:
        """The result of the function that was called last."""
        name = a_name(raw.get("name"), f"{where}.name")
        result = ToolResult(_legacy_id(self._legacy), name, read_content(raw.get("content"), f"{where}.content"))
        result.extras = extras_of({}, LEGACY)
        return Message("tool", [result], extras=_extras(raw, ("role", "content", "name")))

    def _legacy_call(self, raw: JSON, where: str) -> ToolCall:
        body = an_object(raw, where)
        self._legacy += 1
        arguments = a_text_or_nothing(body.get("arguments"), f"{where}.arguments")
        call = ToolCall(_legacy_id(self._legacy), a_name(body.get("name"), f"{where}.name"), arguments)
        call.extras = extras_of(rest_of(body, ("name", "arguments")), LEGACY)
        return call


_ROLES: dict[str, Callable[[MessageReader, dict[str, JSON], str], Message]] = {
    "system": MessageReader._plain,
    "developer": MessageReader._plain,
    "user": MessageReader._plain,
    "assistant": MessageReader._assistant,
    "tool": MessageReader._tool,
    "function": MessageReader._function,
}


def _marked(message: Message, mark: JSON) -> Message:
    """A cache mark that stands on the message, as LiteLLM takes it, is its last part's. It stays among the message's extras
    as well, where `_write` finds it to be the same object."""
    last = message.parts[-1] if message.parts else None
    if isinstance(mark, dict) and last is not None and last.cache is None and not isinstance(last, Reasoning):
        last.cache = mark
    return message


def _legacy_id(number: int) -> str:
    return f"call_function_{number}"


def _name(raw: dict[str, JSON]) -> str:
    name = raw.get("name")
    return name if isinstance(name, str) else ""


def _extras(raw: dict[str, JSON], known: set[str] | tuple[str, ...]) -> Extras | None:
    shapes = [_DEVELOPER] if raw["role"] == "developer" else []
    if isinstance(raw.get("content"), list):
        shapes.append(_CONTENT_LIST)
    return extras_of(rest_of(raw, known), " ".join(shapes))


def _thought_keys(raw: dict[str, JSON]) -> set[str]:
    """The members of an assistant message that hold a thought."""
    return {key for key in _THOUGHTS if raw.get(key)}


def _read_thoughts(raw: dict[str, JSON]) -> list[Part]:
    """DeepSeek's reasoning_content, OpenRouter's reasoning and reasoning_details: one thought in several spellings."""
    said = {key: raw[key] for key in _THOUGHTS if raw.get(key)}
    if not said:
        return []
    words = next(filter(None, map(words_of, said.values())), "")
    return [Reasoning(words, origin=NAME, extras=extras_of(said, MEMBER))]


def _read_call(raw: JSON, where: str) -> list[Part]:
    """A call, and before it the signature that came with it, if it is one that we sealed."""
    entry = an_object(raw, where)
    kind = entry.get("type") or "function"
    if kind not in ("function", "custom"):
        return [Opaque(NAME, raw, extras=extras_of({}, MEMBER))]
    body = an_object(entry.get(kind), f"{where}.{kind}")
    key = "input" if kind == "custom" else "arguments"
    arguments = body.get(key)
    if not isinstance(arguments, dict):
        arguments = a_text_or_nothing(arguments, f"{where}.{kind}.{key}")
    call = ToolCall(a_text(entry.get("id"), f"{where}.id"), a_name(body.get("name"), f"{where}.{kind}.name"), arguments)
    call.kind = "custom" if kind == "custom" else "function"
    signature = _sealed_signature(entry.get(EXTRA))
    known = {"id", kind} | ({"type"} if entry.get("type") else set()) | ({EXTRA} if signature else set())
    outer = {name: value for name, value in entry.items() if name not in known}
    inner = rest_of(body, ("name", key))
    call.extras = extras_of({**outer, **({kind: inner} if inner else {})}, "" if entry.get("type") else _UNTYPED)
    return [*signature, call]


def _sealed_signature(extra: JSON) -> list[Part]:
    sealed = extra.get("ccproxy") if isinstance(extra, dict) else None
    signature = sealed.get("signature") if isinstance(sealed, dict) else None
    if not isinstance(signature, str) or not signature:
        return []
    signature, origin = unseal(signature, NAME)
    return [Reasoning(signature=signature, origin=origin, extras=extras_of({}, EXTRA))]


# ---------------------------------------------------------------------------------------------------------------------


def write_message(message: Message) -> list[dict[str, JSON]]:
    """The message as this protocol writes it: one, or one for each tool result."""
    extras = own(message.extras)
    if message.role == "tool":
        return [_write_result(part, extras) for part in message.parts if isinstance(part, ToolResult)]
    if message.role == "assistant":
        return [_write_assistant(message, extras)]
    role = _DEVELOPER if _DEVELOPER in extras.shape else message.role
    return [_write(role, message.parts, extras)]


def _write(role: str, parts: list[Part], extras: Extras) -> dict[str, JSON]:
    document: dict[str, JSON] = {"role": role}
    mark = extras.fields.get("cache_control")
    if parts and mark is not None and parts[-1].cache is mark:
        parts = [*parts[:-1], evolve(parts[-1], cache=None)]
    if parts:
        document["content"] = write_content(parts, _CONTENT_LIST in extras.shape)
    return with_rest(document, extras.fields)


def _write_result(result: ToolResult, extras: Extras) -> dict[str, JSON]:
    if own(result.extras).shape == LEGACY:
        return {**_write("function", result.parts, extras), "name": result.name}
    document = {**_write("tool", result.parts, extras), "tool_call_id": result.id}
    if result.name:
        document["name"] = result.name
    return document


def _write_assistant(message: Message, extras: Extras) -> dict[str, JSON]:
    content: list[Part] = []
    members: dict[str, JSON] = {}
    calls: list[JSON] = []
    for part in message.parts:
        if part.extras is None and type(part) is Text:
            content.append(part)
            continue
        shape = own(part.extras).shape
        if isinstance(part, ToolCall) and shape == LEGACY:
            members["function_call"] = _write_legacy_call(part)
        elif isinstance(part, ToolCall):
            calls.append(write_call(part))
        elif isinstance(part, Opaque) and shape == MEMBER:
            calls.append(part.raw)
        elif isinstance(part, Refusal) and shape != RAW:
            members["refusal"] = part.text
        elif not isinstance(part, Reasoning) or shape == RAW:
            content.append(part)
        elif shape == MEMBER:
            members |= own(part.extras).fields
    if calls:
        members["tool_calls"] = calls
    return with_rest(_write("assistant", content, extras), members)


def write_call(call: ToolCall) -> JSON:
    """One entry of `tool_calls`."""
    if call.extras is None and call.arguments:
        inner = {"name": call.name, "input" if call.kind == "custom" else "arguments": call.arguments}
        return {"id": call.id, "type": call.kind, call.kind: inner}
    extras = own(call.extras)
    body = _write_body(call, "input" if call.kind == "custom" else "arguments", extras.fields.get(call.kind) or {})
    document: dict[str, JSON] = {"id": call.id, "type": call.kind, call.kind: body}
    if extras.shape == _UNTYPED:
        del document["type"]
    return with_rest(document, extras.fields)


def _write_body(call: ToolCall, key: str, rest: dict[str, JSON]) -> JSON:
    """Arguments as they are; where they say nothing, the way in which they said so."""
    body = {"name": call.name, key: call.arguments}
    return with_rest(body, rest) if call.arguments else {**body, **rest}


def _write_legacy_call(call: ToolCall) -> JSON:
    return _write_body(call, "arguments", own(call.extras).fields)

"""The input items of a request that are of the usual shapes, read at once.

Fast for a reason: agents send hundreds of items with every turn, nearly all of a handful of shapes. Those are read here,
without an object for each that checks its members one by one. Whatever is not just so, wrong or only richer, is left to
`items_in`, which would make the same of these, too, and says what the extras mean.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.model import JSON, Extras, Message, Part, Role, Text, ToolCall, ToolResult
from ccproxy.protocols.responses.terms import ITEM, NAME

_CALL = frozenset({"type", "call_id", "name", "arguments"})
_OUTPUT = frozenset({"type", "call_id", "output"})
_MESSAGE = frozenset({"type", "role", "content"})
_ROLES: dict[str, Role] = {"user": "user", "system": "system", "assistant": "assistant"}
_TEXTS = frozenset({"input_text", "output_text"})


def plain_item(item: JSON) -> Message | None:
    """A message of texts, a call of a function, a call's result in one text; None for anything else."""
    kind = item.get("type") if type(item) is dict else None
    read = _READERS.get(kind) if type(kind) is str else None
    return None if read is None else read(item)


def _rest(item: dict[str, JSON], known: frozenset[str]) -> dict[str, JSON]:
    return {key: value for key, value in item.items() if key not in known} if len(item) > len(known) else {}


def _call(item: dict[str, JSON]) -> Message | None:
    id, name, arguments = item.get("call_id"), item.get("name"), item.get("arguments")
    if type(id) is not str or type(name) is not str or type(arguments) is not str:
        return None
    if not id or not name or "namespace" in item:
        return None
    return Message("assistant", [ToolCall(id, name, arguments, extras=Extras(NAME, _rest(item, _CALL)))])


def _output(item: dict[str, JSON]) -> Message | None:
    id, output = item.get("call_id"), item.get("output")
    if type(id) is not str or not id or type(output) is not str or output.startswith("["):
        return None
    extras = Extras(NAME, _rest(item, _OUTPUT), "string")
    return Message("tool", [ToolResult(id, "", [Text(output)], extras=extras)])


def _message(item: dict[str, JSON]) -> Message | None:
    said, content = item.get("role"), item.get("content")
    role = _ROLES.get(said) if type(said) is str else None
    if role is None:
        return None
    if type(content) is str:
        parts: list[Part] | None = [Text(content)]
        words = "typed string"
    else:
        parts = _texts(content) if type(content) is list else None
        words = "typed"
    if not parts:
        return None
    rest = _rest(item, _MESSAGE)
    if role != "assistant":
        return Message(role, parts, extras=Extras(NAME, rest, words))
    first = parts[0].extras
    parts[0].extras = Extras(NAME, {ITEM: rest}, f"item {words} {first.shape}" if first is not None else f"item {words}")
    return Message(role, parts)


def _texts(content: list[JSON]) -> list[Part] | None:
    parts: list[Part] = []
    for raw in content:
        if type(raw) is not dict or len(raw) != 2:
            return None
        kind, text = raw.get("type"), raw.get("text")
        if type(kind) is not str or kind not in _TEXTS or type(text) is not str:
            return None
        parts.append(Text(text, extras=Extras(NAME, {}, kind)))
    return parts


_READERS: dict[str, Callable[[dict[str, JSON]], Message | None]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
}

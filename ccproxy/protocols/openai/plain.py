"""The messages of a request that are of the usual shapes, read at once.

Fast for a reason: agents send hundreds of messages with every turn, nearly all of a handful of shapes. Those are read here,
without looking for what is left over and without the names of places for errors. Whatever is not just so, wrong or only
richer, is left to `messages`, which would make the same of these, too.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.model import JSON, Extras, Message, Part, Text, ToolCall, ToolResult
from ccproxy.protocols.openai.terms import NAME


def plain_message(message: JSON) -> Message | None:
    """A text with its role, an assistant's calls of functions, a call's result in one text; None for anything else."""
    role = message.get("role") if type(message) is dict else None
    read = _READERS.get(role) if type(role) is str else None
    return None if read is None else read(message)


def _system(message: dict[str, JSON]) -> Message | None:
    text = message.get("content")
    return Message("system", [Text(text)]) if type(text) is str and text and len(message) == 2 else None


def _user(message: dict[str, JSON]) -> Message | None:
    text = message.get("content")
    return Message("user", [Text(text)]) if type(text) is str and text and len(message) == 2 else None


def _tool(message: dict[str, JSON]) -> Message | None:
    id, text = message.get("tool_call_id"), message.get("content")
    if type(id) is str and id and type(text) is str and text and len(message) == 3:
        return Message("tool", [ToolResult(id, "", [Text(text)])])
    return None


def _assistant(message: dict[str, JSON]) -> Message | None:
    text, calls = message.get("content", ""), message.get("tool_calls", [])
    if not (text is None or type(text) is str) or type(calls) is not list:
        return None
    if len(message) != 1 + ("content" in message) + ("tool_calls" in message):
        return None
    parts: list[Part] = [Text(text)] if text else []
    for raw in calls:
        call = _call(raw) if type(raw) is dict and len(raw) == 3 else None
        if call is None:
            return None
        parts.append(call)
    said_nothing: dict[str, JSON] = {key: value for key, value in message.items() if not value}
    return Message("assistant", parts, extras=Extras(NAME, said_nothing) if said_nothing else None)


def _call(raw: dict[str, JSON]) -> ToolCall | None:
    id, function = raw.get("id"), raw.get("function")
    if type(id) is not str or raw.get("type") != "function" or type(function) is not dict or len(function) != 2:
        return None
    name, arguments = function.get("name"), function.get("arguments")
    if type(name) is str and name and type(arguments) is str and arguments:
        return ToolCall(id, name, arguments)
    return None


_READERS: dict[str, Callable[[dict[str, JSON]], Message | None]] = {
    "system": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}

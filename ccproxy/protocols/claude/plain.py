"""The messages and tools of a request that are of the usual shapes, read at once.

Fast for a reason: agents send hundreds of messages with every turn, nearly all of a handful of shapes. Those are read here,
without the copies that find what is left over and without the names of places for errors. Whatever is not just so, wrong
or only richer, is left to `requests_in`, which would make the same of these, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccproxy.model import JSON, Extras, Message, Part, Reasoning, Text, Tool, ToolCall, ToolResult, unseal
from ccproxy.protocols.claude.terms import NAME

_Read = Callable[[dict[str, JSON]], Part | None]
"""Reads a block that has just the members which nearly all of its type have; None for any other."""


def plain_message(message: JSON) -> Message | None:
    """A text, or plain blocks that are all results or none of them."""
    if type(message) is not dict or len(message) != 2:
        return None
    role: Any = message.get("role")
    readers = _READERS.get(role) if type(role) is str else None
    content = message.get("content")
    if readers is None:
        return None
    if type(content) is str:
        return Message(role, [Text(content)], extras=Extras(NAME, {}, "text"))
    parts = _blocks(content, readers) if type(content) is list else None
    if not parts:
        return None
    results = sum([type(part) is ToolResult for part in parts])
    if not results:
        return Message(role, parts)
    return Message("tool", parts) if results == len(parts) else None


def plain_tool(tool: JSON) -> Tool | None:
    """A name, a description and a schema."""
    if type(tool) is not dict or len(tool) != 3:
        return None
    name, description, schema = tool.get("name"), tool.get("description"), tool.get("input_schema")
    if type(name) is str and type(description) is str and description and type(schema) is dict:
        return Tool(name, description, schema)
    return None


def _blocks(blocks: list[JSON], readers: dict[str, _Read]) -> list[Part] | None:
    parts: list[Part] = []
    for block in blocks:
        kind = block.get("type") if type(block) is dict else None
        read = readers.get(kind) if type(kind) is str else None
        part = read(block) if read is not None else None
        if part is None:
            return None
        parts.append(part)
    return parts


def _text(block: dict[str, JSON]) -> Text | None:
    text = block.get("text")
    return Text(text) if type(text) is str and len(block) == 2 else None


def _call(block: dict[str, JSON]) -> ToolCall | None:
    id, name, input = block.get("id"), block.get("name"), block.get("input")
    if type(id) is str and type(name) is str and type(input) is dict and len(block) == 4:
        return ToolCall(id, name, input)
    return None


def _thinking(block: dict[str, JSON]) -> Reasoning | None:
    text, signature = block.get("thinking"), block.get("signature")
    if type(text) is str and type(signature) is str and signature and len(block) == 3:
        proof, origin = unseal(signature, NAME)
        return Reasoning(text, signature=proof, origin=origin)
    return None


def _result(block: dict[str, JSON]) -> ToolResult | None:
    id, content = block.get("tool_use_id"), block.get("content")
    if type(id) is str and type(content) is str and len(block) == 3:
        return ToolResult(id, "", [Text(content)], extras=Extras(NAME, {}, "text"))
    return None


_READERS: dict[str, dict[str, _Read]] = {
    "system": {"text": _text},
    "user": {"text": _text, "tool_result": _result},
    "assistant": {"text": _text, "tool_use": _call, "thinking": _thinking},
}

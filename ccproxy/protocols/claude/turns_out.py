"""Messages, system parts and tools as Claude's blocks, for an upstream.

Two ways, told apart by `Writer.own`. A request that came in this protocol is written as it was read, extras and all. One of
another protocol is made to fit what the API demands: results right behind their calls and first in their turn, no empty
text, names and ids of its alphabet, at most four cache marks, thoughts only with Claude's own signature
(Anthropic documentation, "Create a Message", "Tool use", "Extended thinking", "Prompt caching").
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from ccproxy import turns
from ccproxy.media import sniff, stand_in
from ccproxy.model import (
    JSON,
    Audio,
    Context,
    Document,
    Image,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    arguments_object,
)
from ccproxy.notes import left_out
from ccproxy.protocols.claude.answers import tool_id
from ccproxy.protocols.claude.terms import NAME
from ccproxy.protocols.naming import fit_tool_name
from ccproxy.schema import Dialect, clean

DIALECT = Dialect(name=NAME, object_root=True)

CACHE_MARKS = 4
"""More are refused ("Prompt caching", "Cache breakpoints")."""

_ILLEGAL_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LIMIT = 128
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""The schema of a tool whose input is free text."""

Block = dict[str, JSON]


class Writer:
    """Writes one request; tools, then system, then messages, which is the order that caching counts in."""

    def __init__(self, context: Context, own: bool) -> None:
        self.context = context
        self.own = own
        self._marked: list[Block] = []
        self._names: dict[str, str] = {}  # a history has few names

    def tools(self, tools: list[Tool | Opaque]) -> list[Block]:
        written = (self._opaque(tool, what="tool") if isinstance(tool, Opaque) else self._tool(tool) for tool in tools)
        return [tool for tool in written if tool is not None]

    def tool_name(self, name: str) -> str:
        if self.own:
            return name
        wire = self._names.get(name)
        if wire is None:
            wire = self._names[name] = fit_tool_name(name, self.context, _ILLEGAL_NAME, _NAME_LIMIT)
        return wire

    def system(self, parts: list[Part], shape: str) -> str | list[Block]:
        """`shape` is that of the request's extras. Empty for no system prompt."""
        return self._content(parts, shape, "system")

    def messages(self, messages: list[Message]) -> list[Block]:
        """The turns of a request in this protocol."""
        written: list[Block] = []
        for message in messages:
            extras = message.extras
            shape = extras.shape if extras is not None and extras.origin == NAME else ""
            fields = extras.fields if extras is not None and extras.origin == NAME else {}
            role = _wire_role(message.role)
            content = self._content(message.parts, shape, message.role)
            if message.parts and content == []:  # nothing but foreign thoughts; the API refuses an empty turn
                continue
            if shape == "joined" and written and written[-1]["role"] == role:
                written[-1]["content"] = [*_as_blocks(written[-1]["content"]), *_as_blocks(content)]
            else:
                written.append({"role": role, "content": content, **fields})
        return written

    def foreign_messages(self, messages: list[Message]) -> list[Block]:
        """The turns of a request in another protocol; its leading system messages are gone already."""
        folded = [turns.fold(message) if message.role == "system" else message for message in messages]
        written: list[Block] = []
        for message in turns.settle(folded, self.context):
            role, content = _wire_role(message.role), self._blocks(message.parts, message.role)
            if not content:
                continue
            if written and written[-1]["role"] == role:
                written[-1]["content"] += content
            else:
                written.append({"role": role, "content": content})
        return written

    def cap_cache_marks(self) -> None:
        """Takes off all marks but the last ones, which cover the longest prefixes."""
        if not self.own and len(self._marked) > CACHE_MARKS:
            self.context.note(f"all but the last {CACHE_MARKS} cache marks were left out")
            for block in self._marked[:-CACHE_MARKS]:
                del block["cache_control"]

    def _content(self, parts: list[Part], shape: str, role: Role) -> str | list[Block]:
        if shape == "text" and len(parts) == 1 and (text := _plain_text(parts[0])) is not None:
            return text
        return self._blocks(parts, role)

    def _blocks(self, parts: list[Part], role: Role) -> list[Block]:
        return [block for part in parts if (block := _WRITERS[type(part)](self, part, role)) is not None]

    def _dress(self, block: Block, part: Part | Tool) -> Block:
        """With what stood beside it and its cache mark."""
        if part.extras is not None and part.extras.origin == NAME:
            block = part.extras.fields | block
        if part.cache is not None:
            block["cache_control"] = part.cache
            self._marked.append(block)
        return block

    # Tools

    def _tool(self, tool: Tool) -> Block:
        schema = tool.parameters if self.own else clean(self._schema(tool), DIALECT)
        block: Block = {"name": self.tool_name(tool.name)}
        if tool.description:
            block["description"] = tool.description
        if schema is not None:
            block["input_schema"] = schema
        if tool.strict is not None and self.own:
            block["strict"] = tool.strict
        elif tool.strict:
            self.context.note(
                f"`strict` of tools was left out: the {NAME} protocol takes it on few schemas and models only"
            )
        return self._dress(block, tool)

    def _schema(self, tool: Tool) -> dict[str, JSON] | None:
        if tool.kind == "custom" and tool.grammar is not None:
            self.context.note(f"the grammar of a free-text tool has no place in the {NAME} protocol and was left out")
        return _FREE_TEXT if tool.kind == "custom" else tool.parameters

    # Parts. Each: the block, or None for what is left out.

    def _text(self, part: Text, role: Role) -> Block | None:
        """The API refuses blank text. An empty one in an answer came from our encoder, where there were thoughts alone."""
        if not part.text.strip() and (not self.own or (role == "assistant" and not part.text)):
            return None
        if part.extras is not None and part.extras.origin == NAME and part.extras.shape == "tool_reference":
            return self._dress({"type": "tool_reference", "tool_name": part.text}, part)
        block: Block = {"type": "text", "text": part.text}
        if part.citations and self.own:
            citations = [c.raw for c in part.citations if c.origin == NAME and not _made_up(c.raw)]
            if citations:
                block["citations"] = citations
        return self._dress(block, part)

    def _refusal(self, part: Refusal, role: Role) -> Block | None:
        return self._text(Text(part.text, cache=part.cache), role)

    def _reasoning(self, part: Reasoning, role: Role) -> Block | None:
        if part.origin != NAME or not (self.own or part.signature or part.redacted):
            self.context.note(f"a thought without a signature of {NAME}'s own was left out")
            return None
        if part.redacted:
            return self._dress({"type": "redacted_thinking", "data": part.redacted}, part)
        block: Block = {"type": "thinking", "thinking": part.text}
        if part.signature:
            block["signature"] = part.signature
        return self._dress(block, part)

    def _call(self, part: ToolCall, role: Role) -> Block | None:
        id = part.id if self.own else tool_id(part.id)
        block: Block = {"type": "tool_use", "id": id, "name": self.tool_name(part.name)}
        if part.extras is None or part.extras.origin != NAME or "input" not in part.extras.fields:
            block["input"] = arguments_object(part)
        return self._dress(block, part)

    def _result(self, part: ToolResult, role: Role) -> Block | None:
        shape = part.extras.shape if part.extras is not None and part.extras.origin == NAME else ""
        content = self._content(part.parts, shape if self.own else "text", role)
        id = part.id if self.own else tool_id(part.id)
        block: Block = {"type": "tool_result", "tool_use_id": id}
        if content or (self.own and shape != "none"):
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return self._dress(block, part)

    def _opaque(self, part: Opaque, role: Role = "user", what: str = "part") -> Block | None:
        if part.origin == NAME and isinstance(part.raw, dict):
            return part.raw
        left_out(part, self.context, what)
        return None

    def _media(self, part: Media, role: Role) -> Block | None:
        block = self._own_media(part) if self.own else self._foreign_media(part, role)
        if block is not None:
            return self._dress(block, part)
        self.context.note(f"{type(part).__name__.lower()}s of this kind have no place in the {NAME} protocol")
        return self._text(Text(stand_in(part, NAME).text, cache=part.cache), role)

    def _own_media(self, part: Media) -> Block | None:
        fields = part.extras.fields if part.extras is not None and part.extras.origin == NAME else {}
        shape = part.extras.shape if part.extras is not None else ""
        title = {"title": part.name} if part.name else {}
        if shape == "search_result":
            return {"type": "search_result", **title}
        source = _source(part, shape)
        if source is None or isinstance(part, Audio):
            return None
        left = fields.get("source", {})
        source = left if "type" in left else source | left
        return {"type": "image" if isinstance(part, Image) else "document", "source": source} | title

    def _foreign_media(self, part: Media, role: Role) -> Block | None:
        """Images and documents stand in user turns only; a file's id means nothing to another provider."""
        source = _source(part, "") if role in ("user", "tool") and part.file_id is None else None
        if source is None or isinstance(part, Audio) or part.mime.startswith("video/"):
            return None
        kind = source.get("media_type", "")
        if isinstance(part, Image):
            return {"type": "image", "source": source} if "data" not in source or kind in _IMAGE_TYPES else None
        if source["type"] == "base64" and kind != "application/pdf":
            text = _decoded(source["data"], kind)
            if text is None:
                return None
            source = {"type": "text", "media_type": "text/plain", "data": text}
        return {"type": "document", "source": source} | ({"title": part.name} if part.name else {})


def _source(part: Media, shape: str) -> Block | None:
    if part.data is not None:
        return {"type": "base64", "media_type": part.mime or sniff(part.data), "data": part.data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.text is None:
        return None
    if shape == "content":
        return {"type": "content", "content": part.text}
    return {"type": "text", "media_type": "text/plain", "data": part.text}


def _decoded(data: str, mime: str) -> str | None:
    """The text of a base64 document that is text, which the API takes as plain text only."""
    if not mime.startswith("text/") and mime not in ("application/json", "application/xml"):
        return None
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _made_up(raw: JSON) -> bool:
    """Whether a citation is one that we wrote for another provider's source; the API knows no such index."""
    return isinstance(raw, dict) and raw.get("encrypted_index") == ""


def _plain_text(part: Part) -> str | None:
    """The text of a part that says nothing else."""
    plain = isinstance(part, Text) and part.cache is None and part.extras is None and not part.citations
    return part.text if isinstance(part, Text) and plain else None


def _as_blocks(content: JSON) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _wire_role(role: Role) -> str:
    return "user" if role == "tool" else role


_WRITERS: dict[type[Part], Callable[[Writer, Any, Role], Block | None]] = {
    Text: Writer._text,
    Refusal: Writer._refusal,
    Reasoning: Writer._reasoning,
    ToolCall: Writer._call,
    ToolResult: Writer._result,
    Image: Writer._media,
    Document: Writer._media,
    Audio: Writer._media,
    Opaque: Writer._opaque,
}

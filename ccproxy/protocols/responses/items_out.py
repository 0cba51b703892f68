"""Messages as input items. What this protocol itself said comes out as it was said: see `items_in` for the marks.

A part of another protocol gets no id and no status: nothing is made up that the API does not ask for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from ccproxy.media import audio_format, data_url, stand_in
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
    Text,
    ToolCall,
    ToolResult,
    arguments_text,
)
from ccproxy.notes import left_out
from ccproxy.protocols.naming import fit, fit_tool_name
from ccproxy.protocols.responses.items_in import TEXT
from ccproxy.protocols.responses.terms import ITEM, NAME, own_fields, own_shape
from ccproxy.protocols.responses.wire import split_signature

Item = dict[str, JSON]

ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
"""What ids and names may not hold."""

LIMIT = 64
"""Characters of an id or a name; longer ones are answered with 400 (`string_above_max_length`)."""

_AUDIO = frozenset({"mp3", "wav"})
"""What input_audio takes ("Responses", input_audio, format)."""

_MARKS = frozenset({"item", "typed", "string", "raw", "content"})


@frozen
class Scope:
    """What all items of one request share. own: the request was said in this protocol, and keeps its names. custom: ids of
    the calls of custom tools, since other protocols' results do not say what they answer."""

    context: Context
    own: bool
    custom: frozenset[str] = frozenset()

    def tool_name(self, name: str) -> str:
        return name if self.own else fit_tool_name(name, self.context, ILLEGAL, LIMIT)


def write_items(messages: Sequence[Message], context: Context, own: bool) -> list[Item]:
    """The input items of all messages."""
    calls = (part for message in messages for part in message.parts if isinstance(part, ToolCall))
    scope = Scope(context, own, frozenset(call.id for call in calls if call.kind == "custom"))
    return [_legal(item) for message in messages for item in _write_message(message, scope)]


def _write_message(message: Message, scope: Scope) -> list[Item]:
    if message.role == "assistant":
        return _write_assistant(message, scope)
    if message.role == "tool":
        return [_write_output(part, scope) for part in message.parts if isinstance(part, ToolResult)]
    return _write_turn(message, scope)


def _legal(item: Item) -> Item:
    """The item, its id short enough. Reasoning is left alone: its encrypted content is tied to the id."""
    item_id = item.get("id")
    if not isinstance(item_id, str) or item.get("type") == "reasoning":
        return item
    legal = fit(item_id, ILLEGAL, LIMIT) if item_id else item_id
    return item if legal == item_id else {**item, "id": legal}


# ---------------------------------------------------------------------------------------------------------------------
# Messages of the user and of the system


def _write_turn(message: Message, scope: Scope) -> list[Item]:
    items = [part.raw for part in message.parts if isinstance(part, Opaque) and _is_item(part)]
    words, fields = own_shape(message.extras), own_fields(message.extras)
    content: JSON = [
        one for part in message.parts if not _is_item(part) and (one := write_part(part, message.role, scope)) is not None
    ]
    if not content and (items or not _is_own(message)):
        return items
    if "string" in words and (text := _bare_text(message.parts)) is not None:
        content = text
    role = "user" if message.role == "user" else "developer" if "developer" in words or not _is_own(message) else "system"
    typed = {"type": "message"} if "typed" in words or not _is_own(message) else {}
    return [*items, {**typed, "role": role, "content": content, **fields}]


def _is_own(said: Message | Part) -> bool:
    return said.extras is not None and said.extras.origin == NAME


def _is_item(part: Part) -> bool:
    """An Opaque of this protocol that is an item by itself."""
    return isinstance(part, Opaque) and part.origin == NAME and "content" not in own_shape(part.extras)


def _bare_text(parts: Sequence[Part]) -> str | None:
    """The text, if there is nothing else."""
    first = parts[0] if len(parts) == 1 else None
    return first.text if isinstance(first, Text) else None


# ---------------------------------------------------------------------------------------------------------------------
# The assistant's items


def _write_assistant(message: Message, scope: Scope) -> list[Item]:
    items: list[Item] = []
    content: list[JSON] | None = None  # of the message item that is open
    for number, part in enumerate(message.parts):
        if type(part) in _ITEMS and "content" not in own_shape(part.extras):
            item = _ITEMS[type(part)](part, message.parts[number + 1 :], scope)
            if item is not None:
                items.append(item)
                content = None
        elif (one := write_part(part, "assistant", scope)) is not None:
            words = own_shape(part.extras)
            if content is None or "item" in words:
                content = []
                items.append(_message_item(part, content))
            content.append(one)
            if "string" in words:
                items[-1]["content"] = one["text"]
                content = None
    return items if scope.own else [_eased(item) for item in items]


def _eased(item: Item) -> Item:
    """A message's words as one text, which needs no id and no status as a list of output parts does (API reference, input:
    "EasyInputMessage", "Output message"). A refusal has no other place than the list."""
    content = item.get("content")
    if not isinstance(content, list) or any(part["type"] != "output_text" for part in content):
        return item
    return {**item, "content": "".join(part["text"] for part in content)}


def _message_item(first: Part, content: list[JSON]) -> Item:
    """An assistant's message item that begins with this part."""
    words, fields = own_shape(first.extras), own_fields(first.extras).get(ITEM, {})
    typed = {"type": "message"} if "typed" in words or "item" not in words else {}
    return {**typed, "role": "assistant", "content": content, **fields}


def _write_call(call: ToolCall, rest: Sequence[Part], scope: Scope) -> Item:
    fields = own_fields(call.extras)
    custom = call.kind == "custom"
    said = isinstance(call.arguments, str) and (custom or _is_own(call))
    namespace = fields.get("namespace")
    name = call.name.removeprefix(f"{namespace}__") if isinstance(namespace, str) else scope.tool_name(call.name)
    return {
        "type": "custom_tool_call" if custom else "function_call",
        "call_id": _call_id(call.id),
        "name": name,
        "input" if custom else "arguments": call.arguments if said else arguments_text(call),
        **fields,
    }


def _call_id(call_id: str) -> str:
    return fit(call_id, ILLEGAL, LIMIT) if call_id else call_id


def _write_reasoning(part: Reasoning, rest: Sequence[Part], scope: Scope) -> Item | None:
    """Only with this protocol's own proof, and from elsewhere only before the item that came of it: "reasoning was provided
    without its required following item" is a 400."""
    if "raw" in own_shape(part.extras):
        return dict(own_fields(part.extras))
    followed = scope.own or any(_is_said(other) for other in rest)
    if part.origin != NAME or not part.signature or not followed:
        scope.context.note(f"reasoning without a signature of the {NAME} protocol was left out")
        return None
    item_id, encrypted = split_signature(part.signature)
    item: Item = {"type": "reasoning", "summary": [], "encrypted_content": encrypted}
    return {"id": item_id, **item} if item_id else item


def _is_said(part: Part) -> bool:
    return isinstance(part, ToolCall) or (isinstance(part, Text | Refusal) and part.text != "")


def _write_opaque(part: Opaque, rest: Sequence[Part], scope: Scope) -> Item | None:
    if part.origin == NAME:
        return dict(part.raw)
    left_out(part, scope.context, "part")
    return None


_ITEMS: dict[type, Callable[[Any, Sequence[Part], Scope], Item | None]] = {
    ToolCall: _write_call,
    Reasoning: _write_reasoning,
    Opaque: _write_opaque,
}


def _write_output(result: ToolResult, scope: Scope) -> Item:
    fields, words = own_fields(result.extras), own_shape(result.extras)
    custom = result.kind == "custom" or result.id in scope.custom
    if result.is_error:
        scope.context.note(f"the error flag of a tool result has no place in the {NAME} protocol and was left out")
    text = _bare_text(result.parts)
    output: JSON = fields.get(TEXT)
    if output is None and text is not None and ((not fields and not words) or "string" in words):
        output = text
    if output is None:
        output = [one for part in result.parts if (one := write_part(part, "output", scope)) is not None]
    item = {
        "type": "custom_tool_call_output" if custom else "function_call_output",
        "output": output or ([] if isinstance(output, list) and result.extras is not None else ""),
        **{key: value for key, value in fields.items() if key != TEXT},
    }
    return {**item, "call_id": _call_id(result.id)} if result.id else item


# ---------------------------------------------------------------------------------------------------------------------
# Content parts


def write_part(part: Part, place: str, scope: Scope) -> Item | None:
    """A part of the content of a `user`, `system` or `assistant` message or of a tool's `output`; None for what is left
    out."""
    if type(part) is Text and part.extras is None:  # as nearly all of other protocols
        return {"type": "output_text" if place == "assistant" else "input_text", "text": part.text} if part.text else None
    fields, words = own_fields(part.extras), own_shape(part.extras)
    if "raw" in words:
        return {key: value for key, value in fields.items() if key != ITEM}
    if isinstance(part, Opaque):
        return part.raw if part.origin == NAME else _write_opaque(part, (), scope)
    if isinstance(part, Media):
        return _write_media(part, place, scope)
    if not isinstance(part, Text | Refusal) or not (part.text or words):
        return None
    more = {key: value for key, value in fields.items() if key != ITEM}
    if isinstance(part, Refusal) and place == "assistant":
        return {"type": "refusal", "refusal": part.text, **more}
    kind = next(iter(words - _MARKS), "output_text" if place == "assistant" else "input_text")
    return {"type": kind, "text": part.text, **more}


def _write_media(part: Media, place: str, scope: Scope) -> Item:
    writer = _MEDIA.get(type(part)) if type(part) in _PLACES[place] else None
    written = writer(part) if writer is not None else None
    if written is not None:
        return written
    scope.context.note(f"{type(part).__name__.lower()} has no place here in the {NAME} protocol and was replaced by a text")
    return {"type": "output_text" if place == "assistant" else "input_text", "text": stand_in(part, NAME).text}


def _write_image(part: Image) -> Item | None:
    """`detail` is required by the API's types; auto is its default."""
    if part.data is None and part.url is None:
        return None  # the id of a file that another provider keeps
    return {"type": "input_image", "image_url": data_url(part), "detail": part.detail or "auto"}


def _write_document(part: Document) -> Item | None:
    if part.text is not None:
        return {"type": "input_text", "text": f"{part.name}\n{part.text}" if part.name else part.text}
    if part.mime.startswith("video/"):
        return None
    if part.data is not None:
        return {"type": "input_file", "filename": part.name or _file_name(part), "file_data": data_url(part)}
    return {"type": "input_file", "file_url": part.url} if part.url is not None else None


def _file_name(part: Document) -> str:
    """A name, since the API wants one beside the data, and reads the kind of file from it."""
    word = data_url(part).partition(";")[0].rpartition("/")[2]
    return f"document.{_EXTENSIONS.get(word, word)}"


_EXTENSIONS = {"plain": "txt", "octet-stream": "pdf", "markdown": "md"}


def _write_audio(part: Audio) -> Item | None:
    format = audio_format(part.mime)
    if part.data is None or format not in _AUDIO:
        return None
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": format}}


_MEDIA: dict[type, Callable[[Any], Item | None]] = {Image: _write_image, Document: _write_document, Audio: _write_audio}

_PLACES: dict[str, frozenset[type]] = {
    "user": frozenset({Image, Document, Audio}),
    "system": frozenset({Image, Document}),
    "output": frozenset({Image, Document}),
    "assistant": frozenset(),
}
"""Where media may stand: an assistant's content is text and refusals."""

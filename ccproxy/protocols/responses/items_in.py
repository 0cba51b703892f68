"""The input items of a client's request as messages (API reference, "Responses", "Create", input).

Input is a flat list of items; the model has turns. Neighbouring items of the assistant (reasoning, messages, calls, server
tools) are one assistant message, neighbouring outputs one tool message. So that `items_out` can write the very items again,
extras of this protocol carry, on a part or message, the item's own members and in `shape` the words

    item      an assistant's text part with which a message item begins; its members stand under ITEM
    typed     the message item said its `type`
    string    content or output was a string
    developer the system message's role
    content   an Opaque within a message's content; without it, an Opaque is an item
    raw       fields is the whole item or part, to be written as it came
    and, of a text part, its `type`
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed, RequestError
from ccproxy.media import audio_mime, part_for, sniff, split_data_url
from ccproxy.model import (
    JSON,
    Audio,
    Document,
    Extras,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    unseal,
)
from ccproxy.protocols.responses import additional
from ccproxy.protocols.responses.fields import Fields
from ccproxy.protocols.responses.plain import plain_item
from ccproxy.protocols.responses.terms import ITEM, NAME
from ccproxy.protocols.responses.wire import OWN_REASONING_ID, REDACTED, join_signature, read_citation

TEXT = "$text"
"""Key of a tool result's fields for the output that was JSON text of parts."""

_ROLES: dict[str, Role] = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}
_GROUPED = frozenset({"assistant", "tool"})
FROM_CLIENT = ("_output", "_approval_response")
"""How the types of items end that a client says about a server tool's call."""


def read_items(items: list[JSON]) -> list[Message]:
    """The messages. Raises RequestError."""
    messages: list[Message] = []
    for number, raw in enumerate(items):
        message = plain_item(raw) or _read_item(Fields(raw, f"input[{number}]"))
        if message.role in _GROUPED and messages and messages[-1].role == message.role:
            messages[-1].parts += message.parts
        else:
            messages.append(message)
    return messages


def _read_item(item: Fields) -> Message:
    return _ITEMS.get(_kind(item), _read_opaque)(item)


def _kind(item: Fields) -> str:
    kind = item.rest.get("type")
    if kind is None and "role" in item.rest:
        return "message"
    if kind is None and "id" in item.rest:
        return "item_reference"
    if not isinstance(kind, str):
        raise item.wrong("type", "the type of an item")
    return kind


def _read_additional(item: Fields) -> Message:
    """Its place in the conversation; `requests_in` reads the tools."""
    return Message("system", [Opaque(NAME, item.rest)])


def _read_opaque(item: Fields) -> Message:
    from_client = str(item.rest.get("type")).endswith(FROM_CLIENT)
    return Message("user" if from_client else "assistant", [Opaque(NAME, item.rest)])


# ---------------------------------------------------------------------------------------------------------------------
# Messages and their content


def _read_message(item: Fields) -> Message:
    whole = dict(item.rest)
    words = ["typed"] if item.text("type") else []
    role = item.string("role")
    if role not in _ROLES:
        raise item.wrong("role", "one of " + ", ".join(_ROLES))
    content = item.rest.pop("content", None)
    if isinstance(content, str):
        words.append("string")
        parts: list[Part] = [Text(content)]
    else:
        parts = read_content(content, item.at("content"))
    if role == "assistant":
        return Message("assistant", _begun(parts, words, item.rest) if parts else [Opaque(NAME, whole)])
    if role == "developer":
        words.append(role)
    return Message(_ROLES[role], parts, extras=Extras(NAME, item.rest, " ".join(words)))


def _begun(parts: list[Part], words: list[str], rest: dict[str, JSON]) -> list[Part]:
    """An assistant's message item among other parts: its first part remembers where it began."""
    extras = parts[0].extras or Extras(NAME)
    parts[0].extras = Extras(NAME, {**extras.fields, ITEM: rest}, " ".join(("item", *words, *extras.shape.split())))
    return parts


def read_content(content: JSON, path: str) -> list[Part]:
    """The content list of a message or of a tool's output."""
    if not isinstance(content, list):
        raise RequestError(f"{path} must be a string or an array", param=path)
    return [_read_part(Fields(raw, f"{path}[{number}]")) for number, raw in enumerate(content)]


def _read_part(part: Fields) -> Part:
    kind = part.rest.get("type")
    if not isinstance(kind, str):
        raise part.wrong("type", "the type of a content part")
    return _CONTENT.get(kind, _read_unknown)(part)


def _read_unknown(part: Fields) -> Part:
    return Opaque(NAME, part.rest, extras=Extras(NAME, shape="content"))


def _read_text(part: Fields) -> Text:
    kind = part.name("type")
    text = part.string("text")
    annotations = part.rest.get("annotations")
    try:
        found = (
            [read_citation(one) for one in annotations if isinstance(one, dict)] if isinstance(annotations, list) else []
        )
    except Malformed:
        raise part.wrong("annotations", "a list of annotations") from None
    return Text(text, citations=found, extras=Extras(NAME, part.rest, kind))


def _read_refusal(part: Fields) -> Refusal:
    part.name("type")
    return Refusal(part.string("refusal"), extras=Extras(NAME, part.rest))


def _read_image(part: Fields) -> Image:
    raw = Extras(NAME, dict(part.rest), "raw")
    url, file_id, detail = part.text("image_url"), part.text("file_id"), part.text("detail") or ""
    if url is None:
        if file_id is None:
            raise part.wrong("image_url", "a URL, or file_id an id")
        return Image(file_id=file_id, detail=detail, extras=raw)
    split = split_data_url(url)
    if split is None:
        return Image(url=url, detail=detail, extras=raw)
    return Image(mime=split[0] or sniff(split[1]), data=split[1], detail=detail, extras=raw)


def _read_file(part: Fields) -> Part:
    raw = Extras(NAME, dict(part.rest), "raw")
    name = part.text("filename") or ""
    data, url, file_id = part.text("file_data"), part.text("file_url"), part.text("file_id")
    if data is not None:
        mime, data = split_data_url(data) or ("", data)
        mime = mime or sniff(data)
        return part_for(mime)(mime=mime, data=data, name=name, extras=raw)
    if url is None and file_id is None:
        raise part.wrong("file_data", "a data URL, or file_url a URL, or file_id an id")
    return Document(url=url, file_id=file_id if url is None else None, name=name, extras=raw)


def _read_audio(part: Fields) -> Audio:
    audio = Fields(part.rest.get("input_audio"), part.at("input_audio"))
    return Audio(mime=audio_mime(audio.name("format")), data=audio.name("data"), extras=Extras(NAME, part.rest, "raw"))


_CONTENT: dict[str, Callable[[Fields], Part]] = {
    "input_text": _read_text,
    "output_text": _read_text,
    "text": _read_text,
    "refusal": _read_refusal,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
}


# ---------------------------------------------------------------------------------------------------------------------
# Calls, their outputs, reasoning


def _read_function_call(item: Fields) -> Message:
    item.name("type")
    call_id, name, arguments = item.name("call_id"), flat_name(item), item.string("arguments")
    return Message("assistant", [ToolCall(call_id, name, arguments, extras=Extras(NAME, item.rest))])


def _read_custom_call(item: Fields) -> Message:
    item.name("type")
    call_id, name, text = item.name("call_id"), flat_name(item), item.string("input")
    return Message("assistant", [ToolCall(call_id, name, text, kind="custom", extras=Extras(NAME, item.rest))])


def flat_name(item: Fields) -> str:
    """The one name of a tool within a namespace; the namespace stays in the extras."""
    name, namespace = item.name("name"), item.rest.get("namespace")
    return f"{namespace}__{name}" if isinstance(namespace, str) and namespace else name


def _read_output(item: Fields) -> Message:
    custom = item.name("type").startswith("custom")
    result = ToolResult(item.text("call_id") or "", "", [], kind="custom" if custom else "function")
    output = item.rest.pop("output", None)
    if not isinstance(output, str):
        result.parts = read_content(output, item.at("output"))
    elif (parts := _parts_in_text(output)) is not None:
        item.rest[TEXT] = output
        result.parts = parts
    else:
        result.parts = [Text(output)]
    result.extras = Extras(NAME, item.rest, "string" if isinstance(output, str) else "")
    return Message("tool", [result])


def _parts_in_text(output: str) -> list[Part] | None:
    """The parts, where a client put a list with images into its output as JSON text (some do), else None."""
    if not output.startswith("[") or '"input_image"' not in output:
        return None
    try:
        content = jsontext.loads(output)
        known = all(isinstance(one, dict) and one.get("type") in _CONTENT for one in content)
        return read_content(content, "output") if known else None
    except (jsontext.JSONError, RequestError, TypeError):
        return None


def _read_reasoning(item: Fields) -> Message:
    """Both summary and content are reasoning. A thought that an Encoder of ours wrote is no item that the upstream knows:
    what was sealed in it goes back to its maker's protocol."""
    raw = dict(item.rest)
    text = "\n\n".join(thought for key in ("summary", "content") for thought in _thoughts(item, key))
    encrypted, item_id = item.text("encrypted_content") or "", item.text("id") or ""
    signature, origin = unseal(encrypted, NAME)
    if signature == encrypted and not item_id.startswith(OWN_REASONING_ID):
        signature = join_signature(item_id, encrypted) if encrypted else ""
        part = Reasoning(text, signature=signature, origin=NAME, extras=Extras(NAME, raw, "raw"))
    elif origin != NAME and signature.startswith(REDACTED):
        part = Reasoning(redacted=signature.removeprefix(REDACTED), origin=origin)
    else:
        part = Reasoning(text, signature=signature, origin=origin if encrypted else "")
    return Message("assistant", [part])


def _thoughts(item: Fields, key: str) -> list[str]:
    found = item.array(key) or []
    return [Fields(one, f"{item.at(key)}[{number}]").string("text") for number, one in enumerate(found)]


_ITEMS: dict[str, Callable[[Fields], Message]] = {
    "message": _read_message,
    "function_call": _read_function_call,
    "custom_tool_call": _read_custom_call,
    "function_call_output": _read_output,
    "custom_tool_call_output": _read_output,
    "reasoning": _read_reasoning,
    additional.KIND: _read_additional,
}

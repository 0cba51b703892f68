"""Requests of Gemini clients.

Gemini API reference, "Method: models.generateContent", "Content" and "Part". The document is read object by object: what
the model has a place for is put there, the rest stays in `extras` of the same object. `extras.shape` is a list of words:
the keys that were in snake_case (for nested objects with a dotted path), and these:

    contents:object          the one content came without a list
    split:N                  the message went on in another content from this part on
    join                     the message shares its content with the one before it
    norole, noparts          the content said no role, had no parts
    noid, noargs             the call or result had no id, no arguments
    signed                   the signature stands on the thought itself
    urlsafe, nopad           how the base64 was spelled
    tool:N, key:K            which tool object a function stood in, and under which key its schema

Fast for a reason: agents send hundreds of contents with every turn, and nearly all of their parts are one text, call or
result with nothing beside it. Those are read by `_plain_part`, which makes the same of them as `_read_part` and leaves
it the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccproxy.codec import jsontext
from ccproxy.errors import RequestError, Unsupported
from ccproxy.media import part_for
from ccproxy.model import (
    JSON,
    Context,
    Document,
    Extras,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.gemini.options import (
    array,
    join_words,
    marked,
    object_,
    read_generation,
    read_tool_config,
    read_tools,
    text_,
)
from ccproxy.protocols.gemini.wire import NAME, either, read_signature, spelled
from ccproxy.turns import Pairs

_TOP = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent"})
_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "tool", "tool": "tool"}
CANONICAL: dict[Role, str] = {"user": "user", "assistant": "model", "tool": "user", "system": "user"}
"""The role that the wire is given for each of the model's."""


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `base.Chat`. Streams come as server-sent events only when asked for (`alt=sse`)."""
    if not document.get("contents"):
        raise RequestError("contents is missing or empty", param="contents")
    context.stream = bool(call.stream)
    context.include_usage = True
    context.shape = "sse" if not call.stream or call.query.get("alt") == "sse" else "array"


def read_request(document: dict[str, JSON], context: Context, call: Call) -> Request:
    """See `base.Chat`."""
    peek(document, context, call)
    fields, shape = spelled(document, _TOP)
    if fields.get("cachedContent") and context.upstream != NAME:  # the system prompt, tools and first turns stand there
        raise Unsupported("cachedContent", context.upstream, "only its own upstream has what it names")
    extras = Extras(NAME, fields, shape)
    model = call.model or text_(fields.get("model") or "", "model")
    if not model:
        raise RequestError("the request names no model", param="model")
    request = Request(origin=NAME, model=model.removeprefix("models/"), stream=context.stream, extras=extras)
    context.pairs = context.pairs or Pairs()
    request.messages = _read_contents(fields.pop("contents"), extras, context.pairs)
    request.system = _read_system(extras)
    request.tools = read_tools(fields.pop("tools", None))
    read_tool_config(request, extras)
    read_generation(request, extras)
    context.tools = {tool.name: tool for tool in request.tools if not isinstance(tool, Opaque)}
    return request


def _read_system(extras: Extras) -> list[Part]:
    """A content or, as some clients send it, a string. The rest stays in the extras: its role; "" for a string."""
    system = extras.fields.get("systemInstruction")
    if system is None:
        return []
    if isinstance(system, str):
        extras.fields["systemInstruction"] = ""
        return [Text(system)]
    rest = dict(object_(system, "systemInstruction"))
    parts = rest.pop("parts", None)
    if not parts:
        rest["parts"] = []  # nothing was said; where parts were, and a policy has removed them, this is not left
    extras.fields["systemInstruction"] = rest
    pairs = Pairs()
    return [
        part
        for number, raw in enumerate(_parts_of(parts, "systemInstruction.parts"))
        for part in _read_part(raw, f"systemInstruction.parts[{number}]", False, pairs)
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Contents


def _read_contents(contents: JSON, extras: Extras, pairs: Pairs) -> list[Message]:
    if isinstance(contents, dict):
        extras.shape = join_words(extras.shape, "contents:object")
        contents = [contents]
    messages: list[Message] = []
    for number, content in enumerate(array(contents, "contents")):
        param = f"contents[{number}]"
        for message in _read_content(object_(content, param), param, pairs):
            if not (messages and _continues(messages[-1], message)):
                messages.append(message)
    return messages


def _continues(last: Message, message: Message) -> bool:
    """Whether the content went on with the one before it, and now stands there. SDKs' chats keep each chunk of an answer as
    a content; other protocols need the whole turn, with its calls together."""
    marked_before = last.extras is not None and not last.extras.shape.startswith("split:")
    if not last.role == message.role == "assistant" or message.extras is not None or marked_before or not message.parts:
        return False
    words = last.extras.shape if last.extras else ""
    start = len(last.parts)
    _append(last.parts, message.parts)
    last.extras = Extras(NAME, shape=join_words(words, f"split:{min(start, len(last.parts))}"))
    return True


def _read_content(content: dict[str, JSON], param: str, pairs: Pairs) -> list[Message]:
    """One content as messages: results of tools are messages of their own in the model."""
    rest = dict(content)
    said = rest.get("role")
    role = _ROLES.get(said or "user") if said is None or isinstance(said, str) else None
    if role is None:
        raise RequestError(f"the role must be user or model, not {said!r}", param=f"{param}.role")
    if role == "user":
        pairs.end_turn()
    parts = rest.pop("parts", None)
    messages: list[Message] = []
    for number, raw in enumerate(_parts_of(parts, f"{param}.parts")):
        made = _plain_part(raw, pairs) or _read_part(raw, f"{param}.parts[{number}]", role == "assistant", pairs)
        own: Role = "tool" if isinstance(made[0], ToolResult) else "user" if role == "tool" else role
        if not messages or messages[-1].role != own:
            messages.append(Message(own, [], extras=Extras(NAME, shape="join") if messages else None))
        _append(messages[-1].parts, made)
    first = messages[0] if messages else Message("user" if role == "tool" else role, [])
    _mark_content(first, rest, said, parts)
    return messages or [first]


def _append(parts: list[Part], made: list[Part]) -> None:
    """Another maker's signature belongs to the thought before it, in however many pieces that came; it stood on the next
    part only because Gemini has no other place for it. The words that it brought itself are those that were signed."""
    sign = made[0]
    if isinstance(sign, Reasoning) and sign.signature and sign.origin != NAME:
        thought: list[str] = []
        while parts and isinstance(piece := parts[-1], Reasoning) and piece.text and not piece.signature:
            thought.insert(0, piece.text)
            parts.pop()
        sign.text = sign.text or "".join(thought)
    parts += made


def _mark_content(first: Message, rest: dict[str, JSON], said: JSON, parts: JSON) -> None:
    """Keeps on the content's first message how the content was said, where it was not said in the usual way."""
    if said == CANONICAL[first.role] and parts is not None and len(rest) == 1:
        return
    words = join_words("norole" if "role" not in rest else "", "noparts" if parts is None else "")
    if rest.keys() - {"role"} or words or said != CANONICAL[first.role]:
        first.extras = Extras(NAME, rest, words)


def read_parts(content: JSON, param: str) -> list[Part]:
    """The parts of a content that stands alone. Raises RequestError."""
    pairs = Pairs()
    raw = _parts_of(object_(content, param).get("parts"), f"{param}.parts")
    return [part for number, one in enumerate(raw) for part in _read_part(one, f"{param}.parts[{number}]", False, pairs)]


def _parts_of(parts: JSON, param: str) -> list[dict[str, JSON]]:
    if isinstance(parts, dict):
        parts = [parts]
    objects = array(parts or [], param)
    for number, part in enumerate(objects):
        if not isinstance(part, dict):
            object_(part, f"{param}[{number}]")
    return objects


# ---------------------------------------------------------------------------------------------------------------------
# Parts


def _read_part(raw: dict[str, JSON], param: str, assistant: bool, pairs: Pairs) -> list[Part]:
    """One part of the wire: the part, after a Reasoning when a signature stood on it. What is no known kind is opaque."""
    fields, shape = spelled(raw, _PART_KEYS)
    kind = next((key for key in _PART_READERS if fields.get(key) is not None), "")
    thought = fields.get("thought") is True
    if not kind or (thought and (kind != "text" or not assistant)):
        return [Opaque(NAME, raw)]
    extras = Extras(NAME, fields, shape)
    if thought:
        return [_read_thought(extras, param)]
    signature = fields.pop("thoughtSignature", None) if assistant else None
    part = _PART_READERS[kind](fields.pop(kind), f"{param}.{kind}", extras, pairs)
    if fields or extras.shape:
        part.extras = extras
    if signature is None:
        return [part]
    return [read_signature(text_(signature, f"{param}.thoughtSignature")), part]


def _plain_part(raw: dict[str, JSON], pairs: Pairs) -> list[Part] | None:
    """A text, a call with its arguments or a result's text; None for anything else, or if there is more to it."""
    if len(raw) != 1:
        return None
    for kind, value in raw.items():
        if kind == "text":
            return [Text(value)] if type(value) is str else None
        if kind == "functionCall":
            return _plain_call(value, pairs)
        if kind == "functionResponse":
            return _plain_result(value, pairs)
    return None


def _plain_call(value: JSON, pairs: Pairs) -> list[Part] | None:
    if type(value) is not dict or len(value) != 2 + ("id" in value):
        return None
    id, name, arguments = value.get("id", ""), value.get("name"), value.get("args")
    if type(id) is str and type(name) is str and type(arguments) is dict:
        return [ToolCall(pairs.call(name, id), name, arguments, extras=None if id else Extras(NAME, {}, "noid"))]
    return None


def _plain_result(value: JSON, pairs: Pairs) -> list[Part] | None:
    """The whole of it stays in the extras, as with all results."""
    if type(value) is not dict or len(value) != 2 + ("id" in value):
        return None
    name, id, response = value.get("name"), value.get("id", ""), value.get("response")
    if type(name) is not str or type(id) is not str or type(response) is not dict or len(response) != 1:
        return None
    output = response.get("output", response.get("result"))
    if type(output) is not str:
        return None
    extras = Extras(NAME, {"functionResponse": value})
    return [ToolResult(pairs.result(name, id), name, [Text(output)], extras=extras)]


def _read_thought(extras: Extras, param: str) -> Reasoning:
    fields = extras.fields
    del fields["thought"]
    part = Reasoning(text_(fields.pop("text"), f"{param}.text"), origin=NAME)
    if "thoughtSignature" in fields:
        signing = read_signature(text_(fields.pop("thoughtSignature"), f"{param}.thoughtSignature"))
        part.signature, part.redacted, part.origin = signing.signature, signing.redacted, signing.origin
        extras.shape = join_words(extras.shape, "signed")
    if fields or extras.shape:
        part.extras = extras
    return part


def _read_text(value: JSON, param: str, extras: Extras, pairs: Pairs) -> Part:
    return Text(text_(value, param))


def _read_call(value: JSON, param: str, extras: Extras, pairs: Pairs) -> Part:
    call = dict(object_(value, param))
    name = text_(call.pop("name", None), f"{param}.name")
    id = text_(call.pop("id", None) or "", f"{param}.id")
    arguments = call.pop("args", None)
    extras.shape = join_words(extras.shape, "" if id else "noid", "noargs" if arguments is None else "")
    if call:
        extras.fields["functionCall"] = call
    return ToolCall(pairs.call(name, id), name, object_(arguments or {}, f"{param}.args"))


def _read_result(value: JSON, param: str, extras: Extras, pairs: Pairs) -> Part:
    raw = object_(value, param)
    name, said = text_(raw.get("name") or "", f"{param}.name"), text_(raw.get("id") or "", f"{param}.id")
    id = pairs.result(name, said)
    parts, failed = result_parts(raw, param)
    extras.fields["functionResponse"] = raw
    return ToolResult(id, name, parts, is_error=failed)


def _read_inline(value: JSON, param: str, extras: Extras, pairs: Pairs) -> Part:
    blob, shape = spelled(object_(value, param), _BLOB_KEYS)
    data = text_(blob.pop("data", None), f"{param}.data")
    part = _media_for(blob, param)
    part.data = data.replace("-", "+").replace("_", "/")
    urlsafe = "urlsafe" if part.data != data else ""
    if len(data) % 4:
        part.data += "=" * (-len(data) % 4)
    _keep_blob(extras, blob, "inlineData", shape, urlsafe, "nopad" if len(data) % 4 else "")
    return part


def _read_file(value: JSON, param: str, extras: Extras, pairs: Pairs) -> Part:
    blob, shape = spelled(object_(value, param), _BLOB_KEYS)
    uri = text_(blob.pop("fileUri", None), f"{param}.fileUri")
    part = _media_for(blob, param)
    part.url = uri
    _keep_blob(extras, blob, "fileData", shape)
    return part


def _media_for(blob: dict[str, JSON], param: str) -> Media:
    """The part for a blob, without its data; takes what it uses out of `blob`."""
    mime = text_(blob.pop("mimeType", None) or "", f"{param}.mimeType")
    name = text_(blob.pop("displayName", None) or "", f"{param}.displayName")
    return (part_for(mime) if mime else Document)(mime=mime, name=name)


def _keep_blob(extras: Extras, rest: dict[str, JSON], key: str, shape: str, *words: str) -> None:
    dotted = " ".join(f"{key}.{name}" for name in shape.split())
    extras.shape = join_words(extras.shape, dotted, *words)
    if rest:
        extras.fields[key] = rest


_PART_READERS: dict[str, Callable[[JSON, str, Extras, Pairs], Part]] = {
    "functionCall": _read_call,
    "functionResponse": _read_result,
    "inlineData": _read_inline,
    "fileData": _read_file,
    "text": _read_text,
}
_PART_KEYS = frozenset({*_PART_READERS, "thoughtSignature"})
_BLOB_KEYS = frozenset({"mimeType", "fileUri", "displayName"})


def result_parts(raw: dict[str, JSON], param: str) -> tuple[list[Any], bool]:
    """A functionResponse's parts and whether it is an error. "FunctionResponse": `output` and `error` are words for all
    that there is; any other object is the output itself."""
    response = raw.get("response")
    parts: list[Any] = []
    failed = False
    if response is not None:
        content = object_(response, f"{param}.response")
        only = next(iter(content)) if len(content) == 1 else ""
        failed = only == "error"
        value = content[only] if only in ("output", "result", "error") else content
        parts.append(Text(value if isinstance(value, str) else jsontext.dumps_str(value)))
    for number, media in enumerate(array(raw.get("parts") or [], f"{param}.parts")):
        parts.append(_result_media(object_(media, f"{param}.parts[{number}]"), f"{param}.parts[{number}]"))
    return parts, failed


def _result_media(raw: dict[str, JSON], param: str) -> Part:
    extras = Extras(NAME)
    if (blob := either(raw, "inlineData")) is not None:
        return _read_inline(blob, f"{param}.inlineData", extras, Pairs())
    if (blob := either(raw, "fileData")) is not None:
        return _read_file(blob, f"{param}.fileData", extras, Pairs())
    return marked(Opaque(NAME, raw))

"""A client's request into the model (Anthropic API reference, "Create a Message", and the beta API's additions).

Each object is read by taking out of a copy what the model has a place for; what is left rides in `extras`, an explicit
null too, and comes back when this protocol is written (requests_out). Spellings:

    Request.extras.shape   "text": `system` was a string
    Message.extras.shape   "text": `content` was a string; "joined": the message before it belongs to the same turn,
                           which had tool results and other blocks side by side
    Text                   "tool_reference": it was one of these, in a tool result ("Tool search tool")
    ToolResult             "text": `content` was a string; "none": there was none
    Document               "content": the text was a content source's string; "search_result": it was one of these
    ResponseFormat         "output_format": it stood in the field of that name, as the first beta had it
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, get_args

from ccproxy.errors import RequestError
from ccproxy.model import (
    JSON,
    Context,
    Document,
    Effort,
    Extras,
    Image,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    unseal,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.claude.plain import plain_message, plain_tool
from ccproxy.protocols.claude.terms import NAME, arguments_of, read_citation

_EFFORTS = frozenset(get_args(Effort))
_KINDS: dict[Any, str] = {
    str: "a string",
    int: "an integer",
    (int, float): "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    (str, list): "a string or a list of blocks",
}


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `base.Chat.peek`."""
    rest = dict(document)
    if not call.model:
        _need(rest, "model", str, "")
    if not _need(rest, "messages", list, ""):
        raise _bad("messages", "at least one message is required")
    context.stream = _take(rest, "stream", bool, "", False)


def read_request(document: dict[str, JSON], context: Context, call: Call) -> Request:
    """See `base.Chat.read_request`."""
    peek(document, context, call)
    rest = dict(document)
    system, shape = _read_system(rest)
    request = Request(
        origin=NAME,
        model=_take(rest, "model", str, "", "") or call.model,
        system=system,
        messages=_read_messages(_need(rest, "messages", list, "")),
        tools=[_read_tool(tool, f"tools[{n}]") for n, tool in enumerate(_take(rest, "tools", list, "", []))],
        stream=_take(rest, "stream", bool, "", False),
        user=_read_user(rest),
        sampling=_read_sampling(rest),
    )
    request.reasoning = _read_reasoning(rest)
    request.format = _read_format(rest)
    request.tool_choice, request.parallel_tool_calls = _read_tool_choice(rest)
    request.extras = Extras(NAME, rest, shape)
    context.tools = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    return request


# ---------------------------------------------------------------------------------------------------------------------
# Taking fields out


def _bad(where: str, what: str) -> RequestError:
    return RequestError(f"{where}: {what}", param=where)


def _take(rest: dict[str, JSON], name: str, kind: Any, where: str, default: Any = None) -> Any:
    """rest[name], taken out; `default` for what is absent or null. An explicit null or default stays in `rest`, so that it
    is written again."""
    value = rest.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _bad(f"{where}{name}", f"must be {_KINDS[kind]}")
    if value != default:
        del rest[name]
    return value


def _need(rest: dict[str, JSON], name: str, kind: Any, where: str) -> Any:
    value = _take(rest, name, kind, where)
    if value is None:
        raise _bad(f"{where}{name}", "field required")
    return value


def _object(value: JSON, where: str) -> dict[str, JSON]:
    """A copy of an object."""
    if not isinstance(value, dict):
        raise _bad(where, "must be an object")
    return dict(value)


def _extras(rest: dict[str, JSON], shape: str = "") -> Extras | None:
    return Extras(NAME, rest, shape) if rest or shape else None


# ---------------------------------------------------------------------------------------------------------------------
# Settings


def _read_system(rest: dict[str, JSON]) -> tuple[list[Part], str]:
    system = _take(rest, "system", (str, list), "", [])
    if isinstance(system, str):
        return [Text(system)], "text"
    return _read_blocks(system, "system", {"text": _read_text}), ""


def _read_user(rest: dict[str, JSON]) -> str:
    metadata = _take(rest, "metadata", dict, "")
    if metadata is None:
        return ""
    left = dict(metadata)
    user: str = _take(left, "user_id", str, "metadata.", "")
    if left or not user:
        rest["metadata"] = left
    return user


def _read_sampling(rest: dict[str, JSON]) -> Sampling:
    stop = _take(rest, "stop_sequences", list, "", [])
    if not all(isinstance(sequence, str) for sequence in stop):
        raise _bad("stop_sequences", "must be a list of strings")
    return Sampling(
        max_tokens=_take(rest, "max_tokens", int, ""),
        temperature=_take(rest, "temperature", (int, float), ""),
        top_p=_take(rest, "top_p", (int, float), ""),
        top_k=_take(rest, "top_k", int, ""),
        stop=stop,
    )


def _read_reasoning(rest: dict[str, JSON]) -> ReasoningOptions | None:
    """`thinking` and `output_config.effort`. A type or an effort that is not known here stays where it is."""
    thinking = rest.get("thinking")
    if thinking is None and rest.get("output_config") is None:
        return None
    options = ReasoningOptions()
    kind = _object(thinking, "thinking").get("type") if thinking is not None else None
    if kind in ("enabled", "adaptive", "disabled"):
        left = _object(rest.pop("thinking"), "thinking")
        del left["type"]
        options.enabled, options.adaptive = kind != "disabled", kind == "adaptive"
        options.budget = _take(left, "budget_tokens", int, "thinking.")
        options.summary = _take(left, "display", str, "thinking.", "")
        options.extras = _extras(left)
    config = _read_config(rest)
    if isinstance(config.get("effort"), str) and config["effort"] in _EFFORTS:
        options.effort = config.pop("effort")
    return options if options != ReasoningOptions() else None


def _read_config(rest: dict[str, JSON]) -> dict[str, JSON]:
    """`output_config`, as a copy that stays in `rest` and loses what is taken out."""
    config = rest.get("output_config")
    if config is None:
        return {}
    rest["output_config"] = left = _object(config, "output_config")
    return left


def _read_format(rest: dict[str, JSON]) -> ResponseFormat | None:
    for holder, name, shape in ((_read_config(rest), "format", ""), (rest, "output_format", "output_format")):
        found = holder.get(name)
        if isinstance(found, dict) and found.get("type") == "json_schema":
            left = dict(holder.pop(name))
            del left["type"]
            schema = _need(left, "schema", dict, f"{name}.")
            return ResponseFormat("json_schema", schema, extras=_extras(left, shape))
    return None


_MODES: dict[str, Any] = {"auto": "auto", "any": "required", "tool": "tool", "none": "none"}


def _read_tool_choice(rest: dict[str, JSON]) -> tuple[ToolChoice | None, bool | None]:
    choice = _take(rest, "tool_choice", dict, "")
    if choice is None:
        return None, None
    left = dict(choice)
    kind = _need(left, "type", str, "tool_choice.")
    if kind not in _MODES:
        rest["tool_choice"] = choice
        return None, None
    alone = _take(left, "disable_parallel_tool_use", bool, "tool_choice.")
    name = _need(left, "name", str, "tool_choice.") if kind == "tool" else ""
    return ToolChoice(_MODES[kind], name, extras=_extras(left)), None if alone is None else not alone


def _read_tool(tool: JSON, where: str) -> Tool | Opaque:
    """A tool of the client's; one with a type is Anthropic's own ("Tool use", "Server tools")."""
    if (plain := plain_tool(tool)) is not None:
        return plain
    rest = _object(tool, where)
    if rest.get("type") not in (None, "custom"):
        return Opaque(NAME, tool)
    at = f"{where}."
    read = Tool(
        _need(rest, "name", str, at),
        _take(rest, "description", str, at, ""),
        _take(rest, "input_schema", dict, at),
        strict=_take(rest, "strict", bool, at),
        cache=_take(rest, "cache_control", dict, at),
    )
    read.extras = _extras(rest)
    return read


# ---------------------------------------------------------------------------------------------------------------------
# Messages

_Read = Callable[[dict[str, JSON], str], Part | None]
"""Takes a block apart; None for a variant that is not known here."""


def _read_messages(messages: list[JSON]) -> list[Message]:
    read: list[Message] = []
    for n, message in enumerate(messages):
        plain = plain_message(message)
        if plain is not None:
            read.append(plain)
        else:
            read += _read_message(message, f"messages[{n}]")
    return read


def _read_message(message: JSON, where: str) -> list[Message]:
    """One turn; in more than one message where tool results and other blocks stand side by side."""
    rest = _object(message, where)
    role = _need(rest, "role", str, f"{where}.")
    if role not in _ROLES:
        raise _bad(f"{where}.role", "must be user, assistant or system")
    content = _need(rest, "content", (str, list), f"{where}.")
    if isinstance(content, str):
        return [Message(role, [Text(content)], extras=Extras(NAME, rest, "text"))]
    parts = _read_blocks(content, f"{where}.content", _ROLES[role])
    runs = [list(run) for _, run in groupby(parts, lambda part: isinstance(part, ToolResult))] or [[]]
    first = Message(_role_of(role, runs[0]), runs[0], extras=_extras(rest))
    return [first, *(Message(_role_of(role, run), run, extras=Extras(NAME, {}, "joined")) for run in runs[1:])]


def _role_of(role: Role, run: list[Part]) -> Role:
    return "tool" if run and isinstance(run[0], ToolResult) else role


def _read_blocks(blocks: list[JSON], where: str, readers: dict[str, _Read]) -> list[Part]:
    return [_read_block(block, f"{where}[{n}]", readers) for n, block in enumerate(blocks)]


def _read_block(block: JSON, where: str, readers: dict[str, _Read]) -> Part:
    """One block; of a type that `readers` does not have, as it is."""
    rest = _object(block, where)
    read = readers.get(_need(rest, "type", str, f"{where}."))
    part = read(rest, f"{where}.") if read is not None else None
    return part or Opaque(NAME, block)


def _read_text(rest: dict[str, JSON], at: str) -> Part:
    text = _need(rest, "text", str, at)
    citations = [read_citation(raw) for raw in _take(rest, "citations", list, at, [])]
    return Text(text, citations=citations, cache=_cache(rest, at), extras=_extras(rest))


def _cache(rest: dict[str, JSON], at: str) -> dict[str, JSON] | None:
    cache: dict[str, JSON] | None = _take(rest, "cache_control", dict, at)
    return cache


def _read_thinking(rest: dict[str, JSON], at: str) -> Part:
    text = _need(rest, "thinking", str, at)
    signature, origin = unseal(_take(rest, "signature", str, at, ""), NAME)
    return Reasoning(text, signature=signature, origin=origin, extras=_extras(rest))


def _read_redacted(rest: dict[str, JSON], at: str) -> Part:
    data, origin = unseal(_need(rest, "data", str, at), NAME)
    return Reasoning(redacted=data, origin=origin, extras=_extras(rest))


def _read_call(rest: dict[str, JSON], at: str) -> Part:
    """The API wants an object as input; what else clients send stays in `rest` beside the text of it."""
    id, name = _need(rest, "id", str, at), _need(rest, "name", str, at)
    input = rest.get("input")
    if isinstance(input, dict):
        del rest["input"]
        return ToolCall(id, name, input, cache=_cache(rest, at), extras=_extras(rest))
    return ToolCall(id, name, arguments_of(input), cache=_cache(rest, at), extras=_extras(rest))


def _read_result(rest: dict[str, JSON], at: str) -> Part:
    id = _need(rest, "tool_use_id", str, at)
    content = _take(rest, "content", (str, list), at)
    shape = "none" if content is None else "text" if isinstance(content, str) else ""
    parts = [Text(content)] if isinstance(content, str) else _read_blocks(content or [], f"{at}content", _RESULTS)
    failed = _take(rest, "is_error", bool, at, False)
    return ToolResult(id, "", parts, is_error=failed, cache=_cache(rest, at), extras=_extras(rest, shape))


def _read_reference(rest: dict[str, JSON], at: str) -> Part | None:
    """A tool that the client's own search found; others are told its name."""
    name = rest.get("tool_name")
    if not isinstance(name, str) or not name:
        return None
    del rest["tool_name"]
    return Text(name, cache=_cache(rest, at), extras=Extras(NAME, rest, "tool_reference"))


# Media ("Vision", "PDF support", "Files API", "Citations", "Search results")


def _read_image(rest: dict[str, JSON], at: str) -> Part | None:
    return _read_media(Image(), rest, at, _IMAGE_SOURCES)


def _read_document(rest: dict[str, JSON], at: str) -> Part | None:
    return _read_media(Document(name=_take(rest, "title", str, at, "")), rest, at, _DOCUMENT_SOURCES)


def _read_media(part: Media, rest: dict[str, JSON], at: str, sources: dict[str, _Source]) -> Part | None:
    source = _object(rest.pop("source", None), f"{at}source")
    read = sources.get(_need(source, "type", str, f"{at}source."))
    if read is None:
        return None
    shape = read(part, source, f"{at}source.")
    if source:
        rest["source"] = source
    part.cache = _cache(rest, at)
    part.extras = _extras(rest, shape)
    return part


def _base64_source(part: Media, source: dict[str, JSON], at: str) -> str:
    part.data, part.mime = _need(source, "data", str, at), _take(source, "media_type", str, at, "")
    return ""


def _text_source(part: Media, source: dict[str, JSON], at: str) -> str:
    part.text, part.mime = _need(source, "data", str, at), _take(source, "media_type", str, at, "")
    return ""


def _url_source(part: Media, source: dict[str, JSON], at: str) -> str:
    part.url = _need(source, "url", str, at)
    return ""


def _file_source(part: Media, source: dict[str, JSON], at: str) -> str:
    part.file_id = _need(source, "file_id", str, at)
    return ""


def _content_source(part: Media, source: dict[str, JSON], at: str) -> str:
    """Text that citations may point into. As blocks it stays in `source`, whole, beside its plain text."""
    content = _need(source, "content", (str, list), at)
    if isinstance(content, str):
        part.text = content
        return "content"
    source |= {"type": "content", "content": content}
    part.text = _plain(content)
    return ""


def _read_search_result(rest: dict[str, JSON], at: str) -> Part:
    content = rest.get("content")
    text = _plain(content) if isinstance(content, list) else ""
    name = _take(rest, "title", str, at, "")
    return Document(text=text, name=name, cache=_cache(rest, at), extras=Extras(NAME, rest, "search_result"))


def _plain(blocks: list[JSON]) -> str:
    texts = [block.get("text") or f"[{block.get('type')}]" for block in blocks if isinstance(block, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


_Source = Callable[[Media, dict[str, JSON], str], str]
"""Takes a source's content into the part; returns the part's shape."""

_IMAGE_SOURCES: dict[str, _Source] = {"base64": _base64_source, "url": _url_source, "file": _file_source}
_DOCUMENT_SOURCES: dict[str, _Source] = _IMAGE_SOURCES | {"text": _text_source, "content": _content_source}

_IN_RESULTS: dict[str, _Read] = {
    "text": _read_text,
    "image": _read_image,
    "document": _read_document,
    "search_result": _read_search_result,
}
_RESULTS: dict[str, _Read] = _IN_RESULTS | {"tool_reference": _read_reference}
_ROLES: dict[str, dict[str, _Read]] = {
    "system": {"text": _read_text},
    "user": _IN_RESULTS | {"tool_result": _read_result},
    "assistant": {
        "text": _read_text,
        "thinking": _read_thinking,
        "redacted_thinking": _read_redacted,
        "tool_use": _read_call,
    },
}

"""A client's request as the conversation (API reference, "Responses", "Create a model response")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from ccproxy.errors import NotFound, RequestError, Unsupported
from ccproxy.model import (
    JSON,
    Context,
    Effort,
    Extras,
    Message,
    Opaque,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolChoice,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.responses import additional
from ccproxy.protocols.responses.fields import Fields
from ccproxy.protocols.responses.items_in import flat_name, read_items
from ccproxy.protocols.responses.terms import NAME, echo_of

SAFE = "safe"
"""Word of a request's shape: its user stands in `safety_identifier`, which is among its extras."""

NAMESPACE = "$namespace"
"""Key of a tool's fields for the other members of the namespace that it stands in."""

_STAND_FOR_INPUT = ("prompt", "previous_response_id", "conversation")
"""Members with one of which a request needs no input; with the first, no model either."""

_EFFORTS = frozenset(get_args(Effort))
_MODES: dict[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "required": "required"}


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `ccproxy.protocols.base.Chat`."""
    body = Fields(document, "")
    if not body.text("model") and not call.model and not document.get("prompt"):
        raise RequestError("model is missing", param="model")
    given = document.get("input")
    if given is None and not any(document.get(key) for key in _STAND_FOR_INPUT):
        raise RequestError("input is missing", param="input")
    if not isinstance(given, str | list | None):
        raise body.wrong("input", "a string or an array")
    stream = body.flag("stream")
    context.stream = bool(stream) if call.stream is None else call.stream


def read_request(document: dict[str, JSON], context: Context, call: Call) -> Request:
    """See `ccproxy.protocols.base.Chat`. Keeps what the response repeats in `context.echo`. Raises RequestError, which
    NotFound is for an earlier response that the upstream cannot know."""
    peek(document, context, call)
    if context.upstream != NAME:
        _refuse_unkept(document, context)
    context.echo |= echo_of(document)
    body = Fields(document, "")
    if body.rest.get("stream") is True:
        body.rest.pop("stream")  # a false one stays, to be said again
    tools = [*_read_tools(body), *_read_additional(body)]
    messages, shape = _read_input(body)
    if context.upstream != NAME:
        messages, tools = [one for one in messages if not additional.is_holder(one)], additional.latest(tools)
    request = Request(
        origin=NAME,
        model=body.text("model") or call.model,
        messages=messages,
        tools=tools,
        tool_choice=_read_choice(body),
        format=_read_format(body),
        reasoning=_read_reasoning(body),
        sampling=_read_sampling(body),
        parallel_tool_calls=body.flag("parallel_tool_calls"),
        logprobs=body.whole("top_logprobs"),
        user=body.text("user") or "",
        metadata=body.object("metadata"),
        previous_id=body.text("previous_response_id") or "",
        store=body.flag("store"),
        stream=context.stream,
        extras=Extras(NAME, body.rest, shape),
    )
    if not request.user and isinstance(identifier := body.rest.get("safety_identifier"), str):
        request.user = identifier  # what `user` is called now
        request.extras = Extras(NAME, body.rest, f"{shape} {SAFE}")
    instructions = body.rest.get("instructions")
    if instructions is not None:
        request.system = [Text(body.string("instructions"))]
    context.tools = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    return request


def _refuse_unkept(document: dict[str, JSON], context: Context) -> None:
    """What stands for input and is kept by this protocol's upstreams only: without it the model would be asked something
    else."""
    if previous := document.get("previous_response_id"):
        text = f"the earlier response {previous!r} is not kept here; send the whole conversation as input"
        raise NotFound(text, code="previous_response_not_found", param="previous_response_id")
    for key in ("prompt", "conversation"):
        if document.get(key):
            raise Unsupported(key, context.upstream, "it stands for input that only its own upstream keeps")


def _read_input(body: Fields) -> tuple[list[Message], str]:
    """The messages, and how input was spelled: `string`, `items` or `none`."""
    given = body.rest.get("input")
    if given is None:
        return [], "none"
    body.rest.pop("input")
    if isinstance(given, str):
        return [Message("user", [Text(given)])], "string"
    return read_items(given), "items"


def _read_sampling(body: Fields) -> Sampling:
    return Sampling(
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        max_tokens=body.whole("max_output_tokens"),
    )


def _read_reasoning(body: Fields) -> ReasoningOptions | None:
    given = body.object("reasoning")
    if given is None:
        return None
    fields = Fields(given, "reasoning")
    options = ReasoningOptions(extras=Extras(NAME, fields.rest))
    if str(fields.rest.get("effort")) in _EFFORTS:
        options.effort = fields.rest.pop("effort")
        options.enabled = False if options.effort == "none" else None
    options.summary = fields.text("summary") or ""
    return options


def _read_format(body: Fields) -> ResponseFormat | None:
    """The format within `text`; the rest of `text` (verbosity) stays among the extras."""
    given = body.object("text")
    if given is None:
        return None
    text = Fields(given, "text")
    raw = text.object("format")
    found = _FORMATS.get(str(raw.get("type")), _no_format)(Fields(raw, "text.format")) if raw is not None else None
    if found is None and raw is not None:
        text.rest["format"] = raw
    if text.rest or found is None:
        body.rest["text"] = text.rest
    return found


def _read_schema_format(given: Fields) -> ResponseFormat:
    given.name("type")
    return ResponseFormat(
        "json_schema",
        given.object("schema"),
        given.text("name") or "",
        given.text("description") or "",
        strict=given.flag("strict"),
        extras=Extras(NAME, given.rest),
    )


def _read_plain_format(given: Fields) -> ResponseFormat:
    kind = given.name("type")
    return ResponseFormat("json" if kind == "json_object" else "text", extras=Extras(NAME, given.rest))


def _no_format(given: Fields) -> None:
    """A format that only this protocol has."""


_FORMATS: dict[str, Callable[[Fields], ResponseFormat | None]] = {
    "text": _read_plain_format,
    "json_object": _read_plain_format,
    "json_schema": _read_schema_format,
}


# ---------------------------------------------------------------------------------------------------------------------
# Tools


def _read_tools(body: Fields) -> list[Tool | Opaque]:
    given = body.array("tools")
    if given == []:
        body.rest["tools"] = given
    return _read_list(given or [], "tools")


def _read_additional(body: Fields) -> list[Tool | Opaque]:
    given = body.rest.get("input")
    found: list[Tool | Opaque] = []
    number = 0
    for at, raw in enumerate(given if isinstance(given, list) else []):
        if isinstance(raw, dict) and raw.get("type") == additional.KIND:
            item = Fields(raw, f"input[{at}]")
            found += additional.placed(_read_list(item.array("tools") or [], item.at("tools")), number)
            number += 1
    return found


def _read_list(given: list[JSON], path: str) -> list[Tool | Opaque]:
    return [tool for number, raw in enumerate(given) for tool in _read_tool(Fields(raw, f"{path}[{number}]"))]


def _read_tool(tool: Fields) -> list[Tool | Opaque]:
    kind = tool.rest.get("type")
    if not isinstance(kind, str):
        raise tool.wrong("type", "the type of a tool")
    if kind == "namespace":
        return _read_namespace(tool)
    reader = _TOOLS.get(kind)
    return [reader(tool)] if reader is not None else [Opaque(NAME, tool.rest)]


def _read_function(tool: Fields) -> Tool:
    tool.name("type")
    return Tool(
        tool.name("name"),
        tool.text("description") or "",
        tool.object("parameters"),
        strict=tool.flag("strict"),
        extras=Extras(NAME, tool.rest),
    )


def _read_custom(tool: Fields) -> Tool:
    tool.name("type")
    return Tool(
        tool.name("name"),
        tool.text("description") or "",
        kind="custom",
        grammar=tool.object("format"),
        extras=Extras(NAME, tool.rest),
    )


def _read_namespace(space: Fields) -> list[Tool | Opaque]:
    """The tools within, each under `<namespace>__<name>`. A namespace without tools, or with others than functions and
    custom tools, is a thing of this protocol alone."""
    whole = dict(space.rest)
    space.name("type")
    name, inner = space.name("name"), space.array("tools") or []
    found: list[Tool | Opaque] = []
    for number, raw in enumerate(inner):
        fields = Fields(raw, f"{space.path}.tools[{number}]")
        reader = _TOOLS.get(str(fields.rest.get("type")))
        if reader is None:
            return [Opaque(NAME, whole)]
        tool = reader(fields)
        tool.name, tool.namespace = f"{name}__{tool.name}", name
        tool.extras = Extras(NAME, {**fields.rest, NAMESPACE: dict(space.rest)})
        found.append(tool)
    return found or [Opaque(NAME, whole)]


_TOOLS: dict[str, Callable[[Fields], Tool]] = {"function": _read_function, "custom": _read_custom}


def _read_choice(body: Fields) -> ToolChoice | None:
    given = body.rest.get("tool_choice")
    if given is None:
        return None
    body.rest.pop("tool_choice")
    if isinstance(given, str):
        if given not in _MODES:
            raise body.wrong("tool_choice", "one of " + ", ".join(_MODES))
        return ToolChoice(_MODES[given])
    choice = Fields(given, "tool_choice")
    return _CHOICES.get(str(choice.rest.get("type")), _read_hosted_choice)(choice)


def _read_named_choice(choice: Fields) -> ToolChoice:
    kind = choice.name("type")
    return ToolChoice("tool", flat_name(choice), extras=Extras(NAME, choice.rest, kind))


def _read_allowed_choice(choice: Fields) -> ToolChoice:
    raw = Extras(NAME, dict(choice.rest), "raw")
    mode = choice.name("mode")
    if mode not in ("auto", "required"):
        raise choice.wrong("mode", "auto or required")
    rows = [Fields(one, f"tool_choice.tools[{number}]") for number, one in enumerate(choice.array("tools") or [])]
    names = [flat_name(row) for row in rows if row.rest.get("type") in _TOOLS]
    return ToolChoice("auto" if mode == "auto" else "required", allowed=names, extras=raw)


def _read_hosted_choice(choice: Fields) -> ToolChoice:
    """A server tool must be called: no other protocol can say which."""
    return ToolChoice("auto", extras=Extras(NAME, choice.rest, "raw"))


_CHOICES: dict[str, Callable[[Fields], ToolChoice]] = {
    "function": _read_named_choice,
    "custom": _read_named_choice,
    "allowed_tools": _read_allowed_choice,
}

"""Chat requests for an Ollama upstream (docs.ollama.com, "Generate a chat message", "Tool calling", "Thinking").

A request that was read from this protocol is written as it was said: `extras` first, then what the model holds. One from
another protocol is put in order before: leading system texts joined, tool results behind their calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from ccproxy import media, notes, schema, turns
from ccproxy.errors import Unsupported
from ccproxy.model import (
    JSON,
    Audio,
    Context,
    Document,
    Extras,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    ResponseFormat,
    Role,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    arguments_object,
)
from ccproxy.protocols.ollama.requests_in import NAME, NO_CONTENT, NO_ID, OPTIONS, STREAM_UNSAID, Fields
from ccproxy.reasoning import effort_of, nearest_effort

PATH = "/api/chat"

DIALECT = schema.Dialect(name=NAME, inline_refs=True, object_root=True)
"""Ollama takes any keyword, but its templates show a model only what stands at a property itself, so refs are inlined."""

FREE_TEXT: Fields = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""The parameters of a tool whose input is free text."""


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `Chat.write_request`."""
    own = request.origin == NAME
    if not own:
        _refuse_or_note(request, context)
    fields = dict(_said(request.extras))
    options = _options(request, target, fields, own, context)
    document: Fields = {
        "model": target.model or request.model,
        "messages": [one for message in _ordered(request, own, context) for one in _messages_out(message, context, own)],
        **fields,
    }
    tools = _tools(request, context)
    optional: Fields = {
        "tools": tools or None,
        "format": _format(request.format, context),
        "think": _think(request.reasoning, target, context, own),
        "options": options,
    }
    document |= {key: value for key, value in optional.items() if value is not None}
    if not (request.stream and request.extras and request.extras.shape == STREAM_UNSAID):
        document["stream"] = request.stream
    return document


def _said(extras: Extras | None) -> Fields:
    return extras.fields if extras is not None and extras.origin == NAME else {}


def _shape(extras: Extras | None) -> str:
    return extras.shape if extras is not None and extras.origin == NAME else ""


def _refuse_or_note(request: Request, context: Context) -> None:
    """What others say on the whole request and Ollama has no place for."""
    if (request.choices or 1) > 1:
        raise Unsupported("n", NAME, "it gives one answer a request")
    unplaced = {
        "parallel_tool_calls": request.parallel_tool_calls is False,
        "logprobs": request.logprobs is not None,
        "user": bool(request.user),
        "metadata": bool(request.metadata),
        "store": request.store is True,
    }
    for name, said in unplaced.items():
        if said:
            context.note(f"{name} has no place in the {NAME} protocol and was left out")


# ---------------------------------------------------------------------------------------------------------------------
# Messages


def _ordered(request: Request, own: bool, context: Context) -> list[Message]:
    """The messages with all leading system text in the first one; later system messages stay where they are."""
    if own:
        return [*([Message("system", request.system)] if request.system else []), *request.messages]
    leading, others = turns.hoist(request.messages)
    system = [*request.system, *leading]
    return [*([Message("system", system)] if system else []), *turns.settle(others, context)]


@define(slots=True)
class _Draft:
    """One message's words, by where Ollama puts them."""

    context: Context
    texts: list[str] = field(factory=list)
    thoughts: list[str] = field(factory=list)
    images: list[str] = field(factory=list)
    calls: list[Fields] = field(factory=list)

    def add(self, part: Part) -> None:
        _ADD[type(part)](self, part)

    def text(self, part: Text | Refusal) -> None:
        if part.text:
            self.texts.append(part.text)

    def thought(self, part: Reasoning) -> None:
        """Signatures and what only the maker can read have no place; the words have."""
        if part.text:
            self.thoughts.append(part.text)
        elif part.redacted or part.signature:
            self.context.note(f"redacted thinking has no place in the {NAME} protocol and was left out")

    def image(self, part: Image) -> None:
        """Bare base64 (F188)."""
        data = part.data or (media.split_data_url(part.url or "") or ("", ""))[1]
        if not data:
            raise Unsupported(
                "an image URL" if part.url else "an image's file id", NAME, "it takes images as base64 data only"
            )
        self.images.append(data)

    def document(self, part: Document) -> None:
        if part.text is not None:
            self.texts.append(f"{part.name}\n{part.text}" if part.name else part.text)
        else:
            self.stand_in(part)

    def stand_in(self, part: Document | Audio) -> None:
        text = media.stand_in(part, NAME).text
        self.context.note(text.strip("[]"))
        self.texts.append(text)

    def opaque(self, part: Opaque) -> None:
        notes.left_out(part, self.context, "part")

    def call(self, part: ToolCall) -> None:
        said = _said(part.extras)
        function = {**said.get("function", {}), "name": part.name, "arguments": arguments_object(part)}
        id: Fields = {} if _shape(part.extras) == NO_ID else {"id": part.id}
        self.calls.append({**id, **said, "function": function})


_ADD: dict[type[Part], Callable[[_Draft, Any], None]] = {
    Text: _Draft.text,
    Refusal: _Draft.text,
    Reasoning: _Draft.thought,
    Image: _Draft.image,
    Document: _Draft.document,
    Audio: _Draft.stand_in,
    Opaque: _Draft.opaque,
    ToolCall: _Draft.call,
}

_BETWEEN: dict[Role, str] = {"system": "\n\n", "assistant": ""}
"""What stands between the text parts of one message, a line end if not said: Ollama itself joins system texts with an empty
line, and an assistant's parts are pieces of one text."""


def _messages_out(message: Message, context: Context, own: bool) -> list[Fields]:
    """Most messages are one; each result of a tool message is one of its own, and one that has nothing to say is none."""
    if message.role == "tool":
        return [_result(part, message.extras, context) for part in message.parts if isinstance(part, ToolResult)]
    out = _message(message.role, message.parts, message.extras, context)
    return [out] if own or len(out) > 2 or out.get("content") else []


def _message(role: Role, parts: list[Part], extras: Extras | None, context: Context) -> Fields:
    draft = _Draft(context)
    for part in parts:
        draft.add(part)
    said = _said(extras)
    content = _BETWEEN.get(role, "\n").join(draft.texts)
    out: Fields = {"role": said.get("role", role)}
    if content or not (_shape(extras) == NO_CONTENT or "content" in said):
        out["content"] = content
    lists: Fields = {"thinking": "".join(draft.thoughts), "images": draft.images, "tool_calls": draft.calls}
    return said | out | {key: value for key, value in lists.items() if value}


def _result(part: ToolResult, extras: Extras | None, context: Context) -> Fields:
    """Newer servers pair by id, older ones by name (F027); both are said."""
    if part.is_error:
        context.note(f"the error mark of a tool result has no place in the {NAME} protocol and was left out")
    out = _message("tool", part.parts, extras, context)
    if part.name:
        out["tool_name"] = part.name
    if _shape(part.extras) != NO_ID:
        out["tool_call_id"] = part.id
    return out


# ---------------------------------------------------------------------------------------------------------------------
# The rest


def _tools(request: Request, context: Context) -> list[Fields]:
    """The tools that the choice leaves: none, the named one, or the allowed ones. A must cannot be said; a name that is not
    offered, as that of another protocol's server tool, chooses nothing."""
    choice = request.tool_choice
    if choice is not None and choice.mode == "tool" and not _is_offered(choice.name, request.tools):
        context.note(f"the choice of the tool {choice.name} was left out: the upstream is not offered it")
        choice = None
    if choice is None:
        return [one for tool in request.tools for one in _tool(tool, context)]
    if choice.mode == "none":
        return []
    if choice.mode != "auto":
        context.note(f"tool_choice cannot make a call compulsory in the {NAME} protocol")
    names = [choice.name] if choice.mode == "tool" else choice.allowed
    kept = [tool for tool in request.tools if not names or isinstance(tool, Opaque) or tool.name in names]
    return [one for tool in kept for one in _tool(tool, context)]


def _is_offered(name: str, tools: list[Tool | Opaque]) -> bool:
    return any(isinstance(tool, Tool) and tool.name == name for tool in tools)


def _tool(tool: Tool | Opaque, context: Context) -> list[Fields]:
    if isinstance(tool, Opaque):
        if tool.origin == NAME:
            return [tool.raw]
        notes.left_out(tool, context, "tool")
        return []
    said = _said(tool.extras)
    own = tool.extras is not None and tool.extras.origin == NAME
    function: Fields = {**said.get("function", {}), "name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.kind == "custom":
        context.note(f"the custom tool {tool.name} was offered as a function with one text")
        function["parameters"] = FREE_TEXT
    elif tool.parameters is not None or not own:
        if tool.strict:
            context.note(f"`strict` of tools has no place in the {NAME} protocol and was left out")
        function["parameters"] = tool.parameters if own else schema.clean(tool.parameters, DIALECT)
    return [{**(said if own else {"type": "function"}), "function": function}]


def _format(format: ResponseFormat | None, context: Context) -> JSON:
    """ "json" or the schema itself ("Structured outputs"); the grammar made of it takes refs."""
    if format is None or format.kind == "text":
        return None
    notes.undescribed(format, NAME, context)
    return format.schema or "json"


def _think(options: ReasoningOptions | None, target: Target, context: Context, own: bool) -> bool | str | None:
    """true, false, or a level where the model is known to take one; others answer 400 to it ("Thinking")."""
    if options is None:
        return None
    if options.enabled is False or options.effort == "none" or options.budget == 0:
        return False
    if own:
        return options.effort or options.enabled
    effort = effort_of(options)
    if effort is None:
        return True if options.enabled or options.adaptive else None
    if target.traits.efforts:
        return nearest_effort(effort, target.traits.efforts)
    context.note("the effort or budget of thinking has no place at this model and was sent as on")
    return True


def _options(request: Request, target: Target, fields: Fields, own: bool, context: Context) -> Fields | None:
    """What the client said, the provider's defaults where it was silent; None when that is nothing."""
    said = fields.get("options")
    options: Fields = dict(said) if isinstance(said, dict) else {}
    for name, (key, _) in OPTIONS.items():
        value = getattr(request.sampling, name)
        if value is None and key not in options:
            value = target.defaults.get(name)
        if value is not None:
            low, high = _RANGES.get(key, (value, value))
            options[key] = value if own else notes.within(key, value, low, high, NAME, context)
    stop = request.sampling.stop or ([] if "stop" in options else target.defaults.get("stop"))
    if stop:
        options["stop"] = list(stop)
    return options if options or isinstance(said, dict) else None


_RANGES: dict[str, tuple[float, float]] = {"temperature": (0, 2), "top_p": (0, 1), "min_p": (0, 1)}

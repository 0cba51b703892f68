"""The conversation as an upstream's request (API reference, "Responses", "Create a model response").

A request that this protocol's client made is written as it was said, plus what policies changed. A request from another
protocol gets what this one asks for: a settled history, legal names, an explicit `strict`, no stored responses where
reasoning must come back encrypted.
"""

from __future__ import annotations

from typing import Any

from ccproxy.errors import Unsupported
from ccproxy.model import (
    JSON,
    Context,
    Message,
    Opaque,
    Part,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Target,
    Text,
    Tool,
    ToolChoice,
)
from ccproxy.notes import left_out, within
from ccproxy.protocols.naming import fit
from ccproxy.protocols.responses import additional
from ccproxy.protocols.responses.items_out import ILLEGAL, LIMIT, Item, Scope, write_items
from ccproxy.protocols.responses.requests_in import NAMESPACE, SAFE
from ccproxy.protocols.responses.terms import NAME, own_fields, own_shape
from ccproxy.reasoning import effort_to_send, nearest_effort
from ccproxy.schema import Dialect, clean
from ccproxy.turns import hoist, settle

PATH = "/responses"

_KEYS = (NAMESPACE, additional.PLACE)
"""Of a tool's fields: what is no member of its own."""

DIALECT = Dialect(name=NAME, object_root=True, fill_properties=True)
"""Function parameters: an object at the root, and every object schema with its properties."""

_SAMPLING = (
    ("temperature", "temperature", 0, 2),
    ("top_p", "top_p", 0, 1),
    ("max_output_tokens", "max_tokens", 16, None),
)
"""Member, Sampling's field, least and greatest value. Below 16 output tokens the API answers `integer_below_min_value`."""

_NO_PLACE = (
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
    "stop",
)
_SUMMARIES = {"auto": "auto", "concise": "concise", "detailed": "detailed", "summarized": "auto"}


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `ccproxy.protocols.base.Chat`. Raises Unsupported for several choices from another protocol."""
    own = request.origin == NAME
    fields = dict(own_fields(request.extras))
    document: dict[str, Any] = {"model": request.model} if request.model else {}
    scope = Scope(context, own)
    document |= _own_input(request, context) if own else _input(request, context)
    tools = request.tools
    if own and isinstance(document.get("input"), list):
        document["input"], tools = additional.put_back(document["input"], tools, lambda some: _listed(some, scope))
    document |= _tools(tools, request, scope)
    document |= _sampling(request, target, context, own)
    document |= _text(request.format, fields.pop("text") if isinstance(fields.get("text"), dict) else None, own)
    document |= _reasoning(request.reasoning, target, own)
    document |= _common(request)
    document |= _own_rest(request, fields) if own else _foreign_rest(request, document, context)
    for key, value in fields.items():
        document.setdefault(key, value)
    return document


# ---------------------------------------------------------------------------------------------------------------------
# Instructions and input


def _own_input(request: Request, context: Context) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    if request.system:
        found["instructions"] = _joined(request.system, context)
    items: JSON = write_items(request.messages, context, own=True)
    spelled = own_shape(request.extras)
    if "string" in spelled and len(request.messages) == 1 and len(request.messages[0].parts) == 1:
        only = request.messages[0].parts[0]
        items = only.text if isinstance(only, Text) and request.messages[0].role == "user" else items
    if items or "none" not in spelled:
        found["input"] = items
    return found


def _input(request: Request, context: Context) -> dict[str, JSON]:
    leading, messages = hoist(request.messages)
    instructions = _joined([*request.system, *leading], context)
    items = write_items(settle(messages, context), context, own=False)
    if not items and instructions:  # there must be some input
        return {"input": write_items([Message("system", [Text(instructions)])], context, own=False)}
    return {"instructions": instructions, "input": items} if instructions else {"input": items}


def _joined(parts: list[Part], context: Context) -> str:
    """The instructions: one text, its parts a blank line apart."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) < len(parts):
        context.note(f"a system part that is no text has no place in the {NAME} protocol and was left out")
    return "\n\n".join(texts) if len(texts) < 2 else "\n\n".join(text for text in texts if text)


# ---------------------------------------------------------------------------------------------------------------------
# Tools


def _tools(listed: list[Tool | Opaque], request: Request, scope: Scope) -> dict[str, JSON]:
    """`tools` and `tool_choice`; a choice without a tool to choose is an error upstream and is left out."""
    tools = _listed(listed, scope)
    found: dict[str, JSON] = {"tools": tools} if tools else {}
    choice = request.tool_choice
    if choice is not None and (tools or scope.own):
        found |= _choice(choice, request, scope)
    return found


def _listed(given: list[Tool | Opaque], scope: Scope) -> list[Item]:
    tools: list[Item] = []
    spaces: dict[str, Item] = {}
    for tool in given:
        if isinstance(tool, Opaque):
            spaces.clear()
            tools += _server_tool(tool, scope)
        elif not tool.namespace:
            spaces.clear()
            tools.append(_tool(tool, scope))
        else:
            _put_in_space(tool, tools, spaces, scope)
    return tools


def _server_tool(tool: Opaque, scope: Scope) -> list[Item]:
    if tool.origin == NAME:
        return [tool.raw]
    left_out(tool, scope.context, "tool")
    return []


def _put_in_space(tool: Tool, tools: list[Item], spaces: dict[str, Item], scope: Scope) -> None:
    """Tools of one namespace that stand together share it again. `spaces` has the one that is open."""
    space = spaces.get(tool.namespace)
    if space is None:
        spaces.clear()
        more = own_fields(tool.extras).get(NAMESPACE, {})
        space = spaces[tool.namespace] = {"type": "namespace", "name": tool.namespace, **more, "tools": []}
        tools.append(space)
    space["tools"].append(_tool(tool, scope))


def _tool(tool: Tool, scope: Scope) -> Item:
    fields = {key: value for key, value in own_fields(tool.extras).items() if key not in _KEYS}
    name = tool.name.removeprefix(f"{tool.namespace}__") if tool.namespace else scope.tool_name(tool.name)
    item: Item = {"type": tool.kind, "name": name}
    if tool.description:
        item["description"] = tool.description
    item |= _custom(tool) if tool.kind == "custom" else _function(tool, scope)
    return {**item, **fields}


def _custom(tool: Tool) -> Item:
    return {} if tool.grammar is None else {"format": tool.grammar}


def _function(tool: Tool, scope: Scope) -> Item:
    """The API's default for `strict` is true, every other protocol's is not: from there it is always said."""
    if not scope.own:
        return {"parameters": clean(tool.parameters, DIALECT), "strict": bool(tool.strict)}
    item: Item = {} if tool.parameters is None else {"parameters": tool.parameters}
    return item if tool.strict is None else {**item, "strict": tool.strict}


def _choice(choice: ToolChoice, request: Request, scope: Scope) -> dict[str, JSON]:
    words, fields = own_shape(choice.extras), own_fields(choice.extras)
    if "raw" in words:
        return {"tool_choice": fields}
    kinds = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    if choice.mode == "tool":
        named = kinds.get(choice.name)
        if named is None and not scope.own:
            scope.context.note("a tool choice that names no given tool was left out")
            return {}
        kind = next(iter(words), named.kind if named is not None else "function")
        return {"tool_choice": {"type": kind, "name": _chosen(choice.name, named, fields, scope), **fields}}
    allowed = [kinds[name] for name in choice.allowed if name in kinds]
    if not allowed:
        return {"tool_choice": choice.mode}
    rows = [{"type": tool.kind, "name": scope.tool_name(tool.name)} for tool in allowed]
    mode = "required" if choice.mode == "required" else "auto"
    return {"tool_choice": {"type": "allowed_tools", "mode": mode, "tools": rows}}


def _chosen(name: str, tool: Tool | None, fields: Item, scope: Scope) -> str:
    namespace = fields.get("namespace") or (tool.namespace if tool is not None and "namespace" in fields else "")
    return name.removeprefix(f"{namespace}__") if namespace else scope.tool_name(name)


# ---------------------------------------------------------------------------------------------------------------------
# Options


def _sampling(request: Request, target: Target, context: Context, own: bool) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for key, name, least, most in _SAMPLING:
        value = getattr(request.sampling, name)
        value = target.defaults.get(name) if value is None else value
        if value is not None:
            low = min(value, least) if own else least  # our own client is told by the upstream
            high = max(value, least) if most is None else most
            found[key] = within(key, value, low, high, NAME, context)
    for name in _NO_PLACE:
        if getattr(request.sampling, name) not in (None, []):
            context.note(f"{name} has no place in the {NAME} protocol and was left out")
    return found


def _text(format: ResponseFormat | None, rest: Item | None, own: bool) -> dict[str, JSON]:
    """`text`: the format, and what else a client of this protocol said there."""
    text = dict(rest or {})
    if format is not None:
        text["format"] = _format(format, own)
    return {"text": text} if text or rest is not None else {}


def _format(format: ResponseFormat, own: bool) -> Item:
    if format.kind != "json_schema":
        return {"type": "json_object" if format.kind == "json" else "text", **own_fields(format.extras)}
    item: Item = {"type": "json_schema"}
    if format.name or not own:
        item["name"] = format.name if own else fit(format.name or "response", ILLEGAL, LIMIT)
    if format.description:
        item["description"] = format.description
    if not own or format.schema is not None:
        item["schema"] = format.schema if own else clean(format.schema, DIALECT)
    if format.strict is not None:
        item["strict"] = format.strict
    return {**item, **own_fields(format.extras)}


def _reasoning(options: ReasoningOptions | None, target: Target, own: bool) -> dict[str, JSON]:
    if options is None:
        return {}
    found: Item = dict(own_fields(options.extras))
    effort = options.effort if own else effort_to_send(options)
    if effort is not None and target.traits.efforts and not own:
        effort = nearest_effort(effort, target.traits.efforts)
    if effort is not None:
        found["effort"] = effort
    summary = options.summary if own else _summary(options)
    if summary:
        found["summary"] = summary
    return {"reasoning": found} if found or own else {}


def _summary(options: ReasoningOptions) -> str:
    """Clients that switch thinking on, and say no more, expect to see it."""
    wanted = options.summary or ("auto" if options.enabled or options.adaptive else "")
    return _SUMMARIES.get(wanted, "")


def _common(request: Request) -> dict[str, JSON]:
    said = {"parallel_tool_calls": request.parallel_tool_calls, "store": request.store, "stream": request.stream or None}
    return {key: value for key, value in said.items() if value is not None}


def _own_rest(request: Request, fields: dict[str, JSON]) -> dict[str, JSON]:
    """What the model holds and only this protocol says so. `stream_options` without a stream is refused by the API."""
    if not request.stream:
        fields.pop("stream_options", None)
    said = {
        "top_logprobs": request.logprobs,
        "user": request.user if SAFE not in own_shape(request.extras) and request.user else None,
        "metadata": request.metadata,
        "previous_response_id": request.previous_id or None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _foreign_rest(request: Request, document: dict[str, JSON], context: Context) -> dict[str, JSON]:
    """Reasoning that the client is to send back must come encrypted, which needs `store: false` ("Reasoning models",
    "Encrypted reasoning items"). Another protocol's metadata is not this one's: 400 where its values are no short texts."""
    if request.choices is not None and request.choices > 1:
        raise Unsupported("n", NAME)
    for name, value in (("logprobs", request.logprobs), ("metadata", request.metadata)):
        if value is not None:
            context.note(f"{name} has no place in the {NAME} protocol and was left out")
    found: dict[str, JSON] = {}
    reasoning = document.get("reasoning")
    if (reasoning and reasoning.get("effort") != "none") or _thinks(request.reasoning):
        found["include"] = ["reasoning.encrypted_content"]
        if request.store is None:
            found["store"] = False
    if request.user:
        found |= _safety_identifier(request.user, context)
    if "tools" not in document and document.pop("parallel_tool_calls", None) is not None:
        context.note("parallel_tool_calls without tools was left out")
    return found


def _thinks(options: ReasoningOptions | None) -> bool:
    return options is not None and bool(options.enabled or options.adaptive)


def _safety_identifier(user: str, context: Context) -> dict[str, JSON]:
    """`user` is being replaced by `safety_identifier` (API reference), 64 characters in its first edition."""
    if len(user) <= LIMIT:
        return {"safety_identifier": user}
    context.note("a user id of more than 64 characters was left out")
    return {}

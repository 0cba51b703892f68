"""A request for a Claude upstream (Anthropic API reference, "Create a Message").

One that came in this protocol is written as it was read. Into one of another protocol go the settings as the API takes
them together: thinking excludes forced tools and most sampling, and newer models have taken settings away again ("Adaptive
thinking", "Migration guide"). Which ones, the vendor table says; of a model that it does not know, as behind compatible
servers, it is assumed that it has them all.
"""

from __future__ import annotations

from typing import Any

from attrs import fields

from ccproxy import reasoning, turns
from ccproxy.codec import jsontext
from ccproxy.errors import Unsupported
from ccproxy.model import (
    JSON,
    Context,
    Effort,
    Opaque,
    Part,
    Request,
    ResponseFormat,
    Sampling,
    Target,
    Text,
    Tool,
    ToolResult,
)
from ccproxy.notes import undescribed
from ccproxy.protocols.claude.terms import NAME
from ccproxy.protocols.claude.thinking import LEAST_BUDGET, fitted_budget
from ccproxy.protocols.claude.turns_out import Block, Writer
from ccproxy.schema import Dialect, clean

PATH = "/v1/messages"
HEADERS = (("anthropic-version", "2023-06-01"),)

DEFAULT_MAX_TOKENS = 32_000
"""The API demands a limit. This is what the smallest of the models in service takes (Opus 4 and 4.1; "Models overview",
"Max output"), what Claude Code asks for, and just above the largest thinking budget in `reasoning.BUDGETS`."""

NUDGE = "Continue."
"""A user turn where the API demands one and the client has none."""

EMPTY_TEXTS = (b'"text":""', b'"text": ""')
"""How a text block looks in a body that the API refuses ("text content blocks must be non-empty"). Clients keep those of
earlier answers, and have some from us."""

_DISPLAYS = {"auto": "summarized", "concise": "summarized", "detailed": "summarized", "summarized": "summarized"} | {
    "none": "omitted",
    "omitted": "omitted",
}
_THOUGHTS = ("thinking", "redacted_thinking")
_MODES = {"auto": "auto", "required": "any", "tool": "tool", "none": "none"}
_NO_PLACE = ("seed", "min_p", "frequency_penalty", "presence_penalty", "repeat_penalty")

_FORMAT_KEYWORDS = """type properties required additionalProperties items enum const anyOf allOf $ref $defs definitions
    description title default format"""
FORMAT_DIALECT = Dialect(name=f"{NAME}-format", keywords=frozenset(_FORMAT_KEYWORDS.split()))
"""What structured outputs take ("Structured outputs", "JSON Schema limitations")."""


def path(target: Target, stream: bool, shape: str = "") -> str:
    """See `base.Chat.path`."""
    return PATH


def apart(request: Request, target: Target) -> bool:
    """See `base.Chat.apart`. Cache marks are counted over the whole request, thinking may depend on the last turns'
    thoughts, and a response format may become a part of the system prompt."""
    said = [*request.system, *(part for message in request.messages for part in message.parts)]
    said += [inner for part in said if isinstance(part, ToolResult) for inner in part.parts]
    marked = any(part.cache for part in said) or any(isinstance(tool, Tool) and tool.cache for tool in request.tools)
    looks = target.traits.demands_thoughts and request.reasoning is not None
    return not marked and not looks and request.format is None


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `base.Chat.write_request`."""
    own = request.origin == NAME
    return _write_own(request, target, context) if own else _write_foreign(request, target, context)


def _write_own(request: Request, target: Target, context: Context) -> Block:
    writer = Writer(context, own=True)
    extras = request.extras
    document: Block = dict(extras.fields) if extras is not None else {}
    document["model"] = request.model
    document |= _named(
        tools=writer.tools(request.tools),
        system=writer.system(request.system, extras.shape if extras is not None else ""),
        stream=request.stream,
    )
    document["messages"] = writer.messages(request.messages)
    sampling = _with_defaults(request.sampling, target)
    thinks = request.reasoning is not None and request.reasoning.enabled is True
    document |= _own_sampling(sampling, thinks, target, context)
    document |= _own_settings(request, document)
    choice = _tool_choice(request, document.get("tools", []), writer, context)
    if choice is not None and (document.get("tools") or not context.tools):
        document["tool_choice"] = choice
    return document


def _named(**settings: JSON) -> Block:
    """Those that are said."""
    return {name: value for name, value in settings.items() if value not in (None, "", [], {}, False)}


# ---------------------------------------------------------------------------------------------------------------------
# Settings of a request in this protocol


def _own_settings(request: Request, document: Block) -> Block:
    settings: Block = {}
    options, format = request.reasoning, request.format
    config = dict(document.get("output_config") or {})
    if options is not None and options.enabled is not None:
        settings["thinking"] = _own_thinking(request)
    if options is not None and options.effort is not None:
        config["effort"] = options.effort
    if format is not None and format.kind == "json_schema":
        kept = format.extras.fields if format.extras is not None else {}
        written = {**kept, "type": "json_schema", "schema": format.schema}
        old = format.extras is not None and format.extras.shape == "output_format"
        (settings if old else config).update({"output_format" if old else "format": written})
    if config:
        settings["output_config"] = config
    if request.user:
        settings["metadata"] = {**(document.get("metadata") or {}), "user_id": request.user}
    return settings


def _own_thinking(request: Request) -> Block:
    options = request.reasoning
    assert options is not None
    kind = "adaptive" if options.adaptive else "enabled" if options.enabled else "disabled"
    kept = options.extras.fields if options.extras is not None else {}
    return {**kept, "type": kind} | _named(budget_tokens=options.budget, display=options.summary)


def _own_sampling(sampling: Sampling, thinks: bool, target: Target, context: Context) -> Block:
    """As it was said; but a policy may have changed the temperature, which must not make the request a bad one."""
    if sampling.max_tokens is None:
        sampling.max_tokens = DEFAULT_MAX_TOKENS
    settings = {name: getattr(sampling, name) for name in ("max_tokens", "top_p", "top_k")}
    settings["temperature"] = _temperature(sampling, thinks, target, context)
    said = {name: value for name, value in settings.items() if value is not None}
    return said | ({"stop_sequences": sampling.stop} if sampling.stop else {})


# ---------------------------------------------------------------------------------------------------------------------
# Sampling


def _with_defaults(said: Sampling, target: Target) -> Sampling:
    """The client's values, and the provider's where it is silent. Of temperature and top_p the provider's does not come
    beside the client's: newer models refuse both together."""
    values = {name.name: getattr(said, name.name) for name in fields(Sampling)}
    for name, value in target.defaults.items():
        rival = {"temperature": said.top_p, "top_p": said.temperature}.get(name)
        if name in values and values[name] in (None, []) and rival is None:
            values[name] = value
    return Sampling(**values)


def _temperature(sampling: Sampling, thinks: bool, target: Target, context: Context) -> float | None:
    """The temperature in the API's range, 0 to 1; None where only the default of 1 would be taken, as with thinking on."""
    value = sampling.temperature
    if value is None or value == 1:
        return value
    if thinks or "sampling" in target.traits.lacks:
        context.note("temperature was left out: the model takes none, or none with thinking on")
        return None
    if not 0 <= value <= 1:
        context.note(f"temperature {value} was brought into the range of the {NAME} protocol")
    return min(max(value, 0), 1)


def _foreign_sampling(sampling: Sampling, thinks: bool, target: Target, context: Context) -> Block:
    for name in _NO_PLACE:
        if getattr(sampling, name) is not None:
            context.note(f"{name} has no place in the {NAME} protocol and was left out")
    fixed = thinks or "sampling" in target.traits.lacks
    temperature = _temperature(sampling, thinks, target, context)
    top_p = None if fixed or temperature is not None else sampling.top_p
    top_k = None if fixed or sampling.top_k is None or sampling.top_k < 1 else sampling.top_k
    if top_p != sampling.top_p or top_k != sampling.top_k:
        context.note(f"top_p or top_k was left out: the {NAME} protocol does not take it beside the other settings")
    stop = [sequence for sequence in sampling.stop if sequence.strip()]
    if stop != sampling.stop:
        context.note(f"a stop sequence of white space only has no place in the {NAME} protocol")
    settings = {"temperature": temperature, "top_p": top_p if top_p is None else min(max(top_p, 0), 1), "top_k": top_k}
    said = {name: value for name, value in settings.items() if value is not None}
    return said | ({"stop_sequences": stop} if stop else {})


# ---------------------------------------------------------------------------------------------------------------------
# Requests of other protocols


def _write_foreign(request: Request, target: Target, context: Context) -> Block:
    if request.choices is not None and request.choices > 1:
        raise Unsupported("n", NAME)
    if request.previous_id:
        raise Unsupported("previous_response_id", NAME, "it keeps no earlier answers")
    writer = Writer(context, own=False)
    leading, messages = turns.hoist(request.messages)
    sampling = _with_defaults(request.sampling, target)
    limit = DEFAULT_MAX_TOKENS if sampling.max_tokens is None else sampling.max_tokens
    format, instruction = _format(request.format, target, context)
    document: Block = {"model": request.model, "max_tokens": limit}
    tools = writer.tools(_allowed(request))
    document |= _named(
        tools=tools,
        system=writer.system([*request.system, *leading, *instruction], ""),
        stream=request.stream,
        metadata=_named(user_id=request.user),
    )
    written = writer.foreign_messages(messages)
    writer.cap_cache_marks()
    thinking, effort = _thinking(request, written, target, limit, context)
    thinks = thinking is not None and thinking["type"] != "disabled"
    document |= _named(thinking=thinking, output_config=_named(effort=effort, format=format))
    document["messages"] = _turns(written, target, context)
    document |= _foreign_sampling(sampling, thinks, target, context)
    if tools:
        choice = _tool_choice(request, tools, writer, context, thinks)
        document |= _named(tool_choice=choice)
    _note_the_rest(request, context)
    return document


def _note_the_rest(request: Request, context: Context) -> None:
    store = request.store or None
    for name, value in (("logprobs", request.logprobs), ("metadata", request.metadata), ("store", store)):
        if value is not None:
            context.note(f"{name} has no place in the {NAME} protocol and was left out")


def _turns(messages: list[Block], target: Target, context: Context) -> list[Block]:
    """A conversation that begins with the user, and ends so where the model takes no beginning of its answer."""
    if not messages or messages[0]["role"] == "assistant":
        context.note("a user turn was put before the first turn, which the API wants to be the user's")
        messages = [{"role": "user", "content": NUDGE}, *messages]
    if messages[-1]["role"] != "assistant":
        return messages
    if "prefill" in target.traits.lacks:
        context.note("a user turn was put behind the last one, since the model continues no turn of its own")
        return [*messages, {"role": "user", "content": NUDGE}]
    last = messages[-1]["content"][-1]
    if last["type"] == "text":  # the API refuses white space at the end of a turn that is to be continued
        last["text"] = last["text"].rstrip()
    return messages


def _thinking(
    request: Request, written: list[Block], target: Target, limit: int, context: Context
) -> tuple[Block | None, Effort | None]:
    """`thinking` and `output_config.effort`, in the form that the model takes with the turns that were written."""
    options = request.reasoning
    traits = target.traits
    budget = reasoning.budget_of(options) if options is not None else None
    if options is None or (budget is None and not options.enabled and not options.adaptive):
        return None, None
    if budget == 0:
        return (None if "thinking_off" in traits.lacks else {"type": "disabled"}), None
    display = _named(display=_DISPLAYS.get(options.summary))
    if traits.efforts:
        effort = reasoning.effort_of(options)
        nearest = reasoning.nearest_effort(effort, traits.efforts) if effort is not None else None
        return {"type": "adaptive"} | display, nearest
    if limit <= LEAST_BUDGET:
        context.note("thinking was left off: the answer's token limit leaves no room for it")
        return None, None
    if traits.demands_thoughts and _lacks_thought(written):
        context.note("thinking was left off: the turn that the tool results continue began without its thought")
        return None, None
    return {"type": "enabled", "budget_tokens": fitted_budget(budget, limit)} | display, None


def _lacks_thought(messages: list[Block]) -> bool:
    """Whether the turn that goes on after its tool results began without a thought. With a thinking budget the API
    refuses that ("Thinking", "Thinking with tool use"), and clients without a place for signatures cause it."""
    first: Block | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            first = message
        elif all(block["type"] != "tool_result" for block in message["content"]):
            break
    return first is not None and first["content"][0]["type"] not in _THOUGHTS


def _allowed(request: Request) -> list[Tool | Opaque]:
    """The tools, without those that the tool choice rules out: the API has no such list."""
    allowed = request.tool_choice.allowed if request.tool_choice is not None else []
    return [tool for tool in request.tools if not allowed or isinstance(tool, Opaque) or tool.name in allowed]


def _tool_choice(
    request: Request, tools: list[Block], writer: Writer, context: Context, thinks: bool = False
) -> Block | None:
    """`tool_choice`, which also says whether calls may be parallel. A forced choice gives way to thinking, as the API
    allows one of them only, and to a policy that removed the tool."""
    choice, own = request.tool_choice, writer.own
    alone = request.parallel_tool_calls is False
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if alone and tools else None
    mode, name = choice.mode, writer.tool_name(choice.name) if choice.name else ""
    if mode == "tool" and tools and all(tool.get("name") != name for tool in tools):
        context.note("the tool that the request demanded is not among its tools; the model may choose")
        mode = "auto"
    if thinks and mode in ("tool", "required"):
        context.note("a tool call cannot be demanded with thinking on; the model may choose")
        mode = "auto"
    kept = choice.extras.fields if choice.extras is not None and own else {}
    written: Block = {**kept, "type": _MODES[mode]} | ({"name": name} if mode == "tool" else {})
    if request.parallel_tool_calls is not None and (own or (alone and mode != "none")):
        written["disable_parallel_tool_use"] = alone
    return written


def _format(format: ResponseFormat | None, target: Target, context: Context) -> tuple[Block | None, list[Part]]:
    """`output_config.format`, or what the system prompt says in its place."""
    if format is None or format.kind == "text":
        return None, []
    undescribed(format, NAME, context)
    if format.kind == "json_schema" and format.schema and "json_schema" not in target.traits.lacks:
        schema = _closed(clean(format.schema, FORMAT_DIALECT))
        return {"type": "json_schema", "schema": schema}, []
    context.note("the response format became an instruction in the system prompt")
    wanted = " that fits this JSON schema:\n" + jsontext.dumps_str(format.schema) if format.schema else "."
    return None, [Text(f"Answer with one JSON object and nothing else{wanted}")]


def _closed(schema: JSON) -> Any:
    """The schema with every object closed, which the API demands."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) if name in _NESTED else value for name, value in schema.items()}
    for name in _MAPS & closed.keys():
        if isinstance(closed[name], dict):
            closed[name] = {key: _closed(value) for key, value in closed[name].items()}
    if closed.get("type") == "object" or "properties" in closed:
        closed["additionalProperties"] = False
    return closed


_NESTED = frozenset({"items", "anyOf", "allOf"})
_MAPS = frozenset({"properties", "$defs", "definitions"})

"""Requests, both ways (their messages, parts and tools have modules of their own).

API reference "Chat Completions", "Create chat completion". Reading and writing back gives the same document: what the model
has no place for rides in `extras.fields` of the object it stood on, and words in `extras.shape` tell spellings apart. What
another protocol's client asked for is first made sayable by `foreign`, then written by the same functions.
"""

from __future__ import annotations

from typing import get_args

from ccproxy.errors import RequestError
from ccproxy.model import (
    JSON,
    Context,
    Effort,
    Message,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Sampling,
    Target,
    Tool,
)
from ccproxy.notes import within
from ccproxy.protocols.base import Call
from ccproxy.protocols.openai.checks import (
    a_flag,
    a_list,
    a_name,
    a_number,
    a_text,
    a_text_or_nothing,
    an_integer,
    an_object,
    extras_of,
    own,
    rest_of,
    with_rest,
)
from ccproxy.protocols.openai.foreign import adapt
from ccproxy.protocols.openai.messages import MessageReader, write_message
from ccproxy.protocols.openai.plain import plain_message
from ccproxy.protocols.openai.terms import HOTTEST, NAME
from ccproxy.protocols.openai.tools import (
    is_legacy,
    is_legacy_choice,
    read_choice,
    read_function_call,
    read_functions,
    read_tools,
    write_choice,
    write_function,
    write_tool,
)

_EFFORTS: tuple[Effort, ...] = get_args(Effort)
_NEWER_LIMIT = "max_completion_tokens"
_ONE_STOP = "one_stop"
_EFFORT = "reasoning_effort"

_NUMBERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "min_p": "min_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "repeat_penalty": "repetition_penalty",
}
_INTEGERS = {"top_k": "top_k", "seed": "seed"}
"""Fields of Sampling -> members of the request. min_p, top_k and repetition_penalty are some vendors' own."""

_SAMPLING = {**_NUMBERS, **_INTEGERS}


def path(target: Target, stream: bool, shape: str = "") -> str:
    """Streams are asked for in the body."""
    return "/chat/completions"


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """What the protocol demands is there: a model and messages. Sets the context's stream and include_usage."""
    an_object(document, "the body")
    a_name(document.get("model"), "model")
    if not a_list(document.get("messages"), "messages"):
        raise RequestError("messages must not be empty", param="messages")
    context.stream = a_flag(document.get("stream"), "stream") is True
    options = document.get("stream_options")
    context.include_usage = isinstance(options, dict) and options.get("include_usage") is True


def read_request(document: dict[str, JSON], context: Context, call: Call) -> Request:
    """A client's request. Raises RequestError."""
    peek(document, context, call)
    reader = MessageReader()
    request = Request(origin=NAME, model=document["model"], stream=context.stream, include_usage=context.include_usage)
    request.messages = [
        plain_message(raw) or reader.read(raw, f"messages[{number}]") for number, raw in enumerate(document["messages"])
    ]
    known = {"model", "messages", "stream"} if document.get("stream") else {"model", "messages"}
    known |= _read_tools(document, request) | _read_answer_options(document, request) | _read_reasoning(document, request)
    shapes, of_sampling = _read_sampling(document, request.sampling)
    known |= of_sampling
    request.extras = extras_of(rest_of(document, known), shapes)
    context.tools = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    return request


def _read_tools(document: dict[str, JSON], request: Request) -> set[str]:
    request.tools = read_tools(document.get("tools") or [], "tools")
    request.tools += read_functions(document.get("functions") or [], "functions")
    request.parallel_tool_calls = a_flag(document.get("parallel_tool_calls"), "parallel_tool_calls")
    known = {"tools", "functions", "parallel_tool_calls", "function_call"}
    if document.get("tool_choice"):
        request.tool_choice = read_choice(document["tool_choice"], "tool_choice")
    elif document.get("function_call"):
        request.tool_choice = read_function_call(document["function_call"], "function_call")
    return known | {"tool_choice"} if request.tool_choice is not None else known


def _read_answer_options(document: dict[str, JSON], request: Request) -> set[str]:
    known = {"n", "user", "metadata", "store"}
    request.choices = an_integer(document.get("n"), "n")
    request.user = a_text_or_nothing(document.get("user"), "user")
    request.store = a_flag(document.get("store"), "store")
    metadata = document.get("metadata")
    request.metadata = None if not metadata else an_object(metadata, "metadata")
    if document.get("logprobs") is True:
        request.logprobs = an_integer(document.get("top_logprobs"), "top_logprobs") or 0
        known |= {"logprobs", "top_logprobs"} if document.get("top_logprobs") else {"logprobs"}
    if document.get("response_format"):
        request.format = _read_format(an_object(document["response_format"], "response_format"))
        known |= {"response_format"} if request.format is not None else set()
    return known


_FORMATS = {"text": "text", "json_object": "json", "json_schema": "json_schema"}
_SCHEMA_MEMBERS = ("name", "description", "schema", "strict")


def _read_format(raw: dict[str, JSON]) -> ResponseFormat | None:
    """None for some vendor's own type, which stays with the request."""
    kind = a_text(raw.get("type"), "response_format.type")
    if kind not in _FORMATS:
        return None
    if kind != "json_schema":
        return ResponseFormat("json" if kind == "json_object" else "text", extras=extras_of(rest_of(raw, ("type",))))
    where = "response_format.json_schema"
    body = an_object(raw.get("json_schema"), where)
    schema = body.get("schema")
    return ResponseFormat(
        "json_schema",
        an_object(schema, f"{where}.schema") if schema else None,
        a_text_or_nothing(body.get("name"), f"{where}.name"),
        a_text_or_nothing(body.get("description"), f"{where}.description"),
        strict=a_flag(body.get("strict"), f"{where}.strict"),
        extras=extras_of(
            {**rest_of(raw, ("type", "json_schema")), "json_schema": rest_of(body, _SCHEMA_MEMBERS)},
        ),
    )


def _read_reasoning(document: dict[str, JSON], request: Request) -> set[str]:
    """OpenAI's reasoning_effort; OpenRouter's `reasoning` (effort, max_tokens, enabled), which is kept as it is."""
    effort, raw = document.get("reasoning_effort"), document.get("reasoning")
    known = {"reasoning_effort"} if effort in _EFFORTS else set()
    options = raw if isinstance(raw, dict) and raw else {}
    if not known and not options:
        return set()
    budget, enabled, said = options.get("max_tokens"), options.get("enabled"), options.get("effort")
    effort = effort if known else said
    request.reasoning = ReasoningOptions(
        enabled=enabled if isinstance(enabled, bool) else None,
        effort=effort if effort in _EFFORTS else None,
        budget=budget if isinstance(budget, int) else None,
        summary=_summary(options) if options and enabled is not False else "",
        extras=extras_of({"reasoning": options} if options else {}, _EFFORT if known else ""),
    )
    return known | {"reasoning"} if options else known


def _summary(options: dict[str, JSON]) -> str:
    """OpenRouter shows the thoughts that were asked for so ("Reasoning tokens", `exclude`)."""
    return "none" if options.get("exclude") is True else "auto"


def _read_sampling(document: dict[str, JSON], sampling: Sampling) -> tuple[str, set[str]]:
    """Fills `sampling`; returns the words of the shape and the members that were read."""
    shapes: list[str] = []
    for field, key in _NUMBERS.items():
        setattr(sampling, field, a_number(document.get(key), key))
    for field, key in _INTEGERS.items():
        setattr(sampling, field, an_integer(document.get(key), key))
    known = set(_SAMPLING.values()) | {"stop"}
    newer = an_integer(document.get(_NEWER_LIMIT), _NEWER_LIMIT)
    older = an_integer(document.get("max_tokens"), "max_tokens")
    sampling.max_tokens = older if newer is None else newer
    known.add("max_tokens" if newer is None else _NEWER_LIMIT)
    if newer is not None:
        shapes.append(_NEWER_LIMIT)
    stop = document.get("stop")
    if isinstance(stop, str) and stop:
        shapes.append(_ONE_STOP)
    words = [stop] if isinstance(stop, str) else stop or []
    sampling.stop = [a_text(word, f"stop[{number}]") for number, word in enumerate(a_list(words, "stop")) if word != ""]
    return " ".join(shapes), known


# ---------------------------------------------------------------------------------------------------------------------


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """The upstream's request. Raises Unsupported for what this protocol cannot say."""
    if request.origin == NAME:
        system = [Message("system", request.system)] if request.system else []  # a policy's; clients say theirs in messages
        messages = [raw for message in [*system, *request.messages] for raw in write_message(message)]
    else:
        request, messages = adapt(request, target, context)
    extras = own(request.extras)
    document: dict[str, JSON] = {"model": request.model, "messages": messages}
    document |= _write_tools(request)
    document |= _write_answer_options(request)
    document |= _write_sampling(request.sampling, target, extras.shape, context)
    document |= _write_stream(request, context, extras.fields)
    rest = {key: value for key, value in extras.fields.items() if key != "stream_options" or request.stream or not value}
    return with_rest(document, rest)


def _write_stream(request: Request, context: Context, said: dict[str, JSON]) -> dict[str, JSON]:
    """Usage is always asked for, unless a client of this protocol streams without it: then it would get a chunk that it
    does not expect."""
    if not request.stream:
        return {}
    options = said.get("stream_options")
    options = options if isinstance(options, dict) else {}
    if request.origin == NAME and context.stream:
        return {"stream": True, **({"stream_options": options} if options else {})}
    return {"stream": True, "stream_options": {**options, "include_usage": True}}


def _write_tools(request: Request) -> dict[str, JSON]:
    """Without tools there is no choice among them either; both are refused by many."""
    document: dict[str, JSON] = {}
    modern = [write_tool(tool) for tool in request.tools if not is_legacy(tool)]
    legacy = [write_function(tool) for tool in request.tools if isinstance(tool, Tool) and is_legacy(tool)]
    if modern:
        document["tools"] = modern
    if legacy:
        document["functions"] = legacy
    if document and request.tool_choice is not None:
        key = "function_call" if is_legacy_choice(request.tool_choice) else "tool_choice"
        document[key] = write_choice(request.tool_choice)
    if document and request.parallel_tool_calls is not None:
        document["parallel_tool_calls"] = request.parallel_tool_calls
    return document


def _write_answer_options(request: Request) -> dict[str, JSON]:
    document: dict[str, JSON] = {
        "n": request.choices,
        "user": request.user or None,
        "metadata": request.metadata,
        "store": request.store,
    }
    if request.logprobs is not None:
        document |= {"logprobs": True, "top_logprobs": request.logprobs or None}
    if request.format is not None:
        document["response_format"] = _write_format(request.format)
    if request.reasoning is not None:
        document |= _write_reasoning(request.reasoning)
    return {key: value for key, value in document.items() if value is not None}


def _write_format(format: ResponseFormat) -> JSON:
    rest = dict(own(format.extras).fields)
    if format.kind != "json_schema":
        return with_rest({"type": "json_object" if format.kind == "json" else "text"}, rest)
    inner = rest.pop("json_schema", {})
    body = {
        "name": format.name or None,
        "description": format.description or None,
        "schema": format.schema,
        "strict": format.strict,
    }
    said = {key: value for key, value in body.items() if value is not None}
    return with_rest({"type": "json_schema", "json_schema": with_rest(said, inner)}, rest)


def _write_reasoning(options: ReasoningOptions) -> dict[str, JSON]:
    extras = own(options.extras)
    spelled = extras.shape == _EFFORT or "reasoning" not in extras.fields
    return with_rest({_EFFORT: options.effort} if spelled and options.effort is not None else {}, extras.fields)


def limit_key(shape: str) -> str:
    """The one place that decides how the limit of the answer is called: as the client said it, else the older name, which
    compatible vendors know. Where only the newer one is taken, that is a vendor's quirk."""
    return _NEWER_LIMIT if _NEWER_LIMIT in shape.split(" ") else "max_tokens"


def _write_sampling(sampling: Sampling, target: Target, shape: str, context: Context) -> dict[str, JSON]:
    """What the client said, else the provider's defaults. A policy may have raised the temperature."""
    document: dict[str, JSON] = {}
    defaults = target.defaults
    for field, key in _SAMPLING.items():
        value = getattr(sampling, field)
        if value is None and field in defaults:
            value = defaults[field]
        if value is not None:
            document[key] = within(key, value, value, HOTTEST, NAME, context) if field == "temperature" else value
    limit = defaults.get("max_tokens") if sampling.max_tokens is None else sampling.max_tokens
    if limit is not None:
        document[limit_key(shape)] = limit
    stop = sampling.stop or target.defaults.get("stop")
    if stop:
        document["stop"] = stop[0] if _ONE_STOP in shape.split(" ") and len(stop) == 1 else stop
    return document

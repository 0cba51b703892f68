"""Chat requests of Ollama, read and checked (docs.ollama.com, "Generate a chat message"; ollama/ollama, `api/types.go`).

Ollama has no place for many things that others have, and few spellings; what is odd is how tool results find their calls:

    newer clients   tool_calls[].id        tool_call_id of the result
    others          nothing                tool_name of the result, or not even that: the order decides

`turns.Pairs` gives calls without an id one, and each result the id of its call. What was not said is remembered in
`extras.shape`, so that writing gives the same document again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccproxy import media
from ccproxy.errors import RequestError
from ccproxy.model import (
    JSON,
    Context,
    Extras,
    Image,
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
    ToolResult,
)
from ccproxy.protocols.base import Call
from ccproxy.turns import Pairs

NAME = "ollama"

CHAT = "chat"
GENERATE = "generate"
"""The context's shapes: the last word of the two paths that chat."""

STREAM_UNSAID = "stream not said"
NO_CONTENT = "no content"
NO_ID = "no id"
"""Values of `extras.shape`: on a request that streams by default, on a message, on a call or result."""

Fields = dict[str, JSON]

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "control": "system",  # switches in some templates (granite's thinking)
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}

LEVELS = ("low", "medium", "high")
"""The values of `think` beside true and false ("Thinking": GPT-OSS takes levels)."""


def peek(document: Fields, context: Context, call: Call) -> None:
    """Checks what every request must have and sets the context's stream and shape. Streaming is the default."""
    if not call.model:
        _want(document.get("model"), str, "model", "a model's name")
    _want(document.get("messages"), list, "messages", "a list of messages")
    stream = document.get("stream")
    if stream is not None:
        _want(stream, bool, "stream", "true or false")
    context.stream = stream is not False
    context.include_usage = True
    context.shape = CHAT


def read_request(document: Fields, context: Context, call: Call) -> Request:
    """See `Chat.read_request`. Each reader below takes from `rest` what it understood; null and empty values stay there."""
    peek(document, context, call)
    rest = dict(document)
    unsaid = rest.get("stream") is None
    pairs = context.pairs = context.pairs or Pairs()
    request = Request(
        origin=NAME,
        model=call.model or rest.pop("model"),
        messages=_messages(rest.pop("messages"), pairs),
        tools=[_tool(raw, f"tools[{n}]") for n, raw in enumerate(_list(rest, "tools", "tools"))],
        format=_format(rest),
        reasoning=_thinking(rest),
        sampling=_sampling(rest),
        logprobs=_logprobs(rest),
        stream=context.stream,
    )
    if not unsaid:
        del rest["stream"]
    request.extras = Extras(NAME, rest, STREAM_UNSAID if unsaid else "")
    context.tools = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    return request


# ---------------------------------------------------------------------------------------------------------------------
# Messages


def _messages(raw: list[JSON], pairs: Pairs) -> list[Message]:
    return [_plain_message(one, pairs) or _message(one, f"messages[{number}]", pairs) for number, one in enumerate(raw)]


def _plain_message(raw: JSON, pairs: Pairs) -> Message | None:
    """A text with its role, an assistant's calls, a call's result; None for anything else, and `pairs` has not been told
    of it. Fast for a reason: agents send hundreds of them with every turn. `_message` would make the same of these."""
    role = raw.get("role") if type(raw) is dict else None
    text = raw.get("content") if type(role) is str else None
    if type(text) is not str or not text:
        return None
    if len(raw) == 2 and role in ("user", "system", "assistant"):
        if role == "user":
            pairs.end_turn()
        return Message(ROLES[role], [Text(text)])
    if role == "assistant" and len(raw) == 3 and type(calls := raw.get("tool_calls")) is list and calls:
        made = _plain_calls(calls, pairs)
        return None if made is None else Message("assistant", [Text(text), *made])
    if role == "tool":
        return _plain_result(raw, text, pairs)
    return None


def _plain_calls(calls: list[JSON], pairs: Pairs) -> list[Part] | None:
    found: list[tuple[str, str, Fields, Fields]] = []
    for raw in calls:
        function = raw.get("function") if type(raw) is dict else None
        if type(function) is not dict or len(function) != 2:
            return None
        id, name, arguments = raw.get("id", ""), function.get("name"), function.get("arguments")
        if (
            type(id) is not str
            or ("id" in raw and not id)
            or type(name) is not str
            or not name
            or type(arguments) is not dict
        ):
            return None
        rest: Fields = {key: value for key, value in raw.items() if key != "id"}
        rest["function"] = {}
        found.append((id, name, arguments, rest))
    return [
        ToolCall(pairs.call(name, id), name, arguments, extras=Extras(NAME, rest, "" if id else NO_ID))
        for id, name, arguments, rest in found
    ]


def _plain_result(raw: Fields, text: str, pairs: Pairs) -> Message | None:
    name, id = raw.get("tool_name", ""), raw.get("tool_call_id", "")
    known = 2 + ("tool_name" in raw) + ("tool_call_id" in raw)
    if len(raw) != known or type(name) is not str or type(id) is not str or bool(name) + bool(id) != known - 2:
        return None
    extras = None if id else Extras(NAME, shape=NO_ID)
    return Message("tool", [ToolResult(pairs.result(name, id), name, [Text(text)], extras=extras)])


def _message(raw: JSON, where: str, pairs: Pairs) -> Message:
    rest = dict(_want(raw, dict, where, "an object"))
    said = _want(rest.pop("role", None), str, f"{where}.role", f"one of {', '.join(ROLES)}")
    role = ROLES.get(said.lower())
    if role is None:
        raise RequestError(f"{where}.role is {said!r}; it must be one of {', '.join(ROLES)}", param=f"{where}.role")
    parts = _PARTS[role](rest, where, pairs)
    if said != role:
        rest["role"] = said
    shape = "" if "content" in raw else NO_CONTENT
    return Message(role, parts, extras=Extras(NAME, rest, shape) if rest or shape else None)


def _plain_parts(rest: Fields, where: str, pairs: Pairs) -> list[Part]:
    """Images first: Ollama's templates put them before the text."""
    text = _text(rest, "content", where)
    return [*_images(rest, where), *([Text(text)] if text else [])]


def _user_parts(rest: Fields, where: str, pairs: Pairs) -> list[Part]:
    pairs.end_turn()
    return _plain_parts(rest, where, pairs)


def _assistant_parts(rest: Fields, where: str, pairs: Pairs) -> list[Part]:
    thought = _text(rest, "thinking", where)
    calls = [
        _call(raw, f"{where}.tool_calls[{number}]", pairs)
        for number, raw in enumerate(_list(rest, "tool_calls", f"{where}.tool_calls"))
    ]
    return [*([Reasoning(thought, origin=NAME)] if thought else []), *_plain_parts(rest, where, pairs), *calls]


def _tool_parts(rest: Fields, where: str, pairs: Pairs) -> list[Part]:
    name = _text(rest, "tool_name", where)
    said = _text(rest, "tool_call_id", where)
    id = pairs.result(name, said)
    return [ToolResult(id, name, _plain_parts(rest, where, pairs), extras=None if said else Extras(NAME, shape=NO_ID))]


_PARTS: dict[Role, Callable[[Fields, str, Pairs], list[Part]]] = {
    "system": _plain_parts,
    "user": _user_parts,
    "assistant": _assistant_parts,
    "tool": _tool_parts,
}


def _call(raw: JSON, where: str, pairs: Pairs) -> ToolCall:
    rest = dict(_want(raw, dict, where, "an object"))
    function = dict(_want(rest.get("function"), dict, f"{where}.function", "an object"))
    name = _want(function.pop("name", None), str, f"{where}.function.name", "a tool's name")
    arguments = function.pop("arguments", None)
    if not isinstance(arguments, str):  # text is what OpenAI's clients send
        arguments = _want({} if arguments is None else arguments, dict, f"{where}.function.arguments", "an object")
    rest["function"] = function
    said = _text(rest, "id", where)
    return ToolCall(pairs.call(name, said), name, arguments, extras=Extras(NAME, rest, "" if said else NO_ID))


def _images(rest: Fields, where: str) -> list[Part]:
    images = _list(rest, "images", f"{where}.images")
    return [_image(raw, f"{where}.images[{number}]") for number, raw in enumerate(images)]


def _image(raw: JSON, where: str) -> Image:
    """Bare base64; a data URL is tolerated (F188)."""
    said = _want(raw, str, where, "base64 text")
    mime, data = media.split_data_url(said) or ("", said)
    mime = mime or media.sniff(data)
    return Image(data=data, mime=mime if mime.startswith("image/") else "")


# ---------------------------------------------------------------------------------------------------------------------
# The rest


def _tool(raw: JSON, where: str) -> Tool | Opaque:
    rest = dict(_want(raw, dict, where, "an object"))
    if rest.get("type", "function") != "function":
        return Opaque(NAME, raw)
    function = dict(_want(rest.get("function"), dict, f"{where}.function", "an object"))
    name = _want(function.pop("name", None), str, f"{where}.function.name", "a tool's name")
    description = _text(function, "description", f"{where}.function")
    parameters = None
    if function.get("parameters"):
        parameters = _want(function.pop("parameters"), dict, f"{where}.function.parameters", "a JSON schema")
    return Tool(name, description, parameters, extras=Extras(NAME, rest | {"function": function}))


def _format(rest: Fields) -> ResponseFormat | None:
    """`format`: "json" or a JSON schema."""
    said = rest.get("format")
    if not said:
        return None
    if said != "json" and not isinstance(said, dict):
        raise RequestError('format must be "json" or a JSON schema', param="format")
    del rest["format"]
    return ResponseFormat("json") if said == "json" else ResponseFormat("json_schema", said)


def _thinking(rest: Fields) -> ReasoningOptions | None:
    """`think`: true, false, or a level."""
    said = rest.get("think")
    if said is None or said == "":
        return None
    if not isinstance(said, bool) and said not in LEVELS:
        raise RequestError(f"think must be true, false or one of {', '.join(LEVELS)}", param="think")
    del rest["think"]
    return ReasoningOptions(said) if isinstance(said, bool) else ReasoningOptions(True, said)


def _logprobs(rest: Fields) -> int | None:
    """How many were asked for; the fields themselves stay."""
    top = rest.get("top_logprobs")
    if rest.get("logprobs") is not True:
        return None
    return top if isinstance(top, int) else 0


OPTIONS: dict[str, tuple[str, type]] = {
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "top_k": ("top_k", int),
    "min_p": ("min_p", float),
    "seed": ("seed", int),
    "frequency_penalty": ("frequency_penalty", float),
    "presence_penalty": ("presence_penalty", float),
    "repeat_penalty": ("repeat_penalty", float),
    "max_tokens": ("num_predict", int),
}
"""field of Sampling -> (name in `options`, type) ("Modelfile: Valid parameters and values")."""


def _sampling(rest: Fields) -> Sampling:
    """The options that the model knows; the others stay in `rest["options"]`."""
    if rest.get("options") is None:
        return Sampling()
    options = dict(_want(rest["options"], dict, "options", "an object"))
    rest["options"] = options
    sampling = Sampling()
    for field, (key, kind) in OPTIONS.items():
        if options.get(key) is not None and not _unlimited(key, options[key]):
            setattr(sampling, field, _number(options.pop(key), kind, f"options.{key}"))
    if options.get("stop"):
        stop = options.pop("stop")
        sampling.stop = [_want(one, str, "options.stop", "a list of texts") for one in _as_list(stop, "options.stop")]
    return sampling


def _unlimited(key: str, value: JSON) -> bool:
    """num_predict -1 is "no limit", -2 "fill the context": words of Ollama's own."""
    return key == "num_predict" and isinstance(value, int) and value < 0


def _number(value: JSON, kind: type, param: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestError(f"{param} must be a number", param=param)
    if kind is int and isinstance(value, float):
        if not value.is_integer():
            raise RequestError(f"{param} must be a whole number", param=param)
        return int(value)
    return value


# ---------------------------------------------------------------------------------------------------------------------
# Types


def _want(value: JSON, kind: type, param: str, what: str) -> Any:
    """`value`, when it is of that type and, if text, not empty."""
    if not isinstance(value, kind) or value == "":
        raise RequestError(f"{param} must be {what}", param=param)
    return value


def _text(rest: Fields, key: str, where: str) -> str:
    """Takes the text; null, empty and absent stay as they are."""
    if not rest.get(key):
        return ""
    return str(_want(rest.pop(key), str, f"{where}.{key}", "text"))


def _list(rest: Fields, key: str, param: str) -> list[JSON]:
    return _as_list(rest.pop(key), param) if rest.get(key) else []


def _as_list(value: JSON, param: str) -> list[JSON]:
    return [value] if isinstance(value, str) else list(_want(value, list, param, "a list"))

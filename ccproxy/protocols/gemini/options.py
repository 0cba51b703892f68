"""What a Gemini request says beside its contents: tools, tool configuration, generation configuration; and the checks that
all of its readers share.

Gemini API reference, "GenerationConfig", "ThinkingConfig", "Tool", "FunctionDeclaration", "FunctionCallingConfig".
"""

from __future__ import annotations

from typing import Any, TypeVar

from ccproxy.errors import RequestError
from ccproxy.model import (
    JSON,
    Effort,
    Extras,
    Opaque,
    Part,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from ccproxy.protocols.gemini.schemas import plain
from ccproxy.protocols.gemini.wire import NAME, either, spelled

_PartT = TypeVar("_PartT", bound=Part)

_CONFIG_KEYS = frozenset(
    {
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "stopSequences",
        "seed",
        "presencePenalty",
        "frequencyPenalty",
        "candidateCount",
        "responseLogprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "thinkingConfig",
    }
)
NUMBERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
INTEGERS = {"topK": "top_k", "maxOutputTokens": "max_tokens", "seed": "seed"}
_DECLARATION_KEYS = frozenset({"parametersJsonSchema", "responseJsonSchema"})
LEVELS: dict[str, Effort] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def object_(value: JSON, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"{param} must be an object", param=param)
    return value


def array(value: JSON, param: str) -> list[Any]:
    if not isinstance(value, list):
        raise RequestError(f"{param} must be an array", param=param)
    return value


def text_(value: JSON, param: str) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{param} must be a string", param=param)
    return value


def number_(value: JSON, param: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestError(f"{param} must be a number", param=param)
    return value


def integer_(value: JSON, param: str) -> int:
    number = number_(value, param)
    if number % 1 != 0:
        raise RequestError(f"{param} must be a whole number", param=param)
    return int(number)


def join_words(*words: str) -> str:
    return " ".join([word for word in words if word])


def marked(part: _PartT, fields: dict[str, JSON] | None = None, shape: str = "") -> _PartT:
    """`part` with extras of this protocol."""
    part.extras = Extras(NAME, fields or {}, shape)
    return part


# ---------------------------------------------------------------------------------------------------------------------
# Tools


def read_tools(tools: JSON) -> list[Tool | Opaque]:
    """The functions of all tool objects, one by one; what else a tool object holds (search, code execution) is opaque."""
    found: list[Tool | Opaque] = []
    for number, raw in enumerate(array([] if tools is None else tools, "tools")):
        param, place = f"tools[{number}]", f"tool:{number}"
        rest, shape = spelled(object_(raw, param), frozenset({"functionDeclarations"}))
        functions = array(rest.pop("functionDeclarations", None) or [], f"{param}.functionDeclarations")
        for index, function in enumerate(functions):
            found.append(_read_function(function, f"{param}.functionDeclarations[{index}]", join_words(place, shape)))
        if rest:
            found.append(marked(Opaque(NAME, rest), shape=place))
    return found


def _read_function(raw: JSON, param: str, place: str) -> Tool:
    rest, shape = spelled(object_(raw, param), _DECLARATION_KEYS)
    name = text_(rest.pop("name", None), f"{param}.name")
    described = isinstance(rest.get("description"), str)
    tool = Tool(name, rest.pop("description") if described else "")
    key = next((key for key in ("parametersJsonSchema", "parameters") if rest.get(key) is not None), "")
    if key:
        schema = object_(rest.pop(key), f"{param}.{key}")
        tool.parameters = plain(schema)
        if tool.parameters != schema:
            rest[key] = schema
    undescribed = "" if described else "nodescription"
    tool.extras = Extras(NAME, rest, join_words(place, shape, f"key:{key}" if key else "", undescribed))
    return tool


def read_tool_config(request: Request, extras: Extras) -> None:
    """`toolConfig.functionCallingConfig` as the tool choice; the rest of `toolConfig` stays in the extras."""
    if extras.fields.get("toolConfig") is None:
        return
    rest, shape = spelled(object_(extras.fields["toolConfig"], "toolConfig"), frozenset({"functionCallingConfig"}))
    calling = rest.pop("functionCallingConfig", None)
    extras.fields["toolConfig"] = rest
    extras.shape = join_words(extras.shape, *(f"toolConfig.{name}" for name in shape.split()))
    if calling is not None:
        param = "toolConfig.functionCallingConfig"
        request.tool_choice = _read_choice(object_(calling, param), param)


def _read_choice(raw: dict[str, JSON], param: str) -> ToolChoice:
    mode = text_(raw.get("mode") or "AUTO", f"{param}.mode").upper()
    names = array(either(raw, "allowedFunctionNames") or [], f"{param}.allowedFunctionNames")
    allowed = [text_(name, f"{param}.allowedFunctionNames") for name in names]
    choice = ToolChoice("auto", allowed=allowed, extras=Extras(NAME, dict(raw)))
    if mode == "NONE":
        choice.mode = "none"
    elif mode == "ANY" and len(allowed) == 1:
        choice.mode, choice.name, choice.allowed = "tool", allowed[0], []
    elif mode == "ANY":
        choice.mode = "required"
    return choice


# ---------------------------------------------------------------------------------------------------------------------
# Generation


def read_generation(request: Request, extras: Extras) -> None:
    """`generationConfig` into the request; what the model has no place for stays in the extras."""
    if extras.fields.get("generationConfig") is None:
        return
    config, shape = spelled(object_(extras.fields["generationConfig"], "generationConfig"), _CONFIG_KEYS)
    extras.fields["generationConfig"] = config
    extras.shape = join_words(extras.shape, *(f"generationConfig.{name}" for name in shape.split()))
    for key, name in NUMBERS.items():
        if config.get(key) is not None:
            setattr(request.sampling, name, number_(config.pop(key), f"generationConfig.{key}"))
    for key, name in INTEGERS.items():
        if config.get(key) is not None:
            setattr(request.sampling, name, integer_(config.pop(key), f"generationConfig.{key}"))
    if config.get("stopSequences"):
        stops = array(config.pop("stopSequences"), "generationConfig.stopSequences")
        request.sampling.stop = [text_(stop, "generationConfig.stopSequences") for stop in stops]
    if config.get("candidateCount") is not None:
        request.choices = integer_(config.pop("candidateCount"), "generationConfig.candidateCount")
    _read_logprobs(request, config)
    request.format = _read_format(config)
    request.reasoning = _read_thinking(config.pop("thinkingConfig", None))


def _read_logprobs(request: Request, config: dict[str, JSON]) -> None:
    if config.get("responseLogprobs") is True:
        del config["responseLogprobs"]
        count = config.pop("logprobs", None)
        request.logprobs = 0 if count is None else integer_(count, "generationConfig.logprobs")


def _read_format(config: dict[str, JSON]) -> ResponseFormat | None:
    """The format; its extras keep the wire's own words. Other mime types than JSON and text stay in `config`."""
    mime = config.get("responseMimeType")
    key = next((key for key in ("responseJsonSchema", "responseSchema") if config.get(key) is not None), "")
    if mime not in (None, "application/json", "text/plain") or (mime is None and not key):
        return None
    said = {name: config.pop(name) for name in ("responseMimeType", key) if config.get(name) is not None}
    if not key:
        return ResponseFormat("text" if mime == "text/plain" else "json", extras=Extras(NAME, said))
    schema = object_(said[key], f"generationConfig.{key}")
    return ResponseFormat("json_schema", plain(schema), extras=Extras(NAME, said))


def _read_thinking(raw: JSON) -> ReasoningOptions | None:
    """`thinkingConfig`: a budget of 0 is off, of -1 leaves it to the model; thoughts are hidden unless asked for."""
    if raw is None:
        return None
    config = object_(raw, "generationConfig.thinkingConfig")
    shown = either(config, "includeThoughts") is True
    options = ReasoningOptions(summary="auto" if shown else "none", extras=Extras(NAME, dict(config)))
    budget = either(config, "thinkingBudget")
    if budget is not None:
        _read_budget(options, integer_(budget, "generationConfig.thinkingConfig.thinkingBudget"))
    level = either(config, "thinkingLevel")
    if level is not None:
        word = text_(level, "generationConfig.thinkingConfig.thinkingLevel").upper()
        options.effort = LEVELS.get(word)
    return options


def _read_budget(options: ReasoningOptions, budget: int) -> None:
    options.enabled = budget != 0
    if budget < 0:
        options.adaptive = True
    else:
        options.budget = budget


def below(shape: str, key: str) -> str:
    """The words of `shape` about the object under `key`, without its name."""
    return " ".join(word.removeprefix(f"{key}.") for word in shape.split() if word.startswith(f"{key}."))

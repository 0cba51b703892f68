"""Tool definitions and the choice among them, both ways.

API reference "Chat Completions", "Create chat completion": tools (function, custom), tool_choice, and the deprecated
functions and function_call, which come back as they were sent. Other types of tools are some vendor's own and Opaque.
"""

from __future__ import annotations

from ccproxy.errors import RequestError
from ccproxy.model import JSON, Opaque, Tool, ToolChoice
from ccproxy.protocols.openai.checks import (
    a_flag,
    a_list,
    a_name,
    a_text_or_nothing,
    an_object,
    extras_of,
    own,
    rest_of,
    with_rest,
)
from ccproxy.protocols.openai.terms import NAME

LEGACY = "legacy"
"""Shape of what was said by functions, function_call or a function message."""

_FLAT = "flat"  # name and parameters beside the type, as in the Responses API
_UNTYPED = "untyped"  # no type, as Mistral's SDK sends it
_ANY = "any"  # Mistral's word for required
_MODES = ("auto", "none", "required")
_FUNCTION = ("name", "description", "parameters", "strict")


def read_tools(value: JSON, where: str) -> list[Tool | Opaque]:
    """The tools of a request. Raises RequestError."""
    return [_read_tool(raw, f"{where}[{number}]") for number, raw in enumerate(a_list(value, where))]


def read_functions(value: JSON, where: str) -> list[Tool | Opaque]:
    """The deprecated `functions`."""
    tools: list[Tool | Opaque] = []
    for number, raw in enumerate(a_list(value, where)):
        place = f"{where}[{number}]"
        function = an_object(raw, place)
        tool = _read_function(function, place)
        tool.extras = extras_of({"function": rest_of(function, _FUNCTION)}, LEGACY)
        tools.append(tool)
    return tools


def write_tool(tool: Tool | Opaque) -> JSON:
    """One entry of `tools`."""
    if isinstance(tool, Opaque):
        return tool.raw
    extras = own(tool.extras)
    outer = {key: value for key, value in extras.fields.items() if key not in ("function", "custom")}
    if tool.kind == "custom":
        document: dict[str, JSON] = {"type": "custom", "custom": _write_custom(tool)}
    elif extras.shape == _FLAT:
        document = {"type": "function", **write_function(tool)}
    else:
        document = {"type": "function", "function": write_function(tool)}
        if extras.shape == _UNTYPED:
            del document["type"]
    if tool.cache is not None:
        document["cache_control"] = tool.cache
    return with_rest(document, outer)


def write_function(tool: Tool) -> dict[str, JSON]:
    """A function by itself, as in the deprecated `functions`."""
    document: dict[str, JSON] = {"name": tool.name}
    if tool.description:
        document["description"] = tool.description
    if tool.parameters is not None:
        document["parameters"] = tool.parameters
    if tool.strict is not None:
        document["strict"] = tool.strict
    return with_rest(document, own(tool.extras).fields.get("function") or {})


def is_legacy(tool: Tool | Opaque) -> bool:
    return isinstance(tool, Tool) and own(tool.extras).shape == LEGACY


def _read_tool(raw: JSON, where: str) -> Tool | Opaque:
    document = an_object(raw, where)
    kind = document.get("type", "function")
    if kind == "custom":
        tool = _read_custom(an_object(document.get("custom"), f"{where}.custom"), f"{where}.custom")
    elif kind == "function" and "function" in document:
        function = an_object(document["function"], f"{where}.function")
        tool = _read_function(function, f"{where}.function")
        tool.extras = extras_of({"function": rest_of(function, _FUNCTION)}, "" if "type" in document else _UNTYPED)
    elif kind == "function":
        tool = _read_function(document, where)
        tool.extras = extras_of({"function": rest_of(document, (*_FUNCTION, "type", "cache_control"))}, _FLAT)
    else:
        return Opaque(NAME, raw)
    cache = document.get("cache_control")
    tool.cache = cache if isinstance(cache, dict) and cache else None
    if tool.extras is not None and tool.extras.shape != _FLAT:
        tool.extras.fields |= rest_of(document, ("type", "function", "custom", "cache_control"))
    return tool


def _read_function(function: dict[str, JSON], where: str) -> Tool:
    name = a_name(function.get("name"), f"{where}.name")
    parameters = function.get("parameters")
    return Tool(
        name,
        a_text_or_nothing(function.get("description"), f"{where}.description"),
        (parameters and an_object(parameters, f"{where}.parameters")) or None,
        strict=a_flag(function.get("strict"), f"{where}.strict"),
    )


def _read_custom(custom: dict[str, JSON], where: str) -> Tool:
    tool = Tool(
        a_name(custom.get("name"), f"{where}.name"),
        a_text_or_nothing(custom.get("description"), f"{where}.description"),
        kind="custom",
        grammar=custom.get("format"),
    )
    tool.extras = extras_of({"custom": rest_of(custom, ("name", "description", "format"))})
    return tool


def _write_custom(tool: Tool) -> dict[str, JSON]:
    document: dict[str, JSON] = {"name": tool.name}
    if tool.description:
        document["description"] = tool.description
    if tool.grammar is not None:
        document["format"] = tool.grammar
    return with_rest(document, own(tool.extras).fields.get("custom") or {})


# ---------------------------------------------------------------------------------------------------------------------
# The choice


def read_choice(value: JSON, where: str) -> ToolChoice | None:
    """`tool_choice`; None where some vendor's own is meant, which then stays with the request. Raises RequestError."""
    if value in _MODES:
        return ToolChoice(value)
    if value == _ANY:
        return ToolChoice("required", extras=extras_of({}, _ANY))
    if isinstance(value, str):
        raise RequestError(f"{where} must be auto, none, required or an object", param=where)
    choice = an_object(value, where)
    kind = choice.get("type", "function")
    if kind == "allowed_tools":
        return _read_allowed(an_object(choice.get("allowed_tools"), f"{where}.allowed_tools"), f"{where}.allowed_tools")
    if kind not in ("function", "custom"):
        return None
    body = an_object(choice.get(kind, choice), f"{where}.{kind}")
    return ToolChoice("tool", a_name(body.get("name"), f"{where}.{kind}.name"), extras=extras_of(choice))


def read_function_call(value: JSON, where: str) -> ToolChoice:
    """The deprecated `function_call`."""
    if value in ("auto", "none"):
        return ToolChoice(value, extras=extras_of({}, LEGACY))
    return ToolChoice("tool", a_name(an_object(value, where).get("name"), f"{where}.name"), extras=extras_of({}, LEGACY))


def write_choice(choice: ToolChoice) -> JSON:
    """The value of `tool_choice` (of `function_call` for the deprecated spelling)."""
    extras = own(choice.extras)
    if extras.shape == LEGACY:
        return {"name": choice.name} if choice.mode == "tool" else choice.mode
    if choice.allowed:
        return _write_allowed(choice)
    if choice.mode != "tool":
        return _ANY if extras.shape == _ANY and choice.mode == "required" else choice.mode
    if _named(extras.fields) == choice.name:
        return extras.fields
    return {"type": "function", "function": {"name": choice.name}}


def is_legacy_choice(choice: ToolChoice) -> bool:
    return own(choice.extras).shape == LEGACY


def _read_allowed(allowed: dict[str, JSON], where: str) -> ToolChoice:
    mode = allowed.get("mode")
    if mode not in ("auto", "required"):
        raise RequestError(f"{where}.mode must be auto or required", param=f"{where}.mode")
    tools = a_list(allowed.get("tools"), f"{where}.tools")
    names = [_named(tool) for tool in tools if isinstance(tool, dict)]
    return ToolChoice(mode, allowed=[name for name in names if name], extras=extras_of({"tools": tools}))


def _write_allowed(choice: ToolChoice) -> JSON:
    """The entries that were read, as far as they are still allowed; vendors' own tools have no name and stay."""
    given = own(choice.extras).fields.get("tools")
    if given is None:
        tools: list[JSON] = [{"type": "function", "function": {"name": name}} for name in choice.allowed]
    else:
        tools = [tool for tool in given if not (name := _named(tool)) or name in choice.allowed]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}


def _named(tool: JSON) -> str:
    """The name in `{"type": kind, kind: {"name": ...}}`, "" for anything else."""
    if not isinstance(tool, dict):
        return ""
    kind = tool.get("type", "function")
    body = tool.get(kind, tool) if isinstance(kind, str) else tool
    name = body.get("name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else ""

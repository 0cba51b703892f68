"""Requests for Gemini upstreams.

Gemini API reference, "Method: models.generateContent". A request that a Gemini client made is written as it was read. One
from another protocol gets what Gemini demands: turns that alternate and begin with the user's, results right behind their
calls, no empty parts, and for Gemini 3 a signature on the first call of each step.
"""

from __future__ import annotations

from itertools import pairwise
from urllib.parse import quote

from ccproxy.errors import RequestError
from ccproxy.model import (
    JSON,
    Context,
    Extras,
    Message,
    Opaque,
    Part,
    Request,
    Target,
    Text,
    Tool,
    ToolChoice,
)
from ccproxy.notes import left_out
from ccproxy.protocols.gemini.generation import generation_config
from ccproxy.protocols.gemini.options import below
from ccproxy.protocols.gemini.parts_out import PartWriter, own_extras, wire_name
from ccproxy.protocols.gemini.requests_in import CANONICAL
from ccproxy.protocols.gemini.schemas import OPENAPI, PARAMETERS
from ccproxy.protocols.gemini.wire import NAME, either, respell
from ccproxy.schema import clean
from ccproxy.turns import fold, hoist, settle

NOTHING_SAID = "(no message)"
"""The text of a user's turn that Gemini demands where the client has none: before a first turn of the model's, or when
there is but a system prompt."""

GO_ON = "Continue."
"""The user's turn after a last turn of the model's: Gemini refuses a request that does not end with the user's."""

_RESOURCES = ("models/", "tunedModels/", "projects/", "publishers/")
_CUSTOM_INPUT: dict[str, JSON] = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_CONTAINERS = ("systemInstruction", "toolConfig", "generationConfig")


def path(target: Target, stream: bool, shape: str = "") -> str:
    """See `base.Operation`."""
    return action_path(target, "streamGenerateContent?alt=sse" if stream else "generateContent")


def action_path(target: Target, action: str) -> str:
    """The path of an action of the model. A name that climbs out of its folder is refused: it comes from the client."""
    if {".", ".."} & set(target.model.split("/")):
        raise RequestError("the model's name is no name of a model", code="model_not_found", param="model")
    return f"/v1beta/{quote(resource(target.model), safe='/:@')}:{action}"


def resource(model: str) -> str:
    """`models/x`. A model may be given with its resource's kind (`tunedModels/x`)."""
    return model if model.startswith(_RESOURCES) else f"models/{model}"


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `base.Chat`."""
    own = own_extras(request.extras)
    return _write_own(request, own, target, context) if own else _write_foreign(request, target, context)


def _write_own(request: Request, extras: Extras, target: Target, context: Context) -> dict[str, JSON]:
    """The document that was read, with what has been changed since."""
    fields = extras.fields
    document = {key: value for key, value in fields.items() if key not in _CONTAINERS}
    if "model" in document:
        prefix = "models/" if str(document["model"]).startswith("models/") else ""
        document["model"] = prefix + request.model.removeprefix(prefix)
    writer = PartWriter(target, context, own=True)
    contents = _own_contents(request.messages, writer)
    document["contents"] = contents[0] if "contents:object" in extras.shape.split() and len(contents) == 1 else contents
    if (system := _own_system(request.system, fields.get("systemInstruction"), writer)) is not None:
        document["systemInstruction"] = system
    if tools := _own_tools(request.tools):
        document["tools"] = tools
    if config := _own_tool_config(request.tool_choice, extras):
        document["toolConfig"] = config
    config = generation_config(request, target, context)
    if config or "generationConfig" in fields:
        document["generationConfig"] = config
    _leave_cached(document, context)
    return respell(document, extras.shape)


def _write_foreign(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    _note_unplaced(request, context)
    leading, messages = hoist(request.messages)
    writer = PartWriter(target, context, own=False)
    document: dict[str, JSON] = {"contents": _contents(messages, writer, context)}
    if system := writer.parts([*request.system, *leading]):
        document["systemInstruction"] = {"parts": system}
    if functions := _declarations(request.tools, target, context):
        document["tools"] = [{"functionDeclarations": functions}]
        if calling := _calling(request, context):
            document["toolConfig"] = {"functionCallingConfig": calling}
    if config := generation_config(request, target, context):
        document["generationConfig"] = config
    return document


# ---------------------------------------------------------------------------------------------------------------------
# As it was read


def _own_contents(messages: list[Message], writer: PartWriter) -> list[dict[str, JSON]]:
    contents: list[dict[str, JSON]] = []
    for message in messages:
        extras = own_extras(message.extras)
        words = extras.shape.split() if extras else []
        splits = sorted({int(word[6:]) for word in words if word.startswith("split:")})
        if splits:
            pieces = [message.parts[a:b] for a, b in pairwise([0, *splits, len(message.parts)])]
            contents += [{"role": CANONICAL[message.role], "parts": made} for made in writer.contents(pieces) if made]
            continue
        parts = writer.parts((fold(message) if message.role == "system" else message).parts)
        if "join" in words and contents:
            contents[-1].setdefault("parts", []).extend(parts)
            continue
        content: dict[str, JSON] = dict(extras.fields) if extras else {}
        if "role" not in content and "norole" not in words:
            content["role"] = CANONICAL[message.role]
        if parts or "noparts" not in words:
            content["parts"] = parts
        contents.append(content)
    return contents


def _own_system(parts: list[Part], rest: JSON, writer: PartWriter) -> JSON:
    """`rest`: what the instruction said beside its parts, "" when it was a string, None when there was none. An instruction
    that has lost its parts is none."""
    if rest == "" and len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    if not parts:
        return rest if rest and "parts" in rest else None
    return {**(rest or {}), "parts": writer.parts(parts)}


def _own_tools(tools: list[Tool | Opaque]) -> list[dict[str, JSON]]:
    """The functions back in the tool objects they stood in; new ones in an object of their own."""
    groups: dict[str, dict[str, JSON]] = {}
    snakes: dict[str, str] = {}
    for tool in tools:
        extras = own_extras(tool.extras)
        words = extras.shape.split() if extras else []
        place = next((word for word in words if word.startswith("tool:")), "tool:new")
        group = groups.setdefault(place, {})
        if isinstance(tool, Opaque):
            if tool.origin == NAME:
                group.update(tool.raw)
        else:
            group.setdefault("functionDeclarations", []).append(_own_function(tool, extras))
            snakes[place] = "functionDeclarations" if "functionDeclarations" in words else ""
    return [respell(group, snakes.get(place, "")) for place, group in groups.items() if group]


def _own_function(tool: Tool, extras: Extras | None) -> dict[str, JSON]:
    if extras is None:
        return _declaration(tool, tool.name, "parametersJsonSchema")
    document: dict[str, JSON] = {"name": tool.name}
    words = extras.shape.split()
    if tool.description or "nodescription" not in words:
        document["description"] = tool.description
    key = next((word.removeprefix("key:") for word in words if word.startswith("key:")), "parametersJsonSchema")
    if tool.parameters is not None:
        document[key] = tool.parameters
    return respell(document | extras.fields, extras.shape)


def _own_tool_config(choice: ToolChoice | None, extras: Extras) -> dict[str, JSON]:
    config: dict[str, JSON] = dict(extras.fields.get("toolConfig") or {})
    if choice is not None:
        said = own_extras(choice.extras)
        calling = dict(said.fields) if said else _calling_config(choice, choice.allowed, choice.name)
        allowed = [choice.name] if choice.mode == "tool" else choice.allowed
        if said and (either(calling, "allowedFunctionNames") or []) != allowed:
            calling.pop("allowed_function_names", None)
            calling["allowedFunctionNames"] = allowed
        config["functionCallingConfig"] = calling
    return respell(config, below(extras.shape, "toolConfig"))


def _leave_cached(document: dict[str, JSON], context: Context) -> None:
    """Cached content holds the system instruction and the tools; beside it they are refused ("Context caching")."""
    if document.get("cachedContent"):
        for key in ("systemInstruction", "tools", "toolConfig"):
            if document.pop(key, None) is not None:
                context.note(f"{key} was left out: the request uses cached content")


# ---------------------------------------------------------------------------------------------------------------------
# From another protocol


def _contents(messages: list[Message], writer: PartWriter, context: Context) -> list[dict[str, JSON]]:
    """Turns that alternate, the first and the last one the user's."""
    placed = [fold(message) if message.role == "system" else message for message in messages]
    contents: list[dict[str, JSON]] = []
    for message in settle(placed, context):
        role = CANONICAL[message.role]
        parts = writer.parts(message.parts)
        if not parts:
            continue
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"].extend(parts)
        else:
            contents.append({"role": role, "parts": parts})
    if not contents or contents[0]["role"] != "user":
        contents.insert(0, {"role": "user", "parts": [{"text": NOTHING_SAID}]})
    if contents[-1]["role"] != "user":
        context.note("the conversation ended with the model's turn; the model was asked to continue")
        contents.append({"role": "user", "parts": [{"text": GO_ON}]})
    return contents


def _declarations(tools: list[Tool | Opaque], target: Target, context: Context) -> list[dict[str, JSON]]:
    key = "parameters" if "json_schema" in target.traits.lacks else "parametersJsonSchema"
    found: list[dict[str, JSON]] = []
    for tool in tools:
        if isinstance(tool, Opaque):
            left_out(tool, context, "tool")
        else:
            if tool.kind == "custom":
                context.note(f"the custom tool {tool.name} was offered as a function with one text")
            found.append(_declaration(tool, wire_name(tool.name, context), key))
    return found


def _declaration(tool: Tool, name: str, key: str) -> dict[str, JSON]:
    document: dict[str, JSON] = {"name": name}
    if tool.description:
        document["description"] = tool.description
    schema = _CUSTOM_INPUT if tool.kind == "custom" else tool.parameters
    if schema is not None:
        document[key] = clean(schema, OPENAPI if key == "parameters" else PARAMETERS)
    return document


def _calling(request: Request, context: Context) -> dict[str, JSON]:
    """The function calling mode. A strict tool asks for arguments that fit their schema, which is the mode VALIDATED. Names
    of functions that are not declared, as of another provider's server tool, are refused and hence left out."""
    functions = [tool for tool in request.tools if isinstance(tool, Tool)]
    choice, known = request.tool_choice, {tool.name for tool in functions}
    if choice is not None and choice.mode == "tool" and choice.name not in known:
        context.note(f"the choice of the tool {choice.name} was left out: the upstream is not offered it")
        choice = None
    strict = any(tool.strict for tool in functions)
    if choice is None and not strict:
        return {}
    choice = choice or ToolChoice("auto")
    allowed = [wire_name(name, context) for name in choice.allowed if name in known]
    config = _calling_config(choice, allowed, wire_name(choice.name, context) if choice.name else "")
    if config["mode"] == "AUTO" and (strict or allowed):
        config["mode"] = "VALIDATED"
    return config


def _calling_config(choice: ToolChoice, allowed: list[str], name: str) -> dict[str, JSON]:
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
    config: dict[str, JSON] = {"mode": modes[choice.mode]}
    names = [name] if choice.mode == "tool" else allowed
    if names and choice.mode != "none":
        config["allowedFunctionNames"] = names
    return config


def _note_unplaced(request: Request, context: Context) -> None:
    unplaced = {
        "parallel_tool_calls": request.parallel_tool_calls is False,
        "logprobs": request.logprobs is not None,
        "user": bool(request.user),
        "metadata": bool(request.metadata),
        "store": request.store is True,
        "min_p": request.sampling.min_p is not None,
        "repeat_penalty": request.sampling.repeat_penalty is not None,
    }
    for name, said in unplaced.items():
        if said:
            context.note(f"{name} has no place in the {NAME} protocol and was left out")

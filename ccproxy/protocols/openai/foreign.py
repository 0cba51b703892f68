"""A request of another protocol's client, made sayable in this one: model in, model out; its messages are written at once.

What stays of it can be written as it stands: legal names and ids, settled calls, words in one text where servers want that,
media where they may be, thoughts as members of their message. What has no place is noted in the context, or refused.

Fast for a reason: agents send hundreds of messages with every turn, nearly all of them one text, a result's text, or a text
and calls. Those become documents here; whatever is richer is made a message of the model first, which `messages` writes.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import evolve

from ccproxy import media, reasoning, schema, turns
from ccproxy.codec import jsontext
from ccproxy.errors import Unsupported
from ccproxy.model import (
    JSON,
    Audio,
    Context,
    Document,
    Extras,
    Image,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    ResponseFormat,
    Role,
    Sampling,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    arguments_text,
)
from ccproxy.notes import left_out, within
from ccproxy.protocols.naming import fit, fit_tool_name
from ccproxy.protocols.openai.checks import extras_of
from ccproxy.protocols.openai.messages import MEMBER, write_call, write_message
from ccproxy.protocols.openai.parts import thinking_part, write_content
from ccproxy.protocols.openai.terms import DETAILS, EXTRA, HOTTEST, NAME, own_proof

Written = dict[str, JSON]

DIALECT = schema.Dialect(name=NAME, object_root=True, fill_properties=True)
"""An object schema without `properties` is refused by OpenAI, and so is a root that is a union or no object (guide
"Function calling")."""

FORMAT_DIALECT = schema.Dialect(name=f"{NAME}-format", fill_properties=True)

_CONTENT = "content"
"""The member for earlier thoughts that is no member of their own: they are parts of the content."""

_NAME_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LIMIT = 64
"""API reference, `tools[].function.name`: a-z, A-Z, 0-9, underscores and dashes, 64 at most."""

_ID_CHARACTERS = re.compile(r"[^a-zA-Z0-9_.:|-]")
_ID_LIMIT = 40
"""What OpenAI takes as a call's id, by its error for longer ones; compatible vendors take more or the same."""

_USER_LIMIT = 64
_ANYTHING = re.compile(r"(?!)")
_MAX_STOPS = 4
"""API reference, `stop`: up to 4 sequences."""

_CUSTOM_SCHEMA = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_RANGES = {
    "temperature": (0.0, HOTTEST),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}
_VENDOR_SAMPLING = ("top_k", "min_p", "repeat_penalty")

# Words of `Traits.takes` that open what only some vendors of this protocol have:
CUSTOM_TOOLS = "custom_tools"  # tools of type custom
CACHE_CONTROL = "cache_control"  # cache marks on parts and tools


def adapt(request: Request, target: Target, context: Context) -> tuple[Request, list[Written]]:
    """`request` as this protocol can say it but for its messages, and these as they are written; the given one is not used
    any more. Raises Unsupported."""
    if request.choices is not None and request.choices > 1:
        raise Unsupported("n", NAME, "several choices are not converted")
    if request.previous_id:
        raise Unsupported("previous_response_id", NAME)
    _note_dropped(request, context)
    tools = _tools(request, target, context)
    messages = _Messages(target, context).written(request)
    adapted = Request(
        origin=request.origin,
        model=request.model,
        tools=list(tools),
        tool_choice=_choice(request.tool_choice, tools, context),
        parallel_tool_calls=request.parallel_tool_calls,
        format=_format(request.format),
        reasoning=_reasoning(request.reasoning, target, context),
        sampling=_sampling(request.sampling, target, context),
        user=fit(request.user, _ANYTHING, _USER_LIMIT) if request.user else "",
        stream=request.stream,
    )
    return adapted, messages


def _note_dropped(request: Request, context: Context) -> None:
    for field, said in (
        ("logprobs", request.logprobs is not None),
        ("metadata", bool(request.metadata)),
        ("store", request.store is True),
    ):
        if said:
            context.note(f"{field} has no place in the {NAME} protocol and was left out")


# ---------------------------------------------------------------------------------------------------------------------
# Tools


def _tools(request: Request, target: Target, context: Context) -> list[Tool]:
    """Functions that the upstream may call, limited to the allowed ones."""
    allowed = request.tool_choice.allowed if request.tool_choice is not None else []
    found: list[Tool] = []
    for tool in request.tools:
        if isinstance(tool, Opaque):
            left_out(tool, context, "tool")
        elif not allowed or tool.name in allowed:
            found.append(_tool(tool, target, context))
    return found


def _tool(tool: Tool, target: Target, context: Context) -> Tool:
    name = _tool_name(tool.name, context)
    cache = tool.cache if CACHE_CONTROL in target.traits.takes else None
    if tool.kind == "custom" and CUSTOM_TOOLS in target.traits.takes:
        return Tool(name, tool.description, kind="custom", grammar=tool.grammar, cache=cache)
    if tool.kind == "custom":
        context.note(f"the custom tool {tool.name} was offered as a function with one text")
        return Tool(name, tool.description, _CUSTOM_SCHEMA, cache=cache)
    return Tool(name, tool.description, schema.clean(tool.parameters, DIALECT), strict=tool.strict, cache=cache)


def _tool_name(name: str, context: Context) -> str:
    return fit_tool_name(name, context, _NAME_CHARACTERS, _NAME_LIMIT)


def _choice(choice: ToolChoice | None, tools: list[Tool], context: Context) -> ToolChoice | None:
    """A choice of a tool that was left out is left out too."""
    if choice is None or choice.mode != "tool":
        return None if choice is None else ToolChoice(choice.mode)
    name = _tool_name(choice.name, context)
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        context.note(f"the choice of the tool {choice.name} was left out: the upstream is not offered it")
        return None
    raw = {"type": tool.kind, tool.kind: {"name": name}}
    return ToolChoice("tool", name, extras=extras_of(raw))


# ---------------------------------------------------------------------------------------------------------------------
# Options


def _format(format: ResponseFormat | None) -> ResponseFormat | None:
    """`name` is demanded (API reference, `response_format.json_schema.name`)."""
    if format is None or format.kind != "json_schema":
        return None if format is None else ResponseFormat(format.kind)
    name = fit(format.name or "answer", _NAME_CHARACTERS, _NAME_LIMIT)
    cleaned = schema.clean(format.schema, FORMAT_DIALECT) if format.schema is not None else None
    return ResponseFormat("json_schema", cleaned, name, format.description, strict=format.strict)


def _reasoning(options: ReasoningOptions | None, target: Target, context: Context) -> ReasoningOptions | None:
    """As reasoning_effort, or as the vendor's own members. Merely switched off is what servers do by themselves, and not
    all know the word none."""
    if options is None:
        return None
    members, effort = reasoning.switched(options, target.traits)
    merely_off = effort == "none" and options.effort != "none"
    if merely_off and not target.traits.efforts and "thinking" not in target.abilities:
        context.note("thinking was switched off by leaving reasoning_effort out")
        effort = None
    if effort is None and not members:
        return None
    return ReasoningOptions(effort=effort, extras=extras_of(members, "reasoning_effort"))


def _sampling(sampling: Sampling, target: Target, context: Context) -> Sampling:
    """The given one where all of it can be said, as nearly always."""
    changed: dict[str, Any] = {}
    if len(sampling.stop) > _MAX_STOPS:
        changed["stop"] = sampling.stop[:_MAX_STOPS]
        context.note(f"only the first {_MAX_STOPS} stop sequences were sent")
    for field, (low, high) in _RANGES.items():
        value = getattr(sampling, field)
        if value is not None and not low <= value <= high:
            changed[field] = within(field, value, low, high, NAME, context)
    for field in _VENDOR_SAMPLING:
        if getattr(sampling, field) is not None and field not in target.traits.takes and field not in target.defaults:
            changed[field] = None
            context.note(f"{field} has no place in the {NAME} protocol and was left out")
    return evolve(sampling, **changed) if changed else sampling


# ---------------------------------------------------------------------------------------------------------------------
# Messages


class _Messages:
    """Adapts messages one by one; holds what all of them need."""

    def __init__(self, target: Target, context: Context) -> None:
        self._target = target
        self._context = context
        self._marks = CACHE_CONTROL in target.traits.takes
        self._names: dict[str, str] = {}  # a history has few names
        self._ids: dict[str, str] = {}  # and each id twice

    def written(self, request: Request) -> list[Written]:
        """System words first, in one message; later system messages where they are."""
        leading, others = turns.hoist(turns.settle(request.messages, self._context))
        written = self._system([*request.system, *leading])
        for message in others:
            written += _WRITERS[message.role](self, message.parts)
        return written

    def _system(self, parts: list[Part]) -> list[Written]:
        return _message("system", self._words(parts, "\n\n"))

    def _user(self, parts: list[Part]) -> list[Written]:
        if len(parts) == 1 and type(only := parts[0]) is Text and only.text and only.cache is None:
            return [{"role": "user", "content": only.text}]
        kept: list[Part] = []
        for part in parts:
            if isinstance(part, Media):
                kept.append(self._media(part))
            else:
                kept += self._words([part], "")
        return _message("user", kept)

    def _assistant(self, parts: list[Part]) -> list[Written]:
        """A message of thoughts alone says nothing that this protocol's servers would take."""
        said = self._words([part for part in parts if not isinstance(part, (ToolCall, Reasoning, Refusal))], "")
        refusals = [part.text for part in parts if isinstance(part, Refusal)]
        calls = self._calls(parts)
        thoughts = self._thoughts(parts) if said or calls or refusals else []
        if said and not refusals and not thoughts:
            content = write_content(said, as_list=False)
            members = {"tool_calls": [write_call(call) for call in calls]} if calls else {}
            return [{"role": "assistant", "content": content, **members}]
        refused = [Refusal("".join(refusals))] if refusals else []
        kept = [*thoughts, *said, *calls, *refused]
        return _message("assistant", kept, None if said else extras_of({"content": None}))

    def _tool(self, parts: list[Part]) -> list[Written]:
        """Tool messages hold text and stand together; media goes into a user message behind all of them."""
        messages: list[Written] = []
        shown: list[Part] = []
        for result in parts:
            if not isinstance(result, ToolResult):
                continue
            if result.is_error:
                self._context.note(f"the error mark of a tool result has no place in the {NAME} protocol and was left out")
            if len(result.parts) == 1 and type(only := result.parts[0]) is Text:
                messages.append({"role": "tool", "content": only.text, "tool_call_id": self._id(result.id)})
                continue
            found = [self._media(part) for part in result.parts if isinstance(part, Media)]
            words = self._words([part for part in result.parts if not isinstance(part, Media)], "\n")
            pictures = [part for part in found if not isinstance(part, Text)]
            words += [part for part in found if isinstance(part, Text)]
            if pictures:
                shown += [Text(f"From the result of {result.name or result.id}:"), *pictures]
            text = _joined(words, "\n") or ("[shown in the next message]" if pictures else "")
            messages.append({"role": "tool", "content": text, "tool_call_id": self._id(result.id)})
        return messages + _message("user", shown)

    def _words(self, parts: list[Part], joint: str) -> list[Part]:
        """Texts as one, as servers want them outside user messages; apart where cache marks are sent."""
        if len(parts) == 1 and type(only := parts[0]) is Text and only.text and only.cache is None:
            return [Text(only.text)]
        texts: list[Text] = []
        for part in parts:
            if isinstance(part, (Text, Refusal)):
                cache = part.cache if self._marks else None
                texts += [Text(part.text, cache=cache)] if part.text else []
            elif isinstance(part, Media):
                texts.append(self._stand_in(part))
            elif isinstance(part, Opaque):
                left_out(part, self._context, "part")
        if len(texts) < 2 or any(text.cache for text in texts):
            return list(texts)
        return [Text(joint.join(text.text for text in texts))]

    def _media(self, part: Media) -> Part:
        """User messages carry images by URL or data, audio and files by data (API reference, content parts)."""
        if isinstance(part, Image) and (part.data is not None or part.url is not None):
            return Image(mime=part.mime, data=part.data, url=part.url, detail=part.detail)
        if part.text is not None:
            return Text(f"{part.name}\n\n{part.text}" if part.name else part.text)
        if part.data is None or part.mime.startswith("video/"):
            return self._stand_in(part)
        if isinstance(part, Audio):
            return Audio(mime=part.mime, data=part.data)
        return Document(mime=part.mime, data=part.data, name=part.name)

    def _stand_in(self, part: Media) -> Text:
        text = media.stand_in(part, NAME)
        self._context.note(text.text.strip("[]"))
        return text

    def _calls(self, parts: list[Part]) -> list[ToolCall]:
        """Calls, each with what stood before it and belongs to it in this protocol."""
        calls: list[ToolCall] = []
        extra: JSON = None
        for part in parts:
            if isinstance(part, ToolCall):
                calls.append(self._call(part, extra))
            proof = own_proof(part.signature) if isinstance(part, Reasoning) and part.origin == NAME else None
            extra = proof.get(EXTRA) if proof is not None else None
        return calls

    def _call(self, call: ToolCall, extra: JSON) -> ToolCall:
        arguments, kind = arguments_text(call), call.kind
        if kind == "custom" and CUSTOM_TOOLS not in self._target.traits.takes:
            arguments, kind = jsontext.dumps_str({"input": arguments}), "function"
        extras = extras_of({EXTRA: extra}) if extra is not None else None
        return ToolCall(self._id(call.id), self._name(call.name), arguments, kind=kind, extras=extras)

    def _name(self, name: str) -> str:
        wire = self._names.get(name)
        if wire is None:
            wire = self._names[name] = _tool_name(name, self._context)
        return wire

    def _id(self, id: str) -> str:
        wire = self._ids.get(id)
        if wire is None:
            wire = self._ids[id] = fit(id, _ID_CHARACTERS, _ID_LIMIT)
            if wire != id:
                self._context.tool_ids[wire] = id
        return wire

    def _thoughts(self, parts: list[Part]) -> list[Part]:
        """Thoughts that this protocol's upstream signed go back as they came; others only where the vendor wants them."""
        wanted = self._target.traits.thoughts
        thoughts = [part for part in parts if isinstance(part, Reasoning)]
        if not thoughts and not wanted:
            return []
        details = [detail for thought in thoughts for detail in _details(thought)]
        words = "".join(thought.text for thought in thoughts)
        fields: dict[str, JSON] = {DETAILS: details} if details else {}
        if wanted == _CONTENT:
            return [thinking_part(words)] if words else []
        if wanted and (words or self._demands(parts)):
            fields.setdefault(wanted, [{"type": "reasoning.text", "text": words}] if wanted == DETAILS else words)
        if thoughts and not fields:
            self._context.note(f"earlier thoughts have no place in the {NAME} protocol and were left out")
        return [Reasoning(words, origin=NAME, extras=Extras(NAME, fields, MEMBER))] if fields else []

    def _demands(self, parts: list[Part]) -> bool:
        """Whether the message is refused without a thought. One that another model wrote may have none to give back."""
        return self._target.traits.demands_thoughts and any(isinstance(part, ToolCall) for part in parts)


def _details(thought: Reasoning) -> list[JSON]:
    """The entries of reasoning_details that a thought was read from."""
    if thought.origin != NAME:
        return []
    proof = own_proof(thought.signature or thought.redacted)
    if proof is None or EXTRA in proof:
        return []
    if not thought.text:
        return [proof]
    if "signature" in proof:
        return [{**proof, "text": thought.text}]
    return [{"type": "reasoning.summary", "summary": thought.text, "format": proof.get("format")}, proof]


def _message(role: Role, parts: list[Part], extras: Extras | None = None) -> list[Written]:
    """No message at all for no parts: an empty one is refused."""
    return write_message(Message(role, parts, extras=extras)) if parts else []


def _joined(parts: list[Part], joint: str) -> str:
    return joint.join(part.text for part in parts if isinstance(part, Text))


_WRITERS = {
    "system": _Messages._system,
    "user": _Messages._user,
    "assistant": _Messages._assistant,
    "tool": _Messages._tool,
}

"""What a request means, and what of it a protocol holds by the table in `middle`: the property tests' measure.

held(request, name)    the request as that protocol's documents can say it; raises Refused where the table says so
meaning(request)       its words, turns, tools and settings, in a form in which spellings do not count
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeAlias

from ccproxy import media, turns
from ccproxy.model import (
    Audio,
    Document,
    Image,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Request,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    arguments_object,
)
from tests.protocols.middle import REQUESTS

Fact: TypeAlias = tuple[Any, ...]

ROWS: dict[str, dict[str, str]] = {}
for _row in REQUESTS:
    ROWS.setdefault(_row.protocol, {})[_row.what] = _row.instead


class Refused(Exception):
    """The table says that this protocol refuses the request."""


# ---------------------------------------------------------------------------------------------------------------------
# What a protocol holds


def held(request: Request, name: str) -> Request:
    request = deepcopy(request)
    rows = ROWS[name]
    leading, messages = turns.hoist(request.messages)
    request.system = [*request.system, *leading]
    request.messages = [kept for message in _steps(messages) for kept in _message(message, rows, name)]
    _settings(request, rows)
    _end(request, rows)
    return request


def _steps(messages: list[Message]) -> list[Message]:
    """Results that stand one by one as those of one step."""
    found: list[Message] = []
    for message in messages:
        if message.role == "tool" and found and found[-1].role == "tool":
            found[-1] = Message("tool", [*found[-1].parts, *message.parts])
        else:
            found.append(message)
    return found


def _message(message: Message, rows: dict[str, str], name: str) -> list[Message]:
    if message.role == "system":
        return [turns.fold(message)] if "system.later" in rows else [message]
    if message.role == "tool":
        return _results(message, rows, name)
    parts = [
        kept for number, part in enumerate(message.parts) for kept in _part(part, message.parts[number + 1 :], rows, name)
    ]
    if "assistant.order" in rows and message.role == "assistant":
        parts.sort(key=lambda part: _ORDER.index(type(part)))
    if "user.order" in rows and message.role == "user":
        parts.sort(key=lambda part: not isinstance(part, Image))
    silent = all(isinstance(part, Reasoning) for part in parts)
    return (
        [] if not parts or (silent and name != "gemini" and message.role == "assistant") else [Message(message.role, parts)]
    )


_ORDER = [Reasoning, Text, Refusal, ToolCall]


def _results(message: Message, rows: dict[str, str], name: str) -> list[Message]:
    """The results; their media in a user message behind them where the table says so."""
    results: list[Part] = []
    beside: list[Part] = []
    for part in message.parts:
        assert isinstance(part, ToolResult)
        inside = [kept for one in part.parts for kept in _part(one, [], rows, name)]
        if "result.media" in rows:
            shown = [one for one in inside if isinstance(one, Media)]
            inside = [one for one in inside if not isinstance(one, Media)]
            beside += shown
        if "user.order" in rows:
            inside.sort(key=lambda one: not isinstance(one, Image))
        results.append(ToolResult(part.id, part.name, inside, is_error=part.is_error and "result.is_error" not in rows))
    return [Message("tool", results), *([Message("user", beside)] if beside else [])]


def _part(part: Part, behind: list[Part], rows: dict[str, str], name: str) -> list[Part]:
    if isinstance(part, Reasoning):
        return _thought(part, behind, rows, name)
    if isinstance(part, Refusal):
        return [Text(part.text)] if "refusal" in rows else [part]
    return _media(part, rows, name) if isinstance(part, Media) else [part]


def _thought(part: Reasoning, behind: list[Part], rows: dict[str, str], name: str) -> list[Part]:
    own = part.origin == name
    if (not own and "thought.foreign" in rows) or (
        own and not (part.signature or part.redacted) and "thought.bare" in rows
    ):
        return []
    if part.redacted and (not own or "thought.redacted" in rows):
        return []
    signature = part.signature if own and "proof" not in rows else ""
    text = "" if "thought.text" in rows else part.text
    return [Reasoning(text, signature=signature, redacted=part.redacted if "proof" not in rows else "", origin=name)]


def kind_of(part: Media) -> str:
    """The table's word for it."""
    source = "file_id" if part.file_id is not None else "url" if part.url is not None else "data"
    if isinstance(part, Audio):
        return "audio"
    if isinstance(part, Image):
        return f"image.{source}"
    return (
        "document.video"
        if part.mime.startswith("video/")
        else "document.text"
        if part.text is not None
        else f"document.{source}"
    )


def _media(part: Media, rows: dict[str, str], name: str) -> list[Part]:
    instead = rows.get(kind_of(part))
    if instead == "refused":
        raise Refused(kind_of(part))
    if instead == "stand-in":
        return [media.stand_in(part, name)]
    if instead == "text":
        return [Text(part.text or "")]
    if "image.detail" in rows:
        part.detail = ""
    if "document.name" in rows:
        part.name = ""
    return [part]


def _end(request: Request, rows: dict[str, str]) -> None:
    """The model's turn at the end, which it is to continue."""
    last = request.messages[-1]
    if last.role != "assistant" or "prefill" not in rows:
        return
    if rows["prefill"] == "trimmed":
        if isinstance(text := last.parts[-1], Text):
            text.text = text.text.rstrip()
    else:
        request.messages.append(Message("user", [Text("Continue.")]))


def _settings(request: Request, rows: dict[str, str]) -> None:
    options = request.reasoning
    if options is not None and "thinking.off" in rows and thinking(request) is False and options.effort != "none":
        request.reasoning = None
    if options is not None and options.adaptive and "thinking.adaptive" in rows:
        left_out = {"left out": True, "shown": options.summary == "none"}
        request.reasoning = None if left_out.get(rows["thinking.adaptive"]) else request.reasoning
    request.metadata = request.logprobs = None
    if request.format is not None and request.format.kind == "json" and "format.json" in rows:
        request.system.append(Text(rows["format.json"]))
        request.format = None
    if "user" in rows:
        request.user = ""
    if "parallel" in rows:
        request.parallel_tool_calls = None
    if "tool.strict" in rows:
        for tool in request.tools:
            if isinstance(tool, Tool):
                tool.strict = None
    if "choice" in rows:
        request.tools = [tool for tool in request.tools if isinstance(tool, Tool) and _left(tool, request.tool_choice)]
        request.tool_choice = None
    _sampling(request, rows)


def _left(tool: Tool, choice: ToolChoice | None) -> bool:
    return choice is None or (choice.mode != "none" and choice.mode != "tool") or tool.name == choice.name


def _sampling(request: Request, rows: dict[str, str]) -> None:
    sampling = request.sampling
    excludes = "choice.forced" in rows
    thinks = (
        excludes and thinking(request) is True and (sampling.max_tokens or 32_000) > 1_024 and _begins_with_thought(request)
    )
    if thinks and request.tool_choice is not None and request.tool_choice.mode in ("tool", "required"):
        request.tool_choice = ToolChoice("auto")
    if excludes and thinking(request) is True and not thinks:
        request.reasoning = None
    if "max_tokens" in rows and sampling.max_tokens is None:
        sampling.max_tokens = int(rows["max_tokens"])
    for field, value in _fields(sampling).items():
        instead = rows.get(f"sampling.{field}")
        if instead is not None and value not in (None, []):
            setattr(sampling, field, _INSTEAD[instead](value, sampling, thinks))


def _stands_with_results(before: list[Message]) -> bool:
    """Whether a user's message comes behind results, which are one turn with it."""
    return next((message.role for message in reversed(before) if message.role != "user"), "") == "tool"


def _begins_with_thought(request: Request) -> bool:
    """Whether the assistant's turn at the end, with its tool results, began with a thought, or there is none."""
    first: Message | None = None
    for number in range(len(request.messages) - 1, -1, -1):
        message = request.messages[number]
        if message.role == "assistant":
            first = message
        elif message.role == "user" and not _stands_with_results(request.messages[:number]):
            break
    return first is None or isinstance(first.parts[0], Reasoning)


def _fields(sampling: Sampling) -> dict[str, Any]:
    """top_p before temperature, which it depends on."""
    return {name: getattr(sampling, name) for name in sorted(Sampling.__slots__, reverse=True) if not name.startswith("__")}


_INSTEAD: dict[str, Callable[[Any, Sampling, bool], Any]] = {
    "left out": lambda value, sampling, thinks: [] if isinstance(value, list) else None,
    "left out beside temperature": lambda value, sampling, thinks: (
        None if thinks or sampling.temperature is not None else value
    ),
    "left out with thinking": lambda value, sampling, thinks: None if thinks else value,
    "within 0 and 1": lambda value, sampling, thinks: None if thinks and value != 1 else min(max(value, 0), 1),
    "within 0 and 2": lambda value, sampling, thinks: min(max(value, 0), 2),
    "left out where blank": lambda value, sampling, thinks: [one for one in value if one.strip()],
    "at least 16": lambda value, sampling, thinks: max(value, 16),
}


def thinking(request: Request) -> bool | None:
    """Whether thinking was asked for; None when nothing was said that every protocol can say."""
    options = request.reasoning
    if options is None:
        return None
    if options.enabled is False or options.effort == "none" or options.budget == 0:
        return False
    return True if options.effort or options.budget or options.enabled or options.adaptive else None


def _shown(request: Request) -> bool | None:
    """The same, where wanting to see thoughts is asking for them: all that Gemini says of thinking that is merely on."""
    asked = thinking(request)
    wanted = request.reasoning is not None and request.reasoning.summary not in ("", "none")
    return True if asked is None and wanted else asked


# ---------------------------------------------------------------------------------------------------------------------
# Meaning


def meaning(request: Request, names: dict[str, str] | None = None) -> dict[str, Any]:
    """names: how tools are called on the wire -> what they were called."""
    back = names or {}
    ids: dict[str, int] = {}
    leading, messages = turns.hoist(request.messages)
    tools = [tool for tool in request.tools if isinstance(tool, Tool)]
    choice = request.tool_choice
    sampling = {field: value for field, value in _fields(request.sampling).items() if value not in (None, [])}
    format = request.format
    return {
        "system": "\n\n".join(part.text for part in [*request.system, *leading] if isinstance(part, Text) and part.text),
        "turns": _merged([(message.role, _facts(message, back, ids)) for message in messages]),
        "tools": [
            (back.get(tool.name, tool.name), tool.description, _schema(tool.parameters), bool(tool.strict))
            for tool in tools
        ],
        "choice": (choice.mode, back.get(choice.name, choice.name))
        if choice is not None and choice.mode != "auto"
        else None,
        "alone": request.parallel_tool_calls is False and not (choice is not None and choice.mode == "none"),
        "format": None if format is None or format.kind == "text" else (format.kind, _schema(format.schema)),
        "sampling": sampling,
        "user": request.user,
        "stream": request.stream,
        "thinking": _shown(request),
    }


def _schema(schema: Any) -> Any:
    """Objects may be closed, and say that they have no properties."""
    if isinstance(schema, list):
        return [_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema or {"type": "object", "properties": {}}
    return {key: _inner(key, value) for key, value in schema.items() if key != "additionalProperties"}


def _inner(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _schema(one) for name, one in value.items()}
    return _schema(value) if key == "items" else value


def _facts(message: Message, back: dict[str, str], ids: dict[str, int]) -> list[Fact]:
    joint = {"assistant": "", "system": "\n\n"}.get(message.role, "\n")
    facts: list[Fact] = []
    for part in message.parts:
        for fact in _fact(part, back, ids):
            if facts and facts[-1][0] == fact[0] and fact[0] in ("text", "thought", "refusal"):
                between = joint if fact[0] == "text" else ""
                facts[-1] = (fact[0], facts[-1][1] + between + fact[1])
            else:
                facts.append(fact)
    return facts


def _fact(part: Any, back: dict[str, str], ids: dict[str, int]) -> list[Fact]:
    if isinstance(part, Text):
        return [("text", part.text)] if part.text else []
    if isinstance(part, Refusal):
        return [("refusal", part.text)]
    if isinstance(part, Reasoning):
        proof = part.signature or part.redacted
        return [*([("thought", part.text)] if part.text else []), *([("proof", proof)] if proof else [])]
    if isinstance(part, ToolCall):
        number = ids[part.id] = len(ids)
        return [("call", number, back.get(part.name, part.name), arguments_object(part))]
    if isinstance(part, ToolResult):
        inside = _facts(Message("user", part.parts), back, ids)
        return [("result", ids.get(part.id), part.is_error, inside)]
    return [_media_fact(part)] if isinstance(part, Media) else [("opaque", part)]


def _media_fact(part: Media) -> Fact:
    where = part.data or part.url or part.text or part.file_id
    name = "" if part.name.startswith("document") else part.name
    detail = "" if part.detail == "auto" else part.detail
    return (kind_of(part), where, name if isinstance(part, Document) else "", detail)


def _merged(found: list[tuple[str, list[Fact]]]) -> list[tuple[str, list[Fact]]]:
    """Neighbours of one role as one turn, their texts a line apart."""
    merged: list[tuple[str, list[Fact]]] = []
    for role, facts in found:
        if not merged or merged[-1][0] != role:
            merged.append((role, []))
        merged[-1] = (role, _joined([*merged[-1][1], *facts], "" if role == "assistant" else "\n"))
    without = ((role, _without_introductions(facts)) for role, facts in merged)
    return [(role, facts) for role, facts in without if facts]


def _joined(facts: list[Fact], joint: str) -> list[Fact]:
    joined: list[Fact] = []
    for fact in facts:
        if joined and joined[-1][0] == fact[0] == "text":
            joined[-1] = ("text", joined[-1][1] + joint + fact[1])
        else:
            joined.append(fact)
    return joined


_INTRODUCTION = re.compile(r"\[?From the result of [^\n]*:\]?")
"""The line before a result's media where these stand behind all results."""


def _without_introductions(facts: list[Fact]) -> list[Fact]:
    found: list[Fact] = []
    for fact in facts:
        if fact[0] != "text":
            found.append(fact)
        elif lines := [line for line in fact[1].split("\n") if not _INTRODUCTION.fullmatch(line)]:
            found.append(("text", "\n".join(lines)))
    return found


def loosely(said: dict[str, Any]) -> dict[str, Any]:
    """The meaning, as it is compared across two protocols: media of a user's turn first, and of thinking only whether both
    sides contradict each other, since what one says as an effort is on, off or a budget in the other."""
    return said | {"turns": [(role, _media_first(facts) if role == "user" else facts) for role, facts in said["turns"]]}


def _media_first(facts: list[Fact]) -> list[Fact]:
    return _joined(sorted(facts, key=lambda fact: fact[0] == "text"), "\n")

"""Earlier calls and results as text, in the form that the model is asked to write, so that the history teaches it.

A call that could not be read (`writing.UNREADABLE`, or arguments that are no JSON) is not repeated in the model's own
words, which it would copy: the result that follows says what it wrote and how it should have looked, in the place of what
the client said of it.
"""

from __future__ import annotations

from attrs import evolve

from ccproxy.model import (
    JSON,
    Extras,
    Message,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    arguments_object,
    is_whole,
)
from ccproxy.policy.compat.prompt import example, result_tags, written
from ccproxy.policy.compat.toolbox import FREE_TEXT, declared
from ccproxy.policy.compat.writing import UNREADABLE

_SHOWN = 2000
"""Characters of an unreadable call that the model is shown again: the form is at its beginning and end."""

_NOTHING = "(no output)"


def as_text(messages: list[Message], tools: list[Tool]) -> list[Message]:
    """The settled messages without calls and results. Messages of one role that come to stand together become one."""
    known = {tool.name: tool for tool in tools}
    broken: dict[str, str] = {}
    said: list[Message] = []
    ours = False  # the last message was rewritten
    for message in messages:
        touched = any(isinstance(part, (ToolCall, ToolResult)) for part in message.parts)
        fresh = _retold(message, known, broken) if touched else message
        last = said[-1] if said else None
        if last is not None and last.role == fresh.role != "system" and (ours or touched):
            said[-1] = Message(last.role, _joined([*last.parts, *fresh.parts]), extras=last.extras)
            ours = True
        else:
            said.append(fresh)
            ours = touched
    return said


def _retold(message: Message, tools: dict[str, Tool], broken: dict[str, str]) -> Message:
    parts = [new for part in message.parts for new in _rewritten(part, tools, broken)]
    if message.role == "tool":
        return Message("user", _joined(parts))
    extras = message.extras
    kept = Extras(extras.origin, extras.fields) if extras is not None and extras.fields else None
    return Message(message.role, _joined(parts), extras=kept)


def _rewritten(part: Part, tools: dict[str, Tool], broken: dict[str, str]) -> list[Part]:
    if isinstance(part, ToolCall):
        raw = _unread(part)
        if raw is None:
            return [Text(written(part.name, _arguments(part)), cache=part.cache)]
        broken[part.id] = raw
        return [Text(f"(A call of {part.name} stood here that could not be read.)", cache=part.cache)]
    if isinstance(part, ToolResult):
        raw = broken.pop(part.id, None)
        return _result(part) if raw is None else [Text(_correction(part, raw, tools), cache=part.cache)]
    return [part]


def _unread(call: ToolCall) -> str | None:
    """What the model wrote in the place of a call, where it could not be read."""
    if not is_whole(call):
        return str(call.arguments)
    raw = arguments_object(call).get(UNREADABLE)
    return raw if isinstance(raw, str) else None


def _arguments(call: ToolCall) -> list[tuple[str, JSON]]:
    if call.kind == "custom":
        return [(FREE_TEXT, call.arguments)]
    return list(arguments_object(call).items())


def _result(result: ToolResult) -> list[Part]:
    """The texts of a result in one element; its pictures and files stand behind it."""
    words = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    others = [part for part in result.parts if not isinstance(part, Text)]
    before, behind = result_tags(result.name, failed=result.is_error)
    text = Text(f"{before}{words or ('' if others else _NOTHING)}{behind}")
    last = [text, *others][-1]
    last.cache = last.cache or result.cache
    return [text, *others]


def _correction(result: ToolResult, raw: str, tools: dict[str, Tool]) -> str:
    tool = tools.get(result.name)
    before, behind = result_tags(result.name, failed=True)
    shown = raw if len(raw) <= _SHOWN else f"{raw[: _SHOWN // 2]}\n...\n{raw[-_SHOWN // 2 :]}"
    words = f"This call was not run, since it could not be read. You wrote:\n\n{shown}\n\n"
    form = example(declared(tool)) if tool is not None else written(result.name, [("PARAMETER", "VALUE")])
    return f"{before}{words}Write it again in the form of this example:\n\n{form}{behind}"


def _joined(parts: list[Part]) -> list[Part]:
    """Texts that follow each other as one: servers of small models take a message's content as one text."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if type(part) is Text and type(last) is Text and not (last.cache or last.citations or part.citations):
            between = "" if not last.text or last.text.endswith("\n\n") else "\n\n"
            joined[-1] = evolve(last, text=f"{last.text}{between}{part.text}", cache=part.cache, extras=None)
        else:
            joined.append(part)
    return joined

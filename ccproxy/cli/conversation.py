"""Requests and answers of any protocol as a person reads them: rows of a label and a text.

They come as the conversation's model, read by the protocols' own readers; nothing here knows a wire format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from attrs import frozen

from ccproxy.codec import jsontext
from ccproxy.model import (
    Answer,
    EmbeddingRequest,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    arguments_object,
)

SHORT_LINES = 6
SHORT_CHARACTERS = 500
"""Of one text, where not all is asked for: a screen holds a turn then."""


@frozen
class Row:
    """label: who or what. text: may have many lines."""

    label: str
    text: str


class Teller:
    """full: everything, in the place of the beginnings and of what is new."""

    def __init__(self, *, full: bool) -> None:
        self._full = full

    def __repr__(self) -> str:
        return f"<Teller {'full' if self._full else 'short'}>"

    def request(self, request: Request) -> list[Row]:
        leading = list(takewhile(lambda message: message.role == "system", request.messages))
        messages = request.messages[len(leading) :]
        rows = self._parts([*request.system, *(part for message in leading for part in message.parts)], "system")
        if request.tools:
            rows.append(Row("tools", self._tools(request.tools)))
        new = 0 if self._full else _new(messages)
        if new:
            rows.append(Row("earlier", f"{new} message{'s' * (new != 1)}"))
        for message in messages[new:]:
            rows += self._parts(message.parts, message.role)
        settings = ", ".join(_settings(request))
        return [*rows, Row("settings", settings)] if settings else rows

    def answer(self, answer: Answer, *, broken: bool) -> list[Row]:
        """broken: the stream has no end, so that it does not say why it ended."""
        rows = self._parts(answer.parts, "assistant")
        if not broken:
            rows.append(Row("finish", answer.finish))
        return [*rows, Row("tokens", tokens(answer.usage))] if answer.usage is not None else rows

    def embedding(self, request: EmbeddingRequest) -> list[Row]:
        return [row for each in request.inputs for row in self._parts(each.parts, "text")]

    def text(self, label: str, text: str) -> Row:
        """What is neither."""
        return Row(label, self._cut(text))

    def document(self, document: Any) -> Row:
        return self.text("body", json.dumps(document, indent=2 if self._full else None, ensure_ascii=False))

    def _parts(self, parts: Iterable[Part], role: str) -> list[Row]:
        return [Row(label or role, self._cut(text)) for part in parts for label, text in self._part(part)]

    def _part(self, part: Part) -> Iterator[tuple[str, str]]:
        """(label, "" for the speaker's own; text)"""
        yield from _media(part) if isinstance(part, Media) else _PARTS[type(part)](self, part)

    def _call(self, call: ToolCall) -> Iterator[tuple[str, str]]:
        arguments = arguments_object(call)
        if self._full:
            said = "".join(f"\n{name}: {_shown(value)}" for name, value in arguments.items())
        else:
            said = f" {jsontext.dumps_str(arguments)}"
        yield "call", call.name + said

    def _result(self, result: ToolResult) -> Iterator[tuple[str, str]]:
        label = "failed" if result.is_error else "result"
        text = "\n".join(text for part in result.parts for _, text in self._part(part))
        yield label, f"{result.name}: {text}" if result.name else text

    def _tools(self, tools: Sequence[Tool | Opaque]) -> str:
        if not self._full:
            return f"{len(tools)}: {', '.join(map(_name, tools))}"
        return "\n".join(_described(tool) for tool in tools)

    def _cut(self, text: str) -> str:
        text = text.strip("\n")
        if self._full:
            return text
        lines = text[:SHORT_CHARACTERS].splitlines()[:SHORT_LINES]
        short = "\n".join(lines)
        return short if len(short) == len(text) else f"{short} … ({len(text):,} characters)"


def tokens(usage: Usage) -> str:
    cached = f" ({usage.cache_read:,} from the cache)" if usage.cache_read else ""
    thought = f" ({usage.reasoning:,} thinking)" if usage.reasoning else ""
    about = ", estimated" if usage.estimated else ""
    return f"{usage.input:,} in{cached}, {usage.output:,} out{thought}{about}"


def _new(messages: Sequence[Message]) -> int:
    """Where the client's newest words begin: behind the model's last ones."""
    spoken = [number for number, message in enumerate(messages) if message.role == "assistant"]
    start = spoken[-1] + 1 if spoken else 0
    return start if start < len(messages) else max(0, len(messages) - 1)


def _text(teller: Teller, part: Text) -> Iterator[tuple[str, str]]:
    yield "", part.text


def _refusal(teller: Teller, part: Refusal) -> Iterator[tuple[str, str]]:
    yield "refusal", part.text


def _reasoning(teller: Teller, part: Reasoning) -> Iterator[tuple[str, str]]:
    if part.text:
        yield "thinking", part.text
    elif part.redacted:
        yield "thinking", "[redacted]"


def _media(part: Media) -> Iterator[tuple[str, str]]:
    what = " ".join(filter(None, [type(part).__name__.lower(), part.name]))
    if part.text is not None:
        yield "", f"[{what}]\n{part.text}"
    elif part.data is not None:
        size = part.data if part.data.startswith(_SET_ASIDE) else f"{len(part.data) * 3 // 4} bytes"
        yield "", f"[{what}: {part.mime} {size}]"
    else:
        yield "", f"[{what}: {part.url or part.file_id}]"


_SET_ASIDE = "[base64"
"""How the log begins what it says in the place of media."""


def _opaque(teller: Teller, part: Opaque) -> Iterator[tuple[str, str]]:
    yield part.origin, jsontext.dumps_str(part.raw)


_PARTS: dict[type, Callable[[Teller, Any], Iterator[tuple[str, str]]]] = {
    Text: _text,
    Refusal: _refusal,
    Reasoning: _reasoning,
    ToolCall: Teller._call,
    ToolResult: Teller._result,
    Opaque: _opaque,
}


def _name(tool: Tool | Opaque) -> str:
    if isinstance(tool, Tool):
        return tool.name
    raw = tool.raw if isinstance(tool.raw, dict) else {}
    return str(raw.get("name") or raw.get("type") or next(iter(raw), tool.origin))


def _described(tool: Tool | Opaque) -> str:
    if isinstance(tool, Opaque):
        return f"{_name(tool)} {jsontext.dumps_str(tool.raw)}"
    schema = "" if tool.parameters is None else f"\n{jsontext.dumps_str(tool.parameters)}"
    return f"{tool.name}: {tool.description.strip()}{schema}\n"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.dumps_str(value)


_SAMPLING = ("max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop")


def _settings(request: Request) -> Iterator[str]:
    if request.stream:
        yield "stream"
    for name in _SAMPLING:
        value = getattr(request.sampling, name)
        if value not in (None, []):
            yield f"{name} {jsontext.dumps_str(value)}"
    if request.reasoning is not None:
        yield f"thinking {_thinking(request.reasoning)}"
    if request.tool_choice is not None:
        yield f"tool choice {request.tool_choice.name or request.tool_choice.mode}"
    if request.format is not None and request.format.kind != "text":
        yield "answer in JSON" + (" of a schema" if request.format.schema else "")


def _thinking(asked: ReasoningOptions) -> str:
    said = [asked.effort or "", f"{asked.budget} tokens" if asked.budget else "", "adaptive" if asked.adaptive else ""]
    return " ".join(filter(None, said)) or ("off" if asked.enabled is False else "on")

"""Requests as agents send them, in four sizes, written for the measurements.

They are made in Claude's protocol and converted to the others, so that all five say the same.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from functools import cache

from ccproxy.codec import jsontext
from ccproxy.convert import convert_request
from ccproxy.measure.traffic import words
from ccproxy.model import JSON

MODEL = "the-model-that-the-client-asks-for"
TOOLS = 24
IMAGES = 4

Document = dict[str, JSON]

_WRITTEN = "claude"


@cache
def body(protocol: str, size: str) -> bytes:
    """The request of that size as a client of that protocol sends it."""
    return _said(protocol, SIZES[size]())


@cache
def body_before(protocol: str, size: str) -> bytes | None:
    """The request of the turn before that one; None where the conversation has no turn yet."""
    document = SIZES[size]()
    messages = document["messages"]
    answers = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    return _said(protocol, {**document, "messages": messages[: answers[-1]]}) if answers else None


def _said(protocol: str, document: Document) -> bytes:
    written = jsontext.dumps({**document, "messages": _marked(document["messages"])})
    if protocol == _WRITTEN:
        return written
    return convert_request(written, source=_WRITTEN, target=protocol, model=MODEL).body


def _marked(messages: list[JSON]) -> list[JSON]:
    """With the cache marks of Claude Code: on the last two turns of the user's, so that they move on with each request."""
    turns = [n for n, message in enumerate(messages) if message["role"] == "user" and isinstance(message["content"], list)]
    marked = list(messages)
    for n in turns[-2:]:
        *blocks, last = messages[n]["content"]
        marked[n] = {**messages[n], "content": [*blocks, {**last, "cache_control": {"type": "ephemeral"}}]}
    return marked


def _text(number: int, size: int) -> str:
    """About `size` characters of prose and code, with the line ends and quotes that JSON has to escape."""
    lines = []
    left = size
    while left > 0:
        lines.append(f'    "{number}": call({words(number + left, 9).strip()!r}),  # {words(left, 3).strip()}')
        left -= len(lines[-1]) + 1
    return "\n".join(lines)


def _request(system: int, messages: list[JSON], **more: JSON) -> Document:
    parts: list[JSON] = [
        {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": _text(1, system), "cache_control": {"type": "ephemeral"}},
    ]
    return {"model": MODEL, "max_tokens": 32000, "system": parts, "messages": messages, "stream": True, **more}


def _tools() -> list[JSON]:
    """Schemas of the kinds that agents have: texts, numbers with limits, choices, lists of objects."""
    return [_tool(number) for number in range(TOOLS)]


def _tool(number: int) -> Document:
    edit: Document = {
        "type": "object",
        "properties": {
            "old_string": {"type": "string", "description": _text(number, 80)},
            "new_string": {"type": "string", "description": _text(number + 1, 80)},
            "replace_all": {"type": "boolean", "default": False},
        },
        "required": ["old_string", "new_string"],
        "additionalProperties": False,
    }
    properties: Document = {
        "file_path": {"type": "string", "description": _text(number + 2, 120)},
        "mode": {"type": "string", "enum": ["content", "files", "count"], "description": _text(number + 3, 160)},
        "limit": {"type": "integer", "minimum": 1, "maximum": 2000, "description": _text(number + 4, 80)},
        "edits": {"type": "array", "items": edit, "minItems": 1},
    }
    schema: Document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "required": ["file_path"],
        "additionalProperties": False,
    }
    return {"name": f"tool_{number}", "description": _text(number, 1200), "input_schema": schema}


def _turns(count: int, size: int) -> list[JSON]:
    """So many messages: a question, then calls and their results in turn."""
    messages: list[JSON] = [{"role": "user", "content": _text(0, size)}]
    for number in range((count - 1) // 2):
        arguments: Document = {"file_path": f"/srv/app/part_{number}.py", "limit": 200, "mode": "content"}
        call: Document = {"type": "tool_use", "id": f"toolu_{number:08}", "name": f"tool_{number % TOOLS}"}
        said: list[JSON] = [{"type": "text", "text": words(number, 12)}, {**call, "input": arguments}]
        result: Document = {"type": "tool_result", "tool_use_id": f"toolu_{number:08}", "content": _text(number, size)}
        messages += [{"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
    if len(messages) < count:
        messages.append({"role": "assistant", "content": words(count, 12)})
    return messages


def _small() -> Document:
    return _request(400, [{"role": "user", "content": _text(7, 350)}], temperature=0.2)


def _agent() -> Document:
    return _request(14_000, _turns(9, 3_000), tools=_tools(), thinking={"type": "enabled", "budget_tokens": 8000})


def _history() -> Document:
    return _request(4_000, [*_turns(199, 600), {"role": "user", "content": "And the tests, too."}], tools=_tools())


def _pictures() -> Document:
    """Noise compresses as badly as a picture does, and is the same each time."""
    noise = random.Random(1)
    parts: list[JSON] = [{"type": "text", "text": "What is the difference between these?"}]
    for _ in range(IMAGES):
        data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + noise.randbytes(390_000)).decode()
        parts.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})
    return _request(400, [{"role": "user", "content": parts}])


SIZES: dict[str, Callable[[], Document]] = {
    "1 KB": _small,
    "100 KB, 24 tools": _agent,
    "200 messages": _history,
    "2 MB, images": _pictures,
}
"""Size -> the request. The second and third have the tools of an agent and its calls' results."""

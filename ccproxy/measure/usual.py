"""The usual way to convert a chunk, for comparison: lines cut from text, the json module, a dict of one protocol made into
a dict of the other, and that written again. It does the common case alone, and nothing of what a converter must watch for.

Only the kinds that come in pieces: text, thinking and a call's arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Piece = tuple[str, Any]
"""Kind and delta; for `arguments` of protocols that send calls whole, the arguments' object."""


def convert(client: str, upstream: str) -> Callable[[bytes], bytes]:
    """Bytes of whole records in, bytes of whole records out."""
    read, write = _READ[upstream], _WRITE[client]
    lines = upstream == "ollama"

    def feed(data: bytes) -> bytes:
        out = []
        for line in data.decode().splitlines():
            if line.startswith("data:"):
                line = line[5:]
            elif not lines:
                continue
            out.append(write(*read(json.loads(line))))
        return "".join(out).encode()

    return feed


def _read_openai(chunk: dict[str, Any]) -> Piece:
    delta = chunk["choices"][0]["delta"]
    if delta.get("tool_calls"):
        return "arguments", delta["tool_calls"][0]["function"]["arguments"]
    if delta.get("reasoning_content"):
        return "thinking", delta["reasoning_content"]
    return "text", delta["content"]


def _read_claude(event: dict[str, Any]) -> Piece:
    delta = event["delta"]
    if delta["type"] == "input_json_delta":
        return "arguments", delta["partial_json"]
    return ("thinking", delta["thinking"]) if delta["type"] == "thinking_delta" else ("text", delta["text"])


_EVENTS = {
    "response.output_text.delta": "text",
    "response.reasoning_summary_text.delta": "thinking",
    "response.function_call_arguments.delta": "arguments",
}


def _read_responses(event: dict[str, Any]) -> Piece:
    return _EVENTS[event["type"]], event["delta"]


def _read_gemini(chunk: dict[str, Any]) -> Piece:
    part = chunk["candidates"][0]["content"]["parts"][0]
    if "functionCall" in part:
        return "arguments", part["functionCall"]["args"]
    return "thinking" if part.get("thought") else "text", part["text"]


def _read_ollama(line: dict[str, Any]) -> Piece:
    message = line["message"]
    if message.get("tool_calls"):
        return "arguments", message["tool_calls"][0]["function"]["arguments"]
    return ("thinking", message["thinking"]) if message.get("thinking") else ("text", message["content"])


def _text(delta: Any) -> str:
    return delta if isinstance(delta, str) else json.dumps(delta)


def _write_openai(kind: str, delta: Any) -> str:
    said: dict[str, Any] = {"content": delta}
    if kind == "thinking":
        said = {"reasoning_content": delta}
    elif kind == "arguments":
        said = {"tool_calls": [{"index": 0, "function": {"arguments": _text(delta)}}]}
    choices = [{"index": 0, "delta": said, "finish_reason": None}]
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return f"data: {json.dumps(chunk)}\n\n"


_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "arguments": ("input_json_delta", "partial_json"),
}


def _write_claude(kind: str, delta: Any) -> str:
    name, member = _DELTAS[kind]
    event = {"type": "content_block_delta", "index": 0, "delta": {"type": name, member: _text(delta)}}
    return f"event: content_block_delta\ndata: {json.dumps(event)}\n\n"


_NAMES = {kind: name for name, kind in _EVENTS.items()}


def _write_responses(kind: str, delta: Any) -> str:
    name = _NAMES[kind]
    event = {"type": name, "sequence_number": 9, "item_id": "msg_1", "output_index": 0, "delta": _text(delta)}
    return f"event: {name}\ndata: {json.dumps(event)}\n\n"


def _write_gemini(kind: str, delta: Any) -> str:
    part: dict[str, Any] = {"text": delta}
    if kind == "thinking":
        part["thought"] = True
    elif kind == "arguments":
        part = {"functionCall": {"name": "Edit", "args": delta}}
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
    return f"data: {json.dumps({'candidates': [candidate], 'modelVersion': 'm', 'responseId': 'r'})}\n\n"


def _write_ollama(kind: str, delta: Any) -> str:
    message: dict[str, Any] = {"role": "assistant", "content": delta}
    if kind == "thinking":
        message = {"role": "assistant", "content": "", "thinking": delta}
    elif kind == "arguments":
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "Edit", "arguments": delta}}]}
    return json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False}) + "\n"


_READ: dict[str, Callable[[dict[str, Any]], Piece]] = {
    "openai": _read_openai,
    "claude": _read_claude,
    "responses": _read_responses,
    "gemini": _read_gemini,
    "ollama": _read_ollama,
}
_WRITE: dict[str, Callable[[str, Any], str]] = {
    "openai": _write_openai,
    "claude": _write_claude,
    "responses": _write_responses,
    "gemini": _write_gemini,
    "ollama": _write_ollama,
}

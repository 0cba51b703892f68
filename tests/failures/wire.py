"""What the tests of field failures share: small wire texts in, what the other side is given out.

asked     a request, as the upstream gets it             answered    a whole answer, as the client gets it
streamed  a stream, as the client gets it, record by record; the same for every cut of its bytes
"""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve

from ccproxy import StreamConverter, convert_request, convert_response, new_context
from ccproxy.codec.ndjson import NDJSONReader
from ccproxy.codec.sse import SSEReader
from ccproxy.model import Context
from tests.tools import cuts

Doc = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def sse(*documents: Any) -> bytes:
    """Events without names, as OpenAI and Gemini send them."""
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


def named(*documents: Doc) -> bytes:
    """Events named by their type, as Claude and Responses send them."""
    return b"".join(b"event: " + document["type"].encode() + b"\n" + sse(document) for document in documents)


def lines(*documents: Doc) -> bytes:
    """Records on lines, as Ollama sends them."""
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def context_for(client: str, upstream: str, **said: Any) -> Context:
    """A context with ids that do not change from run to run."""
    return evolve(new_context(client=client, upstream=upstream, model="m"), id="0" * 24, created=1, **said)


def asked(source: str, target: str, body: Doc, model: str = "m", **call: Any) -> Doc:
    """The request as the upstream gets it."""
    document: Doc = json.loads(convert_request(body, source=source, target=target, model=model, **call).body)
    return document


def answered(client: str, upstream: str, document: Any, **said: Any) -> Doc:
    """The whole answer as the client gets it."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer: Doc = json.loads(convert_response(body, context_for(client, upstream, **said)))
    return answer


def converted(client: str, upstream: str, data: bytes, context: Context | None = None) -> bytes:
    """The stream as the client gets it, which is the same for every cut of the upstream's bytes."""
    found: set[bytes] = set()
    for pieces in cuts(data):
        own = context_for(client, upstream) if context is None else evolve(context, notes=[])
        stream = StreamConverter(own)
        found.add(b"".join([*(stream.feed(piece) for piece in pieces), stream.close()]))
    assert len(found) == 1, "the cuts of the bytes show in the stream"
    return found.pop()


def streamed(client: str, upstream: str, data: bytes, context: Context | None = None) -> list[Doc]:
    """The records of `converted`, without `[DONE]`."""
    return records(client, converted(client, upstream, data, context))


def records(protocol: str, data: bytes) -> list[Doc]:
    """The records of a stream, decoded, without `[DONE]`."""
    reader = NDJSONReader() if protocol == "ollama" else SSEReader()
    return [json.loads(record) for record in [*reader.feed(data), *reader.eof()] if record != b"[DONE]"]


def deltas(events: list[Doc]) -> list[Doc]:
    """The deltas of an OpenAI stream's choices."""
    return [choice["delta"] for event in events for choice in event.get("choices", [])]


def reasons(events: list[Doc]) -> list[str]:
    """The finish reasons of an OpenAI stream."""
    return [choice["finish_reason"] for event in events for choice in event.get("choices", []) if choice["finish_reason"]]


def joined_calls(events: list[Doc]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of an OpenAI stream's calls, put together as clients do that add up every string by index."""
    calls: dict[int, list[str]] = {}
    for delta in deltas(events):
        for entry in delta.get("tool_calls", []):
            call = calls.setdefault(entry["index"], ["", "", ""])
            function = entry.get("function", {})
            for place, piece in enumerate((entry.get("id"), function.get("name"), function.get("arguments"))):
                call[place] += piece or ""
    return [(call[0], call[1], call[2]) for _, call in sorted(calls.items())]


def blocks(events: list[Doc]) -> list[Doc]:
    """The content of a Claude stream's message. Asserts the order that its SDKs demand: one message_start first, blocks one
    at a time with indices that count up, deltas of their block's own type, then message_delta and message_stop."""
    fits = {"text_delta": "text", "citations_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}
    events = [event for event in events if event["type"] != "ping"]
    assert [event["type"] for event in events].count("message_start") == 1
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    content: list[Doc] = []
    open_at: int | None = None
    for event in events[1:-2]:
        kind, at = event["type"], event["index"]
        if kind == "content_block_start":
            assert open_at is None
            assert at == len(content)
            open_at = at
            content.append(dict(event["content_block"]))
            continue
        assert at == open_at
        if kind == "content_block_stop":
            open_at = None
            continue
        delta = event["delta"]
        block = content[at]
        assert block["type"] == fits.get(delta["type"], block["type"])
        for key, value in delta.items():
            if key == "partial_json":
                block["json"] = block.get("json", "") + value
            elif key != "type":
                block[key] = block.get(key, "") + value if isinstance(value, str) else value
    assert open_at is None
    return [_with_input(block) for block in content]


def _with_input(block: Doc) -> Doc:
    """A call's input from its pieces."""
    pieces = block.pop("json", None)
    return block if pieces is None else {**block, "input": json.loads(pieces or "{}")}


# ---------------------------------------------------------------------------------------------------------------------
# OpenAI's chunks, since most upstreams send these


def chunk(finish: str | None = None, **delta: Any) -> Doc:
    """One chunk of an OpenAI stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}


def call(
    index: int | None, id: str | None = None, name: str | None = None, arguments: str | None = None, **more: Any
) -> Doc:
    """One chunk with a piece of a tool call; what is None is not said."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    entry = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return chunk(tool_calls=[{**entry, **more, "function": function}])


def openai_stream(*chunks: Doc, finish: str | None = "stop") -> bytes:
    """A stream of these chunks, ended as OpenAI does."""
    return sse(chunk(role="assistant", content=""), *chunks, *([chunk(finish)] if finish else [])) + DONE


# ---------------------------------------------------------------------------------------------------------------------
# What a client hears, whatever its protocol


def heard_calls(client: str, events: list[Doc]) -> list[tuple[str, Any]]:
    """(name, arguments) of the tool calls in a stream."""
    return [(name, arguments) for _, name, arguments in _CALLS[client](events)]


def heard_ids(client: str, events: list[Doc]) -> list[str]:
    """The ids of the tool calls in a stream."""
    return [id for id, _, _ in _CALLS[client](events)]


def heard_text(client: str, events: list[Doc]) -> str:
    """The visible text of a stream."""
    return "".join(_TEXTS[client](events))


def heard_finish(client: str, events: list[Doc]) -> str:
    """Why the answer ended, in the client's own word."""
    reason: str = _REASONS[client](events)
    return reason


def _gemini_parts(events: list[Doc]) -> list[Doc]:
    return [part for event in events for one in event.get("candidates", []) for part in one["content"].get("parts", [])]


def _responses_items(events: list[Doc], kind: str) -> list[Doc]:
    return [
        event["item"] for event in events if event["type"] == "response.output_item.done" and event["item"]["type"] == kind
    ]


_CALLS: dict[str, Any] = {
    "openai": lambda events: [(id, name, json.loads(text)) for id, name, text in joined_calls(events)],
    "responses": lambda events: [
        (item["call_id"], item["name"], json.loads(item["arguments"])) for item in _responses_items(events, "function_call")
    ],
    "claude": lambda events: [(b["id"], b["name"], b["input"]) for b in blocks(events) if b["type"] == "tool_use"],
    "gemini": lambda events: [
        (part["functionCall"]["id"], part["functionCall"]["name"], part["functionCall"]["args"])
        for part in _gemini_parts(events)
        if "functionCall" in part
    ],
    "ollama": lambda events: [
        (one["id"], one["function"]["name"], one["function"]["arguments"])
        for event in events
        for one in event["message"].get("tool_calls", [])
    ],
}
_TEXTS: dict[str, Any] = {
    "openai": lambda events: [delta.get("content") or "" for delta in deltas(events)],
    "responses": lambda events: [
        part["text"] for item in _responses_items(events, "message") for part in item["content"] if "text" in part
    ],
    "claude": lambda events: [block["text"] for block in blocks(events) if block["type"] == "text"],
    "gemini": lambda events: [part.get("text", "") for part in _gemini_parts(events) if not part.get("thought")],
    "ollama": lambda events: [event["message"].get("content", "") for event in events],
}
_REASONS: dict[str, Any] = {
    "openai": lambda events: reasons(events)[0],
    "responses": lambda events: (events[-1]["response"]["incomplete_details"] or {}).get("reason", events[-1]["type"]),
    "claude": lambda events: events[-2]["delta"]["stop_reason"],
    "gemini": lambda events: events[-1]["candidates"][0]["finishReason"],
    "ollama": lambda events: events[-1]["done_reason"],
}
CLIENTS = tuple(_CALLS)

"""Streams as the providers send them, written for the measurements: member order, sizes and habits are those of current
traffic (OpenAI pads its chunks, Gemini counts in every chunk and sends calls whole, Responses repeats all in its last
event).

A script is one kind of record in its place: what comes before it in a stream, and the records that are measured.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable
from functools import cache

from attrs import frozen

from ccproxy.codec import jsontext
from ccproxy.model import JSON

KINDS = ("text", "thinking", "arguments", "usage", "finish")
"""What is measured of a stream. arguments: of a tool call, in pieces, or the whole call where the protocol has no pieces.
usage: the record that counts. finish: the record that tells the end; in ollama and responses that is the same one."""

COUNT = 64
"""Records of one measurement."""

_PROSE = (
    "The proxy keeps one connection to every upstream and writes what came in one read with one write , so that a reader"
    " never waits for a second packet while the first is already there ; a table of small functions says what each event"
    " means to the client"
)
WORDS = [f" {word}" for word in _PROSE.split()]
"""Pieces of text as models make them: short, a space in front."""

Document = dict[str, JSON]


@frozen
class Script:
    """lead: the payloads before those that are measured. measured: payloads in order, of one stream. single: a stream has
    them once; else they are many of a kind. ends: the end of the body belongs to them."""

    lead: list[bytes]
    measured: list[bytes]
    single: bool = False
    ends: bool = False


@cache
def scripts(protocol: str) -> dict[str, Script]:
    """Kind -> how an upstream of that protocol says it."""
    return _SCRIPTS[protocol]()


def framed(protocol: str, payload: bytes) -> bytes:
    """The payload as its provider frames it."""
    return _FRAMES.get(protocol, _event)(payload)


def words(number: int, count: int = 1) -> str:
    """`count` words, others for each number."""
    return "".join(WORDS[(number * count + place) % len(WORDS)] for place in range(count))


def _payloads(documents: Iterable[JSON]) -> list[bytes]:
    return [jsontext.dumps(document) for document in documents]


def _many(lead: Iterable[JSON], make: Callable[[int], JSON]) -> Script:
    return Script(_payloads(lead), _payloads(make(number) for number in range(COUNT)))


def _once(lead: Iterable[JSON], *measured: JSON, ends: bool = False) -> Script:
    return Script(_payloads(lead), _payloads(measured), single=True, ends=ends)


def _padding(*said: str) -> str:
    """What OpenAI adds to each chunk so that lengths tell nothing: letters and digits at random, so many that they and the
    delta are a multiple of 16 characters."""
    text = "".join(said)
    return "".join(random.Random(text).choices(_PLAIN, k=16 - len(text) % 16))


def _argument_piece(number: int) -> str:
    return '{"file_path": "/srv/app/orders.py", "content": "' if number == 0 else words(number)


_ARGUMENTS: Document = {
    "file_path": "/srv/app/handlers/orders.py",
    "old_string": "    return Order(**row)\n",
    "new_string": "    return Order.from_row(row, strict=True)\n",
    "replace_all": False,
}
_SAID = words(0, 60)
_PLAIN = string.ascii_letters + string.digits

# ---------------------------------------------------------------------------------------------------------------------
# OpenAI chat completions


def _chunk(delta: Document, finish: str | None = None, **more: JSON) -> Document:
    return {
        "id": "chatcmpl-D7aQ0yPzbench00000000000000",
        "object": "chat.completion.chunk",
        "created": 1770000000,
        "model": "gpt-5-mini-2025-08-07",
        "service_tier": "default",
        "system_fingerprint": None,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        "usage": None,
        "obfuscation": _padding(*map(str, delta.values())),
        **more,
    }


def _openai() -> dict[str, Script]:
    start = _chunk({"role": "assistant", "content": "", "refusal": None})
    said = [start, _chunk({"content": " Well"})]
    thought = [start, _chunk({"content": None, "reasoning_content": " Well"})]
    call: Document = {"index": 0, "id": "call_Ab3bench0000000000000001", "type": "function"}
    named = [start, _chunk({"tool_calls": [{**call, "function": {"name": "Edit", "arguments": ""}}]})]
    counts: Document = {
        "prompt_tokens": 2048,
        "completion_tokens": 512,
        "total_tokens": 2560,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
    }
    usage = _once([*said, _chunk({}, "stop")], _chunk({}, choices=[], usage=counts))
    return {
        "text": _many(said, lambda n: _chunk({"content": words(n)})),
        "thinking": _many(thought, lambda n: _chunk({"content": None, "reasoning_content": words(n)})),
        "arguments": _many(
            named, lambda n: _chunk({"tool_calls": [{"index": 0, "function": {"arguments": _argument_piece(n)}}]})
        ),
        "usage": Script(usage.lead, [*usage.measured, b"[DONE]"], single=True),
        "finish": _once(said, _chunk({}, "stop")),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Anthropic Messages


def _claude() -> dict[str, Script]:
    counts: Document = {"input_tokens": 1024, "cache_read_input_tokens": 1024, "output_tokens": 1}
    message: Document = {
        "model": "claude-sonnet-4-5-20250929",
        "id": "msg_01BenchBenchBenchBench",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**counts, "cache_creation_input_tokens": 0, "service_tier": "standard"},
    }
    start: Document = {"type": "message_start", "message": message}

    def block(content: Document) -> Document:
        return {"type": "content_block_start", "index": 0, "content_block": content}

    def delta(kind: str, member: str, text: str) -> Document:
        return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, member: text}}

    said = [start, block({"type": "text", "text": ""}), delta("text_delta", "text", "Well")]
    thought = [start, block({"type": "thinking", "thinking": "", "signature": ""})]
    named = [start, block({"type": "tool_use", "id": "toolu_01BenchBenchBench", "name": "Edit", "input": {}})]
    stopped = [*said, {"type": "content_block_stop", "index": 0}]
    total: Document = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {**counts, "cache_creation_input_tokens": 0, "output_tokens": 512},
    }
    return {
        "text": _many(said, lambda n: delta("text_delta", "text", words(n))),
        "thinking": _many(
            [*thought, delta("thinking_delta", "thinking", "Well")],
            lambda n: delta("thinking_delta", "thinking", words(n)),
        ),
        "arguments": _many(
            [*named, delta("input_json_delta", "partial_json", "")],
            lambda n: delta("input_json_delta", "partial_json", _argument_piece(n)),
        ),
        "usage": _once(stopped, total),
        "finish": _once([*stopped, total], {"type": "message_stop"}),
    }


# ---------------------------------------------------------------------------------------------------------------------
# OpenAI Responses


def _response(status: str, **more: JSON) -> Document:
    """The response object as it stands at both ends of a stream, with the request's members repeated."""
    return {
        "id": "resp_0bench00000000000000000000000000000000000000000",
        "object": "response",
        "created_at": 1770000000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": "You are a careful engineer.",
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "gpt-5-2025-08-07",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "safety_identifier": None,
        "service_tier": "auto",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
        **more,
    }


def _event_of(type: str, number: int, **more: JSON) -> Document:
    return {"type": type, "sequence_number": number, **more}


_ITEM = "msg_0bench0000000000000000000000000000000000000000"


def _delta_of(type: str, number: int, delta: str, **more: JSON) -> Document:
    return _event_of(type, number + 8, item_id=_ITEM, output_index=0, delta=delta, obfuscation=_padding(delta), **more)


def _responses() -> dict[str, Script]:
    begun = [
        _event_of("response.created", 0, response=_response("in_progress")),
        _event_of("response.in_progress", 1, response=_response("in_progress")),
    ]

    def opened(item: Document, part: Document | None = None, kind: str = "content_part", key: str = "") -> list[JSON]:
        added: JSON = _event_of("response.output_item.added", 2, output_index=0, item={"id": _ITEM, **item})
        place: Document = {"item_id": _ITEM, "output_index": 0, key: 0}
        return [*begun, added, *([_event_of(f"response.{kind}.added", 3, **place, part=part)] if part else [])]

    message: Document = {"type": "message", "status": "in_progress", "content": [], "role": "assistant"}
    text: Document = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    part: Document = {**text, "text": _SAID}
    place: Document = {"item_id": _ITEM, "output_index": 0, "content_index": 0}
    whole: Document = {**message, "id": _ITEM, "status": "completed", "content": [part]}
    said = opened(message, text, key="content_index")

    def text_delta(number: int, delta: str) -> Document:
        return _delta_of("response.output_text.delta", number, delta, content_index=0, logprobs=[])

    def thought_delta(number: int, delta: str) -> Document:
        return _delta_of("response.reasoning_summary_text.delta", number, delta, summary_index=0)

    counts: Document = {
        "input_tokens": 2048,
        "input_tokens_details": {"cached_tokens": 1024},
        "output_tokens": 512,
        "output_tokens_details": {"reasoning_tokens": 128},
        "total_tokens": 2560,
    }
    last = _once(
        [
            *said,
            text_delta(0, _SAID),
            _event_of("response.output_text.done", 9, **place, text=_SAID, logprobs=[]),
            _event_of("response.content_part.done", 10, **place, part=part),
            _event_of("response.output_item.done", 11, output_index=0, item=whole),
        ],
        _event_of("response.completed", 12, response=_response("completed", output=[whole], usage=counts)),
    )
    call: Document = {"type": "function_call", "status": "in_progress", "call_id": "call_0bench", "name": "Edit"}
    thought = opened(
        {"type": "reasoning", "summary": []},
        {"type": "summary_text", "text": ""},
        "reasoning_summary_part",
        "summary_index",
    )
    return {
        "text": _many([*said, text_delta(-1, "Well")], lambda n: text_delta(n, words(n))),
        "thinking": _many([*thought, thought_delta(-1, "Well")], lambda n: thought_delta(n, words(n))),
        "arguments": _many(
            opened({**call, "arguments": ""}),
            lambda n: _delta_of("response.function_call_arguments.delta", n, _argument_piece(n)),
        ),
        "usage": last,
        "finish": last,
    }


# ---------------------------------------------------------------------------------------------------------------------
# Gemini


def _generated(part: Document, number: int = COUNT - 1, finish: str = "") -> Document:
    """The counts grow from chunk to chunk."""
    candidate: Document = {"content": {"parts": [part], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    counts: Document = {
        "promptTokenCount": 2048,
        "candidatesTokenCount": 385 - COUNT + number,
        "totalTokenCount": 2561 - COUNT + number,
        "cachedContentTokenCount": 1024,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 2048}],
        "thoughtsTokenCount": 128,
    }
    rest: Document = {"modelVersion": "gemini-3-flash-preview", "responseId": "lUyWbenchbenchbenchbenQ"}
    return {"candidates": [candidate], "usageMetadata": counts, **rest}


def _gemini() -> dict[str, Script]:
    said = [_generated({"text": "Well"}, 0)]
    call: Document = {"functionCall": {"name": "Edit", "args": _ARGUMENTS, "id": "call-1"}}
    return {
        "text": _many(said, lambda n: _generated({"text": words(n, 12)}, n)),
        "thinking": _many(
            [_generated({"text": "Well", "thought": True}, 0)],
            lambda n: _generated({"text": words(n, 24), "thought": True}, n),
        ),
        "arguments": _many(said, lambda n: _generated(call, n)),
        "usage": _many(said, lambda n: _generated({"text": ""}, n)),
        "finish": _once(said, _generated({"text": ""}, finish="STOP"), ends=True),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Ollama


def _line(message: Document, number: int = 0, **more: JSON) -> Document:
    """The time goes on from line to line, as fast as a small model speaks."""
    return {
        "model": "qwen3:8b",
        "created_at": f"2026-02-03T04:05:06.{100_000 + number * 9_487:06}Z",
        "message": {"role": "assistant", "content": "", **message},
        "done": False,
        **more,
    }


def _ollama() -> dict[str, Script]:
    said = [_line({"content": "Well"})]
    call: Document = {"id": "call_bench", "function": {"index": 0, "name": "Edit", "arguments": _ARGUMENTS}}
    counts: Document = {
        "total_duration": 4648158584,
        "load_duration": 71517,
        "prompt_eval_count": 2048,
        "prompt_eval_duration": 13093917,
        "eval_count": 512,
        "eval_duration": 4551229416,
    }
    last = _once(said, _line({}, done=True, done_reason="stop", **counts))
    return {
        "text": _many(said, lambda n: _line({"content": words(n)}, n)),
        "thinking": _many([_line({"thinking": "Well"})], lambda n: _line({"thinking": words(n)}, n)),
        "arguments": _many(said, lambda n: _line({"tool_calls": [call]}, n)),
        "usage": last,
        "finish": last,
    }


_SCRIPTS: dict[str, Callable[[], dict[str, Script]]] = {
    "openai": _openai,
    "responses": _responses,
    "claude": _claude,
    "gemini": _gemini,
    "ollama": _ollama,
}

# ---------------------------------------------------------------------------------------------------------------------
# Framing


def _event(payload: bytes) -> bytes:
    return b"data: %b\n\n" % payload


def _named_event(payload: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (jsontext.loads(payload)["type"].encode(), payload)


_FRAMES: dict[str, Callable[[bytes], bytes]] = {
    "claude": _named_event,
    "responses": _named_event,
    "gemini": lambda payload: b"data: %b\r\n\r\n" % payload,
    "ollama": lambda payload: payload + b"\n",
}

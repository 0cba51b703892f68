"""A Meaning as each protocol's upstream would put it on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.meaning import Meaning


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


def _data(*documents: Any, end: str = "\n\n") -> bytes:
    return "".join(f"data: {json.dumps(document, ensure_ascii=False)}{end}" for document in documents).encode()


def _named(*documents: dict[str, Any]) -> bytes:
    return b"".join(b"event: " + document["type"].encode() + b"\n" + _data(document) for document in documents)


# OpenAI chat completions


def _openai_usage(meaning: Meaning) -> dict[str, Any]:
    return {
        "prompt_tokens": meaning.input,
        "completion_tokens": meaning.output,
        "total_tokens": meaning.input + meaning.output,
        "prompt_tokens_details": {"cached_tokens": meaning.cached},
    }


def openai_stream(meaning: Meaning) -> bytes:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"reasoning_content": piece}) for piece in _halves(meaning.thinking) if piece]
    chunks += [chunk({"content": piece}) for piece in _halves(meaning.text) if piece]
    if meaning.breaks:
        return _data(*chunks, {"error": {"message": "it broke", "type": "server_error", "code": None}})
    for number, call in enumerate(meaning.calls):
        function = {"name": call.name, "arguments": ""}
        chunks.append(chunk({"tool_calls": [{"index": number, "id": call.id, "type": "function", "function": function}]}))
    for half in (0, 1):  # the calls interleave
        for number, call in enumerate(meaning.calls):
            piece = _halves(json.dumps(call.arguments))[half]
            chunks.append(chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]}))
    chunks.append(chunk({}, meaning.finish))
    chunks.append({**chunk({}), "choices": [], "usage": _openai_usage(meaning)})
    return _data(*chunks) + b"data: [DONE]\n\n"


def openai_answer(meaning: Meaning) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": meaning.text or None}
    if meaning.thinking:
        message["reasoning_content"] = meaning.thinking
    if meaning.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
            for call in meaning.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": meaning.finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "up",
        "choices": [choice],
        "usage": _openai_usage(meaning),
    }


def openai_error(status: int) -> dict[str, Any]:
    return {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}}


# OpenAI Responses


def _responses_items(meaning: Meaning) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if meaning.thinking:
        summary = [{"type": "summary_text", "text": meaning.thinking}]
        items.append({"type": "reasoning", "id": "rs_1", "summary": summary})
    if meaning.text:
        part = {"type": "output_text", "text": meaning.text, "annotations": [], "logprobs": []}
        items.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]})
    for number, call in enumerate(meaning.calls):
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": call.id,
                "name": call.name,
                "arguments": json.dumps(call.arguments),
                "status": "completed",
            }
        )
    return items


def responses_answer(meaning: Meaning) -> dict[str, Any]:
    cut = meaning.finish == "length"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": None,
        "model": "up",
        "output": _responses_items(meaning),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": meaning.input,
            "input_tokens_details": {"cached_tokens": meaning.cached},
            "output_tokens": meaning.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": meaning.input + meaning.output,
        },
    }


def _responses_text(item: dict[str, Any], place: dict[str, Any], text: str, summary: bool) -> list[dict[str, Any]]:
    kind = "reasoning_summary_text" if summary else "output_text"
    at = {**place, "summary_index": 0} if summary else {**place, "content_index": 0}
    part = {"type": "summary_text", "text": ""} if summary else {"type": "output_text", "text": "", "annotations": []}
    part_event = "reasoning_summary_part" if summary else "content_part"
    extra = {} if summary else {"logprobs": []}
    deltas = [{"type": f"response.{kind}.delta", **at, "delta": piece, **extra} for piece in _halves(text) if piece]
    return [
        {"type": f"response.{part_event}.added", **at, "part": part},
        *deltas,
        {"type": f"response.{kind}.done", **at, "text": text, **extra},
        {"type": f"response.{part_event}.done", **at, "part": {**part, "text": text}},
    ]


def responses_stream(meaning: Meaning) -> bytes:
    final = responses_answer(meaning)
    begun = {**final, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    calls: list[tuple[dict[str, Any], dict[str, Any], str]] = []
    for number, item in enumerate(final["output"]):
        place = {"item_id": item["id"], "output_index": number}
        if item["type"] == "function_call":
            events.append(_added(number, {**item, "arguments": "", "status": "in_progress"}))
            calls.append((item, place, item["arguments"]))
            continue
        summary = item["type"] == "reasoning"
        empty = {**item, "summary": []} if summary else {**item, "content": [], "status": "in_progress"}
        text = meaning.thinking if summary else meaning.text
        events += [_added(number, empty), *_responses_text(item, place, text, summary)]
        if meaning.breaks:
            failed = {**begun, "status": "failed", "error": {"code": "server_error", "message": "it broke"}}
            return _numbered([*events, {"type": "response.failed", "response": failed}])
        events.append({"type": "response.output_item.done", "output_index": number, "item": item})
    for half in (0, 1):  # the calls interleave
        for _, place, text in calls:
            piece = _halves(text)[half]
            events.append({"type": "response.function_call_arguments.delta", **place, "delta": piece})
    for item, place, text in calls:
        events.append({"type": "response.function_call_arguments.done", **place, "arguments": text, "name": item["name"]})
        events.append({"type": "response.output_item.done", "output_index": place["output_index"], "item": item})
    events.append({"type": f"response.{final['status']}", "response": final})
    return _numbered(events)


def _added(number: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": number, "item": item}


def _numbered(events: list[dict[str, Any]]) -> bytes:
    return _named(*({**event, "sequence_number": number} for number, event in enumerate(events)))


def responses_error(status: int) -> dict[str, Any]:
    return openai_error(status)


# Claude Messages

_CLAUDE_STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def _claude_blocks(meaning: Meaning) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if meaning.thinking:
        blocks.append({"type": "thinking", "thinking": meaning.thinking, "signature": "c2lnbmVk"})
    if meaning.text:
        blocks.append({"type": "text", "text": meaning.text})
    for call in meaning.calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
    return blocks


def claude_answer(meaning: Meaning) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "up",
        "content": _claude_blocks(meaning),
        "stop_reason": _CLAUDE_STOP[meaning.finish],
        "stop_sequence": None,
        "usage": {
            "input_tokens": meaning.input - meaning.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": meaning.cached,
            "output_tokens": meaning.output,
        },
    }


def claude_stream(meaning: Meaning) -> bytes:
    whole = claude_answer(meaning)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for number, block in enumerate(whole["content"]):
        empty = {
            "thinking": {**block, "thinking": "", "signature": ""},
            "text": {**block, "text": ""},
            "tool_use": {**block, "input": {}},
        }[block["type"]]
        events.append({"type": "content_block_start", "index": number, "content_block": empty})
        for delta in _claude_deltas(block):
            events.append({"type": "content_block_delta", "index": number, "delta": delta})
        if meaning.breaks:
            return _named(*events, {"type": "error", "error": {"type": "overloaded_error", "message": "it broke"}})
        events.append({"type": "content_block_stop", "index": number})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": meaning.output}})
    return _named(*events, {"type": "message_stop"})


def _claude_deltas(block: dict[str, Any]) -> list[dict[str, Any]]:
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _halves(block["thinking"])]
        return [*deltas, {"type": "signature_delta", "signature": block["signature"]}]
    if block["type"] == "text":
        return [{"type": "text_delta", "text": piece} for piece in _halves(block["text"])]
    pieces = ("", *_halves(json.dumps(block["input"])))
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def claude_error(status: int) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}, "request_id": "req_1"}


# Gemini generateContent

_GEMINI_STOP = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}


def _gemini_chunk(parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "up", "responseId": "r1"}


def _gemini_usage(meaning: Meaning) -> dict[str, Any]:
    return {
        "usageMetadata": {
            "promptTokenCount": meaning.input,
            "cachedContentTokenCount": meaning.cached,
            "candidatesTokenCount": meaning.output - 2,
            "thoughtsTokenCount": 2,
            "totalTokenCount": meaning.input + meaning.output,
        }
    }


def _gemini_calls(meaning: Meaning) -> list[dict[str, Any]]:
    return [{"functionCall": {"name": call.name, "args": call.arguments}} for call in meaning.calls]


def gemini_stream(meaning: Meaning) -> bytes:
    chunks = [_gemini_chunk([{"text": piece, "thought": True}]) for piece in _halves(meaning.thinking) if piece]
    chunks += [_gemini_chunk([{"text": piece}]) for piece in _halves(meaning.text) if piece]
    if meaning.breaks:
        return _data(*chunks, {"error": {"code": 503, "message": "it broke", "status": "UNAVAILABLE"}}, end="\r\n\r\n")
    if meaning.calls:
        chunks.append(_gemini_chunk(_gemini_calls(meaning)))
    chunks.append({**_gemini_chunk([{"text": ""}], _GEMINI_STOP[meaning.finish]), **_gemini_usage(meaning)})
    return _data(*chunks, end="\r\n\r\n")


def gemini_answer(meaning: Meaning) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if meaning.thinking:
        parts.append({"text": meaning.thinking, "thought": True})
    if meaning.text:
        parts.append({"text": meaning.text})
    parts += _gemini_calls(meaning)
    return {**_gemini_chunk(parts, _GEMINI_STOP[meaning.finish]), **_gemini_usage(meaning)}


def gemini_error(status: int) -> dict[str, Any]:
    return {"error": {"code": status, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}


# Ollama chat

_OLLAMA_STOP = {"stop": "stop", "length": "length", "tool_calls": "stop"}


def _ollama_line(message: dict[str, Any]) -> dict[str, Any]:
    at = "2026-01-01T00:00:00.000000001Z"
    return {"model": "up", "created_at": at, "message": {"role": "assistant", "content": "", **message}, "done": False}


def _ollama_end(meaning: Meaning) -> dict[str, Any]:
    return {
        "done": True,
        "done_reason": _OLLAMA_STOP[meaning.finish],
        "total_duration": 5,
        "load_duration": 1,
        "prompt_eval_count": meaning.input,
        "prompt_eval_duration": 2,
        "eval_count": meaning.output,
        "eval_duration": 2,
    }


def _ollama_calls(meaning: Meaning) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"name": call.name, "arguments": call.arguments}} for call in meaning.calls]}


def ollama_stream(meaning: Meaning) -> bytes:
    lines = [_ollama_line({"thinking": piece}) for piece in _halves(meaning.thinking) if piece]
    lines += [_ollama_line({"content": piece}) for piece in _halves(meaning.text) if piece]
    if meaning.breaks:
        lines.append({"error": "it broke"})
    else:
        if meaning.calls:
            lines.append(_ollama_line(_ollama_calls(meaning)))
        lines.append({**_ollama_line({}), **_ollama_end(meaning)})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def ollama_answer(meaning: Meaning) -> dict[str, Any]:
    message: dict[str, Any] = {"content": meaning.text}
    if meaning.thinking:
        message["thinking"] = meaning.thinking
    if meaning.calls:
        message.update(_ollama_calls(meaning))
    return {**_ollama_line(message), **_ollama_end(meaning)}


def ollama_error(status: int) -> dict[str, Any]:
    return {"error": "slow down"}


STREAMS: dict[str, Callable[[Meaning], bytes]] = {
    "openai": openai_stream,
    "responses": responses_stream,
    "claude": claude_stream,
    "gemini": gemini_stream,
    "ollama": ollama_stream,
}
ANSWERS: dict[str, Callable[[Meaning], dict[str, Any]]] = {
    "openai": openai_answer,
    "responses": responses_answer,
    "claude": claude_answer,
    "gemini": gemini_answer,
    "ollama": ollama_answer,
}
ERRORS: dict[str, Callable[[int], dict[str, Any]]] = {
    "openai": openai_error,
    "responses": responses_error,
    "claude": claude_error,
    "gemini": gemini_error,
    "ollama": ollama_error,
}
CONTENT_TYPES = {
    "openai": "text/event-stream; charset=utf-8",
    "responses": "text/event-stream; charset=utf-8",
    "claude": "text/event-stream; charset=utf-8",
    "gemini": "text/event-stream",
    "ollama": "application/x-ndjson",
}

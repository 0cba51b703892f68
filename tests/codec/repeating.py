"""Streams for the test of repeats: runs of records that differ in their texts, and now and then in anything else.

A record is a document with holes: `WORDS` for what its texts say, `COUNT` for what changes all the time. Everything else
stays within a run, mostly, and the alphabet of texts is small, so that texts also stand where others do.
"""

from __future__ import annotations

import json
import random
from typing import Any

Document = dict[str, Any]

WORDS, COUNT = "\ue000", "\ue001"
TEXTS = (
    "",
    "a",
    "b",
    "ab",
    " ",
    "\n",
    "é",
    "😀",
    "\ud83d",
    '"',
    "\\",
    "}}",
    "null",
    "{}",
    "0",
    "c1",
    "[DONE]",
    "\u2028",
    "a" * 40,
)


class Chance(random.Random):
    """Draws."""

    def maybe(self, of: int = 4) -> bool:
        return self.randrange(of) == 0

    def some(self, members: dict[str, list[Any]], of: int = 4) -> Document:
        """Each member with a chance of one in `of`, in any order."""
        names = [name for name in members if self.maybe(of)]
        self.shuffle(names)
        return {name: self.choice(members[name]) for name in names}


def _openai_call(chance: Chance) -> Document:
    key, body = ("function", "arguments") if chance.randrange(5) else ("custom", "input")
    inner: Document = {body: chance.choice([WORDS, WORDS, WORDS, {}, None])}
    if chance.maybe(3):
        inner["name"] = chance.choice(["f", "g", ""])
    return {
        **chance.some({"index": [0, 1, None], "id": ["c1", "c2", "", COUNT]}, 2),
        **chance.some({"type": ["function", "custom", None]}),
        key: inner,
    }


def _openai_delta(chance: Chance) -> Document:
    detail = {
        "type": "reasoning.text",
        **chance.some({"text": [WORDS], "format": ["x"], "signature": ["s"], "data": ["d"]}, 2),
    }
    usual: list[Document] = [
        {"content": WORDS},
        {"reasoning_content": WORDS},
        {"reasoning": WORDS, "reasoning_details": [detail]},
        {"content": "", "reasoning_details": [detail]},
        {"tool_calls": [_openai_call(chance) for _ in range(chance.choice([1, 1, 1, 2]))]},
        {"function_call": chance.some({"name": ["f"], "arguments": [WORDS]}, 1)},
    ]
    more = {
        "role": ["assistant", None],
        "content": [WORDS, "", None, [{"type": "text", "text": WORDS}]],
        "refusal": [WORDS, None],
        "reasoning": [WORDS, None],
        "annotations": [[], [{"type": "url_citation", "url_citation": {"url": "u", "title": WORDS}}]],
        "audio": [{"transcript": WORDS}],
    }
    return {**chance.choice(usual), **chance.some(more, 12)}


def openai(chance: Chance) -> Document:
    choices = []
    for _ in range(chance.choice([1, 1, 1, 1, 2])):
        choice = {"delta": _openai_delta(chance), "index": chance.choice([0, 0, 0, 1])}
        choice |= chance.some({"finish_reason": [None, None, "stop"], "logprobs": [None, {"content": [{"token": WORDS}]}]})
        choices.append(choice)
    more = {
        "id": ["c1", COUNT],
        "created": [1, COUNT],
        "model": ["m", "a"],
        "usage": [None, {"prompt_tokens": 3, "completion_tokens": COUNT}, {"prompt_tokens": 3, "completion_tokens": 2}],
        "obfuscation": ["x", COUNT],
        "error": [None, {"message": WORDS}],
    }
    return {**chance.some(more, 3), "choices": choices}


def claude(chance: Chance) -> Document:
    index = chance.choice([0, 1])
    deltas: list[Document] = [
        {"type": "text_delta", "text": WORDS},
        {"type": "thinking_delta", "thinking": WORDS},
        {"type": "input_json_delta", "partial_json": WORDS},
        {"type": "signature_delta", "signature": WORDS},
        {"type": "citations_delta", "citation": {"type": "web_search_result_location", "url": WORDS}},
        {"type": "other_delta", "text": WORDS},
    ]
    blocks: list[Document] = [
        {"type": "text", "text": chance.choice(["", WORDS])},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "tool_use", "id": chance.choice(["c1", "c2"]), "name": "f", "input": {}},
        {"type": "server_tool_use", "id": "c1", "name": "f", "input": {}},
    ]
    delta = {
        "type": "content_block_delta",
        "index": index,
        "delta": {**chance.choice(deltas), **chance.some({"text": [WORDS]}, 12)},
    }
    return chance.choice(
        [
            delta,
            delta,
            delta,
            delta,
            {"type": "content_block_start", "index": index, "content_block": chance.choice(blocks)},
            {"type": "content_block_stop", "index": index},
            {"type": "ping"},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": COUNT}},
        ]
    )


def responses(chance: Chance) -> Document:
    place = chance.some({"item_id": ["c1", "c2"], "output_index": [0, 1]}, 2)
    count = chance.some({"sequence_number": [COUNT, COUNT, 1], "obfuscation": ["x", COUNT]}, 2)
    part = chance.some({"content_index": [0, 1], "summary_index": [0, 1]}, 2)
    kinds = (
        "output_text",
        "refusal",
        "reasoning_summary_text",
        "reasoning_text",
        "function_call_arguments",
        "custom_tool_call_input",
    )
    items: list[Document] = [
        {"type": "message", "content": [{"type": "output_text", "text": WORDS}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": WORDS}]},
        {"type": "function_call", "call_id": chance.choice(["c1", "c2"]), "name": "f", "arguments": WORDS},
        {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": WORDS},
    ]
    item = {**chance.choice(items), **chance.some({"id": ["c1", "c2"]}, 2)}
    delta = {"type": f"response.{chance.choice(kinds)}.delta", **part, "delta": WORDS}
    event = chance.choice(
        [
            delta,
            delta,
            delta,
            {"type": f"response.{chance.choice(kinds)}.done", **part, "text": WORDS, "arguments": WORDS},
            {"type": "response.output_item.added", "item": item},
            {"type": "response.output_item.done", "item": item},
            {"type": "response.output_text.annotation.added", "annotation": {"type": "url_citation", "url": WORDS}},
        ]
    )
    return {**event, **place, **count}


def gemini(chance: Chance) -> Document:
    def part() -> Document:
        signed = chance.some({"thought": [True, False], "thoughtSignature": ["s", WORDS]}, 5)
        call = {
            "functionCall": {"name": "f", "args": {"x": WORDS}, **chance.some({"id": ["c1", "c2"], "willContinue": [True]})}
        }
        return {**chance.choice([{"text": WORDS}, {"text": WORDS}, {"text": WORDS}, {"text": WORDS}, call]), **signed}

    candidates = []
    for _ in range(chance.choice([1, 1, 1, 1, 2])):
        candidate = {"content": {"parts": [part() for _ in range(chance.choice([1, 1, 1, 2]))], "role": "model"}}
        ends = {
            "finishReason": [None, None, "STOP"],
            "groundingMetadata": [{"webSearchQueries": [WORDS]}],
            "index": [0, 0, 0, 1],
        }
        candidates.append({**candidate, **chance.some(ends, 5)})
    counted = {"promptTokenCount": COUNT, "candidatesTokenCount": COUNT, "totalTokenCount": COUNT}
    zeros = {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}
    return {
        "candidates": candidates,
        **chance.some({"usageMetadata": [counted, counted, zeros, {}]}, 2),
        **chance.some({"responseId": ["r", COUNT], "modelVersion": ["m"], "promptFeedback": [{}]}, 8),
    }


def ollama(chance: Chance) -> Document:
    message: Document = {"role": "assistant", **chance.some({"content": [WORDS, WORDS, ""], "thinking": [WORDS]}, 2)}
    call = {"function": {"name": "f", "arguments": {"x": WORDS}}}
    message |= chance.some({"tool_calls": [[call]], "images": [["aGk="]]}, 12)
    said: Document = (
        {"message": message} if chance.randrange(5) else {"response": WORDS, **chance.some({"thinking": [WORDS]})}
    )
    return {"model": "m", **chance.some({"created_at": [COUNT, COUNT, "now"]}, 1), **said, "done": not chance.randrange(30)}


_STARTS = {"claude": {"type": "message_start", "message": {"id": "c1", "model": "m", "usage": {"input_tokens": 3}}}}
_DELTA_BLOCKS = {
    "claude": {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "c1", "name": "f"}}
}
_ENDS: dict[str, list[Any]] = {
    "openai": ["[DONE]", {"error": {"message": "no"}}],
    "responses": [
        {"type": "response.completed", "response": {"status": "completed", "output": []}},
        {"type": "error", "message": "no"},
    ],
    "claude": [{"type": "message_stop"}, {"type": "error", "error": {"type": "api_error", "message": "no"}}],
    "gemini": [{"candidates": [{"finishReason": "STOP"}]}, {"error": {"message": "no", "code": 500}}],
    "ollama": [{"done": True, "eval_count": 3}, {"error": "no"}],
}
RECORDS = {"openai": openai, "responses": responses, "claude": claude, "gemini": gemini, "ollama": ollama}


class _Wire:
    """How one stream writes its records."""

    def __init__(self, name: str, chance: Chance) -> None:
        self.chance = chance
        self.lines = name == "ollama"
        self.end = chance.choice(["\n", "\n", "\r\n"])
        self.ascii = chance.maybe(2)
        self.separators = chance.choice([(",", ":"), (", ", ": ")])
        self.named = name in ("claude", "responses")
        self.padded = chance.maybe()
        self.count = chance.choice([0, 8, 98])
        self.zeros = False  # servers that have not counted yet say so

    def fill(self, value: Any, text: str) -> Any:
        """The holes filled: all words alike, mostly."""
        if value == WORDS:
            return self.chance.choice(TEXTS) if self.chance.maybe(8) else text
        if value == COUNT:
            self.count += 1
            return 0 if self.zeros else self.count
        if isinstance(value, dict):
            return {key: self.fill(one, text) for key, one in value.items()}
        return [self.fill(one, text) for one in value] if isinstance(value, list) else value

    def record(self, document: Any) -> bytes:
        body = document
        if not isinstance(document, str):
            body = json.dumps(document, ensure_ascii=self.ascii, separators=self.separators)
        if self.padded:
            body = body[:-1] + " " * self.chance.randrange(4) + body[-1:]
        data = body.encode("utf-8", "surrogatepass")
        if self.lines:
            return data + self.end.encode()
        name = f"event: {document['type']}{self.end}" if self.named and isinstance(document, dict) else ""
        return name.encode() + b"data: " + data + (2 * self.end).encode()

    def between(self) -> bytes:
        if not self.chance.maybe(12):
            return b""
        return (
            self.end.encode() if self.lines else self.chance.choice([f": ping{2 * self.end}", self.end, "id: 1\n"]).encode()
        )


def stream_of(name: str, seed: int) -> list[bytes]:
    """The records of one stream; joined they are its bytes."""
    chance = Chance(seed)
    wire = _Wire(name, chance)
    records: list[bytes] = []
    if name in _STARTS:
        records += [wire.record(_STARTS[name]), wire.record(_DELTA_BLOCKS[name])]
    shapes = [RECORDS[name](chance) for _ in range(chance.randrange(1, 4))]
    for _ in range(chance.randrange(1, 6)):
        shape = chance.choice(shapes)
        for _ in range(chance.randrange(1, 6)):
            wire.zeros = chance.maybe(8)
            records.append(wire.between() + wire.record(wire.fill(shape, chance.choice(TEXTS))))
            if chance.maybe(10):
                shape = RECORDS[name](chance)
    records += [wire.record(end) for end in _ENDS[name] if chance.maybe(2)]
    return records


def pieces_of(records: list[bytes], chance: random.Random) -> list[bytes]:
    """The stream as it may be read: record by record, some at a time, or cut anywhere."""
    way = chance.randrange(3)
    if way == 0:
        return records
    data = b"".join(records)
    places = sorted(chance.choices(range(len(data) + 1), k=chance.randrange(len(records) + 1)))
    if way == 1:
        ends = [sum(map(len, records[:number])) for number in range(len(records) + 1)]
        places = sorted(chance.choices(ends, k=len(records) // 2))
    return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]

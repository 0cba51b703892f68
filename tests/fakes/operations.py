"""What the fake upstream says to requests that are no chat: vectors, counts, and Ollama's other way to chat.

A vector tells which text it is of: its length, then halves of it.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from tests.fakes.meaning import SCENARIOS, Meaning
from tests.fakes.server import Asked, Scripted, scenario_script

COUNT = 4242
DIMENSIONS = 3


def vector(text: str, dimensions: int | None = None) -> list[float]:
    return [len(text) / 2**n for n in range(dimensions or DIMENSIONS)]


def operations_script(asked: Asked, model: str) -> Scripted:
    """Vectors where vectors are asked for, and so on; a chat's scenario otherwise."""
    for path, answer in _ANSWERS.items():
        if asked.path.endswith(path):
            return _json(answer(asked.document))
    return _generated(asked, SCENARIOS[model]) if asked.path.endswith("api/generate") else scenario_script(asked, model)


def _json(document: dict[str, Any]) -> Scripted:
    return Scripted(200, "application/json", [json.dumps(document).encode()])


def _texts(said: Any) -> list[str]:
    return [said] if isinstance(said, str) else said


def _openai(document: dict[str, Any]) -> dict[str, Any]:
    vectors = [vector(text, document.get("dimensions")) for text in _texts(document["input"])]
    rows: list[Any] = vectors
    if document.get("encoding_format") == "base64":
        rows = [base64.b64encode(struct.pack(f"<{len(one)}f", *one)).decode() for one in vectors]
    data = [{"object": "embedding", "index": n, "embedding": row} for n, row in enumerate(rows)]
    return {"object": "list", "data": data, "model": "up", "usage": {"prompt_tokens": 5, "total_tokens": 5}}


def _ollama(document: dict[str, Any]) -> dict[str, Any]:
    vectors = [vector(text, document.get("dimensions")) for text in _texts(document["input"])]
    return {"model": "up", "embeddings": vectors, "total_duration": 1, "load_duration": 1, "prompt_eval_count": 5}


def _gemini(request: dict[str, Any]) -> dict[str, Any]:
    return {"values": vector(request["content"]["parts"][0]["text"], request.get("outputDimensionality"))}


_ANSWERS = {
    "v1/embeddings": _openai,
    "api/embed": _ollama,
    "api/embeddings": lambda document: {"embedding": vector(document["prompt"])},
    ":embedContent": lambda document: {"embedding": _gemini(document)},
    ":batchEmbedContents": lambda document: {"embeddings": [_gemini(one) for one in document["requests"]]},
    "/count_tokens": lambda document: {"input_tokens": COUNT},
    ":countTokens": lambda document: {"totalTokens": COUNT},
    "/input_tokens": lambda document: {"object": "response.input_tokens", "input_tokens": COUNT},
}


def _generated(asked: Asked, meaning: Meaning) -> Scripted:
    head = {"model": "up", "created_at": "2023-11-14T22:13:20.000000000Z"}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": meaning.input, "eval_count": meaning.output}
    if not asked.streams:
        return _json({**head, "response": meaning.text, "thinking": meaning.thinking, **end})
    words = [{"thinking": meaning.thinking, "response": ""}, {"response": meaning.text}]
    lines = [*({**head, **word, "done": False} for word in words), {**head, "response": "", **end}]
    return Scripted(200, "application/x-ndjson", [json.dumps(line).encode() + b"\n" for line in lines])

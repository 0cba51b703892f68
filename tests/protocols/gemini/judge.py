"""What the official SDK makes of a stream or an answer of ours, and the test data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
from google import genai
from google.genai import types

from ccproxy.codec.jsonarray import JSONArrayReader
from ccproxy.codec.sse import SSEReader
from ccproxy.model import Context

DATA = Path(__file__).parents[2] / "data" / "gemini"


def data(name: str) -> bytes:
    return (DATA / name).read_bytes()


def document(name: str) -> dict[str, Any]:
    return json.loads(data(name))


def context(**given: Any) -> Context:
    return Context(
        **{"client": "gemini", "upstream": "gemini", "model": "asked-for", "shape": "sse", "stream": True} | given
    )


def client(content: bytes, status: int = 200) -> genai.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=content, headers={"content-type": "text/event-stream"})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=http))


def judged(stream: bytes) -> list[types.GenerateContentResponse]:
    """The chunks that the SDK reads; raises what it raises."""
    return list(client(stream).models.generate_content_stream(model="m", contents="?"))


def judged_answer(answer: dict[str, Any]) -> types.GenerateContentResponse:
    return client(json.dumps(answer).encode()).models.generate_content(model="m", contents="?")


def payloads(stream: bytes) -> list[dict[str, Any]]:
    """The decoded records of a stream in either shape; what is no legal framing raises."""
    reader = JSONArrayReader() if stream[:1] == b"[" else SSEReader()
    return [json.loads(record) for record in reader.feed(stream) + reader.eof()]


def strictly(payload: dict[str, Any]) -> types.GenerateContentResponse:
    """A record as the SDK's type, which forbids unknown keys."""
    return types.GenerateContentResponse.model_validate_json(json.dumps(payload))


def parts(chunks: list[types.GenerateContentResponse]) -> list[types.Part]:
    return [
        part
        for chunk in chunks
        for candidate in chunk.candidates or []
        for part in (candidate.content.parts if candidate.content and candidate.content.parts else [])
    ]


def said(chunks: list[types.GenerateContentResponse]) -> dict[str, Any]:
    """Text, thoughts, calls and the end, as a user of the SDK sees them."""
    every = parts(chunks)
    calls = [part.function_call for part in every if part.function_call]
    ends = [c.finish_reason.value for chunk in chunks for c in chunk.candidates or [] if c.finish_reason]
    return {
        "text": "".join(part.text for part in every if part.text and not part.thought),
        "thinking": "".join(part.text for part in every if part.text and part.thought),
        "calls": [(call.id, call.name, call.args) for call in calls],
        "ends": ends,
    }

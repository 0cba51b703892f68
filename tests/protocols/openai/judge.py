"""What OpenAI's own SDK makes of our bytes, strictly validated."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ccproxy.codec import jsontext
from ccproxy.codec.sse import event
from ccproxy.model import JSON, Context
from ccproxy.protocols.openai.terms import NAME

ID = "0123456789abcdef01234567"


def context(**fields: Any) -> Context:
    return Context(**{"client": NAME, "upstream": NAME, "id": ID, "created": 1_770_000_000, "model": "asked"} | fields)


def chunk(delta: JSON, finish: JSON = None, **more: JSON) -> dict[str, JSON]:
    """One chunk as an upstream sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "up-1", "object": "chat.completion.chunk", "created": 5, "model": "up", "choices": [choice], **more}


def stream_of(*documents: JSON) -> bytes:
    """Documents as a stream; strings go as they are."""
    return b"".join(event(one.encode() if isinstance(one, str) else jsontext.dumps(one)) for one in documents)


def call_piece(**members: JSON) -> dict[str, JSON]:
    """A delta with one entry of tool_calls."""
    return {"tool_calls": [members]}


def _client(content: bytes, type: str, strict: bool = True) -> openai.OpenAI:
    answer = httpx2.Response(200, content=content, headers={"content-type": type})
    http = httpx2.Client(transport=httpx2.MockTransport(lambda request: answer))
    return openai.OpenAI(
        api_key="k",
        base_url="http://proxy.test/v1",
        http_client=http,
        max_retries=0,
        _strict_response_validation=strict,
    )


def sdk_chunks(content: bytes) -> list[ChatCompletionChunk]:
    """The chunks of a stream. Raises openai.APIError for an error event."""
    client = _client(content, "text/event-stream")
    return list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}], stream=True))


def sdk_answer(document: JSON, strict: bool = True) -> ChatCompletion:
    client = _client(jsontext.dumps(document), "application/json", strict)
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])


def heard(chunks: list[ChatCompletionChunk]) -> dict[str, Any]:
    """What a client gathers from the chunks."""
    said: dict[str, Any] = {"text": "", "thinking": "", "refusal": "", "calls": [], "finish": None, "usage": None}
    for one in chunks:
        if one.usage is not None:
            said["usage"] = (one.usage.prompt_tokens, one.usage.completion_tokens)
        for choice in one.choices:
            said["text"] += choice.delta.content or ""
            said["refusal"] += choice.delta.refusal or ""
            said["thinking"] += getattr(choice.delta, "reasoning_content", None) or ""
            said["finish"] = choice.finish_reason or said["finish"]
            for piece in choice.delta.tool_calls or []:
                _hear_call(said["calls"], piece)
    return said


def _hear_call(calls: list[list[str]], piece: Any) -> None:
    if piece.index == len(calls):
        assert piece.id
        assert piece.function.name
        calls.append([piece.id, piece.function.name, ""])
    else:
        assert piece.id is None
        assert piece.type is None
        assert piece.function.name is None
    calls[piece.index][2] += piece.function.arguments or ""

"""What OpenAI's own SDK makes of our bytes, strictly validated; and what our Decoder makes of an upstream's."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ccproxy.codec import jsontext
from ccproxy.codec.sse import event
from ccproxy.model import JSON, Context
from ccproxy.protocols.openai.stream import Decoder
from ccproxy.protocols.openai.terms import NAME
from tests.tools import cuts, decode

ID = "0123456789abcdef01234567"
TWENTY_KB = 20_000
START = ("start", "up-1", "up", 5)
STOP = ("finish", "stop", None)
CALLS = ("finish", "tool_calls", None)


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


def told(data: bytes, **fields: Any) -> list[tuple[Any, ...]]:
    """The calls that the stream makes, the same at every cut (byte by byte only where that is quick)."""
    ways = [pieces for pieces in cuts(data) if len(pieces) < TWENTY_KB]
    runs = [decode(Decoder, pieces, context(**fields)).calls for pieces in ways]
    assert all(repr(run) == repr(runs[0]) for run in runs)
    return runs[0]


def told_of(*documents: Any, **fields: Any) -> list[tuple[Any, ...]]:
    """The calls between start and finish of a stream of these deltas (or whole chunks) that ends properly."""
    chunks = [one if isinstance(one, str) or "choices" in one else chunk(one) for one in documents]
    calls = told(stream_of(*chunks, chunk({}, "stop"), "[DONE]"), **fields)
    assert calls[0] == START
    assert calls[-1][0] == "finish"
    return calls[1:]


WRONG: list[Any] = [None, True, 0, -1, 1.5, 10**30, "", "x", [], [None], [[]], {}, {"x": None}, "[" * 5]


def variations(document: Any) -> list[Any]:
    """`document` with each value in it replaced by each of WRONG."""
    found = list(WRONG)
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        for changed in variations(value):
            copy = document.copy()
            copy[key] = changed
            found.append(copy)
    return found

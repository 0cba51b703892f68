"""What an official SDK hears in a stream of ours, in words of no protocol: the property tests' ear.

Beside `judge.py` of each protocol, whose checks are used where they are quick: a client is made once here, and its
transport is handed one stream after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import httpx
import httpx2
import ollama
import openai
from google import genai
from google.genai import types

from ccproxy.codec import jsontext
from ccproxy.model import Answer, Image, Reasoning, Refusal, Text, ToolCall, Usage, arguments_object
from tests.protocols.claude import judge as claude_judge
from tests.protocols.responses import judge as responses_judge

Heard = dict[str, Any]


def heard(**said: Any) -> Heard:
    """text and thinking: all of it. calls: (id, name, arguments), a free text as text. usage: input, output, cache read,
    cache write, reasoning."""
    silent = {"text": "", "thinking": "", "refusal": "", "images": 0, "calls": [], "finish": None, "usage": (0, 0, 0, 0, 0)}
    return silent | said


def meaning_of(answer: Answer) -> Heard:
    """A Collector's answer in the same words."""

    def joined(*kinds: type) -> str:
        return "".join(part.text for part in answer.parts if isinstance(part, kinds))

    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    return heard(
        text=joined(Text),
        thinking=joined(Reasoning),
        refusal=joined(Refusal),
        images=sum(isinstance(part, Image) for part in answer.parts),
        calls=[(call.id, call.name, arguments_of(call)) for call in calls],
        finish=answer.finish,
        usage=counts(answer.usage),
    )


def arguments_of(call: ToolCall) -> Any:
    return call.arguments if call.kind == "custom" else arguments_object(call)


def counts(usage: Usage | None) -> tuple[int, ...]:
    usage = usage or Usage()
    return usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning


def numbers(*found: int | None) -> tuple[int, ...]:
    return tuple(one or 0 for one in found)


_STREAM: dict[str, bytes] = {}
"""What the transport of the one client answers with."""


# ---------------------------------------------------------------------------------------------------------------------


@cache
def _openai(strict: bool) -> openai.OpenAI:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=_STREAM["openai"], headers={"content-type": "text/event-stream"})

    return openai.OpenAI(
        api_key="k",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
        _strict_response_validation=strict,
    )


def hear_openai(stream: bytes) -> Heard:
    """Types are checked strictly, but for custom calls: the API streams them, the SDK's types of a delta have none."""
    _STREAM["openai"] = stream
    client = _openai(strict=b'"type":"custom"' not in stream)
    said = heard()
    calls: dict[int, list[Any]] = {}
    for chunk in client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}], stream=True):
        if chunk.usage is not None:
            read, thought = chunk.usage.prompt_tokens_details, chunk.usage.completion_tokens_details
            written = getattr(read, "cache_write_tokens", 0)
            into, out = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
            said["usage"] = numbers(into, out, read.cached_tokens, written, thought.reasoning_tokens)
        for choice in chunk.choices:
            delta = choice.delta
            said["text"] += delta.content or ""
            said["refusal"] += delta.refusal or ""
            said["thinking"] += getattr(delta, "reasoning_content", None) or ""
            said["images"] += len(getattr(delta, "images", None) or [])
            said["finish"] = choice.finish_reason or said["finish"]
            for piece in delta.tool_calls or []:
                _hear_piece(calls, piece.model_dump(exclude_none=True))
    said["calls"] = [
        (id, name, text if custom else jsontext.loads_exact(text)) for id, name, text, custom in calls.values()
    ]
    return said


def _hear_piece(calls: dict[int, list[Any]], piece: dict[str, Any]) -> None:
    body = piece.get("function") or piece.get("custom") or {}
    if piece["index"] not in calls:
        assert piece["index"] == len(calls)
        calls[piece["index"]] = [piece["id"], body["name"], "", piece["type"] == "custom"]
    else:
        assert not {"id", "type"} & piece.keys()
        assert "name" not in body
    calls[piece["index"]][2] += body.get("arguments") or body.get("input") or ""


# ---------------------------------------------------------------------------------------------------------------------

_CLAUDE_ENDS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "pause_turn": "pause"}


def hear_claude(stream: bytes) -> Heard:
    message = claude_judge.judged(stream)
    blocks = message.content
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0
    return heard(
        text="".join(block.text for block in blocks if block.type == "text"),
        thinking="".join(block.thinking for block in blocks if block.type == "thinking"),
        calls=[(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"],
        finish=_CLAUDE_ENDS.get(message.stop_reason or "", message.stop_reason),
        usage=(usage.input_tokens + read + written, usage.output_tokens, read, written, thought),
    )


# ---------------------------------------------------------------------------------------------------------------------


def hear_responses(stream: bytes) -> Heard:
    responses_judge.events(stream)
    response = responses_judge.last(stream)
    if response.error is not None:
        raise AssertionError(response.error.message)
    items = response.output
    content = [part for item in items if item.type == "message" for part in item.content]
    usage = response.usage
    details = response.incomplete_details
    cut = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(details.reason or "") if details else None
    assert (response.status == "incomplete") == (cut is not None)
    calls = [_response_call(item) for item in items if item.type in ("function_call", "custom_tool_call")]
    return heard(
        text="".join(part.text for part in content if part.type == "output_text"),
        refusal="".join(part.refusal for part in content if part.type == "refusal"),
        thinking="".join(part.text for item in items if item.type == "reasoning" for part in item.summary),
        images=sum(item.type == "image_generation_call" for item in items),
        calls=calls,
        finish=cut or ("tool_calls" if calls else "stop"),
        usage=(0, 0, 0, 0, 0)
        if usage is None
        else (
            usage.input_tokens,
            usage.output_tokens,
            usage.input_tokens_details.cached_tokens,
            getattr(usage.input_tokens_details, "cache_write_tokens", 0),
            usage.output_tokens_details.reasoning_tokens,
        ),
    )


def _response_call(item: Any) -> tuple[str, str, Any]:
    if item.type == "custom_tool_call":
        return item.call_id, item.name, item.input
    return item.call_id, item.name, jsontext.loads_exact(item.arguments)


# ---------------------------------------------------------------------------------------------------------------------


@cache
def _gemini() -> genai.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=_STREAM["gemini"], headers={"content-type": "text/event-stream"})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=http))


def hear_gemini(stream: bytes) -> Heard:
    _STREAM["gemini"] = stream
    chunks = list(_gemini().models.generate_content_stream(model="m", contents="?"))
    candidates = [candidate for chunk in chunks for candidate in chunk.candidates or []]
    parts = [part for one in candidates for part in (one.content.parts or [] if one.content else [])]
    calls = [(one.id, one.name, one.args or {}) for part in parts if (one := part.function_call)]
    ends = [one.finish_reason.value for one in candidates if one.finish_reason]
    assert len(ends) == 1
    usage = chunks[-1].usage_metadata or types.GenerateContentResponseUsageMetadata()
    thought = usage.thoughts_token_count or 0
    cached = usage.cached_content_token_count
    return heard(
        text="".join(part.text for part in parts if part.text and not part.thought),
        thinking="".join(part.text for part in parts if part.text and part.thought),
        images=sum(part.inline_data is not None for part in parts),
        calls=calls,
        finish={"STOP": "tool_calls" if calls else "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}[ends[0]],
        usage=numbers(usage.prompt_token_count, (usage.candidates_token_count or 0) + thought, cached, 0, thought),
    )


# ---------------------------------------------------------------------------------------------------------------------


@cache
def _ollama() -> ollama.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=_STREAM["ollama"])

    return ollama.Client(host="http://upstream.test", transport=httpx.MockTransport(answer))


def hear_ollama(stream: bytes) -> Heard:
    _STREAM["ollama"] = stream
    messages = [{"role": "user", "content": "?"}]
    chunks: Iterable[Any] = list(_ollama().chat(model="m", messages=messages, stream=True))
    *_, last = chunks
    assert [chunk.done for chunk in chunks].count(True) == 1
    assert last.done
    calls = [call for chunk in chunks for call in chunk.message.tool_calls or []]
    wire = [jsontext.loads_exact(line) for line in stream.split(b"\n") if b'"tool_calls"' in line]  # its types have no ids
    ids = [call["id"] for line in wire for call in line["message"]["tool_calls"]]
    found = [(id, one.function.name, dict(one.function.arguments)) for id, one in zip(ids, calls, strict=True)]
    return heard(
        text="".join(chunk.message.content or "" for chunk in chunks),
        thinking="".join(chunk.message.thinking or "" for chunk in chunks),
        calls=found,
        finish="tool_calls" if calls and last.done_reason == "stop" else last.done_reason,
        usage=numbers(last.prompt_eval_count, last.eval_count, 0, 0, 0),
    )


SDKS: dict[str, Callable[[bytes], Heard]] = {
    "openai": hear_openai,
    "responses": hear_responses,
    "claude": hear_claude,
    "gemini": hear_gemini,
    "ollama": hear_ollama,
}

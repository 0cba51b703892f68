"""What the official SDK makes of a stream or an answer of ours."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from pydantic import TypeAdapter

from ccproxy.codec.sse import SSEReader

EVENT: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)
ANSWER: TypeAdapter[Any] = TypeAdapter(BetaMessage)
ASK: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}


def own(cases: list[Any], name: str, kind: str = "") -> list[Any]:
    """Of the recordings those of this protocol, and of that kind."""
    return [case for case in cases if (one := case.values[0]) is None or (one["protocol"] == name and _is(one, kind))]


def _is(case: dict[str, Any], kind: str) -> bool:
    """Of no kind: an answer, and neither a list nor a count."""
    return kind in case["kinds"] if kind else not {"models", "count"} & set(case["kinds"])


def client(content: bytes, status: int = 200, kind: str = "text/event-stream") -> anthropic.Anthropic:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=content, headers={"content-type": kind})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", base_url="http://upstream.test", http_client=http, max_retries=0)


def judged(stream: bytes) -> BetaMessage:
    """The message that the SDK gathers from a stream whose every event is of its types."""
    reader = SSEReader()
    events = [strictly(json.loads(data)) for data in reader.feed(stream) + reader.eof() if b'"ping"' not in data]
    open_blocks(events)
    with client(stream).beta.messages.stream(**ASK) as streamed:
        return streamed.get_final_message()


def strictly(event: dict[str, Any]) -> Any:
    """The event as the SDK's type. Counts that only the provider makes are replayed as they came; older ones have less."""
    event.get("usage", {}).pop("server_tool_use", None)
    return EVENT.validate_python(event)


def open_blocks(events: list[Any]) -> None:
    """Blocks are open one at a time, and count up."""
    current, following = None, 0
    assert [event.type for event in events if event.type.startswith("message_sta")] == ["message_start"]
    assert events[0].type == "message_start"
    assert [event.type for event in events[-2:]] == ["message_delta", "message_stop"]
    for event in events:
        if event.type == "content_block_start":
            assert (current, event.index) == (None, following)
            current, following = event.index, following + 1
        elif event.type == "content_block_delta":
            assert event.index == current
        elif event.type == "content_block_stop":
            assert event.index == current
            current = None
    assert current is None


def said(message: BetaMessage) -> list[tuple[Any, ...]]:
    """Blocks as tuples, neighbouring texts joined."""
    found: list[tuple[Any, ...]] = []
    for block in message.content:
        one = _SAID.get(block.type, lambda b: ("opaque", b.type))(block)
        if one[0] == "text" and found and found[-1][0] == "text":
            found[-1] = ("text", found[-1][1] + one[1])
        elif one != ("text", ""):
            found.append(one)
    return found


_SAID: dict[str, Any] = {
    "text": lambda b: ("text", b.text),
    "thinking": lambda b: ("thinking", b.thinking, b.signature),
    "redacted_thinking": lambda b: ("redacted", b.data),
    "tool_use": lambda b: ("tool", b.id, b.name, b.input),
}

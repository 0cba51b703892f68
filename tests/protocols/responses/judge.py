"""The official SDK as judge of a stream or answer of ours: its own stream reader, and its types read strictly."""

from __future__ import annotations

import json
from typing import Any

import openai
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from ccproxy.codec.sse import SSEReader
from ccproxy.model import Context
from tests.tools import recordings

try:
    import httpx2 as http
except ImportError:  # SDKs before 3
    import httpx as http  # type: ignore[no-redef]

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def own_recordings(part: str = "stream") -> list[Any]:
    """The recorded cases of this protocol, its errors with them."""
    cases = [*recordings("openai-responses", part=part), *recordings("errors", part=part)]
    return [case for case in cases if case.values[0] is None or case.values[0]["protocol"] == "openai-responses"]


def context(**more: Any) -> Context:
    usual = {"client": "responses", "upstream": "openai", "model": "asked", "id": "ab" * 12, "created": 1_700_000_000}
    return Context(**usual | more)


def events(data: bytes, strict: bool = True) -> list[dict[str, Any]]:
    """The events of a stream, each valid by the SDK's types, numbered without a gap, its name as in its payload.
    Not `strict` leaves the types out, for server tools' items that older APIs wrote."""
    reader = SSEReader()
    found = [json.loads(payload) for payload in [*reader.feed(data), *reader.eof()]]
    for number, event in enumerate(found):
        if strict:
            _EVENT.validate_python(event, strict=True)
        assert event["sequence_number"] == number
    names = [line[7:].decode() for line in data.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in found]
    _check_items(found)
    return found


def _check_items(found: list[dict[str, Any]]) -> None:
    """Items open once, in the order of their index, and close at most once; deltas belong to open ones (F148, F152)."""
    opened: dict[int, str] = {}
    closed: set[int] = set()
    for event in found:
        index = event.get("output_index")
        if index is None:
            continue
        if event["type"] == "response.output_item.added":
            assert index == len(opened)
            opened[index] = event["item"].get("id")
            continue
        assert index in opened, f"{event['type']} before its item"
        assert index not in closed, f"{event['type']} after its item's end"
        if event["type"] == "response.output_item.done":
            closed.add(index)
            assert event["item"].get("id") == opened[index]
        else:
            assert event["item_id"] == opened[index]


def final(data: bytes) -> Response:
    """What the SDK's stream helper makes of the stream, which must end completed."""
    with _client(data) as client, client.responses.stream(model="asked", input="x") as stream:
        return stream.get_final_response()


def last(data: bytes) -> Response:
    """The response object of the last event, as the SDK's plain stream hands it out."""
    with _client(data) as client:
        return list(client.responses.create(model="asked", input="x", stream=True))[-1].response


def whole(document: dict[str, Any]) -> Response:
    """An answer that does not stream, valid by the SDK's types."""
    return Response.model_validate(json.loads(json.dumps(document)), strict=True)


def _client(data: bytes) -> openai.OpenAI:
    def answer(request: Any) -> Any:
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    return openai.OpenAI(api_key="k", max_retries=0, http_client=http.Client(transport=http.MockTransport(answer)))

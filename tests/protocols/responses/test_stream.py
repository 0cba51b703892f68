from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.codec.sse import SSEReader, event
from ccproxy.errors import Broken, CcproxyError, Malformed, UpstreamError
from ccproxy.model import Context, Image
from ccproxy.protocols.responses.encoder import Encoder
from ccproxy.protocols.responses.stream import Decoder
from ccproxy.stream import Collector
from tests.protocols.responses.judge import context, events, own_recordings
from tests.tools import Recorder, cuts, decode, encode, recorded, recordings

RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "m", "output": []}
CREATED = {"type": "response.created", "response": RESPONSE}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 16,
}


def ended(status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {**RESPONSE, "status": status, "usage": USAGE, **more}}


DONE = ended()


def added(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": {"type": kind, **more}}


def done(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {**added(kind, index, **more), "type": "response.output_item.done"}


def delta(kind: str, text: str, item: str = "", index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "delta": text, "item_id": item, "output_index": index, **more}


def text_done(kind: str, item: str, key: str, text: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.done", "item_id": item, key: text, **more}


def wire(*payloads: dict[str, Any]) -> bytes:
    return b"".join(event(jsontext.dumps(payload)) for payload in payloads)


def said(*payloads: dict[str, Any], of: Context | None = None) -> list[tuple[Any, ...]]:
    """The calls between start and usage, the same at every cut; and how the stream ended."""
    exchange = of or context(upstream="responses")
    found: list[list[tuple[Any, ...]]] = []
    for pieces in cuts(wire(*payloads), rounds=3):
        calls = decode(Decoder, pieces, exchange).calls
        found.append([(*call[:1], repr(call[1])) if call[0] == "error" else call for call in calls])
    assert all(calls == found[0] for calls in found)
    return [call for call in found[0] if call[0] not in ("start", "usage")]


CASES: dict[str, tuple[list[dict[str, Any]], list[tuple[Any, ...]]]] = {
    "text": (
        [
            CREATED,
            {"type": "response.in_progress", "response": RESPONSE},
            added("message", id="msg_1", content=[]),
            delta("output_text", "Hel", "msg_1", content_index=0),
            delta("output_text", "", "msg_1", content_index=0),
            delta("output_text", "lo", "msg_1", content_index=0),
            text_done("output_text", "msg_1", "text", "Hello", content_index=0),
            done("message", id="msg_1", content=[{"type": "output_text", "text": "Hello", "annotations": []}]),
            ended(output=[{"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hello"}]}]),
        ],
        [("text", "Hello"), ("finish", "stop")],
    ),
    "text only in the part's end": (
        [
            CREATED,
            added("message", id="m"),
            text_done("output_text", "m", "text", "Hi", content_index=0),
            done("message", id="m", content=[{"type": "output_text", "text": "Hi"}]),
            DONE,
        ],
        [("text", "Hi"), ("finish", "stop")],
    ),
    "text only in the item's end": (
        [CREATED, done("message", id="m", content=[{"type": "output_text", "text": "Hi"}]), DONE],
        [("text", "Hi"), ("finish", "stop")],
    ),
    "text only in the last event": (
        [CREATED, ended(output=[{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}])],
        [("text", "Hi"), ("finish", "stop")],
    ),
    "other index in the item's end": (
        [
            CREATED,
            added("message", id="m"),
            delta("output_text", "Hi", "m", content_index=1),
            done("message", id="m", content=[{"type": "output_text", "text": "Hi"}]),
            DONE,
        ],
        [("text", "Hi"), ("finish", "stop")],
    ),
    "ids that change from event to event": (
        [
            CREATED,
            added("message", id="x1"),
            delta("output_text", "Hi", "x2", content_index=0),
            text_done("output_text", "x3", "text", "Hi", output_index=0, content_index=0),
            done("message", id="x4", content=[{"type": "output_text", "text": "Hi"}]),
            ended(output=[{"type": "message", "id": "x5", "content": [{"type": "output_text", "text": "Hi"}]}]),
        ],
        [("text", "Hi"), ("finish", "stop")],
    ),
    "deltas without their item": (
        [delta("output_text", "Hi"), delta("reasoning_text", "hm", index=1), DONE],
        [("text", "Hi"), ("thinking", "hm"), ("finish", "stop")],
    ),
    "a refusal": (
        [CREATED, added("message", id="m"), delta("refusal", "No", "m", content_index=0), DONE],
        [("refusal", "No"), ("finish", "refusal")],
    ),
    "a refusal in whole": (
        [CREATED, done("message", id="m", content=[{"type": "refusal", "refusal": "No"}]), DONE],
        [("refusal", "No"), ("finish", "refusal")],
    ),
    "several summary parts are one thought": (
        [
            CREATED,
            added("reasoning", id="rs_1", summary=[]),
            delta("reasoning_summary_text", "One", "rs_1", summary_index=0),
            text_done("reasoning_summary_text", "rs_1", "text", "One", summary_index=0),
            delta("reasoning_summary_text", "Two", "rs_1", summary_index=1),
            done("reasoning", id="rs_1", summary=[{"text": "One"}, {"text": "Two"}], encrypted_content="gAAA"),
            DONE,
        ],
        [("thinking", "One\n\nTwo"), ("signature", "rs_1:gAAA", "responses"), ("finish", "stop")],
    ),
    "summary and content are both reasoning": (
        [
            CREATED,
            done(
                "reasoning",
                id="rs_1",
                summary=[{"type": "summary_text", "text": "short"}],
                content=[{"type": "reasoning_text", "text": "long"}],
            ),
            DONE,
        ],
        [("thinking", "short\n\nlong"), ("finish", "stop")],
    ),
    "thoughts without a proof, one after the other": (
        [
            CREATED,
            done("reasoning", 0, id="a", summary=[{"text": "One"}]),
            done("reasoning", 1, id="b", summary=[{"text": "Two"}]),
            DONE,
        ],
        [("thinking", "One\n\nTwo"), ("finish", "stop")],
    ),
    "a proof without a thought": (
        [CREATED, done("reasoning", id="rs_1", summary=[], content=None, encrypted_content="gAAA"), DONE],
        [("signature", "rs_1:gAAA", "responses"), ("finish", "stop")],
    ),
    "a proof of an upstream that is a ccproxy": (
        [CREATED, done("reasoning", id="rs_ccproxy_1", summary=[], encrypted_content="ccproxy.claude.sig"), DONE],
        [("signature", "ccproxy.claude.sig", "responses"), ("finish", "stop")],
    ),
    "a thought that a ccproxy marked as its own": (
        [
            CREATED,
            done("reasoning", id="rs_ccproxy_1", summary=[{"text": "a"}], encrypted_content="ccproxy.responses."),
            DONE,
        ],
        [("thinking", "a"), ("finish", "stop")],
    ),
    "calls": (
        [
            CREATED,
            added("function_call", 0, id="fc_1", call_id="c1", name="f", arguments=""),
            delta("function_call_arguments", '{"a"', "fc_1", 0),
            delta("function_call_arguments", ":1}", "fc_1", 0),
            text_done("function_call_arguments", "fc_1", "arguments", '{"a":1}', output_index=0),
            done("function_call", 0, id="fc_1", call_id="c1", name="f", arguments='{"a":1}'),
            added("function_call", 1, id="fc_2", call_id="c2", name="g", arguments=""),
            done("function_call", 1, id="fc_2", call_id="c2", name="g", arguments=""),
            DONE,
        ],
        [
            ("tool_start", 0, "c1", "f", "function"),
            ("tool_arguments", 0, '{"a":1}'),
            ("tool_end", 0),
            ("tool_start", 1, "c2", "g", "function"),
            ("tool_end", 1),
            ("finish", "tool_calls"),
        ],
    ),
    "F003: a delta for an item that was never announced": (
        [
            CREATED,
            added("function_call", 0, id="fc_1", call_id="c1", name="f"),
            delta("function_call_arguments", "{}", "who", 7),
            done("function_call", 0, id="fc_1", call_id="c1", name="f", arguments="{}"),
            DONE,
        ],
        [("tool_start", 0, "c1", "f", "function"), ("tool_arguments", 0, "{}"), ("tool_end", 0), ("finish", "tool_calls")],
    ),
    "F154: arguments only at the end": (
        [
            CREATED,
            added("function_call", id="fc_1", call_id="c1", name="f"),
            text_done("function_call_arguments", "fc_1", "arguments", '{"a":1}'),
            done("function_call", id="fc_1", call_id="c1", name="f", arguments='{"a":1}'),
            DONE,
        ],
        [
            ("tool_start", 0, "c1", "f", "function"),
            ("tool_arguments", 0, '{"a":1}'),
            ("tool_end", 0),
            ("finish", "tool_calls"),
        ],
    ),
    "calls that only the last event says": (
        [
            CREATED,
            added("function_call", id="fc_1", call_id="c1", name="f"),
            delta("function_call_arguments", "{}", "fc_1"),
            ended(
                output=[
                    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
                    {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "g", "arguments": '{"b":2}'},
                ]
            ),
        ],
        [
            ("tool_start", 0, "c1", "f", "function"),
            ("tool_arguments", 0, "{}"),
            ("tool_end", 0),
            ("tool_start", 1, "c2", "g", "function"),
            ("tool_arguments", 1, '{"b":2}'),
            ("tool_end", 1),
            ("finish", "tool_calls"),
        ],
    ),
    "calls without ids, and with the same id": (
        [
            CREATED,
            done("function_call", 0, name="f", arguments="{}"),
            done("function_call", 1, call_id="c", name="f", arguments="{}"),
            done("function_call", 2, call_id="c", name="f", arguments="{}"),
            DONE,
        ],
        [
            ("tool_start", 0, "call_" + "ab" * 12 + "1", "f", "function"),
            ("tool_arguments", 0, "{}"),
            ("tool_end", 0),
            ("tool_start", 1, "c", "f", "function"),
            ("tool_arguments", 1, "{}"),
            ("tool_end", 1),
            ("tool_start", 2, "call_" + "ab" * 12 + "3", "f", "function"),
            ("tool_arguments", 2, "{}"),
            ("tool_end", 2),
            ("finish", "tool_calls"),
        ],
    ),
    "a name that comes late": (
        [
            CREATED,
            delta("function_call_arguments", '{"a"', "fc_1"),
            delta("function_call_arguments", ":1}", "fc_1"),
            done("function_call", id="fc_1", call_id="c1", name="f", arguments='{"a":1}'),
            DONE,
        ],
        [
            ("tool_start", 0, "c1", "f", "function"),
            ("tool_arguments", 0, '{"a":1}'),
            ("tool_end", 0),
            ("finish", "tool_calls"),
        ],
    ),
    "a custom tool and a namespace": (
        [
            CREATED,
            added("custom_tool_call", 0, id="ctc_1", call_id="c1", name="patch", input=""),
            delta("custom_tool_call_input", "*** ", "ctc_1", 0),
            delta("custom_tool_call_input", "x", "ctc_1", 0),
            text_done("custom_tool_call_input", "ctc_1", "input", "*** x", output_index=0),
            done("custom_tool_call", 0, id="ctc_1", call_id="c1", name="patch", input="*** x"),
            done("function_call", 1, id="fc_1", call_id="c2", name="search", namespace="docs", arguments="{}"),
            DONE,
        ],
        [
            ("tool_start", 0, "c1", "patch", "custom"),
            ("tool_arguments", 0, "*** x"),
            ("tool_end", 0),
            ("tool_start", 1, "c2", "docs__search", "function"),
            ("tool_arguments", 1, "{}"),
            ("tool_end", 1),
            ("finish", "tool_calls"),
        ],
    ),
    "F034: several calls wrapped in one": (
        [
            CREATED,
            added("function_call", id="fc_1", call_id="c1", name="multi_tool_use.parallel"),
            delta(
                "function_call_arguments", '{"tool_uses":[{"recipient_name":"functions.f","parameters":{"a":1}},', "fc_1"
            ),
            delta("function_call_arguments", '{"recipient_name":"g"}]}', "fc_1"),
            done("function_call", id="fc_1", call_id="c1", name="multi_tool_use.parallel", arguments="..."),
            DONE,
        ],
        [
            ("tool_start", 0, "c1", "f", "function"),
            ("tool_arguments", 0, '{"a":1}'),
            ("tool_end", 0),
            ("tool_start", 1, "c1_1", "g", "function"),
            ("tool_arguments", 1, "{}"),
            ("tool_end", 1),
            ("finish", "tool_calls"),
        ],
    ),
    "F144: cut by length, even with calls": (
        [
            CREATED,
            added("function_call", id="fc_1", call_id="c1", name="f"),
            delta("function_call_arguments", '{"a"', "fc_1"),
            ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        ],
        [("tool_start", 0, "c1", "f", "function"), ("tool_arguments", 0, '{"a"'), ("tool_end", 0), ("finish", "length")],
    ),
    "filtered": (
        [CREATED, ended("incomplete", incomplete_details={"reason": "content_filter"})],
        [("finish", "content_filter")],
    ),
    "filtered with a refusal": (
        [CREATED, delta("refusal", "No"), ended("incomplete", incomplete_details={"reason": "content_filter"})],
        [("refusal", "No"), ("finish", "refusal")],
    ),
    "incomplete without a reason": ([CREATED, ended("incomplete", incomplete_details=None)], [("finish", "length")]),
    "F158: no output at the end": (
        [CREATED, delta("output_text", "x"), ended(output=None)],
        [("text", "x"), ("finish", "stop")],
    ),
    "server tools are no calls": (
        [
            CREATED,
            added("web_search_call", 0, id="ws_1", status="in_progress"),
            {"type": "response.web_search_call.searching", "item_id": "ws_1", "output_index": 0},
            done("web_search_call", 0, id="ws_1", status="completed"),
            done("mcp_call", 1, id="mcp_1", name="f", arguments="{}"),
            ended(output=[{"type": "web_search_call", "id": "ws_1"}, {"type": "mcp_call", "id": "mcp_1"}]),
        ],
        [
            ("opaque", "responses", {"type": "web_search_call", "id": "ws_1", "status": "completed"}),
            ("opaque", "responses", {"type": "mcp_call", "id": "mcp_1", "name": "f", "arguments": "{}"}),
            ("finish", "stop"),
        ],
    ),
    "an error, then the failed response": (
        [
            CREATED,
            {"type": "error", "code": "server_is_overloaded", "message": "busy", "param": None, "sequence_number": 1},
            ended("failed", error={"code": "server_error", "message": "later"}),
        ],
        [("error", "UpstreamError('busy', status=503, code='server_is_overloaded')")],
    ),
    "a failed response": (
        [CREATED, ended("failed", error={"code": "rate_limit_exceeded", "message": "slow"})],
        [("error", "UpstreamError('slow', status=429, code='rate_limit_exceeded')")],
    ),
    "a failed response without a reason": (
        [CREATED, ended("failed", error=None)],
        [("error", 'UpstreamError("the upstream\'s response is failed", status=500)')],
    ),
    "an error of no type": (
        [{"error": {"message": "bad key", "code": "invalid_api_key"}}],
        [("error", "UpstreamError('bad key', status=401, code='invalid_api_key')")],
    ),
    "what comes after the end": ([CREATED, DONE, delta("output_text", "late"), DONE], [("finish", "stop")]),
    "events that nobody knows": ([CREATED, {"type": "response.novelty", "delta": 3}, DONE], [("finish", "stop")]),
    "no end": (
        [CREATED, delta("output_text", "x")],
        [("text", "x"), ("error", 'Broken("the upstream\'s stream stopped before its end", status=502)')],
    ),
    "nothing": ([], [("error", 'Broken("the upstream\'s stream was empty", status=502)')]),
}


@pytest.mark.parametrize(("payloads", "calls"), [pytest.param(*case, id=name) for name, case in CASES.items()])
def test_streams(payloads: list[dict[str, Any]], calls: list[tuple[Any, ...]]) -> None:
    assert said(*payloads) == calls


def test_start_and_usage() -> None:
    calls = decode(Decoder, [wire(CREATED, ended(output=[]))], context()).calls
    assert calls[0] == ("start", "resp_1", "m", 1_700_000_000)
    usage = calls[1][1]
    assert (usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning) == (9, 4, 2, 7, 3)


def test_names_are_the_clients() -> None:
    exchange = context(upstream="responses", tool_names={"my_tool_1": "my.tool"})
    call = done("function_call", id="fc", call_id="c", name="my_tool_1", arguments="{}")
    assert said(CREATED, call, DONE, of=exchange)[0] == ("tool_start", 0, "c", "my.tool", "function")


def test_a_wrapper_that_is_the_clients_own_tool() -> None:
    exchange = context(upstream="responses", tools={"multi_tool_use.parallel": None})
    call = done("function_call", id="fc", call_id="c", name="multi_tool_use.parallel", arguments='{"tool_uses":[]}')
    assert said(CREATED, call, DONE, of=exchange)[0][3] == "multi_tool_use.parallel"


@pytest.mark.parametrize(
    "arguments", ["", "{", "[]", '{"tool_uses":[]}', '{"tool_uses":[3]}', '{"tool_uses":[{"recipient_name":3}]}']
)
def test_a_wrapper_that_wraps_nothing(arguments: str) -> None:
    call = done("function_call", id="fc", call_id="c", name="multi_tool_use.parallel", arguments=arguments)
    assert said(CREATED, call, DONE)[0] == ("tool_start", 0, "c", "multi_tool_use.parallel", "function")


def test_citations() -> None:
    note = {"type": "url_citation", "url": "https://example.com", "title": "T", "start_index": 0, "end_index": 2}
    file = {"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 2}
    part = {"type": "output_text", "text": "Hi", "annotations": [note, file]}
    live = {"type": "response.output_text.annotation.added", "item_id": "m", "annotation": note}
    streamed = said(
        CREATED, delta("output_text", "Hi", "m", content_index=0), live, done("message", id="m", content=[part]), DONE
    )
    assert [call[0] for call in streamed] == ["text", "citation", "finish"]
    whole = said(CREATED, done("message", id="m", content=[part]), DONE)
    url, document = whole[1][1], whole[2][1]
    assert (url.url, url.title, url.start, url.end, url.raw) == ("https://example.com", "T", 0, 2, note)
    assert (document.url, document.title, document.raw) == ("", "a.pdf", file)


@pytest.mark.parametrize(("more", "mime"), [({"output_format": "webp"}, "image/webp"), ({}, "image/png")])
def test_a_picture(more: dict[str, Any], mime: str) -> None:
    image = said(CREATED, done("image_generation_call", id="ig_1", result="iVBORw0KGgo=", **more), DONE)[0][1]
    assert isinstance(image, Image)
    assert (image.mime, image.data) == (mime, "iVBORw0KGgo=")
    assert image.extras is not None
    assert image.extras.fields["id"] == "ig_1"


def test_a_picture_that_was_not_made() -> None:
    assert said(CREATED, done("image_generation_call", id="ig_1", result=None), DONE)[0][0] == "opaque"


MALFORMED: dict[str, bytes] = {
    "no JSON": b"data: {\n\n",
    "no object": b"data: []\n\n",
    "no type": b'data: {"delta":"x"}\n\n',
    "a delta that is no text": wire(CREATED, {"type": "response.output_text.delta", "delta": 3}),
    "an item that is none": wire(CREATED, {"type": "response.output_item.done", "item": []}),
    "content that is no list": wire(CREATED, done("message", id="m", content="x")),
    "a part's index that is a list": wire(CREATED, delta("output_text", "x", content_index=[])),
    "an id that is no text": wire({"type": "response.created", "response": {"id": 3}}),
    "a call without its name": wire(CREATED, delta("function_call_arguments", "{}", "fc"), DONE),
    "a call with an id that is no text": wire(CREATED, done("function_call", call_id=[], name="f")),
    "an output that is no list": wire(CREATED, ended(output={})),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in MALFORMED.items()])
def test_what_breaks_the_protocol(data: bytes) -> None:
    decoder = Decoder(context(), Recorder())
    with pytest.raises(Malformed):
        decoder.feed(data)


def test_an_end_mark_alone_is_an_empty_stream() -> None:
    decoder = Decoder(context(), Recorder())
    decoder.feed(b": comment\n\ndata: [DONE]\n\n")
    with pytest.raises(Broken, match="empty"):
        decoder.eof()


def test_the_last_event_may_lack_its_blank_line() -> None:
    calls = decode(Decoder, [wire(CREATED, DONE).rstrip()], context()).calls
    assert calls[-1] == ("finish", "stop")


def test_repr_shows_the_state() -> None:
    decoder = Decoder(context(), Recorder())
    decoder.feed(wire(CREATED, added("function_call", id="fc", call_id="c", name="f")))
    assert repr(decoder) == "<responses.Decoder items=2 calls=1 done=False>"


# ---------------------------------------------------------------------------------------------------------------------
# Recorded traffic


def comparable(calls: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Calls without what an Encoder of ours says anew (ids, the model, an error's origin)."""
    shown = [(call[0], call[1].message) if call[0] == "error" else call for call in calls]
    return [call for call in shown if call[0] != "start"]


@pytest.mark.parametrize("case", own_recordings())
def test_recorded_streams(case: dict[str, Any]) -> None:
    """They decode alike at every cut; and what our Encoder makes of it the SDK's types take, and says the same again."""
    data = recorded(case)
    exchange = context(upstream="responses")
    calls = decode(Decoder, [data], exchange).calls
    assert calls[-1][0] in ("finish", "error")
    pieces = [piece for piece in cuts(data, rounds=3) if len(data) < 20_000 or len(piece) < len(data)]
    for cut in pieces:
        assert comparable(decode(Decoder, cut, exchange).calls) == comparable(calls)
    again = encode(Encoder(exchange), calls)
    if calls[-1][0] == "finish":
        events(again, strict=not any(call[0] == "opaque" for call in calls))
    assert comparable(decode(Decoder, [again], exchange).calls) == comparable(calls)


@pytest.mark.parametrize("case", recordings("openai-responses"))
def test_recorded_streams_at_their_end(case: dict[str, Any]) -> None:
    """The last event alone says what the whole stream said."""
    payloads = SSEReader().feed(recorded(case) + b"\n\n")
    ends = [json.loads(one) for one in payloads if one.startswith(b"{") and b'"usage":{' in one]
    collected = Collector()
    decoder = Decoder(context(), collected)
    for piece in payloads:
        decoder.feed(b"data: " + piece + b"\n\n")
    alone = Collector()
    Decoder(context(), alone).whole(ends[0]["response"])
    assert [type(part) for part in alone.answer.parts] == [type(part) for part in collected.answer.parts]
    assert alone.answer.finish == collected.answer.finish
    assert alone.answer.usage == collected.answer.usage


# ---------------------------------------------------------------------------------------------------------------------
# Garbage

WORDS: list[Any] = [None, True, 0, -1, 1e308, "", "x", [], {}, ["x"], {"type": "output_text"}, "function_call", 10**20]


def mutated(value: Any, chance: random.Random) -> Any:
    """A document with some of its values exchanged, left out or repeated."""
    if chance.random() < 0.06:
        return chance.choice(WORDS)
    if isinstance(value, dict):
        return {key: mutated(one, chance) for key, one in value.items() if chance.random() > 0.04}
    if isinstance(value, list):
        return [mutated(one, chance) for one in value]
    return value


@pytest.mark.parametrize("seed", range(40))
def test_garbage_raises_nothing_but_its_own_errors(seed: int) -> None:
    chance = random.Random(seed)
    for payloads, _ in CASES.values():
        stream = [mutated(payload, chance) for payload in payloads]
        recorder = Recorder()
        decoder = Decoder(context(), recorder)
        try:
            decoder.feed(b"".join(event(json.dumps(one).encode()) for one in stream))
            decoder.eof()
        except (Malformed, Broken):
            pass
        ends = [call for call in recorder.calls if call[0] in ("finish", "error")]
        assert len(ends) <= 1
        assert not ends or recorder.calls[-1] is ends[0]
        for call in recorder.named("error"):
            assert isinstance(call[0], UpstreamError | CcproxyError)


def test_a_calls_end_that_comes_twice_is_one() -> None:
    item = {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": "{}"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    events = [done, done, {"type": "response.completed", "response": {"output": [item]}}]
    stream = b"".join(b"data: " + jsontext.dumps(event) + b"\n\n" for event in events)
    recorder = decode(Decoder, [stream], context())
    assert [call[0] for call in recorder.calls].count("tool_end") == 1
    assert recorder.calls[-1][:2] == ("finish", "tool_calls")

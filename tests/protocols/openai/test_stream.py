"""OpenAI's stream both ways, judged by OpenAI's own SDK."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import openai
import pytest

from ccproxy.codec import jsontext
from ccproxy.errors import Broken, Malformed, TimedOut, UpstreamError
from ccproxy.model import Audio, Citation, Document, Image, Reasoning, Refusal, Text, Tool, ToolCall, Usage, seal
from ccproxy.protocols.openai.answers import write_answer
from ccproxy.protocols.openai.stream import Decoder, Encoder, Tap
from ccproxy.protocols.openai.terms import NAME
from ccproxy.stream import Collector
from tests.protocols.openai.judge import (
    CALLS,
    ID,
    STOP,
    call_piece,
    chunk,
    context,
    heard,
    sdk_answer,
    sdk_chunks,
    stream_of,
    told,
    told_of,
    variations,
)
from tests.tools import Recorder, encode, recorded, recordings

DATA = Path(__file__).parents[2] / "data" / "openai"


# ---------------------------------------------------------------------------------------------------------------------
# Decoder


def test_text_and_late_usage() -> None:
    calls = told((DATA / "text.sse").read_bytes())
    assert calls[:2] == [("start", "chatcmpl-1", "stub-1", 1_770_000_001), ("text", "Grüße, Welt 🌍\n")]
    usage = calls[2][1]
    assert (usage.input, usage.output, usage.cache_read) == (20, 7, 16)
    assert calls[3:] == [STOP]


def test_thinking_and_parallel_calls() -> None:
    calls = told((DATA / "thinking_and_tools.sse").read_bytes())
    assert [call for call in calls if call[0] != "usage"] == [
        ("start", "chatcmpl-2", "stub-2", 1_770_000_002),
        ("thinking", "Two places, two calls."),
        ("text", "I look."),
        ("tool_start", 0, "call_a", "get_weather", "function"),
        ("tool_arguments", 0, '{"city": "Köln"}'),
        ("tool_end", 0),
        ("tool_start", 1, "call_b", "get_time", "function"),
        ("tool_arguments", 1, "{}"),
        ("tool_end", 1),
        CALLS,
    ]
    assert calls[-2][1].reasoning == 12


def test_azure_says_first_what_it_filtered() -> None:
    calls = told((DATA / "azure.sse").read_bytes())
    assert calls == [("start", "chatcmpl-3", "stub-3", 1_770_000_003), ("text", "Hi"), ("finish", "content_filter", None)]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chunk({"content": "a"}, "stop")], id="no-done"),
        pytest.param([chunk({"content": "a"})], id="no-finish"),
        pytest.param(
            [chunk({"content": "a"}), chunk({}, "stop"), {"choices": [], "usage": {"prompt_tokens": 1}}], id="usage"
        ),
    ],
)
def test_a_clean_end_without_done(chunks: list[Any]) -> None:
    assert told(stream_of(*chunks))[-1] == STOP


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([], id="empty"),
        pytest.param([{"choices": []}], id="no-choice"),
        pytest.param(["[DONE]"], id="only-done"),
        pytest.param([chunk({"role": "assistant", "content": ""})], id="only-role"),
        pytest.param([chunk(call_piece(index=0, id="c", function={"name": "f", "arguments": '{"a":'}))], id="cut-call"),
        pytest.param(
            [chunk(call_piece(index=0, id="c", function={"name": "f", "arguments": '{"a":'})), "[DONE]"], id="cut-done"
        ),
        pytest.param([chunk(call_piece(index=0, id="c", function={"name": "f", "arguments": ""}))], id="named-only"),
    ],
)
def test_an_end_that_is_none(chunks: list[Any]) -> None:
    error = told(stream_of(*chunks))[-1]
    assert error[0] == "error"
    assert isinstance(error[1], Broken)


def test_what_comes_behind_done_is_not_looked_at() -> None:
    assert told(stream_of(chunk({"content": "a"}, "stop"), "[DONE]", "nonsense"))[-1] == STOP


def test_the_last_event_needs_no_blank_line() -> None:
    assert (
        told(stream_of(chunk({"content": "a"})) + b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}')[-1][1]
        == "length"
    )


@pytest.mark.parametrize(
    "payload",
    [
        "nonsense",
        "[]",
        "1",
        '{"choices":3}',
        '{"choices":[3]}',
        '{"choices":[{"delta":3}]}',
        '{"choices":[{"delta":{"content":3}}]}',
        '{"choices":[{"delta":{"tool_calls":3}}]}',
        '{"choices":[{"delta":{"tool_calls":[3]}}]}',
        '{"choices":[{"delta":{},"finish_reason":3}]}',
        '{"choices":[{"delta":{"function_call":"x"}}]}',
        '{"choices":[{"delta":{"tool_calls":[{"function":3}]}}]}',
        '{"choices":[{"delta":{"content":[3]}}]}',
        '{"choices":[{"delta":{"audio":{"data":"?"}}}]}',
        '{"choices":[{"delta":{"refusal":1}}]}',
        '{"choices":[{"delta":{"reasoning_details":[3]}}]}',
        '{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":3}}]}}]}',
    ],
)
def test_what_is_no_chunk(payload: str) -> None:
    with pytest.raises(Malformed):
        Decoder(context(), Recorder()).feed(stream_of(payload))


@pytest.mark.parametrize("case", recordings("openai-chat", part="stream"))
def test_recorded_streams(case: dict[str, Any]) -> None:
    """Every cut tells the same, and what our Encoder makes of it says the same to the SDK as the Collector heard."""
    data = recorded(case)
    calls = told(data)
    assert calls[-1][0] == "finish"
    assert_same_to_the_sdk(calls)


@pytest.mark.parametrize(
    "case", [case for case in recordings("errors", part="stream") if case.id.startswith(("openai-chat", "no-"))]
)
def test_recorded_errors_within_streams(case: dict[str, Any]) -> None:
    calls = told(recorded(case))
    assert calls[-1][0] == "error"
    assert calls[-1][1].status == 400


def test_any_garbage_raises_only_what_is_said() -> None:
    chance = random.Random(7)
    streams = [path.read_bytes() for path in sorted(DATA.glob("*.sse"))]
    for _ in range(1_500):
        data = bytearray(chance.choice(streams))
        for _ in range(chance.randint(1, 8)):
            start = chance.randrange(len(data))
            data[start : start + chance.randint(0, 3)] = chance.choice(
                [b"", b"[", b"}", b"null", b'"', b"1e999", b"\xff", b"{}"]
            )
        decoder = Decoder(context(), Recorder())
        with contextlib.suppress(Malformed, Broken):
            decoder.feed(bytes(data))
            decoder.eof()


# ---------------------------------------------------------------------------------------------------------------------
# Encoder


def encoded(*calls: tuple[Any, ...], **fields: Any) -> bytes:
    return encode(Encoder(context(**fields)), list(calls))


def assert_same_to_the_sdk(calls: list[tuple[Any, ...]]) -> None:
    """Stream and whole answer say to the SDK what the Collector heard."""
    collector = Collector()
    for name, *arguments in calls:
        getattr(collector, name)(*arguments)
    answer = collector.answer
    parts = answer.parts
    expected = {
        "text": "".join(part.text for part in parts if isinstance(part, Text)),
        "thinking": "".join(part.text for part in parts if isinstance(part, Reasoning)),
        "refusal": "".join(part.text for part in parts if isinstance(part, Refusal)),
        "calls": [[part.id, part.name, part.arguments] for part in parts if isinstance(part, ToolCall)],
        "finish": "content_filter" if answer.finish == "refusal" else answer.finish,
        "usage": (answer.usage.input, answer.usage.output) if answer.usage else None,
    }
    chunks = sdk_chunks(encoded(*calls))
    assert heard(chunks) == expected
    assert {one.id for one in chunks} == {f"chatcmpl-{ID}"}
    assert {one.model for one in chunks} == {"asked"}
    assert [one.choices[0].delta.role for one in chunks if one.choices] == ["assistant"] + [None] * (
        len([c for c in chunks if c.choices]) - 1
    )
    message = sdk_answer(write_answer(answer, context())).choices[0].message
    assert (message.content or "") == expected["text"]
    assert (message.refusal or "") == expected["refusal"]
    assert [
        [call.id, call.function.name, call.function.arguments]
        for call in message.tool_calls or []
        if call.type == "function"
    ] == expected["calls"]


STARTED = ("start", "up", "m", 1)


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([STARTED, ("text", "a"), ("text", "b\u2028\ud83d"), STOP], id="text"),
        pytest.param([STARTED, STOP], id="nothing"),
        pytest.param(
            [STARTED, ("thinking", "hm"), ("signature", "s", "claude"), ("usage", Usage(3, 2)), STOP], id="thinking"
        ),
        pytest.param([STARTED, ("refusal", "no"), ("finish", "refusal", None)], id="refusal"),
        pytest.param(
            [
                STARTED,
                ("tool_start", 4, "c", "f", "function"),
                ("tool_arguments", 4, '{"a":'),
                ("text", "x"),
                ("tool_start", 9, "d", "g", "function"),
                ("tool_arguments", 9, "{"),
                ("tool_arguments", 4, "1}"),
                ("tool_arguments", 9, "}"),
                ("tool_end", 9),
                ("tool_end", 4),
                CALLS,
            ],
            id="interleaved",
        ),
        pytest.param(
            [STARTED, ("text", "x"), ("tool_start", 0, "c", "f"), ("tool_arguments", 0, "{}"), ("tool_end", 0), CALLS],
            id="text-call",
        ),
    ],
)
def test_the_sdk_hears_what_was_said(calls: list[tuple[Any, ...]]) -> None:
    assert_same_to_the_sdk(calls)


def test_the_first_event_holds_role_and_words() -> None:
    first = encoded(STARTED, ("text", "Hi")).split(b"\n\n")[0]
    assert jsontext.loads(first.removeprefix(b"data: ")) == {
        "id": f"chatcmpl-{ID}",
        "object": "chat.completion.chunk",
        "created": 1_770_000_000,
        "model": "asked",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}],
        "usage": None,
    }


def test_usage_only_for_clients_that_asked() -> None:
    calls = (STARTED, ("text", "a"), ("usage", Usage(3, 2, cache_read=1, reasoning=1)), STOP)
    assert b"usage" not in encoded(*calls, include_usage=False)
    last = sdk_chunks(encoded(*calls))[-1]
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.total_tokens, last.usage.prompt_tokens_details.cached_tokens) == (5, 1)  # type: ignore[union-attr]


def test_a_call_without_arguments_ends_as_an_empty_object() -> None:
    chunks = sdk_chunks(encoded(STARTED, ("tool_start", 0, "c", "f"), ("tool_end", 0), CALLS))
    assert heard(chunks)["calls"] == [["c", "f", "{}"]]
    assert chunks[0].choices[0].delta.content is None


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_custom_tools_get_their_text_back(kind: str) -> None:
    tools = {"patch": Tool("patch", kind="custom")}
    arguments = '{"input":"*** Begin"}' if kind == "function" else "*** Begin"
    pieces = [("tool_arguments", 0, arguments[:5]), ("tool_arguments", 0, arguments[5:])]
    data = encoded(STARTED, ("tool_start", 0, "c", "patch", kind), *pieces, ("tool_end", 0), CALLS, tools=tools)
    entries = [
        entry
        for document in documents(data)
        for choice in document["choices"]
        for entry in choice["delta"].get("tool_calls", [])
    ]
    assert entries[0] == {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}}
    assert "".join(entry["custom"]["input"] for entry in entries) == "*** Begin"


def documents(data: bytes) -> list[Any]:
    payloads = [one.removeprefix(b"data: ") for one in data.split(b"\n\n") if one]
    return [jsontext.loads(payload) for payload in payloads if payload != b"[DONE]"]


def test_a_signature_before_a_call_goes_with_it() -> None:
    data = encoded(STARTED, ("signature", "sig", "elsewhere"), ("tool_start", 0, "c", "f"), ("tool_end", 0), CALLS)
    entry = documents(data)[0]["choices"][0]["delta"]["tool_calls"][0]
    assert entry["extra_content"] == {"ccproxy": {"signature": seal("sig", "elsewhere", NAME)}}
    assert heard(sdk_chunks(data))["calls"] == [["c", "f", "{}"]]


@pytest.mark.parametrize(
    "before",
    [[("thinking", "hm"), ("signature", "s", "x")], [("signature", "s", "x"), ("text", "a")], [("redacted", "d", "x")]],
)
def test_other_signatures_have_no_place(before: list[tuple[Any, ...]]) -> None:
    data = encoded(STARTED, *before, ("tool_start", 0, "c", "f"), ("tool_end", 0), CALLS)
    assert b"extra_content" not in data
    assert b"reasoning_details" not in data


def test_its_own_signatures_are_replayed() -> None:
    """What was decoded here is encoded as it was, where both sides speak this protocol."""
    detail = {"type": "reasoning.text", "signature": "sig", "index": 0}
    hidden = {"type": "reasoning.encrypted", "data": "d"}
    extra = {"google": {"thought_signature": "g"}}
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
    calls = told_of(
        {"reasoning_content": "hm"},
        {"reasoning_details": [detail]},
        {"reasoning_details": [hidden]},
        {"tool_calls": [call]},
    )
    deltas = [choice["delta"] for document in documents(encoded(STARTED, *calls)) for choice in document["choices"]]
    assert [delta["reasoning_details"] for delta in deltas if "reasoning_details" in delta] == [[detail], [hidden]]
    assert [delta["tool_calls"][0].get("extra_content") for delta in deltas if "tool_calls" in delta] == [extra, None]


def test_sources_media_and_server_tools() -> None:
    png = Image(mime="image/png", data="aaaa")
    calls = (
        STARTED,
        ("text", "abc"),
        ("citation", Citation("x", {}, "https://a.test", "A", start=0, end=3)),
        ("text", "def"),
        ("citation", Citation("x", {}, "https://b.test", "B")),
        ("citation", Citation("x", {})),
        ("media", png),
        ("media", Audio(mime="audio/pcm", data="YQ==")),
        ("media", Document(mime="application/pdf", data="aaaa")),
        ("opaque", NAME, {"executed_tools": [1]}),
        ("opaque", "x", {"secret": 1}),
        STOP,
    )
    data = encoded(*calls)
    deltas = [choice["delta"] for document in documents(data) for choice in document["choices"]]
    source = {"start_index": 0, "end_index": 3, "url": "https://a.test", "title": "A"}
    (annotations,) = [delta["annotations"] for delta in deltas if "annotations" in delta]
    assert [one["url_citation"]["url"] for one in annotations] == ["https://a.test", "https://b.test"]
    assert annotations[0] == {"type": "url_citation", "url_citation": source}
    assert [delta["images"][0]["image_url"]["url"] for delta in deltas if "images" in delta] == [
        "data:image/png;base64,aaaa"
    ]
    assert [delta["executed_tools"] for delta in deltas if "executed_tools" in delta] == [[1]]
    assert b"secret" not in data
    audio = next(one.choices[0].delta.audio for one in sdk_chunks(data) if one.choices and one.choices[0].delta.audio)
    assert audio.data == "YQ=="
    assert "[document left out" in heard(sdk_chunks(data))["text"]


@pytest.mark.parametrize(
    "calls", [[], [STARTED], [STARTED, ("text", "a"), ("tool_start", 0, "c", "f"), ("tool_arguments", 0, "{")]]
)
def test_an_error_ends_the_stream(calls: list[tuple[Any, ...]]) -> None:
    encoder = Encoder(context())
    data = encode(encoder, [*calls, ("error", TimedOut("the upstream was silent"))])
    assert b"[DONE]" not in data
    assert encoder.done
    assert isinstance(encoder.failure, TimedOut)
    with pytest.raises(openai.APIError, match="the upstream was silent"):
        sdk_chunks(data)


def test_an_answer_that_ended_as_failed_is_an_error() -> None:
    with pytest.raises(openai.APIError, match="ended its answer with an error"):
        sdk_chunks(encoded(STARTED, ("text", "a"), ("finish", "error", None)))


def test_an_upstreams_own_error_is_replayed() -> None:
    raw = {"error": {"message": "m", "code": 7, "metadata": {"a": 1}}}
    data = encoded(("error", UpstreamError("m", origin=NAME, raw={**raw, "choices": []})))
    assert documents(data) == [raw]


def test_keepalives_say_the_role_once() -> None:
    encoder = Encoder(context())
    first, second = encoder.keepalive(), encoder.keepalive()
    rest = encode(encoder, [STARTED, ("text", "a"), STOP])
    assert heard(sdk_chunks(first + second + rest))["text"] == "a"
    roles = [choice["delta"].get("role") for document in documents(first + second + rest) for choice in document["choices"]]
    assert roles == ["assistant", None, None, None]
    assert encoder.keepalive() == b""


# ---------------------------------------------------------------------------------------------------------------------
# Tap


def tapped(*documents: Any) -> tuple[Tap, bytes]:
    """The Tap after these payloads, and what the client got of them."""
    tap = Tap(context())
    out = b""
    for payload in [one.removeprefix(b"data: ") for one in stream_of(*documents).split(b"\n\n") if one]:
        replaced = tap.look(payload)
        out += b"data: %b\n\n" % (payload if replaced is None else replaced)
    return tap, out


def test_a_good_stream_passes_as_it_is() -> None:
    stream = (
        chunk({"content": "a"}),
        chunk({}, "stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
        "[DONE]",
    )
    tap, out = tapped(*stream)
    assert out == stream_of(*stream)
    assert tap.done
    assert tap.usage is not None
    assert (tap.usage.input, tap.usage.output) == (3, 1)
    assert tap.eof() == b""
    assert tap.keepalive() == b""


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    ("delta", "finish"),
    [
        ({"content": "a"}, "stop"),
        (call_piece(index=0, id="c", type="function", function={"name": "f", "arguments": "{}"}), "tool_calls"),
    ],
)
def test_a_missing_finish_is_made_up(delta: Any, finish: str, done: bool) -> None:
    tap, out = tapped(chunk(delta), *(["[DONE]"] if done else []))
    out += tap.eof()
    assert out.endswith(b"data: [DONE]\n\n")
    assert out.count(b"[DONE]") == 1
    chunks = sdk_chunks(out)
    assert heard(chunks)["finish"] == finish
    assert {one.id for one in chunks} == {"up-1"}
    assert tap.done


def test_a_missing_done_is_added() -> None:
    tap, _ = tapped(chunk({"content": "a"}, "stop"))
    assert tap.eof() == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [chunk({"role": "assistant"})],
        [chunk(call_piece(index=0, function={"arguments": "{"}))],
        [chunk({"content": "a"}, "stop"), {"choices": [{"index": 1, "delta": {}}]}],
    ],
)
def test_a_stream_must_not_end_there(documents: list[Any]) -> None:
    tap, _ = tapped(*documents)
    with pytest.raises(Broken):
        tap.eof()
    assert not tap.done


def test_a_stream_of_done_alone_is_an_error() -> None:
    tap, out = tapped("[DONE]")
    assert isinstance(tap.failure, Broken)
    with pytest.raises(openai.APIError, match="empty"):
        sdk_chunks(out)


def test_an_error_is_seen_and_passes() -> None:
    document = {"error": {"message": "slow", "code": 429}}
    tap, out = tapped(chunk({"content": "a"}), document)
    assert out.endswith(stream_of(document))
    assert tap.failure is not None
    assert tap.failure.status == 429
    assert tap.eof() == b""


def test_a_cut_stream_ends_as_an_error() -> None:
    tap, out = tapped(chunk({"content": "a"}))
    with pytest.raises(openai.APIError, match="it broke"):
        sdk_chunks(out + tap.keepalive() + tap.fail(Broken("it broke")))


def test_a_keepalive_is_a_chunk() -> None:
    tap, _ = tapped()
    assert heard(sdk_chunks(tap.keepalive())) == heard([])


@pytest.mark.parametrize("payload", [b"x", b"[]", b"3", b'"choices"'])
def test_what_is_no_chunk_does_not_pass(payload: bytes) -> None:
    with pytest.raises(Malformed):
        Tap(context()).look(payload)


def test_the_tap_takes_any_object() -> None:
    for changed in variations(
        chunk(
            call_piece(index=0, function={"name": "f", "arguments": "{}"}), "stop", error=None, usage={"prompt_tokens": 1}
        )
    ):
        tap = Tap(context())
        with contextlib.suppress(Malformed, Broken):
            tap.look(jsontext.dumps(changed))
            tap.eof()


@pytest.mark.parametrize("case", recordings("openai-chat", part="stream"))
def test_recorded_streams_pass(case: dict[str, Any]) -> None:
    tap = Tap(context())
    decoder = Decoder(context(), recorder := Recorder())
    data = recorded(case)
    decoder.feed(data)
    for payload in [line.removeprefix(b"data: ") for line in data.splitlines() if line.startswith(b"data: ")]:
        assert tap.look(payload) is None
    assert tap.done
    assert ([tap.usage] if tap.usage else []) == [usage for (usage,) in recorder.named("usage")]

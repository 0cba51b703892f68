"""Ollama's stream both ways, judged by Ollama's own SDK."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from ccproxy.errors import Broken, Malformed, TimedOut, UpstreamError
from ccproxy.model import Audio, Context, Document, Extras, Image, ToolCall, Usage, arguments_object
from ccproxy.protocols.ollama.requests_in import NAME
from ccproxy.protocols.ollama.stream import Decoder, Encoder, Tap
from ccproxy.stream import Collector
from tests.tools import Recorder, cuts, decode, encode, recorded, recordings

DATA = Path(__file__).parents[2] / "data" / "ollama"
ID = "0123456789abcdef01234567"
TWENTY_KB = 20_000


def context(**fields: Any) -> Context:
    return Context(client=NAME, upstream=NAME, id=ID, created=1_770_000_000, **fields)


def pieces_of(data: bytes) -> list[list[bytes]]:
    """Every cut; byte by byte only for streams that are short enough for it."""
    return [pieces for pieces in cuts(data) if len(pieces) < TWENTY_KB]


def told(data: bytes, **fields: Any) -> list[tuple[Any, ...]]:
    """The calls that the stream makes, the same at every cut."""
    runs = [decode(Decoder, pieces, context(**fields)).calls for pieces in pieces_of(data)]
    assert all(repr(run) == repr(runs[0]) for run in runs)
    return runs[0]


def calls_of(name: str) -> list[tuple[Any, ...]]:
    return told((DATA / f"{name}.ndjson").read_bytes())


def judged(stream: bytes) -> list[ollama.ChatResponse]:
    """What the SDK makes of a stream."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=stream))
    client = ollama.Client(host="http://upstream.test", transport=transport)
    return list(client.chat("m", [{"role": "user", "content": "?"}], stream=True))


START = ("start", "", "stub:1b", 1_770_091_506)


# ---------------------------------------------------------------------------------------------------------------------
# Decoder


def test_text() -> None:
    durations = {"total_duration": 900, "load_duration": 100, "prompt_eval_duration": 200, "eval_duration": 600}
    assert calls_of("text") == [
        START,
        ("text", "Zwölf Äpfel 🍏\n"),
        ("usage", Usage(7, 5, extras=Extras(NAME, durations))),
        ("finish", "stop"),
    ]


def test_calls_are_counted_up_whatever_their_index_says() -> None:
    """F026, F071: index 0 for all, and `stop` at the end."""
    assert calls_of("thinking_calls") == [
        START,
        ("thinking", "Two things to look up."),
        ("text", "Looking."),
        ("tool_start", 0, "call_a1", "find"),
        ("tool_arguments", 0, '{"z":1,"a":{"id":123456789012345678901234567890,"rate":1.5}}'),
        ("tool_end", 0),
        ("tool_start", 1, f"call_{ID}1", "find"),
        ("tool_arguments", 1, "{}"),
        ("tool_end", 1),
        ("tool_start", 2, f"call_{ID}2", "now"),
        ("tool_arguments", 2, "{}"),
        ("tool_end", 2),
        ("usage", Usage(30, 40, extras=Extras(NAME))),
        ("finish", "tool_calls"),
    ]


def test_a_length_cut_stays_one_and_nothing_follows_the_end() -> None:
    assert calls_of("length")[-2:] == [("usage", Usage(3, 4, extras=Extras(NAME))), ("finish", "length")]


def test_a_missing_end_is_made_up() -> None:
    assert calls_of("no_end")[-1] == ("finish", "tool_calls")


def test_generate_lines() -> None:
    assert calls_of("generate")[1:3] == [("thinking", "hm"), ("text", "yes")]
    assert calls_of("generate")[-1] == ("finish", "stop")


def test_an_error_line() -> None:
    *before, (name, error) = calls_of("error")
    assert before == [START, ("text", "I was")]
    assert (name, error.message, error.status, error.origin) == ("error", "the runner ran out of memory", 500, NAME)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ({"error": "busy", "StatusCode": 503}, 503),
        ({"error": "busy", "status": 429}, 429),
        ({"error": "busy", "status": "bad"}, 500),
        ({"error": {"message": "busy"}, "status": 7}, 500),
    ],
)
def test_an_error_line_may_tell_its_status(line: dict[str, Any], status: int) -> None:
    ((name, error),) = told(json.dumps(line).encode() + b"\n")
    assert (name, error.message, error.status) == ("error", "busy", status)


def test_renamed_tools_get_the_clients_name() -> None:
    data = b'{"message":{"tool_calls":[{"function":{"name":"a_b","arguments":{}}}]},"done":true}\n'
    assert told(data, tool_names={"a_b": "a.b"})[1] == ("tool_start", 0, f"call_{ID}", "a.b")


def test_an_image_in_an_answer() -> None:
    data = b'{"message":{"content":"","images":["iVBORw0KGgoAAA"]},"done":true}\n'
    assert told(data)[1] == ("media", Image(data="iVBORw0KGgoAAA", mime="image/png"))


@pytest.mark.parametrize("data", [b"", b"\n\n"])
def test_an_empty_stream_is_broken(data: bytes) -> None:
    ((_, error),) = told(data)
    assert isinstance(error, Broken)


def test_a_cut_last_line_is_broken() -> None:
    whole = (DATA / "no_end.ndjson").read_bytes()
    assert isinstance(told(whole[:-20])[-1][1], Broken)


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"[]",
        b"7",
        b"{}",
        b'{"status":"pulling"}',
        b'{"message":7}',
        b'{"message":{"content":7}}',
        b'{"message":{"content":["x"]}}',
        b'{"message":{"thinking":{"x":1}}}',
        b'{"message":{"images":"x"}}',
        b'{"message":{"tool_calls":{"a":1}}}',
        b'{"message":{"tool_calls":[7]}}',
        b'{"message":{"tool_calls":[{}]}}',
        b'{"message":{"tool_calls":[{"function":{"name":""}}]}}',
        b'{"message":{"tool_calls":[{"function":{"name":"a","arguments":[1]}}]}}',
        b'{"response":7}',
    ],
)
def test_what_is_no_line_of_an_answer_is_malformed(line: bytes) -> None:
    assert isinstance(told(line + b"\n")[-1][1], Malformed)


OWN = [case for case in recordings("ollama", "errors") if not case.values[0] or case.values[0]["protocol"] == NAME]


@pytest.mark.parametrize("case", OWN)
def test_recorded_streams(case: dict[str, Any]) -> None:
    calls = told(recorded(case))
    assert calls[0][0] == "start"
    assert calls[-1][0] == ("error" if "error" in case["name"] else "finish")


@pytest.mark.parametrize("case", recordings("ollama"))
def test_recorded_streams_through_the_encoder(case: dict[str, Any]) -> None:
    data = recorded(case)
    encoder, collector = Encoder(context(model="alias")), Collector()
    Decoder(context(), encoder).feed(data)
    Decoder(context(), collector).feed(data)
    chunks = judged(encoder.take())
    answer = collector.answer
    assert "".join(chunk.message.content or "" for chunk in chunks) == "".join(
        part.text for part in answer.parts if type(part).__name__ == "Text"
    )
    assert "".join(chunk.message.thinking or "" for chunk in chunks) == "".join(
        part.text for part in answer.parts if type(part).__name__ == "Reasoning"
    )
    calls = [call.function for chunk in chunks for call in chunk.message.tool_calls or []]
    wanted = [part for part in answer.parts if isinstance(part, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [(call.name, arguments_object(call)) for call in wanted]
    assert answer.usage is not None
    assert (chunks[-1].prompt_eval_count, chunks[-1].eval_count) == (answer.usage.input, answer.usage.output)
    assert chunks[-1].total_duration == json.loads(data.split(b"\n")[-2 if data.endswith(b"\n") else -1])["total_duration"]
    assert {chunk.model for chunk in chunks} == {"alias"}


# ---------------------------------------------------------------------------------------------------------------------
# Encoder


def written(*calls: tuple[Any, ...], **fields: Any) -> list[dict[str, Any]]:
    stream = encode(Encoder(context(model="alias", **fields)), [("start", "x", "up", 9), *calls])
    assert stream.endswith(b"\n")
    return [json.loads(line) for line in stream.split(b"\n")[:-1]]


def test_lines_and_the_last_one() -> None:
    """F187: message, not response; reason and counts at the end."""
    lines = written(("thinking", "hm"), ("text", "Hé"), ("usage", Usage(5, 6)), ("finish", "stop"))
    head = {"model": "alias", "created_at": "2026-02-02T02:40:00.000000000Z"}
    assert lines == [
        {**head, "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {**head, "message": {"role": "assistant", "content": "Hé"}, "done": False},
        {
            **head,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "total_duration": 0,
            "load_duration": 0,
            "prompt_eval_count": 5,
            "prompt_eval_duration": 0,
            "eval_count": 6,
            "eval_duration": 0,
        },
    ]


@pytest.mark.parametrize(
    ("reason", "said"),
    [("stop", "stop"), ("stop_sequence", "stop"), ("length", "length"), ("tool_calls", "stop"), ("content_filter", "stop")],
)
def test_reasons(reason: str, said: str) -> None:
    (last,) = written(("finish", reason))
    assert (last["done_reason"], last["eval_count"]) == (said, 0)


def test_a_call_that_was_cut_off_is_not_handed_out() -> None:
    """A client would run it (F063)."""
    cut = [("tool_start", 0, "x", "f"), ("tool_arguments", 0, '{"a":'), ("tool_end", 0)]
    whole = [("tool_start", 1, "y", "g"), ("tool_arguments", 1, '{"a":1}'), ("tool_end", 1)]
    call, last = written(*cut, *whole, ("finish", "length"))
    assert [one["id"] for one in call["message"]["tool_calls"]] == ["y"]
    assert last["done_reason"] == "length"
    slip, last = written(*cut, ("finish", "stop"))
    assert slip["message"]["tool_calls"][0]["function"]["arguments"] == {"raw": '{"a":'}


def test_interleaved_calls_leave_whole_in_the_order_of_their_ends() -> None:
    lines = written(
        ("tool_start", 0, "id0", "first"),
        ("tool_arguments", 0, '{"a":'),
        ("tool_start", 1, "id1", "second", "custom"),
        ("text", "meanwhile"),
        ("tool_arguments", 1, "free\ntext"),
        ("tool_end", 1),
        ("tool_arguments", 0, "1}"),
        ("tool_end", 0),
        ("finish", "tool_calls"),
    )
    calls = [call for line in lines for call in line["message"].get("tool_calls", [])]
    assert calls == [
        {"id": "id1", "function": {"index": 0, "name": "second", "arguments": {"input": "free\ntext"}}},
        {"id": "id0", "function": {"index": 1, "name": "first", "arguments": {"a": 1}}},
    ]


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ('{"b":1.0,"a":12345678901234567890123}', b'{"b":1.0,"a":12345678901234567890123}'),
        ('{ "b" : 1e2 }', b'{ "b" : 1e2 }'),
        ("", b"{}"),
        ("null", b"{}"),
        ('{\n"a": 1}', b'{"a":1}'),
        ('{"a": ', b'{"raw":"{\\"a\\": "}'),
        ("[1]", b'{"raw":"[1]"}'),
        ('{"a":"\ud83d"}', b'{"a":"\\ud83d"}'),
        ('{"a":"x\u2028"}', b'{"a":"x\\u2028"}'),
    ],
)
def test_arguments_are_objects(text: str, wire: bytes) -> None:
    arguments = [("tool_arguments", 0, text)] if text else []
    calls = [("start", "", "", 0), ("tool_start", 0, "i", "f"), *arguments, ("tool_end", 0), ("finish", "tool_calls")]
    stream = encode(Encoder(context()), calls)
    assert b'"arguments":' + wire + b"}}]" in stream
    assert len(judged(stream)) == 2


def test_line_ends_of_unicode_cut_no_line() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\r\nh"
    stream = encode(Encoder(context()), [("start", "", "m", 0), ("text", text), ("thinking", text), ("finish", "stop")])
    assert [chunk.message.content for chunk in judged(stream)] == [text, "", ""]


def test_what_has_no_place() -> None:
    lines = written(
        ("refusal", "No."),
        ("signature", "sig", "elsewhere"),
        ("redacted", "data", "elsewhere"),
        ("opaque", "elsewhere", {"type": "search"}),
        ("media", Image(data="AA", mime="image/png", name="cat.png")),
        ("finish", "refusal"),
    )
    assert [line["message"]["content"] for line in lines] == [
        "No.",
        "[image cat.png left out: the ollama protocol has no place for it here]",
        "",
    ]


def test_an_error_ends_the_stream_with_a_line() -> None:
    calls = [("start", "", "m", 0), ("text", "I"), ("tool_start", 0, "i", "f"), ("error", TimedOut("silence"))]
    encoder = Encoder(context())
    stream = encode(encoder, calls)
    assert json.loads(stream.split(b"\n")[-2]) == {"error": "silence"}
    assert (encoder.done, isinstance(encoder.failure, TimedOut)) == (True, True)
    with pytest.raises(ollama.ResponseError, match="silence"):
        judged(stream)


def test_an_error_before_the_start() -> None:
    raw = {"error": "not now", "StatusCode": 503}
    assert (
        encode(Encoder(context()), [("error", UpstreamError("x", origin=NAME, raw=raw))])
        == json.dumps(raw, separators=(",", ":")).encode() + b"\n"
    )


def test_no_keepalive() -> None:
    assert Encoder(context()).keepalive() == b""
    assert Tap(context()).keepalive() == b""


@pytest.mark.parametrize("part", [Audio(data="AA"), Document(url="https://x.test/a.pdf")])
def test_media_stand_ins(part: Any) -> None:
    assert "left out" in written(("media", part), ("finish", "stop"))[0]["message"]["content"]


# ---------------------------------------------------------------------------------------------------------------------
# Tap


def tapped(data: bytes) -> Tap:
    tap = Tap(context())
    for line in filter(None, data.split(b"\n")):
        assert tap.look(line) is None
    return tap


def test_the_tap_sees_the_end_and_the_counts() -> None:
    tap = tapped((DATA / "text.ndjson").read_bytes())
    assert tap.done
    assert tap.usage is not None
    assert (tap.usage.input, tap.usage.output) == (7, 5)
    assert (tap.eof(), tap.fail(TimedOut("late"))) == (b"", b"")


def test_the_tap_makes_up_a_missing_end() -> None:
    tap = tapped((DATA / "no_end.ndjson").read_bytes())
    assert not tap.done
    chunks = judged((DATA / "no_end.ndjson").read_bytes().replace(b"\n\n", b"\n") + tap.eof())
    assert (chunks[-1].done, chunks[-1].model) == (True, "stub:1b")


def test_the_tap_sees_the_upstreams_error() -> None:
    tap = tapped((DATA / "error.ndjson").read_bytes())
    assert tap.failure is not None
    assert tap.failure.message == "the runner ran out of memory"
    assert tap.eof() == b""


def test_the_tap_ends_a_cut_stream_with_an_error() -> None:
    tap = tapped((DATA / "text.ndjson").read_bytes().split(b"\n")[0])
    assert tap.fail(TimedOut("silence")) == b'{"error":"silence"}\n'


def test_the_tap_refuses_what_is_empty_or_no_record() -> None:
    with pytest.raises(Broken):
        Tap(context()).eof()
    with pytest.raises(Malformed):
        Tap(context()).look(b"{")


# ---------------------------------------------------------------------------------------------------------------------
# Garbage


def garbled(data: bytes, chance: random.Random) -> bytes:
    """Some bytes replaced, removed or doubled."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(out))
        out[at : at + chance.randint(0, 3)] = chance.choice([b"", b"null", b"[", b'"', b"{", b"7", b"\n", out[at : at + 5]])
    return bytes(out)


@pytest.mark.parametrize("name", ["text", "thinking_calls", "error", "generate"])
def test_garbage_raises_upstream_errors_only(name: str) -> None:
    chance = random.Random(name)
    whole = (DATA / f"{name}.ndjson").read_bytes()
    for _ in range(300):
        recorder = Recorder()
        decoder = Decoder(context(), recorder)
        tap = Tap(context())
        data = garbled(whole, chance)
        with contextlib.suppress(Malformed, Broken):
            decoder.feed(data)
            decoder.eof()
        ends = [call for call in recorder.calls if call[0] in ("finish", "error")]
        assert len(ends) <= 1
        with contextlib.suppress(Malformed):
            for line in data.split(b"\n"):
                tap.look(line)

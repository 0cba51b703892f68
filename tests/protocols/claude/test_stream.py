"""Claude's stream, read: what the Decoder and the Tap make of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ccproxy.errors import Broken, CcproxyError, Malformed, TimedOut, UpstreamError
from ccproxy.model import Citation, Context, Extras, Reasoning, Refusal, Text, ToolCall, Usage, arguments_object
from ccproxy.protocols.claude.encoder import Encoder
from ccproxy.protocols.claude.stream import CUT, EMPTY, Decoder, Tap
from ccproxy.protocols.claude.terms import NAME
from ccproxy.stream import Collector
from tests.protocols.claude.judge import judged, own, said
from tests.tools import Recorder, cuts, decode, encode, recorded, recordings

DATA = Path(__file__).parents[2] / "data" / "claude"
ID = "0123456789abcdef01234567"
TWENTY_KB = 20_000


def context(**fields: Any) -> Context:
    return Context(**{"client": NAME, "upstream": NAME, "id": ID, **fields})


def data_of(name: str) -> bytes:
    return (DATA / f"{name}.sse").read_bytes()


def told(data: bytes, **fields: Any) -> list[tuple[Any, ...]]:
    """The calls that the stream makes, the same at every cut; byte by byte only for what is short enough for it."""
    pieces = [cut for cut in cuts(data) if len(cut) < TWENTY_KB]
    runs = [decode(Decoder, cut, context(**fields)).calls for cut in pieces]
    assert all(repr(run) == repr(runs[0]) for run in runs)
    return runs[0]


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


HEAD = event("message_start", message={"id": "msg_1", "model": "m", "usage": {}})
TAIL = event("message_stop")


# ---------------------------------------------------------------------------------------------------------------------
# Decoder


def test_text_with_caches_and_a_stop_sequence() -> None:
    tier = Extras(NAME, {"service_tier": "standard"})
    assert told(data_of("text")) == [
        ("start", "msg_text", "claude-stub-4-5", 0),
        ("usage", Usage(20, 1, 5, 3, extras=tier)),
        ("text", "Grüße, 🦦!\n"),
        ("usage", Usage(20, 9, 5, 3, extras=tier)),
        ("finish", "stop_sequence", "###"),
    ]


def test_thinking_and_two_calls() -> None:
    assert told(data_of("tools"))[2:] == [
        ("thinking", "Two places, two calls."),
        ("signature", "Sig+/==", NAME),
        ("text", "Looking."),
        ("tool_start", 0, "toolu_a", "weather"),
        ("tool_arguments", 0, '{"city": "Köln", "n": 12345678901234567890123}'),
        ("tool_end", 0),
        ("tool_start", 1, "toolu_b", "clock"),
        ("tool_arguments", 1, "{}"),
        ("tool_end", 1),
        ("usage", Usage(40, 77, reasoning=20)),
        ("finish", "tool_calls", None),
    ]


def test_server_tools_are_opaque_and_their_text_keeps_its_sources() -> None:
    calls = told(data_of("server_tools"))
    source = {"type": "web_search_result_location", "url": "https://otters.example/", "title": "Otters"} | {
        "cited_text": "They hold hands.",
        "encrypted_index": "idx",
    }
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "otters"}}
    assert [call[0] for call in calls[2:-2]] == ["text", "opaque", "opaque", "text", "citation", "text", "opaque"]
    assert calls[3] == ("opaque", NAME, use)
    assert calls[4][2]["content"][0]["encrypted_content"] == "enc"
    cited = Citation(NAME, source, "https://otters.example/", "Otters", "They hold hands.", 7, 17)
    assert calls[5:8] == [("text", "Otters hold hands"), ("citation", cited), ("text", ".")]
    assert calls[8] == ("opaque", NAME, {"type": "compaction", "content": "so far"})
    assert calls[-1] == ("finish", "stop", None)
    assert calls[-2][1].extras.fields == {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}}


def test_hidden_thoughts() -> None:
    assert told(data_of("redacted"))[2:5] == [("redacted", "Red==", NAME), ("signature", "Only", NAME), ("text", "No.")]
    assert told(data_of("redacted"))[-1] == ("finish", "refusal", None)


def test_what_compatible_servers_do_to_the_protocol() -> None:
    assert told(data_of("sloppy"))[2:] == [
        ("text", "Hi there"),
        ("tool_start", 0, f"toolu_{ID}1", "weather"),
        ("tool_arguments", 0, '{"city":"Rom"}'),
        ("tool_end", 0),
        ("tool_start", 1, "twice", "weather"),
        ("tool_arguments", 1, "{}"),
        ("tool_end", 1),
        ("tool_start", 2, f"toolu_{ID}3", "weather"),
        ("usage", Usage(31, 8)),
        ("usage", Usage(31, 8)),
        ("tool_arguments", 2, "{}"),
        ("tool_end", 2),
        ("finish", "tool_calls", None),
    ]


def test_an_error_within_the_stream() -> None:
    *calls, (name, error) = told(data_of("error"))
    assert calls[-1] == ("text", "Hal")
    assert (name, type(error), error.status, error.code) == ("error", UpstreamError, 529, "overloaded_error")


@pytest.mark.parametrize(
    ("stream", "error", "message"),
    [
        (b"", Broken, EMPTY),
        (b": only a comment\n\n", Broken, EMPTY),
        (data_of("cut"), Broken, CUT),
        (b"data: {oops\n\n", Malformed, "no JSON"),
        (b"data: [1]\n\n", Malformed, "no object"),
        (b"data: {}\n\n", Malformed, "without a type"),
        (event("message_start", message=None), Malformed, "no message"),
        (event("content_block_start", index=0, content_block={"type": "text"}), Malformed, "begin with"),
        (event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x"}), Malformed, "begin with"),
        (TAIL, Malformed, "begin with"),
        (HEAD + event("content_block_start", index=0), Malformed, "without a type"),
        (HEAD + event("content_block_start", index=0, content_block={"type": "tool_use"}), Malformed, "without a name"),
        (HEAD + event("content_block_delta", index=0, delta=[]), Malformed, "delta without"),
        (HEAD + event("content_block_delta", index=[], delta={"type": "signature_delta"}), Malformed, "not open"),
        (HEAD + event("content_block_delta", index=0, delta={"type": "text_delta", "text": 5}), Malformed, "text belongs"),
    ],
)
def test_what_is_refused(stream: bytes, error: type[CcproxyError], message: str) -> None:
    name, raised = told(stream)[-1]
    assert (name, type(raised)) == ("error", error)
    assert message in raised.message


def test_an_error_in_another_shape() -> None:
    assert told(b'data: {"error": "out of memory"}\n\n')[-1][1].message == "out of memory"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "stop"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("sensitive", "content_filter"),
        ("something_new", "stop"),
        (None, "stop"),
        (7, "stop"),
    ],
)
def test_why_it_ended(reason: Any, finish: str) -> None:
    stream = HEAD + event("message_delta", delta={"stop_reason": reason}) + TAIL
    assert told(stream)[-1] == ("finish", finish, None)


@pytest.mark.parametrize(
    ("reason", "finish"), [("end_turn", "tool_calls"), ("max_tokens", "length"), ("pause_turn", "tool_calls")]
)
def test_why_it_ended_after_a_call(reason: str, finish: str) -> None:
    call = event("content_block_start", index=0, content_block={"type": "tool_use", "id": "a", "name": "f", "input": {}})
    stream = HEAD + call + event("message_delta", delta={"stop_reason": reason}) + TAIL
    assert told(stream)[-1] == ("finish", finish, None)


def test_tool_names_come_back_as_the_client_knows_them() -> None:
    calls = told(data_of("tools"), tool_names={"weather": "weather.get"})
    assert ("tool_start", 0, "toolu_a", "weather.get") in calls


def test_a_whole_input_keeps_long_integers() -> None:
    block = '{"type":"tool_use","id":"a","name":"f","input":{"n":123456789012345678901234567890}}'
    start = b'data: {"type":"content_block_start","index":0,"content_block":' + block.encode() + b"}\n\n"
    assert ("tool_arguments", 0, '{"n":123456789012345678901234567890}') in told(HEAD + start + TAIL)


def test_what_belongs_to_no_event_is_ignored() -> None:
    assert told(data_of("text") + b"data: {oops\n\n")[-1] == ("finish", "stop_sequence", "###")
    assert told(b"data: [DONE]\n\n" + data_of("text"))[-1] == ("finish", "stop_sequence", "###")
    assert told(data_of("text").rstrip())[-1] == ("finish", "stop_sequence", "###")


def test_garbage_raises_nothing_but_malformed() -> None:
    """Valid streams with values exchanged at random; whatever comes out of them, it is one of our errors."""
    values: list[Any] = [None, 0, -1, 1.5, "", "x", [], {}, [[]], {"type": []}, True]
    for seed in range(400):
        chance = random.Random(seed)
        lines = data_of(chance.choice(["tools", "server_tools", "sloppy"])).replace(b"\r\n", b"\n").split(b"\n")
        for number, line in enumerate(lines):
            if line.startswith(b"data:{") or (line.startswith(b"data: {") and chance.random() < 0.3):
                lines[number] = b"data: " + json.dumps(_spoiled(json.loads(line[5:]), chance, values)).encode()
        *_, last = decode(Decoder, [b"\n".join(lines)], context()).calls
        assert last[0] == "finish" or isinstance(last[1], CcproxyError)


def _spoiled(document: Any, chance: random.Random, values: list[Any]) -> Any:
    if chance.random() < 0.1:
        return chance.choice(values)
    if isinstance(document, dict):
        return {key: _spoiled(value, chance, values) for key, value in document.items()}
    return document


# ---------------------------------------------------------------------------------------------------------------------
# Recorded streams


def collected(calls: list[tuple[Any, ...]]) -> Collector:
    collector = Collector()
    for name, *arguments in calls:
        getattr(collector, name)(*arguments)
    return collector


def meant(collector: Collector) -> list[tuple[Any, ...]]:
    """What a Collector understood, as `judge.said` says it."""
    found: list[tuple[Any, ...]] = []
    for part in collector.answer.parts:
        if isinstance(part, (Text, Refusal)):
            last = found.pop()[1] if found and found[-1][0] == "text" else ""
            found.append(("text", last + part.text))
        elif isinstance(part, ToolCall):
            found.append(("tool", part.id, part.name, arguments_object(part)))
        elif isinstance(part, Reasoning):
            thought = ("thinking", part.text, part.signature)
            found.append(("redacted", part.redacted) if part.redacted else thought)
        else:
            found.append(("opaque", part.raw["type"]))
    return found


def assert_it_survives_us(data: bytes) -> None:
    calls = told(data)
    collector = collected(calls)
    if collector.failure is not None:
        assert isinstance(collector.failure, UpstreamError)
        return
    message = judged(encode(Encoder(context()), calls))
    usage, answer = message.usage, collector.answer
    assert said(message) == meant(collector)
    assert answer.usage is not None
    assert usage.output_tokens == answer.usage.output
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0) == (
        answer.usage.input
    )
    assert message.stop_sequence == answer.stop_sequence


@pytest.mark.parametrize("name", ["text", "tools", "server_tools", "redacted", "sloppy", "error"])
def test_our_streams_survive_us(name: str) -> None:
    assert_it_survives_us(data_of(name))


@pytest.mark.parametrize("case", own(recordings("claude", "malformed", "errors"), NAME))
def test_recorded_streams_survive_us(case: dict[str, Any]) -> None:
    assert_it_survives_us(recorded(case))


# ---------------------------------------------------------------------------------------------------------------------
# Tap


def tapped(data: bytes, **fields: Any) -> tuple[Tap, list[bytes]]:
    tap = Tap(context(**fields))
    lines = [line for line in data.splitlines() if line.startswith(b"data:")]
    return tap, [changed for line in lines if (changed := tap.look(line[5:])) is not None]


@pytest.mark.parametrize("name", ["text", "tools", "server_tools", "redacted", "sloppy"])
def test_the_tap_counts_as_the_decoder_does(name: str) -> None:
    tap, changed = tapped(data_of(name))
    assert tap.usage == collected(told(data_of(name))).answer.usage
    assert (tap.done, tap.failure, changed) == (True, None, [])
    assert tap.eof() == b""


def test_the_tap_gives_the_clients_model_name_once() -> None:
    _, changed = tapped(data_of("text"), model="my-alias")
    assert [json.loads(one)["message"]["model"] for one in changed] == ["my-alias"]
    assert tapped(data_of("text"), model="claude-stub-4-5")[1] == []


def test_the_tap_sees_an_error() -> None:
    tap, _ = tapped(data_of("error"))
    assert tap.failure is not None
    assert (tap.failure.status, tap.done) == (529, True)


def test_a_cut_stream_ends_as_an_error() -> None:
    tap, _ = tapped(
        data_of("tools").partition(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1')[0]
    )
    with pytest.raises(Broken, match="message_stop"):
        tap.eof()
    end = tap.fail(TimedOut("silence"))
    assert end.startswith(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\nevent: error\n')
    assert b'"timeout_error"' in end
    with pytest.raises(Broken, match="empty"):
        Tap(context()).eof()


def test_a_cut_call_is_not_closed() -> None:
    """Claude Code runs a call as soon as its block is closed."""
    tap, _ = tapped(
        data_of("tools").partition(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":2')[0]
    )
    assert tap.fail(TimedOut("silence")).startswith(b"event: error\n")


@pytest.mark.parametrize("payload", [b"{oops", b"[]", b"{}", b'{"type":"message_start","message":[]}'])
def test_the_tap_refuses_what_is_no_event(payload: bytes) -> None:
    with pytest.raises(Malformed):
        Tap(context()).look(payload)


def test_the_tap_lets_odd_events_pass() -> None:
    tap = Tap(context())
    odd = [b"[DONE]", b'{"type":"brand_new"}', b'{"type":"content_block_start","index":[]}', b'{"type":"message_delta"}']
    assert [tap.look(one) for one in odd] == [None] * len(odd)
    assert b"ping" in tap.keepalive()


def test_reprs_show_the_state() -> None:
    assert "done=False" in repr(Decoder(context(), Recorder()))
    assert "open=[]" in repr(Tap(context()))

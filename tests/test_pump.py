"""Every pump, fed with the wires of the fakes: what comes out is read back with the client's own protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve

from ccproxy import pump as module
from ccproxy.codec.sse import SSEReader
from ccproxy.errors import Broken, CcproxyError, Malformed, UpstreamError
from ccproxy.model import Answer, Context, Reasoning, Text, ToolCall, arguments_object
from ccproxy.protocols import PROTOCOLS
from ccproxy.pump import Carrier, Converter, Folder, Gatherer, Pump, Relay, staged, whole_document
from ccproxy.stream import Collector, Stage
from tests.fakes.meaning import SCENARIOS, Meaning
from tests.fakes.wires import ANSWERS, ERRORS, STREAMS
from tests.tools import cuts

NAMES = list(PROTOCOLS)
PAIRS = [pytest.param(client, upstream, id=f"{client}-{upstream}") for client in NAMES for upstream in NAMES]
ANSWERED = [name for name, meaning in SCENARIOS.items() if meaning.status == 200 and not meaning.breaks]
TEXT = SCENARIOS["text"]
CUT = Broken("the cable was cut")


def context_for(client: str, upstream: str, stream: bool = True, model: str = "alias") -> Context:
    shapes = PROTOCOLS[client].chat.native_shapes
    return Context(
        client=client,
        upstream=upstream,
        model=model,
        stream=stream,
        shape="" if "" in shapes else min(shapes),
        created=1,
    )


def pumped(pump: Pump, pieces: Iterable[bytes]) -> bytes:
    """What the client gets of the pieces and a clean end."""
    return b"".join([*map(pump.feed, pieces), pump.eof()])


def heard(client: str, stream: bytes) -> Collector:
    """A client's stream, read back."""
    collector = Collector()
    decoder = PROTOCOLS[client].chat.decoder(context_for(client, client), collector)
    try:
        decoder.feed(stream)
        decoder.eof()
    except UpstreamError as error:
        collector.error(error)
    return collector


def read(client: str, document: bytes) -> Answer:
    """A client's whole answer, read back."""
    collector = Collector()
    PROTOCOLS[client].chat.read_answer(json.loads(document), context_for(client, client), collector)
    assert collector.failure is None
    return collector.answer


def said(answer: Answer) -> dict[str, Any]:
    """The answer in the words of `Meaning.said`."""
    assert answer.usage is not None
    return Meaning(
        text="".join(part.text for part in answer.parts if isinstance(part, Text)),
        thinking="".join(part.text for part in answer.parts if isinstance(part, Reasoning)),
        finish=answer.finish,
        input=answer.usage.input,
        output=answer.usage.output,
    ).said() | {"calls": [(p.name, arguments_object(p)) for p in answer.parts if isinstance(p, ToolCall)]}


def answer_of(upstream: str, meaning: Meaning = TEXT) -> bytes:
    return json.dumps(ANSWERS[upstream](meaning), ensure_ascii=False).encode()


# ---------------------------------------------------------------------------------------------------------------------
# Converter


@pytest.mark.parametrize("scenario", ANSWERED)
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_means_the_same_in_the_clients_protocol_at_any_cut(client: str, upstream: str, scenario: str) -> None:
    outs = set()
    for pieces in cuts(STREAMS[upstream](SCENARIOS[scenario]), rounds=2):
        pump = Converter(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream))
        outs.add(pumped(pump, pieces))
        assert pump.done
        assert pump.failure is None
        assert pump.usage is not None
        assert (pump.usage.input, pump.usage.output) == (21, 9)
    (out,) = outs
    assert said(heard(client, out).answer) == SCENARIOS[scenario].said()


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_the_upstreams_error_in_mid_stream_is_the_clients(client: str, upstream: str) -> None:
    for pieces in cuts(STREAMS[upstream](SCENARIOS["breaks"]), rounds=2):
        pump = Converter(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream))
        collector = heard(client, pumped(pump, pieces))
        assert pump.failure is not None
        assert collector.failure is not None
        assert collector.failure.message == pump.failure.message == "it broke"
        assert "".join(part.text for part in collector.answer.parts if isinstance(part, Text)) == "Half of a"


BAD_RECORDS = {
    "openai": b"data: {nope\n\n",
    "responses": b"data: {nope\n\n",
    "claude": b"data: {nope\n\n",
    "gemini": b"data: {nope\n\n",
    "ollama": b"{nope\n",
}
RECORD_ENDS = {"openai": b"\n\n", "responses": b"\n\n", "claude": b"\n\n", "gemini": b"\r\n\r\n", "ollama": b"\n"}


def spoiled(upstream: str, after: int = 4) -> tuple[bytes, bytes]:
    """The first records of a stream, and the same with a broken one behind them."""
    end = RECORD_ENDS[upstream]
    records = STREAMS[upstream](TEXT).split(end)[:-1]
    good = b"".join(record + end for record in records[: min(after, len(records) - 1)])
    return good, good + BAD_RECORDS[upstream] + records[-1] + end


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_what_breaks_the_protocol_ends_the_stream_with_an_error(client: str, upstream: str) -> None:
    _, stream = spoiled(upstream)
    outs = set()
    for pieces in cuts(stream, rounds=2):
        pump = Converter(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream))
        outs.add(pumped(pump, pieces))
        assert isinstance(pump.failure, Malformed)
    (out,) = outs
    assert heard(client, out).failure is not None


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_that_breaks_off_says_so_wherever_it_is_cut(client: str, upstream: str) -> None:
    stream = STREAMS[upstream](SCENARIOS["parallel"])
    for at in range(0, len(stream), 97):
        pump = Converter(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream))
        out = pump.feed(stream[:at])
        complete = pump.done
        out += pump.fail(CUT)
        assert pump.done
        assert (pump.failure is None) == complete
        failure = heard(client, out).failure
        assert complete or (failure is not None and failure.message == CUT.message)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_an_empty_stream_is_a_failure(client: str, upstream: str) -> None:
    pump = Converter(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream))
    out = pump.eof()
    assert isinstance(pump.failure, Broken)
    assert heard(client, out).failure is not None


class Louder(Stage):
    def text(self, text: str) -> None:
        self.next.text(text.upper())


class Doubled(Stage):
    def text(self, text: str) -> None:
        self.next.text(f"{text}{text}!")


def test_stages_stand_between_decoder_and_encoder() -> None:
    for kind, feed in ((Converter, STREAMS["openai"](TEXT)), (Folder, answer_of("openai"))):
        pump = kind(PROTOCOLS["openai"].chat, PROTOCOLS["claude"].chat, context_for("claude", "openai"), [Louder])
        assert "GRÜEZI" in pumped(pump, [feed]).decode()
    collector = Collector()
    staged(collector, [Louder, Doubled]).text("a")
    staged(collector, [Doubled, Louder]).text("b")
    collector.finish("stop")
    assert collector.answer.parts == [Text("AA!BB!")]


# ---------------------------------------------------------------------------------------------------------------------
# Relay


def relay(protocol: str, model: str = "up") -> Relay:
    """With the model "up", which the fakes' streams name, there is nothing to change."""
    return Relay(PROTOCOLS[protocol].chat, context_for(protocol, protocol, model=model))


@pytest.mark.parametrize("protocol", NAMES)
def test_the_same_protocol_passes_byte_for_byte_at_every_cut(protocol: str) -> None:
    stream = STREAMS[protocol](SCENARIOS["parallel"])
    for at in range(len(stream) + 1):
        pump = relay(protocol)
        assert pumped(pump, [stream[:at], stream[at:]]) == stream
        assert pump.done
        assert pump.usage is not None
        assert (pump.usage.input, pump.usage.output) == (21, 9)


@pytest.mark.parametrize("scenario", ANSWERED)
@pytest.mark.parametrize("protocol", NAMES)
def test_every_stream_passes_byte_for_byte(protocol: str, scenario: str) -> None:
    stream = STREAMS[protocol](SCENARIOS[scenario])
    for pieces in cuts(stream):
        pump = relay(protocol)
        assert pumped(pump, pieces) == stream
        assert pump.failure is None


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
@pytest.mark.parametrize("protocol", ["openai", "responses", "claude"])
def test_other_line_ends_pass_too(protocol: str, line_end: bytes) -> None:
    stream = b"\xef\xbb\xbf: hello\n\n".replace(b"\n", line_end) + STREAMS[protocol](TEXT).replace(b"\n", line_end)
    expected = stream if line_end == b"\r\n" else stream + b"\n"
    assert {pumped(relay(protocol), pieces) for pieces in cuts(stream)} == {expected}


@pytest.mark.parametrize("protocol", ["claude", "responses"])
def test_the_models_name_changes_where_it_stands_once_and_nothing_else(protocol: str) -> None:
    stream = STREAMS[protocol](SCENARIOS["parallel"])
    (out,) = {pumped(relay(protocol, model="alias"), pieces) for pieces in cuts(stream)}
    before, after = payloads(stream), payloads(out)
    assert len(before) == len(after)
    changed = [(b, a) for b, a in zip(before, after, strict=True) if b != a]
    assert changed
    for was, now in changed:
        assert json.loads(was.replace(b'"model": "up"', b'"model": "alias"')) == json.loads(now)


def payloads(stream: bytes) -> list[bytes]:
    return [line[6:] for line in stream.splitlines() if line.startswith(b"data: ")]


@pytest.mark.parametrize("before", [b": {}\n\n", b": {}\ndata: [DONE]\n\n", b"event: message_start\ndata: {}\n\n"])
def test_what_looks_like_the_renamed_record_and_is_none_stays(before: bytes) -> None:
    """A comment that repeats it, and a second message_start, which counts too."""
    stream = STREAMS["claude"](TEXT)
    record = stream[: stream.index(b"\n\n")].partition(b"data: ")[2]
    lead = before.replace(b"{}", record)
    (out,) = {pumped(relay("claude", model="alias"), pieces) for pieces in cuts(lead + stream)}
    once = pumped(relay("claude", model="alias"), [stream])
    renamed = once[: once.index(b"\n\n")].partition(b"data: ")[2]
    assert renamed != record
    assert out == (lead if lead.startswith(b":") else lead.replace(record, renamed)) + once


@pytest.mark.parametrize("protocol", ["openai", "responses", "claude", "ollama"])
def test_what_comes_after_the_end_is_ignored(protocol: str) -> None:
    """Gemini's streams have no end of their own but that of the body."""
    stream = STREAMS[protocol](TEXT)
    (out,) = {pumped(relay(protocol), pieces) for pieces in cuts(stream + stream[: len(stream) // 2])}
    assert out == stream


@pytest.mark.parametrize("protocol", NAMES)
def test_the_records_before_a_broken_one_pass(protocol: str) -> None:
    good, stream = spoiled(protocol)
    outs = set()
    for pieces in cuts(stream):
        pump = relay(protocol)
        outs.add(pumped(pump, pieces))
        assert isinstance(pump.failure, Malformed)
    (out,) = outs
    assert out.startswith(good)
    assert heard(protocol, out).failure is not None


@pytest.mark.parametrize("protocol", NAMES)
def test_a_relayed_stream_that_breaks_off_ends_as_an_error(protocol: str) -> None:
    stream = STREAMS[protocol](SCENARIOS["thinking"])
    errors = 0
    for at in range(len(stream)):
        pump = relay(protocol)
        out = pump.feed(stream[:at])
        done = pump.done
        out += pump.fail(CUT)
        collector = heard(protocol, out)
        errors += not done
        assert pump.done
        assert done or (pump.failure is CUT)
        assert collector.failure is None or collector.failure.message == CUT.message
        assert collector.failure is not None or said(collector.answer) == SCENARIOS["thinking"].said()
    assert errors > 100


@pytest.mark.parametrize("protocol", ["claude", "responses"])
def test_a_clean_end_before_the_protocols_own_is_an_error(protocol: str) -> None:
    stream = STREAMS[protocol](TEXT)
    for at in range(0, len(stream) - 200, 11):
        pump = relay(protocol)
        out = pumped(pump, [stream[:at]])
        assert isinstance(pump.failure, UpstreamError)
        assert heard(protocol, out).failure is not None


@pytest.mark.parametrize("protocol", NAMES)
def test_a_last_record_without_its_end_gets_one(protocol: str) -> None:
    stream = STREAMS[protocol](TEXT).rstrip()
    outs = {pumped(relay(protocol), pieces) for pieces in cuts(stream)}
    assert {out.rstrip() for out in outs} == {stream}
    assert all(out.endswith(PROTOCOLS[protocol].chat.record_end) for out in outs)


@pytest.mark.parametrize("protocol", NAMES)
def test_the_upstreams_own_error_passes_once(protocol: str) -> None:
    stream = STREAMS[protocol](SCENARIOS["breaks"])
    for pieces in cuts(stream):
        pump = relay(protocol)
        assert pumped(pump, pieces) == stream
        assert pump.failure is not None
        assert pump.failure.message == "it broke"
        assert pump.fail(CUT) == b""
        assert pump.failure.message == "it broke"


CHUNK = b'data: {"id":"c","created":1,"model":"up","choices":[{"index":0,"delta":{"content":"[DONE]"}}]}\n\n'
CREATED = (
    b'data: {"type":"response.created","sequence_number":0,"response":{"id":"r","model":"up","status":"in_progress"}}\n\n'
)
WORDIER = [
    pytest.param("openai", CHUNK + b'data: {"error":{"message":"no"}}\n\n' + b"data: [DONE]\n\n", id="vLLM"),
    pytest.param(
        "responses",
        CREATED
        + b'data: {"type":"error","sequence_number":1,"code":"server_error","message":"no","param":null}\n\n'
        + b'data: {"type":"response.failed","sequence_number":2,"response":{"id":"r","model":"up","status":"failed",'
        + b'"error":{"code":"server_error","message":"no"}}}\n\n',
        id="OpenAI",
    ),
]


@pytest.mark.parametrize(("protocol", "stream"), WORDIER)
def test_what_follows_the_upstreams_error_passes_and_nothing_is_made_up(protocol: str, stream: bytes) -> None:
    for pieces in cuts(stream):
        pump = relay(protocol)
        assert pumped(pump, pieces) == stream
        assert pump.done
        assert pump.failure is not None
        assert pump.failure.message == "no"


def test_a_record_without_end_is_given_up() -> None:
    chat = evolve(PROTOCOLS["claude"].chat, reader=lambda: SSEReader(limit=100))
    pump = Relay(chat, context_for("claude", "claude"))
    out = pump.feed(b"data: " + b"x" * 60) + pump.feed(b"x" * 60)
    assert isinstance(pump.failure, Malformed)
    assert heard("claude", out).failure is not None


def test_an_end_that_the_upstream_forgot_is_put_before_its_done_and_nowhere_else() -> None:
    (out,) = {pumped(relay("openai"), pieces) for pieces in cuts(CHUNK + b"data: [DONE]\n\n")}
    assert out.startswith(CHUNK)
    assert out.endswith(b"data: [DONE]\n\n")
    assert [json.loads(p)["choices"][0].get("finish_reason") for p in payloads(out)[:-1]] == [None, "stop"]


# ---------------------------------------------------------------------------------------------------------------------
# Gatherer, Folder, Carrier


@pytest.mark.parametrize("scenario", ANSWERED)
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_is_gathered_into_one_answer(client: str, upstream: str, scenario: str) -> None:
    outs = set()
    for pieces in cuts(STREAMS[upstream](SCENARIOS[scenario]), rounds=1):
        pump = Gatherer(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream, stream=False))
        outs.add(pumped(pump, pieces))
        assert pump.done
        assert pump.usage is not None
    (out,) = outs
    assert said(read(client, out)) == SCENARIOS[scenario].said()


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_half_a_stream_is_no_answer(client: str, upstream: str) -> None:
    _, broken = spoiled(upstream)
    for stream in (broken, STREAMS[upstream](SCENARIOS["breaks"]), b""):
        for pieces in cuts(stream, rounds=1):
            pump = Gatherer(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream, stream=False))
            assert pumped(pump, pieces) == b""
            assert isinstance(pump.failure, UpstreamError)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("scenario", ANSWERED)
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_whole_answer_is_folded_into_what_the_client_wants(
    client: str, upstream: str, scenario: str, stream: bool
) -> None:
    for pieces in cuts(answer_of(upstream, SCENARIOS[scenario]), rounds=1):
        pump = Folder(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream, stream))
        out = pumped(pump, pieces)
        assert pump.done
        assert pump.usage is not None
        answer = heard(client, out).answer if stream else read(client, out)
        assert said(answer) == SCENARIOS[scenario].said()


@pytest.mark.parametrize("protocol", NAMES)
def test_a_whole_answer_of_the_same_protocol_is_carried(protocol: str) -> None:
    body = json.dumps({"later": [1, {"model": "up"}], **ANSWERS[protocol](TEXT)}, indent=1).encode()
    for pieces in cuts(body, rounds=1):
        for model in ("up", "alias"):
            pump = Carrier(
                PROTOCOLS[protocol].chat, PROTOCOLS[protocol].chat, context_for(protocol, protocol, False, model)
            )
            out = pumped(pump, pieces)
            renamed = model == "alias" and PROTOCOLS[protocol].chat.renames
            place = b'\n "model": "up"'
            assert out == (body.replace(place, b'\n "model": "alias"') if renamed else body)
            assert pump.usage is not None
            assert pump.usage.output == TEXT.output


def test_an_answer_that_we_cannot_read_is_carried_all_the_same() -> None:
    context = context_for("claude", "claude", stream=False, model="up")
    pump = Carrier(PROTOCOLS["claude"].chat, PROTOCOLS["claude"].chat, context)
    assert pumped(pump, [b'{"type":"message","content":7}']) == b'{"type":"message","content":7}'
    assert pump.failure is None
    assert "could not be read" in context.notes[0]


NO_ANSWERS = [
    (b"", Malformed, "not JSON"),
    (b"<html>", Malformed, "not JSON"),
    (b"[1]", Malformed, "no JSON object"),
    (b'"text"', Malformed, "no JSON object"),
    (b'{"error":{"message":"out of credits"}}', UpstreamError, "out of credits"),
    (b'{"error":"out of credits"}', UpstreamError, "out of credits"),
]


@pytest.mark.parametrize("kind", [Folder, Carrier])
@pytest.mark.parametrize(("body", "error", "message"), NO_ANSWERS)
def test_what_is_no_answer_is_a_failure(body: bytes, error: type[CcproxyError], message: str, kind: type[Folder]) -> None:
    pump = kind(PROTOCOLS["openai"].chat, PROTOCOLS["openai"].chat, context_for("openai", "openai", stream=False))
    assert pumped(pump, [body]) == b""
    assert isinstance(pump.failure, error)
    assert message in pump.failure.message
    with pytest.raises(error, match=message):
        whole_document(body, "openai")


def test_an_error_member_beside_an_answer_is_no_error() -> None:
    assert whole_document(b'{"id":"r","object":"response","error":null,"output":[]}', "responses")["id"] == "r"


@pytest.mark.parametrize("client", NAMES)
def test_a_streaming_client_is_told_of_a_whole_answer_that_fails(client: str) -> None:
    """The head may be out already, after `hold` seconds."""
    upstream = "openai" if client != "openai" else "claude"
    for fail in (lambda pump: pump.fail(CUT), lambda pump: pumped(pump, [b"{nope"])):
        pump = Folder(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context_for(client, upstream))
        failure = heard(client, fail(pump)).failure
        assert pump.failure is not None
        assert failure is not None
        assert failure.message == pump.failure.message


@pytest.mark.parametrize(("upstream", "body"), [(name, json.dumps(ERRORS[name](500)).encode()) for name in NAMES])
def test_an_error_document_with_a_good_status_is_the_upstreams_error(upstream: str, body: bytes) -> None:
    pump = Folder(PROTOCOLS[upstream].chat, PROTOCOLS["openai"].chat, context_for("openai", upstream, stream=False))
    assert pumped(pump, [body]) == b""
    assert pump.failure is not None
    assert pump.failure.message == "slow down"


@pytest.mark.parametrize("kind", [Gatherer, Folder])
def test_an_answer_without_end_is_given_up(kind: type[Gatherer] | type[Folder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_ANSWER", 100)
    pump = kind(PROTOCOLS["openai"].chat, PROTOCOLS["claude"].chat, context_for("claude", "openai", stream=False))
    for _ in range(3):
        assert pump.feed(b": " + b"x" * 60 + b"\n\n") == b""
    assert pump.done
    assert isinstance(pump.failure, Malformed)
    assert "larger than 100 bytes" in pump.failure.message


# ---------------------------------------------------------------------------------------------------------------------
# What all share

KINDS: list[tuple[type[Pump], bool]] = [
    (Converter, True),
    (Gatherer, False),
    (Folder, True),
    (Folder, False),
    (Carrier, False),
]


@pytest.mark.parametrize(("kind", "stream"), [*KINDS, (Relay, True)])
def test_after_the_end_nothing_counts(kind: type[Pump], stream: bool) -> None:
    chat, context = PROTOCOLS["openai"].chat, context_for("openai", "openai", stream)
    pump = Relay(chat, context) if kind is Relay else kind(chat, chat, context)  # type: ignore[call-arg]
    whole = issubclass(kind, Folder)
    assert "open" in repr(pump)
    assert pumped(pump, [answer_of("openai") if whole else STREAMS["openai"](TEXT)])
    usage, failure = pump.usage, pump.failure
    assert "done" in repr(pump)
    assert (pump.feed(b"data: {nope\n\n"), pump.eof(), pump.keepalive()) == (b"", b"", b"")
    assert (pump.done, pump.usage, pump.failure) == (True, usage, failure)


@pytest.mark.parametrize(("kind", "stream"), [*KINDS, (Relay, True)])
def test_a_failure_is_kept_and_shown(kind: type[Pump], stream: bool) -> None:
    chat, context = PROTOCOLS["claude"].chat, context_for("claude", "claude", stream)
    pump = Relay(chat, context) if kind is Relay else kind(chat, chat, context)  # type: ignore[call-arg]
    out = pump.fail(CUT)
    assert (CUT.message.encode() in out) == stream
    assert (pump.done, pump.failure) == (True, CUT)
    assert "failed" in repr(pump)
    assert (pump.feed(STREAMS["claude"](TEXT)), pump.eof(), pump.keepalive()) == (b"", b"", b"")
    assert pump.failure is CUT


@pytest.mark.parametrize("protocol", NAMES)
def test_an_idle_stream_shows_life_in_every_pump_and_stays_legal(protocol: str) -> None:
    chat = PROTOCOLS[protocol].chat
    stream = STREAMS[protocol](TEXT)
    for pump, body in (
        (Converter(chat, chat, context_for(protocol, protocol)), stream),
        (relay(protocol), stream),
        (Folder(chat, chat, context_for(protocol, protocol)), answer_of(protocol)),
    ):
        middle = len(body) // 2
        out = pump.feed(body[:middle]) + pump.keepalive() + pump.feed(body[middle:]) + pump.eof()
        assert said(heard(protocol, out).answer) == TEXT.said()
    gatherer = Gatherer(chat, chat, context_for(protocol, protocol, stream=False))
    assert gatherer.keepalive() == b""

"""Field failures, section I: framing of event streams, bytes, buffering, signs of life."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from openai._streaming import SSEDecoder
from openai.types.chat import ChatCompletionChunk

from ccproxy import StreamConverter
from ccproxy.conversion import pump_for
from ccproxy.protocols import PROTOCOLS
from ccproxy.transport.seam import Limits
from ccproxy.transport.serving import House
from tests.failures.served import LAST, asks, head, piece, request_of, said, served
from tests.failures.wire import (
    CLIENTS,
    DONE,
    chunk,
    context_for,
    converted,
    heard_text,
    named,
    openai_stream,
    records,
    sse,
    streamed,
)
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import CONTENT_TYPES, STREAMS
from tests.test_exchange import REQUESTS, Playbook, pieces
from tests.tools import cuts
from tests.transport.harness import Net, ScriptedApp, post
from tests.transport.test_on_asyncio import LOOPS, Running

TEXT = SCENARIOS["text"]
EVENTS = ("openai", "responses", "claude", "gemini")
"""The protocols whose streams are server-sent events."""


def spelled(upstream: str, change: Callable[[bytes], bytes]) -> bytes:
    """The upstream's stream in another spelling, whose line ends are LF to begin with."""
    return change(STREAMS[upstream](TEXT).replace(b"\r\n", b"\n"))


def relayed(protocol: str, data: bytes) -> bytes:
    """The stream of an upstream of the client's own protocol, which is the same for every cut of its bytes."""
    own = PROTOCOLS[protocol]
    found = set()
    for parts in cuts(data):
        pump = pump_for(own, own, context_for(protocol, protocol, stream=True, model="up"), relayed=True, streams=True)
        found.add(b"".join([*map(pump.feed, parts), pump.eof()]))
    assert len(found) == 1
    return found.pop()


# -- framing


def across_lines(data: bytes) -> bytes:
    """Each event's JSON on several data lines."""
    documents = [line[6:] for line in data.split(b"\n") if line.startswith(b"data: {")]
    for document in documents:
        pretty = json.dumps(json.loads(document), indent=1, ensure_ascii=False).encode()
        data = data.replace(b"data: " + document, b"data: " + pretty.replace(b"\n", b"\ndata: "), 1)
    assert data.count(b"data: ") > 2 * len(documents)
    return data


COMMENT = b": OPENROUTER PROCESSING\n\n"
SPELLINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("F199 no space behind the colon", lambda data: data.replace(b"data: ", b"data:").replace(b"event: ", b"event:")),
    ("F200 CRLF", lambda data: data.replace(b"\n", b"\r\n")),
    ("F200 CR", lambda data: data.replace(b"\n", b"\r")),
    ("F200 a mixture", lambda data: data.replace(b"\n\n", b"\n\r\n")),
    ("F191 JSON across lines", across_lines),
    (
        "F207 comments",
        lambda data: b": OPENROUTER PROCESSING\n\n" + data.replace(b"\n\n", b"\n\n: OPENROUTER PROCESSING\n\n"),
    ),
    ("F207 comments without blank lines", lambda data: data.replace(b"data: ", b": OPENROUTER PROCESSING\ndata: ")),
    ("F208 ids and retries", lambda data: data.replace(b"data: ", b"id: 7\nretry: 9\ndata: ")),
]


@pytest.mark.parametrize("upstream", EVENTS)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("spelling", [row[1] for row in SPELLINGS], ids=[row[0] for row in SPELLINGS])
def test_every_spelling_of_an_event_stream_means_the_same(
    client: str, upstream: str, spelling: Callable[[bytes], bytes]
) -> None:
    """At every cut: the client is sent the very bytes that the plain spelling gives."""
    assert converted(client, upstream, spelled(upstream, spelling)) == converted(client, upstream, spelled(upstream, bytes))


@pytest.mark.parametrize("protocol", EVENTS)
@pytest.mark.parametrize("spelling", [row[1] for row in SPELLINGS], ids=[row[0] for row in SPELLINGS])
def test_f191_on_the_same_protocol_each_spelling_passes(protocol: str, spelling: Callable[[bytes], bytes]) -> None:
    """Byte for byte, whatever the network cuts, up to what ends the answer."""
    data = spelled(protocol, spelling)
    sent = relayed(protocol, data)
    assert data.startswith(sent.rstrip(b"\r\n"))
    assert records(protocol, sent) == records(protocol, data)


@pytest.mark.parametrize("client", CLIENTS)
def test_f192_what_comes_behind_done_is_not_part_of_the_answer(client: str) -> None:
    """And the end is said once."""
    plain = openai_stream(chunk(content="Hi"))
    late = sse(chunk(content=" late"), chunk("length")) + DONE
    assert converted(client, "openai", plain + late) == converted(client, "openai", plain)


def test_f192_done_is_added_only_where_it_is_missing() -> None:
    """An OpenAI client gets one in any case."""
    for upstream in CLIENTS:
        assert converted("openai", upstream, STREAMS[upstream](TEXT)).count(DONE) == 1
    without = openai_stream(chunk(content="Hi")).removesuffix(DONE)
    assert converted("openai", "openai", without).count(DONE) == 1
    assert relayed("openai", without) == without + DONE
    assert relayed("openai", without + DONE) == without + DONE


def test_f196_the_word_response_ends_nothing() -> None:
    """Neither in the text nor as an event of an unknown kind; only the terminal events do."""
    words = 'data: {"type":"response.completed"} [DONE] response.failed'
    response = {"id": "resp_1", "object": "response", "model": "up", "status": "in_progress", "output": []}
    place = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    data = named(
        {"type": "response.created", "response": response},
        {"type": "response.queued", "response": response},
        {"type": "response.output_text.delta", **place, "delta": words},
        {"type": "response.unheard_of.completed", "response": "completed"},
        {"type": "response.output_text.delta", **place, "delta": " more"},
        {"type": "response.completed", "response": {**response, "status": "completed", "usage": usage}},
    )
    for client in CLIENTS:
        assert heard_text(client, streamed(client, "responses", data)) == words + " more"


@pytest.mark.parametrize("client", CLIENTS)
def test_f202_usage_in_an_event_that_comes_in_pieces_is_counted(client: str) -> None:
    """On the same protocol as well, where a tap reads it."""
    stream = STREAMS["responses"](TEXT)
    play = Playbook(client, "responses")
    play.body()
    play.head()
    for at in range(0, len(stream), 11):
        if play.exchange.state == "committed":
            play.pump(stream[at : at + 11])
        elif play.exchange.state != "over":
            play.bytes(stream[at : at + 11])
    if play.exchange.state == "committed":
        play.ended()
    assert (play.record.usage.input, play.record.usage.output) == (TEXT.input, TEXT.output)


@pytest.mark.parametrize("upstream", CLIENTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_f206_characters_of_several_bytes_are_whole_at_every_cut(client: str, upstream: str) -> None:
    """The wires carry them as UTF-8, not escaped; `streamed` cuts between any two bytes."""
    data = STREAMS[upstream](TEXT)
    assert "你好 😀".encode() in data
    assert heard_text(client, streamed(client, upstream, data)) == TEXT.text
    if client == upstream:
        assert "\ufffd" not in relayed(client, data).decode()


# -- heads and bodies


def test_f194_a_configured_host_is_the_requests_host() -> None:
    """Once, and in place of the address's."""
    world = served("openai", headers='{ Host = "virtual.example" }')
    asks(world, "claude")
    _, wire = world.upstream()
    assert world.attempts[0].endpoint.host == "up.example"
    assert wire.writes[0].lower().count(b"\r\nhost:") == 1
    assert request_of(wire)[0]["host"] == "virtual.example"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("upstream", CLIENTS)
def test_f195_a_stream_without_a_type_is_known_by_its_first_byte(client: str, upstream: str) -> None:
    """Ollama's lines look like a whole answer, and are told apart by nothing: that one says its type."""
    play = Playbook(client, upstream)
    play.body()
    play.head(headers=[] if upstream != "ollama" else None)
    first, rest = pieces(upstream)
    play.bytes(first + rest)
    if play.exchange.state != "over":
        play.eof()
    assert heard_text(client, records(client, play.sent)) == TEXT.text
    assert [type(action).__name__ for action in play.actions].count("Commit") == 1


def test_f203_a_coded_stream_has_one_decoder() -> None:
    """Asked not to, an upstream codes it all the same: each event is out as soon as it is in."""
    world = served("openai")
    wire = asks(world, "openai")
    peer, upstream = world.upstream()
    assert request_of(upstream)[0]["accept-encoding"] == "identity"
    coder = zlib.compressobj(wbits=31)
    peer.received(head("content-type: text/event-stream", "content-encoding: gzip"))
    for number, word in enumerate(("One", " two", " three")):
        event = sse(chunk(**({} if number else {"role": "assistant"}), content=word))
        for byte in piece(coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH)):
            peer.received(bytes([byte]))
        assert f'"{word}"'.encode() in wire.writes[-1]
    peer.received(piece(coder.compress(sse(chunk("stop")) + DONE) + coder.flush()) + LAST)
    _, headers, body = said(wire)
    assert "content-encoding" not in headers
    assert heard_text("openai", records("openai", body)) == "One two three"


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("client", CLIENTS)
def test_f204_coded_requests_are_read(client: str, coding: str) -> None:
    """Codex sends zstd."""
    world = served("openai" if client != "openai" else "claude")
    body = CODINGS[coding](json.dumps({**REQUESTS[client], "stream": False}).encode())
    asks(world, client, f"content-encoding: {coding}", stream=False, body=body)
    _, upstream = world.upstream()
    headers, document = request_of(upstream)
    assert "content-encoding" not in headers
    assert "hi" in json.dumps(document["messages"])


# -- signs of life


def idle(client: str, upstream: str, says: bytes = b"") -> bytes:
    """What the client of a stream is sent in a minute in which its upstream only says `says`, every five seconds."""
    play = Playbook(client, upstream, keepalive=15.0, hold=10.0)
    play.body()
    play.head()
    begun, word = texts(upstream)
    play.bytes(b"".join(begun) + word)
    before = len(play.sent)
    for now in range(21, 81, 5):
        if says:
            play.pump(says)
        play.take(play.exchange.tick(float(now)))
    return play.sent[before:]


def test_f190_a_responses_client_gets_no_events_that_it_does_not_know() -> None:
    """Nothing at all, since the protocol has no event for it (DESIGN 5)."""
    for upstream in CLIENTS:
        if upstream != "responses":
            assert idle("responses", upstream) == b""


PING = named({"type": "ping"})


@pytest.mark.parametrize("client", ["openai", "claude", "gemini"])
@pytest.mark.parametrize(
    ("upstream", "says"), [("claude", PING), ("openai", COMMENT), ("gemini", b"")], ids=["pings", "comments", "silence"]
)
def test_f198_signs_of_life_reach_the_client(client: str, upstream: str, says: bytes) -> None:
    """The upstream's pings are no event for other protocols; their clients get signs of their own in time."""
    sent = idle(client, upstream, says)
    assert sent
    if client == "openai" and upstream != "openai":
        found = [ChatCompletionChunk.model_validate(record) for record in records("openai", sent)]
        assert len(found) >= 2
        assert all(one.choices and not one.choices[0].delta.content for one in found)
    if client == "claude":
        assert records("claude", sent) == [{"type": "ping"}] * sent.count(b"data:")


@pytest.mark.parametrize("upstream", CLIENTS)
@pytest.mark.parametrize("client", EVENTS)
def test_f208_openais_sdk_reads_no_empty_events(client: str, upstream: str) -> None:
    """It makes an event of a blank line behind an id; so there are no ids, and what it gets is JSON."""
    stream = StreamConverter(context_for(client, upstream))
    first, rest = pieces(upstream)
    life = PROTOCOLS[client].chat.encoder(context_for(client, upstream)).keepalive()
    data = stream.feed(first) + life + life + stream.feed(rest) + stream.close()
    assert not any(line.startswith(b"id") for line in data.splitlines())
    events = list(SSEDecoder().iter_bytes(iter([data])))
    assert events
    assert all(event.data == "[DONE]" or json.loads(event.data) for event in events)


# -- at once, and at what cost


def texts(upstream: str) -> tuple[list[bytes], bytes]:
    """(the records up to the first one with text, that one) of a stream."""
    end = b"\n" if upstream == "ollama" else b"\r\n\r\n" if upstream == "gemini" else b"\n\n"
    before: list[bytes] = []
    for record in STREAMS[upstream](TEXT).split(end):
        if "Grüezi".encode() in record:
            return before, record + end
        before.append(record + end)
    raise AssertionError("the stream has no text")


@pytest.mark.parametrize("upstream", CLIENTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_f210_a_word_leaves_with_the_read_that_brought_it(client: str, upstream: str) -> None:
    """In one write, uncompressed though the client would take it, together with all that came in the read."""
    world = served(upstream)
    wire = asks(world, client, "accept-encoding: gzip, br, zstd")
    peer, _ = world.upstream()
    peer.received(head(f"content-type: {CONTENT_TYPES[upstream]}"))
    before, word = texts(upstream)
    for record in before:
        peer.received(piece(record))
    written = len(wire.writes)
    peer.received(piece(word))
    assert len(wire.writes) == written + 1
    assert "Grüezi".encode() in wire.writes[-1]
    assert "content-encoding" not in said(wire)[1]


@pytest.mark.parametrize("loop", LOOPS)
def test_f210_tcp_holds_no_small_write_back(loop: str) -> None:
    """Neither toward the client nor toward the upstream."""
    app = ScriptedApp(Limits())
    running = Running(app, LOOPS[loop])
    net = Net(app, running)
    try:
        upstream = net.upstream()
        net.client(post())
        net.accept(upstream).request()
        assert running.call(lambda: _no_delays(running.house)) == [True, True]
    finally:
        net.close()
        running.join()


def _no_delays(house: House) -> list[bool]:
    """Of every connection, whether TCP sends what it is given at once."""
    sockets = [one.wire.get_extra_info("socket") for one in (*house.connections, *house.upstreams.connections)]
    return [bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) for sock in sockets]


def test_f211_nothing_is_logged_or_written_twice_for_a_chunk(caplog: pytest.LogCaptureFixture) -> None:
    """One log line for the exchange, however long its stream."""
    world = served("openai")
    with caplog.at_level(logging.DEBUG):
        wire = asks(world, "claude")
        peer, _ = world.upstream()
        peer.received(head("content-type: text/event-stream") + piece(sse(chunk(role="assistant", content="a"))))
        for _ in range(500):
            peer.received(piece(sse(chunk(content="b"))))
        assert not caplog.records
        peer.received(piece(sse(chunk("stop")) + DONE) + LAST)
    assert len(caplog.records) <= 3
    assert len(wire.writes) <= 503


@pytest.mark.parametrize("client", ["openai", "claude", "gemini", "ollama"])
@pytest.mark.parametrize("relay", [False, True], ids=["converted", "relayed"])
def test_f211_a_stream_takes_no_memory_for_what_has_passed(client: str, relay: bool) -> None:
    """Of a megabyte of text nothing is kept. (Responses repeats the text at its end, and has to.)"""
    upstream = client if relay else ("openai" if client != "openai" else "claude")
    ours, theirs = PROTOCOLS[client], PROTOCOLS[upstream]
    pump = pump_for(ours, theirs, context_for(client, upstream, stream=True), relayed=relay, streams=True)
    before, word = texts(upstream)
    word = word.replace("Grüezi".encode(), b"x" * 1000)
    for record in before:
        pump.feed(record)
    pump.feed(word)
    tracemalloc.start()
    try:
        begun = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            pump.feed(word)
        grown = tracemalloc.get_traced_memory()[0] - begun
    finally:
        tracemalloc.stop()
    assert grown < 50_000


@pytest.mark.parametrize("client", CLIENTS)
def test_f212_a_long_thought_does_not_hold_the_head_back(client: str) -> None:
    """It leaves with `response.created` where the client's protocol has something to say then, else with the first sign of
    life, before any client gives up."""
    response = {"id": "resp_1", "object": "response", "model": "up", "status": "in_progress", "output": []}
    play = Playbook(client, "responses", hold=10.0)
    play.body()
    play.head()
    told = play.bytes(named({"type": "response.created", "response": response}), now=2.0)
    assert told == (["Commit"] if client == "responses" else [])
    play.take(play.exchange.tick(3.0))
    play.take(play.exchange.tick(15.0))
    assert play.exchange.state == "committed"
    assert play.exchange.record.status == 200

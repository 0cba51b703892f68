"""Dials without sockets: what is asked, what is told, what becomes of the connection."""

from __future__ import annotations

import gc
import gzip
import tracemalloc
from typing import Any

import pytest

from ccproxy.actions import Headers
from ccproxy.app import App
from ccproxy.config import loads
from ccproxy.errors import Broken, Malformed, RequestError, Unreachable, UpstreamError
from ccproxy.transport.upstream import DRAIN_BYTES, DRAIN_SECONDS, JOIN_BYTES, REST_SECONDS, Errand
from tests.tools import cuts
from tests.transport.fakes import ENDPOINT, FakeWire, World, dial
from tests.transport.harness import chunks, post

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Told:
    """An Asker that remembers. `reads` counts the flushes."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.reads = 0

    def head(self, status: int, headers: Headers) -> None:
        self.calls.append(("head", status, headers))

    def data(self, data: bytes) -> None:
        self.calls.append(("data", data))

    def eof(self) -> None:
        self.calls.append(("eof",))

    def failed(self, error: UpstreamError) -> None:
        self.calls.append(("failed", error))

    def flush(self) -> None:
        self.reads += 1

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]

    @property
    def body(self) -> bytes:
        return b"".join(call[1] for call in self.calls if call[0] == "data")


def asked(world: World, **fields: Any) -> tuple[Errand, Told, Any, FakeWire]:
    """An errand whose request went out on a new connection."""
    told = Told()
    errand = Errand(dial(**fields), told, world.upstreams)
    peer, wire = world.upstream()
    return errand, told, peer, wire


def kept(world: World) -> tuple[Any, FakeWire]:
    """A connection that has served and lies in the pool."""
    _, told, peer, wire = asked(world)
    peer.received(OK)
    assert told.names == ["head", "data", "eof"]
    assert world.upstreams.idle == 1
    wire.writes.clear()
    return peer, wire


# The request


def test_the_request_is_one_write() -> None:
    _, _, _, wire = asked(World(), headers=[("x-key", "1")])
    assert wire.writes == [b"POST /v1/x HTTP/1.1\r\nhost: api.example\r\nx-key: 1\r\ncontent-length: 5\r\n\r\nhello"]


def test_a_long_body_is_not_copied_behind_its_head() -> None:
    body = b"x" * (JOIN_BYTES + 1)
    _, _, _, wire = asked(World(), body=body)
    assert len(wire.writes) == 2
    assert wire.writes[1] is body


def test_what_cannot_be_sent_is_refused_before_anything_is() -> None:
    world = World()
    with pytest.raises(RequestError):
        Errand(dial(target="/a b"), Told(), world.upstreams)
    assert not world.attempts


def test_the_server_bounds_the_time_to_connect() -> None:
    world = World(connect_seconds=3)
    asked(world, connect_timeout=60.0)
    asked(world, connect_timeout=1.0)
    assert [attempt.seconds for attempt in world.attempts] == [3, 1]


# The answer


def test_an_answer_is_told_the_same_at_any_cut() -> None:
    stream = CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    for pieces in cuts(stream):
        world = World()
        _, told, peer, _ = asked(world)
        for piece in pieces:
            peer.received(piece)
        assert told.names[0] == "head"
        assert told.names[-1] == "eof"
        assert told.body == b"hello world"
        assert told.reads == len(pieces)
        assert world.upstreams.idle == 1


def test_what_came_with_the_head_is_not_held() -> None:
    _, told, peer, _ = asked(World())
    tracemalloc.start()
    try:
        peer.received(CHUNKED + chunks(b"x" * 1_000_000, end=False))
        told.calls.clear()
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


def test_one_read_is_told_as_one_piece() -> None:
    _, told, peer, _ = asked(World())
    peer.received(CHUNKED)
    peer.received(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n")
    assert told.calls[1:] == [("data", b"abc")]


def test_the_connection_is_free_when_the_end_is_told() -> None:
    world = World()
    idle: list[int] = []

    class Looks(Told):
        def eof(self) -> None:
            idle.append(world.upstreams.idle)

    Errand(dial(), Looks(), world.upstreams)
    world.upstream()[0].received(OK)
    assert idle == [1]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", Malformed),
        (b"SSH-2.0-x\r\n", Malformed),
        (CHUNKED + b"5\r\nhelloXX", Malformed),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: odd\r\ncontent-length: 1\r\n\r\nx", Malformed),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx", Malformed),
    ],
)
def test_what_is_no_answer_fails_and_closes(sent: bytes, kind: type[UpstreamError]) -> None:
    _, told, peer, wire = asked(World())
    peer.received(sent)
    assert told.names[-1] == "failed"
    assert isinstance(told.calls[-1][1], kind)
    assert wire.calls == ["abort"]


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome", CHUNKED])
@pytest.mark.parametrize("error", [None, ConnectionResetError(104, "Connection reset by peer")])
def test_a_close_before_the_end_is_broken(sent: bytes, error: Exception | None) -> None:
    _, told, peer, _ = asked(World())
    if sent:
        peer.received(sent)
    peer.lost(error)
    name, failure = told.calls[-1]
    assert name == "failed"
    assert isinstance(failure, Broken)
    assert "api.example:443" in failure.message
    assert ("reset" in failure.message) == (error is not None)


def test_a_body_until_close_ends_with_a_clean_close_only() -> None:
    for error, last in ((None, "eof"), (ConnectionResetError(), "failed")):
        _, told, peer, wire = asked(World())
        peer.received(b"HTTP/1.1 200 OK\r\n\r\nsome")
        if error is None:
            peer.eof()
            assert wire.calls == ["abort"]
        peer.lost(error)
        assert told.names == ["head", "data", last]


def test_a_coded_body_until_close_that_is_cut_is_a_failure() -> None:
    _, told, peer, _ = asked(World())
    coded = gzip.compress(b"hello")
    peer.received(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + coded[:-4])
    peer.eof()
    assert told.names[-1] == "failed"
    assert isinstance(told.calls[-1][1], Malformed)


def test_unreachable_is_told() -> None:
    world, told = World(), Told()
    Errand(dial(), told, world.upstreams)
    failure = Unreachable("no")
    world.attempts[0].failed(failure)
    assert told.calls == [("failed", failure)]
    assert told.reads == 1


# Kept connections


def test_a_kept_connection_serves_the_next_dial() -> None:
    world = World()
    _, wire = kept(world)
    Errand(dial(), Told(), world.upstreams)
    assert len(wire.writes) == len(world.attempts) == 1
    assert world.upstreams.idle == 0


def test_a_stale_connection_is_replaced_once() -> None:
    world = World()
    peer, _ = kept(world)
    told = Told()
    Errand(dial(), told, world.upstreams)
    peer.lost(ConnectionResetError())
    fresh, wire = world.upstream()
    assert wire.writes[0].endswith(b"hello")
    fresh.lost(None)
    assert told.names == ["failed"]
    assert len(world.attempts) == 2


def test_a_kept_connection_that_began_to_answer_is_not_stale() -> None:
    world = World()
    peer, _ = kept(world)
    told = Told()
    Errand(dial(), told, world.upstreams)
    peer.received(b"H")
    peer.lost(None)
    assert told.names == ["failed"]
    assert len(world.attempts) == 1


def test_a_closing_connection_is_passed_over() -> None:
    world = World()
    _, wire = kept(world)
    wire.close()
    Errand(dial(), Told(), world.upstreams)
    assert len(world.attempts) == 2


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"more",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
def test_what_is_not_kept(answer: bytes) -> None:
    world = World()
    _, told, peer, wire = asked(world)
    peer.received(answer)
    assert told.names == ["head", "data", "eof"]
    assert (world.upstreams.idle, wire.calls) == (0, ["abort"])


def test_a_request_that_is_not_all_sent_spoils_the_connection() -> None:
    world = World()
    _, told, peer, wire = asked(world)
    wire.full = 1
    peer.received(OK)
    assert told.names[-1] == "eof"
    assert wire.calls == ["abort"]


def test_bytes_out_of_turn_close_an_idle_connection() -> None:
    world = World()
    peer, wire = kept(world)
    peer.received(b"HTTP/1.1 408 Timeout\r\n\r\n")
    assert (world.upstreams.idle, wire.calls) == (0, ["abort"])


def test_idle_connections_grow_old() -> None:
    world = World(keep_upstream_seconds=5)
    _, wire = kept(world)
    world.wait(4.9)
    assert wire.calls == []
    world.wait(0.1)
    assert (world.upstreams.idle, wire.calls) == (0, ["abort"])


def test_warm_connections_are_ready() -> None:
    world = World()
    world.app.warm = [(ENDPOINT, 2)]
    world.wait(0.25)
    world.wait(0.25)
    assert len(world.attempts) == 2  # not more while these are under way
    for number in range(2):
        world.upstream(number)
    assert world.upstreams.idle == 2
    world.wait(0.25)
    assert len(world.attempts) == 2


def test_a_warm_connection_that_is_taken_gets_a_successor() -> None:
    world = warmed()
    Errand(dial(), Told(), world.upstreams)
    assert (world.upstreams.idle, len(world.attempts)) == (0, 1)
    world.wait(0.25)
    assert len(world.attempts) == 2


def test_warm_connections_that_fail_are_tried_again_after_a_rest() -> None:
    world = World()
    world.app.warm = [(ENDPOINT, 1)]
    world.wait(0.25)
    world.attempts[0].failed(Unreachable("no"))
    world.wait(REST_SECONDS - 0.25)
    assert (world.upstreams.idle, len(world.attempts)) == (0, 1)
    world.wait(0.25)
    assert len(world.attempts) == 2


def test_a_server_that_closes_warm_connections_is_left_alone_for_a_while() -> None:
    world = warmed()
    world.attempts[0].peer.eof()
    world.wait(0.25)
    assert len(world.attempts) == 1
    world.wait(REST_SECONDS)
    assert len(world.attempts) == 2


def test_a_warm_connection_that_was_closed_unseen_costs_no_request() -> None:
    world = warmed()
    told = Told()
    Errand(dial(), told, world.upstreams)
    world.attempts[0].peer.lost(None)
    assert (told.calls, len(world.attempts)) == ([], 2)


def test_a_server_that_stops_warms_nothing() -> None:
    world = World()
    world.app.warm = [(ENDPOINT, 1)]
    world.house.retire()
    world.wait(0.25)
    assert world.attempts == []


def warmed() -> World:
    """With one warm connection."""
    world = World()
    world.app.warm = [(ENDPOINT, 1)]
    world.wait(0.25)
    world.upstream()
    return world


# Leaving


def test_abort_while_connecting_stops_the_attempt() -> None:
    world, told = World(), Told()
    Errand(dial(), told, world.upstreams).abort()
    assert world.attempts[0].stopped
    assert told.calls == []


@pytest.mark.parametrize("sent", [b"", CHUNKED, CHUNKED + b"5\r\nhel"])
def test_abort_closes_at_once(sent: bytes) -> None:
    errand, told, peer, wire = asked(World())
    if sent:
        peer.received(sent)
    before = list(told.calls)
    errand.abort()
    peer.lost(None)
    assert wire.calls == ["abort"]
    assert told.calls == before


def test_abort_from_within_a_call_stops_the_telling() -> None:
    world = World()

    class Leaves(Told):
        def head(self, status: int, headers: Headers) -> None:
            super().head(status, headers)
            errand.abort()

    told = Leaves()
    errand = Errand(dial(), told, world.upstreams)
    peer, wire = world.upstream()
    peer.received(OK)
    assert told.names == ["head"]
    assert wire.calls == ["abort"]


def test_release_awaits_the_end() -> None:
    world = World()
    errand, told, peer, wire = asked(world)
    peer.received(CHUNKED + b"5\r\nhello\r\n")
    errand.release()
    peer.received(b"5\r\nhello\r\n0\r\n\r\n")
    assert told.names == ["head", "data"]
    assert (world.upstreams.idle, wire.calls) == (1, [])
    world.wait(DRAIN_SECONDS)
    assert world.upstreams.idle == 1


def test_release_from_within_the_last_piece_keeps_the_connection() -> None:
    world = World()

    class Leaves(Told):
        def data(self, data: bytes) -> None:
            errand.release()

    errand = Errand(dial(), Leaves(), world.upstreams)
    peer, wire = world.upstream()
    peer.received(OK)
    assert (world.upstreams.idle, wire.calls) == (1, [])


def test_release_does_not_wait_for_long() -> None:
    world = World()
    errand, _, peer, wire = asked(world)
    peer.received(CHUNKED)
    errand.release()
    world.wait(DRAIN_SECONDS / 2)
    assert wire.calls == []
    world.wait(DRAIN_SECONDS / 2)
    assert wire.calls == ["abort"]


def test_release_does_not_take_much() -> None:
    errand, _, peer, wire = asked(World())
    peer.received(CHUNKED)
    errand.release()
    peer.received(b"%x\r\n" % (2 * DRAIN_BYTES) + b"x" * DRAIN_BYTES)
    assert wire.calls == []
    peer.received(b"x")
    assert wire.calls == ["abort"]


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n\r\nsome"])
def test_release_closes_what_cannot_be_kept(sent: bytes) -> None:
    errand, _, peer, wire = asked(World())
    if sent:
        peer.received(sent)
    errand.release()
    assert wire.calls == ["abort"]


# Pauses


def test_a_pause_holds_over_the_connecting() -> None:
    world, told = World(), Told()
    errand = Errand(dial(), told, world.upstreams)
    errand.pause()
    _, wire = world.upstream()
    assert wire.calls == ["pause"]
    errand.resume()
    errand.resume()
    assert wire.calls == ["pause", "resume"]


def test_a_kept_connection_is_not_left_paused() -> None:
    world = World()
    errand, _, peer, wire = asked(world)
    errand.pause()
    peer.received(OK)
    assert world.upstreams.idle == 1
    assert wire.calls == ["pause", "resume"]


def test_reprs_show_the_state() -> None:
    world = World()
    errand, _, peer, _ = asked(world)
    assert repr(errand) == "<Errand asked>"
    peer.received(CHUNKED)
    errand.pause()
    assert repr(errand) == "<Errand answering paused>"
    assert repr(world.upstreams) == "<Upstreams open=1 idle=0 draining=0>"


CONFIG = """
[providers.up]
protocol = "openai"
base_url = "http://api.example/v1"
[groups.default.models]
m = "up/m"
"""
EVENTS = (
    b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n',
    b'data: {"id":"c","object":"chat.completion.chunk","model":"m",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_request_that_is_over_leaves_nothing_to_the_garbage_collector(path: str) -> None:
    world = World(App(loads(CONFIG, {})))
    client, wire = world.client()
    body = b'{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"hi"}]}'

    def ask() -> None:
        client.received(post(path, body))
        upstream = world.upstream()[0] if not world.upstreams.connections else next(iter(world.upstreams.connections))
        upstream.received(CHUNKED + chunks(*EVENTS))
        assert wire.writes[-1].endswith(b"0\r\n\r\n")

    ask()
    gc.collect()
    gc.disable()
    try:
        ask()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [found for found in gc.garbage if type(found).__module__.startswith("ccproxy")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []

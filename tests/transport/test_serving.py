"""The client's side without sockets: what is read, held, written, and when the connection closes."""

from __future__ import annotations

import logging
import tracemalloc
from typing import Any

import pytest

from ccproxy.actions import Abort, Commit, End, Finished, Release, Reply, Write
from ccproxy.errors import RequestError, TooLarge
from ccproxy.transport.http1 import RequestHead
from ccproxy.transport.serving import HOLD_BYTES, LINGER_SECONDS, SKIP_BYTES
from tests.tools import cuts
from tests.transport.fakes import FakeApp, FakeLife, World, dial
from tests.transport.harness import chunks, get, post

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
REPLY = [Reply(200, [("x-a", "1")], b"done"), Finished("record")]
REPLIED = b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 4\r\n\r\ndone"


def world_with(*lives: FakeLife, **limits: Any) -> World:
    return World(FakeApp(*lives, **limits))


def replying() -> FakeLife:
    return FakeLife(body=REPLY, body_failed=[Reply(400, [], b""), Finished("failed")])


def streaming(**actions: Any) -> FakeLife:
    ended = [End(), Release(), Finished("record")]
    return FakeLife(**{"body": [dial()], "upstream_bytes": [Commit(200, [], b"one")], "ended": ended, **actions})


# Requests


def test_a_request_at_any_cut() -> None:
    for pieces in cuts(post("/x", b"hello")):
        life = replying()
        world = world_with(life)
        connection, wire = world.client(*pieces)
        assert life.calls == [("begin",), ("body", b"hello")]
        assert wire.writes == [REPLIED]
        assert world.app.records == ["record"]
        assert repr(connection) == "<ClientConnection read_head held=0 >"


def test_what_came_with_the_head_is_not_held_while_the_answer_streams() -> None:
    life = streaming()
    world = world_with(life, max_body=2_000_000)
    tracemalloc.start()
    try:
        connection, _ = world.client(post("/x", b"x" * 1_000_000))
        assert repr(connection).startswith("<ClientConnection busy held=0")
        life.calls.clear()
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


def test_pipelined_requests_at_any_cut() -> None:
    stream = post("/1", b"one") + get("/2", "transfer-encoding: chunked", method="POST") + chunks(b"two") + post("/3", b"")
    for pieces in cuts(stream):
        lives = [replying() for _ in range(3)]
        _, wire = world_with(*lives).client(*pieces)
        assert [life.calls[-1] for life in lives] == [("body", b"one"), ("body", b"two"), ("body", b"")]
        assert wire.writes == [REPLIED] * 3


def test_the_next_request_waits_for_its_turn() -> None:
    first, second = streaming(), replying()
    world = world_with(first, second)
    _, wire = world.client(post() + post())
    assert second.calls == []
    world.upstream()[0].received(CHUNKED + chunks(b"[DONE]"))
    assert second.calls == []
    first.done = True
    world.wait(1)
    assert [call[0] for call in second.calls] == ["begin", "body"]
    assert wire.writes[-1] == REPLIED


def test_what_is_held_is_bounded() -> None:
    world = world_with(streaming(ended=REPLY[1:]))
    connection, wire = world.client(post())
    connection.received(b"x" * HOLD_BYTES)
    assert wire.calls == []
    connection.received(b"x")
    assert wire.calls == ["pause"]


def test_reading_goes_on_when_the_held_bytes_had_their_turn() -> None:
    life = streaming()
    world = world_with(life)
    connection, wire = world.client(post())
    connection.received(get("/x") * 4000)
    assert wire.calls == ["pause"]
    peer, _ = world.upstream()
    peer.received(CHUNKED + chunks(b"first"))
    life.done = True
    world.wait(1)
    assert wire.calls == ["pause", "resume"]
    assert len(wire.writes) == 4002


@pytest.mark.parametrize("rest", [b"", b"hello"])
def test_continue_is_said_when_the_body_is_wanted(rest: bytes) -> None:
    request = get("/x", "content-length: 5", "expect: 100-continue", method="POST")
    world = world_with(replying())
    connection, wire = world.client(request + rest)
    if not rest:
        assert wire.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
        connection.received(b"hello")
    assert wire.writes[-1] == REPLIED


def test_a_life_may_answer_at_once() -> None:
    world = world_with(FakeLife(begin=REPLY))
    connection, wire = world.client(post("/x", b"hello")[:-2])
    assert wire.writes == [REPLIED]
    connection.received(b"lo" + post())
    assert wire.writes[1].startswith(b"HTTP/1.1 404")


# Answers


def test_head_and_first_event_are_one_write() -> None:
    world = world_with(streaming())
    _, wire = world.client(post())
    peer, _ = world.upstream()
    peer.received(CHUNKED + chunks(b"event", end=False))
    assert wire.writes == [CHUNKED + chunks(b"one", end=False)]


def test_one_read_is_one_write() -> None:
    world = world_with(streaming())
    _, wire = world.client(post())
    peer, _ = world.upstream()
    peer.received(CHUNKED + chunks(b"event", end=False))
    peer.received(chunks(b"two", b"three", end=False))
    peer.received(chunks(b"four", b"[DONE]"))
    assert wire.writes[1:] == [chunks(b"twothree", end=False), chunks(b"four[DONE]")]


def test_http_1_0_is_answered_until_close() -> None:
    world = world_with(streaming())
    _, wire = world.client(get(version="1.0"))
    peer, _ = world.upstream()
    peer.received(CHUNKED + chunks(b"event", end=False))
    peer.received(chunks(b"[DONE]"))
    assert b"".join(wire.writes) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none[DONE]"
    assert wire.calls == ["close"]


def test_head_gets_a_head() -> None:
    committing = FakeLife(body=[Commit(200, [], b"one"), Write(b"two"), End(), Finished(None)])
    world = world_with(replying(), committing)
    _, wire = world.client(get(method="HEAD") + get(method="HEAD") + get())
    assert wire.writes[:2] == [REPLIED[:-4], CHUNKED]
    assert wire.writes[2].startswith(b"HTTP/1.1 404 ")


def test_a_write_between_chunks() -> None:
    """A sign of life, as ticks give it."""
    world = world_with(streaming(tick=[Write(b": ping\n\n")]))
    _, wire = world.client(post())
    world.upstream()[0].received(CHUNKED + chunks(b"event", end=False))
    world.wait(1)
    assert wire.writes[1] == chunks(b": ping\n\n", end=False)


# Refusals


def test_an_early_answer_skips_a_short_body() -> None:
    world = world_with()
    body = b"x" * SKIP_BYTES
    connection, wire = world.client(post("/x", body)[:-10])
    assert wire.calls == []
    connection.received(b"x" * 10 + get())
    assert len(wire.writes) == 2


def test_an_early_answer_closes_before_a_long_body() -> None:
    world = world_with()
    connection, wire = world.client(post("/x", b"x" * (SKIP_BYTES + 1))[:-10])
    assert b"connection: close" in wire.writes[0]
    assert wire.calls == ["eof"]
    connection.received(b"x" * 10 + get())
    assert len(wire.writes) == 1
    world.wait(LINGER_SECONDS)
    assert wire.calls == ["eof", "close"]


def test_a_lingering_connection_closes_with_its_client() -> None:
    connection, wire = world_with().client(b"NONSENSE\r\n\r\n")
    assert wire.writes[0].startswith(b"HTTP/1.1 400 ")
    connection.eof()
    assert wire.calls == ["eof", "close"]


@pytest.mark.parametrize(
    ("request_bytes", "kind"),
    [
        (post("/x", b"x" * 11), TooLarge),
        (get("/x", "transfer-encoding: chunked", method="POST") + chunks(b"x" * 11), TooLarge),
        (get("/x", "transfer-encoding: chunked", method="POST") + b"zz\r\n", RequestError),
        (get("/x", "content-length: 3", "content-encoding: gzip", method="POST") + b"xxx", RequestError),
    ],
)
def test_bodies_that_fail(request_bytes: bytes, kind: type[Exception]) -> None:
    life = replying()
    _, wire = world_with(life, max_body=10).client(request_bytes)
    name, error = life.calls[-1]
    assert name == "body_failed"
    assert type(error) is kind
    assert wire.writes[0].startswith(b"HTTP/1.1 400 ")


# Time


def test_what_follows_a_body_that_fails_has_its_turn() -> None:
    failing, next_one = replying(), replying()
    coded = get("/x", "content-encoding: gzip", "content-length: 4", method="POST") + b"nope"
    _, wire = world_with(failing, next_one).client(coded + post("/y", b"hello"))
    assert failing.calls[-1][0] == "body_failed"
    assert next_one.calls[-1] == ("body", b"hello")
    assert wire.writes[-1] == REPLIED


def test_a_head_that_trickles_is_cut_off() -> None:
    world = world_with(head_seconds=10)
    connection, wire = world.client()
    for byte in range(11):
        assert wire.writes == []
        connection.received(b"GET / HTTP/1.1\r\n"[byte : byte + 1])
        world.wait(0.95)
    assert wire.writes[0].startswith(b"HTTP/1.1 408 ")


def test_a_silent_client_is_hung_up_on() -> None:
    world = world_with(head_seconds=10)
    _, wire = world.client()
    world.wait(10)
    assert (wire.writes, wire.calls) == ([], ["close"])


def test_an_idle_client_has_longer() -> None:
    world = world_with(replying(), head_seconds=10, idle_seconds=75)
    _, wire = world.client(post())
    world.wait(74)
    assert wire.calls == []
    world.wait(1)
    assert wire.calls == ["close"]


def test_each_piece_of_a_body_gives_it_time() -> None:
    life = replying()
    world = world_with(life, body_seconds=10)
    connection, _ = world.client(post("/x", b"hello")[:-3])
    world.wait(9)
    connection.received(b"l")
    world.wait(9)
    assert life.calls == [("begin",), ("tick",), ("tick",)]
    world.wait(1)
    name, error = life.calls[-1]
    assert (name, error.status) == ("body_failed", 408)


def test_a_stalled_client_stops_the_clock_of_its_life() -> None:
    life = streaming()
    world = world_with(life, stall_seconds=100)
    connection, wire = world.client(post())
    peer, there = world.upstream()
    peer.received(CHUNKED + chunks(b"event", end=False))
    connection.pause_writing()
    assert there.calls == ["pause"]
    world.wait(99)
    assert ("tick",) not in life.calls
    connection.resume_writing()
    assert life.calls[-1] == ("resumed",)
    assert there.calls == ["pause", "resume"]
    world.wait(99)
    assert life.calls[-1] == ("tick",)
    connection.pause_writing()
    world.wait(100)
    assert life.calls[-1] == ("client_gone",)
    assert wire.calls == ["abort"]
    assert there.calls[-1] == "abort"


def test_a_close_that_is_not_taken_ends_in_an_abort() -> None:
    world = world_with(replying(), stall_seconds=100)
    _, wire = world.client(post("/x", b"", "connection: close"))
    assert wire.calls == ["close"]
    world.wait(100)
    assert wire.calls == ["close", "abort"]


def test_a_client_that_takes_nothing_is_not_served_more() -> None:
    world = world_with()
    connection, wire = world.client(get())
    connection.pause_writing()
    connection.received(get())
    assert len(wire.writes) == 1
    connection.resume_writing()
    assert len(wire.writes) == 2


# Ends


@pytest.mark.parametrize("how", ["eof", "lost"])
def test_a_client_that_leaves(how: str) -> None:
    life = streaming(client_gone=[Abort(), Finished("gone")])
    world = world_with(life)
    connection, wire = world.client(post())
    _, there = world.upstream()
    if how == "eof":
        connection.eof()
        assert wire.calls == ["abort"]
    connection.lost(None)
    assert world.app.records == ["gone"]
    assert there.calls == ["abort"]
    assert world.house.connections == set()


def test_nothing_is_written_to_a_client_that_left() -> None:
    world = world_with(streaming(client_gone=[Write(b"bye"), End(), Finished(None)]))
    connection, wire = world.client(post())
    world.upstream()[0].received(CHUNKED + chunks(b"event", end=False))
    connection.lost(None)
    assert len(wire.writes) == 1


def test_retiring_closes_who_waits_and_lets_the_others_end() -> None:
    life = streaming()
    world = world_with(life)
    _, idle = world.client()
    connection, busy = world.client(post())
    peer, _ = world.upstream()
    peer.received(CHUNKED + chunks(b"event", end=False))
    world.house.retire()
    assert (idle.calls, busy.calls) == (["close"], [])
    peer.received(chunks(b"[DONE]"))
    assert busy.writes[-1].endswith(b"0\r\n\r\n")
    assert busy.calls == ["close"]
    connection.lost(None)


def test_answers_while_retiring_say_close() -> None:
    world = world_with(replying())
    connection, wire = world.client(b"POST")
    world.house.retire()
    assert wire.calls == []
    connection.received(post()[4:])
    assert b"connection: close" in wire.writes[0]
    assert wire.calls == ["close"]


def test_the_house_closes_everything() -> None:
    world = world_with(streaming())
    _, wire = world.client(post())
    _, there = world.upstream()
    world.house.close()
    assert set(wire.calls) == set(there.calls) == {"abort"}


def test_a_crowd_is_turned_away() -> None:
    world = world_with(max_connections=1)
    world.client()
    _, wire = world.client()
    assert wire.writes[0].startswith(b"HTTP/1.1 503 ")
    assert wire.calls == ["eof"]


# Bugs


class BadApp(FakeApp):
    """Fails in the methods that are named."""

    def __init__(self, *names: str) -> None:
        super().__init__(replying())
        self.names = names

    def head(self, head: RequestHead, now: float) -> Any:
        self._fail("head")
        return super().head(head, now)

    def refuse(self, error: Any, head: RequestHead | None) -> Any:
        self._fail("refuse")
        return super().refuse(error, head)

    def finished(self, record: Any) -> None:
        self._fail("finished")

    def _fail(self, name: str) -> None:
        if name in self.names:
            raise KeyError(name)


@pytest.mark.parametrize(
    ("names", "status"), [(["head"], b"500"), (["head", "refuse"], b"500"), (["finished"], b"200"), (["refuse"], b"200")]
)
def test_the_apps_bugs_end_here(names: list[str], status: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "ccproxy"):
        _, wire = World(BadApp(*names)).client(post())
    assert wire.writes[0].startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("name", ["begin", "body"])
def test_a_lifes_bug_is_answered(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "ccproxy"):
        connection, wire = world_with(FakeLife(**{name: KeyError("x")}), replying()).client(post())
        assert wire.writes[0].startswith(b"HTTP/1.1 500 ")
        connection.received(post())
    assert wire.writes[1] == REPLIED


def test_a_life_that_ends_without_an_answer_is_answered() -> None:
    _, wire = world_with(FakeLife(body=[Finished(None)])).client(post())
    assert wire.writes[0].startswith(b"HTTP/1.1 500 ")


def test_a_stream_that_ends_without_its_end_is_cut() -> None:
    world = world_with(streaming(ended=[Finished(None)]))
    _, wire = world.client(post())
    peer, _ = world.upstream()
    peer.received(CHUNKED + chunks(b"event", end=False))
    peer.received(chunks(b"[DONE]"))
    assert not wire.writes[-1].endswith(b"0\r\n\r\n")
    assert wire.calls == ["close"]


def test_a_failing_tick_leaves_the_others_theirs(caplog: pytest.LogCaptureFixture) -> None:
    lives = [streaming(), streaming()]
    world = world_with(*lives)
    broken, wire = world.client(post())
    world.client(post())
    broken.tick = None  # type: ignore[assignment, method-assign]
    with caplog.at_level(logging.CRITICAL, "ccproxy"):
        world.wait(1)
    assert wire.calls == ["abort"]
    assert lives[1].calls[-1] == ("tick",)

"""A life's actions, in what order and in how many writes they are carried out."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ccproxy.actions import Abort, Commit, End, Finished, Release, Reply, Write
from ccproxy.errors import CcproxyError, Unreachable
from ccproxy.transport.driving import Driver
from tests.transport.fakes import FakeLife, World, dial

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Heard:
    """An Answer that remembers; each flush closes a turn."""

    def __init__(self) -> None:
        self.turns: list[list[Any]] = [[]]

    def reply(self, reply: Reply) -> None:
        self.turns[-1].append(reply.status)

    def commit(self, commit: Commit) -> None:
        self.turns[-1].append(commit.data)

    def write(self, data: bytes) -> None:
        self.turns[-1].append(data)

    def end(self) -> None:
        self.turns[-1].append("end")

    def finished(self, record: Any) -> None:
        self.turns[-1].append(("finished", record))

    def broken(self) -> None:
        self.turns[-1].append("broken")

    def flush(self) -> None:
        if self.turns[-1]:
            self.turns.append([])

    def send(self, data: bytes) -> None:
        self.write(data)
        self.flush()

    @property
    def said(self) -> list[list[Any]]:
        return [turn for turn in self.turns if turn]


def driven(world: World, **actions: Any) -> tuple[Driver, FakeLife, Heard]:
    life, heard = FakeLife(**actions), Heard()
    return Driver(life, heard, world.upstreams, lambda: world.now), life, heard


def streaming(world: World, **actions: Any) -> tuple[Driver, FakeLife, Heard, Any, Any]:
    """A driver whose life dials at its body and commits at the first bytes."""
    actions = {"body": [dial()], "upstream_bytes": [Commit(200, [], b"first")], **actions}
    driver, life, heard = driven(world, **actions)
    driver.begin()
    driver.body(b"{}")
    peer, wire = world.upstream()
    return driver, life, heard, peer, wire


def test_a_stream_from_end_to_end() -> None:
    world = World()
    ended = [Write(b"last"), End(), Release(), Finished("record")]
    _, life, heard, peer, _ = streaming(world, ended=ended)
    peer.received(CHUNKED + b"1\r\na\r\n")
    peer.received(b"1\r\nb\r\n1\r\nc\r\n")
    peer.received(b"6\r\n[DONE]\r\n0\r\n\r\n")
    names = [call[0] for call in life.calls]
    assert names == ["begin", "body", "meanwhile", "upstream_head", "upstream_bytes", "pump", "pump", "ended"]
    assert heard.said == [[b"first"], [b"bc"], [b"[DONE]", b"last", "end", ("finished", "record")]]
    assert world.upstreams.idle == 1


def test_a_life_has_a_moment_behind_each_dial() -> None:
    world = World()
    driver, life, _ = driven(world, body=[dial()], upstream_failed=[dial()])
    driver.body(b"{}")
    world.attempts[0].failed(Unreachable("no"))
    assert [call[0] for call in life.calls] == ["body", "meanwhile", "upstream_failed", "meanwhile"]


def test_in_that_moment_the_request_has_left() -> None:
    world = World()
    _, _, _, peer, wire = streaming(world, upstream_head=[Reply(200, [], b""), Release(), Finished(None)])
    peer.received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    driver, life, _ = driven(world, body=[dial(b"kept")])
    writes: list[bytes] = []
    life.meanwhile = lambda: writes.extend(wire.writes)  # type: ignore[method-assign]
    driver.body(b"{}")
    assert writes[-1].endswith(b"kept")


def test_a_bug_in_that_moment_ends_the_request() -> None:
    world = World()
    driver, _, heard = driven(world, body=[dial()], meanwhile=RuntimeError("bug"))
    driver.body(b"{}")
    assert heard.said == [["broken"]]


def test_a_life_that_is_done_with_its_commit_is_ended() -> None:
    world = World()
    _, life, heard, peer, _ = streaming(world, ended=[End(), Release(), Finished(None)])
    life.done = True
    peer.received(CHUNKED + b"1\r\na\r\n")
    assert heard.said == [[b"first", "end", ("finished", None)]]


def test_after_finished_nothing_is_called() -> None:
    world = World()
    driver, life, _, peer, wire = streaming(world, upstream_head=[Reply(200, [], b""), Finished(None)])
    peer.received(CHUNKED + b"1\r\na\r\n")
    calls = len(life.calls)
    driver.tick()
    driver.client_gone()
    assert life.calls[-1][0] == "upstream_head"
    assert len(life.calls) == calls
    assert wire.calls == ["abort"]


def test_failing_over_is_another_dial() -> None:
    world = World()
    _, _, heard, peer, wire = streaming(world, upstream_head=[Abort(), dial(b"again")])
    peer.received(CHUNKED)
    assert wire.calls == ["abort"]
    second, again = world.upstream()
    assert again.writes[0].endswith(b"again")
    peer.lost(None)
    assert heard.said == []
    assert second is not peer


def test_a_dial_replaces_one_that_was_forgotten() -> None:
    world = World()
    _, _, _, peer, wire = streaming(world, upstream_head=[dial(b"again")])
    peer.received(CHUNKED)
    assert wire.calls == ["abort"]


def test_what_cannot_be_sent_is_a_failure_of_the_dial() -> None:
    world = World()
    driver, life, heard = driven(world, body=[dial(target="/a b")], upstream_failed=[Reply(400, [], b""), Finished(None)])
    driver.body(b"")
    assert [call[0] for call in life.calls] == ["body", "upstream_failed"]
    assert heard.said == [[400, ("finished", None)]]


def test_failures_are_told() -> None:
    world = World()
    driver, life, _ = driven(world, body=[dial()])
    driver.body(b"")
    failure = Unreachable("no")
    world.attempts[0].failed(failure)
    assert life.calls[-1] == ("upstream_failed", failure)


@pytest.mark.parametrize("where", ["connecting", "asked", "streaming"])
def test_a_client_that_is_gone_ends_the_upstream(where: str) -> None:
    """Even when the life forgets to say so."""
    world = World()
    driver, life, _ = driven(world, body=[dial()], upstream_bytes=[Commit(200, [], b"")])
    driver.body(b"")
    if where == "connecting":
        driver.client_gone()
        assert world.attempts[0].stopped
    else:
        peer, wire = world.upstream()
        if where == "streaming":
            peer.received(CHUNKED + b"1\r\na\r\n")
        driver.client_gone()
        assert wire.calls == ["abort"]
    driver.tick()
    assert life.calls[-1] == ("client_gone",)


def test_a_pause_holds_for_every_dial() -> None:
    world = World()
    driver, _, _, _, wire = streaming(world, upstream_failed=[dial()])
    driver.pause()
    assert wire.calls == ["pause"]
    world.attempts[0].peer.lost(None)
    _, second = world.upstream()
    assert second.calls == ["pause"]
    driver.resume()
    assert second.calls == ["pause", "resume"]


def test_one_event_is_sent_at_once() -> None:
    world = World()
    _, life, heard, peer, _ = streaming(world, ended=[End(), Release(), Finished(None)])
    peer.received(CHUNKED + b"1\r\na\r\n")
    for data in (b"1\r\nb\r\n", b"6\r\n[DONE]\r\n"):
        peer.received(data)
    assert [call for call in life.calls if call[0] == "pump"] == [("pump", b"b"), ("pump", b"[DONE]")]
    assert heard.said == [[b"first"], [b"b"], [b"[DONE]", "end", ("finished", None)]]


@pytest.mark.parametrize("name", ["upstream_head", "upstream_bytes", "pump", "ended"])
@pytest.mark.parametrize("bug", [KeyError("x"), CcproxyError("not expected here either")])
def test_bugs_end_here(name: str, bug: Exception, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    driver, life, heard, peer, wire = streaming(world, **{name: bug})
    with caplog.at_level(logging.ERROR, "ccproxy"):
        peer.received(CHUNKED + b"1\r\na\r\n")
        if not wire.calls:
            peer.received(b"6\r\n[DONE]\r\n")
    assert heard.said[-1][-1] == "broken"
    assert wire.calls == ["abort"]
    assert len(caplog.records) == 1
    calls = len(life.calls)
    driver.tick()
    assert len(life.calls) == calls


def test_empty_writes_are_none() -> None:
    world = World()
    driver, _, heard = driven(world, tick=[Write(b"")])
    driver.tick()
    assert heard.said == []

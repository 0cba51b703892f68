"""A request that is handed on to an async handler: what it is told, and what becomes of what it sends."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from ccproxy.actions import Handler, Handoff
from ccproxy.transport.http1 import RequestHead
from tests.transport.fakes import FakeApp, World
from tests.transport.harness import get, post

START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"x-a", b"1"), (b"content-length", b"9")],
}


def part(data: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


class HandingApp(FakeApp):
    def __init__(self, handoff: Handoff) -> None:
        super().__init__()
        self.handoff = handoff

    def head(self, head: RequestHead, now: float) -> Any:
        return self.handoff


def world_with(handler: Handler, **more: Any) -> World:
    return World(HandingApp(Handoff(handler, 1000, **more)))


async def sends(send: Any, *messages: dict[str, Any]) -> None:
    for message in messages:
        await send(message)


async def awaited(coroutine: Coroutine[Any, Any, None]) -> None:
    await coroutine


def played(handler: Handler, steps: Callable[[World], Any], **more: Any) -> None:
    """Runs what the world has spawned, and then `steps`."""

    async def run() -> None:
        world = world_with(handler, **more)
        async with anyio.create_task_group() as tasks:

            async def spawned() -> None:
                for coroutine in world.spawned:
                    tasks.start_soon(awaited, coroutine)
                world.spawned.clear()
                await anyio.wait_all_tasks_blocked()

            await steps(world, spawned)
            tasks.cancel_scope.cancel()

    anyio.run(run)


def test_a_whole_answer_is_a_reply() -> None:
    seen: list[Any] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["method"], scope["path"], scope["query_string"], dict(scope["headers"])[b"x-b"]))
        seen.append(await receive())
        await sends(send, START, part(b"done", more=False))
        seen.append(await receive())

    async def steps(world: World, spawned: Any) -> None:
        _, wire = world.client(post("/x%20y?a=b", b"hello", "x-b: 2"))
        assert wire.writes == []
        await spawned()
        assert wire.writes == [b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 4\r\n\r\ndone"]
        assert seen == [
            ("POST", "/x y", b"a=b", b"2"),
            {"type": "http.request", "body": b"hello", "more_body": False},
            {"type": "http.disconnect"},
        ]

    played(handler, steps)


def test_a_stream_leaves_as_it_comes_and_the_connection_stays() -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await sends(send, START, part(b"one"))
        await anyio.sleep(0)
        await sends(send, part(b""), part(b"two"), part(b"", more=False))

    async def steps(world: World, spawned: Any) -> None:
        connection, wire = world.client(post("/x", b""))
        await spawned()
        assert wire.writes[0].endswith(b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        assert b"".join(wire.writes[1:]) == b"3\r\ntwo\r\n0\r\n\r\n"
        assert "read_head" in repr(connection)

    played(handler, steps)


def test_a_slow_client_is_waited_for() -> None:
    sent: list[int] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await sends(send, START, part(b"0"))
        for i in range(1, 4):
            await send(part(b"%d" % i))
            sent.append(i)

    async def steps(world: World, spawned: Any) -> None:
        connection, _ = world.client()
        connection.pause_writing()
        connection.resume_writing()
        connection.received(post("/x", b""))
        connection.pause_writing()
        await spawned()
        assert sent == []
        connection.resume_writing()
        await anyio.wait_all_tasks_blocked()
        assert sent == [1, 2, 3]

    played(handler, steps)


def test_a_client_that_goes_is_told_of_and_nothing_more_is_sent() -> None:
    heard: list[str] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await sends(send, START, part(b"one"))
        heard.append((await receive())["type"])
        await sends(send, part(b"two", more=False))

    async def steps(world: World, spawned: Any) -> None:
        connection, wire = world.client(post("/x", b""))
        await spawned()
        connection.lost(None)
        await anyio.wait_all_tasks_blocked()
        assert heard == ["http.disconnect"]
        assert len(wire.writes) == 1

    played(handler, steps)


def test_a_standing_answer_does_not_hold_up_a_stop() -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await sends(send, START, part(b": \n\n"))
        while (await receive())["type"] != "http.disconnect":
            pass

    async def steps(world: World, spawned: Any) -> None:
        _, wire = world.client(get("/x"))
        await spawned()
        world.house.retire()
        assert "abort" in wire.calls

    played(handler, steps, standing=True)


@pytest.mark.parametrize("begun", [False, True])
def test_a_handler_that_fails_is_answered_for(begun: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await sends(send, START, part(b"one"))
        raise RuntimeError("a bug, as it was ordered")

    async def steps(world: World, spawned: Any) -> None:
        _, wire = world.client(post("/x", b""))
        await spawned()
        assert "close" in wire.calls if begun else wire.writes[0].startswith(b"HTTP/1.1 500")
        assert "as it was ordered" in caplog.text

    played(handler, steps)


def test_a_body_that_is_too_large_reaches_no_handler() -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    async def steps(world: World, spawned: Any) -> None:
        _, wire = world.client(post("/x", b"x" * 1001))
        assert not world.spawned
        assert wire.writes[0].startswith(b"HTTP/1.1 413")

    played(handler, steps)

"""A client's streams: what is kept of them, and how they are taken up again."""

from __future__ import annotations

import anyio

from ccproxy.mcp.streams import KEPT_BYTES, KEPT_STREAMS, MOST_EVENTS, Shelf, Stream


def test_events_have_ids_and_a_reader_goes_along_them() -> None:
    stream = Stream(3)
    stream.add(b'{"a":1}')
    stream.add(b'{"b":2}', is_answer=True)
    last, data = stream.after(0)
    assert last == 2
    assert data == b'id: 3-1\r\nevent: message\r\ndata: {"a":1}\r\n\r\nid: 3-2\r\nevent: message\r\ndata: {"b":2}\r\n\r\n'
    assert stream.after(1)[1].startswith(b"id: 3-2\r\n")
    assert stream.after(2) == (2, b"")
    assert stream.answers() == [b'{"b":2}']
    assert stream.primer() == b"id: 3-0\r\ndata: \r\n\r\n"


def test_what_nobody_reads_is_bounded() -> None:
    stream = Stream(1)
    for _ in range(MOST_EVENTS + 10):
        stream.add(b"{}")
    last, data = stream.after(0)
    assert last == MOST_EVENTS + 10
    assert data.count(b"id: ") == MOST_EVENTS
    assert data.startswith(b"id: 1-11\r\n")
    assert stream.size == 2 * MOST_EVENTS


def test_large_events_that_nobody_reads_are_fewer() -> None:
    stream = Stream(1)
    for _ in range(10):
        stream.add(b"x" * (KEPT_BYTES // 3))
    assert stream.size <= KEPT_BYTES
    stream.add(b"y" * 2 * KEPT_BYTES)
    assert stream.after(0)[1].count(b"id: ") == 1


def test_no_answer_is_dropped() -> None:
    stream = Stream(1)
    stream.add(b"first" + b"x" * KEPT_BYTES, is_answer=True)
    for _ in range(MOST_EVENTS + 10):
        stream.add(b"{}")
    stream.add(b"second" + b"x" * KEPT_BYTES, is_answer=True)
    assert [answer[:6] for answer in stream.answers()] == [b"firstx", b"second"]
    assert b"firstx" in stream.after(0)[1]
    assert stream.after(0)[1].count(b"{}") == 0


def test_a_stream_is_found_by_the_id_of_any_of_its_events() -> None:
    shelf = Shelf()
    stream = shelf.open()
    stream.add(b"{}")
    assert shelf.resumed("1-1") == (stream, 1)
    assert shelf.resumed("0-7") == (shelf.standing, 7)
    for unknown in ("", "1", "1-", "-1", "2-1", "x-1", "1-x", "1-1-1", "٣-1", "9" * 400 + "-1"):
        assert shelf.resumed(unknown) is None


def test_finished_streams_go_oldest_first() -> None:
    shelf = Shelf()
    streams = [shelf.open() for _ in range(KEPT_STREAMS + 5)]
    for stream in streams:
        shelf.finish(stream)
    assert shelf.resumed("1-0") is None
    assert shelf.resumed(f"{KEPT_STREAMS + 5}-0") is not None
    assert shelf.resumed("0-0") is not None


def test_large_ones_go_sooner() -> None:
    shelf = Shelf()
    for _ in range(3):
        stream = shelf.open()
        stream.add(b"x" * (KEPT_BYTES // 2))
        shelf.finish(stream)
    assert shelf.resumed("1-0") is None
    assert shelf.resumed("3-0") is not None


def test_a_reader_wakes_at_news_at_the_end_and_when_another_comes() -> None:
    async def run() -> None:
        stream = Stream(1)
        for tell in (lambda: stream.add(b"{}"), stream.end, lambda: stream.take_over(object())):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.news)
                await anyio.wait_all_tasks_blocked()
                tell()

    anyio.run(run)

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from bench.clients import paced, run, whole
from ccproxy.measure.answers import chunk
from ccproxy.measure.ways import Stage, Way, stage
from ccproxy.protocols import PROTOCOLS

pytest.importorskip("uvloop")


@pytest.fixture(scope="module")
def there() -> Iterator[Stage]:
    with stage() as found:
        assert found is not None
        yield found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_streams_are_kept_running_and_counted(there: Stage, protocol: str) -> None:
    seen = run(partial(paced, there.direct(protocol), 3, 0.2, 4))
    assert seen.ended >= 6
    assert (seen.kept, seen.failures) in [(seen.ended, {}), (seen.ended - seen.failures.get("late", 0), seen.failures)]
    assert len(seen.times) == 2 * 4 * seen.ended
    assert min(seen.times[1::2]) > 0
    assert seen.cpu is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whole_answers_are_counted_through_a_process_that_is_looked_at(there: Stage, protocol: str) -> None:
    with there.started_ccproxy() as process:
        seen = run(partial(whole, there.ccproxy(protocol, "openai", process), 2, 0.2))
    assert seen.failures == {}
    assert len(seen.all) >= 2
    assert all(took > 0 for _, took in seen.all)
    assert seen.seconds > 0.1
    assert (seen.cpu or 0) >= 0
    assert (seen.memory or 0) > 2**20


def answering(answer: bytes, drive: Callable[[Way], object]) -> None:
    """Drives against a server that says this to every request and closes."""

    async def main() -> None:
        async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10_000)
            writer.write(answer)
            await asyncio.sleep(0.05)
            writer.close()

        server = await asyncio.start_server(answer_one, "127.0.0.1", 0)
        way = Way("bad", "openai", server.sockets[0].getsockname()[1])
        await asyncio.to_thread(drive, way)
        server.close()

    asyncio.run(main())


HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"),
        (b"", "the connection was closed"),
        (HEAD + chunk(b"~0000000000000001~"), "the connection was closed"),
        (HEAD + chunk(b"~0000000000000001~") + b"0\r\n\r\n", "1 of 2 events"),
        (HEAD + chunk(b"~0000000000000001~ ~0000000000000002~") + b"0\r\n\r\n", "late"),
    ],
)
def test_a_stream_that_is_not_kept_is_told(answer: bytes, failure: str) -> None:
    def drive(way: Way) -> None:
        seen = run(partial(paced, way, 1, 0.05, 2))
        assert seen.kept == 0
        assert failure in seen.failures

    answering(answer, drive)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 503 No"),
        (b"HTTP/1.1 200 OK\r\n", "the connection was closed"),
    ],
)
def test_an_answer_that_fails_is_told(answer: bytes, failure: str) -> None:
    def drive(way: Way) -> None:
        seen = run(partial(whole, way, 1, 0.1))
        assert any(failure in how for how in seen.failures)

    answering(answer, drive)


def test_chunked_answers_have_an_end() -> None:
    def drive(way: Way) -> None:
        assert len(run(partial(whole, way, 1, 0.2)).all) >= 1

    answering(HEAD + chunk(b"{}") + b"0\r\n\r\n", drive)

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from ccproxy.measure.answers import STAMP
from ccproxy.measure.ways import PATHS, Stage, question, stage
from ccproxy.protocols import PROTOCOLS


@pytest.fixture(scope="module")
def there() -> Iterator[Stage]:
    with stage() as found:
        assert found is not None
        yield found


@pytest.fixture
def connection(there: Stage) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", there.upstream.port, timeout=30)) as found:
        yield found


def asked(connection: http.client.HTTPConnection, protocol: str, script: str) -> bytes:
    stream = "whole" not in script
    action = "streamGenerateContent?alt=sse" if stream else "generateContent"
    connection.request(
        "POST", PATHS[protocol].format(model=script, action=action), question(protocol, script, stream=stream)
    )
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_script_in_every_protocol_on_one_connection(connection: http.client.HTTPConnection, protocol: str) -> None:
    burst = asked(connection, protocol, "bench-burst-100")
    short = asked(connection, protocol, "bench-burst-1")
    assert len(burst) > 50 * 99 + len(short)
    assert len(STAMP.findall(asked(connection, protocol, "bench-paced-3"))) == 3
    assert b"Well" in asked(connection, protocol, "bench-whole-1")


def test_paced_events_keep_the_pace_and_say_when_they_left(connection: http.client.HTTPConnection) -> None:
    before = time.monotonic_ns() // 1000
    stamps = [int(stamp) for stamp in STAMP.findall(asked(connection, "openai", "bench-paced-5"))]
    assert before < stamps[0] < stamps[-1] < time.monotonic_ns() // 1000
    assert stamps[-1] - stamps[0] > 60_000  # four paces of 20 ms, less a slot


def test_a_connection_is_closed_where_the_script_says_so(connection: http.client.HTTPConnection) -> None:
    assert b"Well" in asked(connection, "claude", "bench-burst-2-close")
    assert connection.sock is not None
    assert connection.sock.recv(1) == b""


def test_anything_else_is_not_found(connection: http.client.HTTPConnection) -> None:
    for _ in range(2):
        connection.request("GET", "/v1/models")
        assert connection.getresponse().read() == b""


def test_a_client_that_leaves_stops_its_stream(there: Stage, connection: http.client.HTTPConnection) -> None:
    async def leave() -> None:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", there.upstream.port)
            writer.write(there.direct("openai").request("bench-paced-64"))
            assert await reader.read(10)
            writer.transport.abort()

    asyncio.run(leave())
    assert len(STAMP.findall(asked(connection, "openai", "bench-paced-2"))) == 2


def test_tls() -> None:
    pytest.importorskip("trustme")
    with stage(tls=True) as there:
        assert there is not None
        assert there.certificates is not None
        trust = there.certificates.context()
        with closing(
            http.client.HTTPSConnection("127.0.0.1", there.upstream.port, timeout=30, context=trust)
        ) as connection:
            assert b"Well" in asked(connection, "openai", "bench-burst-2")

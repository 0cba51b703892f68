"""Suite `framing`: what it costs to take a body and its events off the wire and to put them on it, without sockets.

    body in      a chunked body, as bytes from the socket, into its slices
    whole in     the same for one answer of a stated length
    events in    the slices of a body into the payloads of its events
    body out     an event as a chunk of a body

The heads are read before the clock starts. httpcore and httpx are measured in their synchronous form, over bytes in memory:
the asynchronous one that a proxy would use costs more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import h11
import httpcore
import httptools
import httpx

from ccproxy.codec.sse import SSEReader
from ccproxy.measure import traffic
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite
from ccproxy.measure.timing import Ready, interleaved
from ccproxy.transport.body import CHUNKED, LAST_CHUNK, Framing, chunk, reader_for

ROUNDS, SHORT_ROUNDS = 15, 5
BURST = 16
WHOLE, READ = 64 * 1024, 16 * 1024
"""Bytes of a whole answer, and of a read from the socket."""

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n%b\r\n\r\n"
_URL = "http://upstream.example/v1/chat/completions"

Ways = dict[str, Ready]


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Each piece of work in its turn."""
    rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
    wanted = [(what, reads, works) for what, reads, works in _works() if setting.wants(what=what, reads=reads)]
    for number, (what, reads, (ways, count)) in enumerate(wanted):
        progress.step(what, number, len(wanted))
        chosen = {way: ready for way, ready in ways.items() if setting.wants(way=way)}
        for way, seconds in interleaved(chosen, rounds).items():
            labels = {"what": what, "reads": reads, "way": way}
            yield Measure("framing", labels, "µs", [second * 1e6 / count for second in seconds])


def _works() -> Iterator[tuple[str, str, tuple[Ways, int]]]:
    """What is done, how it is read, the ways, and how many of what is counted are in it."""
    events = [traffic.framed("openai", payload) for payload in traffic.scripts("openai")["text"].measured]
    count = len(events)
    whole = b"x" * WHOLE
    head = _HEAD % (b"content-length: %d" % WHOLE)
    reads = [whole[place : place + READ] for place in range(0, WHOLE, READ)]
    yield "whole in, per answer", "of 16 KB", (_bodies(head, reads, Framing("length", WHOLE)), 1)
    head = _HEAD % b"transfer-encoding: chunked"
    for name, size in (("1 event", 1), ("16 events", BURST)):
        chunks = [b"".join(map(chunk, events[place : place + size])) for place in range(0, count, size)]
        yield "body in, per event", name, (_bodies(head, [*chunks, LAST_CHUNK], CHUNKED), count)
        joined = [b"".join(events[place : place + size]) for place in range(0, count, size)]
        yield "events in, per event", name, (_events(joined), count)
    yield "body out, per event", "", (_writers(events), count)


# ---------------------------------------------------------------------------------------------------------------------
# Bodies


def _bodies(head: bytes, reads: list[bytes], framing: Framing) -> Ways:
    return {
        "ccproxy": lambda: _by_ccproxy(reads, framing),
        "httptools": lambda: _by_httptools(head, reads),
        "h11": lambda: _by_h11(head, reads),
        "httpcore": lambda: _drained(_opened(head, reads).iter_stream()),
        "httpx": lambda: _drained(_answer(head, reads).iter_raw()),
    }


def _by_ccproxy(reads: list[bytes], framing: Framing) -> Callable[[], list[bytes]]:
    feed = reader_for(framing).feed
    return lambda: [piece for data in reads for piece in feed(data)]


def _by_httptools(head: bytes, reads: list[bytes]) -> Callable[[], list[bytes]]:
    found: list[bytes] = []

    class Listener:
        def on_body(self, data: bytes) -> None:
            found.append(data)

    parser = httptools.HttpResponseParser(Listener())
    parser.feed_data(head)

    def work() -> list[bytes]:
        for data in reads:
            parser.feed_data(data)
        return found

    return work


def _by_h11(head: bytes, reads: list[bytes]) -> Callable[[], list[bytes]]:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    connection.next_event()

    def work() -> list[bytes]:
        found: list[bytes] = []
        for data in reads:
            connection.receive_data(data)
            while isinstance(event := connection.next_event(), h11.Data):
                found.append(bytes(event.data))
        return found

    return work


def _opened(head: bytes, reads: list[bytes]) -> httpcore.Response:
    """httpcore's answer to a request, its head read."""
    pool = httpcore.ConnectionPool(network_backend=httpcore.MockBackend([head, *reads]))
    return pool.handle_request(httpcore.Request("GET", _URL, headers=[(b"host", b"upstream.example")]))


class _InMemory(httpx.BaseTransport):
    """httpx's way to httpcore, as in its own transport."""

    def __init__(self, head: bytes, reads: list[bytes]) -> None:
        self._head, self._reads = head, reads

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        found = _opened(self._head, self._reads)
        return httpx.Response(found.status, headers=found.headers, stream=_Stream(found))


class _Stream(httpx.SyncByteStream):
    def __init__(self, found: httpcore.Response) -> None:
        self._found = found

    def __iter__(self) -> Iterator[bytes]:
        return self._found.iter_stream()


def _answer(head: bytes, reads: list[bytes]) -> httpx.Response:
    client = httpx.Client(transport=_InMemory(head, reads), trust_env=False)
    return client.send(client.build_request("GET", _URL), stream=True)


def _drained(pieces: Iterable[Any]) -> Callable[[], list[Any]]:
    return lambda: list(pieces)


# ---------------------------------------------------------------------------------------------------------------------
# Events, and the way out


def _events(slices: list[bytes]) -> Ways:
    """`split` is what no reader can do without; it takes for granted that no slice ends within an event."""
    return {
        "split": lambda: lambda: [event[6:] for data in slices for event in data.split(b"\n\n") if event],
        "ccproxy": lambda: _by_codec(slices),
        "httpx": lambda: _by_lines(slices),
    }


def _by_codec(slices: list[bytes]) -> Callable[[], list[bytes]]:
    reader = SSEReader()
    reader.feed(b": the stream has begun\n\n")
    return lambda: [payload for data in slices for payload in reader.feed(data)]


def _by_lines(slices: list[bytes]) -> Callable[[], list[str]]:
    answer = httpx.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, stream=_Slices(slices))
    return lambda: [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]


class _Slices(httpx.SyncByteStream):
    def __init__(self, slices: list[bytes]) -> None:
        self._slices = slices

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._slices)


def _writers(events: list[bytes]) -> Ways:
    return {
        "ccproxy": lambda: lambda: [chunk(event) for event in events],
        "h11": lambda: _written_by_h11(events),
    }


def _written_by_h11(events: list[bytes]) -> Callable[[], list[bytes]]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    connection.next_event()
    connection.next_event()
    connection.send(h11.Response(status_code=200, headers=[("transfer-encoding", "chunked")]))

    def work() -> list[bytes]:
        return [connection.send(h11.Data(data=event)) or b"" for event in events]

    return work


SUITE = Suite("framing", "CPU of bodies and events on the wire, beside other libraries", run)

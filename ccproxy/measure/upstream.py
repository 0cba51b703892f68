"""The fake upstream, a process of its own: `python -m ccproxy.measure.upstream PORT [CERTIFICATE]`.

It speaks all five protocols and costs next to nothing: requests are looked at just as far as is needed, answers are ready.
What it says is in the model's name, wherever in the request that stands:

    bench-burst-N    a stream with N pieces of text, each a write of its own, without a pause
    bench-paced-N    a stream with N pieces, one every PACE seconds, each with the time at which it was sent
    bench-whole-1    a whole answer

With `-close` behind it the connection is closed after the answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from ccproxy.measure.answers import Speech, protocol_of, speech, whole

PACE = 0.02

_SLOTS = 20
"""Moments within a pace at which events leave: a timer for each stream would cost more than the stream."""

_EMPTY_LINE = b"\r\n\r\n"
_SCRIPT = re.compile(rb"bench-(burst|paced|whole)-(\d+)(-close)?")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BACKLOG = 2048


class Pacer:
    """Paced streams, each in the slot in which it began; one timer for all of them, which rests when there are none."""

    def __init__(self) -> None:
        self._slots: list[dict[Stream, None]] = [{} for _ in range(_SLOTS)]
        self._count = 0
        self._turn = 0
        self._due = 0.0

    def add(self, stream: Stream) -> None:
        if not self._count:
            self._due = time.monotonic()
            asyncio.get_running_loop().call_soon(self._tick)
        self._count += 1
        stream.slot = self._turn % _SLOTS
        self._slots[stream.slot][stream] = None

    def remove(self, stream: Stream) -> None:
        if self._slots[stream.slot].pop(stream, 0) is None:
            self._count -= 1

    def _tick(self) -> None:
        now = time.monotonic()
        while self._due <= now:
            self._turn += 1
            self._due += PACE / _SLOTS
            for stream in list(self._slots[self._turn % _SLOTS]):
                stream.step()
        if self._count:
            asyncio.get_running_loop().call_later(max(0.0, self._due - time.monotonic()), self._tick)


class Stream:
    """A paced stream under way."""

    slot = 0

    def __init__(self, transport: asyncio.Transport, said: Speech, count: int, ended: Callable[[], None]) -> None:
        self._transport = transport
        self._said = said
        self._left = count
        self._ended = ended

    def step(self) -> None:
        self._left -= 1
        piece = self._said.stamped % (time.monotonic_ns() // 1000)
        if self._left:
            self._transport.write(piece)
        else:
            self._transport.write(piece + self._said.tail)
            self._ended()


class Upstream(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._held = bytearray()
        self._wanted = 0  # bytes of the request that has begun, 0 as long as its head is not whole
        self._stream: Stream | None = None
        self._closes = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        if self._stream is not None:
            self._pacer.remove(self._stream)

    def data_received(self, data: bytes) -> None:
        held = self._held
        held += data
        if not self._wanted:
            end = held.find(_EMPTY_LINE)
            if end < 0:
                return
            length = _LENGTH.search(held, 0, end)
            self._wanted = end + len(_EMPTY_LINE) + (int(length[1]) if length else 0)
        if len(held) >= self._wanted:
            request = bytes(held[: self._wanted])
            del held[: self._wanted]
            self._wanted = 0
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        script = _SCRIPT.search(request)
        if script is None:  # model lists and probes
            self.transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        kind, count, closes = script.groups()
        self._closes = closes is not None
        _KINDS[kind](self, protocol_of(request[: request.index(b"\r\n")]), int(count))

    def _whole(self, protocol: str, count: int) -> None:
        self.transport.write(whole(protocol))
        self._ended()

    def _paced(self, protocol: str, count: int) -> None:
        said = speech(protocol)
        self.transport.write(said.head + said.lead)
        self._stream = Stream(self.transport, said, count, self._ended)
        self._pacer.add(self._stream)

    def _burst(self, protocol: str, count: int) -> None:
        said = speech(protocol)
        self.transport.write(said.head + said.lead)
        self._next(said, count - 1)

    def _next(self, said: Speech, left: int) -> None:
        """One piece a turn of the loop, so that each is a read of its own for the client as far as the kernel allows."""
        if left:
            self.transport.write(said.pieces[left % len(said.pieces)])
            asyncio.get_running_loop().call_soon(self._next, said, left - 1)
        else:
            self.transport.write(said.tail)
            self._ended()

    def _ended(self) -> None:
        if self._stream is not None:
            self._pacer.remove(self._stream)
            self._stream = None
        if self._closes:
            self.transport.close()


_KINDS = {b"burst": Upstream._burst, b"paced": Upstream._paced, b"whole": Upstream._whole}


async def serve(factory: Callable[[], asyncio.BaseProtocol], port: int, certificate: str = "") -> None:
    """Serves on loopback until the process is ended. certificate: a file with chain and key, for TLS."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", port, ssl=context, backlog=_BACKLOG)
    await server.serve_forever()


def run(main: Callable[[], object]) -> None:
    """Runs a coroutine function on the fastest loop that there is, until SIGINT."""
    make: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):
        import uvloop

        make = uvloop.new_event_loop
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=make) as runner:
        runner.run(main())  # type: ignore[arg-type]


if __name__ == "__main__":
    pacer = Pacer()
    run(lambda: serve(lambda: Upstream(pacer), int(sys.argv[1]), *sys.argv[2:]))

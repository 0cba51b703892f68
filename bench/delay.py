"""A relay that is far away: `python -m bench.delay PORT TO MILLISECONDS`. What comes in goes out half a round trip later.

Opening a connection takes a round trip too, which no relay can add to the kernel's own handshake; the first bytes of
whoever connected are held for that much longer: the same, where the client speaks first, as in TLS and HTTP.
(`tc netem` would be closer to the wire, where the kernel has it; the one of the machine that this was written on has not.)
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import cast

from ccproxy.measure.upstream import run, serve


class Far(asyncio.Protocol):
    """One side of a connection. late: seconds from a byte's coming in to its going out at the other side."""

    transport: asyncio.Transport | None = None

    def __init__(self, late: float) -> None:
        self._late = late
        self._opened = 0.0  # when bytes that came before were through
        self.other: Far | None = None
        self._under_way: deque[bytes | None] = deque()  # None for the end
        self._due = 0  # how many of them have had their time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def hold(self, seconds: float) -> None:
        """Nothing goes out for so long beyond its usual time."""
        self._opened = asyncio.get_running_loop().time() + seconds + self._late

    def data_received(self, data: bytes) -> None:
        self._send(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._send(None)

    def join(self, other: Far) -> None:
        self.other = other
        self._pass()

    def _send(self, data: bytes | None) -> None:
        loop = asyncio.get_running_loop()
        self._under_way.append(data)
        loop.call_at(max(self._opened, loop.time() + self._late), self._arrived)

    def _arrived(self) -> None:
        self._due += 1
        self._pass()

    def _pass(self) -> None:
        while self._due and self.other is not None and self.other.transport is not None:
            self._due -= 1
            data = self._under_way.popleft()
            if data is None:
                self.other.transport.close()
            else:
                self.other.transport.write(data)


class Entrance(Far):
    """The side of whoever connects."""

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__(seconds / 2)
        self._port = port
        self._round_trip = seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.hold(self._round_trip)
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, exit_side = await loop.create_connection(lambda: Far(self._late), "127.0.0.1", self._port)
        except OSError:
            assert self.transport is not None
            self.transport.abort()
        else:
            exit_side.join(self)
            self.join(exit_side)


if __name__ == "__main__":
    seconds = float(sys.argv[3]) / 1000
    run(lambda: serve(lambda: Entrance(int(sys.argv[2]), seconds), int(sys.argv[1])))

"""The bare relay: `python -m ccproxy.measure.relay PORT TO`. Bytes in, the same bytes out, both ways, on uvloop.

It understands nothing, so that no proxy in Python can cost less: what ccproxy costs beside it is the price of HTTP and of
the conversion.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from ccproxy.measure.upstream import run, serve


class Side(asyncio.Protocol):
    """One side of a connection through the relay."""

    transport: asyncio.Transport | None = None

    def __init__(self) -> None:
        self.other: Side | None = None
        self._held: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def join(self, other: Side) -> None:
        """Both are open."""
        self.other, other.other = other, self
        for data in self._held:
            other.send(data)
        self._held.clear()
        if self.transport is None or self.transport.is_closing():
            self.connection_lost(None)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.send(data)
        else:
            self._held.append(data)

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class Entrance(Side):
    """The side of whoever connects to the relay."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            _, exit_side = await asyncio.get_running_loop().create_connection(Side, "127.0.0.1", self._port)
        except OSError:
            assert self.transport is not None
            self.transport.abort()
        else:
            self.join(exit_side)


if __name__ == "__main__":
    run(lambda: serve(lambda: Entrance(int(sys.argv[2])), int(sys.argv[1])))

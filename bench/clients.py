"""Clients by the hundreds in this process, cheap enough not to be what is measured: bare protocols on uvloop.

`paced` keeps so many paced streams running and `whole` so many whole answers, each on a connection of its own that asks
again as soon as it has its answer. Both look at a window in which all are at work, and not at how they got there.
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from attrs import define, field

from ccproxy.measure.answers import LAST_CHUNK, STAMP
from ccproxy.measure.processes import Process
from ccproxy.measure.upstream import PACE
from ccproxy.measure.ways import Way

EVENTS = 64
FIRST_EVENTS = 4
"""Of the first stream of all through a process."""

LATE = 10 * PACE
"""Seconds after which an event is too late for its stream to count as kept."""

_PATIENCE = 10.0
"""Seconds for what is still under way at the end."""

_AT_ONCE = 100
"""Connections that are opened together."""

_OVERLAP = 24
"""Bytes that are looked at again with the next read: a stamp may be cut."""

_OK = b"HTTP/1.1 200"
_EMPTY_LINE = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

T = TypeVar("T")


@define
class Seen:
    """What was seen in the window. seconds: its length. cpu: seconds of the process in the middle. memory: bytes that it
    held at the window's end; both None where there is no such process. failures: what went wrong, each kind once."""

    seconds: float = 0.0
    cpu: float | None = None
    memory: int | None = None
    failures: dict[str, int] = field(factory=dict)

    def failed(self, how: str) -> None:
        self.failures[how] = self.failures.get(how, 0) + 1


# ---------------------------------------------------------------------------------------------------------------------
# One connection after the other, or one for all


class _Again(asyncio.Protocol):
    """A client that asks again as soon as it has its answer, on the same connection where the way keeps it."""

    transport: asyncio.Transport

    def __init__(self, way: Way, seen: Seen, over: Callable[[], None]) -> None:
        self.again = True
        self._way = way
        self._all = seen
        self._over = over
        self._opens = False  # the connection is closed by us, for another

    def start(self) -> None:
        """Asks."""
        raise NotImplementedError

    def lost(self) -> None:
        """The connection was closed, by whomever."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self._opens:
            self._opens = False
            self.start()

    def connection_lost(self, error: Exception | None) -> None:
        if self._opens:
            self._task = asyncio.get_running_loop().create_task(self._open())
        else:
            self.lost()

    def next(self) -> None:
        """After an answer, or what came instead."""
        if not self.again or self.transport.is_closing():
            self._over()
        elif self._way.keeps:
            self.start()
        else:
            self._opens = True
            self.transport.abort()

    async def _open(self) -> None:
        try:
            await _connection(self._way, self)
        except OSError:
            self._all.failed("no connection")
            self._over()

    def give_up(self) -> None:
        self.again = self._opens = False
        self.transport.abort()


# ---------------------------------------------------------------------------------------------------------------------
# Paced streams


@define
class SeenStreams(Seen):
    """lags: seconds that each event in the window took. ended: streams, kept: those of them that had all their events, none
    later than LATE."""

    lags: list[float] = field(factory=list)
    ended: int = 0
    kept: int = 0
    times: array[int] = field(factory=lambda: array("q"), repr=False)  # stamp and microseconds that it took, in turn


class _Listener(_Again):
    """One connection that streams."""

    def __init__(self, way: Way, events: int, seen: SeenStreams, over: Callable[[], None]) -> None:
        super().__init__(way, seen, over)
        self._request = way.request(f"bench-paced-{events}")
        self._events = events
        self._seen = seen
        self._running = False

    def start(self) -> None:
        self._running = True
        self._heard = 0
        self._last = 0
        self._slowest = 0
        self._rest = b""
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns() // 1000
        if self._rest:
            data = self._rest + data
        elif not data.startswith(_OK):
            self._end(data[:60].decode(errors="replace"))
            return
        for word in STAMP.findall(data):
            stamp = int(word)
            if stamp > self._last:  # some protocols say everything again at the end
                self._last = stamp
                self._heard += 1
                lag = now - stamp
                self._slowest = max(self._slowest, lag)
                self._seen.times.append(stamp)
                self._seen.times.append(lag)
        self._rest = data[-_OVERLAP:]
        if data.endswith(LAST_CHUNK):
            self._end("" if self._heard == self._events else f"{self._heard} of {self._events} events")

    def lost(self) -> None:
        if self._running:
            self._end("the connection was closed")

    def give_up(self) -> None:
        if self._running:
            self._end("not over in time")
        super().give_up()

    def _end(self, failure: str) -> None:
        self._running = False
        self._seen.ended += 1
        if not failure and self._slowest > LATE * 1e6:
            failure = "late"
        if failure:
            self._seen.failed(failure)
        else:
            self._seen.kept += 1
        self.next()


async def paced(way: Way, count: int, seconds: float, events: int = EVENTS) -> SeenStreams:
    """`count` streams at once, begun evenly over the time that one takes; then `seconds` of looking."""
    loop = asyncio.get_running_loop()
    seen = SeenStreams()
    left = _Countdown(count)
    listeners = await _connected(way, [_Listener(way, events, seen, left.one) for _ in range(count)])
    ramp = (events + 1) * PACE
    for number, listener in enumerate(listeners):
        loop.call_later(ramp * number / count, listener.start)
    await asyncio.sleep(ramp + PACE)
    began, ended = await _window(way.process, seconds, seen)
    for listener in listeners:
        listener.again = False
    with suppress(TimeoutError):
        await asyncio.wait_for(left.none.wait(), ramp + _PATIENCE)
    for listener in listeners:
        listener.give_up()
    stamps, lags = seen.times[::2], seen.times[1::2]
    seen.lags = [lag / 1e6 for stamp, lag in zip(stamps, lags, strict=True) if began <= stamp / 1e6 < ended]
    return seen


# ---------------------------------------------------------------------------------------------------------------------
# Whole answers


@define
class SeenAnswers(Seen):
    """times: seconds that each answer in the window took."""

    times: list[float] = field(factory=list)
    all: list[tuple[float, float]] = field(factory=list, repr=False)  # when it came, and how long it took


class _Asker(_Again):
    """One connection that asks for whole answers."""

    def __init__(self, way: Way, seen: SeenAnswers, over: Callable[[], None]) -> None:
        super().__init__(way, seen, over)
        self._request = way.request("bench-whole-1", stream=False)
        self._seen = seen
        self._held = b""
        self._began = 0.0

    def start(self) -> None:
        self._began = time.monotonic()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        held = self._held = self._held + data if self._held else data
        end = held.find(_EMPTY_LINE)
        if end < 0:
            return
        length = _LENGTH.search(held, 0, end + 2)
        if held.endswith(LAST_CHUNK) if length is None else len(held) >= end + len(_EMPTY_LINE) + int(length[1]):
            self._held = b""
            self._end("" if held.startswith(_OK) else held[:60].decode(errors="replace"))

    def lost(self) -> None:
        if self._began:
            self._end("the connection was closed")

    def _end(self, failure: str) -> None:
        now = time.monotonic()
        if failure:
            self._seen.failed(failure)
        else:
            self._seen.all.append((now, now - self._began))
        self._began = 0.0
        self.next()


async def whole(way: Way, count: int, seconds: float) -> SeenAnswers:
    """`count` clients that ask for whole answers, one after the other."""
    seen = SeenAnswers()
    left = _Countdown(count)
    askers = await _connected(way, [_Asker(way, seen, left.one) for _ in range(count)])
    for asker in askers:
        asker.start()
    await asyncio.sleep(min(0.5, seconds / 4))
    began, ended = await _window(way.process, seconds, seen)
    for asker in askers:
        asker.again = False
    with suppress(TimeoutError):
        await asyncio.wait_for(left.none.wait(), _PATIENCE)
    for asker in askers:
        asker.give_up()
    seen.times = [took for came, took in seen.all if began <= came < ended]
    return seen


# ---------------------------------------------------------------------------------------------------------------------
# Both


class _Countdown:
    """`none` is set when all are through."""

    def __init__(self, count: int) -> None:
        self.none = asyncio.Event()
        self._left = count

    def one(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.none.set()


P = TypeVar("P", _Listener, _Asker)


async def _connected(way: Way, protocols: Sequence[P]) -> Sequence[P]:
    for first in range(0, len(protocols), _AT_ONCE):
        await _all(_connection(way, one) for one in protocols[first : first + _AT_ONCE])
    return protocols


async def _connection(way: Way, protocol: _Again) -> None:
    tls: dict[str, Any] = {"ssl": way.tls, "server_hostname": "127.0.0.1"} if way.tls else {}
    await asyncio.get_running_loop().create_connection(lambda: protocol, "127.0.0.1", way.port, **tls)


async def _all(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    return await asyncio.gather(*awaitables)


async def _window(process: Process | None, seconds: float, seen: Seen) -> tuple[float, float]:
    """Sleeps; tells the window's ends on the monotonic clock. The processes are looked for outside of it, which takes a
    millisecond or more."""
    family = process.family() if process else []
    await asyncio.sleep(0)
    began, before = time.monotonic(), process.cpu(family) if process else None
    await asyncio.sleep(seconds)
    ended, after = time.monotonic(), process.cpu(family) if process else None
    seen.seconds = ended - began
    if process is not None and before is not None and after is not None:
        seen.cpu = after - before
        seen.memory = process.resident(family)
    return began, ended


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Runs it on uvloop, without the collector of cycles: what it stops here would count as the proxy's."""
    import uvloop

    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main())  # type: ignore[arg-type]
    finally:
        gc.enable()

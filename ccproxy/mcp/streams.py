"""What goes to a client over server-sent events, kept so that a broken stream can be taken up again. No I/O.

    Stream   the events of one request's answer (or of a batch's), or of the standing GET stream
    Shelf    a session's streams: which there are, and how much of them is kept

A reader goes along a stream with a cursor, whether it was there from the beginning or comes with `Last-Event-ID`: what it
has not seen, in order, and then what comes. So nothing falls between the past and the present.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import anyio

KEPT_BYTES = 2 * 2**20
"""Of a session's finished streams, and of one that nobody reads: a client comes back within seconds. Sessions are bounded
too, so this is part of a total."""

KEPT_STREAMS = 64
"""Finished ones of a session: an agent has a few calls at once."""

MOST_EVENTS = 1000
"""Of one stream that nobody reads; the oldest are dropped first."""


class Event(NamedTuple):
    number: int
    message: bytes
    is_answer: bool


class Stream:
    """See the module. number: in its session, which the events' ids begin with."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.done = False
        self.size = 0
        self.reader: object | None = None
        self.told = 0  # the number of the last event that a reader was given
        self.last = 0  # the number of the last event
        self._events: deque[Event] = deque()
        self._news = anyio.Event()

    def __repr__(self) -> str:
        return f"<Stream {self.number} events={len(self._events)}{' done' if self.done else ''}>"

    def add(self, message: bytes, *, is_answer: bool = False) -> None:
        """message: one JSON-RPC message, in one line."""
        self.last += 1
        self._events.append(Event(self.last, message, is_answer))
        self.size += len(message)
        while (len(self._events) > MOST_EVENTS or self.size > KEPT_BYTES) and self._dropped():
            pass
        self._tell()

    def _dropped(self) -> bool:
        """The oldest one goes, if there is one to go: not the last, and no answer, which somebody waits for."""
        place = next((i for i, event in enumerate(self._events) if not event.is_answer), len(self._events))
        if place >= len(self._events) - 1:
            return False
        self.size -= len(self._events[place].message)
        del self._events[place]
        return True

    def end(self) -> None:
        """Nothing follows."""
        self.done = True
        self._tell()

    def answers(self) -> list[bytes]:
        """The answers alone, as the messages that they are."""
        return [event.message for event in self._events if event.is_answer]

    def primer(self) -> bytes:
        """An event without data, whose id a client can come back with before it has had any other (2025-11-25)."""
        return b"id: %d-0\r\ndata: \r\n\r\n" % self.number

    def take_over(self, reader: object) -> None:
        """The reader before this one ends: its connection may be dead without anybody knowing."""
        self.reader = reader
        self._tell()

    def after(self, seen: int) -> tuple[int, bytes]:
        """The events behind number `seen`, and the number of the last one."""
        found = (event for event in self._events if event.number > seen)
        return self.last, b"".join(_FORM % (self.number, event.number, event.message) for event in found)

    async def news(self) -> None:
        """Waits for an event, an end, or another reader."""
        await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


_FORM = b"id: %d-%d\r\nevent: message\r\ndata: %b\r\n\r\n"


class Shelf:
    """The streams of a session."""

    def __init__(self) -> None:
        self.standing = Stream(0)
        self._streams: dict[int, Stream] = {0: self.standing}
        self._next = 1

    def open(self) -> Stream:
        stream = self._streams[self._next] = Stream(self._next)
        self._next += 1
        return stream

    def finish(self, stream: Stream) -> None:
        """Ends the stream, and lets the oldest finished ones go where there are too many or too large ones."""
        stream.end()
        finished = [one for one in self._streams.values() if one.done and one is not stream]
        size = sum(one.size for one in self._streams.values())
        for one in finished[:]:
            if len(finished) < KEPT_STREAMS and size <= KEPT_BYTES:
                break
            finished.remove(one)
            size -= one.size
            del self._streams[one.number]

    def forget(self, stream: Stream) -> None:
        self._streams.pop(stream.number, None)

    def resumed(self, event_id: str) -> tuple[Stream, int] | None:
        """The stream that an event was of, and the event's number; None where it is not kept."""
        number, dash, seen = event_id.partition("-")
        if not (dash and number.isascii() and number.isdigit() and seen.isascii() and seen.isdigit()):
            return None
        stream = self._streams.get(int(number[:18]))
        return None if stream is None else (stream, int(seen[:18]))

    def end(self) -> None:
        for stream in self._streams.values():
            stream.end()

"""Which idle upstream connection serves the next dial. Decisions only: whoever owns the sockets closes what is handed out.

The most recently used connection is taken first: it is the least likely to have been closed by the server in the meantime,
and those that a burst left behind grow old and are closed: within seconds where they are many, so that a burst's next
requests, which follow at once, find them still there. A connection is in the pool or with someone, never both.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)

MAX_IDLE_PER_ENDPOINT = 16
"""An agent with its sub-agents asks a handful of questions at once; more idle connections than that are a burst's remains
(httpx keeps 20 in all, Go's default is 2)."""

SURPLUS_SECONDS = 5.0
"""How long more than these are kept. With many requests at once all may end in one moment and be followed in the next:
closed at once, connections would be opened again for each wave (`bench load`: a quarter more CPU per request at 128, more
than twice the p99 at 32)."""

MAX_IDLE = 256
"""A file descriptor each, of the usual 1024; clients need theirs. No more are idle than requests were served at once."""

IDLE_SECONDS = 55.0
"""Below the shortest common time-out of the servers in front of providers: 60 s (AWS load balancers), 75 s (nginx)."""


class Pool(Generic[C]):
    """Idle connections by endpoint. An endpoint is any hashable; equal endpoints may share a connection."""

    __slots__ = ("_endpoints", "_idle", "_idle_seconds", "_max_idle", "_max_idle_per_endpoint")

    def __init__(
        self,
        *,
        max_idle_per_endpoint: int = MAX_IDLE_PER_ENDPOINT,
        max_idle: int = MAX_IDLE,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._max_idle_per_endpoint = max_idle_per_endpoint
        self._max_idle = max_idle
        self._idle_seconds = idle_seconds
        self._endpoints: dict[Hashable, dict[C, None]] = {}  # each in the order of being put; empty ones go with `expire`
        self._idle: dict[C, tuple[Hashable, float]] = {}  # endpoint and since when; in the order of being put

    def __len__(self) -> int:
        return len(self._idle)

    def __repr__(self) -> str:
        return f"<Pool idle={len(self._idle)} endpoints={len(self._endpoints)}>"

    def count(self, endpoint: Hashable) -> int:
        """How many idle connections this endpoint has, expired ones included."""
        return len(self._endpoints.get(endpoint, ()))

    def put(self, endpoint: Hashable, conn: C, now: float) -> list[C]:
        """`conn` is idle from now on. Gives the connections to close so that the pool is not too full: the longest idle."""
        self.remove(conn)
        self._idle[conn] = (endpoint, now)
        self._endpoints.setdefault(endpoint, {})[conn] = None
        return [self._drop(next(iter(self._idle)))] if len(self._idle) > self._max_idle else []

    def take(self, endpoint: Hashable, now: float) -> C | None:
        """The connection that was used last, which is the caller's from here on; None when a new one is needed.

        What it gives has waited here: if it fails before a byte of the answer, the server had closed it meanwhile,
        and the request may go out again on a new one. Expired ones stay for `expire`.
        """
        siblings = self._endpoints.get(endpoint)
        if not siblings:
            return None
        newest = next(reversed(siblings))
        if now - self._idle[newest][1] >= self._idle_seconds:
            return None
        del self._idle[newest], siblings[newest]
        return newest

    def remove(self, conn: C) -> bool:
        """Forgets `conn`, which the server has closed or which is wanted elsewhere. Tells whether it was here."""
        if conn not in self._idle:
            return False
        self._drop(conn)
        return True

    def expire(self, now: float) -> list[C]:
        """Forgets the connections that have been idle for too long, or for long enough where there are many, and gives them
        to be closed."""
        old: list[C] = []
        for conn in self._idle:
            if not self._expired(conn, now):
                break
            old.append(conn)
        closing = [self._drop(conn) for conn in old]
        self._endpoints = {endpoint: siblings for endpoint, siblings in self._endpoints.items() if siblings}
        for siblings in self._endpoints.values():
            surplus = list(siblings)[: max(0, len(siblings) - self._max_idle_per_endpoint)]
            closing += [self._drop(conn) for conn in surplus if now - self._idle[conn][1] >= SURPLUS_SECONDS]
        return closing

    def close_all(self) -> list[C]:
        """Forgets all connections, and gives them to be closed."""
        everything = list(self._idle)
        self._idle.clear()
        self._endpoints.clear()
        return everything

    def _expired(self, conn: C, now: float) -> bool:
        return now - self._idle[conn][1] >= self._idle_seconds

    def _drop(self, conn: C) -> C:
        endpoint, _ = self._idle.pop(conn)
        del self._endpoints[endpoint][conn]
        return conn

"""Earlier answers and what led to them, for clients that name one rather than say the conversation again.

A Store keeps bytes under an owner (a proxy key in a group) and an id. What it holds is bounded in three ways, whichever is
reached first; what was used the longest time ago goes first. An answer's age is counted from when it was last used, so
both orders are one.

    MemoryStore    an ordered dict; gone with the process
    SQLiteStore    one file, for conversations that outlive a restart

Both are synchronous and asked once at the beginning and once at the end of an exchange, never between chunks.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol as Shape

from attrs import frozen

from ccproxy import config
from ccproxy.actions import Reply
from ccproxy.app.index import json_reply
from ccproxy.codec import jsontext
from ccproxy.errors import ConfigError
from ccproxy.protocols.base import Call, History, Kept

log = logging.getLogger("ccproxy")

Clock = Callable[[], float]


@frozen
class Owner:
    """Who made an answer, and so who may refer to it. key: the proxy key's name, "" where the server has none."""

    key: str
    group: str


@frozen(kw_only=True)
class Bounds:
    """size, count: bytes and answers of all owners together. age: seconds since an answer was last used."""

    size: int
    count: int
    age: float


class Store(Shape):
    """What both kinds do. Time is wall-clock time, since a file outlives the process."""

    def get(self, owner: Owner, id: str) -> bytes | None: ...

    def put(self, owner: Owner, id: str, data: bytes) -> bool:
        """False when it cannot be kept."""
        ...

    def drop(self, owner: Owner, id: str) -> bool:
        """Whether it was there."""
        ...


@frozen
class _Entry:
    data: bytes
    used: float


class MemoryStore:
    """A Store in this process."""

    def __init__(self, bounds: Bounds, clock: Clock = time.time) -> None:
        self._bounds = bounds
        self._clock = clock
        self._entries: OrderedDict[tuple[Owner, str], _Entry] = OrderedDict()  # the first was used the longest time ago
        self._size = 0

    def __repr__(self) -> str:
        return f"<MemoryStore {len(self._entries)} answers, {self._size} bytes>"

    def get(self, owner: Owner, id: str) -> bytes | None:
        self._expire()
        found = self._remove(owner, id)
        if found is not None:
            self._add(owner, id, found.data)
        return None if found is None else found.data

    def put(self, owner: Owner, id: str, data: bytes) -> bool:
        self._expire()
        self._remove(owner, id)
        if len(data) > self._bounds.size or not self._bounds.count:
            return False
        self._add(owner, id, data)
        while self._size > self._bounds.size or len(self._entries) > self._bounds.count:
            self._remove(*next(iter(self._entries)))
        return True

    def drop(self, owner: Owner, id: str) -> bool:
        self._expire()
        return self._remove(owner, id) is not None

    def _add(self, owner: Owner, id: str, data: bytes) -> None:
        self._entries[owner, id] = _Entry(data, self._clock())
        self._size += len(data)

    def _remove(self, owner: Owner, id: str) -> _Entry | None:
        entry = self._entries.pop((owner, id), None)
        if entry is not None:
            self._size -= len(entry.data)
        return entry

    def _expire(self) -> None:
        oldest = self._clock() - self._bounds.age
        while self._entries:
            first = next(iter(self._entries))
            if self._entries[first].used >= oldest:
                return
            self._remove(*first)


_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS answers (
    owner TEXT NOT NULL, grp TEXT NOT NULL, id TEXT NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (owner, grp, id)
);
CREATE INDEX IF NOT EXISTS by_use ON answers (used, size);
"""
"""A commit that a power cut may undo (NORMAL) is good enough here, and does not wait for the disk. What is deleted is
overwritten: these are people's conversations. The index alone answers what to throw away. SQL of 2018, for distributions
that link Python with their own SQLite."""

_ITS_OWN = "WHERE owner = ? AND grp = ? AND id = ? AND used >= ?"

_BUSY_SECONDS = 0.25
"""How long another process that writes to the same file is waited for: the server stands still meanwhile."""


class SQLiteStore:
    """A Store in one file, which several processes may share. A file that fails costs its conversations, never an answer:
    the failure is logged, and nothing is found or kept. Raises ConfigError when the file cannot be opened."""

    def __init__(self, path: Path, bounds: Bounds, clock: Clock = time.time) -> None:
        self._bounds = bounds
        self._clock = clock
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # its owner's alone, from the beginning
            self._base = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
            self._base.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError([f"store.path: cannot be used: {said}"]) from None

    def __repr__(self) -> str:
        return "<SQLiteStore>"

    def get(self, owner: Owner, id: str) -> bytes | None:
        now = self._clock()
        where = (owner.key, owner.group, id, now - self._bounds.age)
        try:
            with self._base as base:
                found = base.execute(f"SELECT data FROM answers {_ITS_OWN}", where).fetchone()
                base.execute(f"UPDATE answers SET used = ? {_ITS_OWN}", (now, *where))
        except sqlite3.Error as error:
            _failed(error)
            return None
        return None if found is None else bytes(found[0])

    def put(self, owner: Owner, id: str, data: bytes) -> bool:
        if len(data) > self._bounds.size or not self._bounds.count:
            self.drop(owner, id)
            return False
        now = self._clock()
        try:
            with self._base as base:
                base.execute("DELETE FROM answers WHERE used < ?", (now - self._bounds.age,))
                row = (owner.key, owner.group, id, now, len(data), data)
                base.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
                self._trim(base)
        except sqlite3.Error as error:
            return _failed(error)
        return True

    def drop(self, owner: Owner, id: str) -> bool:
        where = (owner.key, owner.group, id, self._clock() - self._bounds.age)
        try:
            with self._base as base:
                return base.execute(f"DELETE FROM answers {_ITS_OWN}", where).rowcount > 0
        except sqlite3.Error as error:
            return _failed(error)

    def close(self) -> None:
        self._base.close()

    def _trim(self, base: sqlite3.Connection) -> None:
        size, count = base.execute("SELECT total(size), count(*) FROM answers").fetchone()
        gone = []
        for row, its_size in base.execute("SELECT rowid, size FROM answers ORDER BY used, rowid"):
            if size <= self._bounds.size and count <= self._bounds.count:
                break
            gone.append((row,))
            size, count = size - its_size, count - 1
        base.executemany("DELETE FROM answers WHERE rowid = ?", gone)


def _failed(error: sqlite3.Error) -> bool:
    log.warning("the store of earlier answers failed: %s", error)
    return False


@frozen
class Shelf:
    """One owner's part of a store, as an exchange knows it: `protocols.base.Memory`."""

    _store: Store
    _owner: Owner

    def recall(self, id: str) -> Kept | None:
        data = self._store.get(self._owner, id)
        if data is None:
            return None
        length, _, rest = data.partition(b"\n")
        said, answer = rest[: int(length)], rest[int(length) :]
        return Kept(said, jsontext.loads_exact(answer))

    def keep(self, id: str, kept: Kept) -> bool:
        """What was said is not parsed and written again: its length, itself, the answer."""
        data = b"%d\n%b%b" % (len(kept.said), kept.said, jsontext.dumps(kept.answer))
        return self._store.put(self._owner, id, data)

    def forget(self, id: str) -> bool:
        return self._store.drop(self._owner, id)


def opened(settings: config.Store) -> Store:
    """The store that the configuration asks for. Raises ConfigError."""
    bounds = Bounds(size=settings.max_bytes, count=settings.max_count, age=settings.max_age)
    return SQLiteStore(Path(settings.path).expanduser(), bounds) if settings.path else MemoryStore(bounds)


def view(history: History, shelf: Shelf, call: Call) -> Reply:
    """The answer to a request for what is kept. Raises RequestError."""
    kept = shelf.recall(call.id)
    if kept is None:
        raise history.missing(call.id)
    document = history.views[call.shape](call.id, kept, call.query)
    if call.shape in history.forgets:
        shelf.forget(call.id)
    return json_reply(200, document)

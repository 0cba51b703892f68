"""A file of lines that a thread of its own writes, so that nobody waits for a disk.

    put ──> bounded queue ──> thread: make the line ──> append ── larger than `max_bytes`: rotate
              └── full: dropped, counted, said

- `put` never waits and never raises. A line is made by the thread from what it is given.
- The file is opened anew for each line: whoever removes or renames it loses what was in it, and the next line begins
  another. Each line is one write at the end, under a lock, so that several servers may share a file.
- What cannot be written is lost, and the traffic goes on: the log says it when that begins and when it is over, and the
  file itself tells how many lines are missing, and where.
- The thread lives while there is something to do. At the end of the process it has two seconds for what is waiting.
"""

from __future__ import annotations

import atexit
import logging
import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

if sys.platform != "win32":
    import fcntl

log = logging.getLogger("ccproxy")

MOST_BYTES = 64 * 1024 * 1024
"""Waiting at once. The largest body that a client may send, or a hundred usual ones; what a disk takes in a second."""

MOST_LINES = 10_000
"""Waiting at once, whatever their size."""

LINGER_SECONDS = 1.0
"""For more lines; a new thread costs less than one request, but not nothing."""

LAST_SECONDS = 2.0
"""At the end of the process."""

Make = Callable[[], bytes]
"""Makes one line, without its end."""


class Writer:
    """See the module. lost(count): the line that tells of lines which are missing before it."""

    def __init__(self, path: Path, max_bytes: int, files: int, lost: Callable[[int], bytes]) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._files = files
        self._lost_line = lost
        self._state = threading.Condition()
        self._waiting: deque[tuple[Make, int]] = deque()
        self._jobs = 0  # waiting, and the one that is being written
        self._bytes = 0  # that these hold
        self._thread: threading.Thread | None = None
        self._dropped = 0  # for lack of room, and not yet said
        self._lost = 0  # lines of which the file does not tell yet
        self._failure = ""  # why nothing can be written
        self._torn = False  # the last line was cut by a full disk
        self._last: int | None = None  # the number of the file that was written last

    def __repr__(self) -> str:
        return f"<Writer {self.path} waiting={len(self._waiting)}{' failing' if self._failure else ''}>"

    def put(self, make: Make, size: int) -> None:
        """size: about how many bytes `make` holds on to."""
        with self._state:
            if self._jobs and (self._bytes + size > MOST_BYTES or self._jobs >= MOST_LINES):
                self._dropped += 1
                return
            self._waiting.append((make, size))
            self._jobs += 1
            self._bytes += size
            if self._thread is None:
                self._begin()
            else:
                self._state.notify_all()

    def flush(self, seconds: float = LAST_SECONDS) -> bool:
        """Waits until all that was put is written; false where that takes longer."""
        with self._state:
            return self._state.wait_for(lambda: not self._jobs, seconds)

    # The thread

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="ccproxy-traffic", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads, or Python is about to end
            self._dropped += len(self._waiting)
            self._waiting.clear()
            self._jobs = self._bytes = 0
            return
        self._thread = thread
        atexit.unregister(self.flush)
        atexit.register(self.flush)

    def _run(self) -> None:
        while job := self._next():
            make, size = job
            try:
                self._append(make())
            except Exception:
                log.exception("traffic log: a line could not be made")
            with self._state:
                self._jobs -= 1
                self._bytes -= size
                self._state.notify_all()

    def _next(self) -> tuple[Make, int] | None:
        """The next that waits; None when the thread shall end."""
        with self._state:
            self._state.wait_for(lambda: self._waiting, LINGER_SECONDS)
            job = self._waiting.popleft() if self._waiting else None
            if job is None:
                self._thread = None
            full = self._bytes > MOST_BYTES // 2 or self._jobs > MOST_LINES // 2
            dropped = 0 if full and job else self._dropped
            self._dropped -= dropped
            self._lost += dropped
        if dropped:
            log.warning("traffic log: %d lines were dropped, they came faster than they could be written", dropped)
        return job

    def _append(self, line: bytes) -> None:
        try:
            while not self._appended(line):
                pass
        except (OSError, ValueError) as error:
            self._lost += 1
            self._fails(error)
        else:
            self._works()

    def _appended(self, line: bytes) -> bool:
        """False where the file was rotated meanwhile, by us or by another writer. Raises OSError."""
        handle = _opened(self.path)
        try:
            found = os.fstat(handle)
            if _number(self.path) != found.st_ino:
                return False
            full = found.st_size >= self._max_bytes
            if not full:
                self._see(found)
                self._write(handle, line)
            elif sys.platform != "win32":
                self._rotate()
        finally:
            os.close(handle)
        if full and sys.platform == "win32":  # which renames no open file
            self._rotate()
        return not full

    def _see(self, found: os.stat_result) -> None:
        if self._last is not None and not found.st_size and _number(rotated(self.path, 1)) != self._last:
            log.warning("traffic log: %s was removed or emptied; begun anew", self.path)
        self._last = found.st_ino

    def _write(self, handle: int, line: bytes) -> None:
        before = [b""] if self._torn else []
        missing = [self._lost_line(self._lost)] if self._lost else []
        data = b"\n".join([*before, *missing, line, b""])
        done = os.write(handle, data)
        while done < len(data):  # the disk is full: the next one raises
            self._torn = True
            done += os.write(handle, data[done:])
        self._torn = False

    def _rotate(self) -> None:
        """traffic.jsonl -> traffic.jsonl.1 -> traffic.jsonl.2 ..., of which the last goes."""
        places = [self.path, *(rotated(self.path, number) for number in range(1, self._files))]
        for newer, older in reversed(list(pairwise(places))):
            if newer.exists():
                os.replace(newer, older)
        if len(places) == 1:
            self.path.unlink()
            self._last = None

    def _fails(self, error: Exception) -> None:
        why = getattr(error, "strerror", None) or str(error)
        if why != self._failure:
            log.warning("traffic log: %s cannot be written: %s; requests go on without it", self.path, why)
        self._failure = why

    def _works(self) -> None:
        if self._failure:
            log.warning("traffic log: %s can be written again; %d lines are lost", self.path, self._lost)
        self._failure, self._lost = "", 0


def rotated(path: Path, number: int) -> Path:
    """The file that was rotated so many times."""
    return path.with_name(f"{path.name}.{number}")


def _number(path: Path) -> int | None:
    """The number of the file in this place, None where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _opened(path: Path) -> int:
    """The file for appending, readable by its owner alone, and by no other writer until it is closed. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # O_NONBLOCK: a pipe that nobody reads is refused, not waited for. O_BINARY: Windows would change line ends.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o600)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise OSError("is no regular file")
        if hasattr(os, "fchmod") and mode & 0o077:
            os.fchmod(handle, 0o600)
        if sys.platform != "win32":
            fcntl.flock(handle, fcntl.LOCK_EX)
    except BaseException:
        os.close(handle)
        raise
    return handle

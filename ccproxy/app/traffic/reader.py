"""The traffic log read back, from its end and as it grows, over the files that it was rotated into.

The file is opened for each look, so that it is never held while the writer wants to rename it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ccproxy.app.traffic.writer import rotated
from ccproxy.codec import jsontext


class Entry(dict[str, Any]):
    """One line. raw: as it stands in the file."""

    raw: str = ""


BLOCK = 1 << 20
"""Bytes that are read at once, backwards."""


class Reader:
    """A place in the log: `last` sets it to the end, `more` moves it on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number: int | None = None  # of the file that is read
        self._at = 0  # bytes of it that were read

    def __repr__(self) -> str:
        return f"<Reader {self._path} at={self._at}>"

    def last(self, count: int, wanted: Callable[[Entry], bool]) -> list[Entry]:
        """All lines of the last `count` requests of which at least one is wanted, in their order."""
        held: dict[
            str, list[tuple[int, Entry]]
        ] = {}  # lines of requests whose first one has not been seen, and chosen ones
        chosen: set[str] = set()
        begun = 0  # of the chosen ones
        with _Files(self._path) as files:
            if files.numbers:
                self._number, self._at = files.numbers[0], files.size_of(0)
            entries = filter(None, map(_entry, files.backwards() if count else ()))
            for at, entry in enumerate(entries):
                id = str(entry.get("id", ""))
                held.setdefault(id, []).append((at, entry))
                if id and len(chosen) < count and wanted(entry):
                    chosen.add(id)
                if entry.get("direction") == "from_client":
                    if id not in chosen:
                        del held[id]
                    elif (begun := begun + 1) == count:
                        break
        found = sorted((pair for id in chosen for pair in held[id]), key=lambda pair: -pair[0])
        return [entry for _, entry in found]

    def more(self) -> list[Entry]:
        """The lines that came since, over all rotations meanwhile."""
        with _Files(self._path) as files:
            ours = next((n for n, each in enumerate(files.numbers) if each == self._number), None)
            if ours is None or files.size_of(ours) < self._at:  # removed, or emptied
                ours, self._at = 0, 0
            lines = [line for n in range(min(ours, len(files.numbers) - 1), -1, -1) for line in self._rest(files, n)]
        return [entry for entry in map(_entry, lines) if entry is not None]

    def _rest(self, files: _Files, n: int) -> list[bytes]:
        """What is new in the file with this number; the one that follows is read from its beginning."""
        data = files.behind(n, self._at)
        whole = data.rfind(b"\n") + 1
        self._number, self._at = files.numbers[n], self._at + whole if n == 0 else 0
        return data[:whole].splitlines()


class _Files:
    """The file and those before it, open at the same time, so that a rotation meanwhile changes nothing. numbers: by which
    the system knows them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[BinaryIO] = []
        self.numbers: list[int] = []

    def __enter__(self) -> _Files:
        count = 0
        while True:
            path = rotated(self._path, count) if count else self._path
            try:
                file = path.open("rb")
            except OSError:
                if count or not rotated(self._path, 1).exists():
                    return self
            else:
                self._open.append(file)
                self.numbers.append(os.fstat(file.fileno()).st_ino)
            count += 1

    def __exit__(self, *error: object) -> None:
        for file in self._open:
            file.close()

    def size_of(self, n: int) -> int:
        return os.fstat(self._open[n].fileno()).st_size

    def behind(self, n: int, at: int) -> bytes:
        self._open[n].seek(at)
        return self._open[n].read()

    def backwards(self) -> Iterator[bytes]:
        """Every line of every file, the last one first."""
        for file in self._open:
            yield from _backwards(file)


def _backwards(file: BinaryIO) -> Iterator[bytes]:
    at = file.seek(0, os.SEEK_END)
    pieces: list[bytes] = []  # of the line that the blocks read so far begin in, from its end
    while at:
        size = min(BLOCK, at)
        at -= size
        file.seek(at)
        first, *lines = file.read(size).split(b"\n")
        if lines:
            yield b"".join([lines.pop(), *reversed(pieces)])
            yield from reversed(lines)
            pieces = []
        pieces.append(first)
    yield b"".join(reversed(pieces))


def _entry(line: bytes) -> Entry | None:
    """None for a line that a full disk has cut, and for an empty one."""
    try:
        said = jsontext.loads(line)
    except jsontext.JSONError:
        return None
    if not isinstance(said, dict):
        return None
    entry = Entry(said)
    entry.raw = line.decode()
    return entry

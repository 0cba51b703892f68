"""What a suite is, and what it is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TextIO

from attrs import field, frozen

from ccproxy.measure.results import Measure

Table = tuple[list[str], list[list[str]]]
"""Heads and rows."""


@frozen
class Setting:
    """How to measure. short: as quickly as the numbers still mean something. rounds: how many, None for what the suite
    thinks right. only: label -> the globs of which one must fit, for measures that have the label."""

    short: bool = False
    rounds: int | None = None
    only: Mapping[str, Sequence[str]] = field(factory=dict)

    def wants(self, **labels: str) -> bool:
        """Whether measures with these labels are asked for."""
        return all(
            any(fnmatchcase(labels[name], glob) for glob in globs) for name, globs in self.only.items() if name in labels
        )

    def rounds_or(self, usual: int, short: int) -> int:
        """The rounds to do, for a suite that does so many usually and so many in short."""
        return self.rounds or (short if self.short else usual)


class Progress:
    """Tells on stderr how far a long run is: one line that is written over on a terminal, else a line now and then."""

    def __init__(self, name: str = "", out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._out = out or sys.stderr
        self._clock = clock
        self._began = clock()
        self._said = self._began
        self._open = False  # a line that is written over stands there

    def step(self, text: str, done: int, total: int) -> None:
        """`text` is about to be measured, number `done` of `total`. Nothing is said of a run that takes no time."""
        now = self._clock()
        live = self._out.isatty()
        if now - self._said < (0.2 if live else 10) or now - self._began < 2:
            return
        self._said = now
        left = (now - self._began) * (total - done) / done if done else 0
        line = f"{self._name}: {done}/{total} {text}" + (f", {_time(left)} left" if done else "")
        print(f"\r\x1b[K{line[:110]}" if live else line, end="" if live else "\n", file=self._out, flush=True)
        self._open = live

    def end(self) -> None:
        """Clears the line."""
        if self._open:
            print("\r\x1b[K", end="", file=self._out, flush=True)
            self._open = False


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@frozen
class Suite:
    """run: yields each measure once all its rounds are done. table: the measures for reading on a terminal; without one,
    each has its own line."""

    name: str
    title: str
    run: Callable[[Setting, Progress], Iterator[Measure]]
    table: Callable[[Sequence[Measure]], Table] | None = None

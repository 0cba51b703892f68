"""How short work is timed: several ways of the same work in turn, each as its best of a few tries, round after round.

The clock is the thread's CPU time where it is fine enough (Linux, macOS): work of milliseconds is interrupted on a busy
machine in every try, while its floor of microseconds is not. The best try of a round is the one that had the caches for
itself; the rounds' median and spread tell what the machine's speed did. The collector of cycles is off meanwhile, as in
`timeit`: its runs fall on whichever way is being timed.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Ready = Callable[[], Callable[[], object]]
"""Makes the work ready, which is not timed, and gives the call that does it once."""

TRIES = 3

clock = time.thread_time_ns if time.get_clock_info("thread_time").resolution < 1e-6 else time.perf_counter_ns
"""Nanoseconds. Windows counts CPU time in sixty-fourths of a second."""


def interleaved(ways: Mapping[str, Ready], rounds: int, tries: int = TRIES) -> dict[str, list[float]]:
    """Seconds that each way takes, a value for each round. Every way is done once before, to warm up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    with uncollected():
        for ready in ways.values():
            ready()()
        for number in range(rounds):
            names = list(ways) if number % 2 else list(ways)[::-1]  # whoever comes first meets the colder caches
            for name in names:
                found[name].append(min(_once(ways[name]) for _ in range(tries)))
    return found


def _once(ready: Ready) -> float:
    work = ready()
    began = clock()
    work()
    return (clock() - began) / 1e9


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, after one run of it."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

"""Suite `load`: whole answers, one after the other on each of 1 to 256 connections; what one process serves.

    requests per second    in a window of some seconds
    p99                    of the times from the request to the last byte of its answer
    CPU                    of the process in the middle, for one request
    within N ms            the most requests per second, at whatever number of connections, with the p99 under so much

The clients and the fake upstream run on the same machine: on few cores they take their share, and the direct way tells how
much there was to be had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from bench.clients import run as run_clients
from bench.clients import whole
from bench.streams import WAYS
from ccproxy.measure.processes import allow_many_files
from ccproxy.measure.report import amount
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.ways import Way, stage

NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHORT_NUMBERS = (1, 8, 32, 128)
ROUNDS, SHORT_ROUNDS = 5, 2
WINDOW, SHORT_WINDOW = 2.0, 1.0
"""Seconds."""

LIMITS = (5, 10, 50, 100)
"""Milliseconds that the p99 may take."""

RATE, P99, CPU = "requests per second", "p99", "CPU per request"


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Number by number; the ways in turn within each round."""
    allow_many_files()
    numbers = [n for n in (SHORT_NUMBERS if setting.short else NUMBERS) if setting.wants(connections=str(n))]
    rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
    window = SHORT_WINDOW if setting.short else WINDOW
    rates: dict[str, list[list[tuple[float, float]]]] = {}
    with stage() as there, ExitStack() as stack:
        assert there is not None
        ways = {name: start(there, stack) for name, start in WAYS.items() if setting.wants(way=name)}
        for place, number in enumerate(numbers):
            values: dict[tuple[str, str, str], list[float]] = {}
            for turn in range(rounds):
                for name, way in ways.items():
                    progress.step(f"{number} connections, {name}", place * rounds + turn, len(numbers) * rounds)
                    found = one_round(way, number, window)
                    for measure, (unit, value) in found.items():
                        values.setdefault((name, measure, unit), []).append(value)
                    of_rounds = rates.setdefault(name, [[] for _ in range(rounds)])
                    of_rounds[turn].append((found[RATE][1], found[P99][1]))
            for (name, measure, unit), counted in values.items():
                labels = {"measure": measure, "connections": str(number), "way": name}
                yield Measure("load", labels, unit, counted, "more" if measure == RATE else "less")
    for name, of_rounds in rates.items():
        yield from _within(name, of_rounds)


def one_round(way: Way, number: int, seconds: float) -> dict[str, tuple[str, float]]:
    """Measure -> unit and value. A way on which a request fails has a rate of nothing."""
    seen = run_clients(partial(whole, way, number, seconds))
    if seen.failures or not seen.times:
        return {RATE: ("/s", 0.0), P99: ("ms", 1e3 * seconds)}
    found = {RATE: ("/s", len(seen.times) / seen.seconds)}
    found[P99] = ("ms", Measure("", {}, "", seen.times).percentile(99) * 1e3)
    if seen.cpu is not None:
        found[CPU] = ("µs", seen.cpu / len(seen.times) * 1e6)
    return found


def _within(name: str, of_rounds: Sequence[Sequence[tuple[float, float]]]) -> Iterator[Measure]:
    for limit in LIMITS:
        best = [max((rate for rate, p99 in numbers if p99 < limit), default=0.0) for numbers in of_rounds]
        yield Measure("load", {"measure": f"within {limit} ms", "way": name}, "/s", best, "more")


def table(measures: Sequence[Measure]) -> Table:
    """A row for each way and number of connections; then the most within each limit."""
    found = {(m.labels["measure"], m.labels.get("connections", ""), m.labels["way"]): m for m in measures}
    rows = []
    for number, way in dict.fromkeys((m.labels.get("connections", ""), m.labels["way"]) for m in measures):
        if number:
            cells = [found.get((column, number, way)) for column in (RATE, P99, CPU)]
            rows.append([number, way, *(amount(cell.median, cell.unit) if cell else "" for cell in cells)])
    for (measure, number, way), told in found.items():
        if not number:
            rows.append([measure, way, amount(told.median, told.unit), "", ""])
    return ["connections", "way", RATE, P99, CPU], rows


SUITE = Suite("load", "Whole answers: requests per second", run, table)

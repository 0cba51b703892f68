"""Suite `streams`: many streams at once, each of 64 events 20 ms apart, through one process.

    kept        streams whose every event arrived, none later than ten times the pace after the upstream had sent it
    event       how long an event takes from the upstream to the client, which holds what the direct call takes too
    CPU         of the process in the middle, for one event and as a share of one core, the requests' own included
    memory      of that process, for each stream, beyond what it held before
    most kept   the largest number of streams of which all were kept, in most rounds, as were all smaller numbers

Streams begin evenly spread and follow one another on kept connections, so that in the window that is looked at as many as
are told are under way. ccproxy and the relay are started anew for each number, as memory that was taken once is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from bench.clients import EVENTS, FIRST_EVENTS, SeenStreams, paced
from bench.clients import run as run_clients
from ccproxy.measure.processes import allow_many_files
from ccproxy.measure.report import amount
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.upstream import PACE
from ccproxy.measure.ways import CCPROXY, DIRECT, RELAY, Stage, Way, stage

NUMBERS = (1, 8, 32, 64, 128, 256, 384, 512, 640, 768, 1000)
SHORT_NUMBERS = (1, 64, 256, 512)
ROUNDS, SHORT_ROUNDS = 3, 1
WINDOW, SHORT_WINDOW = 2.0, 1.3
"""Seconds."""

SAME = "ccproxy, same protocol"
EVENT_CPU = "CPU per event"
_BEHIND = 0.9
"""Of the events that are due, so many have to be sent at least; with fewer the machine is at its end, not the proxy."""

Start = Callable[[Stage, ExitStack], Way]

WAYS: dict[str, Start] = {
    DIRECT: lambda there, stack: there.direct("openai"),
    RELAY: lambda there, stack: there.relay("openai", stack.enter_context(there.started_relay())),
    CCPROXY: lambda there, stack: there.ccproxy("claude", "openai", stack.enter_context(there.started_ccproxy())),
    SAME: lambda there, stack: there.ccproxy("openai", "openai", stack.enter_context(there.started_ccproxy())),
}
"""CCPROXY converts from an OpenAI upstream to a Claude client."""


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Number by number; the ways in turn within each round."""
    allow_many_files()
    numbers = [n for n in (SHORT_NUMBERS if setting.short else NUMBERS) if setting.wants(streams=str(n))]
    ways = {name: start for name, start in WAYS.items() if setting.wants(way=name)}
    rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
    kept: dict[str, int] = dict.fromkeys(ways, 0)
    whole = dict.fromkeys(ways, True)
    with stage() as there:
        assert there is not None
        for place, number in enumerate(numbers):
            values: dict[tuple[str, str, str], list[float]] = {}
            for turn in range(rounds):
                for name, start in ways.items():
                    progress.step(f"{number} streams, {name}", place * rounds + turn, len(numbers) * rounds)
                    window = SHORT_WINDOW if setting.short else WINDOW
                    for measure, (unit, value) in one_round(there, start, number, window).items():
                        values.setdefault((name, measure, unit), []).append(value)
            for (name, measure, unit), found in values.items():
                labels = {"measure": measure, "streams": str(number), "way": name}
                told = Measure("streams", labels, unit, found, "more" if measure == "kept" else "less")
                if measure == "kept":
                    whole[name] = whole[name] and told.median == 100
                    kept[name] = number if whole[name] else kept[name]
                yield told
    for name, number in kept.items():
        yield Measure("streams", {"measure": "most kept", "way": name}, "streams", [number], "more")


def one_round(there: Stage, start: Start, number: int, seconds: float) -> dict[str, tuple[str, float]]:
    """Measure -> unit and value."""
    with ExitStack() as stack:
        way = start(there, stack)
        before = None
        if way.process is not None:
            run_clients(partial(paced, way, 1, 0.1, FIRST_EVENTS))  # what the first request of all takes is not a stream's
            before = way.process.resident()
        seen = run_clients(partial(paced, way, number, seconds))
        return judged(seen, number, before)


def judged(seen: SeenStreams, number: int, before: int | None) -> dict[str, tuple[str, float]]:
    """What a round tells. before: bytes that the process held without streams."""
    due = number * seen.seconds / PACE * EVENTS / (EVENTS + 2)
    in_time = len(seen.lags) >= due * _BEHIND
    found = {"kept": ("%", 100 * seen.kept / max(1, seen.ended) if in_time else 0.0)}
    if not seen.lags:
        return found
    lags = Measure("", {}, "", seen.lags)
    found["event, p50"] = ("ms", lags.median * 1e3)
    found["event, p99"] = ("ms", lags.percentile(99) * 1e3)
    if seen.cpu is not None:
        found[EVENT_CPU] = ("µs", seen.cpu / len(seen.lags) * 1e6)
        found["CPU"] = ("% of a core", 100 * seen.cpu / seen.seconds)
    if seen.memory is not None and before is not None:
        found["memory per stream"] = ("KiB", (seen.memory - before) / number / 1024)
    return found


_COLUMNS = ("kept", "event, p50", "event, p99", EVENT_CPU, "CPU", "memory per stream")


def table(measures: Sequence[Measure]) -> Table:
    """A row for each number and way; then the largest numbers."""
    found = {(m.labels["measure"], m.labels.get("streams", ""), m.labels["way"]): m for m in measures}
    rows = []
    for number, way in dict.fromkeys((m.labels.get("streams", ""), m.labels["way"]) for m in measures):
        if number:
            cells = [found.get((column, number, way)) for column in _COLUMNS]
            rows.append([number, way, *(amount(cell.median, cell.unit) if cell else "" for cell in cells)])
    for (measure, _, way), told in found.items():
        if measure == "most kept":
            rows.append([f"{told.median:.0f}", way, "most kept", *[""] * (len(_COLUMNS) - 1)])
    return ["streams", "way", *_COLUMNS], rows


SUITE = Suite("streams", "Streams of 64 events 20 ms apart, at once", run, table)

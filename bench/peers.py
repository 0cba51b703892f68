"""Suite `peers`: other gateways beside ccproxy, on the same machine in the same run; see `gateways` for which and how.

They are installed from their registries at the first run, and started all together: all ways of a pair take turns within
each round, the direct call and the bare relay among them. CPU and memory are of a gateway's whole process tree.

    first byte             time to the first byte of content, on a kept connection where the gateway keeps it
    first byte, added      what that is beyond the direct call's in the same round
    CPU per burst chunk    1,000 pieces without a pause; also the time per piece
    requests per second    whole answers on so many connections, their p99, and the CPU for one
    streams kept           of so many paced streams at once; a way that did not keep all is not asked for more of them
    memory                 resident, after the first answer and after all that was measured
    not measured           a gateway that cannot be installed or started, or does not answer, and why
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from attrs import define, field

from bench import load, streams
from bench.gateways import GATEWAYS, Gateway, Pair, Place
from bench.installed import Unusable, folder, installed, running, usable
from ccproxy.measure import ttft
from ccproxy.measure.processes import Process, allow_many_files, free_port
from ccproxy.measure.report import amount
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.ttft import BURST_CPU, BURST_TIME, CHUNKS, FIRST, Client
from ccproxy.measure.ways import DIRECT, Stage, Way, stage

PAIRS: Sequence[Pair] = (("claude", "openai"), ("openai", "openai"), ("claude", "claude"), ("openai", "claude"))
SHORT_PAIRS = PAIRS[:3]
ROUNDS, SHORT_ROUNDS = 100, 40
BURSTS, SHORT_BURSTS = 10, 4
CONNECTIONS, SHORT_CONNECTIONS = (1, 32, 128), (32,)
STREAMS, SHORT_STREAMS = (64, 256, 512), (64, 256)
TRIES, SHORT_TRIES = 2, 1
WINDOW, SHORT_WINDOW = 2.0, 1.0
PAUSE = 0.02
"""Seconds before each request whose first byte is waited for: some work on for milliseconds after they have answered."""

ADDED, NOT_MEASURED, IDLE, AFTER = "first byte, added", "not measured", "memory, idle", "memory, after the run"
KEPT = "streams kept"

_MIB = 2**20


@define
class Field:
    """All that is started in front of one upstream. reasons: why a gateway is not among them."""

    there: Stage
    ccproxy: Process
    relay: Process
    up: dict[Gateway, tuple[Process, Place]] = field(factory=dict)
    idle: dict[str, float] = field(factory=dict)


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Upstream by upstream, pair by pair."""
    allow_many_files()
    pairs = [p for p in (SHORT_PAIRS if setting.short else PAIRS) if setting.wants(client=p[0], upstream=p[1])]
    wanted = [g for g in GATEWAYS if setting.wants(way=g.way) and set(g.pairs) & set(pairs)]
    folders: dict[Gateway, Path] = {}
    for number, gateway in enumerate(wanted):
        progress.step(f"{gateway.way} is installed", number, len(wanted))
        try:
            folders[gateway] = installed(gateway, folder())
        except Unusable as why:
            yield _not_measured(gateway.way, str(why))
    for upstream in dict.fromkeys(upstream for _, upstream in pairs):
        with ExitStack() as stack:
            there = stack.enter_context(stage())
            assert there is not None
            ground = Field(there, stack.enter_context(there.started_ccproxy()), stack.enter_context(there.started_relay()))
            yield from _started(stack, ground, upstream, folders, pairs, progress)
            for place, pair in enumerate(pairs):
                if pair[1] == upstream:
                    yield from _pair(setting, progress, ground, pair, (place, len(pairs)))


def _started(
    stack: ExitStack,
    ground: Field,
    upstream: str,
    folders: dict[Gateway, Path],
    pairs: Sequence[Pair],
    progress: Progress,
) -> Iterator[Measure]:
    """Starts every gateway that serves a pair with this upstream; tells those that do not start."""
    serving = [g for g in folders if any(pair in g.pairs for pair in pairs if pair[1] == upstream)]
    for number, gateway in enumerate(serving):
        progress.step(f"{gateway.way} is started", number, len(serving))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ccproxy-bench-", ignore_cleanup_errors=True)))
        place = Place(folders[gateway], home, free_port(), ground.there.origin, upstream)
        try:
            ground.up[gateway] = stack.enter_context(running(gateway, place)), place
        except Unusable as why:
            yield _not_measured(gateway.way, str(why), upstream=upstream)


def _not_measured(way: str, why: str, **labels: str) -> Measure:
    return Measure("peers", {"measure": NOT_MEASURED, **labels, "way": way, "why": why}, "", [0.0])


# ---------------------------------------------------------------------------------------------------------------------
# One pair


def _pair(setting: Setting, progress: Progress, ground: Field, pair: Pair, number: tuple[int, int]) -> Iterator[Measure]:
    labels = {"client": pair[0], "upstream": pair[1]}
    there = ground.there
    ways = [
        there.direct(pair[1]),
        there.relay(pair[1], ground.relay),
        there.ccproxy(*pair, ground.ccproxy),
        *(
            Way(gateway.way, pair[0], process.port, "", gateway.model, gateway.headers(place), process)
            for gateway, (process, place) in ground.up.items()
            if pair in gateway.pairs
        ),
    ]
    ways = [way for way in ways if way.name == DIRECT or setting.wants(way=way.name)]
    streaming: list[Way] = []
    answering: list[Way] = []
    for way in ways:
        progress.step(f"{pair[0]} to {pair[1]}, {way.name} is asked", *number)
        for usables in (streaming, answering):
            try:
                usables.append(usable(way, stream=usables is streaming))
            except Unusable as why:
                what = "streams" if usables is streaming else "whole answers"
                yield _not_measured(way.name, f"{what}: {why}", **labels)
    idle = _memory(ways)
    progress.step(f"{pair[0]} to {pair[1]}, first bytes and bursts", *number)
    yield from _streamed(setting, labels, streaming)
    progress.step(f"{pair[0]} to {pair[1]}, whole answers", *number)
    yield from _answered(setting, labels, answering)
    progress.step(f"{pair[0]} to {pair[1]}, paced streams", *number)
    yield from _paced(setting, labels, there, streaming)
    for measure, amounts in ((IDLE, idle), (AFTER, _memory(ways))):
        for name, mib in amounts.items():
            yield Measure("peers", {"measure": measure, **labels, "way": name}, "MiB", [mib])


def _memory(ways: Sequence[Way]) -> dict[str, float]:
    held = {way.name: way.process.resident() for way in ways if way.process is not None}
    return {name: held_bytes / _MIB for name, held_bytes in held.items() if held_bytes is not None}


def _streamed(setting: Setting, labels: dict[str, str], ways: Sequence[Way]) -> Iterator[Measure]:
    """First bytes and bursts."""
    firsts = ttft.first_bytes(ways, setting.rounds_or(ROUNDS, SHORT_ROUNDS), pause=PAUSE)
    for name, times in firsts.items():
        yield Measure("peers", {"measure": FIRST, **labels, "way": name}, "ms", [each * 1e3 for each in times])
        if name != DIRECT:
            added = [(each - bare) * 1e3 for each, bare in zip(times, firsts[DIRECT], strict=True)]
            yield Measure("peers", {"measure": ADDED, **labels, "way": name}, "ms", added)
    clients = [Client(way, way.request(f"bench-burst-{CHUNKS}")) for way in ways]
    for name, (cpu, times) in ttft.costs(clients, SHORT_BURSTS if setting.short else BURSTS).items():
        for measure, seconds in ((BURST_CPU, cpu), (BURST_TIME, times)):
            if seconds:
                values = [each / CHUNKS * 1e6 for each in seconds]
                yield Measure("peers", {"measure": measure, **labels, "way": name}, "µs", values)


def _answered(setting: Setting, labels: dict[str, str], ways: Sequence[Way]) -> Iterator[Measure]:
    """Whole answers."""
    window = SHORT_WINDOW if setting.short else WINDOW
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for number in SHORT_CONNECTIONS if setting.short else CONNECTIONS:
        for _ in range(SHORT_TRIES if setting.short else TRIES):
            for way in ways:
                for measure, (unit, value) in load.one_round(way, number, window).items():
                    found.setdefault((measure, unit, str(number), way.name), []).append(value)
    for (measure, unit, at_once, name), values in found.items():
        told = {"measure": measure, **labels, "at once": at_once, "way": name}
        yield Measure("peers", told, unit, values, "more" if measure == load.RATE else "less")


def _paced(setting: Setting, labels: dict[str, str], there: Stage, ways: Sequence[Way]) -> Iterator[Measure]:
    """Paced streams."""
    window = SHORT_WINDOW if setting.short else WINDOW
    found: dict[tuple[str, str, str, str], list[float]] = {}
    left = list(ways)
    for number in SHORT_STREAMS if setting.short else STREAMS:
        for _ in range(SHORT_TRIES if setting.short else TRIES):
            for way in left:
                for measure, (unit, value) in streams.one_round(there, _same(way), number, window).items():
                    name = KEPT if measure == "kept" else measure
                    found.setdefault((name, unit, str(number), way.name), []).append(value)
        left = [way for way in left if min(found[KEPT, "%", str(number), way.name]) == 100]
    for (measure, unit, at_once, name), values in found.items():
        told = {"measure": measure, **labels, "at once": at_once, "way": name}
        yield Measure("peers", told, unit, values, "more" if measure == KEPT else "less")


def _same(way: Way) -> streams.Start:
    """What runs already."""
    return lambda there, stack: way


# ---------------------------------------------------------------------------------------------------------------------
# On a terminal

COLUMNS = (
    (ADDED, ""),
    (BURST_CPU, ""),
    (BURST_TIME, ""),
    (load.RATE, "32"),
    (load.CPU, "32"),
    (streams.EVENT_CPU, "64"),
    (KEPT, "256"),
    (IDLE, ""),
    (AFTER, ""),
)
"""What stands in the table, and at how many at once."""


def side_by_side(measures: Sequence[Measure]) -> Iterator[tuple[Pair, str, list[Measure | None]]]:
    """For each pair and way the measures of COLUMNS."""
    found = {_place(m): m for m in measures if m.labels["measure"] != NOT_MEASURED}
    for client, upstream, way in dict.fromkeys((place[0], place[1], place[2]) for place in found):
        yield (client, upstream), way, [found.get((client, upstream, way, *column)) for column in COLUMNS]


def _place(m: Measure) -> tuple[str, ...]:
    return (*(m.labels.get(name, "") for name in ("client", "upstream", "way", "measure", "at once")),)


def absent(measures: Sequence[Measure]) -> Iterator[tuple[str, str]]:
    """What was not measured, and why."""
    for m in measures:
        if m.labels["measure"] == NOT_MEASURED:
            pair = " to ".join(m.labels[name] for name in ("client", "upstream") if name in m.labels)
            yield f"{m.labels['way']}{', ' if pair else ''}{pair}", m.labels["why"]


def column_name(column: tuple[str, str]) -> str:
    return f"{column[0]}, {column[1]} at once" if column[1] else column[0]


def table(measures: Sequence[Measure]) -> Table:
    """A row for each pair and way; then a line for each gateway that was not measured."""
    rows = []
    for pair, way, found in side_by_side(measures):
        rows.append([" to ".join(pair), way, *(amount(m.median, m.unit) if m else "" for m in found)])
    for way, why in absent(measures):
        rows.append([NOT_MEASURED, f"{way}: {why}", *[""] * len(COLUMNS)])
    return ["pair", "way", *map(column_name, COLUMNS)], rows


SUITE = Suite("peers", "Other gateways side by side", run, table)

"""Suite `far`: a provider with TLS that is 20, 80 or 200 ms away, and a client that has no connection yet.

    direct            the client opens TCP and TLS to the provider itself: three round trips to the first token
    ccproxy, cold     through ccproxy, which has no connection either: as many
    ccproxy, warm     with `warm` connections ready: one round trip, and the client's own hop on loopback
    direct, kept      the client has a connection already, for comparison: one round trip, the least that there is

The provider closes each connection after its answer, except for `direct, kept`, so that nothing is kept but what ccproxy
has opened ahead. The round trip is a relay's (see `delay`). What follows an answer, new warm connections, has its time
between two rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from bench import delay
from ccproxy.measure.processes import free_port, started
from ccproxy.measure.report import amount
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.ttft import Client
from ccproxy.measure.ways import DIRECT, Stage, Way, stage

ROUND_TRIPS = (20, 80, 200)
"""Milliseconds: a neighbouring country's data centre, another coast's, another continent's."""

ROUNDS, SHORT_ROUNDS = 15, 5
WARM = 2

COLD, READY, KEPT = "ccproxy, cold", "ccproxy, warm", "direct, kept"


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Round trip by round trip, the ways in turn within each round. Needs trustme; raises ImportError without."""
    trips = [trip for trip in ROUND_TRIPS if setting.wants(**{"round trip": str(trip)})]
    rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
    with stage(tls=True) as there:
        if there is None:
            raise ImportError("the suite far needs the package trustme")
        for place, trip in enumerate(trips):
            found = one_trip(there, trip, rounds, progress, place * rounds, len(trips) * rounds)
            for name, times in found.items():
                labels = {"client": "claude", "upstream": "openai", "round trip": str(trip), "way": name}
                yield Measure("far", labels, "ms", [seconds * 1e3 for seconds in times])


def one_trip(there: Stage, trip: int, rounds: int, progress: Progress, done: int, total: int) -> dict[str, list[float]]:
    """Seconds to the first token, by way."""
    with ExitStack() as stack:
        clients = _clients(there, stack, trip)
        found: dict[str, list[float]] = {name: [] for name in clients}
        for number in range(rounds + 1):
            progress.step(f"{trip} ms", done + number, total)
            for name, client in clients.items():
                time.sleep(_pause(trip))
                first, _ = client.ask()
                if name != KEPT:
                    client.close()
                if number:  # the first opens what is kept and imports what is imported late
                    found[name].append(first)
        return found


def _pause(trip: int) -> float:
    """Until ccproxy has opened what it keeps warm: its ticker's turn, and three round trips."""
    return 0.35 + 4 * trip / 1000


def _clients(there: Stage, stack: ExitStack, trip: int) -> dict[str, Client]:
    port = free_port()
    relay = ["-m", delay.__name__, str(port), str(there.upstream.port), str(trip)]
    stack.enter_context(started(relay, port))
    cold = stack.enter_context(there.started_ccproxy(at=port))
    warm = stack.enter_context(there.started_ccproxy(at=port, protocols=["openai"], warm=WARM))
    direct = Way(DIRECT, "openai", port, tls=there.direct("openai").tls)
    once = "bench-burst-2-close"
    clients = {
        DIRECT: Client(direct, direct.request(once)),
        COLD: _through(there.ccproxy("claude", "openai", cold), once),
        READY: _through(there.ccproxy("claude", "openai", warm), once),
        KEPT: Client(direct, direct.request("bench-burst-2")),
    }
    for client in clients.values():
        stack.callback(client.close)
    return clients


def _through(way: Way, script: str) -> Client:
    return Client(way, way.request(script))


def table(measures: Sequence[Measure]) -> Table:
    """A row for each round trip and way, with what it saves of the direct way: the median of the rounds' differences."""
    direct = {m.siblings: m for m in measures if m.labels["way"] == DIRECT}
    rows = []
    for m in measures:
        beside = direct.get(m.siblings)
        sooner = ""
        if beside is not None and m is not beside:
            sooner = amount(statistics.median(a - b for a, b in zip(beside.values, m.values, strict=True)), m.unit)
        rows.append(
            [f"{m.labels['round trip']} ms", m.labels["way"], amount(m.median, m.unit), f"±{m.spread / 2:.0%}", sooner]
        )
    return ["round trip", "way", "first token", "spread", "sooner than direct"], rows


SUITE = Suite("far", "The first token from far away, for a client that starts cold", run, table)

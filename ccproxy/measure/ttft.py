"""Suite `ttft`: the time to the first byte of content through real processes on loopback; what a chunk of a burst costs.

The ways of `ways`, in turn within each round, so that each round's mood is shared: what a way adds is the median of the
rounds' differences to the direct call. A client here is one blocking socket, which costs the same on each way.

    connection   pooled: the client's connection is open already; cold: it is opened, TLS included, for each request
    upstream     plain, or TLS: the client speaks TLS itself on the direct way and through the relay; ccproxy and httpx do
                 it for clients of theirs that do not
    burst        1,000 pieces without a pause: the time until the last, and the CPU of the process in the middle, per piece
    request      the CPU of the process in the middle for a request with a short answer: what stays when the machine has
                 other things to do and times to the first byte say little
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from random import Random

from attrs import frozen

from ccproxy.measure.answers import FIRST_WORD, LAST_CHUNK
from ccproxy.measure.report import amount
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.timing import uncollected
from ccproxy.measure.ways import DIRECT, RELAY, SMALL, Stage, Way, stage
from ccproxy.protocols import PROTOCOLS

ROUNDS, SHORT_ROUNDS = 200, 60
WARM_UP = 20
BURSTS, SHORT_BURSTS = 20, 6
CHUNKS = 1000
LARGE = "100 KB, 24 tools"
MAIN = (("claude", "openai"), ("openai", "openai"), ("claude", "claude"))
"""Pairs that are measured with every connection, upstream and size; the rest with pooled, plain and small ones."""

REQUESTS = 50
"""Whose CPU is looked at together."""

FIRST, REQUEST_CPU, BURST_CPU, BURST_TIME = "first byte", "CPU per request", "CPU per burst chunk", "time per burst chunk"

READ_BYTES = 256 * 1024


@frozen
class Variant:
    """What is the same for all the ways that are compared."""

    client: str
    upstream: str
    connection: str
    tls: str
    size: str

    @property
    def shared(self) -> dict[str, str]:
        """The labels that say so."""
        pair = {"client": self.client, "upstream": self.upstream}
        return {**pair, "connection": self.connection, "tls": self.tls, "request": self.size}

    def labels(self, measure: str, way: str) -> dict[str, str]:
        return {"measure": measure, **self.shared, "way": way}


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Without TLS, then with it where certificates can be made."""
    wanted = [variant for variant in variants(setting.short) if setting.wants(**variant.shared)]
    done = 0
    for tls in ("plain", "TLS"):
        chosen = [variant for variant in wanted if variant.tls == tls]
        with stage(tls=tls == "TLS") as there:
            if not chosen or there is None:
                continue
            with ExitStack() as stack:
                middle = stack.enter_context(there.started_ccproxy())
                relay = stack.enter_context(there.started_relay())
                for variant in chosen:
                    pair = f"{variant.client} to {variant.upstream}, {variant.connection}, {tls}, {variant.size}"
                    progress.step(pair, done, len(wanted))
                    done += 1
                    ways = [
                        there.direct(variant.upstream),
                        there.relay(variant.upstream, relay),
                        there.ccproxy(variant.client, variant.upstream, middle),
                    ]
                    yield from _measured(setting, there, variant, ways)


def variants(short: bool) -> Iterator[Variant]:
    """In short the main pairs only."""
    for (client, upstream), tls in product(MAIN, ("plain", "TLS")):
        for connection, size in product(("pooled", "cold"), (SMALL, LARGE)):
            yield Variant(client, upstream, connection, tls, size)
    for pair in product(PROTOCOLS, PROTOCOLS):
        if not short and pair not in MAIN:
            yield Variant(*pair, connection="pooled", tls="plain", size=SMALL)


def _measured(setting: Setting, there: Stage, variant: Variant, ways: list[Way]) -> Iterator[Measure]:
    with ExitStack() as stack:
        if setting.wants(way="httpx"):
            ways = [*ways, stack.enter_context(there.started_httpx(variant.client, variant.upstream))]
        if setting.wants(measure=FIRST):
            rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
            for name, times in first_bytes(ways, rounds, variant.size, variant.connection == "pooled").items():
                yield Measure("ttft", variant.labels(FIRST, name), "ms", [seconds * 1e3 for seconds in times])
        if variant.connection == "pooled" and setting.wants(measure=REQUEST_CPU):
            clients = [Client(way, way.request("bench-burst-2", variant.size)) for way in ways]
            for name, (cpu, _) in costs(clients, SHORT_BURSTS if setting.short else BURSTS, REQUESTS).items():
                yield from _told(variant.labels(REQUEST_CPU, name), cpu)
        if (variant.connection, variant.tls, variant.size) == ("pooled", "plain", SMALL):
            clients = [Client(way, way.request(f"bench-burst-{CHUNKS}")) for way in ways]
            for name, (cpu, times) in costs(clients, SHORT_BURSTS if setting.short else BURSTS).items():
                yield from _told(variant.labels(BURST_CPU, name), [each / CHUNKS for each in cpu])
                yield from _told(variant.labels(BURST_TIME, name), [each / CHUNKS for each in times])


def _told(labels: dict[str, str], seconds: list[float]) -> Iterator[Measure]:
    if seconds:
        yield Measure("ttft", labels, "µs", [each * 1e6 for each in seconds])


def first_bytes(
    ways: Sequence[Way], rounds: int, size: str = SMALL, pooled: bool = True, pause: float = 0.0
) -> dict[str, list[float]]:
    """Seconds to the first byte of content, round by round: on connections that are kept, or on one for each request, whose
    opening counts. pause: seconds before each request, for a process that still works when its answer is there: whoever
    comes next would pay for it, which is why each round has an order of its own, too."""
    order = Random(0)
    found: dict[str, list[float]] = {way.name: [] for way in ways}
    clients = {way.name: Client(way, way.request("bench-burst-2", size)) for way in ways}
    with uncollected(), ExitStack() as stack:
        for client in clients.values():
            stack.callback(client.close)
        for number in range(WARM_UP + rounds):
            for name in order.sample(list(clients), len(clients)):
                time.sleep(pause)
                if not pooled:
                    clients[name].close()
                first, _ = clients[name].ask()
                if number >= WARM_UP:
                    found[name].append(first)
    return found


def costs(clients: Sequence[Client], rounds: int, requests: int = 1) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of CPU of the process in the middle, where there is one and it can be told, and seconds from the first byte
    of content to the last byte; both for one request, a value for each round of so many requests."""
    found: dict[str, tuple[list[float], list[float]]] = {client.way.name: ([], []) for client in clients}
    with uncollected(), ExitStack() as stack:
        for client in clients:
            stack.callback(client.close)
            client.ask()
        for _ in range(rounds):
            for client in clients:
                before = client.cpu()
                asked = [client.ask() for _ in range(requests)]
                after = client.cpu()
                cpu, times = found[client.way.name]
                times.append(sum(last - first for first, last in asked) / requests)
                if before is not None and after is not None:
                    cpu.append((after - before) / requests)
    return found


class Client:
    """One blocking connection, opened when it is needed, and one request that it sends again and again."""

    def __init__(self, way: Way, request: bytes) -> None:
        self.way = way
        self._request = request
        self._sock: socket.socket | None = None

    def ask(self) -> tuple[float, float]:
        """Seconds from the first moment to the first byte of content and to the last byte. Raises ConnectionError."""
        began = time.perf_counter()
        sock = self._sock or self._open()
        sock.sendall(self._request)
        seen = b""
        first = 0.0
        while not seen.endswith(LAST_CHUNK):
            data = sock.recv(READ_BYTES)
            if not data:
                raise ConnectionError(f"{self.way.name} closed the connection; it said {seen!r}")
            seen = seen[-len(LAST_CHUNK) :] + data if first else seen + data
            if not first and FIRST_WORD in seen:
                first = time.perf_counter() - began
        last = time.perf_counter() - began
        if not self.way.keeps:
            self.close()
        return first, last

    def cpu(self) -> float | None:
        """Seconds of CPU that the process in the middle has used."""
        return self.way.process.cpu() if self.way.process else None

    def _open(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.way.port), timeout=60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.way.tls is not None:
            sock = self.way.tls.wrap_socket(sock, server_hostname="127.0.0.1")
        self._sock = sock
        return sock

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def added(way: Measure, direct: Measure) -> float:
    """What a way adds to the direct one: the median of the rounds' differences."""
    return statistics.median(a - b for a, b in zip(way.values, direct.values, strict=True))


def table(measures: Sequence[Measure]) -> Table:
    """A row for each way: its percentiles, what it adds, and that as a multiple of what the relay adds."""
    firsts = [measure for measure in measures if measure.labels["measure"] == FIRST]
    beside = {(m.siblings, m.labels["way"]): m for m in firsts}
    rows = []
    for m in firsts:
        direct, relay = beside.get((m.siblings, DIRECT)), beside.get((m.siblings, RELAY))
        extra = added(m, direct) if direct and m is not direct else None
        base = added(relay, direct) if direct and relay and m is not relay else None
        rows.append(
            [
                f"{m.labels['client']} to {m.labels['upstream']}",
                ", ".join(m.labels[name] for name in ("connection", "tls", "request")),
                m.labels["way"],
                *(amount(m.percentile(percent), m.unit) for percent in (50, 95, 99)),
                amount(extra, m.unit) if extra is not None else "",
                f"{extra / base:.1f}x" if extra is not None and base and base > 0 else "",
            ]
        )
    for m in measures:
        if m.labels["measure"] != FIRST:
            pair = f"{m.labels['client']} to {m.labels['upstream']}"
            spread = [amount(m.percentile(percent), m.unit) for percent in (50, 95, 99)]
            what = f"{m.labels['measure']}, {m.labels['tls']}, {m.labels['request']}"
            rows.append([pair, what, m.labels["way"], *spread, "", ""])
    return ["pair", "what", "way", "p50", "p95", "p99", "added", "of the relay's"], rows


SUITE = Suite("ttft", "Time to the first byte of content, and what a chunk of a burst costs", run, table)

"""Suite `chunks`: what one record of a stream costs to convert, without sockets, beside the least that it can cost.

    floor     one orjson.loads of what came in and one orjson.dumps of what goes out; same protocol: the loads alone
    records   the payload read in full, through decoder and encoder or past the tap: everything but the framing of what
              came in, for a record that repeats nothing (see `codec.repeats`)
    read1     the whole pump with one record in each read, as from a model that speaks slowly
    read16    the same with sixteen records in each read, as from a fast one
    usual     dicts through the json module (see `usual`), one record in each read

For each client and upstream and every kind of record; in turn, so that each way's round has its floor beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import orjson

from ccproxy.codec import jsontext
from ccproxy.codec.repeats import MISSES
from ccproxy.convert import new_context
from ccproxy.measure import traffic, usual
from ccproxy.measure.report import amount
from ccproxy.measure.results import FLOOR, Measure, against_floor
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.timing import Ready, interleaved
from ccproxy.measure.traffic import KINDS, Script, framed
from ccproxy.protocols import PROTOCOLS
from ccproxy.pump import Converter, Pump, Relay

ROUNDS, SHORT_ROUNDS = 15, 5
STREAMS = 16
"""Streams for a record that each has once."""

SAID = 6
"""Pieces of text that have been said in them."""

BURST = 16
MODEL = "the-model-that-the-client-asked-for"

Feed = Callable[[bytes], object]
Steps = list[tuple[Feed, bytes]]
"""What is timed: each call with its bytes."""


class _Unframed:
    """In the place of a decoder's reader: each feed is one payload."""

    pending = 0

    def feed(self, data: bytes) -> list[bytes]:
        return [data]

    def eof(self) -> list[bytes]:
        return []


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Each pair and kind in its turn."""
    wanted = [
        (client, upstream, kind)
        for client, upstream, kind in product(PROTOCOLS, PROTOCOLS, KINDS)
        if setting.wants(client=client, upstream=upstream, kind=kind)
    ]
    rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
    for number, (client, upstream, kind) in enumerate(wanted):
        progress.step(f"{client} to {upstream}, {kind}", number, len(wanted))
        script = traffic.scripts(upstream)[kind]
        ways = {n: way for n, way in _ways(client, upstream, kind, script).items() if n == FLOOR or setting.wants(way=n)}
        count = STREAMS if script.single else len(script.measured)
        for way, seconds in interleaved(ways, rounds).items():
            labels = {"client": client, "upstream": upstream, "kind": kind, "way": way}
            yield Measure("chunks", labels, "µs", [second * 1e6 / count for second in seconds])


def _ways(client: str, upstream: str, kind: str, script: Script) -> dict[str, Ready]:
    whole = [framed(upstream, payload) for payload in script.measured]
    bursts = [b"".join(whole[place : place + BURST]) for place in range(0, len(whole), BURST)]
    ways: dict[str, Ready] = {
        FLOOR: _floor(client, upstream, script),
        "records": lambda: _loop(_steps(client, upstream, script, script.measured, unframed=True)),
        "read1": lambda: _loop(_steps(client, upstream, script, whole)),
    }
    if not script.single:
        ways["read16"] = lambda: _loop(_steps(client, upstream, script, bursts))
        if client != upstream and kind in ("text", "thinking", "arguments"):
            ways["usual"] = lambda: _loop([(usual.convert(client, upstream), record) for record in whole])
    return ways


def _floor(client: str, upstream: str, script: Script) -> Ready:
    """Loads of every payload and, where it is converted, dumps of every event that came out of it."""
    payloads = [payload for payload in script.measured if payload.startswith(b"{")] * (STREAMS if script.single else 1)
    events = [] if client == upstream else _events(client, upstream, script) * (STREAMS if script.single else 1)
    loads, dumps = orjson.loads, orjson.dumps

    def work() -> None:
        for payload in payloads:
            loads(payload)
        for event in events:
            dumps(event)

    return lambda: work


def _events(client: str, upstream: str, script: Script) -> list[Any]:
    """The documents that the converter makes of the measured records of one stream."""
    steps = _steps(client, upstream, script, [framed(upstream, payload) for payload in script.measured], streams=1)
    out = b"".join(bytes(piece) for feed, data in steps if isinstance(piece := feed(data), bytes))
    return [jsontext.loads(payload) for payload in _read(client, out) if payload != b"[DONE]"]


def _read(client: str, out: bytes) -> list[bytes]:
    reader = PROTOCOLS[client].chat.reader()
    return [*reader.feed(out), *reader.eof()]


def _steps(
    client: str,
    upstream: str,
    script: Script,
    pieces: Sequence[bytes],
    *,
    unframed: bool = False,
    streams: int | None = None,
) -> Steps:
    """Fresh streams that have had their lead, and what each is fed then."""
    steps: Steps = []
    for _ in range(streams or (STREAMS if script.single else 1)):
        pump = pump_for(client, upstream)
        for payload in _lead(upstream, script):
            pump.feed(framed(upstream, payload))
        steps += [(_feed_of(pump, unframed), piece) for piece in pieces]
        if script.ends:
            steps.append((_ended(pump), b""))
    return steps


def _lead(upstream: str, script: Script) -> list[bytes]:
    """What comes before the measured records. What a stream has once comes late in it: behind more text than the one piece
    that is there to show its place, as the first pieces of a stream cost what later ones do not."""
    if not script.single:
        return script.lead
    text = traffic.scripts(upstream)["text"]
    return [*text.lead, *text.measured[:SAID], *script.lead[len(text.lead) :]]


def _feed_of(pump: Pump, unframed: bool) -> Feed:
    """The call that takes the next bytes. Past the framing it is an inner one: this measures what callers do not see."""
    if not unframed:
        return pump.feed
    if isinstance(pump, Relay):
        return pump._tap.look
    assert isinstance(pump, Converter)
    pump._decoder._reader = _Unframed()
    pump._decoder.repeats.forget()
    pump._decoder.repeats._misses = MISSES  # it has given up looking for any
    return pump.feed


def _ended(pump: Pump) -> Feed:
    return lambda data: pump.eof()


def _loop(steps: Steps) -> Callable[[], None]:
    def work() -> None:
        for feed, data in steps:
            feed(data)

    return work


def pump_for(client: str, upstream: str) -> Pump:
    """As an exchange would take it, for a request of which nothing had to change."""
    context = new_context(client=client, upstream=upstream, model=MODEL, stream=True)
    if client == upstream:
        return Relay(PROTOCOLS[upstream].chat, context)
    return Converter(PROTOCOLS[upstream].chat, PROTOCOLS[client].chat, context)


def table(measures: Sequence[Measure]) -> Table:
    """A row for each pair: what `records` costs as a multiple of the floor, kind by kind; then for text the framing."""
    ratios = {_labels(measure): measure.median for measure in against_floor(measures)}
    floors = {_labels(measure): measure.median for measure in measures if measure.labels["way"] == FLOOR}
    rows = []
    for client, upstream in dict.fromkeys((m.labels["client"], m.labels["upstream"]) for m in measures):
        floor = floors.get((client, upstream, "text", FLOOR))
        kinds = [_times(ratios.get((client, upstream, kind, "records"))) for kind in KINDS]
        ways = [_times(ratios.get((client, upstream, "text", way))) for way in ("read1", "read16", "usual")]
        rows.append([client, upstream, *kinds, *ways, "" if floor is None else amount(floor, "µs")])
    return ["client", "upstream", *KINDS, "read1", "read16", "usual", "floor, text"], rows


def _labels(measure: Measure) -> tuple[str, ...]:
    return tuple(measure.labels[name] for name in ("client", "upstream", "kind", "way"))


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


SUITE = Suite("chunks", "CPU per stream record, as multiples of one loads and one dumps", run, table)

"""Suite `requests`: what it costs to convert a request, beside reading and writing the same bodies.

    floor     one orjson.loads of the client's body and one orjson.dumps of the upstream's
    ccproxy   the library's `convert_request`, which takes the way of the proxy; nothing is known of earlier requests
    first     the same as the server does it, which remembers the conversation for its next request
    next      the same once more, where the request of the turn before was converted so: one turn is new
    json      loads and dumps of the same bodies with the json module, without converting anything

Same protocol: the body passes but for the model's name. Agents send the same tools with every turn; so does this, and the
schemas are cleaned in the first try, which is not counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import orjson

from ccproxy.convert import convert_request
from ccproxy.measure.bodies import SIZES, body, body_before
from ccproxy.measure.report import amount
from ccproxy.measure.results import FLOOR, Measure, against_floor
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.timing import Ready, interleaved
from ccproxy.protocols import PROTOCOLS
from ccproxy.turnwise import Conversations

ROUNDS, SHORT_ROUNDS = 11, 5
TARGET_MODEL = "the-upstreams-model"
_ROOM = 1 << 24
_TURNS = {"first": ", first seen", "next": ", next turn"}

TIMED_BYTES = 50_000
"""What is timed at once, at least: small requests are converted several times over."""


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Each pair and size in its turn."""
    wanted = [
        (client, upstream, size)
        for size, client, upstream in product(SIZES, PROTOCOLS, PROTOCOLS)
        if setting.wants(client=client, upstream=upstream, size=size)
    ]
    rounds = setting.rounds_or(ROUNDS, SHORT_ROUNDS)
    for number, (client, upstream, size) in enumerate(wanted):
        progress.step(f"{client} to {upstream}, {size}", number, len(wanted))
        sent = body(client, size)
        count = max(1, TIMED_BYTES // len(sent))
        ways = {
            way: _repeated(ready, count)
            for way, ready in _ways(client, upstream, size).items()
            if way == FLOOR or setting.wants(way=way)
        }
        for way, seconds in interleaved(ways, rounds).items():
            labels = {"client": client, "upstream": upstream, "size": size, "way": way}
            yield Measure("requests", labels, "ms", [second * 1e3 / count for second in seconds])


def _ways(client: str, upstream: str, size: str) -> dict[str, Ready]:
    sent, before = body(client, size), body_before(client, size)

    def convert(said: bytes = sent, known: Conversations | None = None) -> bytes:
        converted = convert_request(
            said, source=client, target=upstream, model=TARGET_MODEL, stream=True, query={"alt": "sse"}, known=known
        )
        return converted.body

    written = orjson.loads(convert())

    def floor() -> None:
        orjson.loads(sent)
        orjson.dumps(written)

    def standard() -> None:
        json.loads(sent)
        json.dumps(written)

    def first() -> Callable[[], bytes]:
        return partial(convert, known=Conversations(_ROOM))

    def next_turn() -> Callable[[], bytes]:
        known = Conversations(_ROOM)
        convert(before or sent, known)
        return partial(convert, known=known)

    turns: dict[str, Ready] = {"first": first, "next": next_turn} if before else {}
    return {FLOOR: lambda: floor, "ccproxy": lambda: convert, **turns, "json": lambda: standard}


def _repeated(ready: Ready, count: int) -> Ready:
    """Ready for so many times in a row."""

    def once() -> Callable[[], object]:
        works = [ready() for _ in range(count)]

        def repeat() -> None:
            for work in works:
                work()

        return repeat

    return once


def table(measures: Sequence[Measure]) -> Table:
    """A row for each pair: its cost as a multiple of the floor, size by size; then the time of the history's."""
    columns = [(size, way) for size in SIZES for way in ("ccproxy", *_TURNS)]
    ratios = {_labels(measure): measure.median for measure in against_floor(measures)}
    times = {_labels(measure): amount(measure.median, "ms") for measure in measures}
    there = [(size, way) for size, way in columns if any(labels[2:] == (size, way) for labels in times)]
    rows = []
    for client, upstream in dict.fromkeys((m.labels["client"], m.labels["upstream"]) for m in measures):
        keys = [(client, upstream, size, way) for size, way in there]
        multiples = [f"{ratios[key]:.2f}x" if key in ratios else "" for key in keys]
        rows.append([client, upstream, *multiples, *(times.get(key, "") for key in keys)])
    heads = [f"{size}{_TURNS.get(way, '')}" for size, way in there]
    return ["client", "upstream", *heads, *heads], rows


def _labels(measure: Measure) -> tuple[str, ...]:
    return tuple(measure.labels[name] for name in ("client", "upstream", "size", "way"))


SUITE = Suite("requests", "CPU per request converted, as a multiple of loads and dumps of the bodies", run, table)

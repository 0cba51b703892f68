"""Suite `requests`: what it costs to convert a request, beside reading and writing the same bodies.

    floor     one orjson.loads of the client's body and one orjson.dumps of the upstream's
    ccproxy   the library's `convert_request`, which takes the way that the proxy takes
    json      loads and dumps of the same bodies with the json module, without converting anything

Same protocol: the body passes but for the model's name. Agents send the same tools with every turn; so does this, and the
schemas are cleaned in the first try, which is not counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import orjson

from ccproxy.convert import convert_request
from ccproxy.measure.bodies import SIZES, body
from ccproxy.measure.report import amount
from ccproxy.measure.results import FLOOR, Measure, against_floor
from ccproxy.measure.suite import Progress, Setting, Suite, Table
from ccproxy.measure.timing import Ready, interleaved
from ccproxy.protocols import PROTOCOLS

ROUNDS, SHORT_ROUNDS = 11, 5
TARGET_MODEL = "the-upstreams-model"
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
            way: _repeated(work, count)
            for way, work in _ways(client, upstream, sent).items()
            if way == FLOOR or setting.wants(way=way)
        }
        for way, seconds in interleaved(ways, rounds).items():
            labels = {"client": client, "upstream": upstream, "size": size, "way": way}
            yield Measure("requests", labels, "ms", [second * 1e3 / count for second in seconds])


def _ways(client: str, upstream: str, sent: bytes) -> dict[str, Callable[[], object]]:
    def convert() -> bytes:
        return convert_request(sent, source=client, target=upstream, model=TARGET_MODEL, stream=True).body

    written = orjson.loads(convert())

    def floor() -> None:
        orjson.loads(sent)
        orjson.dumps(written)

    def standard() -> None:
        json.loads(sent)
        json.dumps(written)

    return {FLOOR: floor, "ccproxy": convert, "json": standard}


def _repeated(work: Callable[[], object], count: int) -> Ready:
    def repeat() -> None:
        for _ in range(count):
            work()

    return lambda: repeat


def table(measures: Sequence[Measure]) -> Table:
    """A row for each pair: its cost as a multiple of the floor, size by size; then the time of the history's."""
    sizes = list(dict.fromkeys(measure.labels["size"] for measure in measures))
    ratios = {_labels(measure): measure.median for measure in against_floor(measures)}
    times = {_labels(measure): amount(measure.median, "ms") for measure in measures}
    rows = []
    for client, upstream in dict.fromkeys((m.labels["client"], m.labels["upstream"]) for m in measures):
        keys = [(client, upstream, size, "ccproxy") for size in sizes]
        multiples = [f"{ratios[key]:.2f}x" if key in ratios else "" for key in keys]
        rows.append([client, upstream, *multiples, *(times.get(key, "") for key in keys)])
    return ["client", "upstream", *sizes, *sizes], rows


def _labels(measure: Measure) -> tuple[str, ...]:
    return tuple(measure.labels[name] for name in ("client", "upstream", "size", "way"))


SUITE = Suite("requests", "CPU per request converted, as a multiple of loads and dumps of the bodies", run, table)

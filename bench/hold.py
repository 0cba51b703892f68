"""Holds the cost of conversion where it is: the multiples of the floor of a short run, against those in `ratios.json`.

Multiples are the same on fast and slow machines, more or less; times are not, so none is kept. What is dearer than it was
by more than `MARGIN` is measured once more, with more rounds, before it counts: a busy machine is no slower code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ccproxy import measure as package
from ccproxy.codec import jsontext
from ccproxy.measure import running
from ccproxy.measure.results import Measure, against_floor
from ccproxy.measure.suite import Progress, Setting

SUITES = ("chunks", "requests")
WAYS = {"records", "read1", "read16", "ccproxy", "first", "next"}
"""Ours; the usual ways are beside them for comparison."""

MARGIN = 2.0
RECORDED = Path(__file__).parent / "ratios.json"

Ratios = dict[str, float]
"""A measure's key as text -> the multiple of its floor."""

Again = Callable[[Measure], float]
"""Measures once more; gives the multiple."""


def measured() -> list[Measure]:
    """All multiples of a short run."""
    found: list[Measure] = []
    for name in SUITES:
        progress = Progress(name)
        found += _ours(running.load(name, package.SUITES).run(Setting(short=True), progress))
        progress.end()
    return found


def again(measure: Measure) -> float:
    """The same multiple, from a run of its own with the suite's usual rounds."""
    setting = Setting(only={name: [value] for name, value in measure.labels.items()})
    (found,) = _ours(running.load(measure.suite, package.SUITES).run(setting, Progress(measure.suite)))
    return found.median


def dearer(found: Iterable[Measure], recorded: Ratios, measure_again: Again = again) -> list[str]:
    """What costs more than `MARGIN` times what it did, twice in a row; a line for each."""
    lines = []
    for measure in found:
        before = recorded.get(name_of(measure))
        if before is None or measure.median <= before * MARGIN:
            continue
        now = min(measure.median, measure_again(measure))
        if now > before * MARGIN:
            lines.append(f"{name_of(measure)}: {now:.2f}x its floor, was {before:.2f}x")
    return lines


def name_of(measure: Measure) -> str:
    """The measure's key as text."""
    return " ".join(measure.key[:-1])


def read(path: Path = RECORDED) -> Ratios:
    ratios: Ratios = jsontext.loads(path.read_bytes())
    return ratios


def write(found: Iterable[Measure], path: Path = RECORDED) -> None:
    """A line for each multiple, so that a change reads as one."""
    lines = sorted(f"  {jsontext.dumps_str(name_of(measure))}: {measure.median:.2f}" for measure in found)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _ours(measures: Iterable[Measure]) -> list[Measure]:
    return [measure for measure in against_floor(measures) if measure.labels["way"] in WAYS]

"""What moved between two runs beyond what the rounds and the machine vary by themselves.

A measure with a floor beside it is judged as a multiple of that floor, which the machine's speed and mood do not move; any
other as it is. It moved when the middle halves of its rounds do not overlap, and the medians differ by more than the fixed
loop did within and between the runs (for multiples: by more than `TELLING`).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from attrs import frozen

from ccproxy.measure import machine, noise
from ccproxy.measure.report import amount, columns
from ccproxy.measure.results import FLOOR, Measure, Run, against_floor

TELLING = 0.03
"""The smallest change that is told, as a share: two runs of the same code differ by so much in caches and memory layout."""


@frozen
class Change:
    before: Measure
    after: Measure

    @property
    def share(self) -> float:
        return self.after.median / self.before.median - 1 if self.before.median else 0.0

    @property
    def good(self) -> bool:
        return (self.share < 0) == (self.after.better == "less")

    def beyond(self, noise: float) -> bool:
        """Whether it is more than noise."""
        (low, high), (other_low, other_high) = self.before.quartiles, self.after.quartiles
        return (high < other_low or other_high < low) and abs(self.share) > noise


def changes(before: Run, after: Run) -> list[Change]:
    """Of every measure that both have, those that moved, the largest first."""
    old, new = _judged(before), _judged(after)
    both = [Change(old[key], new[key]) for key in old if key in new]
    between = machine_noise(before, after)
    moved = [change for change in both if change.beyond(TELLING if change.after.unit == "x" else max(TELLING, between))]
    return sorted(moved, key=lambda change: -abs(change.share))


def machine_noise(before: Run, after: Run) -> float:
    """How far the machine's own speed was apart, within and between the runs."""
    speeds = [statistics.median(run.noise["calibration_ms"]) for run in (before, after)]
    found: float = max(before.noise["spread"], after.noise["spread"], abs(speeds[1] / speeds[0] - 1))
    return found


def merged(runs: Sequence[Run]) -> Run:
    """One run with every suite, each from the last run that has it; machine and noise are the last run's."""
    found: dict[str, list[Measure]] = {}
    for run in runs:
        for suite in dict.fromkeys(measure.suite for measure in run.measures):
            found[suite] = run.of(suite)
    last = runs[-1]
    measures = [measure for suite in found.values() for measure in suite]
    return Run(last.started, last.machine, last.versions, last.noise, measures)


def lines(before: Run, after: Run) -> Iterator[str]:
    """For a terminal."""
    for name, run in (("before", before), ("after", after)):
        yield f"{name:<7} {run.started}, {machine.sentence(run.machine)}; {noise.sentence(run.noise)}"
    for package in sorted(before.versions.keys() | after.versions.keys()):
        was, now = before.versions.get(package, "none"), after.versions.get(package, "none")
        if was != now:
            yield f"        {package} {was} -> {now}"
    moved = changes(before, after)
    shared = len(_judged(before).keys() & _judged(after).keys())
    yield f"{shared} measures in both, {len(moved)} moved (times by more than {machine_noise(before, after):.0%})"
    rows = [_row(change) for change in moved]
    if rows:
        yield ""
        yield from columns(["suite", "what", "before", "after", "change", ""], rows)


def _row(change: Change) -> list[str]:
    after = change.after
    what = " ".join(after.labels.values())
    values = [amount(measure.median, measure.unit) for measure in (change.before, after)]
    return [after.suite, what, *values, f"{change.share:+.0%}", "better" if change.good else "WORSE"]


def _judged(run: Run) -> dict[tuple[str, ...], Measure]:
    ratios = {measure.key: measure for measure in against_floor(run.measures)}
    relative = {key[:-1] for key in ratios}
    plain = {m.key: m for m in run.measures if m.key[:-1] not in relative and m.labels.get("way") != FLOOR}
    return {**plain, **ratios}

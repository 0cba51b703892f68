"""What a run found: measures with one value per round, and what has to be known to judge them. Read and written as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any, Literal

from attrs import asdict, field, frozen

from ccproxy.codec import jsontext

FLOOR = "floor"
"""The label `way` of a measure that others with the same labels otherwise are told as multiples of: the least that the work
can cost."""

FORMAT = 1
"""Of the JSON; changed when an older program would misread it."""


@frozen
class Measure:
    """One quantity of one suite. labels: what tells it from its siblings; `way` names what was measured where several do
    the same work. unit: of the values, as people write it. values: one for each round, in order; rounds are interleaved, so
    that the same places of two measures saw the same mood of the machine. better: which way is good."""

    suite: str
    labels: dict[str, str]
    unit: str
    values: list[float]
    better: Literal["less", "more"] = "less"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        return self.percentile(25), self.percentile(75)

    @property
    def spread(self) -> float:
        """The middle half of the rounds, as a share of the median."""
        low, high = self.quartiles
        return (high - low) / abs(self.median) if self.median else 0.0

    def percentile(self, percent: float) -> float:
        """The value that `percent` of the rounds do not exceed, between neighbours in proportion."""
        ordered = sorted(self.values)
        place = (len(ordered) - 1) * percent / 100
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    def over(self, other: Measure) -> Measure:
        """This as a multiple of `other`, round by round."""
        pairs = zip(self.values, other.values, strict=True)
        return Measure(self.suite, self.labels, "x", [a / b for a, b in pairs if b], self.better)

    @property
    def key(self) -> tuple[str, ...]:
        """The same for the same quantity in another run."""
        return (self.suite, *(f"{name}={value}" for name, value in sorted(self.labels.items())), self.unit)

    @property
    def siblings(self) -> tuple[str, ...]:
        """The key without the way: the same for whatever did the same work."""
        return tuple(part for part in self.key if not part.startswith("way="))


@frozen
class Run:
    """started: ISO 8601, UTC. machine, versions: see `machine`. noise: see `noise`."""

    started: str
    machine: dict[str, Any]
    versions: dict[str, str]
    noise: dict[str, Any]
    measures: list[Measure] = field(factory=list)

    def to_json(self) -> bytes:
        return jsontext.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: bytes) -> Run:
        """Raises ValueError for what `to_json` did not write."""
        try:
            document = jsontext.loads(text)
        except jsontext.JSONError as error:
            raise ValueError(f"this is no JSON: {error}") from None
        if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
            raise ValueError(f"this is no run of the bench in format {FORMAT}")
        try:
            measures = [Measure(**measure) for measure in document.pop("measures")]
            return cls(**document, measures=measures)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this run of the bench cannot be read: {error}") from None

    def of(self, suite: str, **labels: str) -> list[Measure]:
        """The measures of a suite with these labels."""
        return [m for m in self.measures if m.suite == suite and labels.items() <= m.labels.items()]


def against_floor(measures: Iterable[Measure]) -> list[Measure]:
    """Every measure that has a floor beside it, as a multiple of it."""
    measures = list(measures)
    floors = {m.siblings: m for m in measures if m.labels.get("way") == FLOOR}
    judged = [m for m in measures if m.labels.get("way") not in (None, FLOOR)]
    return [m.over(floors[m.siblings]) for m in judged if m.siblings in floors]

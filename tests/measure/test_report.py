from __future__ import annotations

from collections.abc import Iterator

import pytest

from ccproxy.measure import report
from ccproxy.measure.results import Measure, Run
from ccproxy.measure.suite import Progress, Setting, Suite


def nothing(setting: Setting, progress: Progress) -> Iterator[Measure]:
    yield from ()


MACHINE = {"processor": "P", "cores": 2, "system": "S"}
MEASURES = [
    Measure("s", {"kind": "text", "way": "ccproxy"}, "µs", [2.5]),
    Measure("s", {"kind": "text", "way": "floor"}, "µs", [1.25]),
]


def test_a_run_is_told_with_what_judges_it() -> None:
    run = Run("", MACHINE, {"python": "3"}, {"spread": 0.02}, MEASURES)
    assert list(report.told(run, [Suite("s", "A suite", nothing), Suite("t", "Not run", nothing)])) == [
        "machine   P, 2 cores, S",
        "versions  python 3",
        "noise     a fixed loop varied by 2%",
        "",
        "A suite",
        "",
        "kind  way       median  spread  of the floor",
        "text  ccproxy  2.50 µs     ±0%         2.00x",
        "text  floor    1.25 µs     ±0%",
    ]


def test_a_suite_may_have_its_own_table() -> None:
    run = Run("", MACHINE, {}, {}, MEASURES)
    suite = Suite("s", "A suite", nothing, lambda measures: (["n"], [[str(len(measures))]]))
    assert list(report.told(run, [suite]))[-2:] == ["n", "2"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.5, "1,234 µs"), (12.34, "12.3 µs"), (1.234, "1.23 µs"), (0.1234, "0.123 µs"), (0, "0.000 µs")],
)
def test_amounts_have_the_digits_that_count(value: float, shown: str) -> None:
    assert report.amount(value, "µs") == shown

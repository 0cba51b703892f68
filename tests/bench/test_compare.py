from __future__ import annotations

import pytest

from bench.compare import changes, lines, machine_noise, merged
from ccproxy.measure.results import Measure, Run

STEADY = {"calibration_ms": [10.0, 10.1], "spread": 0.01}


def run(*measures: Measure, noise: dict[str, object] = STEADY, started: str = "") -> Run:
    return Run(started, {"cores": 2}, {"orjson": "1"}, noise, list(measures))


def took(values: list[float], suite: str = "start", **labels: str) -> Measure:
    return Measure(suite, labels, "ms", values)


def test_what_moved_beyond_the_rounds_and_the_machine_is_told() -> None:
    (change,) = changes(run(took([10, 10.1, 10.2])), run(took([12, 12.1, 12.2])))
    assert change.share == pytest.approx(12.1 / 10.1 - 1)
    assert not change.good


def test_rounds_that_overlap_tell_nothing() -> None:
    assert changes(run(took([8, 10, 12, 14])), run(took([9, 12, 14, 16]))) == []


def test_a_change_below_the_machines_own_is_noise() -> None:
    shaky = {"calibration_ms": [10.0, 13.0], "spread": 0.3}
    assert changes(run(took([10, 10, 10])), run(took([12, 12, 12]), noise=shaky)) == []


def test_a_machine_that_changed_its_speed_between_the_runs_is_noise() -> None:
    slower = {"calibration_ms": [13.0, 13.0], "spread": 0.0}
    assert machine_noise(run(), run(noise=slower)) == pytest.approx(13 / 10.05 - 1)
    assert changes(run(took([10, 10, 10])), run(took([12, 12, 12]), noise=slower)) == []


def test_multiples_of_a_floor_are_judged_instead_of_times() -> None:
    """The second run's machine is twice as slow, and the code a tenth better."""
    before = run(took([20, 20, 20], way="ccproxy"), took([10, 10, 10], way="floor"))
    slower = {"calibration_ms": [20.0, 20.0], "spread": 0.0}
    after = run(took([36, 36, 36], way="ccproxy"), took([20, 20, 20], way="floor"), noise=slower)
    (change,) = changes(before, after)
    assert change.share == pytest.approx(-0.1)
    assert change.good


def test_more_may_be_better() -> None:
    rate = [Measure("load", {}, "requests/s", [n] * 3, "more") for n in (1000.0, 2000.0)]
    (change,) = changes(run(rate[0]), run(rate[1]))
    assert change.good


def test_what_only_one_run_has_is_left_out() -> None:
    assert changes(run(took([1], kind="a")), run(took([9], kind="b"))) == []


def test_the_largest_change_comes_first() -> None:
    before = run(took([10] * 3, kind="a"), took([10] * 3, kind="b"))
    after = run(took([11] * 3, kind="a"), took([5] * 3, kind="b"))
    assert [change.after.labels["kind"] for change in changes(before, after)] == ["b", "a"]


def test_the_lines_name_versions_that_changed_and_what_moved() -> None:
    before, after = run(took([10] * 3, kind="a")), run(took([20] * 3, kind="a"))
    after.versions["orjson"] = "2"
    said = list(lines(before, after))
    assert "        orjson 1 -> 2" in said
    assert "1 measures in both, 1 moved (times by more than 1%)" in said
    assert said[-1].split() == ["start", "a", "10.0", "ms", "20.0", "ms", "+100%", "WORSE"]


def test_merged_runs_have_each_suite_from_the_last_that_has_it() -> None:
    first = run(took([1], "start"), took([2], "chunks"), started="1")
    second = run(took([3], "chunks"), started="2")
    both = merged([first, second])
    assert [(m.suite, m.median) for m in both.measures] == [("start", 1), ("chunks", 3)]
    assert both.started == "2"

from __future__ import annotations

import pytest

from ccproxy.measure.results import Measure, Run, against_floor


def measure(values: list[float], **labels: str) -> Measure:
    return Measure("chunks", labels, "µs", values)


def test_the_median_and_the_middle_half() -> None:
    found = measure([1, 2, 3, 4, 100])
    assert found.median == 3
    assert found.quartiles == (2, 4)
    assert found.spread == pytest.approx(2 / 3)


def test_one_round_has_no_spread() -> None:
    assert measure([5]).spread == 0
    assert measure([5]).quartiles == (5, 5)


def test_percentiles_lie_between_neighbours_in_proportion() -> None:
    found = measure([float(n) for n in range(101)])
    assert [found.percentile(p) for p in (0, 50, 99, 100)] == [0, 50, 99, 100]
    assert measure([0, 10]).percentile(25) == 2.5


def test_a_multiple_is_taken_round_by_round() -> None:
    slow_then_fast = measure([40, 20], way="ccproxy").over(measure([20, 10], way="floor"))
    assert (slow_then_fast.values, slow_then_fast.unit) == ([2, 2], "x")


def test_what_has_a_floor_beside_it_is_told_as_its_multiple() -> None:
    ratios = against_floor(
        [
            measure([2, 2], kind="text", way="ccproxy"),
            measure([1, 1], kind="text", way="floor"),
            measure([9, 9], kind="usage", way="ccproxy"),
            measure([5, 5], kind="text"),
        ]
    )
    assert [(ratio.labels, ratio.values) for ratio in ratios] == [({"kind": "text", "way": "ccproxy"}, [2, 2])]


def test_keys_do_not_depend_on_the_order_of_labels() -> None:
    assert measure([1], a="1", b="2").key == measure([3], b="2", a="1").key
    assert measure([1], a="1", b="2").key != measure([1], a="1", b="3").key


def test_a_run_comes_back_from_json() -> None:
    run = Run("2026-01-01T00:00:00+00:00", {"cores": 2}, {"python": "3.11"}, {"spread": 0.1}, [measure([1.5], way="floor")])
    assert Run.from_json(run.to_json()) == run


@pytest.mark.parametrize("text", [b"[]", b"{}", b'{"format":1}', b'{"format":99,"measures":[]}', b"no json"])
def test_what_is_no_run_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"this (is no|run of)"):
        Run.from_json(text)


def test_a_runs_measures_by_label() -> None:
    run = Run("", {}, {}, {}, [measure([1], way="floor"), measure([2], way="ccproxy")])
    assert [m.median for m in run.of("chunks", way="ccproxy")] == [2]
    assert run.of("requests") == []

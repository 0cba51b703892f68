from __future__ import annotations

from pathlib import Path

import pytest

from bench import hold
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Setting


def multiple(ratio: float, kind: str = "text", way: str = "records") -> Measure:
    return Measure("chunks", {"kind": kind, "way": way}, "x", [ratio])


def unasked(measure: Measure) -> float:
    raise AssertionError("nothing had to be measured again")


RECORDED = {"chunks kind=text way=records": 2.0}


@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.19])
def test_what_lies_within_the_margin_passes(ratio: float) -> None:
    assert hold.dearer([multiple(ratio)], RECORDED, unasked) == []


def test_what_nothing_is_written_of_passes() -> None:
    assert hold.dearer([multiple(99, kind="new")], RECORDED, unasked) == []


def test_what_was_dear_once_only_passes() -> None:
    assert hold.dearer([multiple(9)], RECORDED, lambda measure: 2.1) == []


def test_what_is_dear_twice_is_told() -> None:
    (line,) = hold.dearer([multiple(9)], RECORDED, lambda measure: 8)
    assert line == "chunks kind=text way=records: 8.00x its floor, was 2.00x"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    hold.write([multiple(2.004), multiple(1, kind="finish")], path)
    assert hold.read(path) == {"chunks kind=finish way=records": 1.0, "chunks kind=text way=records": 2.0}
    assert len(path.read_text().splitlines()) == 4


def test_every_ratio_that_is_written_down_can_be_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "chunks client=claude kind=text upstream=openai way=read1"
    assert name in hold.read()
    monkeypatch.setattr(Setting, "rounds_or", lambda self, usual, short: 1)
    suite, *labels = name.split()
    measure = Measure(suite, dict(label.split("=") for label in labels), "x", [1.0])
    assert hold.again(measure) > 0

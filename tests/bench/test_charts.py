from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bench.charts import Cell, Column, LogAxis, Row, bar_table, bars, distributions, lines, tone
from ccproxy.measure.results import Measure


def row(label: str, values: list[float]) -> Row:
    return Row(label, "ours0", Measure("s", {}, "ms", values))


def words(picture: str) -> list[str]:
    """The texts of an SVG, which has to be well formed for that."""
    return [element.text or "" for element in ElementTree.fromstring(picture).iter("text")]


def test_bars_are_named_and_numbered() -> None:
    assert words(bars([row("a <b>", [1.0, 2.0, 3.0]), row("c", [10.0])], "title")) == ["a <b>", "2.00 ms", "c", "10.0 ms"]


def test_bars_of_nothing_but_zero_are_drawn() -> None:
    assert words(bars([row("a", [0.0])], "title")) == ["a", "0.000 ms"]


def test_a_distribution_has_its_percentiles_beside_it() -> None:
    said = words(distributions([row("a", [float(n) for n in range(1, 102)])], "title"))
    assert [word for word in said if word in ("51.0", "96.0", "100")] == [
        "100",
        "51.0",
        "96.0",
        "100",
    ]  # one is of the axis


def test_lines_are_named_at_their_ends() -> None:
    picture = lines({"ccproxy": [(1, 2.0), (8, 4.0)], "relay": [(1, 1.0), (8, 3.9)]}, "title", "streams", "µs")
    assert {"ccproxy", "relay", "streams", "µs"} <= set(words(picture))
    places = [float(e.get("y", "")) for e in ElementTree.fromstring(picture).iter("text") if e.text in ("ccproxy", "relay")]
    assert abs(places[0] - places[1]) >= 14  # they do not cover each other


def test_lines_without_a_point_are_no_picture() -> None:
    assert lines({"a": [(0, 0.0)]}, "title", "x", "y") == ""


@pytest.mark.parametrize(("low", "high", "ticks"), [(1, 10, [1, 2, 5, 10]), (3, 3.1, [2]), (0.5, 5000, [1, 10, 100, 1000])])
def test_the_axis_has_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    axis = LogAxis(low, high, 0, 100)
    assert [tick for tick in axis.ticks() if tick in ticks] == ticks
    assert all(-1 <= axis(tick) <= 101 for tick in axis.ticks())


def test_a_cell_tells_whether_it_keeps_its_target() -> None:
    rows = [(("a",), [Cell(1.0, 2.0)]), (("b",), [Cell(3.0, 2.0)]), (("c",), [Cell(3.0)]), (("d",), [None])]
    table = bar_table(["pair"], [Column("text")], rows)
    assert [table.count(f'class="{kind}"') for kind in ("within", "over", "plain")] == [1, 1, 1]
    assert "3.0×" in table


def test_columns_of_one_scale_are_drawn_alike() -> None:
    columns = [Column("a", "time", "ms"), Column("b", "time", "ms"), Column("c", "cpu", "µs")]
    table = bar_table(["pair"], columns, [(("x",), [Cell(1.0), Cell(0.5), Cell(300.0)]), (("y",), [Cell(1.0), None, None])])
    assert re.findall(r"width:(\d+)%", table) == ["100", "50", "100", "100"]
    assert "300 µs" in table


def test_ours_stand_out_and_every_other_has_its_colour() -> None:
    names = ["direct", "direct, kept", "ccproxy", "ccproxy, same protocol", "httpx", "relay"]
    assert [tone(name, names) for name in names] == ["base", "base", "ours0", "ours1", "s0", "s1"]

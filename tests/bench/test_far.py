from __future__ import annotations

import sys

import pytest

from bench import far
from bench.far import COLD, KEPT, READY
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting


def test_warm_connections_save_what_a_connection_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that nothing comes sooner than its round trips allow: how late is the machine's business."""
    pytest.importorskip("trustme")
    monkeypatch.setattr(far, "ROUND_TRIPS", (100,))
    found = {m.labels["way"]: m for m in far.run(Setting(rounds=1), Progress())}
    assert list(found) == ["direct", COLD, READY, KEPT]
    trips = {name: min(m.values) / 100 for name, m in found.items()}
    assert trips["direct"] >= 2.8
    assert trips[COLD] >= 2.8
    assert trips[KEPT] >= 0.8
    assert trips[READY] >= 0.8
    heads, rows = far.table(list(found.values()))
    assert all(len(row) == len(heads) for row in rows)


def test_the_table_tells_what_is_saved() -> None:
    def measure(way: str, *values: float) -> Measure:
        return Measure("far", {"round trip": "80", "way": way}, "ms", list(values))

    _, rows = far.table([measure("direct", 240, 250, 260), measure(READY, 80, 100, 110)])
    assert [row[-1] for row in rows] == ["", "150 ms"]


def test_without_trustme_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match="trustme"):
        list(far.run(Setting(), Progress()))

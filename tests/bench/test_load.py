from __future__ import annotations

import pytest

pytest.importorskip("uvloop")

from bench import load
from bench.load import P99, RATE
from ccproxy.measure.suite import Progress, Setting
from ccproxy.measure.ways import Stage, Way, stage


def test_a_short_run_measures_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "SHORT_NUMBERS", (1, 2))
    monkeypatch.setattr(load, "SHORT_WINDOW", 0.2)
    found = list(load.run(Setting(short=True, only={"way": ["relay", "ccproxy"]}), Progress()))
    rates = [m for m in found if m.labels["measure"] == RATE]
    assert [(m.labels["connections"], m.labels["way"]) for m in rates] == [
        ("1", "relay"),
        ("1", "ccproxy"),
        ("2", "relay"),
        ("2", "ccproxy"),
    ]
    assert all(len(m.values) == 2 for m in rates)
    heads, rows = load.table(found)
    assert all(len(row) == len(heads) for row in rows)
    assert rows[-1][:2] == ["within 100 ms", "ccproxy"]


def test_the_most_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {1: (100.0, 4.0), 2: (180.0, 9.0), 4: (170.0, 60.0), 8: (0.0, 1000.0)}
    monkeypatch.setattr(load, "NUMBERS", tuple(seen))
    monkeypatch.setattr(
        load, "one_round", lambda way, number, seconds: {RATE: ("/s", seen[number][0]), P99: ("ms", seen[number][1])}
    )
    found = list(load.run(Setting(rounds=1, only={"way": ["direct"]}), Progress()))
    assert {m.labels["measure"]: m.values for m in found if "connections" not in m.labels} == {
        "within 5 ms": [100.0],
        "within 10 ms": [180.0],
        "within 50 ms": [180.0],
        "within 100 ms": [180.0],
    }


def test_a_way_that_fails_serves_nothing() -> None:
    with stage() as there:
        assert isinstance(there, Stage)
        nowhere = Way("bad", "gemini", there.upstream.port, model="unknown")
        assert load.one_round(nowhere, 1, 0.1)[RATE] == ("/s", 0.0)

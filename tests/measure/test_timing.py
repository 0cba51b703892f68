from __future__ import annotations

import gc

import pytest

from ccproxy.measure import timing


def test_ways_take_turns_and_each_has_a_value_per_round(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(timing, "clock", lambda: len(done) * 1000)

    def way(name: str) -> timing.Ready:
        return lambda: lambda: done.append(name)

    found = timing.interleaved({"ours": way("ours"), "floor": way("floor")}, rounds=2, tries=2)
    assert done == ["ours", "floor", *["floor"] * 2, *["ours"] * 4, *["floor"] * 2]
    assert found == {"ours": pytest.approx([1e-6, 1e-6]), "floor": pytest.approx([1e-6, 1e-6])}


def test_the_collector_is_as_it_was() -> None:
    with timing.uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()

from __future__ import annotations

import pytest

from ccproxy.measure import noise


def test_the_steal_column() -> None:
    assert noise.steal_ticks("cpu  10 1 5 80 2 0 1 7 3 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == (7, 106)
    assert noise.steal_ticks("cpu  10 1 5 80\n") == (0, 96)  # an old kernel


def test_a_watch_tells_what_varied(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.010, 0.012, 0.011])
    ticks = iter([(5, 1000), (15, 2000)])
    monkeypatch.setattr(noise, "calibrate", lambda: next(times))
    monkeypatch.setattr(noise, "_ticks", lambda: next(ticks))
    monkeypatch.setattr(noise, "_load", lambda: 1.5)
    watch = noise.Watch()
    watch.look()
    watch.look()
    told = watch.told()
    assert told["calibration_ms"] == [10, 12, 11]
    assert told["spread"] == pytest.approx(0.002 / 0.011)
    assert (told["load"], told["steal"]) == ([1.5, 1.5, 1.5], 0.01)
    assert noise.sentence(told) == "a fixed loop varied by 18%, load average 1.5 to 1.5, 1.0% of the time stolen"


def test_a_system_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "_ticks", lambda: None)
    monkeypatch.setattr(noise, "_load", lambda: None)
    told = noise.Watch().told()
    assert (told["steal"], told["spread"]) == (None, 0)
    assert noise.sentence(told) == "a fixed loop varied by 0%"

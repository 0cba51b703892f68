from __future__ import annotations

import pytest

pytest.importorskip("uvloop")

from bench import streams
from bench.clients import SeenStreams
from bench.streams import judged
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting


def test_what_a_round_tells() -> None:
    seen = SeenStreams(seconds=1.0, cpu=0.5, memory=5 * 2**20, lags=[0.001] * 500, ended=10, kept=9)
    assert judged(seen, 10, 3 * 2**20) == {
        "kept": ("%", 90.0),
        "event, p50": ("ms", 1.0),
        "event, p99": ("ms", 1.0),
        "CPU per event": ("µs", 1000.0),
        "CPU": ("% of a core", 50.0),
        "memory per stream": ("KiB", 204.8),
    }


def test_streams_of_which_too_little_was_sent_are_not_kept() -> None:
    assert judged(SeenStreams(seconds=1.0, lags=[0.001] * 400, ended=10, kept=10), 10, None)["kept"] == ("%", 0.0)
    assert judged(SeenStreams(seconds=1.0), 10, None) == {"kept": ("%", 0.0)}


def test_a_short_run_measures_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SHORT_NUMBERS", (2,))
    monkeypatch.setattr(streams, "SHORT_WINDOW", 1.0)
    found = list(streams.run(Setting(short=True, only={"way": ["direct", "ccproxy"]}), Progress()))
    assert {m.labels["way"] for m in found} == {"direct", "ccproxy"}
    assert {m.labels.get("streams") for m in found} == {"2", None}
    cpu = [m for m in found if m.labels["measure"] == "CPU per event"]
    assert [m.labels["way"] for m in cpu] == ["ccproxy"]
    heads, rows = streams.table(found)
    assert all(len(row) == len(heads) for row in rows)
    assert [row[1:3] for row in rows[-2:]] == [["direct", "most kept"], ["ccproxy", "most kept"]]


def test_the_most_kept_is_where_all_smaller_numbers_were_kept_too(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = {1: 100.0, 8: 99.0, 32: 100.0}
    monkeypatch.setattr(streams, "NUMBERS", tuple(shares))
    monkeypatch.setattr(streams, "one_round", lambda there, start, number, seconds: {"kept": ("%", shares[number])})
    found = list(streams.run(Setting(only={"way": ["direct"]}), Progress()))
    assert found[-1] == Measure("streams", {"measure": "most kept", "way": "direct"}, "streams", [1], "more")

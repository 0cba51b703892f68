from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("uvloop")

from bench import load, peers
from bench.gateways import Gateway, Place
from bench.installed import Unusable
from bench.peers import ADDED, IDLE, KEPT, NOT_MEASURED
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting
from ccproxy.measure.ttft import BURST_CPU, FIRST

PAIR = ("openai", "openai")


def relaying(place: Place) -> list[str]:
    return [sys.executable, "-m", "ccproxy.measure.relay", str(place.port), place.origin.rpartition(":")[2]]


GOOD = Gateway("good", "PyPI", "good", "1.0", [PAIR], relaying)
BROKEN = Gateway("broken", "PyPI", "broken", "2.0", [PAIR], lambda place: [sys.executable, "-c", "raise SystemExit('no')"])
ABSENT = Gateway("absent", "npm", "absent", "3.0", [PAIR], relaying)
ELSEWHERE = Gateway("elsewhere", "npm", "elsewhere", "4.0", [("claude", "gemini")], relaying)


def installed(gateway: Gateway, base: Path) -> Path:
    if gateway is ABSENT:
        raise Unusable("cannot be installed: no such thing")
    return base


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "GATEWAYS", (GOOD, BROKEN, ABSENT, ELSEWHERE))
    monkeypatch.setattr(peers, "installed", installed)
    monkeypatch.setattr(peers, "SHORT_PAIRS", (PAIR,))
    monkeypatch.setattr(peers, "SHORT_ROUNDS", 2)
    monkeypatch.setattr(peers, "SHORT_BURSTS", 1)
    monkeypatch.setattr(peers, "SHORT_CONNECTIONS", (2,))
    monkeypatch.setattr(peers, "SHORT_STREAMS", (1,))
    monkeypatch.setattr(peers, "SHORT_WINDOW", 0.1)


@pytest.mark.usefixtures("small")
def test_each_way_is_measured_and_what_cannot_be_is_told() -> None:
    found = list(peers.run(Setting(short=True), Progress()))
    ways = {m.labels["way"] for m in found if m.labels["measure"] == FIRST}
    assert ways == {"direct", "relay", "ccproxy", "good 1.0"}
    assert {m.labels["way"] for m in found if m.labels["measure"] == ADDED} == ways - {"direct"}
    for measure in (load.RATE, KEPT):
        assert {m.labels["way"] for m in found if m.labels["measure"] == measure} == ways
    assert list(peers.absent(found)) == [
        ("absent 3.0", "cannot be installed: no such thing"),
        ("broken 2.0, openai", "does not start: no"),
    ]
    heads, rows = peers.table(found)
    assert all(len(row) == len(heads) for row in rows)
    assert rows[-1][:2] == [NOT_MEASURED, "broken 2.0, openai: does not start: no"]


@pytest.mark.usefixtures("small")
def test_one_that_does_not_answer_is_told_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    told = peers.usable

    def usable(way: peers.Way, stream: bool = True) -> peers.Way:
        if way.name == "good 1.0" and stream:
            raise Unusable("answers HTTP/1.1 500")
        return told(way, stream)

    monkeypatch.setattr(peers, "usable", usable)
    only = {"way": ["good*"]}
    found = list(peers.run(Setting(short=True, only=only), Progress()))
    assert list(peers.absent(found)) == [("good 1.0, openai to openai", "streams: answers HTTP/1.1 500")]
    assert {m.labels["way"] for m in found if m.labels["measure"] == load.RATE} == {"direct", "good 1.0"}
    assert {m.labels["way"] for m in found if m.labels["measure"] == FIRST} == {"direct"}


def test_a_way_that_did_not_keep_all_is_not_asked_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def one_round(there: object, start: object, number: int, window: float) -> dict[str, tuple[str, float]]:
        way = start(there, None).name  # type: ignore[operator]
        asked.append((way, number))
        return {"kept": ("%", 100.0 if way == "a" else 50.0)}

    monkeypatch.setattr(peers.streams, "one_round", one_round)
    ways = [peers.Way(name, "openai", 1) for name in ("a", "b")]
    found = list(peers._paced(Setting(short=True), {}, None, ways))  # type: ignore[arg-type]
    assert asked == [("a", 64), ("b", 64), ("a", 256)]
    assert [(m.labels["way"], m.labels["at once"], m.better) for m in found] == [
        ("a", "64", "more"),
        ("b", "64", "more"),
        ("a", "256", "more"),
    ]


def test_side_by_side_is_a_row_for_each_pair_and_way() -> None:
    labels = {"client": "claude", "upstream": "openai", "way": "x"}
    cpu = Measure("peers", {**labels, "measure": BURST_CPU}, "µs", [2.0])
    idle = Measure("peers", {**labels, "measure": IDLE}, "MiB", [30.0])
    ((pair, way, found),) = peers.side_by_side([cpu, idle])
    assert (pair, way) == (("claude", "openai"), "x")
    assert [m for m in found if m] == [cpu, idle]

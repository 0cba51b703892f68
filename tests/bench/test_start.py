from __future__ import annotations

import io
import os

import pytest

from bench import start
from ccproxy.measure.suite import Progress, Setting


def test_imports_are_measured_beside_their_floor() -> None:
    measures = list(start.run(Setting(rounds=1, only={"what": ["import"]}), Progress(out=io.StringIO())))
    assert [m.labels["way"] for m in measures] == ["floor", "library", "converters", "all protocols", "server"]


def test_a_start_and_what_the_process_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SHORT_REQUESTS": 3, "SHORT_STREAMS": 2, "SETTLE_SECONDS": 0}.items():
        monkeypatch.setattr(start, name, value)
    setting = Setting(short=True, rounds=1, only={"what": ["start*", "memory"]})
    measures = {(m.labels["way"], m.labels.get("state")): m for m in start.run(setting, Progress(out=io.StringIO()))}
    assert measures["ccproxy", None].median > 0
    if start.resident(os.getpid()) is None:
        pytest.skip("this system has no /proc")
    assert measures.keys() >= {("ccproxy", "idle"), ("ccproxy", "after 3 requests"), ("ccproxy", "for each open stream")}


def test_the_memory_of_a_process_that_is_not_there() -> None:
    assert start.resident(2**22 + 1) is None

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from ccproxy.measure import running
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting, Suite


def counted(setting: Setting, progress: Progress) -> Iterator[Measure]:
    yield Measure("counted", {}, "rounds", [float(setting.rounds_or(9, 3))])


def test_a_run_has_the_measures_and_what_judges_them() -> None:
    suite = Suite("counted", "A count", counted)
    run = running.run([suite, suite], Setting(short=True))
    assert [measure.median for measure in run.measures] == [3, 3]
    assert len(run.noise["calibration_ms"]) == 3
    assert run.machine["cores"] >= 1
    assert "python" in run.versions
    assert run.started.endswith("+00:00")


def test_a_suite_is_imported_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("a_suite")
    module.SUITE = Suite("counted", "A count", counted)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_suite", module)
    assert running.load("counted", {"counted": "a_suite"}) is module.SUITE

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ccproxy.cli import bench
from ccproxy.measure import running
from ccproxy.measure.results import Measure, Run
from ccproxy.measure.suite import Progress, Setting, Suite


def echoed(setting: Setting, progress: Progress) -> Iterator[Measure]:
    yield Measure("some", {"only": str(dict(setting.only)), "short": str(setting.short)}, "rounds", [setting.rounds or 0.5])


@pytest.fixture
def some_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "load", lambda name, known: Suite("some", "Some suite", echoed))
    monkeypatch.setattr(bench, "SUITES", {"some": "nowhere"})


@pytest.mark.usefixtures("some_suite")
def test_a_table_and_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    said = ["--short", "--rounds", "4", "--only", "client=claude", "--only", "client=g*", "--json", str(path)]
    result = CliRunner().invoke(bench.command, said)
    assert result.exit_code == 0
    assert "machine " in result.stdout
    assert "Some suite" in result.stdout
    (measure,) = Run.from_json(path.read_bytes()).measures
    assert measure.labels == {"only": "{'client': ['claude', 'g*']}", "short": "True"}
    assert measure.values == [4]


def test_a_filter_without_a_value_is_a_usage_error() -> None:
    result = CliRunner().invoke(bench.command, ["--only", "claude"])
    assert result.exit_code == 2
    assert "LABEL=VALUE" in result.stderr

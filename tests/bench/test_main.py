from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import bench.__main__ as program
from ccproxy.measure import running
from ccproxy.measure.results import Measure, Run
from ccproxy.measure.suite import Suite


@pytest.fixture
def some_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = Suite("some", "Some suite", lambda setting, progress: iter([Measure("some", {}, "ms", [2.0])]))
    monkeypatch.setattr(running, "load", lambda name, known: suite)
    monkeypatch.setattr(program, "SUITES", {"some": "nowhere"})


@pytest.mark.usefixtures("some_suite")
@pytest.mark.parametrize("said", [["run", "all"], ["all"]])
def test_a_suites_name_runs_it(said: list[str], tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    result = CliRunner().invoke(program.main, [*said, "--json", str(path)])
    assert result.exit_code == 0, result.output
    assert "Some suite" in result.stdout
    assert Run.from_json(path.read_bytes()).measures == [Measure("some", {}, "ms", [2.0])]


@pytest.mark.usefixtures("some_suite")
def test_what_downloads_is_not_run_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SUITES", {"chunks": "nowhere"})
    monkeypatch.setattr(program, "ASKED_FOR", frozenset({"chunks"}))
    assert "Some suite" not in CliRunner().invoke(program.main, ["all"]).stdout
    assert "Some suite" in CliRunner().invoke(program.main, ["chunks"]).stdout


def test_an_unknown_suite_is_a_usage_error() -> None:
    result = CliRunner().invoke(program.main, ["chnks"])
    assert result.exit_code == 2
    assert "chnks" in result.stderr


@pytest.mark.usefixtures("some_suite")
def test_the_list() -> None:
    assert CliRunner().invoke(program.main, ["list"]).stdout == "some       Some suite\n"


def test_two_files_are_compared(tmp_path: Path) -> None:
    noise = {"calibration_ms": [1.0], "spread": 0.0}
    paths = []
    for name, value in (("a", 1.0), ("b", 2.0)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(Run("", {}, {}, noise, [Measure("some", {}, "ms", [value])]).to_json())
    result = CliRunner().invoke(program.main, ["compare", *map(str, paths)])
    assert "1 measures in both, 1 moved" in result.stdout
    assert "+100%" in result.stdout


def test_a_file_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("{}")
    result = CliRunner().invoke(program.main, ["compare", str(path), str(path)])
    assert result.exit_code == 1
    assert "no run of the bench" in result.stderr

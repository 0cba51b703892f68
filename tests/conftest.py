"""The judges' tables at the end of a run (`test_judge.py`, `test_request_judge.py`)."""

from __future__ import annotations

from collections import Counter

import pytest

from ccproxy.protocols import PROTOCOLS

TABLES = {
    "judged": "recorded answers and streams that arrive whole: client (down) by upstream (across)",
    "judged request": "requests that arrive whole: client (down) by upstream (across)",
}
"""The property that a judged case has -> the title of its table."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, title in TABLES.items():
        passed, judged = _counted(terminalreporter, name)
        if judged:
            terminalreporter.section(title)
            _write(terminalreporter, passed, judged)


def _counted(reporter: pytest.TerminalReporter, name: str) -> tuple[Counter[str], Counter[str]]:
    """(passed, judged) by pair."""
    passed: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            for key, pair in getattr(report, "user_properties", []):
                if key == name:
                    judged[pair] += 1
                    passed[pair] += outcome == "passed"
    return passed, judged


def _write(reporter: pytest.TerminalReporter, passed: Counter[str], judged: Counter[str]) -> None:
    reporter.write_line(" " * 10 + "".join(f"{name:>12}" for name in PROTOCOLS))
    for client in PROTOCOLS:
        cells = [f"{client} {upstream}" for upstream in PROTOCOLS]
        shown = "".join(f"{f'{passed[c]}/{judged[c]}' if judged[c] else '-':>12}" for c in cells)
        reporter.write_line(f"{client:<10}{shown}")

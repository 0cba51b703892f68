"""Tables at the end of a run: the judges' (`test_judge.py`, `test_request_judge.py`), the real clients' (`clients/`)."""

from __future__ import annotations

from collections import Counter

import pytest

from ccproxy.protocols import PROTOCOLS

Pair = tuple[str, str]

TABLES = {
    "judged": "recorded answers and streams that arrive whole: client (down) by upstream (across)",
    "judged request": "requests that arrive whole: client (down) by upstream (across)",
    "real client": "tasks of two turns that real clients completed (down) by upstream (across)",
    "real client, compat": "the same in compat mode, over models that write only text",
}
"""The property that a case has, which is its row and its column -> the title of its table."""

MISSING = "client not installed: "
"""What the reason begins with when a real client is skipped."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, title in TABLES.items():
        passed, judged = _counted(terminalreporter, name)
        if judged:
            terminalreporter.section(title)
            _write(terminalreporter, passed, judged)
    for reason in sorted(_missing(terminalreporter)):
        terminalreporter.write_line(reason)


def _missing(reporter: pytest.TerminalReporter) -> set[str]:
    """Why clients are not in the table."""
    reasons = [
        str(report.longrepr[2]) for report in reporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)
    ]
    return {reason.removeprefix("Skipped: ") for reason in reasons if MISSING in reason}


def _counted(reporter: pytest.TerminalReporter, name: str) -> tuple[Counter[Pair], Counter[Pair]]:
    """(passed, judged) by pair."""
    passed: Counter[Pair] = Counter()
    judged: Counter[Pair] = Counter()
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            for key, pair in getattr(report, "user_properties", []):
                if key == name:
                    row, _, column = pair.rpartition(" ")
                    judged[row, column] += 1
                    passed[row, column] += outcome == "passed"
    return passed, judged


def _write(reporter: pytest.TerminalReporter, passed: Counter[Pair], judged: Counter[Pair]) -> None:
    present = {row for row, _ in judged}
    rows = [*(name for name in PROTOCOLS if name in present), *sorted(present - PROTOCOLS.keys())]
    width = max(10, *(len(row) + 2 for row in rows))
    reporter.write_line(" " * width + "".join(f"{name:>12}" for name in PROTOCOLS))
    for row in rows:
        cells = [(row, column) for column in PROTOCOLS]
        shown = "".join(f"{f'{passed[c]}/{judged[c]}' if judged[c] else '-':>12}" for c in cells)
        reporter.write_line(f"{row:<{width}}{shown}")

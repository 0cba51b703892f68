"""The judge's table at the end of a run (`test_judge.py`)."""

from __future__ import annotations

from collections import Counter

import pytest

from ccproxy.protocols import PROTOCOLS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, pair in getattr(report, "user_properties", []):
                if name == "judged":
                    judged[pair] += 1
                    passed[pair] += outcome == "passed"
    if not judged:
        return
    terminalreporter.section("recorded answers and streams that arrive whole: client (down) by upstream (across)")
    terminalreporter.write_line(" " * 10 + "".join(f"{name:>12}" for name in PROTOCOLS))
    for client in PROTOCOLS:
        cells = [f"{client} {upstream}" for upstream in PROTOCOLS]
        shown = "".join(f"{f'{passed[c]}/{judged[c]}' if judged[c] else '-':>12}" for c in cells)
        terminalreporter.write_line(f"{client:<10}{shown}")

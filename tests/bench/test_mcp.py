from __future__ import annotations

import pytest

from bench import mcp
from bench.mcp import BARE, DIRECT, THROUGH
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting


@pytest.mark.parametrize("kind", mcp.KINDS)
def test_each_way_is_measured(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "CALLS", 3)
    found = list(mcp.run(Setting(rounds=1, only={"server": [kind]}), Progress()))
    assert [m.labels for m in found] == [{"server": kind, "way": way} for way in (DIRECT, THROUGH, BARE)]
    heads, rows = mcp.table(found)
    assert all(len(row) == len(heads) for row in rows)


def test_the_table_tells_what_is_added() -> None:
    def measure(way: str, *values: float) -> Measure:
        return Measure("mcp", {"server": "stdio", "way": way}, "ms", list(values))

    _, rows = mcp.table([measure(DIRECT, 1, 2, 3), measure(THROUGH, 2, 4, 4)])
    assert [row[-1] for row in rows] == ["", "1.00 ms"]

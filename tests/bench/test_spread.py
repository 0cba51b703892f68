from __future__ import annotations

from click.testing import CliRunner

from bench.spread import MOST, main, simulated


def test_the_table_has_a_row_for_each_pool() -> None:
    result = CliRunner().invoke(main, ["--requests", "60"])
    assert result.exit_code == 0, result.output
    head, _, *rows = result.output.splitlines()
    assert head.startswith("| keys | targets | pairs | served |")
    assert len(rows) == MOST * MOST
    assert all(row.endswith("| 0 |") for row in rows)


def test_without_failures_nobody_serves_more_than_one_request_more() -> None:
    spread = simulated(3, 4, 600, calm=True)
    assert set(spread.served.values()) == {50}
    assert (spread.attempts, spread.unserved, spread.shares) == (600, 0, (1.0, 1.0))


def test_the_same_seed_gives_the_same_run() -> None:
    assert simulated(2, 3, 300, 7) == simulated(2, 3, 300, 7)
    assert simulated(2, 3, 300, 7) != simulated(2, 3, 300, 8)

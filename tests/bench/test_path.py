from __future__ import annotations

from click.testing import CliRunner

from bench.path import PARTS, Way, costs, main


def test_the_table_has_a_row_for_each_part() -> None:
    result = CliRunner().invoke(main, ["openai", "openai", "--modules", "3"])
    assert result.exit_code == 0, result.output
    head, _, *rows = result.output.splitlines()
    assert head == "| pair | part | instructions | calls | µs |"
    assert [row.split(" | ")[1] for row in rows[:3]] == list(PARTS)
    assert rows[-1].startswith("openai to openai, percent of the instructions: ")
    assert rows[-1].count(", ") == 3


def test_the_same_way_costs_the_same() -> None:
    way = Way("claude", "ollama", bare=True)
    first, second = costs(way), costs(way)
    assert first == second
    assert all(cost.calls and cost.instructions for cost in first.values())


def test_only_what_is_ours_is_counted() -> None:
    cost = costs(Way("openai", "openai"))["request"]
    assert ("transport.serving", "ClientConnection.received") in cost.instructions
    assert ("model", "Context.__init__") in cost.instructions
    assert not [module for module in cost.modules() if module.startswith("bench")]

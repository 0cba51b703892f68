"""`ccproxy mcp`: its commands are where the table says."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ccproxy.cli import main
from ccproxy.cli.mcp import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, ["mcp", name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main mcp {name}")


def test_the_group_lists_them() -> None:
    output = CliRunner().invoke(main, ["mcp", "--help"]).output
    assert all(what in output for _, _, what in COMMANDS.values())


def test_an_unknown_command_is_told() -> None:
    assert CliRunner().invoke(main, ["mcp", "lst"]).exit_code == 2

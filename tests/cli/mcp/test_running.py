"""What the commands need before they can speak with servers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

from ccproxy.cli import main
from ccproxy.cli.mcp.running import run


@pytest.mark.parametrize(
    ("config", "group", "words"),
    [
        ('[providers.p]\nprotocol = "openai"', "", "has no MCP servers"),
        ("[mcp.fetch]", "x", 'there is no group "x"'),
        ("[mcp.servers.x]", "", "1 problem"),
    ],
)
def test_configurations_that_do_not_do(tmp_path: Path, config: str, group: str, words: str) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(config)
    result = CliRunner().invoke(main, ["mcp", "list", "--config", str(path), "--group", group])
    assert (result.exit_code, words in result.stderr) == (1, True), result.output


def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "mcp_types" else find(name))
    result = CliRunner().invoke(main, ["mcp", "list"])
    assert (result.exit_code, "pip install 'ccproxy-llm[mcp]'" in result.stderr) == (1, True)


def test_errors_within_task_groups() -> None:
    async def fails(error: Exception) -> None:
        raise ExceptionGroup("a", [ExceptionGroup("b", [error])])

    with pytest.raises(KeyError):
        run(fails, KeyError("x"))

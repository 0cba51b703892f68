"""What the commands need before they can speak with servers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from mcp.shared.exceptions import MCPError

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


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx2.ReadError("x"), "broke off; a call may have taken effect"),
        (MCPError(-32602, "no such tool"), "no such tool"),
    ],
)
def test_what_goes_wrong_on_the_way_is_told(
    error: Exception, words: str, grouped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails() -> None:
        raise ExceptionGroup("a", [error]) if grouped else error

    with pytest.raises(SystemExit) as ended:
        run(fails)
    assert (ended.value.code, words in capsys.readouterr().err) == (1, True)

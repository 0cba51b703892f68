"""`ccproxy mcp add`, `remove`, `enable`, `disable`, on files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.config import load

CONFIG = """\
# mine
[mcp]
timeout = 90  # slow ones

# my notes
[mcp.servers.files]
command = "npx"  # from npm
token = "${NOT_SET}"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ccproxy.toml"
    path.write_text(CONFIG.replace('token = "${NOT_SET}"\n', ""))
    return path


def run(path: Path, *arguments: str) -> Result:
    name, *rest = arguments
    return CliRunner().invoke(main, ["mcp", name, "--config", str(path), *rest])


def servers(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(path.read_text())["mcp"]["servers"]
    return found


def test_a_command(path: Path) -> None:
    result = run(path, "add", "notes", "-e", "A=b=c", "--cwd", "x", "--deny", "write_*", "--", "uvx", "pkg", "--flag", "-v")
    assert result.exit_code == 0, result.output
    assert servers(path)["notes"] == {
        "command": "uvx",
        "args": ["pkg", "--flag", "-v"],
        "env": {"A": "b=c"},
        "cwd": "x",
        "deny": ["write_*"],
    }
    assert "# from npm" in path.read_text()
    assert load(path, {}).mcp is not None


def test_an_address(path: Path) -> None:
    result = run(
        path, "add", "issues", "--url", "https://e.test/mcp", "-H", "X-Team: a: b", "--token", "${T}", "--timeout", "5"
    )
    assert result.exit_code == 0, result.output
    assert servers(path)["issues"] == {
        "url": "https://e.test/mcp",
        "headers": {"X-Team": "a: b"},
        "token": "${T}",
        "timeout": 5.0,
    }
    assert load(path, {"T": "x"}).mcp is not None


def test_a_name_that_is_there(path: Path) -> None:
    result = run(path, "add", "files", "--", "uvx")
    assert (result.exit_code, "already" in result.stderr) == (1, True)
    assert run(path, "add", "files", "--replace", "--", "uvx").exit_code == 0
    assert servers(path)["files"] == {"command": "uvx"}


WRONG = [
    (("x__y", "--", "a"), "x__y: must be letters and digits"),
    (("x", "--url", "ftp://e.test"), "x.url: must be a URL"),
    (("x", "--url", "https://e.test", "--env", "A=b"), "x.env: belongs to a server with command"),
    (("x", "--token", "t", "--", "a"), "x.token: belongs to a server with url"),
    (("x", "--timeout", "0", "--", "a"), "x.timeout: must be a number"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_what_the_configuration_does_not_take(path: Path, arguments: tuple[str, ...], words: str) -> None:
    before = path.read_text()
    result = run(path, "add", *arguments)
    assert (result.exit_code, words in result.stderr) == (1, True), result.output
    assert path.read_text() == before


@pytest.mark.parametrize(
    "arguments",
    [("x",), ("x", "--url", "https://e.test", "--", "a"), ("x", "-e", "A", "--", "a"), ("x", "--transport", "ws"), ()],
)
def test_what_was_asked_wrongly(path: Path, arguments: tuple[str, ...]) -> None:
    assert run(path, "add", *arguments).exit_code == 2


def test_remove(path: Path) -> None:
    assert run(path, "remove", "files").exit_code == 0
    assert tomllib.loads(path.read_text()) == {"mcp": {"timeout": 90}}
    assert "# slow ones" in path.read_text()
    result = run(path, "remove", "files")
    assert (result.exit_code, "there is no server files" in result.stderr) == (1, True)


def test_an_unknown_name_is_told_with_the_nearest(path: Path) -> None:
    result = run(path, "disable", "file")
    assert (result.exit_code, "did you mean files?" in result.stderr) == (1, True)


def test_disable_and_enable(path: Path) -> None:
    before = path.read_text()
    assert run(path, "enable", "files").output == "files is enabled already\n"
    assert run(path, "disable", "files").output == "files is disabled now\n"
    assert servers(path)["files"] == {"command": "npx", "enabled": False}
    assert run(path, "disable", "files").output == "files is disabled already\n"
    assert run(path, "enable", "files").output == "files is enabled now\n"
    assert path.read_text() == before


def test_without_the_servers_environment(path: Path) -> None:
    path.write_text(CONFIG)
    assert run(path, "disable", "files").exit_code == 0


def test_a_file_that_cannot_be_read(path: Path) -> None:
    path.write_text("[mcp\n")
    for arguments in (("add", "x", "--", "a"), ("remove", "x"), ("enable", "x")):
        result = run(path, *arguments)
        assert (result.exit_code, "not valid TOML" in result.stderr) == (1, True)


def test_without_a_file(tmp_path: Path) -> None:
    result = run(tmp_path / "none.toml", "add", "x", "--", "a")
    assert (result.exit_code, "there is no such file" in result.stderr) == (1, True)

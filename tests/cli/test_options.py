"""What a shell completes, by the words before."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from ccproxy.cli import COMMANDS, main
from ccproxy.cli.clients import CLIENTS
from tests.cli.served import configuration


def completed(*words: str) -> list[str]:
    *before, incomplete = words
    items = ShellComplete(main, {}, "ccproxy", "_CCPROXY_COMPLETE").get_completions(before, incomplete)
    return [item.value for item in items]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = configuration(tmp_path)
    monkeypatch.setenv("CCPROXY_CONFIG", str(path))
    return path


def test_what_is_said_of_a_word_has_no_comma() -> None:
    for item in ShellComplete(main, {}, "ccproxy", "_CCPROXY_COMPLETE").get_completions([], ""):
        assert "," not in (item.help or "")


def test_commands() -> None:
    assert completed("") == list(COMMANDS)
    assert completed("s") == ["serve", "switch"]
    assert completed("--v") == ["--version"]


def test_groups() -> None:
    assert completed("switch", "") == ["qwen", "bots"]
    assert completed("groups", "b") == ["bots"]
    assert completed("models", "q") == ["qwen"]
    assert completed("env", "") == ["qwen", "bots", "switch"]
    assert completed("run", "qwen/") == ["qwen/compat"]
    assert completed("keys", "add", "phone", "--group", "") == ["qwen", "bots"]


def test_keys_and_clients() -> None:
    assert completed("keys", "") == ["add", "list", "remove"]
    assert completed("keys", "remove", "") == ["laptop", "ci"]
    assert completed("env", "qwen", "--key", "l") == ["laptop"]
    assert completed("env", "--client", "") == list(CLIENTS)
    assert completed("env", "--shell", "p") == ["powershell"]


def test_the_clients_that_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "codex"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert completed("run", "qwen", "--", "c") == ["codex", "c"], "the last one asks the shell for files"


def test_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[groups.mine.models]\na = 'p/a'\n")
    assert completed("switch", "--config", str(other), "") == ["mine"]


@pytest.mark.parametrize("content", ["[", "groups = 1", "\xff"])
def test_a_file_that_cannot_be_read_completes_nothing_and_says_nothing(
    content: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(content.encode("latin-1"))
    assert completed("keys", "remove", "") == []
    assert completed("switch", "") == ["default"]
    file.unlink()
    assert completed("switch", "") == ["default"]
    assert capsys.readouterr() == ("", "")


def test_mcp_servers(file: Path) -> None:
    assert completed("mcp", "remove", "") == []
    file.write_text(
        file.read_text() + '\n[mcp.servers.files]\ncommand = "npx"\n[mcp.servers.issues]\nurl = "https://e.test"\n'
    )
    assert completed("mcp", "remove", "") == ["files", "issues"]
    assert completed("mcp", "list", "f") == ["files"]
    assert completed("mcp", "call", "--group", "q") == ["qwen"]
    file.write_text("mcp = 3")
    assert completed("mcp", "enable", "") == []

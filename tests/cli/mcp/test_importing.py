"""`ccproxy mcp import`, on files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.cli.mcp.importing import CLIENTS, masked

CONFIG = '# mine\n[mcp.servers.files]  # notes\ncommand = "npx"\n'
THEIRS = {
    "mcpServers": {
        "files": {"command": "npx"},
        "issues": {
            "type": "http",
            "url": "https://e.test/mcp?k=v",
            "headers": {"Authorization": "Bearer abcdefghijklmnop"},
        },
        "odd": {"type": "ws", "url": "wss://e.test"},
        "ccproxy": {"type": "http", "url": "http://127.0.0.1:11434/mcp/http"},
    }
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CLINE_MCP_SETTINGS_PATH", "CCPROXY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    (project / "ccproxy.toml").write_text(CONFIG)
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["mcp", "import", *arguments])


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def servers() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(Path("ccproxy.toml").read_text())["mcp"]["servers"]
    return found


def test_a_file(home: Path) -> None:
    write(Path("mcp.json"), THEIRS)
    result = run("mcp.json")
    assert result.exit_code == 1, "odd was not taken"
    assert "files: is there already" in result.stdout
    assert "issues: added\n  https://e.test/mcp\n  note: holds a secret in plain text" in result.stdout
    assert 'odd: not taken: its type "ws" is not known here' in result.stdout
    assert "ccproxy: left out: it is ccproxy itself" in result.stdout
    assert "abcdefghijklmnop" not in result.output
    assert servers()["issues"] == {
        "url": "https://e.test/mcp?k=v",
        "headers": {"Authorization": "Bearer abcdefghijklmnop"},
    }
    assert Path("ccproxy.toml").read_text().startswith(CONFIG)


def test_a_dry_run_writes_nothing(home: Path) -> None:
    write(Path("mcp.json"), THEIRS)
    result = run("mcp.json", "--dry-run", "--only", "issues")
    assert (result.exit_code, "issues: would be added" in result.stdout) == (0, True)
    assert Path("ccproxy.toml").read_text() == CONFIG


def test_secrets_as_variables(home: Path) -> None:
    write(Path("mcp.json"), THEIRS)
    assert run("mcp.json", "--as-variables", "--only", "issues").exit_code == 0
    assert servers()["issues"]["headers"] == {"Authorization": "Bearer ${AUTHORIZATION}"}


def test_a_name_that_another_server_has(home: Path) -> None:
    write(Path("mcp.json"), {"mcpServers": {"files": {"command": "uvx"}}})
    result = run("mcp.json")
    assert result.exit_code == 1
    assert "files: not taken: another server has this name; --replace overwrites it" in result.stdout
    assert servers()["files"] == {"command": "npx"}
    assert run("mcp.json", "--replace").exit_code == 0
    assert servers()["files"] == {"command": "uvx"}
    assert "# notes" in Path("ccproxy.toml").read_text()


def test_what_the_configuration_does_not_take(home: Path) -> None:
    write(Path("mcp.json"), {"mcpServers": {"x": {"url": "ftp://e.test"}}})
    result = run("mcp.json")
    assert (result.exit_code, "x: not taken: x.url: must be a URL" in result.stdout) == (1, True)


PLACES = {
    "claude-code": [".claude.json"],
    "cline": [
        ".cline/data/settings/cline_mcp_settings.json",
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    ],
    "cursor": [".cursor/mcp.json"],
    "vscode": [".config/Code/User/mcp.json"],
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_clients_own_files(home: Path, client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for i, place in enumerate(PLACES[client]):
        write(home / place, {"mcpServers": {f"s{i}": {"command": "x"}}})
    result = run("--from", client)
    assert result.exit_code == 0, result.output
    assert set(servers()) == {"files", *(f"s{i}" for i in range(len(PLACES[client])))}


def test_claude_codes_projects(home: Path) -> None:
    write(home / ".claude.json", {"projects": {str(Path.cwd()): {"mcpServers": {"mine": {"command": "x"}}}}})
    write(Path(".mcp.json"), {"mcpServers": {"ours": {"command": "y"}}})
    assert run("--from", "claude-code").exit_code == 0
    assert set(servers()) == {"files", "mine", "ours"}


def test_vs_code_with_comments_and_settings_without_servers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    write(home / ".config/Code/User/settings.json", '{"editor.tabSize": 2, // mine\n}')
    write(
        Path(".vscode/mcp.json"),
        '{"inputs": [{"id": "k"}],\n"servers": {"a": {"command": "x", "cwd": "${workspaceFolder}", // here\n},},}',
    )
    result = run("--from", "vscode")
    assert result.exit_code == 0, result.output
    assert servers()["a"] == {"command": "x", "cwd": str(Path.cwd())}


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "line 1"), ("[]", "is not a JSON object"), ("{}", "neither"), ('{"mcpServers": {}}', "no servers in")],
)
def test_files_that_are_none(home: Path, content: str, words: str) -> None:
    write(Path("mcp.json"), content)
    result = run("mcp.json")
    assert (result.exit_code, words in result.stderr) == (1, True)


def test_what_was_asked_wrongly(home: Path) -> None:
    assert run().exit_code == 2
    assert run("x.json", "--from", "cline").exit_code == 2
    assert run("--from", "emacs").exit_code == 2
    missing = run("nothing.json")
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (1, True)
    nowhere = run("--from", "cursor")
    assert (nowhere.exit_code, ".cursor/mcp.json" in nowhere.stderr) == (1, True)
    write(Path("mcp.json"), THEIRS)
    unknown = run("mcp.json", "--only", "isues")
    assert (unknown.exit_code, "servers: files, issues, odd" in unknown.stderr) == (1, True)


def test_what_is_shown_holds_no_secret() -> None:
    assert masked("npx -y pkg --key " + "k" * 60) == "npx -y pkg --key kkkkkk..."
    assert masked("https://e.test/mcp?token=x") == "https://e.test/mcp"

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ccproxy.cli import COMMANDS, main
from tests.cli.served import configuration


def test_the_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("ccproxy")


def test_the_version_and_help_import_nothing_heavy() -> None:
    code = (
        "import sys; from ccproxy.cli import main\n"
        "for flag in ('--version', '--help'):\n"
        "    try: main([flag], standalone_mode=False)\n"
        "    except SystemExit: pass\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'asyncio', 'httpx', 'rich', 'h11', 'anyio', 'tomllib', 'uvloop'}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(main, ["-h"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: main {name}" in result.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["srve"])
    assert result.exit_code == 2
    assert "there is no command 'srve'; did you mean serve?" in result.stderr
    assert "there is no command 'xyzzy'\n" in CliRunner().invoke(main, ["xyzzy"]).stderr


def test_the_package_runs_as_a_module() -> None:
    answer = subprocess.run([sys.executable, "-m", "ccproxy", "--help"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("Usage: ccproxy ")


@pytest.mark.parametrize(
    ("env", "terminal", "coloured"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "", "NO_COLOR": ""}, False, False),
    ],
)
def test_colour(env: dict[str, str], terminal: bool, coloured: bool, tmp_path: Path) -> None:
    path = configuration(tmp_path)
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    words = [sys.executable, "-m", "ccproxy", "groups", "--config", str(path)]
    said = _on_a_terminal(words, kept | env) if terminal else subprocess.check_output(words, env=kept | env)
    assert (b"\x1b[" in said) == coloured
    assert b"claude-*" in said


def _on_a_terminal(words: list[str], env: dict[str, str]) -> bytes:
    pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
    leader, follower = pty.openpty()
    with subprocess.Popen(words, env=env, stdout=follower, stdin=subprocess.DEVNULL):
        os.close(follower)
        said = b""
        try:
            while piece := os.read(leader, 65536):
                said += piece
        except OSError:  # Linux's way to say that nobody writes any more
            pass
    os.close(leader)
    return said

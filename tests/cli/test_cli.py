from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from ccproxy.cli import COMMANDS, main


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
    assert "srve" in result.stderr


def test_the_package_runs_as_a_module() -> None:
    answer = subprocess.run([sys.executable, "-m", "ccproxy", "--help"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("Usage: ccproxy ")

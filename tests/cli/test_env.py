from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.cli.clients import ANY, CLIENTS
from tests.cli.served import configuration


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own, and nothing of the clients in the environment."""
    for name in (
        "XDG_CONFIG_HOME",
        "CI_TOKEN",
        "ANTHROPIC_API_KEY",
        *ANY.unset,
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CCPROXY_CONFIG", str(configuration(tmp_path)))


def env(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["env", *arguments])


def test_it_points_every_sdk_at_the_group() -> None:
    said = env("qwen", "--shell", "bash")
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:11434/qwen" in lines
    assert "export ANTHROPIC_AUTH_TOKEN=cs-laptop" in lines
    assert "export OPENAI_BASE_URL=http://127.0.0.1:11434/qwen/v1" in lines
    assert "export GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:11434/qwen" in lines
    assert "export OLLAMA_HOST=http://127.0.0.1:11434/qwen" in lines
    assert not any(line.startswith("unset") for line in lines), "nothing is in the way"


def test_what_is_in_the_way_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-another-time")
    said = env("qwen/compat", "--client", "claude", "--shell", "fish")
    assert said.stdout.splitlines() == [
        "set -e ANTHROPIC_API_KEY",
        "set -gx ANTHROPIC_BASE_URL 'http://127.0.0.1:11434/qwen/compat'",
        "set -gx ANTHROPIC_AUTH_TOKEN 'cs-laptop'",
    ]


def test_json() -> None:
    document = json.loads(env("switch", "--client", "codex", "--model", "m", "--port", "1", "--json").stdout)
    assert document["group"] == "qwen"
    assert document["url"] == "http://127.0.0.1:1/switch"
    assert document["key"] == "laptop"
    assert document["set"] == {"CCPROXY_API_KEY": "cs-laptop"}
    assert document["arguments"][-2:] == ["-c", 'model="m"']
    assert document["file"] is None


def test_what_no_variable_does_is_said_beside() -> None:
    said = env("qwen", "--client", "zed", "--shell", "bash", "--port", "1")
    assert said.stdout == "export CCPROXY_API_KEY=cs-laptop\n"
    assert '#   "api_url": "http://127.0.0.1:1/qwen/v1",' in said.stderr
    assert "qwen3-coder-plus" in said.stderr


def test_a_file_of_its_own_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    document = json.loads(env("qwen/compat", "--client", "cline", "--port", "1", "--json").stdout)
    path = Path(document["file"])
    assert path.is_relative_to(tmp_path / "home")
    assert path.parent.name == "qwen-compat"
    assert document["set"] == {"CLINE_PROVIDER_SETTINGS_PATH": str(path)}
    assert "cs-laptop" in path.read_text()
    if os.name != "nt":
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_in_a_real_shell() -> None:
    script = (
        f"""eval "$('{sys.executable}' -m ccproxy env qwen)"; echo "$ANTHROPIC_BASE_URL ${{ANTHROPIC_API_KEY-none}}" """
    )
    told = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "ANTHROPIC_API_KEY": "x", "SHELL": "/bin/bash"},
        capture_output=True,
        text=True,
    )
    assert (told.stdout, told.stderr) == ("http://127.0.0.1:11434/qwen none\n", "")


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_has_one(name: str) -> None:
    said = env("qwen", "--client", name, "--model", "m", "--port", "1")
    assert (said.exit_code, "cs-laptop" in said.stderr) == (0, False)


PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, None),
        ({"NO_PROXY": "example.com"}, None),
        ({"HTTP_PROXY": "http://127.0.0.1:7890"}, "127.0.0.1"),
        ({"all_proxy": "socks5://127.0.0.1:7890", "no_proxy": "localhost, .cn"}, "localhost,.cn,127.0.0.1"),
        ({"http_proxy": "http://127.0.0.1:7890", "NO_PROXY": "localhost,127.0.0.1"}, None),
        ({"http_proxy": "http://127.0.0.1:7890", "NO_PROXY": "*"}, None),
    ],
)
def test_clients_reach_it_past_a_proxy(before: dict[str, str], after: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    document = json.loads(env("qwen", "--client", "claude", "--json").stdout)
    assert (document["set"].get("NO_PROXY"), document["set"].get("no_proxy")) == (after, after)


def test_a_mistake_prints_nothing_to_evaluate() -> None:
    said = env("qwn")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "did you mean qwen?" in said.stderr
    assert env().exit_code == 2
    assert env("qwen", "--shell", "tcsh").exit_code == 2

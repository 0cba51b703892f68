from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from tests.cli.served import CONFIG, configuration, serving


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = configuration(tmp_path)
    monkeypatch.setenv("CCPROXY_CONFIG", str(path))
    monkeypatch.delenv("CI_TOKEN", raising=False)
    return path


@pytest.fixture
def closed() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def models(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


def test_without_a_server_the_file_tells(closed: str) -> None:
    said = models("--port", closed)
    assert said.exit_code == 0
    assert [line.split() for line in said.stdout.splitlines()] == [
        ["group", "model", "leads", "to"],
        ["qwen", "qwen3-coder-plus", "up/qwen3-coder-plus"],
        ["bots", "small", "up/small"],
    ]
    assert "qwen: any name like claude-* can be asked for\n" in said.stderr
    assert f"note: no ccproxy answers on http://127.0.0.1:{closed}; these are the names of the file\n" in said.stderr
    assert "note: the token of ci is not known here" in said.stderr


def test_json(closed: str) -> None:
    assert json.loads(models("switch", "--port", closed, "--json").stdout) == [
        {
            "group": "qwen",
            "from": "file",
            "models": [{"name": "qwen3-coder-plus", "targets": ["up/qwen3-coder-plus"]}],
            "patterns": ["claude-*"],
        }
    ]


def test_no_group_is_active(file: Path) -> None:
    file.write_text(CONFIG.replace('active_group = "qwen"', ""))
    said = models("switch")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == "no group is active\nchoose one: ccproxy switch NAME; groups: qwen, bots\n"


def test_the_running_server_is_asked(file: Path) -> None:
    with serving(file, CI_TOKEN="t", NOT_SET_HERE="k", PATH=os.environ["PATH"]) as port:
        said = models("qwen", "--port", str(port))
        file.write_text(CONFIG.replace('"qwen3-coder-plus"', '"renamed"'))
        (changed,) = json.loads(models("qwen", "--port", str(port), "--json", "--key", "laptop").stdout)
    assert "note" not in said.stderr
    assert said.stdout.splitlines()[1].split() == ["qwen", "qwen3-coder-plus", "up/qwen3-coder-plus"]
    assert changed["from"] == "server"
    assert [model["name"] for model in changed["models"]] in (["qwen3-coder-plus"], ["renamed"]), "it follows in a second"


def test_what_the_server_refuses_is_a_note(file: Path) -> None:
    with serving(file, CI_TOKEN="t", NOT_SET_HERE="k", PATH=os.environ["PATH"]) as port:
        other = configuration(file.parent / "home", CONFIG.replace("cs-laptop", "cs-other"))
        said = models("qwen", "--port", str(port), "--config", str(other))
    assert said.exit_code == 0
    assert "the proxy key is not one of this server's keys" in said.stderr
    assert "these are the names of the file" in said.stderr


def test_an_unknown_group() -> None:
    said = models("qwn")
    assert (said.exit_code, said.stderr) == (1, 'there is no group "qwn"; did you mean qwen?\ngroups: qwen, bots\n')


def test_an_unknown_key_is_told(closed: str) -> None:
    assert 'note: there is no key "none" in [keys]' in models("--key", "none", "--port", closed).stderr

"""From GROUP and a client to what the client needs; the rest of it is in `test_env.py` and `test_run.py`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ccproxy.cli.clients import CLIENTS
from ccproxy.cli.setups import written
from ccproxy.config.editing import Put, edit
from tests.cli.served import CONFIG, configuration, serving


def test_what_the_server_lists_is_offered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    path = configuration(tmp_path)
    with serving(path, CI_TOKEN="t", NOT_SET_HERE="k", PATH=os.environ["PATH"]) as port:
        aimed, made = written("qwen", CLIENTS["opencode"], file=str(path), model="", key_name="", port=port, running=True)
    assert aimed.url == f"http://127.0.0.1:{port}/qwen"
    assert '"model": "ccproxy/qwen3-coder-plus"' in made.variables["OPENCODE_CONFIG_CONTENT"]


def test_a_server_that_has_not_followed_a_change_yet_is_waited_for(tmp_path: Path) -> None:
    path = configuration(tmp_path, CONFIG.replace('active_group = "qwen"\n', ""))
    with serving(path, CI_TOKEN="t", NOT_SET_HERE="k", PATH=os.environ["PATH"]) as port:
        edit(path, Put(("server", "active_group"), "qwen"))
        aimed, _ = written("switch", CLIENTS["claude"], file=str(path), model="", key_name="", port=port, running=True)
    assert aimed.url == f"http://127.0.0.1:{port}/switch"


def test_a_file_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("in the way")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(SystemExit):
        written("qwen", CLIENTS["cline"], file=str(configuration(tmp_path)), model="m", key_name="", port=1)
    assert "cline.json cannot be written" in capsys.readouterr().err

"""`ccproxy switch`; that it changes one line of the file, and nothing else of it, is in `tests/config/test_editing.py`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main

FILE = """\
# mine
[server]
port = 1 # x
active_group = "a"  # the one I use

[providers.up]
protocol = "openai"
api_keys = ["${NOT_SET_HERE}"]

[groups.a.models]
m = "up/a"
[groups.b.models]
m = "up/b"
"""


def switch(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["switch", *arguments, "--config", str(path)])


def test_the_command(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_bytes(b"\xef\xbb\xbf" + FILE.encode())
    real.chmod(0o640)
    path = tmp_path / "ccproxy.toml"
    path.symlink_to(real)
    assert switch(path).output == "a\n"
    done = switch(path, "b")
    assert (done.exit_code, done.output) == (0, "/switch leads to b now\n")
    assert real.read_bytes() == b"\xef\xbb\xbf" + FILE.replace('active_group = "a"', 'active_group = "b"').encode()
    assert (path.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o640)
    assert sorted(os.listdir(tmp_path)) == ["ccproxy.toml", "real.toml"]
    assert switch(path).output == "b\n"


def test_an_unknown_group_is_refused_with_the_list(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(FILE)
    done = switch(path, "c")
    assert (done.exit_code, done.output) == (1, 'there is no group "c"\ngroups: a, b\n')
    assert path.read_text() == FILE


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(FILE)
    assert json.loads(switch(path, "--json").output) == {"active": "a", "groups": ["a", "b"]}
    assert json.loads(switch(path, "b", "--json").output) == {"active": "b", "groups": ["a", "b"]}
    path.write_text("[providers.up]\nprotocol = 'openai'\n")
    assert json.loads(switch(path, "--json").output) == {"active": None, "groups": ["default"]}


def test_a_file_without_groups_has_one(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text("[providers.up]\nprotocol = 'openai'\n")
    told = switch(path)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr == "no group is active; choose one: ccproxy switch NAME; groups: default\n"
    assert switch(path, "default").exit_code == 0


def test_what_no_server_follows_is_not_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(FILE.replace("up/a", "down/a"))
    done = switch(path, "b")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no server follows a file with mistakes\n" in done.stderr
    assert 'provider "down"' in done.stderr
    assert switch(path).stdout == "b\n"
    path.write_text(FILE.replace('"openai"', '"openai"\nbase_url = "${NOT_SET_HERE}"'))
    assert switch(path, "b").exit_code == 0, "the server has the variable"


@pytest.mark.parametrize("content", ["[server\n", "server = 1\n[groups.b.models]\n"])
def test_a_file_that_cannot_be_changed(content: str, tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(content)
    done = switch(path, "b")
    assert done.exit_code == 1
    assert str(path) in done.output
    assert ("not valid TOML" in done.output) or ("cannot be set" in done.output)
    assert path.read_text() == content

"""`ccproxy switch`: one line of the file, and nothing else of it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.cli.switch import with_active

GROUPS = '\n[groups.a.models]\nm = "up/a"\n[groups.b.models]\nm = "up/b"\n'
PROVIDER = '[providers.up]\nprotocol = "openai"\napi_keys = ["${NOT_SET_HERE}"]\n'
FILES = {
    "a line": f'# mine\n[server]\nport = 1 # x\nactive_group = "a"  # the one I use\n\n{PROVIDER}{GROUPS}',
    "a line in single quotes": f"[ server ] # s\n  active_group='a'#c\n{PROVIDER}{GROUPS}",
    "a table": f"[server]   # here\nport = 1\n{PROVIDER}{GROUPS}",
    "a table at the end": f"{PROVIDER}{GROUPS}[server]",
    "no table": f"# mine\n{PROVIDER}{GROUPS}",
    "dotted keys": f'server.port = 1\nserver.active_group = "a" # d\n{PROVIDER}{GROUPS}',
    "dotted keys without it": f"server.port = 1\n{PROVIDER}{GROUPS}",
    "another's line": f"[other]\nactive_group = 'a'\n[server]\nport = 1\nactive_group = 'a'\n{PROVIDER}{GROUPS}",
    "a text like a line": f'n = """\n[server]\nactive_group = "a"\n"""\n[server]\nactive_group = "a"\n{PROVIDER}',
    "windows": f'[server]\nactive_group = "a"\n{PROVIDER}{GROUPS}'.replace("\n", "\r\n"),
    "windows without it": f"[server]\nport = 1\n{PROVIDER}{GROUPS}".replace("\n", "\r\n"),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_one_line_changes(content: str) -> None:
    changed = with_active(content, "b")
    assert changed is not None
    before, after = tomllib.loads(content), tomllib.loads(changed)
    assert after["server"].pop("active_group") == "b"
    before.setdefault("server", {}).pop("active_group", None)
    assert after == before
    assert ("\r\n" in content) == ("\r\n" in changed)
    old, new = content.splitlines(), changed.splitlines()
    same = [line for line in old if line in new]
    assert len(old) - len(same) <= 1
    assert len(new) - len(old) <= 3
    assert changed.count("#") == content.count("#")


@pytest.mark.parametrize("content", ["server = { port = 1 }\n", 'server = "x"\n'])
def test_what_no_line_can_do_is_left_alone(content: str) -> None:
    assert with_active(content, "b") is None


def switch(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["switch", *arguments, "--config", str(path)])


def test_the_command(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_bytes(b"\xef\xbb\xbf" + FILES["a line"].encode())
    real.chmod(0o640)
    path = tmp_path / "ccproxy.toml"
    path.symlink_to(real)
    assert switch(path).output == "a\n"
    done = switch(path, "b")
    assert (done.exit_code, done.output) == (0, "/switch leads to b now\n")
    assert (
        real.read_bytes() == b"\xef\xbb\xbf" + FILES["a line"].replace('active_group = "a"', 'active_group = "b"').encode()
    )
    assert (path.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o640)
    assert sorted(os.listdir(tmp_path)) == ["ccproxy.toml", "real.toml"]
    assert switch(path).output == "b\n"


def test_an_unknown_group_is_refused_with_the_list(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(FILES["a line"])
    done = switch(path, "c")
    assert (done.exit_code, done.output) == (1, 'there is no group "c"\ngroups: a, b\n')
    assert path.read_text() == FILES["a line"]


def test_a_file_without_groups_has_one(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(PROVIDER)
    assert switch(path).output == "no group is active; groups: default\n"
    assert switch(path, "default").exit_code == 0


@pytest.mark.parametrize("content", ["[server\n", "server = { port = 1 }\n[groups.b.models]\n"])
def test_a_file_that_cannot_be_changed(content: str, tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(content)
    done = switch(path, "b")
    assert done.exit_code == 1
    assert "cannot be" in done.output
    assert path.read_text() == content

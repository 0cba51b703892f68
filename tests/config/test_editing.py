"""Edits of the configuration file: what they change, and that they change nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccproxy.cli.presets import PRESETS, Choices, written
from ccproxy.config import loads
from ccproxy.config.editing import Edit, Put, Remove, alone, edit, edited, read
from ccproxy.errors import ConfigError

PROVIDER = '[providers.up]\nprotocol = "openai"\napi_keys = ["${NOT_SET_HERE}"]\n'
GROUPS = '\n[groups.a.models]\nm = "up/a"\n[groups.b.models]\nm = "up/b"\n'
ACTIVE = Put(("server", "active_group"), "b")

ONE_LINE = {
    "a line": f'# mine\n[server]\nport = 1 # x\nactive_group = "a"  # the one I use\n\n{PROVIDER}{GROUPS}',
    "a line in single quotes": f"[ server ] # s\n  active_group='a'#c\n{PROVIDER}{GROUPS}",
    "a table": f"[server]   # here\nport = 1\n{PROVIDER}{GROUPS}",
    "a table before a comment": f"[server]   # here\nport = 1\n\n# the provider\n{PROVIDER}{GROUPS}",
    "a table at the end": f"{PROVIDER}{GROUPS}[server]",
    "no table": f"# mine\n{PROVIDER}{GROUPS}",
    "no table, and a comment at the end": f"{PROVIDER}{GROUPS}# end",
    "dotted keys": f'server.port = 1\nserver.active_group = "a" # d\n{PROVIDER}{GROUPS}',
    "dotted keys without it": f"server.port = 1\n{PROVIDER}{GROUPS}",
    "a table in a line": f"server = {{ port = 1 }} # s\n{PROVIDER}{GROUPS}",
    "another's line": f"[other]\nactive_group = 'a'\n[server]\nport = 1\nactive_group = 'a'\n{PROVIDER}{GROUPS}",
    "a text like a line": f'n = """\n[server]\nactive_group = "a"\n"""\n[server]\nactive_group = "a"\n{PROVIDER}',
    "nothing": "",
}


@pytest.mark.parametrize("content", ONE_LINE.values(), ids=ONE_LINE)
def test_one_line_changes(content: str) -> None:
    changed = edited(content, [ACTIVE])
    before, after = tomllib.loads(content), tomllib.loads(changed)
    assert after["server"].pop("active_group") == "b"
    before.setdefault("server", {}).pop("active_group", None)
    assert after == before
    old, new = content.splitlines(), changed.splitlines()
    lost = [line for line in old if line not in new]
    assert len(lost) <= 1
    assert len(new) - len(old) <= 3
    assert changed.count("#") == content.count("#")


CHANGES: dict[str, tuple[str, list[Edit], str]] = {
    "a new key follows the last one, not the next table's comment": (
        '[keys]\na = "1" # first\n\n# about up\n[providers.up]\n',
        [Put(("keys", "b"), "2")],
        '[keys]\na = "1" # first\nb = "2"\n\n# about up\n[providers.up]\n',
    ),
    "a new key is indented as its table's head, not as the comment above that": (
        '# my own\n[server]\nport = 1\n\n# the keys\n  [keys]\n  a = "1"\n',
        [ACTIVE, Put(("keys", "b"), "2")],
        '# my own\n[server]\nport = 1\nactive_group = "b"\n\n# the keys\n  [keys]\n  a = "1"\n  b = "2"\n',
    ),
    "a new table is set apart": ("[a]\nx = 1", [Put(("keys", "b"), "2")], '[a]\nx = 1\n\n[keys]\nb = "2"\n'),
    "a table that had only inner ones": (
        '# of a\n[groups.a.models]\nm = "up/a"\n',
        [Put(("groups", "a", "keys"), ["k"])],
        '# of a\n[groups.a]\nkeys = ["k"]\n\n[groups.a.models]\nm = "up/a"\n',
    ),
    "groups that stand apart": (
        '[groups.a.models]\nm = "up/a"\n# p\n[providers.up]\n# b\n[groups.b.models]\nm = "up/b"\n',
        [Put(("groups", "b", "keys"), ["k"])],
        '[groups.a.models]\nm = "up/a"\n# p\n[providers.up]\n# b\n[groups.b]\nkeys = ["k"]\n\n'
        '[groups.b.models]\nm = "up/b"\n',
    ),
    "a whole table, with a table in a line": (
        '[mcp.servers.a]\ncommand = "x"\n\n# end\n[keys]\n',
        [Put(("mcp", "servers", "b"), {"command": "y", "args": ["-v"], "env": {"T": "${T}"}})],
        '[mcp.servers.a]\ncommand = "x"\n\n[mcp.servers.b]\ncommand = "y"\nargs = ["-v"]\nenv = {T = "${T}"}\n\n'
        "# end\n[keys]\n",
    ),
    "a whole table between two that stand close": (
        '[mcp.servers.a]\ncommand = "x"\n# up\n[providers.up]\n[keys]\n',
        [Put(("mcp", "servers", "b"), {"command": "y"})],
        '[mcp.servers.a]\ncommand = "x"\n\n[mcp.servers.b]\ncommand = "y"\n\n# up\n[providers.up]\n[keys]\n',
    ),
    "the first of its kind": (
        '[keys]\na = "1"\n',
        [Put(("mcp", "servers", "b"), {"url": "u"})],
        '[keys]\na = "1"\n\n[mcp.servers.b]\nurl = "u"\n',
    ),
    "a removed table takes its own comment along": (
        '# all\n\n# a is old\n[mcp.servers.a]\ncommand = "x"\n\n# b is new\n[mcp.servers.b]\nurl = "y"\n',
        [Remove(("mcp", "servers", "a"))],
        '# all\n\n# b is new\n[mcp.servers.b]\nurl = "y"\n',
    ),
    "the last of its kind": (
        '[keys]\na = "1"\n\n# more\n\n[mcp.servers.b] # b\nurl = "u"\n# t\n',
        [Remove(("mcp", "servers", "b"))],
        '[keys]\na = "1"\n\n# more\n\n# t\n',
    ),
    "a removed line takes its comment along": (
        '[keys]\n# c\na = "1" # a\nb = "2" # b\n',
        [Remove(("keys", "a"))],
        '[keys]\n# c\nb = "2" # b\n',
    ),
    "items of a list keep their comments": (
        '[groups.a]\nkeys = [\n  "x", # x\n  "y", # y\n] # who\n',
        [Put(("groups", "a", "keys"), ["y"])],
        '[groups.a]\nkeys = [\n  "y", # y\n] # who\n',
    ),
    "a list grows at its end": ('k = ["a"] # k\n', [Put(("k",), ["a", "b"])], 'k = ["a", "b"] # k\n'),
    "a list in another order": ('k = ["a", "b"]\n', [Put(("k",), ["b", "a"])], 'k = ["b", "a"]\n'),
    "several at once": (
        '[keys]\na = "1"\n[groups.g]\nkeys = ["a", "b"]\n',
        [Remove(("keys", "a")), Put(("groups", "g", "keys"), ["b"])],
        '[keys]\n[groups.g]\nkeys = ["b"]\n',
    ),
    "an array of tables": (
        '[server]\nport = 1\n\n# row\n[[quirks]]\nhost = "h"\n# more\n[[quirks]]\nhost = "i"\n# end\n',
        [Put(("server", "log_bodies"), True), Put(("keys", "a"), "1")],
        '[server]\nport = 1\nlog_bodies = true\n\n# row\n[[quirks]]\nhost = "h"\n# more\n[[quirks]]\nhost = "i"\n# end\n\n'
        '[keys]\na = "1"\n',
    ),
    "nothing new": ("[server]\nactive_group = 'b' # b", [ACTIVE], "[server]\nactive_group = 'b' # b"),
}


@pytest.mark.parametrize(("content", "edits", "wanted"), CHANGES.values(), ids=CHANGES)
def test_the_text_of_changes(content: str, edits: list[Edit], wanted: str) -> None:
    assert edited(content, edits) == wanted


@pytest.mark.parametrize("name", PRESETS)
def test_what_init_wrote_keeps_every_line(name: str) -> None:
    content = written(Choices.of(name))
    edits: list[Edit] = [Put(("keys", "k"), "t"), Put(("groups", "default", "keys"), ["k"]), Put(("log", "level"), "debug")]
    changed = edited(content, edits)
    rest = iter(changed.splitlines())
    assert all(line in rest for line in content.splitlines()), "in its order"
    assert loads(changed, dict.fromkeys(("OPENAI_API_KEY", PRESETS[name].variable), "k")).groups["default"].keys == ("k",)
    back = edited(changed, [Remove(("keys", "k")), Remove(("groups", "default", "keys")), Remove(("log", "level"))])
    assert [line for line in back.splitlines() if line.startswith("#")] == [
        line for line in content.splitlines() if line.startswith("#")
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Any file

WORDS = st.sampled_from(["a", "b", "server", "keys"])
COMMENTS = st.lists(st.sampled_from(["", "# one", "  # two", "#"]), max_size=3)


@st.composite
def files(draw: st.DrawFn) -> str:
    """Tables at any depth and in any order, with comments anywhere; each numbered, to be told apart."""
    lines: list[str] = []
    for _ in range(draw(st.integers(0, 6))):
        head = ".".join(draw(st.lists(WORDS, min_size=1, max_size=3)))
        lines += [*draw(COMMENTS), f"[{head}]" + draw(st.sampled_from(["", " # head"]))]
        for word in draw(st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3)):
            value = draw(st.sampled_from(["1", '"t"', "[ 1, 2 ]", "{ q = 1 }", '["a",\n  "b", # b\n]']))
            lines += [*draw(COMMENTS), f"{word} = {value}" + draw(st.sampled_from(["", " # pair"]))]
    lines += draw(COMMENTS)
    lines = [line.replace("#", f"#{i} ") for i, line in enumerate(lines)]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


def valid(content: str) -> bool:
    try:
        tomllib.loads(content)
    except ValueError:
        return False
    return True


EDITS = st.builds(
    lambda way, value: Put((*way, "new"), value),
    st.lists(WORDS, max_size=3),
    st.sampled_from(["text", True, ["a"], {"p": 1, "q": {"r": 2}}]),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # files are read as TOML to be drawn: slow on a busy machine
@given(files().filter(valid), st.lists(EDITS, min_size=1, max_size=3))
def test_any_addition_keeps_every_comment_and_the_order(content: str, edits: list[Edit]) -> None:
    try:
        changed = edited(content, edits)
    except ConfigError:  # a way through what is no table, or what tomlkit cannot do; then nothing is written
        return
    comments = [line.partition("#")[2] for line in content.splitlines() if "#" in line and "=" not in line]
    kept = [line.partition("#")[2] for line in changed.splitlines() if "#" in line and "=" not in line]
    assert kept == comments
    heads = [line.partition("#")[0] for line in content.splitlines() if line.startswith("[")]
    rest = iter([line.partition("#")[0] for line in changed.splitlines() if line.startswith("[")])
    assert all(head in rest for head in heads)


# ---------------------------------------------------------------------------------------------------------------------
# The file on disk


def test_the_file_keeps_its_mode_its_link_its_mark_and_its_line_ends(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_bytes(b"\xef\xbb\xbf" + ONE_LINE["a line"].replace("\n", "\r\n").encode())
    real.chmod(0o640)
    path = tmp_path / "ccproxy.toml"
    path.symlink_to(real)
    assert edit(path, ACTIVE, Put(("keys", "k"), "t"))
    text = real.read_bytes().decode()
    assert text.startswith("\ufeff# mine\r\n")
    assert text.endswith('\r\n\r\n[keys]\r\nk = "t"\r\n')
    assert text.count("\n") == text.count("\r\n")
    assert 'active_group = "b"  # the one I use\r\n' in text
    assert (path.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o640)
    assert sorted(os.listdir(tmp_path)) == ["ccproxy.toml", "real.toml"]
    assert read(path)["server"]["active_group"] == "b"


def test_mixed_line_ends_stay_mixed(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_bytes(b'[a]\r\nx = 1\n[server]\r\nactive_group = "a"\r\n')
    edit(path, ACTIVE)
    assert path.read_bytes() == b'[a]\r\nx = 1\n[server]\r\nactive_group = "b"\r\n'


def test_what_changes_nothing_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text("[server]\nactive_group = 'b'")
    was = path.stat().st_ino
    assert not edit(path, ACTIVE)
    assert (path.read_text(), path.stat().st_ino) == ("[server]\nactive_group = 'b'", was)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="on Windows nothing is locked")
def test_of_changes_at_the_same_moment_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text("")
    code = (
        "import sys, pathlib\nfrom ccproxy.config.editing import *\n"
        "edit(pathlib.Path(sys.argv[1]), Put(('keys', sys.argv[2]), 1))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), f"k{number}"]) for number in range(6)]
    assert [each.wait() for each in running] == [0] * 6
    assert sorted(read(path)["keys"]) == [f"k{number}" for number in range(6)]
    assert os.listdir(tmp_path) == ["ccproxy.toml"]


def test_who_is_alone_with_a_file_may_change_it(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text("")
    with alone(path), alone(path):
        assert edit(path, ACTIVE)
    assert edit(path, Remove(ACTIVE.keys))


def test_a_read_only_file_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text("[server]\n")
    monkeypatch.setattr(os, "access", lambda place, mode: (place, mode) != (path, os.W_OK))  # root may write all the same
    with pytest.raises(ConfigError, match=r"ccproxy\.toml: cannot be written: the file is read-only"):
        edit(path, ACTIVE)
    assert path.read_text() == "[server]\n"


BAD: dict[str, tuple[bytes, Edit, str]] = {
    "no TOML": (b"[server\n", ACTIVE, "not valid TOML"),
    "no UTF-8": (b"# \xff\n", ACTIVE, "not UTF-8"),
    "nested too deeply": (b"a = " + b"[" * 5000, ACTIVE, "not valid TOML"),
    "no table on the way": (b"server = 1\n", ACTIVE, "server.active_group: cannot be set, for server is no table"),
    "nothing to remove": (b"[keys]\n", Remove(("keys", "a")), "keys.a: is not there"),
}


@pytest.mark.parametrize(("content", "change", "told"), BAD.values(), ids=BAD)
def test_what_cannot_be_done_is_told_and_leaves_the_file_alone(
    content: bytes, change: Edit, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        edit(path, change)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["ccproxy.toml"]


def test_what_would_lose_something_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tomlkit.dumps", lambda document: "[server]\nactive_group = 'b'\n")
    with pytest.raises(ConfigError, match="cannot be changed without losing something"):
        edited(ONE_LINE["a line"], [ACTIVE])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        read(tmp_path / "none.toml")


def test_the_server_and_the_converters_do_without_it() -> None:
    code = (
        "import sys, ccproxy.convert, ccproxy.config, ccproxy.app, ccproxy.app.watch, ccproxy.cli.serve, ccproxy.cli.show\n"
        "import ccproxy.transport.on_asyncio\nprint('tomlkit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"

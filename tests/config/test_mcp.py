"""`[mcp]` and its servers: what is read, and every mistake with its key path."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ccproxy.config import Mcp, loads
from ccproxy.errors import ConfigError

PROVIDER = "[providers.p]\nprotocol = 'openai'\n"


def mcp(text: str, env: dict[str, str] | None = None, folder: Path | None = None) -> Mcp:
    found = loads(text, env or {}, folder=folder).mcp
    assert found is not None
    return found


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(PROVIDER + text, {})
    return list(caught.value.problems)


def test_servers_are_read(tmp_path: Path) -> None:
    found = mcp(
        "[mcp]\nnames = 'bare'\ntimeout = 30\nstart = 'startup'\n"
        "[mcp.servers.files]\ncommand = 'npx'\nargs = ['-y', 'x']\ncwd = 'sub'\nenv = { A = '${B}' }\ndeny = ['write_*']\n"
        "[mcp.servers.there]\nurl = 'https://x.example/mcp?key=${B}'\ntoken = '${B}'\ntransport = 'sse'\ntimeout = 5\n"
        "start = 'lazy'\nenabled = false\nheaders = { X-A = 'b' }\n",
        {"B": "secret-b"},
        tmp_path,
    )
    files, there = found.servers["files"], found.servers["there"]
    assert (found.names, found.timeout, found.start, found.wait) == ("bare", 30, "startup", 5)
    assert (files.args, files.env, files.cwd) == (("-y", "x"), {"A": "secret-b"}, str(tmp_path / "sub"))
    assert (files.deny, files.timeout, files.start, files.enabled) == (("write_*",), None, None, True)
    assert (there.url, there.transport, there.headers) == ("https://x.example/mcp?key=secret-b", "sse", {"x-a": "b"})
    assert "secret-b" not in repr(found)


def test_a_home_that_nobody_knows_is_a_folder_of_that_name(tmp_path: Path) -> None:
    found = mcp("[mcp.servers.a]\ncommand = 'x'\ncwd = '~nobody-of-that-name/x'\n", {}, tmp_path)
    assert found.servers["a"].cwd == str(tmp_path / "~nobody-of-that-name/x")


def test_without_the_table_there_is_no_endpoint() -> None:
    assert loads(PROVIDER, {}).mcp is None
    assert mcp("[mcp]\n") == Mcp()


def test_a_server_of_mcp_alone_needs_no_provider() -> None:
    assert mcp("[mcp.servers.a]\ncommand = 'x'\n").servers["a"].command == "x"


WRONG: list[tuple[str, list[str]]] = [
    ("[mcp]\nnames = 'bar'\n", ["mcp.names: must be one of server, bare; did you mean bare?"]),
    ("[mcp]\ntimeouts = 1\n", ["mcp.timeouts: unknown key; did you mean timeout?"]),
    ("[mcp]\ntimeout = 0\n", ["mcp.timeout: must be a number from 0.1 to 86400"]),
    ("[mcp]\nkeys = ['a']\n", ["mcp.keys[0]: is not the name of a key in [keys]; known: none"]),
    (
        "[mcp.servers.a]\n",
        ["mcp.servers.a: command or url: needs one of them"],
    ),
    (
        "[mcp.servers.a]\ncommand = 'x'\nurl = 'http://x'\n",
        ["mcp.servers.a: command or url: has both: it is either run or reached"],
    ),
    ("[mcp.servers.a]\ncommand = 3\n", ["mcp.servers.a.command: must be a string, not a whole number"]),
    ("[mcp.servers.a]\ncommand = 'x'\ntoken = 'y'\n", ["mcp.servers.a.token: belongs to a server with url"]),
    (
        "[mcp.servers.a]\nurl = 'http://x'\nargs = []\nenv = {}\n",
        ["mcp.servers.a.args: belongs to a server with command", "mcp.servers.a.env: belongs to a server with command"],
    ),
    (
        "[mcp.servers.a]\nurl = 'http://x'\ntoken = 'y'\nheaders = { Authorization = 'z' }\n",
        ["mcp.servers.a.token: cannot stand beside headers.authorization: one of them is sent"],
    ),
    (
        "[mcp.servers.a]\nurl = 'ftp://x'\n",
        ["mcp.servers.a.url: must be a URL that begins with http:// or https:// and names a host"],
    ),
    ("[mcp.servers.a]\nurl = 'http://x/?a#b'\n", ["mcp.servers.a.url: must be a URL without #"]),
    (
        "[mcp.servers.a]\ncommand = 'x'\nenv = { 'A-B' = '' }\n",
        ["mcp.servers.a.env.A-B: must be the name of an environment variable"],
    ),
    (
        "[mcp.servers.a__b]\ncommand = 'x'\n",
        ["mcp.servers.a__b: must be letters and digits, with single _ and - between them"],
    ),
    ("[mcp.servers.a_]\ncommand = 'x'\n", ["mcp.servers.a_: must be letters and digits, with single _ and - between them"]),
    (
        f"[mcp.servers.{'a' * 33}]\ncommand = 'x'\n",
        [f"mcp.servers.{'a' * 33}: must have 32 characters at most: it stands before the name of each of its tools"],
    ),
    ("[mcp.servers.a]\ncommand = 'x'\nallow = ['']\n", ["mcp.servers.a.allow[0]: must be a name, not empty"]),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_mistake_is_told_with_its_key_path(text: str, said: list[str]) -> None:
    assert problems(text) == said


def test_a_groups_set_names_servers_that_there_are() -> None:
    words = "['files', 'files__read_*', 'web_fetch', '*__x', 'file']"
    text = f"[mcp.servers.files]\ncommand = 'x'\n[groups.g]\nmodels = {{ '*' = 'p/*' }}\nmcp = {words}\n"
    assert problems(text) == ['groups.g.mcp[4]: "file" is not the name of a server in [mcp.servers]; did you mean files?']
    without = "[groups.g]\nmodels = { '*' = 'p/*' }\nmcp = ['files']\n"
    assert problems(without) == ['groups.g.mcp[0]: "files" is not the name of a server in [mcp.servers]; known: none']


def test_the_extra_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def missing(name: str, *more: Any) -> Any:
        return None if name == "mcp_types" else found(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    assert problems("[mcp]\n") == ["mcp: needs the MCP SDK: pip install 'ccproxy-llm[mcp]'"]
    loads(PROVIDER, {})

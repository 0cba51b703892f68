"""Other clients' servers, in the forms of their own documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.cli.mcp.changing import problems_of
from ccproxy.cli.mcp.foreign import Found, Place, servers_in, translated

PLACE = Place(Path("/work/project"), Path("/home/me"), {"SET": "x"})


def one(server: Any, *, as_variables: bool = False) -> Found:
    (found,) = translated({"s": server}, PLACE, as_variables=as_variables)
    if found.table is not None:
        assert problems_of(found.name, found.table) == [], "what is translated is valid"
    return found


TABLES = [
    # Claude Code, .mcp.json
    (
        {"type": "stdio", "command": "npx", "args": ["-y", "pkg"], "env": {"A": "b"}},
        {"command": "npx", "args": ["-y", "pkg"], "env": {"A": "b"}},
    ),
    ({"type": "http", "url": "https://e.test/mcp"}, {"url": "https://e.test/mcp"}),
    ({"type": "sse", "url": "https://e.test/x"}, {"url": "https://e.test/x", "transport": "sse"}),
    # Cline
    (
        {"type": "streamableHttp", "url": "https://e.test/mcp", "disabled": True, "autoApprove": ["x"], "timeout": 60},
        {"url": "https://e.test/mcp", "enabled": False},
    ),
    ({"command": "node", "args": [], "env": {}, "disabled": False}, {"command": "node"}),
    # Cursor
    (
        {"command": "${userHome}/bin/x", "args": ["${workspaceFolder}/y"]},
        {"command": "/home/me/bin/x", "args": ["/work/project/y"]},
    ),
    ({"url": "https://e.test/sse"}, {"url": "https://e.test/sse", "transport": "sse"}),
    ({"command": "x", "env": {"A": "${env:SET}"}}, {"command": "x", "env": {"A": "${SET}"}}),
    # VS Code
    (
        {"type": "http", "url": "https://e.test/mcp", "headers": {"X": "y"}},
        {"url": "https://e.test/mcp", "headers": {"X": "y"}},
    ),
    (
        {"command": "x", "cwd": "${workspaceFolder}", "env": {"N": 5, "F": True, "O": None}},
        {"command": "x", "cwd": "/work/project", "env": {"N": "5", "F": "true"}},
    ),
    # Windsurf, Gemini CLI, Roo Code
    ({"serverUrl": "https://e.test/mcp"}, {"url": "https://e.test/mcp"}),
    ({"httpUrl": "https://e.test/mcp"}, {"url": "https://e.test/mcp"}),
    ({"type": "streamable-http", "url": "https://e.test/mcp"}, {"url": "https://e.test/mcp"}),
    # Variables
    ({"command": "x", "args": ["${SET}"]}, {"command": "x", "args": ["${SET}"]}),
    ({"command": "x", "args": ["${SET:-d}", "${NOT:-d}"]}, {"command": "x", "args": ["${SET}", "d"]}),
    ({"url": "${SET:-http://127.0.0.1}/mcp"}, {"url": "${SET}/mcp"}),
]


@pytest.mark.parametrize(("server", "table"), TABLES)
def test_tables(server: Any, table: Any) -> None:
    assert one(server).table == table


NOTES = [
    ({"command": "x", "args": ["${UNSET}"]}, "needs the environment variable UNSET, which is not set"),
    ({"command": "x", "args": ["${NOT:-d}"]}, "NOT is not set, so that its default stands here"),
    (
        {"command": "x", "env": {"A": "${input:api-key}"}},
        "VS Code asks for api-key; here it is the environment variable API_KEY",
    ),
    ({"command": "x", "env": {"GITHUB_TOKEN": "abc"}}, "holds a secret in plain text (env.GITHUB_TOKEN)"),
    ({"url": "https://e.test/", "headers": {"X-Api-Key": "abc"}}, "holds a secret in plain text (headers.X-Api-Key)"),
    ({"command": "x", "args": ["--k", "ghp_abcdefghijklmnop"]}, "holds a secret in plain text (args)"),
    ({"command": "x", "envFile": ".env"}, "its envFile is not read"),
    ({"command": "x", "sandbox": {}, "dev": 1}, "left out: dev, sandbox"),
    ({"command": "x", "disabled": True}, "is disabled there, and here"),
]


@pytest.mark.parametrize(("server", "note"), NOTES)
def test_notes(server: Any, note: str) -> None:
    assert any(note in each for each in one(server).notes)


def test_nothing_is_noted_of_what_is_plain() -> None:
    assert one({"type": "stdio", "command": "x", "args": ["-y"], "env": {"PORT": "1"}, "alwaysAllow": []}).notes == ()


def test_secrets_as_variables() -> None:
    found = one({"command": "x", "env": {"API_KEY": "abc", "PORT": "1"}}, as_variables=True)
    assert found.table == {"command": "x", "env": {"API_KEY": "${API_KEY}", "PORT": "1"}}
    assert found.notes == ("set the environment variable API_KEY to the secret of its env",)
    found = one({"url": "https://e.test/", "headers": {"Authorization": "Bearer abc"}}, as_variables=True)
    assert found.table == {"url": "https://e.test/", "headers": {"Authorization": "Bearer ${AUTHORIZATION}"}}


TROUBLES = [
    ("text", "not an object"),
    ({}, "neither a command nor a URL"),
    ({"command": "x", "args": "y"}, "args is not a list"),
    ({"command": "x", "args": [{}]}, "holds what is not a text"),
    ({"command": "x", "env": ["A=b"]}, "env is not an object"),
    ({"type": "ws", "url": "wss://e.test"}, 'type "ws" is not known'),
    ({"command": "${command:pick}"}, "uses ${command:pick}, which is not known here"),
    ({"command": "x", "args": ["${open"]}, "uses ${open"),
    ({"command": "x", "args": ["${env:a b}"]}, "whose name is not possible here"),
]


@pytest.mark.parametrize(("server", "trouble"), TROUBLES)
def test_what_has_no_place_here(server: Any, trouble: str) -> None:
    found = one(server)
    assert found.table is None
    assert trouble in found.trouble


NAMES = {
    "files": "files",
    "my server": "my-server",
    "github.com/modelcontextprotocol/servers/tree/main/src/filesystem": "filesystem",
    "a__b": "a_b",
    "_x_": "x",
    "ü": "server",
    "x" * 50: "x" * 32,
}


@pytest.mark.parametrize(("theirs", "ours"), NAMES.items())
def test_names(theirs: str, ours: str) -> None:
    (found,) = translated({theirs: {"command": "x"}}, PLACE)
    assert (found.name, problems_of(ours, {"command": "x"})) == (ours, [])
    assert bool(found.notes) == (theirs != ours)


def test_two_names_that_become_one_stay_two() -> None:
    found = translated({"a b": {"command": "x"}, "a-b": {"command": "y"}}, PLACE)
    assert [each.name for each in found] == ["a-b", "a-b-2"]


DOCUMENTS = [
    ({"mcpServers": {"a": 1}}, {"a": 1}),
    ({"servers": {"a": 1}, "inputs": []}, {"a": 1}),
    ({"editor.x": 1, "mcp": {"servers": {"a": 1}}}, {"a": 1}),
    (
        {"mcpServers": {"a": 1}, "projects": {"/p": {"mcpServers": {"b": 2}}, "/q": {"mcpServers": {"c": 3}}}},
        {"a": 1, "b": 2},
    ),
    ({"projects": {}}, {}),
]


@pytest.mark.parametrize(("document", "servers"), DOCUMENTS)
def test_where_the_servers_stand(document: Any, servers: Any) -> None:
    assert servers_in(document, "/p") == servers


@pytest.mark.parametrize("document", [[], {}, {"mcpServers": []}, "x", None])
def test_what_has_no_servers(document: Any) -> None:
    with pytest.raises(ValueError, match=r"is not a JSON object|neither"):
        servers_in(document)


WORDS = st.sampled_from(
    ["command", "args", "env", "url", "headers", "type", "http", "${A}", "${A:-b}", "${input:x}", "${", "x", ""]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_any_json_is_taken_or_told(server: Any, as_variables: bool) -> None:
    (found,) = translated({"s": server}, PLACE, as_variables=as_variables)
    assert (found.table is None) == bool(found.trouble)
    if found.table is not None:
        problems_of("s", found.table)


@given(st.text())
def test_any_name_becomes_one_that_is_taken(name: str) -> None:
    (found,) = translated({name: {"command": "x"}}, PLACE)
    assert problems_of(found.name, {"command": "x"}) == []

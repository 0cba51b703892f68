# ruff: noqa: RUF009 - `key` makes an attrs field
"""`[mcp]`: the MCP servers behind ccproxy and the endpoint in front of them.

    Mcp ── servers  name -> McpServer: a command that is run (stdio), or a URL (Streamable HTTP, or the older SSE)

What belongs together in one server's table is judged here by `check_servers`, for it needs nothing else of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from attrs import Factory, frozen

from ccproxy.config.quirks import some_name
from ccproxy.config.web import Fetch, Search, search
from ccproxy.tables import (
    Spot,
    Wrong,
    a_record,
    choice,
    flag,
    header_value,
    key,
    like,
    list_of,
    number,
    secret,
    table_of,
    text,
    url,
)

LONGEST_SERVER = 32
"""Characters of a server's name: half of what clients allow a tool's name, so that the tool's own half is left."""

_variable = like(re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), "the name of an environment variable")
_header = like(re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"), "the name of an HTTP header")
_seconds = number(0.1, 86_400)
_starts = choice("lazy", "startup")
_NAME = re.compile(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)*")

Start = Literal["lazy", "startup"]


def _server_name(value: Any, spot: Spot) -> str:
    """A name that a tool's can be put behind with two underscores: where the one ends and the other begins is never in
    doubt."""
    words = text(value, spot)
    if not _NAME.fullmatch(words):
        raise Wrong("must be letters and digits, with single _ and - between them")
    if len(words) > LONGEST_SERVER:
        raise Wrong(f"must have {LONGEST_SERVER} characters at most: it stands before the name of each of its tools")
    return words


def _header_name(value: Any, spot: Spot) -> str:
    name: str = _header(value, spot)
    return name.lower()


def _url(value: Any, spot: Spot) -> str:
    """With a query, as some servers want it; a fragment is never sent."""
    words = text(value, spot)
    read_url(words.partition("?")[0], spot)
    if "#" in words:
        raise Wrong("must be a URL without #")
    return words


read_url = url("http", "https")


@frozen(kw_only=True)
class McpServer:
    """One server. cwd: absolute, once the file is read. timeout, start: None where `[mcp]` says it."""

    command: str = key(text, "", "a program to run and speak with over its standard input and output")
    args: tuple[str, ...] = key(list_of(text), (), "none", secret=True)
    env: dict[str, str] = key(
        table_of(text, _variable),
        Factory(dict),
        "HOME, PATH and the like; nothing else of ccproxy's own",
        secret=True,
    )
    cwd: str = key(text, "", "the folder that ccproxy runs in; a relative path begins in this file's folder")
    url: str = key(_url, "", "a server that is reached over HTTP, in place of command", secret=True)
    transport: Literal["http", "sse"] = key(choice("http", "sse"), "http", "Streamable HTTP; sse: servers of 2024")
    headers: dict[str, str] = key(table_of(header_value, _header_name), Factory(dict), "none", secret=True)
    token: str = key(secret, "", "no bearer token", secret=True)
    timeout: float | None = key(_seconds, None, "as [mcp] says")
    start: Start | None = key(_starts, None, "as [mcp] says")
    enabled: bool = key(flag, True, "false: kept in the file, and not used")
    allow: tuple[str, ...] = key(list_of(some_name), (), "every tool; patterns of the server's own names, such as read_*")
    deny: tuple[str, ...] = key(list_of(some_name), (), "none; patterns, stronger than allow")


_ONLY_RUN = ("args", "env", "cwd")
_ONLY_REACHED = ("headers", "token", "transport")


@frozen(kw_only=True)
class Mcp:
    """names: how tools are called here. wait: seconds that a list waits for servers that are still starting."""

    names: Literal["server", "bare"] = key(
        choice("server", "bare"),
        "server",
        "server__tool, whatever else there is; bare: tool, where only one has it",
    )
    timeout: float = key(_seconds, 60, "seconds that one call may take; the MCP SDKs wait 60 as well")
    start: Start = key(_starts, "lazy", "when a client first asks; startup: with ccproxy")
    wait: float = key(
        number(0, 60),
        5,
        "seconds that a list waits for servers that are starting; who comes later is told of (list_changed)",
    )
    keys: tuple[str, ...] | None = key(list_of(text), None, "every key may use /mcp/http")
    fetch: Fetch | None = key(a_record(Fetch), None, "no tool web_fetch")
    search: Search | None = key(search, None, "no tool web_search")
    servers: dict[str, McpServer] = key(table_of(a_record(McpServer), _server_name), Factory(dict), "none")


def check_servers(mcp: Mcp, document: Mapping[str, Any], spot: Spot) -> None:
    """document: the table `[mcp.servers]` as the file has it."""
    for name, server in mcp.servers.items():
        place, said = spot.at(name), document.get(name, {})
        if bool(server.command) == bool(server.url):
            both = "has both: it is either run or reached" if server.command else "needs one of them"
            if server.command or not ({"command", "url"} & set(said)):  # else the value was complained about
                place.complain(f"command or url: {both}")
            continue
        foreign = _ONLY_REACHED if server.command else _ONLY_RUN
        for word in foreign:
            if word in said:
                place.at(word).complain(f"belongs to a server with {'url' if server.command else 'command'}")
        if server.token and "authorization" in server.headers:
            place.at("token").complain("cannot stand beside headers.authorization: one of them is sent")

"""Other clients' lists of MCP servers -> tables of `[mcp.servers]`.

    {"mcpServers": {name: server}}   Claude Code, Cline, Cursor, Roo Code, Windsurf, Gemini CLI
    {"servers": {name: server}}      VS Code (mcp.json); {"mcp": {"servers": ...}} in its settings.json

A server is a command (command, args, env, cwd) or an address (url, headers; serverUrl at Windsurf, httpUrl at Gemini CLI).
Variables differ: `${VAR}` and `${VAR:-default}` (Claude Code, "Environment variable expansion in .mcp.json"), `${env:VAR}`,
`${workspaceFolder}`, `${userHome}` (Cursor, "Config interpolation"; VS Code, "Variables reference") and `${input:id}`, for
which VS Code asks. What cannot be said here is told, and the server left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from ccproxy.config.mcp import LONGEST_SERVER


class Untranslatable(Exception):
    """What a server says that has no place here."""


@frozen
class Found:
    """A server of another client. name: as it can be called here. table: for `[mcp.servers.NAME]`; None with a trouble.
    notes: what its owner should know."""

    name: str
    their_name: str
    table: dict[str, Any] | None
    notes: tuple[str, ...] = ()
    trouble: str = ""


@frozen
class Place:
    """Where a file stands, for its variables."""

    workspace: Path
    home: Path
    env: Mapping[str, str] = field(repr=False)


def servers_in(document: Any, folder: str = "") -> dict[str, Any]:
    """name -> server, as the document has them. folder: also those that Claude Code keeps for this project. Raises
    ValueError when it is no such document."""
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")
    settings = document.get("mcp")
    project = document.get("projects", {}).get(folder, {}) if isinstance(document.get("projects"), dict) else {}
    tables = [document.get("mcpServers"), document.get("servers")]
    tables += [settings.get("servers")] if isinstance(settings, dict) else []
    tables += [project.get("mcpServers")] if isinstance(project, dict) else []
    there = [table for table in tables if isinstance(table, dict)]
    if not there and "projects" not in document:
        raise ValueError('has neither "mcpServers" nor "servers"')
    return {name: server for table in there for name, server in table.items()}


def translated(servers: Mapping[str, Any], place: Place, *, as_variables: bool = False) -> list[Found]:
    """Each server as a table of ours. as_variables: secrets become `${NAME}`."""
    found: list[Found] = []
    for their_name, server in servers.items():
        name = _named(their_name, {each.name for each in found})
        try:
            one = _Translation(place, as_variables).server(server)
        except Untranslatable as trouble:
            found.append(Found(name, their_name, None, (), str(trouble)))
            continue
        renamed = (f'is called "{their_name}" there',) if name != their_name else ()
        found.append(Found(name, their_name, one[0], (*renamed, *one[1])))
    return found


def _named(name: str, taken: set[str]) -> str:
    """The name as the configuration takes it. Of a path, as Cline's marketplace has them, the last part."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", name.rstrip("/").rpartition("/")[2])
    word = re.sub(r"[_-]*(__|--|_-|-_)[_-]*", lambda m: m[0][0], word)[:LONGEST_SERVER].strip("_-") or "server"
    if word not in taken:
        return word
    return next(other for i in range(2, 1000) if (other := f"{word[: LONGEST_SERVER - 4]}-{i}") not in taken)


_SECRET_NAME = re.compile(r"key|token|secret|password|passwd|auth|credential|cookie|(^|_)pat(_|$)", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(sk|pk|ghp|gho|ghs|glpat|xox[abp]|tvly|AIza|github_pat|Bearer|Basic)[-_ A-Za-z0-9]?\S{12,}")
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_HTTP = {"http": "http", "streamable-http": "http", "streamablehttp": "http", "streamable_http": "http", "sse": "sse"}

_KNOWN = frozenset(
    {"type", "command", "args", "env", "cwd", "url", "serverUrl", "httpUrl", "headers", "disabled", "enabled", "envFile"}
)
_SILENT = frozenset({"name", "description", "autoApprove", "alwaysAllow", "trust", "gallery", "version", "timeout", "note"})
"""What is about the client's own ways: which tools it asks its user about, and how long it waits."""


class _Translation:
    """One server. notes are gathered on the way."""

    def __init__(self, place: Place, as_variables: bool) -> None:
        self._place = place
        self._as_variables = as_variables
        self._notes: list[str] = []

    def server(self, server: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
        """(table, notes). Raises Untranslatable."""
        if not isinstance(server, dict):
            raise Untranslatable("it is not an object")
        if server.get("envFile"):
            self._notes.append("its envFile is not read: put what it needs of it into env")
        left = sorted(set(server) - _KNOWN - _SILENT)
        if left:
            self._notes.append(f"left out: {', '.join(left)}")
        table = self._run(server) if server.get("command") else self._reached(server)
        if server.get("disabled") is True or server.get("enabled") is False:
            table["enabled"] = False
            self._notes.append("is disabled there, and here")
        return table, tuple(dict.fromkeys(self._notes))

    def _run(self, server: dict[str, Any]) -> dict[str, Any]:
        table: dict[str, Any] = {"command": self._text(server["command"], "command")}
        if server.get("args"):
            table["args"] = [self._hidden(text, "args", "") for text in self._texts(server["args"], "args")]
        if server.get("env"):
            table["env"] = {name: self._hidden(text, "env", name) for name, text in self._table(server["env"], "env")}
        if server.get("cwd"):
            table["cwd"] = self._text(server["cwd"], "cwd")
        return table

    def _reached(self, server: dict[str, Any]) -> dict[str, Any]:
        url = server.get("httpUrl") or server.get("serverUrl") or server.get("url")
        if not url:
            raise Untranslatable("it has neither a command nor a URL")
        kind = str(server.get("type") or "http").lower()
        if kind not in _HTTP:
            raise Untranslatable(f'its type "{kind[:40]}" is not known here')
        table: dict[str, Any] = {"url": self._text(url, "url")}
        if _HTTP[kind] == "sse" or ("type" not in server and table["url"].rstrip("/").endswith("/sse")):
            table["transport"] = "sse"
        if server.get("headers"):
            headers = self._table(server["headers"], "headers")
            table["headers"] = {name: self._hidden(text, "headers", name) for name, text in headers}
        return table

    # Values

    def _texts(self, values: Any, where: str) -> Iterator[str]:
        if not isinstance(values, list):
            raise Untranslatable(f"its {where} is not a list")
        return (self._text(value, where) for value in values)

    def _table(self, values: Any, where: str) -> Iterator[tuple[str, str]]:
        if not isinstance(values, dict):
            raise Untranslatable(f"its {where} is not an object")
        return ((name, self._text(value, where)) for name, value in values.items() if value is not None)

    def _text(self, value: Any, where: str) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (int, float)):
            return str(value)
        if not isinstance(value, str):
            raise Untranslatable(f"its {where} holds what is not a text")
        return _VARIABLE.sub(self._variable, value)

    def _variable(self, match: re.Match[str]) -> str:
        inner = match[1]
        kind, colon, rest = inner.partition(":")
        known: dict[str, Callable[[str], str]] = {"env": self._environment, "input": self._asked_for}
        folders = {
            "workspaceFolder": self._place.workspace,
            "workspaceRoot": self._place.workspace,
            "userHome": self._place.home,
        }
        if inner in folders:
            return str(folders[inner])
        if colon and kind in known:
            return known[kind](rest)
        name, default, value = inner.partition(":-")
        if not match[0].endswith("}") or not _NAME.fullmatch(name):
            raise Untranslatable(f"it uses {match[0][:60]}, which is not known here")
        if default and name not in self._place.env:
            self._notes.append(f"{name} is not set, so that its default stands here")
            return value
        return self._environment(name)

    def _environment(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise Untranslatable(f"it uses the variable {name[:60]}, whose name is not possible here")
        if name not in self._place.env:
            self._notes.append(f"needs the environment variable {name}, which is not set in this shell")
        return f"${{{name}}}"

    def _asked_for(self, id: str) -> str:
        name = re.sub(r"\W", "_", id, flags=re.ASCII).upper().lstrip("0123456789") or "INPUT"
        self._notes.append(f"VS Code asks for {id}; here it is the environment variable {name}")
        return f"${{{name}}}"

    def _hidden(self, text: str, where: str, name: str) -> str:
        """A secret as a variable, where that is wished; else with a note."""
        looks = bool(_SECRET_NAME.search(name)) if where != "args" else False
        if "${" in text or not text or not (looks or _SECRET_VALUE.match(text)):
            return text
        scheme, space, _ = text.partition(" ")
        variable = re.sub(r"\W", "_", name or "SECRET", flags=re.ASCII).upper()
        if self._as_variables and name:
            self._notes.append(f"set the environment variable {variable} to the secret of its {where}")
            return f"{scheme} ${{{variable}}}" if space and scheme in ("Bearer", "Basic") else f"${{{variable}}}"
        self._notes.append(f"holds a secret in plain text ({f'{where}.{name}' if name else where})")
        return text

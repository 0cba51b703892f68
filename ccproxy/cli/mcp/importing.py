"""`ccproxy mcp import`"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from ccproxy.cli import options
from ccproxy.cli.mcp.foreign import Found, Place, servers_in, translated
from ccproxy.cli.show import fail, located


def _code_user(home: Path, env: Mapping[str, str], platform: str) -> Path:
    """VS Code's folder of the user's settings ("User and workspace settings", settings file locations)."""
    if platform == "win32":
        return Path(env.get("APPDATA") or home / "AppData" / "Roaming") / "Code" / "User"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "Code" / "User"
    return Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "Code" / "User"


def _claude_code(home: Path, env: Mapping[str, str], cwd: Path, user: Path) -> list[Path]:
    folder = Path(env["CLAUDE_CONFIG_DIR"]) if env.get("CLAUDE_CONFIG_DIR") else home
    return [folder / ".claude.json", cwd / ".mcp.json"]


def _cline(home: Path, env: Mapping[str, str], cwd: Path, user: Path) -> list[Path]:
    name = "cline_mcp_settings.json"
    own = (
        Path(env["CLINE_MCP_SETTINGS_PATH"]) if env.get("CLINE_MCP_SETTINGS_PATH") else home / ".cline/data/settings" / name
    )
    return [own, user / "globalStorage" / "saoudrizwan.claude-dev" / "settings" / name]


CLIENTS: Mapping[str, Callable[[Path, Mapping[str, str], Path, Path], list[Path]]] = {
    "claude-code": _claude_code,
    "cline": _cline,
    "cursor": lambda home, env, cwd, user: [home / ".cursor" / "mcp.json", cwd / ".cursor" / "mcp.json"],
    "vscode": lambda home, env, cwd, user: [user / "mcp.json", user / "settings.json", cwd / ".vscode" / "mcp.json"],
}
"""Where each client keeps its servers: the user's, then the project's."""


@click.command("import")
@click.argument("path", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--from", "client", type=click.Choice(list(CLIENTS)), help="Read this client's own files.")
@click.option("--only", multiple=True, metavar="NAME", help="Take only this server; can be given several times.")
@click.option("--as-variables", is_flag=True, help="Write ${NAME} in place of secrets, for you to set.")
@click.option("--replace", is_flag=True, help="Overwrite servers that are there under the same name.")
@click.option("--dry-run", is_flag=True, help="Only show what would be added.")
@options.config_option
def import_servers(
    path: Path | None,
    client: str | None,
    only: tuple[str, ...],
    as_variables: bool,
    replace: bool,
    dry_run: bool,
    file: str | None,
) -> None:
    """Take over the MCP servers of FILE, or of a client's own configuration.

    FILE is JSON with "mcpServers" or "servers", comments allowed. The file itself is not changed. Exit code 1 when a server
    could not be taken."""
    if (path is None) == (client is None):
        raise click.UsageError("name a FILE, or a client by --from")
    target = located(file)
    files = [path] if path else _files_of(client or "")
    found = [each for source in files for each in _read(source, as_variables)]
    if only:
        found = _chosen(found, only)
    if not found:
        fail(f"no servers in {', '.join(map(str, files))}")
    _take(target, found, replace=replace, dry_run=dry_run)


def _files_of(client: str) -> list[Path]:
    home = Path(os.environ.get("HOME") or os.environ.get("USERPROFILE") or Path.home())
    places = CLIENTS[client](home, os.environ, Path.cwd(), _code_user(home, os.environ, sys.platform))
    there = [place for place in places if place.is_file()]
    if not there:
        fail(f"{client} has no list of servers; looked for", [str(place) for place in places])
    return there


def _read(path: Path, as_variables: bool) -> list[Found]:
    from ccproxy.cli.mcp import jsonc

    path = path.expanduser().absolute()
    try:
        servers = servers_in(jsonc.loads(path.read_text(encoding="utf-8-sig")), str(Path.cwd()))
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}")
    except ValueError as error:
        if path.name == "settings.json":  # VS Code's own settings, most of which say nothing of MCP
            return []
        fail(f"{path}: {error}")
    return translated(servers, Place(_workspace(path), Path.home(), os.environ), as_variables=as_variables)


def _workspace(path: Path) -> Path:
    """What `${workspaceFolder}` is for a file: the project that it belongs to."""
    return path.parent.parent if path.parent.name in (".vscode", ".cursor", ".roo") else path.parent


def _chosen(found: list[Found], only: tuple[str, ...]) -> list[Found]:
    names = {name for each in found for name in (each.name, each.their_name)}
    unknown = [name for name in only if name not in names]
    if unknown:
        fail(f"there is no server {', '.join(unknown)}", advice=f"servers: {', '.join(each.their_name for each in found)}")
    return [each for each in found if each.name in only or each.their_name in only]


def _take(target: Path, found: list[Found], *, replace: bool, dry_run: bool) -> None:
    from ccproxy.cli.mcp.changing import problems_of, put
    from ccproxy.config.editing import read

    document = read(target)
    there = servers_of(document)
    added: dict[str, dict[str, Any]] = {}
    left = 0
    for each in found:
        verdict = _verdict(each, there | added, document, replace)
        problems = problems_of(each.name, each.table) if each.table is not None and not verdict else []
        if problems:
            verdict = f"not taken: {'; '.join(problems)}"
        if not verdict and each.table is not None:
            added[each.name] = each.table
        left += verdict.startswith("not taken")
        _show(each, verdict or ("would be added" if dry_run else "added"))
    if added and not dry_run:
        put(target, added)
        click.echo(f"{target}: {len(added)} server{'s' * (len(added) != 1)} added; a running ccproxy follows", err=True)
        click.echo("remove them from the client that they came from, and see `ccproxy mcp list`", err=True)
    if left:
        raise SystemExit(1)


def _verdict(found: Found, there: Mapping[str, Any], document: Mapping[str, Any], replace: bool) -> str:
    """Why a server is not added; "" when it is."""
    if found.table is None:
        return f"not taken: {found.trouble}"
    if _is_ourselves(found.table.get("url", ""), document):
        return "left out: it is ccproxy itself"
    if found.name not in there:
        return ""
    if there[found.name] == found.table:
        return "is there already"
    return "" if replace else "not taken: another server has this name; --replace overwrites it"


def servers_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """`[mcp.servers]` of a file, as far as it is one."""
    mcp = document.get("mcp")
    servers = mcp.get("servers") if isinstance(mcp, dict) else None
    return dict(servers) if isinstance(servers, dict) else {}


def _is_ourselves(url: str, document: Mapping[str, Any]) -> bool:
    """Whether an address is this very ccproxy's, as a client's file may have it already."""
    server = document.get("server")
    port = server.get("port", 11434) if isinstance(server, dict) else 11434
    try:
        parts = urlsplit(url)
        return parts.path.rstrip("/").endswith("/mcp/http") and parts.port == port
    except ValueError:
        return False


def _show(found: Found, verdict: str) -> None:
    table = found.table or {}
    what = " ".join([table["command"], *table.get("args", [])]) if "command" in table else table.get("url", "")
    click.echo(f"{found.name}: {verdict}")
    if what:
        click.echo(f"  {masked(what)}")
    for note in found.notes if "added" in verdict else ():
        click.echo(f"  note: {note}")


def masked(words: str) -> str:
    """What a person needs to recognise a server by: no query string and no long argument, which may be secrets."""
    return " ".join(_short(word.partition("?")[0]) for word in words.split(" "))[:160]


def _short(word: str) -> str:
    return word if len(word) < 40 or "/" in word or "\\" in word else f"{word[:6]}..."

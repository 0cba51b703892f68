"""`ccproxy switch`"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import click


@click.command("switch")
@click.argument("group", required=False)
@click.option(
    "--config", "file", metavar="FILE", help="The configuration; else $CCPROXY_CONFIG, ./ccproxy.toml, the user's."
)
def command(group: str | None, file: str | None) -> None:
    """Make GROUP the one that /switch serves; without GROUP, tell which it is.

    The name is written into the file, comments and all else stay. A running server follows within a second."""
    from ccproxy.cli.show import fail, located

    path = located(file)
    try:
        content = path.read_bytes().decode()
        document = tomllib.loads(content.removeprefix(_BOM))
    except (OSError, ValueError) as error:
        fail(f"{path}: cannot be read: {error}", advice="see `ccproxy check`")
    groups = _groups(document)
    if group is None:
        click.echo(_active(document) or f"no group is active; groups: {', '.join(groups)}")
        return
    if group not in groups:
        fail(f'there is no group "{group}"', advice=f"groups: {', '.join(groups)}")
    mark = _BOM if content.startswith(_BOM) else ""
    changed = with_active(content.removeprefix(_BOM), group)
    if changed is None:
        fail(f"{path}: cannot be changed without losing something", advice=f'write active_group = "{group}" into [server]')
    if mark + changed != content:
        _write(path, mark + changed)
    click.echo(f"/switch leads to {group} now")


_BOM = "\ufeff"
"""Windows' editors put it before the text."""


def _groups(document: dict[str, Any]) -> list[str]:
    """Not through `ccproxy.config`: this shell may lack the environment that the server was started with."""
    groups = document.get("groups")
    return list(groups) if isinstance(groups, dict) and groups else ["default"]


def _active(document: dict[str, Any]) -> str:
    server = document.get("server")
    return str(server.get("active_group") or "") if isinstance(server, dict) else ""


_HEADER = re.compile(r"^[ \t]*\[[ \t]*server[ \t]*\][^\r\n]*(\r?\n|\Z)", re.MULTILINE)
_LINE = re.compile(
    r"""^([ \t]*(?:server[ \t]*\.[ \t]*)?active_group[ \t]*=[ \t]*)("[^"\r\n]*"|'[^'\r\n]*')""", re.MULTILINE
)


def with_active(content: str, group: str) -> str | None:
    """The file with this group active and nothing else changed; None where that cannot be done by one line."""
    wanted = tomllib.loads(content)
    server = wanted.setdefault("server", {})
    if not isinstance(server, dict):
        return None
    server["active_group"] = group
    return next((text for text in _candidates(content, f'"{group}"') if _parsed(text) == wanted), None)


def _candidates(content: str, value: str) -> list[str]:
    """The line with another value; a line behind the table's head; the table at the end; a line at the top. Which of these
    is right, the parser tells."""
    found = [f"{content[: m.start(2)]}{value}{content[m.end(2) :]}" for m in _LINE.finditer(content)]
    end = "\r\n" if "\r\n" in content else "\n"
    for head in _HEADER.finditer(content):
        gap = "" if head[1] else end
        found.append(f"{content[: head.end()]}{gap}active_group = {value}{end}{content[head.end() :]}")
    gap = "" if not content or content.endswith("\n") else end
    found.append(f"{content}{gap}{end}[server]{end}active_group = {value}{end}")
    found.append(f"server.active_group = {value}{end}{content}")
    return found


def _parsed(content: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(content)
    except ValueError:
        return None


def _write(path: Path, content: str) -> None:
    """In one step, so that nobody reads half of it; the file keeps its mode, and its place behind a link."""
    place = path.resolve()
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode())
        os.chmod(name, place.stat().st_mode & 0o7777)
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

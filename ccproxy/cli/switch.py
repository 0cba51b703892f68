"""`ccproxy switch`"""

from __future__ import annotations

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
    from ccproxy.config.editing import Put, edit, read
    from ccproxy.errors import ConfigError

    path = located(file)
    try:
        document = read(path)
    except ConfigError as error:
        fail(error.message, advice="see `ccproxy check`")
    groups = _groups(document)
    if group is None:
        click.echo(_active(document) or f"no group is active; groups: {', '.join(groups)}")
        return
    if group not in groups:
        fail(f'there is no group "{group}"', advice=f"groups: {', '.join(groups)}")
    try:
        edit(path, Put(("server", "active_group"), group))
    except ConfigError as error:
        fail(error.message, advice=f'write active_group = "{group}" into [server]')
    click.echo(f"/switch leads to {group} now")


def _groups(document: dict[str, Any]) -> list[str]:
    """Not through `ccproxy.config`: this shell may lack the environment that the server was started with."""
    groups = document.get("groups")
    return list(groups) if isinstance(groups, dict) and groups else ["default"]


def _active(document: dict[str, Any]) -> str:
    server = document.get("server")
    return str(server.get("active_group") or "") if isinstance(server, dict) else ""

"""`ccproxy switch`"""

from __future__ import annotations

from typing import Any

import click

from ccproxy.cli import options


@click.command("switch")
@click.argument("group", required=False, shell_complete=options.groups)
@options.json_option
@options.config_option
def command(group: str | None, as_json: bool, file: str | None) -> None:
    """Make GROUP the one that /switch serves; without GROUP, tell which it is.

    The name is written into the file, comments and all else stay. A running server follows within a second."""
    from ccproxy.cli.aim import followed
    from ccproxy.cli.show import fail, in_json, located, no_group
    from ccproxy.config.editing import Put, edit, read
    from ccproxy.errors import ConfigError

    path = located(file)
    try:
        document = read(path)
    except ConfigError as error:
        fail(error.message, advice="see `ccproxy check`")
    groups = _groups(document)
    if group is None:
        active = _active(document)
        if as_json:
            in_json({"active": active or None, "groups": groups})
        elif active:
            click.echo(active)
        else:
            click.echo(f"no group is active; choose one: ccproxy switch NAME; groups: {', '.join(groups)}", err=True)
        return
    if group not in groups:
        no_group(group, groups)
    try:
        edit(path, Put(("server", "active_group"), group))
    except ConfigError as error:
        fail(error.message, advice=f'write active_group = "{group}" into [server]')
    followed(path)
    if as_json:
        in_json({"active": group, "groups": groups})
    else:
        click.echo(f"/switch leads to {group} now")


def _groups(document: dict[str, Any]) -> list[str]:
    """Not through `ccproxy.config`: this shell may lack the environment that the server was started with."""
    groups = document.get("groups")
    return list(groups) if isinstance(groups, dict) and groups else ["default"]


def _active(document: dict[str, Any]) -> str:
    server = document.get("server")
    return str(server.get("active_group") or "") if isinstance(server, dict) else ""

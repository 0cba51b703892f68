"""`ccproxy mcp add`, `remove`, `enable`, `disable`: changes of `[mcp.servers]`, the file's comments kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ccproxy.cli import options
from ccproxy.cli.show import fail, located
from ccproxy.errors import ConfigError

_UNSET = re.compile(r"the environment variables? .* not set")


def problems_of(name: str, table: Mapping[str, Any]) -> list[str]:
    """What the configuration would complain of in a server's table. Variables that are not set here may be where the server
    runs."""
    from ccproxy.config.mcp import Mcp, check_servers
    from ccproxy.tables import Spot, record

    spot = Spot("", [], {})
    read = record(Mcp, {"servers": {name: dict(table)}}, spot)
    check_servers(read, {name: table}, spot.at("servers"))
    return [problem.removeprefix("servers.") for problem in spot.problems if not _UNSET.search(problem)]


def put(path: Path, servers: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes servers into the file, or ends the command."""
    from ccproxy.config.editing import Put, edit

    try:
        edit(path, *(Put(("mcp", "servers", name), dict(table)) for name, table in servers.items()))
    except ConfigError as error:
        fail(error.message, advice="write the tables [mcp.servers.NAME] by hand")


def _pairs(values: tuple[str, ...], separator: str, option: str) -> dict[str, str]:
    found = {}
    for value in values:
        name, there, rest = value.partition(separator)
        if not there or not name.strip():
            raise click.UsageError(f"{option} takes NAME{separator}VALUE")
        found[name.strip()] = rest.strip()
    return found


@click.command("add", context_settings={"ignore_unknown_options": False})
@click.argument("name")
@click.argument("program", metavar="[-- COMMAND [ARGS]...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--url", help="The address of a server that is reached over HTTP.")
@click.option("--transport", type=click.Choice(["http", "sse"]), help="With --url: Streamable HTTP, or the older SSE.")
@click.option("--header", "-H", "headers", multiple=True, metavar="'NAME: VALUE'", help="With --url; several times.")
@click.option("--token", help="With --url: a bearer token; '${VAR}' for one in the environment.")
@click.option("--env", "-e", "env", multiple=True, metavar="NAME=VALUE", help="With a command; several times.")
@click.option("--cwd", help="With a command: the folder it runs in.")
@click.option("--timeout", type=float, help="Seconds that one call may take.")
@click.option("--allow", multiple=True, metavar="PATTERN", help="Only these tools; several times.")
@click.option("--deny", multiple=True, metavar="PATTERN", help="Not these tools; several times.")
@click.option("--replace", is_flag=True, help="Overwrite a server of this name.")
@options.config_option
def add(name: str, program: tuple[str, ...], replace: bool, file: str | None, **given: Any) -> None:
    """Add the MCP server NAME: a command that is run, or --url.

    ccproxy mcp add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes

    ccproxy mcp add issues --url https://mcp.example.com/mcp --token '${ISSUES_TOKEN}'"""
    if bool(program) == bool(given["url"]):
        raise click.UsageError("give a command behind --, or --url")
    path = located(file)
    table = _table(program, given)
    problems = problems_of(name, table)
    if problems:
        fail(f"{name} cannot be added", problems)
    if name in _servers(path) and not replace:
        fail(f"there is a server {name} already", advice="--replace overwrites it")
    put(path, {name: table})
    click.echo(f"{path}: added [mcp.servers.{name}]; try `ccproxy mcp list {name}`")


def _table(program: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The server's table, with what was given and nothing else."""
    table: dict[str, Any] = {
        "command": program[0] if program else None,
        "args": list(program[1:]),
        "env": _pairs(given["env"], "=", "--env"),
        "cwd": given["cwd"],
        "url": given["url"],
        "transport": given["transport"],
        "headers": _pairs(given["headers"], ":", "--header"),
        "token": given["token"],
        "timeout": given["timeout"],
        "allow": list(given["allow"]),
        "deny": list(given["deny"]),
    }
    return {key: value for key, value in table.items() if value not in (None, [], {})}


def _servers(path: Path) -> dict[str, Any]:
    from ccproxy.cli.mcp.importing import servers_of
    from ccproxy.config.editing import read

    try:
        return servers_of(read(path))
    except ConfigError as error:
        fail(error.message, advice="see `ccproxy check`")


def _known(path: Path, name: str) -> dict[str, Any]:
    """The server's table, or the end of the command."""
    from ccproxy.tables import hint

    servers = _servers(path)
    if name not in servers:
        fail(f"there is no server {name} in {path}", advice=hint(name, servers))
    table: dict[str, Any] = servers[name]
    return table


@click.command("remove")
@click.argument("name", shell_complete=options.servers)
@options.config_option
def remove(name: str, file: str | None) -> None:
    """Remove the MCP server NAME from the configuration."""
    from ccproxy.config.editing import Remove, edit

    path = located(file)
    _known(path, name)
    try:
        edit(path, Remove(("mcp", "servers", name)))
    except ConfigError as error:
        fail(error.message, advice=f"remove [mcp.servers.{name}] by hand")
    click.echo(f"{path}: removed [mcp.servers.{name}]")


@click.command("enable")
@click.argument("name", shell_complete=options.servers)
@options.config_option
def enable(name: str, file: str | None) -> None:
    """Use the MCP server NAME again."""
    _switch(located(file), name, on=True)


@click.command("disable")
@click.argument("name", shell_complete=options.servers)
@options.config_option
def disable(name: str, file: str | None) -> None:
    """Keep the MCP server NAME in the configuration, and use it no more."""
    _switch(located(file), name, on=False)


def _switch(path: Path, name: str, *, on: bool) -> None:
    from ccproxy.config.editing import Edit, Put, Remove, edit

    word = "enabled" if on else "disabled"
    keys = ("mcp", "servers", name, "enabled")
    table = _known(path, name)
    if table.get("enabled", True) is on:
        click.echo(f"{name} is {word} already")
        return
    change: Edit = Remove(keys) if on else Put(keys, False)  # without the key it is enabled
    try:
        edit(path, change)
    except ConfigError as error:
        fail(error.message, advice=f"write enabled = {str(on).lower()} into [mcp.servers.{name}]")
    click.echo(f"{name} is {word} now")

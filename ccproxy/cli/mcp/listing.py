"""`ccproxy mcp list`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ccproxy.cli import options
from ccproxy.cli.mcp.reach import Server, owners, reached
from ccproxy.cli.mcp.running import mcp_config, run
from ccproxy.cli.show import fail, in_json, table

if TYPE_CHECKING:
    from mcp_types import Tool

    from ccproxy.config import Config

BUILT_IN = "(built in)"


@click.command("list")
@click.argument("name", required=False, shell_complete=options.servers)
@click.option("--group", default="", shell_complete=options.groups, help="As this group's clients see them.")
@options.json_option
@options.config_option
@options.port_option
def list_servers(name: str | None, group: str, as_json: bool, file: str | None, port: int | None) -> None:
    """Show the MCP servers, their state and their tools; of the server NAME each tool.

    Asks the ccproxy that runs; where none does, connects to the servers itself. Exit code 1 when a server that
    is enabled is not connected."""
    config = mcp_config(file, group, port)
    where, servers, tools = run(_asked, config, group)
    if name is not None:
        servers = [server for server in servers if server.name == name]
        if not servers:
            fail(f"there is no server {name}", advice=f"servers: {', '.join(config.mcp.servers) if config.mcp else 'none'}")
    if as_json:
        in_json(_document(where, servers, tools, whole=name is None))
    elif name is not None:
        _show_one(servers[0], tools)
    else:
        _show_all(where, servers, tools)
    if any(server.state not in ("ready", "disabled") for server in servers):
        raise SystemExit(1)


async def _asked(config: Config, group: str) -> tuple[str, list[Server], list[Tool]]:
    async with reached(config, group) as reach:
        tools = await reach.tools()
        return reach.where, await reach.servers(), tools


def _show_all(where: str, servers: Sequence[Server], tools: Sequence[Tool]) -> None:
    rows = [(server.name, server.state, str(len(server.tools)), server.error) for server in servers]
    own = _of(BUILT_IN, servers, tools)
    rows += [(BUILT_IN, "ready", str(len(own)), ", ".join(tool.name for tool in own))] if own else []
    if rows:
        table(("server", "state", "tools", ""), rows)
    else:
        click.echo("no servers; add one: ccproxy mcp add NAME -- COMMAND, or --url URL")
    click.echo(f"asked: {where}", err=True)


def _show_one(server: Server, tools: Sequence[Tool]) -> None:
    click.echo(f"{server.name}: {server.state}{f', {server.error}' if server.error else ''}")
    for tool in _of(server.name, [server], tools):
        click.echo(f"\n{click.style(tool.name, bold=True)}{_signature(tool.input_schema)}")
        words = " ".join((tool.description or tool.title or "").split())
        if words:
            click.echo(f"  {words if len(words) <= 200 else words[:197] + '...'}")


def _signature(schema: dict[str, Any]) -> str:
    """`(path, limit?)`"""
    required = schema.get("required", [])
    names = schema.get("properties", {})
    return f"({', '.join(name if name in required else f'{name}?' for name in names)})"


def _of(name: str, servers: Sequence[Server], tools: Sequence[Tool]) -> list[Tool]:
    """The tools of a server; of ccproxy itself those that no server has."""
    whose = owners(list(servers))
    return [tool for tool in tools if whose.get(tool.name, BUILT_IN) == name]


def _document(where: str, servers: Sequence[Server], tools: Sequence[Tool], *, whole: bool) -> dict[str, Any]:
    def entry(name: str, state: str, error: str) -> dict[str, Any]:
        its = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in _of(name, servers, tools)]
        return {"name": name, "state": state, "error": error, "tools": its}

    entries = [entry(server.name, server.state, server.error) for server in servers]
    own = entry(BUILT_IN, "ready", "")["tools"] if whole else []
    return {"asked": where, "servers": entries, "builtin": own}

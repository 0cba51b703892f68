"""`ccproxy mcp`: the MCP servers behind ccproxy, from the command line. One module for what belongs together, imported when
it is used."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "list": ("listing", "list_servers", "show the servers, their state and their tools"),
    "call": ("calling", "call", "call a tool and show what it answers"),
    "add": ("changing", "add", "add a server to the configuration"),
    "remove": ("changing", "remove", "remove a server from the configuration"),
    "enable": ("changing", "enable", "use a server that was disabled"),
    "disable": ("changing", "disable", "keep a server in the configuration and use it no more"),
    "import": ("importing", "import_servers", "take over the servers of another client's configuration"),
}
"""Command -> its module here, its name there, what it does."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, _, what) in COMMANDS.items()])


@click.group("mcp", cls=_Commands)
def command() -> None:
    """The MCP servers behind ccproxy: see, try, add and change them.

    A running ccproxy follows every change within a second. Clients reach all servers at /mcp/http."""

"""The command line: one module for each command, imported when the command is used.

Exit codes: 0 all is well, 1 something is wrong with the configuration, a provider or the input, 2 the command itself was
given wrongly. What a command is asked for goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SECTIONS = {
    "To begin": {
        "demo": "serve a built-in scripted model; no account needed",
        "init": "write a commented configuration",
        "check": "validate the configuration; --probe asks the providers too",
        "serve": "run the proxy",
    },
    "Every day": {
        "run": "start a client with what points it at a group",
        "env": "print shell lines that point clients at a group",
        "switch": "choose the group that /switch serves",
        "groups": "list the groups, who may use them, and their rules",
        "models": "list the models that clients can ask for",
        "keys": "list, add and remove the keys that clients present",
        "mcp": "see, call, add and import MCP servers",
    },
    "To look into": {
        "log": "show what clients send, what goes upstream and what comes back",
        "convert": "convert a request, answer or stream from a file",
        "bench": "measure what conversion costs on this machine",
        "completion": "print what makes a shell complete commands, groups and keys",
    },
}
"""When -> command -> what it does. The module `ccproxy.cli.<command>` has it as `command`."""

COMMANDS = {name: does for section in SECTIONS.values() for name, does in section.items()}


class Commands(click.Group):
    """Imports a command's module when it is asked for, so that `ccproxy --version` and `--help` answer at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ccproxy.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f"there is no command {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Without importing every command."""
        from ccproxy.cli.options import item

        named = [item(name, does) for name, does in COMMANDS.items() if name.startswith(incomplete)]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), does) for name, does in commands.items()])


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"ccproxy {version('ccproxy-llm')}")
    except PackageNotFoundError:
        click.echo("ccproxy, run from a folder that is not installed")
    ctx.exit()


def _colour(env: Mapping[str, str]) -> bool | None:
    """What the user wants of all programs (no-color.org, force-color.org); None: colour on a terminal."""
    if env.get("NO_COLOR"):
        return False
    return True if env.get("FORCE_COLOR") else None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all is well, 1 something is wrong, 2 the command was given wrongly; `run`: its client's.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def main(context: click.Context) -> None:
    """A local proxy between LLM clients and providers of five wire protocols.

    New here? `ccproxy demo` needs no account; `ccproxy init` writes a configuration, `ccproxy serve` runs it.
    """
    context.color = _colour(os.environ)

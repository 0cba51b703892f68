"""The command line: one module for each command, imported when the command is used.

Exit codes: 0 all is well, 1 something is wrong with the configuration, a provider or the input, 2 the command itself was
given wrongly. What a command is asked for goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "bench": "measure what conversion costs on this machine",
    "check": "validate the configuration; --probe asks the providers too",
    "convert": "convert a request, answer or stream from a file",
    "demo": "serve a built-in scripted model; no account needed",
    "env": "print shell lines that point clients at a group",
    "init": "write a commented configuration",
    "run": "start a client with what points it at a group",
    "serve": "run the proxy",
    "switch": "choose the group that /switch serves",
}
"""Command -> what it does. The module `ccproxy.cli.<command>` has it as `command`."""


class Commands(click.Group):
    """Imports a command's module when it is asked for, so that `ccproxy --version` and `--help` answer at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ccproxy.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"ccproxy {version('ccproxy-llm')}")
    except PackageNotFoundError:
        click.echo("ccproxy, run from a folder that is not installed")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """A local proxy between LLM clients and providers of five wire protocols.

    New here? `ccproxy demo` needs no account; `ccproxy init` writes a configuration, `ccproxy serve` runs it.
    """

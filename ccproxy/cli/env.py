"""`ccproxy env`"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ccproxy.cli import options
from ccproxy.cli.clients import ANY, CLIENTS, Setup
from ccproxy.cli.shells import SHELLS, lines, parent, usual

if TYPE_CHECKING:
    from ccproxy.cli.aim import Aim


@click.command("env")
@click.argument("group", metavar="GROUP", shell_complete=options.destinations)
@click.option(
    "--shell", type=click.Choice(list(SHELLS)), help="Whose words to print; else those of the shell that runs it."
)
@click.option(
    "--client",
    metavar="CLIENT",
    type=click.Choice(list(CLIENTS)),
    help=f"For this client alone, else for whatever reads the SDKs' variables: {', '.join(CLIENTS)}.",
)
@options.model_option
@options.key_option
@options.port_option
@options.json_option
@options.config_option
def command(group: str, shell: str | None, client: str | None, as_json: bool, **options: Any) -> None:
    """Print shell lines that point clients at GROUP.

    \b
    eval "$(ccproxy env qwen)"             bash, zsh
    ccproxy env qwen | source              fish
    ccproxy env qwen | Out-String | iex    PowerShell

    GROUP is a group's name (`default`, where you have made none), or `switch` for the active one; /compat behind it turns
    compat mode on. The lines hold a proxy key; `ccproxy run` starts a client without one in your shell.
    """
    from ccproxy.cli.setups import written
    from ccproxy.cli.show import in_json

    aimed, made = written(group, CLIENTS[client] if client else ANY, **options)
    if as_json:
        in_json(_document(client, aimed, made))
        return
    shell = shell or usual(os.environ, parent())
    click.echo("\n".join(lines(shell, made.variables, [name for name in made.unset if name in os.environ])))
    for line in made.manual:
        click.echo(f"# {line}", err=True)
    if os.isatty(1):
        called = f"ccproxy env {group}" + (f" --client {client}" if client else "")
        click.echo(f"# to have your shell set them: {SHELLS[shell].use.format(command=called)}", err=True)


def _document(client: str | None, aimed: Aim, made: Setup) -> dict[str, Any]:
    return {
        "client": client,
        "group": aimed.group,
        "url": aimed.url,
        "key": aimed.key_name or None,
        "set": dict(made.variables),
        "unset": list(made.unset),
        "arguments": list(made.flags),
        "file": str(made.file[0]) if made.file else None,
    }

"""`ccproxy completion`"""

from __future__ import annotations

import sys

import click

COMPLETION = {
    "bash": ('eval "$(ccproxy completion bash)"', "~/.bashrc"),
    "zsh": ('eval "$(ccproxy completion zsh)"', "~/.zshrc, behind compinit"),
    "fish": ("ccproxy completion fish | source", "~/.config/fish/config.fish"),
}
"""Shell -> the line that switches completion on, and where it belongs."""


@click.command("completion")
@click.argument("shell", type=click.Choice(list(COMPLETION)))
def command(shell: str) -> None:
    """Print what makes SHELL complete commands, options, groups and keys.

    \b
    bash   eval "$(ccproxy completion bash)"     in ~/.bashrc
    zsh    eval "$(ccproxy completion zsh)"      in ~/.zshrc, behind compinit
    fish   ccproxy completion fish | source      in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from ccproxy.cli import main

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(main, {}, "ccproxy", "_CCPROXY_COMPLETE").source())
    if sys.stdout.isatty():
        line, place = COMPLETION[shell]
        click.echo(f"# to have it in every shell, put this into {place}:\n#   {line}", err=True)

"""`ccproxy run`"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from ccproxy.cli import options
from ccproxy.cli.clients import ANY, CLIENTS, named
from ccproxy.cli.show import fail

NOT_FOUND, NOT_STARTED = 127, 126
"""The exit codes of shells, and of env(1), for a command that is not there or cannot be started."""


class _Starting(click.Command):
    """Says where the `--` belongs when the options of the client's command are taken for ccproxy's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        behind, given = "--" in args, list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if behind:
                raise
            message = f"{error.option_name} is no option of ccproxy run; put -- before the client's command"
            before = next((i for i, word in enumerate(given) if word.startswith(error.option_name)), len(given))
            client = next((i for i in reversed(range(before)) if named(given[i])), None)
            right = ["qwen", "--", "claude", "-p", "hello"] if client is None else [*given[:client], "--", *given[client:]]
            raise click.UsageError(f"{message}, as in: ccproxy run {shlex.join(right)}", ctx) from None


def _commands(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The clients that are installed, and files."""
    known = (word for client in CLIENTS.values() for word in client.commands if shutil.which(word))
    return [*options.items(known, incomplete), CompletionItem(incomplete, type="file")]


@click.command("run", cls=_Starting)
@click.argument("group", metavar="GROUP", shell_complete=options.destinations)
@click.argument("words", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, type=click.UNPROCESSED, shell_complete=_commands)
@click.option(
    "--client",
    metavar="CLIENT",
    type=click.Choice(list(CLIENTS)),
    help=f"Which client it is, where the command's name does not say it: {', '.join(CLIENTS)}.",
)
@options.model_option
@options.key_option
@options.port_option
@options.config_option
def command(group: str, words: tuple[str, ...], client: str | None, **options: Any) -> None:
    """Start a client with what points it at GROUP.

    \b
    ccproxy run qwen -- claude
    ccproxy run switch/compat -- codex exec "what is this?"

    GROUP is a group's name (`default`, where you have made none), or `switch` for the active one; /compat behind it turns
    compat mode on. The client is known by its command. Its exit code is passed on; 127: the command is not found.
    """
    from ccproxy.cli.setups import written

    if not words:
        raise click.UsageError("which command? as in: ccproxy run qwen -- claude")
    program = shutil.which(words[0])
    if program is None:
        fail(f"{words[0]}: there is no such command", advice="is it installed, and on your PATH?", code=NOT_FOUND)
    name = client or named(words[0])
    aimed, made = written(group, CLIENTS[name] if name else ANY, running=True, **options)
    environment = {key: value for key, value in os.environ.items() if key not in made.unset} | dict(made.variables)
    at = 1 if named(words[0]) == name else len(words)
    if sys.stderr.isatty():
        who = f" with the key {aimed.key_name}" if aimed.key_name else ""
        click.echo(f"{CLIENTS[name].title if name else words[0]} at {aimed.url}{who}", err=True)
    start(program, [*words[:at], *made.flags, *words[at:]], environment)


_IGNORED = ("SIGPIPE", "SIGXFSZ")
"""Python ignores these (`signal`, "General rules"), and the program that takes its place would go on with that: behind
`| head` some never end."""


def start(program: str, words: list[str], environment: dict[str, str], replace: bool = os.name != "nt") -> NoReturn:
    """Becomes the program, so that signals and the exit code are its own. replace: not so on Windows, which waits."""
    sys.stdout.flush()
    sys.stderr.flush()
    if replace:
        for name in _IGNORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        try:
            os.execve(program, words, environment)
        except OSError as error:
            fail(f"{program} cannot be started: {error.strerror}", code=NOT_STARTED)
    child = subprocess.Popen([program, *words[1:]], env=environment)
    while True:
        try:
            raise SystemExit(child.wait())
        except KeyboardInterrupt:  # the child has had it, too, and decides
            continue

"""`ccproxy init`"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
from attrs import evolve

from ccproxy.cli.presets import FIRST, PRESETS, Choices, is_variable, written
from ccproxy.cli.reference import reference
from ccproxy.cli.show import fail
from ccproxy.config import FILE_NAME, user_folder
from ccproxy.tables import Read, Spot, Wrong, secret, url


@click.command("init")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--user", is_flag=True, help="Write it into your own folder, where commands find it from every folder.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--provider", type=click.Choice(list(PRESETS)), help="Do not ask which one.")
@click.option("--all", "everything", is_flag=True, help="With every key there is, its default and the reason for it.")
def command(path: Path | None, user: bool, force: bool, provider: str | None, everything: bool) -> None:
    """Write a commented configuration to PATH (./ccproxy.toml).

    Asks for the provider and its key on a terminal; elsewhere it writes a file to start from.
    """
    if path and user:
        raise click.UsageError("PATH and --user are two places; give one of them")
    own = user_folder(os.environ) / FILE_NAME
    undecided = path is None and not user
    path = own if user else path or Path(FILE_NAME)
    path = path / FILE_NAME if path.is_dir() else path
    if path.exists() and not force:
        fail(f"{path} is there already", advice="replace it with --force, or name another file: ccproxy init PATH")
    choices = ask(provider) if on_a_terminal() else Choices.of(provider or FIRST)
    if undecided and on_a_terminal() and not own.exists():
        path = own if click.confirm(f"For all folders ({own})? Else for this one alone", default=True) else path
    try:
        write(path, written(choices, reference() if everything else ""))
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}", advice="name another file: ccproxy init PATH")
    click.echo("\n".join(next_steps(path, choices)))


def on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def write(path: Path, content: str) -> None:
    """Writes the file so that only its owner can read it: it may hold keys. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    beside.replace(path)


def next_steps(path: Path, choices: Choices) -> list[str]:
    """What to do with the new file."""
    found = path in (Path(FILE_NAME), user_folder(os.environ) / FILE_NAME)
    option = "" if found else f" --config {path}"
    lines = [f"wrote {path}; next:"]
    variable = choices.key[2:-1] if choices.key.startswith("${") else ""
    if variable and not os.environ.get(variable):
        setting = f'$env:{variable} = "..."' if os.name == "nt" else f"export {variable}=..."
        lines.append(f"  {setting}  # the provider's key")
    run = f"  ccproxy run{option} default -- claude  # or another client, in another shell"
    return [*lines, f"  ccproxy check{option} --probe", f"  ccproxy serve{option}", run]


# ---------------------------------------------------------------------------------------------------------------------
# Questions


def ask(provider: str | None) -> Choices:
    """The choices of the person at the terminal."""
    choices = Choices.of(provider or _which())
    if choices.base_url:
        address = click.prompt("Base URL", default=choices.base_url, value_proc=_checked(url("http", "https")))
        choices = evolve(choices, base_url=address)
    choices = evolve(choices, key=_key(choices.name))
    if choices.model:
        choices = evolve(choices, model=click.prompt("Model for clients that ask for claude-*", default=choices.model))
    return choices


def _which() -> str:
    names = list(PRESETS)
    for number, name in enumerate(names, 1):
        click.echo(f"  {number}  {PRESETS[name].title}")
    number = click.prompt("Provider", type=click.IntRange(1, len(names)), default=names.index(FIRST) + 1)
    return names[number - 1]


_NONE, _HERE = "none", "here"


def _key(name: str) -> str:
    """The key as it will stand in the file."""
    click.echo(
        f"The key is best kept in an environment variable. Or answer `{_HERE}` to put it into the file, or `{_NONE}`."
    )
    where = click.prompt("Environment variable of the key", default=PRESETS[name].variable or _NONE, value_proc=_variable)
    if where == _NONE:
        return ""
    if where == _HERE:
        key: str = click.prompt("API key", hide_input=True, value_proc=_checked(secret))
        return key
    return f"${{{where}}}"


def _variable(text: str) -> str:
    if not is_variable(text):  # not repeated: it may be the key itself
        raise click.BadParameter(
            f"that is not the name of an environment variable; answer `{_HERE}` to put the key into the file"
        )
    return text


def _checked(read: Read) -> Callable[[str], str]:
    """A prompt's check that uses the configuration's own reader."""

    def check(value: str) -> str:
        try:
            text: str = read(value, Spot("", [], os.environ))
        except Wrong as wrong:
            raise click.BadParameter(str(wrong)) from None
        return text

    return check

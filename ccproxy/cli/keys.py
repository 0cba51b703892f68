"""`ccproxy keys`"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ccproxy.cli import options

if TYPE_CHECKING:
    from ccproxy.config import Config
    from ccproxy.config.editing import Edit

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


@click.group("keys")
def command() -> None:
    """The proxy keys that clients present: list them, add one, remove one.

    They are unrelated to providers' API keys. A running server follows a change within a second.
    """


@command.command("list")
@options.json_option
@options.config_option
def list_keys(as_json: bool, file: str | None) -> None:
    """List the keys, masked, and the groups that each may use."""
    from ccproxy.cli.aim import relaxed
    from ccproxy.cli.show import in_json, located, table
    from ccproxy.config.editing import read

    path = located(file)
    config, said = relaxed(path), read(path).get("keys", {})
    if as_json:
        in_json([_document(config, name, text) for name, text in said.items()])
        return
    if said:
        table(
            ("key", "token", "groups"), [(n, masked(t), ", ".join(_groups(config, n)) or "none") for n, t in said.items()]
        )
    else:
        click.echo("there are no keys: the programs of this machine need none; add one: ccproxy keys add NAME", err=True)


def _document(config: Config, name: str, text: str) -> dict[str, Any]:
    found = _VARIABLE.search(text)
    return {
        "name": name,
        "token": masked(text),
        "variable": found[1] if found else None,
        "groups": _groups(config, name),
    }


def _groups(config: Config, key: str) -> list[str]:
    return [name for name, group in config.groups.items() if group.keys is None or key in group.keys]


def masked(token: str) -> str:
    """What tells a token from another without giving it away; a variable's name is no secret."""
    if variables := _VARIABLE.findall(token):
        return token if _VARIABLE.fullmatch(token) else "".join(f"...${{{name}}}" for name in variables)
    return f"{token[:3]}...{token[-4:]}" if len(token) >= _LONG else "..."


_LONG = 20
"""Characters from which four may be shown."""


@command.command(short_help="Make a key, and print its token this once.")
@click.argument("name")
@click.option(
    "--group", "groups", multiple=True, metavar="GROUP", shell_complete=options.groups, help="A group that it may use, too."
)
@options.json_option
@options.config_option
def add(name: str, groups: tuple[str, ...], as_json: bool, file: str | None) -> None:
    """Make a key called NAME, and print its token: it is shown this once.

    A key may use every group that lets every key in. --group adds it to one that names its keys; so it does for a key
    that is there already.
    """
    from ccproxy.cli.aim import relaxed
    from ccproxy.cli.show import fail, in_json, located, no_group
    from ccproxy.config.editing import Put

    path = _alone_with(located(file))
    config = relaxed(path)
    for group in groups:
        if group not in config.groups:
            no_group(group, list(config.groups))
    known = name in config.keys
    if known and not groups:
        fail(f"there is a key {name} already", advice="to let it into a group: --group; to renew it, remove it first")
    token = "" if known else f"cs-{secrets.token_urlsafe(32)}"
    edits: list[Edit] = [] if known else [Put(("keys", name), token)]
    for group in dict.fromkeys(groups):
        allowed = config.groups[group].keys
        if allowed is not None and name not in allowed:
            edits.append(Put(("groups", group, "keys"), [*allowed, name]))
    after = _change(path, edits)
    if as_json:
        in_json({"name": name, "token": token or None, "groups": _groups(after, name)})
        return
    if token:
        click.echo(token)
    for line in _after_adding(config, after, name):
        click.echo(line, err=True)


def _after_adding(before: Config, after: Config, name: str) -> list[str]:
    may = _groups(after, name)
    lines = [f"{name} may use {', '.join(may)}" if may else f"{name} may use no group yet: add it to one with --group"]
    if name not in before.keys:
        lines.insert(0, f"this is the token of {name}; it is not shown again, and stands in the file")
    if not before.keys:
        lines.append("from now on every client has to present a key; before, the programs of this machine needed none")
    return lines


@command.command(short_help="Remove a key, also from the groups that name it.")
@click.argument("name", shell_complete=options.keys)
@options.json_option
@options.config_option
def remove(name: str, as_json: bool, file: str | None) -> None:
    """Remove the key called NAME; clients that present it are refused within a second.

    It is taken out of the groups that name it. A group that names no other key stands in the way: without any key it would
    be open to all.
    """
    from ccproxy.cli.aim import relaxed
    from ccproxy.cli.show import fail, in_json, located
    from ccproxy.config.editing import Put, Remove

    path = _alone_with(located(file))
    config = relaxed(path)
    if name not in config.keys:
        fail(f'there is no key "{name}"', advice=f"keys: {', '.join(config.keys) or 'none'}")
    allowed = {group: found.keys for group, found in config.groups.items() if found.keys and name in found.keys}
    named = {group: [key for key in keys if key != name] for group, keys in allowed.items()}
    alone = [group for group, left in named.items() if not left]
    if alone:
        fail(
            f"{name} is the only key of {' and of '.join(alone)}, which would be open to every key without it",
            advice=f"let another key in first: ccproxy keys add OTHER --group {alone[0]}",
        )
    after = _change(
        path, [Remove(("keys", name)), *(Put(("groups", group, "keys"), left) for group, left in named.items())]
    )
    if as_json:
        in_json({"name": name, "groups": list(named)})
        return
    click.echo(f"removed {name}" + (f", also from {', '.join(named)}" if named else ""))
    if not after.keys:
        click.echo("no key is left: the programs of this machine need none from now on", err=True)


def _alone_with(path: Path) -> Path:
    """The file, which no other command changes until this one is over."""
    from ccproxy.config.editing import alone

    click.get_current_context().with_resource(alone(path))
    return path


def _change(path: Path, edits: Sequence[Edit]) -> Config:
    """Changes the file, unless that would make it one that the server refuses; returns what it says then."""
    from ccproxy.cli.aim import Lenient, relaxed
    from ccproxy.cli.show import fail
    from ccproxy.config import loads
    from ccproxy.config.editing import edit, preview
    from ccproxy.errors import ConfigError

    try:
        loads(preview(path, *edits), Lenient(), folder=path.absolute().parent)
        edit(path, *edits)
    except ConfigError as error:
        fail(f"{path} is left as it is, for the change is not possible", error.problems)
    return relaxed(path)

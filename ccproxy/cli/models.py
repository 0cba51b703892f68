"""`ccproxy models`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from ccproxy.cli import options

if TYPE_CHECKING:
    from ccproxy.config import Config


@frozen(kw_only=True)
class Listing:
    """What clients of a group see. note: why these are not the running server's own words, "" where they are."""

    group: str
    names: tuple[str, ...]
    patterns: tuple[str, ...]
    note: str = ""


@click.command("models")
@click.argument("group", required=False, shell_complete=options.groups)
@options.key_option
@options.port_option
@options.json_option
@options.config_option
def command(group: str | None, key_name: str, port: int | None, as_json: bool, file: str | None) -> None:
    """List the model names that clients can ask for, in GROUP or in all groups.

    The running server is asked, which knows the names that patterns pass through to providers; without one, the names are
    those of the file.
    """
    from ccproxy.cli.aim import SWITCH, relaxed
    from ccproxy.cli.show import fail, in_json, located, no_group

    config = relaxed(located(file))
    if group == SWITCH and not config.server.active_group:
        fail("no group is active", advice=f"choose one: ccproxy switch NAME; groups: {', '.join(config.groups)}")
    if group == SWITCH:
        group = config.server.active_group
    if group is not None and group not in config.groups:
        no_group(group, list(config.groups))
    found = [listing(config, name, key_name, port) for name in config.groups if group in (None, name)]
    if as_json:
        in_json([_document(config, each) for each in found])
    else:
        _tell(config, found)


def listing(config: Config, group: str, key_name: str, port: int | None) -> Listing:
    """What the running server lists for the group, or else what the file tells."""
    from ccproxy.cli.aim import Absent, Lost, Refused, ask, locate, names
    from ccproxy.policy.routing import is_pattern

    patterns = tuple(alias for alias in config.groups[group].models if is_pattern(alias))
    try:
        found = locate(config, group, key_name=key_name, port=port)
        return Listing(group=group, names=ask(found.url, found.key), patterns=patterns)
    except Absent as error:
        note = str(error)
    except Refused as error:
        note = f"{found.url}: {error}"
    except Lost as error:
        note = error.message
    return Listing(group=group, names=names(config, group), patterns=patterns, note=note)


def _targets(config: Config, group: str, name: str) -> list[str]:
    from ccproxy.errors import NotFound

    try:
        return list(map(str, config.router().resolve(group, name).destinations))
    except NotFound:  # the running server has another file
        return []


def _document(config: Config, found: Listing) -> dict[str, Any]:
    return {
        "group": found.group,
        "from": "file" if found.note else "server",
        "models": [{"name": name, "targets": _targets(config, found.group, name)} for name in found.names],
        "patterns": list(found.patterns),
    }


def _tell(config: Config, listings: list[Listing]) -> None:
    from ccproxy.cli.show import table

    rows = [
        (each.group, name, ", ".join(_targets(config, each.group, name)) or "?") for each in listings for name in each.names
    ]
    if rows:
        table(("group", "model", "leads to"), rows)
    for each in listings:
        if each.patterns:
            like = "" if "*" in each.patterns else f" like {' or '.join(each.patterns)}"
            click.echo(f"{each.group}: any name{like} can be asked for", err=True)
    for note in dict.fromkeys(each.note for each in listings if each.note):
        click.echo(f"note: {note}; these are the names of the file", err=True)

"""`ccproxy groups`"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ccproxy.cli import options

if TYPE_CHECKING:
    from ccproxy.config import Config, Group

_SHOWN = 4
"""Aliases in a group's line; more would fill the screen."""

_LONGEST = 72
"""Characters of a rule's value, which may be a whole prompt."""

_NO_RULES = ("description", "keys", "models")


@click.command("groups")
@click.argument("group", required=False, shell_complete=options.groups)
@options.json_option
@options.config_option
def command(group: str | None, as_json: bool, file: str | None) -> None:
    """List the groups: which one is active, who may use each, its models and rules.

    With GROUP, all there is to know of it.
    """
    from ccproxy.cli.aim import relaxed
    from ccproxy.cli.show import in_json, located, no_group
    from ccproxy.config.editing import read

    path = located(file)
    config, said = relaxed(path), read(path).get("groups", {})
    if group is not None and group not in config.groups:
        no_group(group, list(config.groups))
    rules = {name: {k: v for k, v in said.get(name, {}).items() if k not in _NO_RULES} for name in config.groups}
    if as_json:
        documents = [_document(config, name, rules[name]) for name in config.groups if group in (None, name)]
        in_json(documents if group is None else documents[0])
    elif group is None:
        _list(config, rules)
    else:
        _tell(config, group, rules[group])


def _document(config: Config, name: str, rules: dict[str, Any]) -> dict[str, Any]:
    group = config.groups[name]
    return {
        "name": name,
        "description": group.description,
        "path": _path(name),
        "active": name == config.server.active_group,
        "keys": None if group.keys is None else list(group.keys),
        "models": {alias: list(map(str, targets)) for alias, targets in group.models.items()},
        "rules": rules,
    }


def _path(name: str) -> str:
    return "/" if name == "default" else f"/{name}"


def _list(config: Config, rules: dict[str, dict[str, Any]]) -> None:
    from ccproxy.cli.show import table

    rows = [
        (
            name,
            "*" if name == config.server.active_group else "",
            _path(name),
            _who(config, group),
            _aliases(group),
            ", ".join(rules[name]) or "-",
            group.description,
        )
        for name, group in config.groups.items()
    ]
    table(("group", "active", "path", "keys", "models", "rules", "for"), rows)


def _who(config: Config, group: Group) -> str:
    if group.keys is None:
        return "every key" if config.keys else "no key needed"
    return ", ".join(group.keys)


def _aliases(group: Group) -> str:
    aliases = list(group.models)
    return ", ".join(aliases[:_SHOWN]) + (", ..." if len(aliases) > _SHOWN else "")


def _tell(config: Config, name: str, rules: dict[str, Any]) -> None:
    from ccproxy.cli.show import base_url, heading, table

    group = config.groups[name]
    active = ", and what /switch leads to" if name == config.server.active_group else ""
    click.echo(heading(name) + (f": {group.description}" if group.description else ""))
    click.echo(f"address: {base_url(config.server.host, config.server.port)}{_path(name).rstrip('/')}{active}")
    click.echo(f"keys: {_who(config, group)}")
    for key, value in rules.items():
        text = json.dumps(value, ensure_ascii=False)
        click.echo(f"{key} = {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}")
    if group.models:
        click.echo()
        table(("model", "leads to"), [(alias, ", ".join(map(str, targets))) for alias, targets in group.models.items()])

"""Options and arguments that several commands have, and what a shell completes in their places."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]


def config_option(function: Function) -> Function:
    return click.option(
        "--config",
        "file",
        metavar="FILE",
        type=click.Path(),
        help="The configuration; else $CCPROXY_CONFIG, ./ccproxy.toml, the user's.",
    )(function)


def json_option(function: Function) -> Function:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(function)


def port_option(function: Function) -> Function:
    return click.option(
        "--port", type=click.IntRange(1, 65535), help="The server's port, where it was started with another one."
    )(function)


def key_option(function: Function) -> Function:
    return click.option(
        "--key",
        "key_name",
        default="",
        metavar="NAME",
        shell_complete=keys,
        help="The proxy key to present; else the first that may use the group.",
    )(function)


def model_option(function: Function) -> Function:
    return click.option(
        "--model", default="", metavar="NAME", help="The model to ask for, where the client would ask for another."
    )(function)


# ---------------------------------------------------------------------------------------------------------------------
# What a shell completes


def groups(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The groups of the file, with what they are for."""
    found = _tables(context, "groups") or {"default": {}}
    return [
        item(name, str(table.get("description") or "") if isinstance(table, dict) else "")
        for name, table in found.items()
        if name.startswith(incomplete)
    ]


def destinations(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Groups, `switch`, and both with /compat once a slash is there."""
    places = [*groups(context, parameter, ""), CompletionItem("switch", help="the active group")]
    if "/" in incomplete:
        places = [CompletionItem(f"{place.value}/compat", help=place.help) for place in places]
    return [place for place in places if place.value.startswith(incomplete)]


def keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the proxy keys."""
    return items(_tables(context, "keys"), incomplete)


def servers(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the MCP servers."""
    found = _tables(context, "mcp").get("servers")
    return items(found if isinstance(found, dict) else {}, incomplete)


def item(word: str, does: str) -> CompletionItem:
    """A completion with what it is. Click's lines for fish end at a comma."""
    return CompletionItem(word, help=does.replace(",", ";"))


def items(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _tables(context: click.Context, name: str) -> dict[str, Any]:
    """A table of the file as it is; empty where there is no file, or none that can be read: a shell's line is no place to
    complain."""
    from ccproxy.config import find
    from ccproxy.errors import ConfigError

    try:
        path = find(context.params.get("file"), os.environ, Path.cwd())
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig")).get(name)
    except (ConfigError, OSError, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}

"""How commands say things: plain lines, and colour where a person looks."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from ccproxy.config import Config, find, load
from ccproxy.errors import ConfigError
from ccproxy.tables import nearest

NO_CONFIG = "name another one with --config, write one with `ccproxy init`, or see ccproxy work without one: `ccproxy demo`"


def fail(message: str, lines: Sequence[str] = (), advice: str = "", code: int = 1) -> NoReturn:
    """Ends the command: what is wrong, the details, and what to do next. code: the exit code."""
    click.secho(message, fg="red", err=True)
    for line in lines:
        click.echo(f"  {line}", err=True)
    if advice:
        click.echo(advice, err=True)
    raise SystemExit(code)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns."""
    widths = [max(_width(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for number, row in enumerate([heads, *rows]):
        line = "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(line if number else heading(line))


def _width(text: str) -> int:
    """Columns of a terminal: most East Asian letters take two (Unicode, UAX 11)."""
    return len(text) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)


def heading(text: str) -> str:
    return click.style(text, bold=True)


def in_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def no_group(name: str, groups: Sequence[str]) -> NoReturn:
    """The end of a command that was given a group which is not there."""
    near = nearest(name, groups)
    fail(f'there is no group "{name}"' + (f"; did you mean {near}?" if near else ""), advice=f"groups: {', '.join(groups)}")


def located(explicit: str | None) -> Path:
    """The configuration's path, or the end of the command."""
    try:
        return find(explicit, os.environ, Path.cwd())
    except ConfigError as error:
        fail(error.message, advice=NO_CONFIG)


def configured(path: Path, *, host: str | None = None, port: int | None = None) -> Config:
    """The configuration at `path`, or the end of the command with every problem in it."""
    try:
        return load(path, host=host, port=port)
    except ConfigError as error:
        mistaken(path, error)


def mistaken(path: Path, error: ConfigError) -> NoReturn:
    """The end of a command whose configuration has mistakes."""
    count = len(error.problems)
    fail(f"{path}: {count} problem{'s' * (count > 1)}", error.problems, "correct these lines, then try `ccproxy check`")


def base_url(host: str, port: int) -> str:
    """What a client on this machine calls a server that listens on `host`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"

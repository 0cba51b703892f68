"""How commands say things: plain lines, and colour where a person looks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from ccproxy.config import Config, find, load
from ccproxy.errors import ConfigError

NO_CONFIG = "write one with `ccproxy init`, or see ccproxy work without one: `ccproxy demo`"


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
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


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
        count = len(error.problems)
        fail(
            f"{path}: {count} problem{'s' * (count > 1)}",
            error.problems,
            "correct these lines, then try `ccproxy check`",
        )


def base_url(host: str, port: int) -> str:
    """What a client on this machine calls a server that listens on `host`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"

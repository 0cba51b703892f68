"""`ccproxy serve`"""

from __future__ import annotations

import errno
import logging
import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ccproxy.cli import options

if TYPE_CHECKING:
    from ccproxy.config import Config, Group, Mcp


@click.command("serve")
@options.config_option
@click.option("--host", help="Listen on this address in place of the configured one.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port in place of the configured one.")
def command(file: str | None, host: str | None, port: int | None) -> None:
    """Run the proxy until Ctrl-C."""
    from ccproxy.cli.show import configured, located

    path = located(file)
    config = configured(path, host=host, port=port)
    _log_to_stderr(config.log.level)
    _run(config, path, host, port, f" --config {shlex.quote(file)}" if file else "")


def _run(config: Config, path: Path, host: str | None, port: int | None, option: str) -> None:
    from ccproxy.app import App
    from ccproxy.app.watch import Watched
    from ccproxy.cli.show import fail
    from ccproxy.errors import ConfigError
    from ccproxy.transport.on_asyncio import Server, run

    def on_ready(server: Server) -> None:
        options = option if port is None else f"{option} --port {server.port}"
        click.echo("\n".join(welcome(config, path, server.port, options)))
        watched.start()

    def on_change(changed: Config) -> None:
        logging.getLogger().setLevel(changed.log.level.upper())

    try:
        watched = Watched(path, App(config), host=host, port=port, applied=on_change)
        if hasattr(signal, "SIGHUP"):  # Windows has none
            signal.signal(signal.SIGHUP, lambda *_: watched.reread())
        run(watched, config.server.host, config.server.port, on_ready=on_ready)
    except ConfigError as error:
        fail(f"{path}: what it asks for cannot be had", error.problems)
    except OSError as error:
        message, advice = refused(error, config.server.host, config.server.port)
        fail(message, advice=advice)


def welcome(config: Config, path: Path, port: int, options: str = "") -> list[str]:
    """Where ccproxy listens, its groups, and how to point a client at it. options: what commands need to find it."""
    from ccproxy.cli.guide import guide
    from ccproxy.cli.shells import parent, usual
    from ccproxy.cli.show import base_url

    url = base_url(config.server.host, port)
    prefixes = {name: "" if name == "default" else f"/{name}" for name in config.groups}
    first = "default" if "default" in prefixes else next(iter(prefixes))
    allowed = config.groups[first].keys
    active = config.server.active_group
    keys = list(config.keys) if allowed is None else list(allowed)
    return [
        f"ccproxy listens on {url} ({path})",
        "",
        *(f"  {url}{prefixes[name]}  {_described(name, group)}" for name, group in config.groups.items() if group.models),
        *([f"  {url}/switch  now {active}; another: ccproxy switch NAME"] if active else []),
        *([f"  {url}/mcp/http  {_served(config.mcp)}"] if config.mcp else []),
        "",
        *(guide(first, url + prefixes[first], keys, usual(os.environ, parent()), options) if config.providers else []),
        "",
    ]


_SHOWN = 4
"""Aliases in a group's line; more would fill the screen."""


def _described(name: str, group: Group) -> str:
    aliases = list(group.models)
    more = ", ..." if len(aliases) > _SHOWN else ""
    about = f" ({group.description})" if group.description else ""
    return f"group {name}{about}: {', '.join(aliases[:_SHOWN])}{more}"


def _served(mcp: Mcp) -> str:
    names = [name for name, server in mcp.servers.items() if server.enabled]
    names += ["web_fetch"] * (mcp.fetch is not None) + ["web_search"] * (mcp.search is not None)
    return f"MCP: {', '.join(names) or 'no server yet, see ccproxy mcp add'}"


def refused(error: OSError, host: str, port: int) -> tuple[str, str]:
    """What is wrong with the address, and what to do."""
    another = 11435 if port == 11434 else port % 65535 + 1
    ollama = ", perhaps by Ollama, whose port it is too" if port == 11434 else ""
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken{ollama}",
            f"try another one: ccproxy serve --port {another}, or for good: port = {another} in [server]",
        )
    if error.errno == errno.EACCES:
        return f"port {port} is not free for users without privileges", "try one above 1023: ccproxy serve --port 11434"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine", "try this one: ccproxy serve --host 127.0.0.1"
    return f"cannot listen on {host} port {port}: {error.strerror or error}", "look at [server] in the configuration"


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    # What a line does not say need not be found out: a quarter less for each (logging HOWTO, Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    for chatty in ("httpx", "httpcore"):  # they log the URLs of their requests at info
        logging.getLogger(chatty).setLevel(logging.WARNING)

"""The configuration: one TOML file -> attrs classes, with every problem at once.

    Config ── server     where ccproxy listens
           ── keys       proxy keys: name -> token
           ── providers  name -> Provider ── models: name -> Model
           ── groups     name -> Group ── models: alias -> destinations
           ── mcp        the MCP servers behind it and the endpoint in front of them (mcp.py)
           ── limits, timeouts, store, log

`load` and `loads` raise ConfigError with one line for each problem: the key path, what is wrong, what is allowed. The
first pass (`settings`, by `tables.record`) judges each value by itself, the second (`checks`) what belongs together. No
complaint and no repr shows a key, a token, a header or the value of an environment variable.

A file without groups has one all the same, so that a provider alone is a working configuration: with one provider every
model name goes to it as it is; with several, `provider/model` is the name to ask for.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from ccproxy import prompts
from ccproxy.config.checks import CHECKS
from ccproxy.config.mcp import Mcp, McpServer
from ccproxy.config.settings import (
    RESERVED,
    Config,
    Group,
    Limits,
    Log,
    Model,
    Provider,
    Server,
    Store,
    Timeouts,
    is_loopback,
)
from ccproxy.errors import ConfigError
from ccproxy.policy.routing import DEFAULT, Destination
from ccproxy.protocols import PROTOCOLS
from ccproxy.tables import Spot, hint, record

__all__ = [
    "FILE_NAME",
    "RESERVED",
    "Config",
    "Group",
    "Limits",
    "Log",
    "Mcp",
    "McpServer",
    "Model",
    "Provider",
    "Server",
    "Store",
    "Timeouts",
    "checked",
    "find",
    "is_loopback",
    "load",
    "loads",
    "parsed",
    "state_folder",
    "traffic_file",
    "user_folder",
]


def find(explicit: str | None, env: Mapping[str, str], cwd: Path) -> Path:
    """The file to read: `explicit`, else `$CCPROXY_CONFIG`, else ccproxy.toml in `cwd`, else in the user's folder. Raises
    ConfigError when there is none; a file that was named is never passed over for another one."""
    named = explicit or env.get("CCPROXY_CONFIG")
    if named:
        path = cwd / Path(named).expanduser()
        if not path.is_file():
            origin = "--config" if explicit else "$CCPROXY_CONFIG"
            raise ConfigError([f"{named}: there is no such file ({origin})"])
        return path
    places = [cwd / FILE_NAME, user_folder(env) / FILE_NAME]
    for path in places:
        if path.is_file():
            return path
    raise ConfigError([f"there is no configuration; looked for {' and '.join(map(str, places))}"])


FILE_NAME = "ccproxy.toml"


def user_folder(env: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The platform's folder for a user's configuration of ccproxy."""
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if platform == "win32":
        return Path(env.get("APPDATA") or home / "AppData" / "Roaming") / "ccproxy"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "ccproxy"
    return Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "ccproxy"


def state_folder(env: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The platform's folder for what ccproxy writes by itself (XDG Base Directory Specification; elsewhere the folders of
    applications' own data)."""
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if platform == "win32":
        return Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local") / "ccproxy"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "ccproxy"
    return Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / "ccproxy"


def traffic_file(said: str, env: Mapping[str, str], folder: Path) -> Path:
    """Where the traffic log is. said: `[log] traffic`. folder: the configuration file's."""
    return _path(folder, said) if said else state_folder(env) / "traffic.jsonl"


def _path(folder: Path, said: str) -> Path:
    """A path of the file: `~` is the user's home, what is relative begins in the file's folder."""
    try:
        return folder / Path(said).expanduser()
    except RuntimeError:  # nobody knows that user's home
        return folder / said


def load(
    path: Path | str, env: Mapping[str, str] | None = None, *, host: str | None = None, port: int | None = None
) -> Config:
    """The configuration in the file at `path`. env: where `${VAR}` is read, the process's by default. host, port: take the
    place of what the file says, before it is judged. Raises ConfigError."""
    try:
        content = Path(path).read_bytes().decode("utf-8-sig")  # Windows' editors put a byte order mark before it
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text; save it as UTF-8"]) from None
    folder = Path(path).absolute().parent
    return loads(content, os.environ if env is None else env, host=host, port=port, folder=folder)


def loads(
    content: str,
    env: Mapping[str, str],
    *,
    host: str | None = None,
    port: int | None = None,
    folder: Path | None = None,
) -> Config:
    """The configuration that `content` describes, as `load` reads it. folder: where relative paths in it begin; the
    process's own by default. Raises ConfigError with every problem."""
    document = parsed(content)
    _override(document, {"host": host, "port": port})
    return checked(document, env, folder)


def checked(document: dict[str, Any], env: Mapping[str, str], folder: Path | None = None) -> Config:
    """The configuration in a document that is parsed already. Raises ConfigError with every problem."""
    spot = Spot("", [], env)
    config = record(Config, document, spot)
    place, folder = spot.at("groups"), folder or Path.cwd()
    said = config.log.traffic
    config = evolve(
        config,
        mcp=config.mcp and _placed(config.mcp, folder),
        log=evolve(config.log, traffic=str(traffic_file(said, env, folder)) if said else ""),
        providers={name: _addressed(p) for name, p in config.providers.items()},
        groups={name: _prompted(group, folder, place.at(name)) for name, group in config.groups.items()},
    )
    for check in CHECKS:
        check(config, document, spot)
    if spot.problems:
        raise ConfigError(spot.problems)
    return config if config.groups else evolve(config, groups={DEFAULT: _implied(list(config.providers))})


def parsed(content: str) -> dict[str, Any]:
    """What the text says, as TOML. Raises ConfigError."""
    try:
        return tomllib.loads(content)
    except RecursionError:
        raise ConfigError(["not valid TOML: nested too deeply"]) from None
    except ValueError as error:
        raise ConfigError([f"not valid TOML: {error}"]) from None


def _override(document: dict[str, Any], values: Mapping[str, Any]) -> None:
    server = document.setdefault("server", {})
    if isinstance(server, dict):
        server.update({name: value for name, value in values.items() if value is not None})


def _addressed(provider: Provider) -> Provider:
    """The provider with its base URL complete, and without what the protocol's own paths begin with."""
    protocol = PROTOCOLS.get(provider.protocol)
    if protocol is None:  # complained about already
        return provider
    address = (provider.base_url or protocol.base_url).rstrip("/")
    suffix = next((suffix for suffix in protocol.sdk_suffix if address.endswith(suffix)), "")
    return evolve(provider, base_url=address.removesuffix(suffix))


def _placed(mcp: Mcp, folder: Path) -> Mcp:
    """With every server's folder absolute. Whether it is there is the server's affair, when it is started."""
    servers = {
        name: evolve(server, cwd=str(_path(folder, server.cwd))) if server.cwd else server
        for name, server in mcp.servers.items()
    }
    return evolve(mcp, servers=servers)


LONGEST_PROMPT = 1024 * 1024
"""Bytes of a prompt's file: more is another file by mistake. The longest agents' prompts have a tenth of it."""


def _prompted(group: Group, folder: Path, spot: Spot) -> Group:
    """The group with its prompt_file read, or with the built-in prompt that it names."""
    if group.prompt.startswith(prompts.PREFIX):
        return _built_in(group, group.prompt.removeprefix(prompts.PREFIX), spot.at("prompt"))
    if not group.prompt_file:
        return group
    path = _path(folder, group.prompt_file)
    place = spot.at("prompt_file")
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_PROMPT + 1)
        text = content.decode("utf-8-sig").strip()
    except OSError as error:
        place.complain(f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        place.complain("is not UTF-8 text; save it as UTF-8")
    else:
        if len(content) > LONGEST_PROMPT:
            place.complain(f"has more than {LONGEST_PROMPT} bytes")
        elif not text:
            place.complain("is empty")
        return evolve(group, prompt=group.prompt or text, prompt_file=str(path))
    return evolve(group, prompt_file=str(path))


def _built_in(group: Group, name: str, place: Spot) -> Group:
    if name in prompts.BUILT_IN:
        return evolve(group, prompt=prompts.text(name))
    place.complain(f'there is no built-in prompt "{name}"; {hint(name, prompts.BUILT_IN)}')
    return group


def _implied(providers: list[str]) -> Group:
    """The group of a file without groups."""
    if len(providers) == 1:
        return Group(models={"*": (Destination(providers[0], "*"),)})
    return Group(models={f"{name}/*": (Destination(name, "*"),) for name in providers})

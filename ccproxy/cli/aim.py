"""Where GROUP on a command line leads: an address, a key that may use it, and the names that can be asked for.

    qwen    qwen/compat    switch    switch/compat    compat    default

All of it comes from the file. `ask` finds out from the running server whether that is what it serves, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from ccproxy.cli.clients import NO_KEY, Client
from ccproxy.cli.show import base_url, fail, mistaken
from ccproxy.config import Config, load
from ccproxy.errors import ConfigError, NotFound
from ccproxy.policy.routing import DEFAULT
from ccproxy.tables import nearest

MODES = ("compat", "compat_mode")
SWITCH = "switch"


@frozen(kw_only=True)
class Aim:
    """group: the one whose rules apply now. url: with its path, without a slash at the end. key_name: "" where the server
    has no keys."""

    group: str
    url: str
    key_name: str
    key: str


class Lost(Exception):
    """The words lead nowhere: what is wrong, and what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


def aim(config: Config, words: str, *, key_name: str = "", port: int | None = None) -> Aim:
    """What `locate` finds, or the end of the command."""
    try:
        return locate(config, words, key_name=key_name, port=port)
    except Lost as lost:
        fail(lost.message, advice=lost.advice)


def locate(config: Config, words: str, *, key_name: str = "", port: int | None = None) -> Aim:
    """What `words` lead to, with the named key or the first that is known here and may use the group. port: where the
    server listens if not where the file says. Raises Lost."""
    group, path = _group(config, words)
    key_name, key = _key(config, group, key_name)
    address = base_url(config.server.host, port or config.server.port)
    return Aim(group=group, url=address + path, key_name=key_name, key=key)


def _group(config: Config, words: str) -> tuple[str, str]:
    """The group's name, and the path to it."""
    first, *rest = words.strip("/").split("/")
    if first in MODES:
        first, rest = DEFAULT, [first, *rest]
    if len(rest) > 1 or any(word not in MODES for word in rest):
        raise Lost(f"{words}: behind a group there can be /compat only", _all(config))
    group = _active(config) if first == SWITCH else first
    if group not in config.groups:
        near = nearest(group, config.groups)
        raise Lost(f'there is no group "{group}"' + (f"; did you mean {near}?" if near else ""), _all(config))
    if not config.groups[group].models:
        raise Lost(
            "the file has no providers, so no models are served", "`ccproxy init example.toml` writes a file that has one"
        )
    prefix = [] if first == DEFAULT else [first]
    return group, "".join(f"/{word}" for word in [*prefix, *rest])


def _active(config: Config) -> str:
    if not config.server.active_group:
        raise Lost("no group is active, so /switch leads nowhere", f"choose one: ccproxy switch NAME; {_all(config)}")
    return config.server.active_group


def _all(config: Config) -> str:
    return f"groups: {', '.join(config.groups)}"


def _key(config: Config, group: str, wanted: str) -> tuple[str, str]:
    """The name of a key that may use the group, and its token."""
    if wanted and wanted not in config.keys:
        raise Lost(f'there is no key "{wanted}" in [keys]', f"keys: {', '.join(config.keys) or 'none'}")
    if not config.keys:
        return "", NO_KEY
    allowed = config.groups[group].keys
    names = list(config.keys) if allowed is None else [name for name in config.keys if name in allowed]
    if wanted and wanted not in names:
        raise Lost(f"the key {wanted} may not use the group {group}", f"these may: {', '.join(names)}")
    names = [wanted] if wanted else names
    for name in names:
        if not unset_in(config.keys[name]):
            return name, config.keys[name]
    missing = ", ".join(dict.fromkeys(variable for name in names for variable in unset_in(config.keys[name])))
    raise Lost(
        f"the token of {' and of '.join(names)} is not known here: the environment variable {missing} is not set",
        "set it as in the server's shell, or make a key that stands in the file: ccproxy keys add NAME",
    )


# ---------------------------------------------------------------------------------------------------------------------
# The file without its environment

_UNSET = "unset-variable-"


class Lenient(Mapping[str, str]):
    """The environment, in which every variable is set: a shell that starts a client has no providers' keys."""

    def __getitem__(self, name: str) -> str:
        return os.environ.get(name, f"{_UNSET}{name}.")

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


def unset_in(text: str) -> list[str]:
    """The variables that a text of a `relaxed` configuration needs and that are not set here."""
    return [piece.partition(".")[0] for piece in text.split(_UNSET)[1:]]


def relaxed(path: Path) -> Config:
    """The configuration, whatever variables are not set; or the end of the command with every problem in it."""
    try:
        return load(path, Lenient())
    except ConfigError as error:
        try:
            load(path)
        except ConfigError as strict:  # where a missing variable is itself the mistake, such as in an address
            if not set(error.problems) <= set(strict.problems):
                mistaken(path, strict)
        mistaken(path, error)


def followed(path: Path) -> None:
    """Ends the command, which has changed the file, where no server takes that: for mistakes that no variable mends."""
    try:
        load(path, Lenient())
    except ConfigError as error:
        try:
            load(path)
        except ConfigError as strict:
            if wrong := [problem for problem in error.problems if problem in strict.problems]:
                fail(
                    f"it stands in {path} now, but no server follows a file with mistakes",
                    wrong,
                    "correct these lines, then try `ccproxy check`",
                )


# ---------------------------------------------------------------------------------------------------------------------
# The running server

_PATIENCE = 5.0
"""Seconds for an answer that a server has at hand."""


class Absent(Exception):
    """No server answers there: where."""


class Refused(Exception):
    """What answers does not serve this: why."""


def ask(url: str, key: str) -> tuple[str, ...]:
    """The model names that the running server lists for a group. Raises Absent and Refused."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    try:
        connection.request("GET", f"{parts.path}/v1/models", headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        status, content = answer.status, answer.read()
    except (OSError, HTTPException) as error:
        raise Absent(f"no ccproxy answers on {url.removesuffix(parts.path)}") from error
    finally:
        connection.close()
    try:
        document = json.loads(content)
        if status == 200:
            return tuple(model["id"] for model in document["data"])
        raise Refused(str(document["error"]["message"]))
    except (ValueError, LookupError, TypeError):
        raise Refused("what listens there is not ccproxy") from None


# ---------------------------------------------------------------------------------------------------------------------
# Names


def names(config: Config, group: str) -> tuple[str, ...]:
    """The names that can be asked for, as far as the file tells: exact aliases, and what patterns lead to where that is a
    name of the group itself."""
    router = config.router()
    exact = router.names(group)
    targets = [d.model for ds in config.groups[group].models.values() for d in ds if "*" not in d.model]
    return tuple(dict.fromkeys([*exact, *(model for model in targets if _resolves(config, group, model))]))


def _resolves(config: Config, group: str, name: str) -> bool:
    try:
        config.router().resolve(group, name)
    except NotFound:
        return False
    return True


def model_for(client: Client, config: Config, group: str, known: Sequence[str]) -> str:
    """The name that the client has to be told to ask for; "" where what it asks for by itself is served."""
    if not client.needs_model and (not client.asks or any(_resolves(config, group, name) for name in client.asks)):
        return ""
    if not known:
        fail(
            f"{client.title} has to be told a model, and the group {group} has only patterns",
            advice="name one: --model NAME",
        )
    return known[0]

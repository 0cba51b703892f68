# ruff: noqa: RUF009 - `key` makes an attrs field
"""The configuration: one TOML file -> attrs classes, with every problem at once.

    Config ── server     where ccproxy listens
           ── keys       proxy keys: name -> token
           ── providers  name -> Provider ── models: name -> Model
           ── groups     name -> Group ── models: alias -> destinations
           ── limits, timeouts, store, log

`load` and `loads` raise ConfigError with one line for each problem: the key path, what is wrong, what is allowed. The
first pass (`tables.record`) judges each value by itself, the second (the `_check` functions) what belongs together. No
complaint and no repr shows a key, a token, a header or the value of an environment variable.

A file without groups has one all the same, so that a provider alone is a working configuration: with one provider every
model name goes to it as it is; with several, `provider/model` is the name to ask for.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args
from urllib.parse import urlsplit

from attrs import Factory, evolve, field, frozen

from ccproxy.errors import ConfigError
from ccproxy.policy.keys import Balance
from ccproxy.policy.quirks import LACKS, TAKES, Quirk, Table
from ccproxy.policy.rewrite import Injection, Position, Rules
from ccproxy.policy.routing import DEFAULT, Destination, Router
from ccproxy.policy.vendors import BUILT_IN, ROWS
from ccproxy.protocols import PROTOCOLS
from ccproxy.reasoning import BUDGETS
from ccproxy.tables import (
    Read,
    Spot,
    Wrong,
    a_record,
    any_value,
    choice,
    flag,
    header_value,
    hint,
    key,
    keyed,
    like,
    list_of,
    number,
    one_or_more,
    record,
    secret,
    table_of,
    text,
    url,
    whole,
)

_PATHS = ("switch", "compat", "compat_mode", "v1", "v1alpha", "v1beta", "models", "api", "mcp")
_PAGES = ("healthz", "readyz", "metrics", "ui", "admin")
RESERVED = frozenset({*_PATHS, *_PAGES})
"""First parts of paths that are routes of their own (DESIGN 2), so no group can have them."""

ABILITIES = ("tools", "vision", "audio", "documents", "thinking", "embedding")

MOST_WARM = 64
"""Warm connections of all providers: a quarter of what the pool takes, so that they do not push each other out."""

_HOP_BY_HOP = ("connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "upgrade")
_FRAMING = frozenset({*_HOP_BY_HOP, "content-length", "expect", "transfer-encoding"})
"""Headers that belong to one connection (RFC 9110, 7.6.1) or to the framing of one message."""


# ---------------------------------------------------------------------------------------------------------------------
# Readers of what is ccproxy's own


_name = like(re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*"), "letters, digits, _, - and . (not first)")
_header_name = like(re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"), "the name of an HTTP header")
_some_name = like(re.compile(r".+", re.DOTALL), "a name, not empty")


def _host(value: Any, spot: Spot) -> str:
    words = text(value, spot)
    try:
        ipaddress.ip_address(words)
    except ValueError:
        if not _HOST.fullmatch(words):
            raise Wrong("must be a host name or an IP address, without a port") from None
    return words


_HOST = re.compile(r"[A-Za-z0-9._-]+")


def _abilities(value: Any, spot: Spot) -> frozenset[str]:
    return frozenset(list_of(choice(*ABILITIES))(value, spot))


def _group_name(value: Any, spot: Spot) -> Any:
    if value in RESERVED:
        raise Wrong(f"is a reserved name, for it begins paths of its own; reserved: {', '.join(sorted(RESERVED))}")
    return _name(value, spot)


def _header(value: Any, spot: Spot) -> str:
    name: str = _header_name(value, spot).lower()
    if name in _FRAMING:
        raise Wrong("is set by ccproxy itself, for each connection")
    return name


def _destination(value: Any, spot: Spot) -> Destination:
    provider, slash, model = text(value, spot).partition("/")
    if not (provider and slash and model):
        raise Wrong('must be "provider/model", as in "bailian/qwen3-coder-plus" or "bailian/*"')
    if "?" in model:
        raise Wrong("a ? cannot stand on the right: only what a * matched is carried over")
    return Destination(provider, model)


def _either(value: Any, spot: Spot) -> str:
    """A proxy URL, or "" for none."""
    words = text(value, spot)
    return words and _proxy_url(words, spot)


_proxy_url = url("http", "https", "socks5", credentials=True)


SAMPLING: Mapping[str, Read] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "top_k": whole(0),
    "min_p": number(0, 1),
    "seed": whole(-(2**63), 2**63 - 1),
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "repeat_penalty": number(0, 10),
    "max_tokens": whole(1),
    "stop": lambda value, spot: list(list_of(text)(value, spot)),
}
"""What a provider's `defaults` may set: the fields of `model.Sampling`."""


def _defaults(value: Any, spot: Spot) -> dict[str, Any]:
    return keyed(SAMPLING, value, spot)


_members = one_or_more(like(re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*"), "a member of a request, such as temperature"))
_member = like(re.compile(r"([A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*)?"), 'a member of a request, such as reasoning.effort, or ""')
_patterns = one_or_more(_some_name)
_words = one_or_more(choice(*TAKES, *LACKS))
_version = like(re.compile(r"\d{1,2}(\.\d{1,2})?"), 'the number in a model\'s name, such as "4.6"')


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def _budgets(value: Any, spot: Spot) -> tuple[int, ...]:
    found: tuple[int, ...] = tuple(list_of(whole(0, 10_000_000))(value, spot))
    if len(found) != 2 or found[0] > found[1]:
        raise Wrong("must be the least and the most tokens, as in [512, 24576]")
    return found


def _refusal(value: Any, spot: Spot) -> str:
    try:
        expression = re.compile(text(value, spot))
    except re.error as error:
        raise Wrong(f"is no regular expression: {error}") from None
    if "name" not in expression.groupindex:
        raise Wrong("must have a group called name, as in \"'(?P<name>\\w+)' is not supported\"")
    return expression.pattern


QUIRK: Mapping[str, Read] = {
    "provider": _patterns,
    "host": _patterns,
    "model": _patterns,
    "path": _patterns,
    "source": text,
    "keep": _members,
    "since": lambda value, spot: _numbers(_version(value, spot)),
    "before": lambda value, spot: _numbers(_version(value, spot)),
    "drop": _members,
    "drop_thinking": _members,
    "only": table_of(any_value),
    "rename": table_of(_member),
    "fill": table_of(any_value),
    "takes": lambda value, spot: frozenset(_words(value, spot)),
    "lacks": lambda value, spot: frozenset(_words(value, spot)),
    "stream": choice("auto", "always", "never"),
    "id_length": whole(0, 64),
    "thoughts": _member,
    "demands_thoughts": flag,
    "thinking_on": table_of(any_value),
    "thinking_off": table_of(any_value),
    "effort": _member,
    "budget": _member,
    "efforts": one_or_more(choice(*BUDGETS)),
    "budgets": _budgets,
    "again": one_or_more(_some_name),
    "refusals": one_or_more(_refusal),
}
"""A row of `[[quirks]]`: the attributes of `policy.quirks.Quirk`."""

_ABOUT = ("provider", "host", "model", "path")


def _quirk(value: Any, spot: Spot) -> Quirk:
    said = keyed(QUIRK, value, spot)
    if not any(part in value for part in _ABOUT):
        raise Wrong(f"must say whom it is about: at least one of {', '.join(_ABOUT)}")
    if not value.keys() - {*_ABOUT, "source"}:
        raise Wrong(f'must say something of them, such as drop = ["temperature"]; known: {", ".join(QUIRK)}')
    return Quirk(**said)


def _auto_or_flag(value: Any, spot: Spot) -> bool | None:
    """None for "auto"."""
    if value == "auto":
        return None
    if not isinstance(value, bool):
        raise Wrong('must be true, false or "auto"')
    return value


def _old_and_new(value: Any, spot: Spot) -> tuple[str, str]:
    pair: tuple[str, ...] = list_of(text)(value, spot)
    if len(pair) != 2 or len(value) != 2:
        raise Wrong('must be two texts, the old and the new one, as in ["Claude Code", "the agent"]')
    if not pair[0]:
        raise Wrong("must have an old text that is not empty")
    return pair[0], pair[1]


# ---------------------------------------------------------------------------------------------------------------------
# What the file says


@frozen(kw_only=True)
class Server:
    LATER: ClassVar = ("log_bodies",)

    host: str = key(_host, "127.0.0.1", "only this machine; any other address needs keys")
    port: int = key(whole(0, 65535), 11434, "the port in the guides that people follow, Ollama's too; 0: any free one")
    active_group: str = key(text, "", "the group that /switch serves; none: /switch is refused")


@frozen(kw_only=True)
class Model:
    """What a provider's model can do, for lists, /api/show and refusals. context: tokens, 0 unknown."""

    context: int = key(whole(1), 0, "not said")
    abilities: frozenset[str] = key(_abilities, frozenset(), "not said")


@frozen(kw_only=True)
class Provider:
    """An upstream account. base_url: what the protocol's own SDK takes as base URL, without a slash at its end.
    headers: lower-case names. defaults: values for `model.Sampling` where the client is silent. strip_billing_line: whether
    Claude Code's changing first line of the system prompt is removed; None: unless the host is its maker's."""

    protocol: str = key(choice(*PROTOCOLS), why=f"one of {', '.join(PROTOCOLS)}")
    base_url: str = key(url("http", "https"), "", "the address that the protocol's own SDK uses")
    api_keys: tuple[str, ...] = key(list_of(secret), (), "a server without keys", secret=True)
    headers: dict[str, str] = key(table_of(header_value, _header), Factory(dict), "none", secret=True)
    proxy: str = key(_either, "", "straight to the provider", secret=True)
    stream: Literal["auto", "always", "never"] = key(choice("auto", "always", "never"), "auto", "asked as the client asks")
    warm: int = key(
        whole(0, 16), 0, "connections kept ready, TLS included, so that a request never waits for one; 16 at most"
    )
    strip_billing_line: bool | None = key(
        _auto_or_flag, None, "auto: Claude Code's changing line is removed unless the host is Anthropic's"
    )
    defaults: dict[str, Any] = key(_defaults, Factory(dict), "what the client does not say is not sent")
    models: dict[str, Model] = key(table_of(a_record(Model), _some_name), Factory(dict), "nothing is known of them")


@frozen(kw_only=True)
class Group:
    """keys: names of the proxy keys that may use the group, None for every key. prompt: the file's content where there is
    a prompt_file, which is an absolute path then."""

    models: dict[str, tuple[Destination, ...]] = key(
        table_of(one_or_more(_destination), _some_name), why='a table of aliases, such as "*" = "PROVIDER/*"'
    )
    description: str = key(text, "", "none")
    keys: tuple[str, ...] | None = key(list_of(text), None, "every key")
    balance: Balance = key(choice("rotate", "failover"), "rotate", "evenly over targets and keys; failover: in order")
    compat: Literal["auto", "compat", "native"] = key(choice("auto", "compat", "native"), "auto", "as the path says")
    prompt_injection: Injection = key(
        choice(*get_args(Injection)), "off", "the client's prompt is its own; enhance: yours is added; replace: only yours"
    )
    prompt: str = key(text, "", "none")
    prompt_file: str = key(text, "", "none; a relative path begins in this file's folder")
    prompt_position: Position = key(
        choice(*get_args(Position)), "system", "at the end of the system prompt; user: before the user's first message"
    )
    prompt_models: tuple[str, ...] = key(_patterns, (), "whatever model the client asks for")
    prompt_replace: tuple[tuple[str, str], ...] = key(list_of(_old_and_new), (), "texts of the system prompt stay")
    tool_filter: tuple[str, ...] = key(list_of(_some_name), (), "every tool stays")
    temperature_ratio: float = key(number(0, 10), 1.0, "the temperature is the client's, and unsaid where it says none")

    def rules(self, *, strip_billing_line: bool) -> Rules:
        """What is done to requests, for a provider."""
        return Rules(
            injection=self.prompt_injection,
            prompt=self.prompt,
            position=self.prompt_position,
            models=self.prompt_models,
            replacements=self.prompt_replace,
            tool_filter=self.tool_filter,
            temperature_ratio=self.temperature_ratio,
            strip_billing_line=strip_billing_line,
        )


@frozen(kw_only=True)
class Limits:
    max_body: int = key(whole(1024), 64 * 2**20, "a long agent session with screenshots has 30 MiB; Anthropic takes 32 MB")
    max_head: int = key(whole(1024, 2**20), 64 * 2**10, "as uvicorn has it; nginx takes 32 KiB, Node 16 KiB")
    max_connections: int = key(whole(1), 500, "two descriptors each, and 1024 is the usual limit of a process")


_seconds = number(0.1, 86_400)


@frozen(kw_only=True)
class Timeouts:
    """All in seconds."""

    connect: float = key(_seconds, 10, "a TLS handshake across the world takes one; three lost SYNs take seven")
    first_byte: float = key(_seconds, 600, "OpenAI's and Anthropic's SDKs wait 600; local models read long prompts slowly")
    idle: float = key(_seconds, 300, "between two pieces of a stream; a thinking model may be silent for minutes")
    keepalive: float = key(_seconds, 15, "half of the 30 s after which load balancers and clients give up")
    hold: float = key(_seconds, 10, "an answer's head is held so long for fail over; Claude Code waits far longer")


@frozen(kw_only=True)
class Store:
    """Earlier answers, for clients that refer to them. path: an SQLite file. max_age: seconds since the last use."""

    path: str = key(text, "", "in memory, and gone when the server ends")
    max_bytes: int = key(whole(1024), 64 * 2**20, "each answer has its conversation with it: hundreds of an agent's turns")
    max_count: int = key(whole(0), 10_000, "what the limit of bytes does not see, a few MB of bookkeeping; 0 keeps none")
    max_age: float = key(number(1, 10 * 365 * 86_400), 30 * 86_400, "as long as OpenAI keeps them")


@frozen(kw_only=True)
class Log:
    level: Literal["debug", "info", "warning", "error"] = key(
        choice("debug", "info", "warning", "error"), "info", "one line for each request"
    )


@frozen(kw_only=True)
class Config:
    LATER: ClassVar = ("mcp", "security")

    server: Server = key(a_record(Server), Server())
    keys: dict[str, str] = key(table_of(secret, _name), Factory(dict), "open to this machine", secret=True)
    providers: dict[str, Provider] = key(table_of(a_record(Provider), _name), Factory(dict))
    groups: dict[str, Group] = key(table_of(a_record(Group), _group_name), Factory(dict))
    limits: Limits = key(a_record(Limits), Limits())
    timeouts: Timeouts = key(a_record(Timeouts), Timeouts())
    store: Store = key(a_record(Store), Store())
    log: Log = key(a_record(Log), Log())
    quirks: tuple[Quirk, ...] = key(list_of(_quirk), (), "the vendor table as it comes")
    table: Table = field(init=False, eq=False, repr=False)
    """The vendor table with the file's rows at its end."""

    @table.default
    def _with_quirks(self) -> Table:
        return Table((*ROWS, *self.quirks)) if self.quirks else BUILT_IN

    def router(self) -> Router:
        return Router({name: group.models for name, group in self.groups.items()})

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.server.host)


# ---------------------------------------------------------------------------------------------------------------------
# Reading it


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
    document = _parsed(content)
    _override(document, {"host": host, "port": port})
    return checked(document, env, folder)


def checked(document: dict[str, Any], env: Mapping[str, str], folder: Path | None = None) -> Config:
    """The configuration in a document that is parsed already. Raises ConfigError with every problem."""
    spot = Spot("", [], env)
    config = record(Config, document, spot)
    place = spot.at("groups")
    config = evolve(
        config,
        providers={name: _addressed(p) for name, p in config.providers.items()},
        groups={name: _prompted(group, folder or Path.cwd(), place.at(name)) for name, group in config.groups.items()},
    )
    for check in _CHECKS:
        check(config, document, spot)
    if spot.problems:
        raise ConfigError(spot.problems)
    return config if config.groups else evolve(config, groups={DEFAULT: _implied(list(config.providers))})


def _parsed(content: str) -> dict[str, Any]:
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


LONGEST_PROMPT = 1024 * 1024
"""Bytes of a prompt's file: more is another file by mistake. The longest agents' prompts have a tenth of it."""


def _prompted(group: Group, folder: Path, spot: Spot) -> Group:
    """The group with its prompt_file read."""
    if not group.prompt_file:
        return group
    path = folder / Path(group.prompt_file).expanduser()
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


def _implied(providers: list[str]) -> Group:
    """The group of a file without groups."""
    if len(providers) == 1:
        return Group(models={"*": (Destination(providers[0], "*"),)})
    return Group(models={f"{name}/*": (Destination(name, "*"),) for name in providers})


# ---------------------------------------------------------------------------------------------------------------------
# What belongs together


def is_loopback(host: str) -> bool:
    """Whether an address or host name is this machine's own and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _check_reach(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    if not config.is_local and not document.get("keys"):
        spot.at("server").at("host").complain(
            "an address that other machines reach needs proxy keys: add [keys] with a line NAME = TOKEN, or use 127.0.0.1"
        )


def _check_tokens(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    for what, words, place in _secrets(config, spot):
        first: dict[str, str] = {}
        for name, word in words.items():
            if word in first:
                place.complain(f"{name} and {first[word]} are the same {what}")
            first.setdefault(word, name)


def _secrets(config: Config, spot: Spot) -> Iterator[tuple[str, Mapping[str, str], Spot]]:
    yield "token", config.keys, spot.at("keys")
    for name, provider in config.providers.items():
        numbered = {f"number {i}": word for i, word in enumerate(provider.api_keys, 1)}
        yield "key", numbered, spot.at("providers").at(name).at("api_keys")


def _check_providers(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    place = spot.at("providers")
    if not document.get("providers"):
        place.complain("there is none; add [providers.NAME] with its protocol, base_url and api_keys")
    if sum(provider.warm for provider in config.providers.values()) > MOST_WARM:
        place.complain(f"warm must be {MOST_WARM} at most for all providers together: each is an open socket")
    for name, provider in config.providers.items():
        if _is_own(provider.base_url, config.server):
            place.at(name).at("base_url").complain(
                f"is where ccproxy itself listens; give it another one: port = {config.server.port + 1} in [server]"
            )


def _is_own(address: str, server: Server) -> bool:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return port == server.port and (is_loopback(parts.hostname or "") or parts.hostname == server.host)


def _check_groups(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    known = list(document["keys"]) if isinstance(document.get("keys"), dict) else []
    for name, group in config.groups.items():
        place = spot.at("groups").at(name).at("keys")
        if group.keys == ():
            place.complain("is empty, so nobody could use the group; leave it out to let every key in")
        for i, key_name in enumerate(group.keys or ()):
            if key_name not in known:  # not shown: it may be a token that was written in the place of its name
                place.item(i).complain(f"is not the name of a key in [keys]; {hint(key_name, known)}")


def _check_prompts(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    for name, group in config.groups.items():
        place, said = spot.at("groups").at(name), document["groups"][name]
        if "prompt" in said and "prompt_file" in said:
            place.at("prompt_file").complain("cannot stand beside prompt: one of them is the prompt")
        given = [word for word in ("prompt", "prompt_file") if said.get(word)]
        if group.prompt_injection != "off" and not given:
            place.at("prompt_injection").complain("has nothing to inject: add prompt or prompt_file")
        if given and "prompt_injection" not in said:
            place.at(given[0]).complain(
                'is not used: add prompt_injection = "enhance" or "replace"; "off" keeps it for later'
            )


def _check_active(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    active, groups = config.server.active_group, list(config.groups) or [DEFAULT]
    if active and active not in groups:
        spot.at("server").at("active_group").complain(f'"{active}" is not the name of a group; {hint(active, groups)}')


def _check_destinations(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    providers = list(document["providers"]) if isinstance(document.get("providers"), dict) else []
    for name, group in config.groups.items():
        place = spot.at("groups").at(name).at("models")
        if group.models == {}:
            place.complain('is empty; add a line such as "*" = "PROVIDER/*"')
        for alias, destinations in (group.models or {}).items():
            for destination in dict.fromkeys(d for d in destinations if destinations.count(d) > 1):
                place.at(alias).complain(f'"{destination}" is there twice; each target gets the same part')
            for destination in destinations:
                _check_destination(alias, destination, providers, place.at(alias))


def _check_destination(alias: str, destination: Destination, providers: list[str], place: Spot) -> None:
    if destination.provider not in providers:
        place.complain(f'provider "{destination.provider}" does not exist; known: {", ".join(providers) or "none"}')
    right, left = destination.model.count("*"), alias.count("*")
    if right and right != left:
        place.complain(f'"{destination}" has {right} * and the alias {left}; write as many on the right, or none')


_CHECKS = (
    _check_reach,
    _check_tokens,
    _check_providers,
    _check_groups,
    _check_prompts,
    _check_active,
    _check_destinations,
)

# ruff: noqa: RUF009 - `key` makes an attrs field
"""What the file may say: a class for each table, and how each value is read. What belongs together is in `checks`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from attrs import Factory, field, frozen

from ccproxy.config.mcp import Mcp
from ccproxy.config.quirks import patterns, quirk_row, some_name
from ccproxy.policy.keys import Balance
from ccproxy.policy.quirks import Quirk, Table
from ccproxy.policy.rewrite import Injection, Position, Rules
from ccproxy.policy.routing import Destination, Router
from ccproxy.policy.vendors import BUILT_IN, ROWS
from ccproxy.protocols import PROTOCOLS
from ccproxy.tables import (
    Read,
    Spot,
    Wrong,
    a_record,
    choice,
    flag,
    header_value,
    key,
    keyed,
    like,
    list_of,
    number,
    one_or_more,
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

_HOP_BY_HOP = ("connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "upgrade")
_FRAMING = frozenset({*_HOP_BY_HOP, "content-length", "expect", "transfer-encoding"})
"""Headers that belong to one connection (RFC 9110, 7.6.1) or to the framing of one message."""


_SHORTEST_SECRET = 16
"""Characters of a header's last word that may be a key (`Bearer sk-...`); shorter ones are versions and flags."""


def is_loopback(host: str) -> bool:
    """Whether an address or host name is this machine's own and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


# ---------------------------------------------------------------------------------------------------------------------
# Readers of what is ccproxy's own


_name = like(re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*"), "letters, digits, _, - and . (not first)")
_header_name = like(re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"), "the name of an HTTP header")


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
    host: str = key(_host, "127.0.0.1", "only this machine; any other address needs keys")
    port: int = key(whole(0, 65535), 11434, "the port in the guides that people follow, Ollama's too; 0: any free one")
    active_group: str = key(text, "", "the group that /switch serves; none: /switch is refused")
    log_bodies: bool = key(flag, False, "prompts are private; true: all that is asked and answered goes to the traffic log")


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
    models: dict[str, Model] = key(table_of(a_record(Model), some_name), Factory(dict), "nothing is known of them")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no client and no log may see: the keys, and of the headers what may be one."""
        words = [value.rpartition(" ")[2] for value in self.headers.values()]
        return (*self.api_keys, *(word for word in words if len(word) >= _SHORTEST_SECRET))


@frozen(kw_only=True)
class Group:
    """keys: names of the proxy keys that may use the group, None for every key. prompt: the file's content where there is
    a prompt_file, which is an absolute path then. mcp: what /{group}/mcp/http offers, None for all there is."""

    models: dict[str, tuple[Destination, ...]] = key(
        table_of(one_or_more(_destination), some_name), why='a table of aliases, such as "*" = "PROVIDER/*"'
    )
    description: str = key(text, "", "none")
    keys: tuple[str, ...] | None = key(list_of(text), None, "every key")
    balance: Balance = key(choice("rotate", "failover"), "rotate", "evenly over targets and keys; failover: in order")
    compat: Literal["auto", "compat", "native"] = key(choice("auto", "compat", "native"), "auto", "as the path says")
    prompt_injection: Injection = key(
        choice(*get_args(Injection)), "off", "the client's prompt is its own; enhance: yours is added; replace: only yours"
    )
    prompt: str = key(text, "", "none; builtin:NAME is one that comes with ccproxy (docs/prompts)")
    prompt_file: str = key(text, "", "none; a relative path begins in this file's folder")
    prompt_position: Position = key(
        choice(*get_args(Position)), "system", "at the end of the system prompt; user: before the user's first message"
    )
    prompt_models: tuple[str, ...] = key(patterns, (), "whatever model the client asks for")
    prompt_replace: tuple[tuple[str, str], ...] = key(list_of(_old_and_new), (), "texts of the system prompt stay")
    tool_filter: tuple[str, ...] = key(list_of(some_name), (), "every tool stays")
    temperature_ratio: float = key(number(0, 10), 1.0, "the temperature is the client's, and unsaid where it says none")
    mcp: tuple[str, ...] | None = key(
        list_of(some_name), None, "every MCP server; names of servers and patterns of tools, such as files__read_*"
    )

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
    remembered: int = key(
        whole(0),
        32 * 2**20,
        "bytes of conversations kept in memory, so that only what is new in a turn is converted: a long one and what became"
        " of it have 2 MiB; 0 keeps none",
    )


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
    """traffic: the traffic log's file, an absolute path where it is given. traffic_bytes: at which it is rotated.
    traffic_files: how many there are at most. traffic_body: bytes of a body or stream, the rest is left out."""

    level: Literal["debug", "info", "warning", "error"] = key(
        choice("debug", "info", "warning", "error"), "info", "one line for each request"
    )
    traffic: str = key(
        text, "", "traffic.jsonl in the user's folder for state; a file for log_bodies, relative to this one's folder"
    )
    traffic_bytes: int = key(whole(4096), 64 * 2**20, "a few hundred requests of an agent; then a new file is begun")
    traffic_files: int = key(whole(1, 1000), 5, "the file and four earlier ones, 320 MiB in all; the oldest goes")
    traffic_body: int = key(
        whole(1024, 2**30), 4 * 2**20, "of one body or stream; media set aside, the longest sessions have 2 MiB"
    )


@frozen(kw_only=True)
class Config:
    LATER: ClassVar = ("security",)

    server: Server = key(a_record(Server), Server())
    keys: dict[str, str] = key(table_of(secret, _name), Factory(dict), "open to this machine", secret=True)
    providers: dict[str, Provider] = key(table_of(a_record(Provider), _name), Factory(dict))
    groups: dict[str, Group] = key(table_of(a_record(Group), _group_name), Factory(dict))
    limits: Limits = key(a_record(Limits), Limits())
    timeouts: Timeouts = key(a_record(Timeouts), Timeouts())
    store: Store = key(a_record(Store), Store())
    log: Log = key(a_record(Log), Log())
    mcp: Mcp | None = key(a_record(Mcp), None, "no MCP endpoint")
    quirks: tuple[Quirk, ...] = key(list_of(quirk_row), (), "the vendor table as it comes")
    table: Table = field(init=False, eq=False, repr=False)
    """The vendor table with the file's rows at its end."""

    @table.default
    def _with_quirks(self) -> Table:
        return Table((*ROWS, *self.quirks)) if self.quirks else BUILT_IN

    def router(self) -> Router:
        return Router({name: group.models for name, group in self.groups.items()})

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every key and token in the file."""
        return (*self.keys.values(), *(word for provider in self.providers.values() for word in provider.secrets))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.server.host)

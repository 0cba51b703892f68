"""Every key of the configuration file with its default and the reason, for `ccproxy init --all`.

It is made of the classes that read the file, so that it cannot miss a key. What has no default has an example.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import fill
from typing import Any

from attrs import NOTHING, Attribute, fields, frozen

from ccproxy.config import Group, Limits, Log, Model, Provider, Server, Store, Timeouts
from ccproxy.config.mcp import Mcp, McpServer
from ccproxy.config.quirks import QUIRK
from ccproxy.config.web import Fetch, Search
from ccproxy.tables import is_key, quoted, reason

_NOTE = """\
# Every key there is, with its default and the reason for it; where there is none, an example. To use a line, copy it
# into the table of that name.
"""


@frozen
class Section:
    """A table. head: its name in the file. cls: what reads it. examples: values of keys that have no default."""

    head: str
    cls: type
    examples: Mapping[str, Any] = {}


_SECTIONS = (
    Section("server", Server),
    Section(
        "providers.NAME",
        Provider,
        {
            "protocol": "openai",
            "base_url": "https://api.example.com/v1",
            "api_keys": ["${KEY_1}", "${KEY_2}"],
            "headers": {"x-title": "ccproxy"},
            "strip_billing_line": "auto",
            "defaults": {"max_tokens": 32000},
        },
    ),
    Section("providers.NAME.models.MODEL", Model, {"context": 128000, "abilities": ["tools", "vision", "thinking"]}),
    Section(
        "groups.NAME",
        Group,
        {
            "keys": ["laptop"],
            "prompt_models": ["claude-*"],
            "prompt_replace": [["Claude Code", "the agent"]],
            "tool_filter": ["Web*"],
            "mcp": ["SERVER"],
        },
    ),
    Section("limits", Limits),
    Section("timeouts", Timeouts),
    Section("store", Store),
    Section("log", Log),
    Section("mcp", Mcp, {"keys": ["laptop"]}),
    Section(
        "mcp.servers.NAME",
        McpServer,
        {
            "command": "npx",
            "args": ["-y", "@upstash/context7-mcp"],
            "env": {"TOKEN": "${TOKEN}"},
            "url": "https://example.com/mcp",
            "headers": {"x-team": "blue"},
            "token": "${TOKEN}",
            "timeout": 60,
            "start": "lazy",
            "allow": ["read_*"],
            "deny": ["*_delete"],
        },
    ),
    Section("mcp.fetch", Fetch),
    Section(
        "mcp.search",
        Search,
        {
            "engine": ["brave", "searxng"],
            "brave": {"api_key": "${BRAVE_KEY}"},
            "tavily": {"api_key": "${TAVILY_KEY}"},
            "google": {"api_key": "${GOOGLE_KEY}", "cx": "ENGINE"},
            "serper": {"api_key": "${SERPER_KEY}"},
            "searxng": {"url": "http://127.0.0.1:8888"},
        },
    ),
)

_INNER = {"providers.NAME": {"models"}, "groups.NAME": {"models"}, "mcp": {"servers", "fetch", "search"}}
"""Keys that are tables of their own."""


def reference() -> str:
    """All of it, commented out."""
    return "".join([_NOTE, *map(_section, _SECTIONS), _ALIASES, _KEYS, _QUIRKS])


def _section(section: Section) -> str:
    inner = _INNER.get(section.head, set())
    lines = [_line(each, section.examples) for each in fields(section.cls) if is_key(each) and each.name not in inner]
    return "\n".join(["", f"# [{section.head}]", *lines, ""])


def _line(attribute: Attribute[Any], examples: Mapping[str, Any]) -> str:
    name, default, why = attribute.name, attribute.default, reason(attribute)
    if name in examples:
        said = "it must be given" if default is NOTHING else "without it"
        return f"# {name} = {_toml(examples[name])}  # an example; {said}{why and f': {why}'}"
    return f"# {name} = {_toml(default)}  # {why}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{quoted(name)} = {_toml(each)}" for name, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


_ALIASES = """
# [groups.NAME.models]
# "claude-*" = ["NAME/MODEL"]  # a name or a pattern; one target or several
"""

_KEYS = """
# [keys]
# laptop = "choose-a-token"  # what clients present; any number of names
"""

_FOLDED = fill(
    f"docs/vendors.md tells what each key does: {', '.join(QUIRK)}.", 100, initial_indent="# ", subsequent_indent="# "
)

_QUIRKS = f"""
# [[quirks]]
# model = "*-thinking"  # rows of the vendor table, behind those that come with ccproxy
# drop = ["top_p"]
{_FOLDED}
"""

"""What belongs together in a configuration: complaints that no value by itself gives rise to."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ccproxy.config.mcp import check_servers
from ccproxy.config.settings import Config, Server, is_loopback
from ccproxy.policy.routing import DEFAULT, Destination
from ccproxy.tables import Spot, hint

MOST_WARM = 64
"""Warm connections of all providers: a quarter of what the pool takes, so that they do not push each other out."""


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
    if not document.get("providers") and config.mcp is None:
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


def _check_mcp(config: Config, document: Mapping[str, Any], spot: Spot) -> None:
    mcp, place = config.mcp, spot.at("mcp")
    if mcp is None:
        _check_tool_sets(config, [], spot)
        return
    if importlib.util.find_spec("mcp_types") is None:  # which the SDK has from its version 2 on
        place.complain("needs the MCP SDK: pip install 'ccproxy-llm[mcp]'")
    servers = document["mcp"].get("servers")
    check_servers(mcp, servers if isinstance(servers, dict) else {}, place.at("servers"))
    _check_tool_sets(config, [*mcp.servers], spot)
    known = list(document["keys"]) if isinstance(document.get("keys"), dict) else []
    for i, name in enumerate(mcp.keys or ()):
        if name not in known:
            place.at("keys").item(i).complain(f"is not the name of a key in [keys]; {hint(name, known)}")


def _check_tool_sets(config: Config, servers: list[str], spot: Spot) -> None:
    """A word of a group's `mcp` that is no pattern is the name of a server or of one tool of it."""
    for name, group in config.groups.items():
        for i, word in enumerate(group.mcp or ()):
            server = word.partition("__")[0]
            if not set(server) & set("*?[") and server not in (*servers, *BUILT_IN_TOOLS):
                place = spot.at("groups").at(name).at("mcp").item(i)
                place.complain(f'"{server}" is not the name of a server in [mcp.servers]; {hint(server, servers)}')


BUILT_IN_TOOLS = ("web_fetch", "web_search")


CHECKS = (
    _check_reach,
    _check_tokens,
    _check_providers,
    _check_groups,
    _check_prompts,
    _check_active,
    _check_destinations,
    _check_mcp,
)

"""How to point a client at a running ccproxy."""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy.cli.clients import CLIENTS
from ccproxy.cli.shells import SHELLS

_COMMANDS = [client.commands[0] for client in CLIENTS.values() if client.commands and client.title != "Zed"]


def guide(group: str, url: str, keys: Sequence[str], shell: str, options: str = "") -> list[str]:
    """What to type in another shell, and what to enter elsewhere. url: with the group's path, without a slash at its end.
    keys: the names of the proxy keys that it takes. options: what the commands need to find the server."""
    setting = SHELLS[shell].use.format(command=f"ccproxy env{options} {group}")
    lines = {
        f"ccproxy run{options} {group} -- claude": f"a client there; or {', '.join(_COMMANDS[1:])}",
        setting: "whatever else you start in that shell",
    }
    width = max(map(len, lines))
    token = f"the token of {' or '.join(keys)}" if keys else "any"
    return [
        "In another shell:",
        *(f"  {line:<{width}}  {does}" for line, does in lines.items()),
        f"Elsewhere: base URL {url}/v1 for OpenAI's SDKs, {url} for Anthropic's, Google's and Ollama's; key: {token}",
    ]

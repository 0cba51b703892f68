"""How to point a client at a running ccproxy, in the client's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

CLIENTS: Mapping[str, str] = {
    "Claude Code": "ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={key} claude",
    "OpenAI SDK": "OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key} python app.py",
    "Gemini CLI": "GOOGLE_GEMINI_BASE_URL={url} GEMINI_API_KEY={key} gemini",
    "Ollama SDK": "OLLAMA_HOST={url} OLLAMA_API_KEY={key} python app.py",
}
"""Client -> the shell line that starts it. url: ccproxy's address with the group's path, without a slash at its end."""


def guide(url: str, keys: Sequence[str]) -> list[str]:
    """One line for each client, and what its key is. keys: the names of the proxy keys that `url` takes."""
    width = max(map(len, CLIENTS))
    lines = [f"{name:<{width}}  {line.format(url=url, key='KEY' if keys else 'any')}" for name, line in CLIENTS.items()]
    if keys:
        lines.append(f"{'KEY':<{width}}  the token of {' or '.join(keys)} in the configuration's [keys]")
    return lines

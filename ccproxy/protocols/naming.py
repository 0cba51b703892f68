"""Ids and names that another protocol takes: made, made legal, and told back to the client as it said them."""

from __future__ import annotations

import hashlib
import re

from ccproxy.model import Context


def made_id(context: Context, prefix: str, number: int = 0) -> str:
    """An id of our own: `prefix` + the exchange's id, told apart by `number`. The same for the same exchange."""
    return f"{prefix}{context.id}{number:x}" if number else f"{prefix}{context.id}"


def fit(name: str, allowed: re.Pattern[str], limit: int) -> str:
    """A name or id made legal: characters outside `allowed` (a class such as `[^a-zA-Z0-9_-]`) become `_`, and where
    anything changed or the text is too long, a hash of the original keeps it distinct. Deterministic."""
    if 0 < len(name) <= limit and allowed.search(name) is None:
        return name
    clean = allowed.sub("_", name)
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{clean[: limit - 9]}_{mark}"


def fit_tool_name(name: str, context: Context, allowed: re.Pattern[str], limit: int) -> str:
    """The tool's name for the upstream; remembers the way back in `context.tool_names`."""
    wire = fit(name, allowed, limit)
    if wire != name:
        context.tool_names[wire] = name
    return wire


def client_tool_name(name: str, context: Context) -> str:
    """The client's name of a tool that the upstream called."""
    return context.tool_names.get(name, name)

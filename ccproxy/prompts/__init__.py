"""Prompts of our own, for models that were not trained inside coding agents: `prompt = "builtin:agent"` in a group.

One file for each beside this one; `docs/prompts/` tells when to use which.
"""

from __future__ import annotations

PREFIX = "builtin:"
"""What a group's `prompt` begins with when it names one of these."""

BUILT_IN = {
    "agent": "coding agents, models that call tools natively",
    "agent-compat": "coding agents, models whose tools go as text (compat mode)",
    "agent-small": "coding agents, small local models that lose their way in longer rules",
}
"""Name -> whom it is for."""


def text(name: str) -> str:
    """The prompt of this name, one of BUILT_IN."""
    from importlib.resources import files  # only where a group names one

    return files(__name__).joinpath(f"{name}.md").read_text("utf-8").strip()

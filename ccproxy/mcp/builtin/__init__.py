"""The tools that ccproxy has itself: `web_fetch` and `web_search`, each there when its table is.

A tool has its `definition` and `call`, which never raises for what the model, a page or an engine did wrong: such is a
result with `is_error` that says what to do.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from mcp_types import CallToolResult, Tool

from ccproxy.config.web import Fetch, Search


class BuiltIn(Protocol):
    definition: Tool

    async def call(self, arguments: dict[str, Any]) -> CallToolResult: ...


def built_in(fetch: Fetch | None, search: Search | None) -> dict[str, BuiltIn]:
    """The tools that are configured, by name."""
    tools: list[BuiltIn] = []
    if fetch is not None:
        from ccproxy.mcp.builtin.web_fetch import WebFetch

        tools.append(WebFetch(fetch, f"{_product()} (web_fetch: one page, read at its user's wish)"))
    if search is not None:
        from ccproxy.mcp.builtin.web_search import WebSearch

        tools.append(WebSearch(search, _product()))
    return {tool.definition.name: tool for tool in tools}


def _product() -> str:
    try:
        return f"ccproxy/{version('ccproxy-llm')}"
    except PackageNotFoundError:
        return "ccproxy"

"""Which tools are there."""

from __future__ import annotations

import importlib.metadata

import pytest

from ccproxy.config.web import Fetch, Keyed, Search
from ccproxy.mcp.builtin import built_in


def test_each_tool_is_there_when_its_table_is() -> None:
    search = Search(engine=("brave",), brave=Keyed(api_key="k"))
    assert list(built_in(None, None)) == []
    assert list(built_in(Fetch(), None)) == ["web_fetch"]
    assert list(built_in(None, search)) == ["web_search"]
    tools = built_in(Fetch(), search)
    assert {name: tool.definition.name for name, tool in tools.items()} == {
        name: name for name in ("web_fetch", "web_search")
    }


def test_it_works_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("ccproxy.mcp.builtin.version", missing)
    assert list(built_in(Fetch(), None)) == ["web_fetch"]

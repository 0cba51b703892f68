from __future__ import annotations

import re

import pytest

from ccproxy.model import Context
from ccproxy.protocols.naming import client_tool_name, fit, fit_tool_name, made_id

LEGAL = re.compile(r"[^a-zA-Z0-9_-]")


def test_made_ids_are_told_apart_and_repeat() -> None:
    context = Context(client="a", upstream="b", id="f" * 24)
    assert made_id(context, "x_") == "x_" + "f" * 24
    assert made_id(context, "x_", 1) != made_id(context, "x_", 2)
    assert made_id(context, "x_", 1) == made_id(context, "x_", 1)


@pytest.mark.parametrize("name", ["ok-name_1", "a" * 64])
def test_a_legal_name_stays(name: str) -> None:
    assert fit(name, LEGAL, 64) == name


@pytest.mark.parametrize("name", ["a.b", "a" * 65, "", "ü/ü", "\ud800"])
def test_other_names_become_legal_and_stay_distinct(name: str) -> None:
    wire = fit(name, LEGAL, 64)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", wire)
    assert wire == fit(name, LEGAL, 64)
    assert wire != fit(name + "x", LEGAL, 64)


def test_a_changed_tool_name_finds_its_way_back() -> None:
    context = Context(client="a", upstream="b")
    wire = fit_tool_name("mcp.tool", context, LEGAL, 64)
    assert wire != "mcp.tool"
    assert client_tool_name(wire, context) == "mcp.tool"
    assert client_tool_name("other", context) == "other"

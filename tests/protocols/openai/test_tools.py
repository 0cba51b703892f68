"""Tools as clients define them, and the choice among them."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Opaque, Tool, ToolChoice
from ccproxy.protocols.openai.terms import NAME
from ccproxy.protocols.openai.tools import read_choice, read_functions, read_tools, write_choice, write_tool


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"type": "function", "function": {"name": "f", "description": "d", "strict": True}}, Tool("f", "d", strict=True)),
        ({"function": {"name": "f", "parameters": {"type": "object"}}}, Tool("f", parameters={"type": "object"})),
        ({"type": "function", "name": "f", "description": None}, Tool("f")),
        (
            {"type": "custom", "custom": {"name": "p", "format": {"type": "text"}}},
            Tool("p", kind="custom", grammar={"type": "text"}),
        ),
        (
            {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}},
            Tool("f", cache={"type": "ephemeral"}),
        ),
    ],
)
def test_definitions(raw: Any, expected: Tool) -> None:
    [tool] = read_tools([raw], "tools")
    assert isinstance(tool, Tool)
    assert write_tool(tool) == raw
    tool.extras = None
    assert tool == expected


def test_vendors_own_tools_are_opaque() -> None:
    raw = {"type": "web_search", "max_uses": 3}
    assert read_tools([raw], "tools") == [Opaque(NAME, raw)]
    assert write_tool(Opaque(NAME, raw)) is raw


def test_deprecated_functions() -> None:
    [tool] = read_functions([{"name": "f", "parameters": {"type": "object"}}], "functions")
    assert isinstance(tool, Tool)
    assert (tool.name, tool.parameters) == ("f", {"type": "object"})


@pytest.mark.parametrize(
    ("raw", "mode", "name", "allowed"),
    [
        ("auto", "auto", "", []),
        ("any", "required", "", []),
        ({"type": "function", "function": {"name": "f"}}, "tool", "f", []),
        ({"type": "function", "name": "f"}, "tool", "f", []),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "f"}}, {"type": "x"}, 3]},
            },
            "required",
            "",
            ["f"],
        ),
    ],
)
def test_choices(raw: Any, mode: str, name: str, allowed: list[str]) -> None:
    choice = read_choice(raw, "tool_choice")
    assert choice is not None
    assert (choice.mode, choice.name, choice.allowed) == (mode, name, allowed)
    assert write_choice(choice) == raw


def test_a_choice_that_a_policy_changed() -> None:
    choice = read_choice({"type": "function", "function": {"name": "f"}}, "tool_choice")
    assert choice is not None
    choice.name = "g"
    assert write_choice(choice) == {"type": "function", "function": {"name": "g"}}
    wide = read_choice("any", "tool_choice")
    assert wide is not None
    wide.mode = "auto"
    assert write_choice(wide) == "auto"
    made = write_choice(ToolChoice("auto", allowed=["f"]))
    assert made == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
    }

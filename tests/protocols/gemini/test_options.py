"""What a whole request shows stands in `test_requests_in.py`; here are the small rules."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import RequestError
from ccproxy.model import Extras, Opaque, Request, Tool
from ccproxy.protocols.gemini.options import below, integer_, read_generation, read_tool_config, read_tools


def request_with(key: str, value: Any) -> Request:
    request, extras = Request(origin="gemini", model="m"), Extras("gemini", {key: value})
    (read_generation if key == "generationConfig" else read_tool_config)(request, extras)
    request.extras = extras
    return request


@pytest.mark.parametrize(
    ("calling", "mode", "name", "allowed"),
    [
        ({}, "auto", "", []),
        ({"mode": "MODE_UNSPECIFIED"}, "auto", "", []),
        ({"mode": "none"}, "none", "", []),
        ({"mode": "ANY"}, "required", "", []),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, "tool", "f", []),  # the other tools stay
        ({"mode": "ANY", "allowed_function_names": ["f", "g"]}, "required", "", ["f", "g"]),
        ({"mode": "VALIDATED"}, "auto", "", []),
    ],
)
def test_tool_choices(calling: dict[str, Any], mode: str, name: str, allowed: list[str]) -> None:
    choice = request_with("toolConfig", {"functionCallingConfig": calling}).tool_choice
    assert choice is not None
    assert (choice.mode, choice.name, choice.allowed) == (mode, name, allowed)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"thinkingBudget": 0}, (False, None, 0, False, "none")),
        ({"thinkingBudget": -1}, (True, None, None, True, "none")),
        ({"thinkingBudget": 5}, (True, None, 5, False, "none")),
        ({"thinkingLevel": "high", "includeThoughts": True}, (None, "high", None, False, "auto")),
        ({"thinking_level": "SOMETHING", "include_thoughts": False}, (None, None, None, False, "none")),
    ],
)
def test_thinking(config: dict[str, Any], expected: tuple[Any, ...]) -> None:
    options = request_with("generationConfig", {"thinkingConfig": config}).reasoning
    assert options is not None
    assert (options.enabled, options.effort, options.budget, options.adaptive, options.summary) == expected


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({}, None),
        ({"responseMimeType": "text/plain"}, "text"),
        ({"responseMimeType": "application/json"}, "json"),
        ({"responseSchema": {"type": "STRING"}}, "json_schema"),
        ({"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}}, None),
    ],
)
def test_formats(config: dict[str, Any], kind: str | None) -> None:
    request = request_with("generationConfig", dict(config))
    assert (request.format.kind if request.format else None) == kind
    if kind is None and request.extras is not None:
        assert request.extras.fields["generationConfig"] == config


def test_logprobs_need_to_be_asked_for() -> None:
    assert request_with("generationConfig", {"responseLogprobs": True}).logprobs == 0
    assert request_with("generationConfig", {"responseLogprobs": False, "logprobs": 3}).logprobs is None


def test_tools_with_and_without_functions() -> None:
    functions = {"functionDeclarations": [{"name": "f", "description": None}]}
    tools = read_tools([functions, {"functionDeclarations": []}, {}, {"urlContext": {}, "future_tool": 1}])
    assert [type(tool) for tool in tools] == [Tool, Opaque]
    assert isinstance(tools[1], Opaque)
    assert tools[1].raw == {"urlContext": {}, "future_tool": 1}
    assert read_tools(None) == []


@pytest.mark.parametrize("value", [1.5, float("inf"), float("nan"), True, "7", None])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(RequestError):
        integer_(value, "topK")


def test_below() -> None:
    assert below("contents a.b a.c b.d", "a") == "b c"

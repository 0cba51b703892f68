from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from ccproxy.model import ReasoningOptions, Request, ResponseFormat, Sampling, Target
from ccproxy.protocols.gemini.generation import generation_config
from tests.protocols.gemini.judge import context
from tests.tools import known


def config(model: str = "gemini-2.5-flash", told: Any = None, defaults: Any = None, **given: Any) -> dict[str, Any]:
    request = Request(origin="openai", model=model, **given)
    made = generation_config(
        request, known(Target(protocol="gemini", model=model, defaults=defaults or {})), told or context()
    )
    types.GenerationConfig.model_validate(made)
    return made


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), {}),
        (Sampling(temperature=0.7, top_p=0.9, top_k=5), {"temperature": 0.7, "topP": 0.9, "topK": 5}),
        (Sampling(temperature=3.0, top_p=1.5), {"temperature": 2.0, "topP": 1.0}),
        (Sampling(presence_penalty=-3.0, frequency_penalty=2.5), {"presencePenalty": -2.0, "frequencyPenalty": 2.0}),
        (Sampling(max_tokens=9, seed=1), {"maxOutputTokens": 9, "seed": 1}),
        (Sampling(seed=-5), {"seed": -5}),
        (Sampling(seed=0x1_0000_0003), {"seed": 3}),
        (Sampling(stop=["a", "b"]), {"stopSequences": ["a", "b"]}),
        (Sampling(min_p=0.1, repeat_penalty=1.1), {}),
    ],
)
def test_sampling(sampling: Sampling, expected: dict[str, Any]) -> None:
    assert config(sampling=sampling) == expected


def test_what_changes_on_the_way_is_told() -> None:
    told = context()
    config(told=told, sampling=Sampling(temperature=3.0), format=ResponseFormat("json_schema", {}, description="why"))
    assert ["temperature 3.0" in told.notes[0], "description" in told.notes[1]] == [True, True]


def test_only_five_stop_sequences() -> None:
    told = context()
    assert config(told=told, sampling=Sampling(stop=list("abcdef")))["stopSequences"] == list("abcde")
    assert len(told.notes) == 1


def test_defaults_speak_where_the_client_is_silent() -> None:
    defaults = {"temperature": 0.1, "max_tokens": 50, "stop": "END"}
    made = config(sampling=Sampling(temperature=0.9), defaults=defaults)
    assert made == {"temperature": 0.9, "maxOutputTokens": 50, "stopSequences": ["END"]}


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (ResponseFormat("text"), {}),
        (ResponseFormat("json"), {"responseMimeType": "application/json"}),
        (ResponseFormat("json_schema"), {"responseMimeType": "application/json"}),
        (
            ResponseFormat("json_schema", SCHEMA, "x"),
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
    ],
)
def test_formats(format: ResponseFormat, expected: dict[str, Any]) -> None:
    assert config(format=format) == expected


OFF = ReasoningOptions(enabled=False)


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("gemini-3-flash", ReasoningOptions(effort="high"), {"thinkingLevel": "HIGH"}),
        (
            "gemini-3-flash",
            ReasoningOptions(effort="xhigh", summary="auto"),
            {"includeThoughts": True, "thinkingLevel": "HIGH"},
        ),
        ("gemini-3-flash", OFF, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro-preview", OFF, {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", ReasoningOptions(effort="medium"), {"thinkingLevel": "LOW"}),
        ("gemini-3.1-pro-preview", ReasoningOptions(effort="medium"), {"thinkingLevel": "MEDIUM"}),
        (
            "gemini-flash-latest",
            ReasoningOptions(enabled=True, budget=31_999),
            {"includeThoughts": True, "thinkingLevel": "HIGH"},
        ),
        ("gemini-3-flash", ReasoningOptions(adaptive=True, enabled=True), {"includeThoughts": True}),
        ("gemini-2.5-flash", ReasoningOptions(effort="low"), {"thinkingBudget": 1024}),
        (
            "gemini-2.5-flash",
            ReasoningOptions(enabled=True, budget=31_999),
            {"includeThoughts": True, "thinkingBudget": 24_576},
        ),
        ("gemini-2.5-flash", OFF, {"thinkingBudget": 0}),
        ("gemini-2.5-flash-lite", ReasoningOptions(enabled=True), {"includeThoughts": True, "thinkingBudget": -1}),
        ("gemini-2.5-flash", ReasoningOptions(enabled=True, adaptive=True, summary="omitted"), {"thinkingBudget": -1}),
        ("gemini-2.5-flash-lite", ReasoningOptions(budget=100, summary="none"), {"thinkingBudget": 512}),
        ("gemini-2.5-pro", OFF, {"thinkingBudget": 128}),
        ("gemini-2.5-pro", ReasoningOptions(budget=50_000, summary="none"), {"thinkingBudget": 32_768}),
        ("gemma-4", ReasoningOptions(effort="medium"), {"thinkingBudget": 8192}),
        ("gemini-2.0-flash", ReasoningOptions(effort="high"), None),
        ("gemini-2.5-flash", ReasoningOptions(), None),
    ],
)
def test_thinking(model: str, options: ReasoningOptions, expected: dict[str, Any] | None) -> None:
    assert config(model, reasoning=options).get("thinkingConfig") == expected

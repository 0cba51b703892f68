"""Whether arguments fit a tool's schema."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from ccproxy.mcp import schemas
from ccproxy.mcp.schemas import LONGEST, MOST_SCHEMAS, Schemas, _judged

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"items": {"type": "string"}}}, "required": ["a"]}

CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (SCHEMA, {"a": 1}, ""),
    (SCHEMA, {}, "'a' is a required property"),
    (SCHEMA, {"a": "x"}, "a: 'x' is not of type 'integer'"),
    (SCHEMA, {"a": 1, "b": ["x", 2]}, "b.1: 2 is not of type 'string'"),
    (
        {"type": "object", "additionalProperties": False},
        {"x": 1},
        "Additional properties are not allowed ('x' was unexpected)",
    ),
    ({"type": "nonsense"}, {"x": 1}, ""),
    ({"$ref": "https://elsewhere.example/schema"}, {"x": 1}, ""),
    ({"$ref": "#/$defs/it", "$defs": {"it": {"type": "object"}}}, {"x": 1}, ""),
    ({}, {"x": 1}, ""),
]


@pytest.mark.parametrize(("schema", "arguments", "said"), CASES)
def test_what_does_not_fit(schema: dict[str, Any], arguments: dict[str, Any], said: str) -> None:
    kept = Schemas()
    assert anyio.run(kept.wrong, schema, arguments) == said
    assert anyio.run(kept.wrong, schema, arguments) == said


def test_what_is_said_is_short() -> None:
    assert len(anyio.run(Schemas().wrong, SCHEMA, {"a": "x" * 10_000})) == LONGEST


@pytest.mark.parametrize(
    ("b", "apart"),
    [([], False), (["x"] * 300, False), (["x"] * 1000, True), ([{"x": [1]}] * 200, True), ([[["x"] * 1000]], True)],
)
def test_what_is_large_is_judged_by_a_thread(b: list[Any], apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def judged(validator: Any, arguments: dict[str, Any]) -> str:
        threads.append(threading.current_thread())
        return _judged(validator, arguments)

    monkeypatch.setattr(schemas, "_judged", judged)
    assert anyio.run(Schemas().wrong, SCHEMA, {"a": "x", "b": b})
    assert (threads != [threading.main_thread()]) == apart


def test_compiled_schemas_are_bounded() -> None:
    async def run() -> None:
        kept = Schemas()
        for i in range(MOST_SCHEMAS + 3):
            await kept.wrong({"const": i}, {})
        assert len(kept._compiled) == MOST_SCHEMAS

    anyio.run(run)

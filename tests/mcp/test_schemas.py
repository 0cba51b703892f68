"""Whether arguments fit a tool's schema."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.mcp.schemas import LONGEST, MOST_SCHEMAS, Schemas

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
    schemas = Schemas()
    assert schemas.wrong(schema, arguments) == said
    assert schemas.wrong(schema, arguments) == said


def test_what_is_said_is_short() -> None:
    assert len(Schemas().wrong(SCHEMA, {"a": "x" * 10_000})) == LONGEST


def test_compiled_schemas_are_bounded() -> None:
    schemas = Schemas()
    for i in range(MOST_SCHEMAS + 3):
        schemas.wrong({"const": i}, {})
    assert len(schemas._compiled) == MOST_SCHEMAS

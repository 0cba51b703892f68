from __future__ import annotations

from typing import Any

import pytest

from ccproxy.protocols.gemini.schemas import JSON_SCHEMA, OPENAPI, plain
from ccproxy.schema import clean


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {}),
        ({"type": "OBJECT", "properties": {}}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object"}),
        ({"type": ["STRING", "null"]}, {"type": ["string", "null"]}),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "STRING", "nullable": False}, {"type": "string"}),
        ({"nullable": True, "anyOf": [{"type": "NUMBER"}]}, {"anyOf": [{"type": "number"}]}),
        (
            {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "1"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ),
        ({"any_of": [{"type": "NULL"}], "max_items": "2"}, {"anyOf": [{"type": "null"}], "maxItems": 2}),
        (
            {"properties": {"type": {"type": "STRING"}, "nullable": {"enum": ["STRING"]}}},
            {"properties": {"type": {"type": "string"}, "nullable": {"enum": ["STRING"]}}},
        ),
        ({"enum": ["OBJECT"], "default": {"type": "STRING"}}, {"enum": ["OBJECT"], "default": {"type": "STRING"}}),
        (
            {"properties": 7, "items": True, "anyOf": "x", "type": 7},
            {"properties": 7, "items": True, "anyOf": "x", "type": 7},
        ),
    ],
)
def test_plain(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(schema)
    assert plain(schema) == expected
    assert repr(schema) == before


def test_json_schema_keeps_every_keyword() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"const": 1, "exclusiveMinimum": 0}},
        "additionalProperties": False,
        "$defs": {"A": {"type": "integer", "enum": [1, 2]}},
    }
    assert clean(schema, JSON_SCHEMA) == schema


def test_the_reduced_dialect() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "n": {"type": "integer", "enum": [1, 2]}},
        "additionalProperties": False,
        "$defs": {"A": {"type": "string", "minLength": 1}},
    }
    cleaned = clean(schema, OPENAPI)
    assert cleaned["type"] == "OBJECT"
    assert cleaned["properties"]["a"] == {"type": "STRING", "minLength": 1}
    assert not {"additionalProperties", "$defs"} & cleaned.keys()

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.protocols.gemini.schemas import FORMAT, OPENAPI, PARAMETERS, plain
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
        ({"nullable": True, "anyOf": [{"type": "NUMBER"}]}, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ({"type": "STRING", "enum": ["STRING"], "nullable": True}, {"type": ["string", "null"], "enum": ["STRING", None]}),
        ({"type": "TYPE_UNSPECIFIED", "description": "STRING"}, {"description": "STRING"}),
        ({"type": "Odd", "items": [{"type": "STRING"}]}, {"type": "Odd", "items": [{"type": "string"}]}),
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


SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"const": 1, "exclusiveMinimum": 0}},
    "additionalProperties": False,
    "$defs": {"A": {"type": "integer", "enum": [1, 2]}},
}


def test_a_format_keeps_every_keyword() -> None:
    assert clean(SCHEMA, FORMAT) is SCHEMA


def test_parameters_keep_their_keywords_and_have_no_refs() -> None:
    a = {"type": "integer", "enum": [1, 2]}
    kept = {key: value for key, value in SCHEMA.items() if key != "$defs"}
    assert clean(SCHEMA, PARAMETERS) == {**kept, "properties": {**SCHEMA["properties"], "a": a}}


@pytest.mark.parametrize(
    "given",
    [
        {"city": {"type": "string", "required": True}},
        {"properties": {"city": {"type": "string", "required": True}}},
        {"anyOf": [{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}]},
    ],
)
def test_parameters_are_an_object(given: dict[str, Any]) -> None:
    """What MCP servers send (F162): a bare property map, `required` as draft 3 had it, no type."""
    assert clean(given, PARAMETERS) == {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }


def test_the_way_back_ends_somewhere() -> None:
    deep: dict[str, Any] = {}
    for _ in range(800):
        deep = {"type": "ARRAY", "items": deep}
    assert plain(deep)["items"]["type"] == "array"


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


def test_a_schema_that_is_plain_already_passes_as_it_is_each_time() -> None:
    schema = {"type": "object", "properties": {"type": {"type": "string", "maxLength": 3}}}
    assert plain(schema) is schema
    assert plain(schema) is schema
    assert plain({**schema, "type": "OBJECT"}) == schema
    assert plain(schema) is schema

"""Gemini's two schema dialects.

Gemini API reference: "Schema" (`parameters`, `responseSchema`) is a piece of OpenAPI 3.0 with type names in upper case;
`parametersJsonSchema` and `responseJsonSchema` take JSON Schema, and are what we write.
"""

from __future__ import annotations

from typing import Any

from ccproxy.model import JSON
from ccproxy.schema import Dialect

JSON_SCHEMA = Dialect(name="gemini json schema")
"""Keeps every keyword: what the API does not know there it leaves alone."""

OPENAPI = Dialect(
    name="gemini openapi schema",
    keywords=frozenset(
        {
            "type",
            "format",
            "title",
            "description",
            "nullable",
            "enum",
            "maxItems",
            "minItems",
            "properties",
            "required",
            "minProperties",
            "maxProperties",
            "minLength",
            "maxLength",
            "pattern",
            "example",
            "anyOf",
            "propertyOrdering",
            "default",
            "items",
            "minimum",
            "maximum",
        }
    ),
    inline_refs=True,
    string_enums=True,
    upper_types=True,
)
"""For models that know only `parameters`."""

_TYPES = frozenset({"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"})
_COUNTS = frozenset(
    {"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength", "min_items", "max_items"}
)
_NAMED = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_ONE = frozenset({"items", "additionalProperties", "not"})
_MANY = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "any_of"})
_SNAKE = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
}


def plain(schema: dict[str, JSON]) -> dict[str, JSON]:
    """`schema` as JSON Schema: lower-case types, `nullable` as a type, counts as numbers (64-bit ones are strings in
    ProtoJSON). Only schemas are walked, so a property may be called `type`."""
    made: dict[str, JSON] = {}
    for key, value in schema.items():
        name = _SNAKE.get(key, key)
        if name in _NAMED and isinstance(value, dict):
            made[name] = {inner: _plain(one) for inner, one in value.items()}
        elif name in _ONE:
            made[name] = _plain(value)
        elif name in _MANY and isinstance(value, list):
            made[name] = [_plain(one) for one in value]
        elif name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit():
            made[name] = int(value)
        elif name == "type":
            made[name] = _type(value)
        else:
            made[name] = value
    return _nulled(made) if "nullable" in made else made


def _plain(value: JSON) -> JSON:
    return plain(value) if isinstance(value, dict) else value


def _type(value: Any) -> JSON:
    if isinstance(value, list):
        return [_type(one) for one in value]
    return value.lower() if isinstance(value, str) and value in _TYPES else value


def _nulled(schema: dict[str, JSON]) -> dict[str, JSON]:
    """OpenAPI's `nullable` in JSON Schema's words."""
    nullable = schema.pop("nullable")
    kind = schema.get("type")
    if nullable is True and isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
    return schema

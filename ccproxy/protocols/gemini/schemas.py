"""Gemini's schema dialects, and the way back.

Gemini API reference: "Schema" (`parameters`, `responseSchema`) is a piece of OpenAPI 3.0 with type names in upper case;
`parametersJsonSchema` and `responseJsonSchema` take JSON Schema, and are what we write.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ccproxy.codec import jsontext
from ccproxy.model import JSON
from ccproxy.schema import CACHED_SCHEMAS, CACHED_TEXT, MAX_DEPTH, Dialect

FORMAT = Dialect(name="gemini format")
"""`responseJsonSchema` keeps every keyword: what the API does not know there it leaves alone."""

PARAMETERS = Dialect(name="gemini parameters", inline_refs=True, object_root=True)
"""`parametersJsonSchema` "must describe an object" ("FunctionDeclaration"). Its keywords are kept; refs are answered with
400 by some models."""

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

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null", "type_unspecified"})
_SNAKE = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
}


def plain(schema: dict[str, JSON]) -> dict[str, JSON]:
    """`schema` as JSON Schema: lower-case types, `nullable` as the type `null`, counts as numbers (64-bit ones are strings
    in ProtoJSON), keys in camelCase. Only schemas are walked, so a property may be called `type`. The given object where it
    is so already, as agents' schemas mostly are, else a new one."""
    try:
        text = jsontext.dumps(schema)
    except jsontext.JSONError:  # nested too deep to be written
        text = b""
    if text and len(text) <= CACHED_TEXT and _is_plain(text):
        return schema
    made: dict[str, JSON] = _schema(schema, 0)
    return made


@lru_cache(maxsize=CACHED_SCHEMAS)  # agents send the same tools with every turn
def _is_plain(text: bytes) -> bool:
    schema = jsontext.loads_exact(text)
    return bool(_schema(schema, 0) == schema)


def _schema(node: JSON, depth: int) -> JSON:
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        return node
    made: dict[str, JSON] = {}
    for key, value in node.items():
        name = _SNAKE.get(key) or key
        read = _KEYWORDS.get(name)
        made[name] = value if read is None else read(value, depth + 1)
    if made.get("type") == "type_unspecified":
        del made["type"]
    return _nulled(made) if "nullable" in made else made


def _named(value: JSON, depth: int) -> JSON:
    return {name: _schema(one, depth) for name, one in value.items()} if isinstance(value, dict) else value


def _one_or_many(value: JSON, depth: int) -> JSON:
    return [_schema(one, depth) for one in value] if isinstance(value, list) else _schema(value, depth)


def _count(value: JSON, depth: int) -> JSON:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _type(value: JSON, depth: int) -> JSON:
    if isinstance(value, list):
        return [_type(one, depth) for one in value]
    return value.lower() if isinstance(value, str) and value.lower() in _TYPES else value


_KEYWORDS: dict[str, Callable[[JSON, int], JSON]] = {
    "type": _type,
    **dict.fromkeys(("properties", "$defs", "definitions", "patternProperties"), _named),
    **dict.fromkeys(("items", "additionalProperties", "not", "anyOf", "oneOf", "allOf", "prefixItems"), _one_or_many),
    **dict.fromkeys(("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"), _count),
}
"""keyword -> how its value is read; the others' values are data."""


def _nulled(schema: dict[str, JSON]) -> dict[str, JSON]:
    """OpenAPI's `nullable` in JSON Schema's words. Changes the schema, which is new."""
    if schema.pop("nullable") is not True:
        return schema
    if isinstance(schema.get("type"), str) and schema["type"] != "null":
        schema["type"] = [schema["type"], "null"]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema

"""JSON schemas for targets that take less than JSON Schema. What a target takes is a Dialect that its protocol holds."""

from __future__ import annotations

from attrs import frozen

from ccproxy.model import JSON


@frozen(kw_only=True)
class Dialect:
    """keywords: the only ones kept; None keeps all. inline_refs: `$ref` is replaced by what it names, `$defs` dropped.
    object_root: the root must be `type: object` without anyOf, oneOf or allOf (Claude, OpenAI). fill_properties: every
    object schema has `properties`. string_enums: enum only on strings (Gemini). upper_types: type names in upper
    case (Gemini)."""

    name: str
    keywords: frozenset[str] | None = None
    inline_refs: bool = False
    object_root: bool = False
    fill_properties: bool = False
    string_enums: bool = False
    upper_types: bool = False


def clean(schema: dict[str, JSON] | None, dialect: Dialect) -> dict[str, JSON]:
    """`schema` as `dialect` takes it; the given one is never changed. None is the schema of no parameters."""
    return schema or {"type": "object", "properties": {}}

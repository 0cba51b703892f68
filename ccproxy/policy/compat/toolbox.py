"""The declared tools as the parser asks for them: found by names that are nearly right, with their parameters' types.

A name is right, or right but for a namespace before it (`functions.read_file:0`), or for case and punctuation
(`Read-File`), or for one letter. Digits and the first letter are never guessed at, so that `step1` is not taken for
`step2`, nor `set_value` for `get_value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from ccproxy.model import JSON, Tool

FREE_TEXT = "input"
"""The parameter of a tool whose input is free text."""

_FREE_SCHEMA = {"type": "object", "properties": {FREE_TEXT: {"type": "string"}}, "required": [FREE_TEXT]}

Types = frozenset[str]
"""JSON schema's words for types; empty for a value that may be anything."""

_ANY: Types = frozenset()
_MAX_REFS = 20
_SHORTEST_GUESS = 5
"""Letters of a name that is corrected: among short names too many are one letter apart."""


@frozen
class Parameter:
    name: str
    types: Types = _ANY
    words: tuple[str, ...] = ()
    """The strings of an enum."""
    items: Types = _ANY

    @property
    def streams(self) -> bool:
        """Whether its text can go out while it comes in: it is a string, whatever it says."""
        return self.types == {"string"} and not self.words


@define
class Declared:
    """A tool as the parser needs it."""

    tool: Tool
    parameters: dict[str, Parameter]
    required: frozenset[str]
    _seen: dict[str, Parameter] = field(factory=dict)

    @property
    def name(self) -> str:
        return self.tool.name

    @property
    def free(self) -> bool:
        """Whether its input is a text and no object."""
        return self.tool.kind == "custom"

    @property
    def main(self) -> Parameter | None:
        """The parameter that a text without a name is meant for: the only one that must be given, or the only one."""
        names = list(self.required) if len(self.required) == 1 else list(self.parameters)
        return self.parameters.get(names[0]) if len(names) == 1 else None

    def knows(self, name: str) -> bool:
        return nearest(name, self.parameters) is not None

    def parameter(self, name: str) -> Parameter:
        """The parameter that the model means; one of its own where the tool has none such, which the client will say."""
        found = self._seen.get(name)
        if found is None:
            known = nearest(name, self.parameters)
            found = self._seen[name] = self.parameters[known] if known is not None else Parameter(name)
        return found


class Toolbox:
    """All tools of a request. Nothing is worked out before a name is asked for."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._declared: dict[str, Declared] = {}
        self.names = tuple(self._tools)

    def find(self, name: str) -> Declared | None:
        """The tool that a model means by this name."""
        known = nearest(name, self._tools) or nearest(_bare(name), self._tools)
        if known is None:
            return None
        if known not in self._declared:
            self._declared[known] = declared(self._tools[known])
        return self._declared[known]


def declared(tool: Tool) -> Declared:
    root: Any = _FREE_SCHEMA if tool.kind == "custom" else tool.parameters or {}
    properties = root.get("properties")
    named = properties if isinstance(properties, dict) else {}
    required = root.get("required")
    demanded = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    return Declared(tool, {name: _parameter(name, schema, root) for name, schema in named.items()}, frozenset(demanded))


def _parameter(name: str, schema: JSON, root: JSON) -> Parameter:
    resolved = _resolved(schema, root)
    enum = resolved.get("enum")
    words = tuple(word for word in enum if isinstance(word, str)) if isinstance(enum, list) else ()
    return Parameter(name, types_of(schema, root), words, types_of(resolved.get("items"), root))


def types_of(schema: JSON, root: JSON, depth: int = 0) -> Types:
    """The types that a schema allows. `root` is the schema that its references lead into."""
    if depth > _MAX_REFS:
        return _ANY
    schema = _resolved(schema, root)
    nothing = frozenset({"null"}) if schema.get("nullable") is True else frozenset()
    said = schema.get("type")
    if isinstance(said, str):
        return frozenset({said.lower()}) | nothing
    if isinstance(said, list):
        return frozenset(word.lower() for word in said if isinstance(word, str)) | nothing
    for word in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(word), list):
            found = [types_of(one, root, depth + 1) for one in schema[word]]
            known = [types for types in found if types]
            return (
                _ANY if not known or (len(known) < len(found) and word != "allOf") else frozenset().union(*known) | nothing
            )
    values = schema.get("enum") if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    implied = {"properties": "object", "items": "array"}
    return frozenset(map(_type, values)) or frozenset(kind for word, kind in implied.items() if word in schema)


def _type(value: JSON) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _resolved(schema: JSON, root: JSON) -> dict[str, JSON]:
    """The schema behind a reference within the same document (JSON Schema 2020-12, section 8.2.3.1)."""
    for _ in range(_MAX_REFS):
        if not isinstance(schema, dict):
            return {}
        ref = schema.get("$ref")
        if not isinstance(ref, str) or not ref.startswith("#/"):
            return schema
        schema = root
        for step in ref[2:].split("/"):
            schema = schema.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(schema, dict) else None
    return {}


# ---------------------------------------------------------------------------------------------------------------------
# Names


def plain(name: str) -> str:
    """The name without case and punctuation, by which spellings are compared."""
    return re.sub(r"[\W_]+", "", name.casefold())


def nearest(name: str, known: Mapping[str, Any] | Iterable[str]) -> str | None:
    """The known name that is meant, None where there is none or more than one."""
    if name in known:
        return name
    wanted = plain(name)
    if not wanted:
        return None
    names = list(known)
    same = [one for one in names if plain(one) == wanted]
    if not same and len(wanted) >= _SHORTEST_GUESS:
        same = [one for one in names if _one_slip(wanted, plain(one))]
    return same[0] if len(same) == 1 else None


def _bare(name: str) -> str:
    """Without a namespace before it and a call's number behind it."""
    return re.sub(r":\d+$", "", name.strip()).rpartition(".")[2]


def _one_slip(wrong: str, right: str) -> bool:
    """Whether one letter is too much, missing, another or in the wrong place."""
    if abs(len(wrong) - len(right)) > 1 or len(right) < _SHORTEST_GUESS or wrong[0] != right[0]:
        return False
    at = next((i for i, (a, b) in enumerate(zip(wrong, right, strict=False)) if a != b), min(len(wrong), len(right)))
    left, wanted = wrong[at:], right[at:]
    if (left[:1] + wanted[:1]).strip("0123456789") != left[:1] + wanted[:1]:
        return False
    swapped = left[1:2] + left[:1] + left[2:]
    return wanted in (left[1:], swapped) or left in (wanted[1:],) or left[1:] == wanted[1:]

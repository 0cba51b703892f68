"""Names that are nearly right, and the types that schemas allow."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Tool
from ccproxy.policy.compat.toolbox import Toolbox, declared, nearest, types_of

NAMES = ["get_weather", "Read", "read_file", "write_file", "step1", "get_value", "mcp__docs__search", "résumé", "天气"]

FOUND = [
    ("get_weather", "get_weather"),
    ("GetWeather", "get_weather"),
    ("get-weather ", "get_weather"),
    ("functions.get_weather", "get_weather"),
    ("functions.Read:12", "Read"),
    ("get_wether", "get_weather"),
    ("get_weahter", "get_weather"),
    ("read_fil", "read_file"),
    ("reed_file", "read_file"),
    ("mcp__docs__serch", "mcp__docs__search"),
    ("Résumé", "résumé"),
    ("天气", "天气"),
    ("Reed", None),
    ("step2", None),
    ("step11", None),
    ("set_value", None),
    ("weather", None),
    ("delete_file", None),
    ("", None),
    ("__", None),
]


@pytest.mark.parametrize(("name", "found"), FOUND)
def test_names(name: str, found: str | None) -> None:
    tool = Toolbox([Tool(one) for one in NAMES]).find(name)
    assert (tool.name if tool else None) == found


def test_of_two_that_are_as_near_none_is_meant() -> None:
    assert nearest("Read-File", ["read_file", "readFile"]) is None
    assert nearest("read_file", ["read_file", "readFile"]) == "read_file"
    assert nearest("lists", ["listas", "listos"]) is None


ROOT = {"$defs": {"Path": {"type": "string"}, "Loop": {"$ref": "#/$defs/Loop"}, "a/b": {"type": "number"}}}
TYPES: list[tuple[Any, set[str]]] = [
    ({"type": "string"}, {"string"}),
    ({"type": "STRING", "nullable": True}, {"string", "null"}),
    ({"type": ["integer", "null"]}, {"integer", "null"}),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"string", "null"}),
    ({"oneOf": [{"type": "string"}, {}]}, set()),
    ({"allOf": [{"$ref": "#/$defs/Path"}, {"description": "x"}]}, {"string"}),
    ({"$ref": "#/$defs/Path"}, {"string"}),
    ({"$ref": "#/$defs/a~1b"}, {"number"}),
    ({"$ref": "#/$defs/Loop"}, set()),
    ({"$ref": "#/nowhere/at/all"}, set()),
    ({"$ref": "https://example.com/schema"}, set()),
    ({"enum": ["a", 1, None]}, {"string", "integer", "null"}),
    ({"const": True}, {"boolean"}),
    ({"properties": {}}, {"object"}),
    ({"items": {}}, {"array"}),
    ({}, set()),
    (True, set()),
]


@pytest.mark.parametrize(("schema", "types"), TYPES)
def test_types(schema: Any, types: set[str]) -> None:
    assert types_of(schema, ROOT) == types


def test_nesting_of_unions_has_a_limit() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        schema = {"anyOf": [schema]}
    assert types_of(schema, {}) == set()


@pytest.mark.parametrize("parameters", [None, {}, {"properties": []}, {"properties": {"a": True}, "required": "a"}])
def test_schemas_that_say_little(parameters: Any) -> None:
    tool = declared(Tool("t", "", parameters))
    assert tool.required == frozenset()
    assert tool.parameter("a").types == frozenset()


def test_the_main_parameter() -> None:
    two = {"properties": {"a": {}, "b": {}}}
    assert declared(Tool("t", "", two)).main is None
    one_needed = declared(Tool("t", "", {**two, "required": ["b"]})).main
    assert one_needed is not None
    assert one_needed.name == "b"
    assert declared(Tool("t", "", {**two, "required": ["c"]})).main is None

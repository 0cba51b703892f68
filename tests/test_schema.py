"""Schemas cleaned: one table of cases per rule, then what holds for all of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy import schema
from ccproxy.codec import jsontext
from ccproxy.errors import RequestError
from ccproxy.schema import Dialect, clean

ALL = Dialect(name="all")
ROOT = Dialect(name="root", object_root=True)
FILLED = Dialect(name="filled", object_root=True, fill_properties=True)
INLINED = Dialect(name="inlined", inline_refs=True)
REDUCED = Dialect(
    name="reduced",
    keywords=frozenset(
        [
            "type",
            "format",
            "description",
            "nullable",
            "enum",
            "properties",
            "required",
            "items",
            "anyOf",
            "minimum",
            "maximum",
        ]
    ),
    inline_refs=True,
    string_enums=True,
)
UPPER = Dialect(name="upper", keywords=REDUCED.keywords, inline_refs=True, string_enums=True, upper_types=True)
DIALECTS = [ALL, ROOT, FILLED, INLINED, REDUCED, UPPER]

STRING = {"type": "string"}
NUMBER = {"type": "number"}


def obj(*required: str, **properties: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "object", "properties": properties}
    return {**out, "required": list(required)} if required else out


CASES = [
    ("refs: a definition", INLINED, obj(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": STRING}}, obj(a=STRING)),
    (
        "refs: definitions, the old word",
        INLINED,
        obj(a={"$ref": "#/definitions/A"}) | {"definitions": {"A": STRING}},
        obj(a=STRING),
    ),
    (
        "refs: a chain",
        INLINED,
        obj(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": NUMBER}},
        obj(a=NUMBER),
    ),
    (
        "refs: a place in the document (F180)",
        INLINED,
        obj(a=obj(b=STRING), c={"$ref": "#/properties/a/properties/b"}),
        None,
    ),
    ("refs: through a list", INLINED, {"anyOf": [STRING, NUMBER], "not": {"$ref": "#/anyOf/1"}}, None),
    (
        "refs: escapes (RFC 6901)",
        INLINED,
        obj(a={"$ref": "#/$defs/x~1y%20z"}) | {"$defs": {"x/y z": STRING}},
        obj(a=STRING),
    ),
    (
        "refs: nested definitions that were pasted in",
        INLINED,
        obj(a={**obj(b={"$ref": "#/$defs/B"}), "$defs": {"B": NUMBER}}),
        obj(a=obj(b=NUMBER)),
    ),
    (
        "refs: words beside a ref win",
        INLINED,
        obj(a={"$ref": "#/$defs/A", "description": "mine"}) | {"$defs": {"A": {**STRING, "description": "its"}}},
        obj(a={**STRING, "description": "mine"}),
    ),
    (
        "refs: a cycle keeps type and description (F172)",
        INLINED,
        obj(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": {**obj(next={"$ref": "#/$defs/A"}), "description": "a node"}}},
        obj(a={**obj(next={"type": "object", "description": "a node"}), "description": "a node"}),
    ),
    ("refs: to the root", INLINED, obj(child={"$ref": "#"}), obj(child={"type": "object"})),
    ("refs: to itself", INLINED, {"$ref": "#"}, {"type": "object"}),
    (
        "refs: to nothing",
        INLINED,
        obj(a={"$ref": "#/$defs/Gone", "description": "d"}),
        obj(a={"type": "object", "description": "d"}),
    ),
    ("refs: to another document", INLINED, obj(a={"$ref": "https://x.test/a.json"}), obj(a={"type": "object"})),
    ("refs: kept where not inlined", ROOT, obj(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": STRING}}, "same"),
    ("bare map wrapped (F162)", REDUCED, {"city": STRING, "days": NUMBER}, obj(city=STRING, days=NUMBER)),
    ("bare map with a property called type", ROOT, {"type": STRING}, obj(type=STRING)),
    ("no bare map", ROOT, {"properties": {"a": STRING}}, {"type": "object", "properties": {"a": STRING}}),
    (
        "boolean required lifted (F162)",
        REDUCED,
        obj(a={**STRING, "required": True}, b={**STRING, "required": False}),
        obj("a", a=STRING, b=STRING),
    ),
    (
        "boolean required joins the list",
        REDUCED,
        obj("b", a={**STRING, "required": True}, b=STRING),
        obj("b", "a", a=STRING, b=STRING),
    ),
    (
        "unknown keywords left out (F163, F171)",
        REDUCED,
        {
            "$schema": "x",
            "$comment": "c",
            "additionalProperties": False,
            **obj(a={**STRING, "title": "T", "default": "d", "examples": ["e"], "uniqueItems": True, "encrypted": True}),
        },
        obj(a=STRING),
    ),
    (
        "if, then, else (F164)",
        REDUCED,
        obj("kind", kind=STRING)
        | {"if": obj(kind={"const": "a"}), "then": obj("a", a=STRING), "else": obj(b=NUMBER, kind=NUMBER)},
        obj("kind", b=NUMBER, kind=STRING, a=STRING),
    ),
    (
        "if, then, else within allOf",
        REDUCED,
        obj(k=STRING) | {"allOf": [{"if": obj(), "then": obj(a=STRING)}, {"if": obj(), "then": obj(b=NUMBER)}]},
        obj(k=STRING, a=STRING, b=NUMBER),
    ),
    (
        "allOf merged",
        REDUCED,
        {"allOf": [{"$ref": "#/$defs/Base"}, obj("b", b=NUMBER)], "$defs": {"Base": obj("a", a=STRING)}},
        obj("a", "b", a=STRING, b=NUMBER),
    ),
    ("oneOf as anyOf", REDUCED, obj(a={"oneOf": [STRING, NUMBER]}), obj(a={"anyOf": [STRING, NUMBER]})),
    ("const as enum", REDUCED, obj(a={**STRING, "const": "x"}), obj(a={**STRING, "enum": ["x"]})),
    ("const of a number", REDUCED, obj(a={"const": 7}), obj(a={"enum": ["7"], "type": "string"})),
    (
        "enum of numbers (F168)",
        REDUCED,
        obj(a={"type": "integer", "enum": [1, 2]}),
        obj(a={"type": "string", "enum": ["1", "2"]}),
    ),
    (
        "no numbers' words on an enum of strings",
        REDUCED,
        obj(a={"type": "integer", "format": "int32", "minimum": 1, "enum": [1, 2]}),
        obj(a={"type": "string", "enum": ["1", "2"]}),
    ),
    (
        "formats of strings",
        REDUCED,
        obj(a={**STRING, "format": "uri"}, b={**STRING, "format": "date-time"}, c={**NUMBER, "format": "float"}),
        obj(a=STRING, b={**STRING, "format": "date-time"}, c={**NUMBER, "format": "float"}),
    ),
    ("enum of booleans", REDUCED, obj(a={"enum": [True, "x", ""]}), obj(a={"type": "string", "enum": ["true", "x"]})),
    ("enum with null", REDUCED, obj(a={"enum": ["x", None]}), obj(a={"type": "string", "enum": ["x"], "nullable": True})),
    ("type list with null", REDUCED, obj(a={"type": ["string", "null"]}), obj(a={**STRING, "nullable": True})),
    ("type list", REDUCED, obj(a={"type": ["string", "number"]}), obj(a={"anyOf": [STRING, NUMBER]})),
    (
        "null alternative",
        REDUCED,
        obj(a={"description": "d", "anyOf": [STRING, {"type": "null"}]}),
        obj(a={**STRING, "description": "d", "nullable": True}),
    ),
    ("required names that are not there", REDUCED, obj("a", "gone", a=STRING), obj("a", a=STRING)),
    (
        "tuples",
        REDUCED,
        obj(a={"type": "array", "items": [STRING, NUMBER]}),
        obj(a={"type": "array", "items": {"anyOf": [STRING, NUMBER]}}),
    ),
    ("true as a schema", REDUCED, obj(a=True), obj(a={})),
    (
        "upper case",
        UPPER,
        obj(a={"type": "array", "items": STRING}),
        {"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING"}}}},
    ),
    (
        "a type for all",
        UPPER,
        obj(a={"description": "any"}, b={"type": "array"}),
        {
            "type": "OBJECT",
            "properties": {
                "a": {"description": "any", "type": "STRING"},
                "b": {"type": "ARRAY", "items": {"type": "STRING"}},
            },
        },
    ),
    ("root without type (F166)", ROOT, {"description": "d"}, {"type": "object", "description": "d"}),
    (
        "root anyOf (F166)",
        ROOT,
        {"anyOf": [obj("a", "c", a=STRING, c=STRING), obj("b", "c", b=NUMBER, c=NUMBER), {"type": "null"}]},
        obj("c", a=STRING, c={"anyOf": [STRING, NUMBER]}, b=NUMBER),
    ),
    (
        "root oneOf told apart by a tag",
        ROOT,
        {"oneOf": [obj("t", t={"const": "x"}, a=STRING), obj("t", t={"const": "y"})]},
        obj("t", t={"enum": ["x", "y"]}, a=STRING),
    ),
    (
        "root anyOf that only requires",
        ROOT,
        obj(a=STRING, b=STRING) | {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        obj(a=STRING, b=STRING),
    ),
    (
        "root allOf with refs",
        ROOT,
        {"allOf": [{"$ref": "#/$defs/A"}, obj("b", b=STRING)], "$defs": {"A": obj("a", a=STRING)}},
        {
            "type": "object",
            "$defs": {"A": obj("a", a=STRING)},
            "properties": {"a": STRING, "b": STRING},
            "required": ["a", "b"],
        },
    ),
    (
        "properties filled in (F167)",
        FILLED,
        obj(a={"type": "object"}, b={"type": ["object", "null"]}),
        obj(a={"type": "object", "properties": {}}, b={"type": ["object", "null"], "properties": {}}),
    ),
    ("items filled in", FILLED, obj(a={"type": "array"}), obj(a={"type": "array", "items": {}})),
    (
        "names are no keywords",
        FILLED,
        obj(title=STRING, required=STRING, properties=STRING, **{"$ref": STRING, "enum": STRING}),
        "same",
    ),
    (
        "names are no keywords, reduced",
        REDUCED,
        obj("title", title=STRING, required=STRING, anyOf=STRING, **{"$ref": STRING, "$defs": STRING, "if": STRING}),
        "same",
    ),
    (
        "data is no schema",
        INLINED,
        obj(a={"enum": [{"$ref": "#/x"}], "default": {"$defs": 1}, "examples": [{"$ref": "#"}]}),
        "same",
    ),
    ("nothing to do", UPPER, {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, "same"),
    (
        "big numbers stay exact",
        REDUCED,
        obj(a={"type": "integer", "maximum": 2**80, "title": "T"}),
        obj(a={"type": "integer", "maximum": 2**80}),
    ),
]


@pytest.mark.parametrize(("given", "dialect", "wanted"), [pytest.param(g, d, w, id=name) for name, d, g, w in CASES])
def test_rules(given: dict[str, Any], dialect: Dialect, wanted: Any) -> None:
    before = copy.deepcopy(given)
    cleaned = clean(given, dialect)
    assert given == before, "the given schema is never changed"
    if wanted == "same":
        assert cleaned is given
    elif wanted is not None:
        assert cleaned == wanted
    assert "$ref" not in str(cleaned) or not dialect.inline_refs or wanted == "same"


def test_no_parameters() -> None:
    assert clean(None, ALL) == {"type": "object", "properties": {}}
    assert clean(None, UPPER) == {"type": "OBJECT", "properties": {}}


def test_a_dialect_that_takes_all_returns_what_it_is_given() -> None:
    given = {"oneOf": [{"$ref": "#/x"}]}
    assert clean(given, ALL) is given


def test_key_order_is_kept() -> None:
    given = {"properties": {"z": STRING, "a": {"title": "T", **NUMBER}}, "required": ["z"], "type": "object", "title": "T"}
    cleaned = clean(given, REDUCED)
    assert list(cleaned) == ["properties", "required", "type"]
    assert list(cleaned["properties"]) == ["z", "a"]


def test_results_are_shared_by_content() -> None:
    first = clean(obj(a={"title": "T", **STRING}), REDUCED)
    assert clean(obj(a={"title": "T", **STRING}), REDUCED) is first
    assert clean(obj(a={"title": "T", **STRING}), UPPER) is not first


def test_large_schemas_are_not_cached() -> None:
    given = obj(a={"title": "T", "description": "x" * schema.CACHED_TEXT})
    assert clean(given, REDUCED) == clean(given, REDUCED)
    assert clean(given, REDUCED) is not clean(given, REDUCED)


def test_the_cache_holds_nothing_of_the_caller() -> None:
    given = obj(a={"title": "T", "enum": ["x"], **STRING})
    clean(given, REDUCED)
    given["properties"]["a"]["enum"].append("y")
    assert clean(obj(a={"title": "T", "enum": ["x"], **STRING}), REDUCED) == obj(a={"enum": ["x"], **STRING})


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_definitions_that_double_stay_bounded(dialect: Dialect) -> None:
    names = [f"d{n}" for n in range(60)]
    pairs = zip(names, [*names[1:], "end"], strict=True)
    definitions = {name: obj(a={"$ref": f"#/$defs/{after}"}, b={"$ref": f"#/$defs/{after}"}) for name, after in pairs}
    cleaned = clean({"anyOf": [{"$ref": "#/$defs/d0"}] * 2, "$defs": definitions}, dialect)
    assert len(jsontext.dumps(cleaned)) < 4 * schema.INLINED_TEXT


@pytest.mark.parametrize("key", ["items", "allOf", "anyOf", "then"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_deep_schemas_are_cut(dialect: Dialect, key: str) -> None:
    deep: dict[str, Any] = dict(STRING)
    for _ in range(400):
        deep = {key: [deep] if key.endswith("Of") else deep}
    cleaned = clean({"type": "object", "properties": {"a": deep}}, dialect)
    assert cleaned["type"].lower() == "object"


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(RequestError):
        clean({"type": {1, 2}}, ROOT)


keywords = st.sampled_from(
    ["type", "properties", "items", "required", "enum", "const", "anyOf", "oneOf", "allOf", "if", "then"]
)
others = st.sampled_from(
    ["else", "$ref", "$defs", "definitions", "prefixItems", "nullable", "description", "not", "a", "b"]
)
words = keywords | others
leaves = st.sampled_from(
    [None, True, False, 0, 1.5, "", "object", "string", "array", "null", "#", "#/$defs/a", "#/a/0", "x"]
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=20
)


@settings(max_examples=300, deadline=None)
@given(given=st.dictionaries(words, values, max_size=5), dialect=st.sampled_from(DIALECTS))
def test_any_json_object_is_cleaned(given: dict[str, Any], dialect: Dialect) -> None:
    before = copy.deepcopy(given)
    cleaned = clean(given, dialect)
    assert given == before
    jsontext.dumps(cleaned)
    if dialect.object_root:
        assert cleaned["type"] == "object"
        assert not {"anyOf", "oneOf", "allOf"} & set(cleaned)
    if dialect.keywords is not None:
        assert set(cleaned) <= dialect.keywords

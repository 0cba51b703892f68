from __future__ import annotations

import sys
from typing import Any

import pytest

from ccproxy.errors import Malformed
from ccproxy.protocols.gemini.partial import MOST_ITEMS, Arguments, steps


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a", ["a"]),
        ("$.a.b_c[0][12].d", ["a", "b_c", 0, 12, "d"]),
        ("$['a b']", ["a b"]),
        ('$["a.b"].c', ["a.b", "c"]),
        (r"$['it\'s']", ["it's"]),
        ("$.__proto__", ["__proto__"]),
    ],
)
def test_paths(path: str, expected: list[Any]) -> None:
    assert steps(path) == expected


@pytest.mark.parametrize("path", [None, 7, "", "$", "a.b", "$..a", "$[*]", "$.a[", "$[-1]", "$.a b'c", "$" + ".a" * 1000])
def test_paths_that_name_nothing(path: Any) -> None:
    with pytest.raises(Malformed):
        steps(path)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], {}),
        ([("$.a", "stringValue", "x"), ("$.a", "stringValue", "y"), ("$.a", "stringValue", "")], {"a": "xy"}),
        ([("$.a", "string_value", "x")], {"a": "x"}),
        ([("$.a.b", "numberValue", 1.5), ("$.a.c", "boolValue", False)], {"a": {"b": 1.5, "c": False}}),
        ([("$.a[0].b", "stringValue", "x"), ("$.a[1].b", "stringValue", "y")], {"a": [{"b": "x"}, {"b": "y"}]}),
        ([("$.a[1]", "numberValue", 2)], {"a": [None, 2]}),
        ([("$.a", "nullValue", "NULL_VALUE")], {"a": None}),
        (
            [
                ("$.a", "stringValue", "x"),
                ("$.a", "stringValue", "y"),
                ("$.a", "numberValue", 1),
                ("$.a", "stringValue", "z"),
            ],
            {"a": "z"},
        ),
        (
            [("$.a[0]", "stringValue", "x"), ("$.b", "stringValue", "y"), ("$.a[0]", "stringValue", "z")],
            {"a": ["xz"], "b": "y"},
        ),
        ([("$.a[0][0]", "numberValue", 2)], {"a": [[2]]}),
    ],
)
def test_pieces(pieces: list[tuple[str, str, Any]], expected: dict[str, Any]) -> None:
    arguments = Arguments({})
    for path, key, value in pieces:
        spelling = "json_path" if key == "string_value" else "jsonPath"
        if key == "nullValue":
            arguments.put({spelling: path, key: value})
        else:
            arguments.put({spelling: path, key: value, "willContinue": True})
    assert arguments.value == expected


def test_pieces_add_to_the_arguments_that_came_whole() -> None:
    arguments = Arguments({"a": 1})
    arguments.put({"jsonPath": "$.b", "numberValue": 2})
    assert arguments.value == {"a": 1, "b": 2}


def test_a_string_is_put_together_once() -> None:
    arguments = Arguments({"a": ""})
    for _ in range(1_000):
        arguments.put({"jsonPath": "$.a", "stringValue": "x" * 1_000})
    assert sys.getsizeof(arguments._start["a"]) < 100  # what a piece costs does not depend on what came before
    assert arguments.value == {"a": "x" * 1_000_000}


@pytest.mark.parametrize(
    "pieces",
    [
        [7],
        [{}],
        [{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": "$.a.b", "stringValue": "y"}],
        [{"jsonPath": "$.a.b", "stringValue": "x"}, {"jsonPath": "$.a[0]", "stringValue": "y"}],
        [{"jsonPath": "$.a[900000]", "stringValue": "x"}],
        [{"jsonPath": "$.a[0]", "stringValue": "x"}, {"jsonPath": f"$.a[{MOST_ITEMS + 2}]", "stringValue": "x"}],
        [{"jsonPath": "$[0]", "stringValue": "x"}],
        [{"jsonPath": f"$.{name}[{MOST_ITEMS // 2 + 1}]", "numberValue": 1} for name in "ab"],
    ],
)
def test_pieces_that_do_not_fit(pieces: list[Any]) -> None:
    arguments = Arguments({})
    for piece in pieces[:-1]:
        arguments.put(piece)
    with pytest.raises(Malformed):
        arguments.put(pieces[-1])

"""Texts and JSON values as the declared type."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.policy.compat.toolbox import Parameter
from ccproxy.policy.compat.values import coerced, typed

TYPED: list[tuple[str, str, Any]] = [
    ("string", "5", "5"),
    ("string", ' "x" ', ' "x" '),
    ("integer", " 5 ", 5),
    ("integer", '"5"', 5),
    ("integer", "-5.0", -5),
    ("integer", "5.5", "5.5"),
    ("integer", "five", "five"),
    ("integer", "9" * 5000, "9" * 5000),
    ("number", "1.5", 1.5),
    ("number", "+2", 2),
    ("number", "true", "true"),
    ("number", "NaN", "NaN"),
    ("boolean", "TRUE", True),
    ("boolean", "no", False),
    ("boolean", "maybe", "maybe"),
    ("null", "None", None),
    ("array", "[1, 'a',]", [1, "a"]),
    ("array", "[1] 2", "[1] 2"),
    ("array", '{"a": 1}', [{"a": 1}]),
    ("array", "<i>1</i><i>b</i>", [1, "b"]),
    ("array", "words", "words"),
    ("array", "", ""),
    ("array", "[&quot;a&quot;]", ["a"]),
    ("object", "{'a': 1}", {"a": 1}),
    ("object", "<a>1</a>", {"a": 1}),
    ("object", "[1]", "[1]"),
    ("string integer", "5", 5),
    ("string integer", "5a", "5a"),
    ("string boolean", "yes", "yes"),
    ("string array", '["a"]', ["a"]),
    ("string array", "a", "a"),
    ("string null", "null", None),
    ("", "5", 5),
    ("", "[1]", [1]),
    ("", "words", "words"),
]


@pytest.mark.parametrize(("types", "text", "value"), TYPED)
def test_texts(types: str, text: str, value: Any) -> None:
    found = typed(text, Parameter("p", frozenset(types.split())))
    assert (found, type(found)) == (value, type(value))


def test_a_list_of_one_kind() -> None:
    assert typed("a.txt", Parameter("p", frozenset({"array"}), items=frozenset({"string"}))) == ["a.txt"]


def test_words_of_an_enum() -> None:
    words = Parameter("p", frozenset({"string"}), ("low", "High"))
    assert [typed(text, words) for text in (" low\n", "'low'", "HIGH", "none")] == ["low", "low", "High", "none"]


COERCED: list[tuple[str, Any, Any]] = [
    ("integer", "5", 5),
    ("integer", 5.0, 5),
    ("integer", 5.5, 5.5),
    ("number", 5.0, 5.0),
    ("string", 5, "5"),
    ("string", {"a": 1}, '{"a":1}'),
    ("string", True, "true"),
    ("string", "5", "5"),
    ("object", '{"a": 1}', {"a": 1}),
    ("array", "[1]", [1]),
    ("array", 1, [1]),
    ("array", None, None),
    ("", "5", "5"),
    ("boolean", "false", False),
]


@pytest.mark.parametrize(("types", "value", "expected"), COERCED)
def test_values(types: str, value: Any, expected: Any) -> None:
    found = coerced(value, Parameter("p", frozenset(types.split())))
    assert (found, type(found)) == (expected, type(expected))

"""JSON that is nearly JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.codec.jsontext import JSONError
from ccproxy.policy.compat.repair import MAX_DEPTH, read, read_whole

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(JSON_VALUES) | st.dictionaries(st.text(), JSON_VALUES))
def test_json_is_what_it_is(value: Any) -> None:
    assert read_whole(json.dumps(value)) == value
    assert read_whole(f" {json.dumps(value, ensure_ascii=False, indent=1)}\n") == value


MENDED = [
    ("{'a': 'b'}", {"a": "b"}),
    ("{“a”: ‘b’}", {"a": "b"}),
    ('{"a": 1,}', {"a": 1}),
    ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
    ("[1 , , 2,]", [1, 2]),
    ("{a: b c, d: 1.5}", {"a": "b c", "d": 1.5}),
    ("{'a': True, 'b': False, 'c': None, 'd': undefined}", {"a": True, "b": False, "c": None, "d": None}),
    ('{"a": "x\ny\tz"}', {"a": "x\ny\tz"}),
    ('{"a": "say "hi" now"}', {"a": 'say "hi" now'}),
    ("{'a': 'it's'}", {"a": "it's"}),
    ('{"a": "\\d+\\."}', {"a": "\\d+\\."}),
    ("{'a': '\\u00e9\\n\\'\\\\'}", {"a": "é\n'\\"}),
    ('{"a": {"b": [1, {"c": "d', {"a": {"b": [1, {"c": "d"}]}}),
    ('{"a": 1 // one\n, /* two */ "b": 2}', {"a": 1, "b": 2}),
    ('{"a" = 1}', {"a": 1}),
    ("{'a': 123456789012345678901234567890}", {"a": 123456789012345678901234567890}),
    ("{}", {}),
    ("[", []),
]


@pytest.mark.parametrize(("text", "value"), MENDED)
def test_what_is_meant(text: str, value: Any) -> None:
    assert read_whole(text) == value


@pytest.mark.parametrize("text", ["", "words", "{:}", '{"a"}', '{"a": }', "[:]", "{NaN", "<a>", '{"a": 1} and'])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(JSONError):
        read_whole(text)


def test_where_it_ends() -> None:
    assert read('x {"a": 1} y', 2) == ({"a": 1}, 10)
    assert read("x {'a': 1} y", 2) == ({"a": 1}, 10)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * (MAX_DEPTH + 2) + "x", '{"a":' * 5000])
def test_nesting_has_a_limit(text: str) -> None:
    with pytest.raises(JSONError):
        read(text)


@given(st.text(alphabet="{}[]\"'`:,=ab1\\ \n/*<", max_size=40))
def test_nothing_else_is_raised_and_all_of_it_is_json(text: str) -> None:
    try:
        value, end = read(text)
    except JSONError:
        return
    assert 0 < end <= len(text)
    json.dumps(value, allow_nan=False)

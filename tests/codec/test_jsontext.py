from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.codec import jsontext
from ccproxy.codec.jsontext import MAX_DEPTH, JSONError, dumps, dumps_str, loads, loads_exact

BIG = 123456789012345678901234567890


def test_integers_of_any_length_are_kept() -> None:
    text = b'{"id":%d,"n":[-%d],"s":"99999999999999999999"}' % (BIG, BIG)
    assert loads_exact(text) == {"id": BIG, "n": [-BIG], "s": "99999999999999999999"}
    assert dumps(loads_exact(text)) == text


@given(st.integers(0, 40), st.integers(0, 12), st.sampled_from([b"", b"1234567890 " * 40, b"12345678901234567 " * 60]))
def test_an_integer_is_exact_wherever_it_stands(digits: int, shift: int, other: bytes) -> None:
    number = 10**digits + 7
    text = b'{"' + b"k" * shift + b'":%d,"other":"%s","last":[%d]}' % (number, other, -number)
    assert loads_exact(text) == {"k" * shift: number, "other": other.decode(), "last": [-number]}


@given(st.lists(st.text("0123456789 ,:-e", max_size=60).map(str.encode), max_size=20))
def test_long_rows_of_digits_are_found(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    assert jsontext._has_nineteen_digits(text) == (re.search(rb"[0-9]{19}", text) is not None)


def test_a_text_is_read_as_its_bytes_are() -> None:
    assert loads_exact(f"[{BIG}]") == [BIG]


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("number", [2**64, -(2**64), 10**19, 2**64 + 1, 10**30 + 1])
def test_a_long_integer_is_found_wherever_it_stands(number: int, offset: int) -> None:
    assert loads_exact(b'{"%b":%d,"n":1}' % (b"x" * offset, number)) == {"x" * offset: number, "n": 1}
    assert loads('{"a":"ü"}') == {"a": "ü"}


def test_lone_surrogates_pass() -> None:
    assert loads(b'"\\ud83d"') == "\ud83d"
    assert dumps("\ud83d") == b'"\\ud83d"'
    assert loads(dumps({"a": "\ud83d é"})) == {"a": "\ud83d é"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"nope",
        b"[NaN]",
        b"[Infinity]",
        b"[1e400]",
        b"[-1e400,12345678901234567890]",
        b"\xff",
        b'{"a":1}x',
        b"[1e",
        b"'a'",
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    for read in (loads, loads_exact):
        with pytest.raises(JSONError):
            read(text)


@pytest.mark.parametrize("value", [object(), {"a": {3}}, {(): 1}])
def test_what_is_no_json_value_is_refused(value: object) -> None:
    with pytest.raises(JSONError):
        dumps(value)


def test_deep_nesting_passes_up_to_the_limit() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert dumps(loads(deep)) == deep
    assert dumps(loads_exact(b"[" * 500 + b"%d" % BIG + b"]" * 500)) == b"[" * 500 + b"%d" % BIG + b"]" * 500


@pytest.mark.parametrize("text", [b"[" * 200_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_deeper_nesting_is_refused(text: bytes) -> None:
    with pytest.raises(JSONError):
        loads(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_is_written_is_read_again(value: object) -> None:
    assert loads_exact(dumps(value)) == value
    assert loads_exact(dumps_str(value)) == value


def test_ready_text_stands_where_it_was_put() -> None:
    document = {"a": [1, jsontext.ready(b'{"b":2},3'), 4], "c": jsontext.ready(b"{}")}
    assert jsontext.dumps_usual(document) == b'{"a":[1,{"b":2},3,4],"c":{}}'


@pytest.mark.parametrize("value", ["\ud83d", 2**64, {1: 2}])
def test_what_orjson_does_not_write_is_not_usual(value: object) -> None:
    with pytest.raises(jsontext.JSONError):
        jsontext.dumps_usual(value)

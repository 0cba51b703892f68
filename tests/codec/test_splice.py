from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.codec.splice import replace_string

CASES = [
    (b'{"model":"a","x":1}', b'{"model":"new","x":1}'),
    (b'{ "x" : {"model":"a"} ,\n "model" :\t"a\\"b" }', b'{ "x" : {"model":"a"} ,\n "model" :\t"new" }'),
    (b'{"y":["model","a"],"model":"a"}', b'{"y":["model","a"],"model":"new"}'),
    (b'{"z":"model","model":"a"}', b'{"z":"model","model":"new"}'),
    (b'{"s":"\\"model\\":\\"a\\"","model":"a"}', b'{"s":"\\"model\\":\\"a\\"","model":"new"}'),
    (b'{"x":[{"model":"c"}],"model":"a","y":{"model":"b"}}', b'{"x":[{"model":"c"}],"model":"new","y":{"model":"b"}}'),
    (b'{"model":"a","model":"b"}', None),
    (b'{"mod\\u0065l":"a","model":"b"}', None),
    (b'{"mod\\u0065l":"a","x":{"model":"b"}}', None),
    (b'{"mod\\u0065l":"a","x":"model"}', None),
    (b'{"s":"\\"model","mod\\u0065l":"a"}', None),
    (b'{"s":"\\"model","model":"a"}', b'{"s":"\\"model","model":"new"}'),
    (b'{"s":"\\u0065","model":"a"}', b'{"s":"\\u0065","model":"new"}'),
]


@pytest.mark.parametrize(("document", "expected"), CASES)
def test_only_the_member_changes(document: bytes, expected: bytes | None) -> None:
    assert replace_string(document, "model", "new") == expected


def test_the_new_value_is_escaped() -> None:
    assert replace_string(b'{"model":"a"}', "model", 'q"\\\n') == b'{"model":"q\\"\\\\\\n"}'


@given(
    st.dictionaries(st.sampled_from(["a", 'm"', "\\"]), st.text() | st.lists(st.just({"model": "x"}))),
    st.text(),
    st.booleans(),
)
def test_it_means_what_replacing_in_the_object_means(other: dict[str, object], name: str, first: bool) -> None:
    document = {"model": name, **other} if first else {**other, "model": name}
    spliced = replace_string(json.dumps(document).encode(), "model", "new")
    assert spliced is not None
    assert json.loads(spliced) == {**document, "model": "new"}

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.codec.jsonarray import JSONArrayReader
from ccproxy.errors import Malformed
from tests.tools import cuts

CASES = [
    pytest.param(b"[]", [], id="empty"),
    pytest.param(b' [ {"a":1}\n,\r\n{"b":[2,{"c":3}]} ] \n', [b'{"a":1}', b'{"b":[2,{"c":3}]}'], id="objects"),
    pytest.param(
        b'[{"a":"]},[{\\"\\\\"},{"b":"\\\\"}]', [b'{"a":"]},[{\\"\\\\"}', b'{"b":"\\\\"}'], id="strings hide brackets"
    ),
    pytest.param(b'[1,"x",null]', [b"1", b'"x"', b"null"], id="scalars"),
    pytest.param(b"", [], id="nothing"),
]
BROKEN = [b"{}", b"x[", b"[1", b'["', b"[] x", b'[{"a":1}', b"\x00"]


def read(pieces: list[bytes]) -> list[bytes]:
    reader = JSONArrayReader()
    found = [payload for piece in pieces for payload in reader.feed(piece)]
    return found + reader.eof()


@pytest.mark.parametrize(("stream", "payloads"), CASES)
def test_any_cut_gives_the_same_payloads(stream: bytes, payloads: list[bytes]) -> None:
    for pieces in cuts(stream, rounds=50):
        assert read(pieces) == payloads


@pytest.mark.parametrize("stream", BROKEN)
def test_what_is_no_array_is_malformed_at_any_cut(stream: bytes) -> None:
    for pieces in cuts(stream):
        with pytest.raises(Malformed):
            read(pieces)


def test_elements_before_trailing_bytes_are_not_lost() -> None:
    reader = JSONArrayReader()
    assert reader.feed(b"[1,2] x") == [b"1", b"2"]
    with pytest.raises(Malformed, match="follow"):
        reader.feed(b"")
    with pytest.raises(Malformed, match="follow"):
        reader.eof()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=4), st.booleans())
def test_elements_come_out_as_they_went_in(values: list[object], spread: bool) -> None:
    stream = json.dumps(values, indent=1 if spread else None).encode()
    for pieces in cuts(stream, rounds=2):
        assert [json.loads(payload) for payload in read(pieces)] == values


def test_an_element_over_the_limit_is_malformed() -> None:
    with pytest.raises(Malformed, match="5 bytes"):
        JSONArrayReader(limit=5).feed(b'["123456')


@pytest.mark.parametrize(
    "element",
    [
        b"[[[[]]]]",
        b"[[],[[]],{}]",
        b'{"a":[{"b":"]}"},[[",["]]]}',
        b"[[1],[2,[3]]]",
        rb'{"a":"\"]","b":["\\","",{"c":"}"}]}',
    ],
)
def test_runs_of_brackets_end_where_their_element_ends(element: bytes) -> None:
    stream = b"[" + element + b"," + element + b"]"
    for cut in range(len(stream)):
        reader = JSONArrayReader()
        assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) + reader.eof() == [element, element]
    reader = JSONArrayReader()
    assert reader.feed(stream + b"]]") == [element, element]
    with pytest.raises(Malformed):
        reader.eof()

"""JSON with comments."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.cli.mcp.jsonc import loads

DOCUMENTS = [
    ('{"a": 1}', {"a": 1}),
    ('\ufeff{"a": 1}', {"a": 1}),
    ('// head\n{"a": 1, // end\n "b": /* in */ [1, 2,],\n}', {"a": 1, "b": [1, 2]}),
    ('{"url": "https://e.test//x", "c": "/* no */", "d": ",]"}', {"url": "https://e.test//x", "c": "/* no */", "d": ",]"}),
    ('{"a": "\\"// in"} // out', {"a": '"// in'}),
    ('{"a": [1, /* two,\n lines */ ] }', {"a": [1]}),
    ("[1, // x\n]", [1]),
]


@pytest.mark.parametrize(("text", "document"), DOCUMENTS)
def test_documents(text: str, document: Any) -> None:
    assert loads(text) == document


def test_what_is_wrong_is_told_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 4"):
        loads('// one\n/* two\nthree */\n{"a" 1}')


@pytest.mark.parametrize("text", ["", "{", '{"a": 1,,}', "// only", "[" * 100_000])
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(text)


@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_json_is_read_as_it_is(document: Any) -> None:
    assert loads(json.dumps(document)) == document
    assert loads(json.dumps(document, indent=1, ensure_ascii=False)) == document


@given(st.lists(st.sampled_from(["{", "}", "[", "]", ",", ":", '"', "\\", "//", "/*", "*/", "\n", "1", " "])))
def test_nothing_else_is_raised(pieces: list[str]) -> None:
    with suppress(ValueError):
        loads("".join(pieces))

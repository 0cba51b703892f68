"""JSON with comments."""

from __future__ import annotations

from typing import Any

import pytest

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

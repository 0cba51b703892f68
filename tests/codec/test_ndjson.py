from __future__ import annotations

import pytest

from ccproxy.codec.ndjson import NDJSONReader
from ccproxy.errors import Malformed
from tests.tools import cuts

CASES = [
    pytest.param(b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}'], id="lines"),
    pytest.param(b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}'], id="CRLF"),
    pytest.param(b'\n\n {"a":1} \n\n', [b'{"a":1}'], id="empty lines and spaces"),
    pytest.param(b'{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}'], id="the last line needs no end"),
    pytest.param(b"", [], id="nothing"),
]


def read(pieces: list[bytes]) -> list[bytes]:
    reader = NDJSONReader()
    found = [payload for piece in pieces for payload in reader.feed(piece)]
    return found + reader.eof()


@pytest.mark.parametrize(("stream", "payloads"), CASES)
def test_any_cut_gives_the_same_payloads(stream: bytes, payloads: list[bytes]) -> None:
    for pieces in cuts(stream, rounds=50):
        assert read(pieces) == payloads


def test_pending_is_the_unfinished_line() -> None:
    reader = NDJSONReader()
    reader.feed(b"{}\n{")
    assert reader.pending == 1


def test_a_line_over_the_limit_is_malformed() -> None:
    with pytest.raises(Malformed, match="5 bytes"):
        NDJSONReader(limit=5).feed(b"123456")

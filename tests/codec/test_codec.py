"""What all readers promise alike (`ccproxy.codec`)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.codec.jsonarray import JSONArrayReader
from ccproxy.codec.ndjson import NDJSONReader
from ccproxy.codec.sse import SSEReader
from ccproxy.errors import Malformed

READERS = [SSEReader, NDJSONReader, JSONArrayReader]


@pytest.mark.parametrize("make", READERS)
@given(pieces=st.lists(st.binary(max_size=20) | st.sampled_from([b"\n\n", b"\r", b"[", b'{"a":', b'"', b"data: ", b"\\"])))
def test_garbage_gives_payloads_or_malformed_and_stays_bounded(make: type[SSEReader], pieces: list[bytes]) -> None:
    reader = make(limit=50)
    fed = 0
    try:
        for piece in pieces:
            reader.feed(piece)
            fed += len(piece)
            assert reader.pending <= min(fed, 50)
        reader.eof()
    except Malformed:
        pass


@pytest.mark.parametrize("make", READERS)
def test_repr_shows_the_state(make: type[SSEReader]) -> None:
    reader = make()
    reader.feed(b"[12")
    assert "pending=" in repr(reader)

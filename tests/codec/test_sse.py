from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.codec.sse import SSEReader, event, named_event
from ccproxy.errors import Malformed
from tests.tools import cuts

CASES = [
    pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="two events"),
    pytest.param(b"data:a\n\n", [b"a"], id="the space is optional"),
    pytest.param(b"data:  a\n\n", [b" a"], id="only one space goes"),
    pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
    pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
    pytest.param(b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"], id="mixed line ends"),
    pytest.param(b"event: x\nid: 7\nretry: 5\ndata: a\n\n", [b"a"], id="other fields"),
    pytest.param(b"event: x\ndata: a\n\nevent: y\ndata: b\n\n", [b"a", b"b"], id="named events"),
    pytest.param(b"event: x\r\ndata: a\r\n\r\nevent: y\rdata: b\ndata: c\n\n", [b"a", b"b\nc"], id="names and CR"),
    pytest.param(b"event: x\nevent: y\ndata: a\n\ndata: b\nevent: z\n\n", [b"a", b"b"], id="names anywhere"),
    pytest.param(b": keep\n\n:\n\ndata: a\n\n: x\ndata: b\n\n", [b"a", b"b"], id="comments"),
    pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="data lines are joined"),
    pytest.param(b"data: a\r\ndata\r\ndata: b\r\n\r\n", [b"a\nb"], id="a data line without a colon says nothing here"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="byte order mark"),
    pytest.param(b"\n\n\n\ndata: a\n\n\n\n\n", [b"a"], id="many blank lines"),
    pytest.param(b"event: ping\n\ndata:\n\ndata: a\n\n", [b"a"], id="events without data"),
    pytest.param(b"data: a\n\ndata: b", [b"a", b"b"], id="the last event needs no blank line"),
    pytest.param(b"data: \xe4\xbd\xa0\xf0\x9f\x98\x80\n\n", ["你😀".encode()], id="characters of many bytes"),
    pytest.param(b"database: a\n\ndata: b\n\n", [b"b"], id="a field that only begins like data"),
    pytest.param(b"", [], id="nothing"),
]


def read(pieces: list[bytes]) -> list[bytes]:
    reader = SSEReader()
    found = [payload for piece in pieces for payload in reader.feed(piece)]
    return found + reader.eof()


@pytest.mark.parametrize(("stream", "payloads"), CASES)
def test_any_cut_gives_the_same_payloads(stream: bytes, payloads: list[bytes]) -> None:
    for pieces in cuts(stream, rounds=50):
        assert read(pieces) == payloads


@given(
    st.binary(max_size=200).map(lambda raw: raw.replace(b"q", b"\n\ndata: ").replace(b"r", b"\r")), st.integers(0, 2**32)
)
def test_any_bytes_at_any_cut(stream: bytes, seed: int) -> None:
    assert all(read(pieces) == read([stream]) for pieces in cuts(stream, rounds=2))


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    reader = SSEReader()
    assert reader.feed(b"data: a\r\n\r") == [b"a"]
    assert reader.feed(b"\ndata: b\r\n\r\n") == [b"b"]


def test_pending_is_what_belongs_to_no_whole_record() -> None:
    reader = SSEReader()
    reader.feed(b"data: a\n\nda")
    assert reader.pending == 2
    reader.feed(b"ta: b\n\n")
    assert reader.pending == 0


def test_an_event_over_the_limit_is_malformed() -> None:
    reader = SSEReader(limit=10)
    reader.feed(b"data: 1234")
    with pytest.raises(Malformed, match="10 bytes"):
        reader.feed(b"5")


def test_written_events_are_read_again() -> None:
    assert read([event(b"{}"), named_event(b"x", b"[]")]) == [b"{}", b"[]"]


def test_a_run_of_line_ends_is_one_end() -> None:
    """A blank line more costs nothing and means nothing, and a run may be cut anywhere."""
    for run in (b"\n\n\n\n", b"\r\r\r\r", b"\r\n\r\n\r\n", b"\n\r\n\r", b"\r\n\r\r\n"):
        stream = b"data: 1" + run + b"data: 2" + run
        for cut in range(len(stream)):
            reader = SSEReader()
            assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) + reader.eof() == [b"1", b"2"]

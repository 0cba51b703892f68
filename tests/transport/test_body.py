"""Bodies against h11 as the reference: what it reads, we read; what we read, it reads."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.errors import Broken, CcproxyError, Malformed, RequestError, TooLarge, UnsupportedMedia
from ccproxy.transport import body
from ccproxy.transport.body import CHUNKED, CLOSE, LAST_CHUNK, NONE, ContentDecoder, Framing, chunk, reader_for, supported
from tests.tools import cuts

brotli = pytest.importorskip("brotli")
zstandard = pytest.importorskip("zstandard")


def read(framing: Framing, pieces: list[bytes]) -> tuple[bytes, bytes, bool]:
    """What a reader makes of the pieces: the body, the rest, whether it is done."""
    reader = reader_for(framing)
    found: list[bytes] = []
    for piece in pieces:
        slices = reader.feed(piece)
        assert all(slices)
        found += slices
    return b"".join(found), reader.rest, reader.done


# ---------------------------------------------------------------------------------------------------------------------
# Framing

WHOLE = [
    (NONE, b"GET /", b"", b"GET /"),
    (Framing("length", 0), b"GET /", b"", b"GET /"),
    (Framing("length", 5), b"hello", b"hello", b""),
    (Framing("length", 5), b"helloGET /", b"hello", b"GET /"),
    (CHUNKED, b"0\r\n\r\n", b"", b""),
    (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n0\r\n\r\n", b"hello", b"0\r\n\r\n"),
    (CHUNKED, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /", b"hello world", b"GET /"),
    (CHUNKED, b"00A\r\n0123456789\r\n0000\r\n\r\n", b"0123456789", b""),
    (CHUNKED, b"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n" * 5, b""),
    (CHUNKED, b"1;name=value\r\nx\r\n0;last\r\n\r\n", b"x", b""),
    (CHUNKED, b'1 ; name="a b"\t\r\nx\r\n0\r\n\r\n', b"x", b""),
    (CHUNKED, b"1  \r\nx\r\n0\r\n\r\n", b"x", b""),
    (CHUNKED, b"1\r\nx\r\n0\r\nDigest: abc\r\nEmpty:\r\n\r\nnext", b"x", b"next"),
]


@pytest.mark.parametrize(("framing", "data", "content", "rest"), WHOLE)
def test_a_whole_body(framing: Framing, data: bytes, content: bytes, rest: bytes) -> None:
    for pieces in cuts(data):
        assert read(framing, pieces) == (content, rest, True)
        reader = reader_for(framing)
        for piece in pieces:
            reader.feed(piece)
        reader.eof()


@pytest.mark.parametrize("framing", [NONE, Framing("length", 0)])
def test_no_body_is_done_before_it_is_fed(framing: Framing) -> None:
    assert reader_for(framing).done


def test_until_close() -> None:
    for pieces in cuts(b"all of it"):
        reader = reader_for(CLOSE)
        assert b"".join(part for piece in pieces for part in reader.feed(piece)) == b"all of it"
        assert not reader.done
        reader.eof()
        assert reader.done


CUT = [
    (Framing("length", 5), b"", "5 bytes before"),
    (Framing("length", 5), b"hell", "1 bytes before"),
    (CHUNKED, b"", "before the last chunk"),
    (CHUNKED, b"5\r\nhel", "before the last chunk"),
    (CHUNKED, b"5\r\nhello\r\n", "before the last chunk"),
    (CHUNKED, b"5\r\nhello\r\n0\r\n", "before the last chunk"),
    (CHUNKED, b"5\r\nhello\r\n0\r\nx: y\r\n", "before the last chunk"),
]


@pytest.mark.parametrize(("framing", "data", "words"), CUT)
def test_a_cut_body_is_broken(framing: Framing, data: bytes, words: str) -> None:
    for pieces in cuts(data):
        reader = reader_for(framing)
        for piece in pieces:
            reader.feed(piece)
        assert not reader.done
        with pytest.raises(Broken, match=words):
            reader.eof()


BAD_CHUNKS = [
    b"\r\n",
    b"x\r\n",
    b"-1\r\n",
    b"+1\r\nx\r\n",
    b"0x1\r\nx\r\n",
    b"1_0\r\n",
    b" 1\r\nx\r\n",
    b"1 1\r\nx\r\n",
    b"\xef\xbc\x91\r\n",
    b"fffffffffffffffff\r\n",  # 17 digits
    b"1\nx\r\n0\r\n\r\n",  # bare LF
    b"1\rx\r\n",  # bare CR
    b"1;a\nb\r\nx\r\n",
    b"1;a\rb\r\nx\r\n",
    b"1;a\x00b\r\nx\r\n",
    b"1\r\nxy\r\n",  # longer than it says
    b"1\r\nx\n0\r\n\r\n",
    b"1\r\nx\r0\r\n\r\n",
    b"2\r\nx\r\n0\r\n\r\n",  # shorter than it says
    b"0\r\nno colon\r\n\r\n",
    b"0\r\nspace : x\r\n\r\n",
    b"0\r\n folded: x\r\n\r\n",
    b"0\r\na: b\nc: d\r\n\r\n",
    b"0\r\n\n",
    b"1;" + b"x" * body.LINE_LIMIT + b"\r\nx\r\n",
    b"0\r\n" + b"name: value\r\n" * (body.TRAILER_LIMIT // 13 + 1) + b"\r\n",
]


@pytest.mark.parametrize("data", BAD_CHUNKS, ids=lambda data: repr(data[:20]))
def test_bad_chunks_are_malformed_however_they_come(data: bytes) -> None:
    for pieces in cuts(data):
        with pytest.raises(Malformed):
            read(CHUNKED, pieces)


def test_a_line_that_never_ends_is_refused_at_its_limit() -> None:
    endless = b"1;" + b"x" * body.LINE_LIMIT
    assert read(CHUNKED, [endless[:-1]]) == (b"", b"", False)
    for pieces in cuts(endless, rounds=2):
        with pytest.raises(Malformed, match=str(body.LINE_LIMIT)):
            read(CHUNKED, pieces)


def test_lines_at_their_limits_pass() -> None:
    size = b"1;" + b"x" * (body.LINE_LIMIT - 2)
    trailer = b"n:" + b"v" * (body.TRAILER_LIMIT - 4)
    data = size + b"\r\nx\r\n0\r\n" + trailer + b"\r\n\r\n"
    for pieces in cuts(data, rounds=3):
        assert read(CHUNKED, pieces) == (b"x", b"", True)


def test_pieces_are_handed_on_as_they_are() -> None:
    data = b"x" * 1000
    assert reader_for(Framing("length", 2000)).feed(data)[0] is data
    assert reader_for(CLOSE).feed(data)[0] is data
    reader = reader_for(CHUNKED)
    reader.feed(b"ffff\r\n")
    assert reader.feed(data)[0] is data


def test_whole_chunks_come_as_one_slice_each() -> None:
    reader = reader_for(CHUNKED)
    assert reader.feed(chunk(b"one") + chunk(b"two")) == [b"one", b"two"]
    assert reader.feed(chunk(b"three") + LAST_CHUNK) == [b"three"]
    assert reader.done


@pytest.mark.parametrize("size", [1, 9, 10, 15, 16, 255, 256, 4096, 65535, 0xFFFFF, 0x100000, 0x1000000])
def test_a_read_of_one_chunk_is_held_to_its_size(size: int) -> None:
    data = b"x" * size
    assert read(CHUNKED, [chunk(data), chunk(b"more")])[0] == data + b"more"
    assert read(CHUNKED, [b"%x\r\n" % (size + 2) + data + b"\r\n"])[0] == data + b"\r\n"
    for wrong in (b"%x\r\n" % size + data + b"xx", b"%x\r\n" % size + data + b"x\r\n", b"-%x\r\n" % size + data + b"\r\n"):
        with pytest.raises(Malformed):
            read(CHUNKED, [wrong])


NOT_ONE = [
    b"",
    b"-2",
    b"0\r\n\r\n",
    b"2\r\nabc\r\n",
    b"3\r\nab\r\n",
    b"2\r\nab\n\n",
    b"02\r\nab\r\n",
    b"2;x\r\nab\r\n",
    b"2\r\nab\r",
]


@pytest.mark.parametrize("data", [*NOT_ONE, 2 * chunk(b"ab"), chunk(b"x" * 70_000)])
def test_what_is_not_one_short_chunk_is_left_to_feed(data: bytes) -> None:
    reader = reader_for(CHUNKED)
    assert reader.one(data) == b""
    assert repr(reader) == repr(reader_for(CHUNKED))


@given(st.binary(min_size=1, max_size=60), st.integers(0, 70))
@settings(max_examples=300, deadline=None)
def test_one_chunk_is_what_feed_makes_of_it(content: bytes, cut: int) -> None:
    whole = chunk(content)
    reader, other = reader_for(CHUNKED), reader_for(CHUNKED)
    reader.feed(whole[:cut])
    if piece := reader.one(whole[cut:]):
        assert cut in (0, len(whole))
        assert [piece] == other.feed(whole)
    assert reader_for(CLOSE).one(content) == content
    assert reader_for(Framing("length", 5)).one(content) == b""


def test_nothing_is_no_chunk() -> None:
    assert chunk(b"") == b""
    assert chunk(b"x" * 31) == b"1f\r\n" + b"x" * 31 + b"\r\n"


def test_readers_show_their_state() -> None:
    reader = reader_for(Framing("length", 5))
    reader.feed(b"he")
    assert repr(reader) == "<LengthReader 3 bytes before the body's end>"
    reader.feed(b"llo.")
    assert repr(reader) == "<LengthReader done rest=1>"
    assert repr(reader_for(CLOSE)) == "<CloseReader reading until close>"
    assert repr(reader_for(CHUNKED)) == "<ChunkedReader before the last chunk>"


# ---------------------------------------------------------------------------------------------------------------------
# h11 as the reference

QUESTION = h11.Request(method="GET", target="/", headers=[("host", "h")])


def h11_reads(framing: bytes, data: bytes) -> tuple[bytes, bytes, bool]:
    """The body that h11 reads behind such a head, what it leaves, whether it is complete. Raises its own errors."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(QUESTION)
    connection.send(h11.EndOfMessage())
    connection.receive_data(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + data)
    connection.next_event()
    content = b""
    while (event := connection.next_event()) is not h11.NEED_DATA:
        if isinstance(event, h11.EndOfMessage):
            return content, connection.trailing_data[0], True
        assert isinstance(event, h11.Data)
        content += bytes(event.data)
    return content, b"", False


def random_chunks(chance: random.Random) -> bytes:
    parts = []
    for _ in range(chance.randint(0, 6)):
        data = chance.randbytes(chance.choice([1, 2, 15, 16, 17, 300, 5000]))
        size = chance.choice([b"%x", b"%X", b"%05x"]) % len(data)
        extension = chance.choice([b"", b"", b";a=b", b"  "])
        parts.append(size + extension + b"\r\n" + data + b"\r\n")
    last = chance.choice([LAST_CHUNK, LAST_CHUNK, b"000\r\n\r\n", b"0\r\nx-sum: 1\r\n\r\n"])
    return b"".join(parts) + last + chance.choice([b"", b"GET / HTTP/1.1\r\n"])


@pytest.mark.parametrize("seed", range(30))
def test_h11_reads_the_same_chunks(seed: int) -> None:
    data = random_chunks(random.Random(seed))
    expected = h11_reads(b"transfer-encoding: chunked", data)
    for pieces in cuts(data):
        assert read(CHUNKED, pieces) == expected


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes replaced, taken away or put in, most of them such as mean something to a parser."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(changed) + 1)
        put = bytes([chance.choice(b"\r\n;0123aAfFgx: \t\x00\xff-+_")])
        changed[place : place + chance.choice([0, 1, 1, 2])] = chance.choice([put, b""])
    return bytes(changed)


def outcome(pieces: list[bytes]) -> tuple[bytes, bytes, bool] | None:
    """None for Malformed; any other error fails the test."""
    try:
        return read(CHUNKED, pieces)
    except Malformed:
        return None


@pytest.mark.parametrize("seed", range(300))
def test_we_never_read_damaged_chunks_otherwise_than_h11(seed: int) -> None:
    chance = random.Random(seed)
    pieces = [b"%x\r\n%b\r\n" % (n, b"z" * n) for n in (1, 2, 11, 3)]
    data = damaged(b"".join(pieces) + chance.choice([LAST_CHUNK, b"0\r\na: b\r\n\r\n"]) + b"rest", chance)
    ours = outcome([data])
    for cut in cuts(data, rounds=2):
        assert outcome(cut) == ours
    if ours is not None:
        content, rest, done = h11_reads(b"transfer-encoding: chunked", data)
        assert (content, rest if done else b"", done) == ours


@given(st.lists(st.binary(max_size=300), max_size=8))
@settings(max_examples=50, deadline=None)
def test_h11_reads_what_we_write(parts: list[bytes]) -> None:
    written = b"".join(map(chunk, parts)) + LAST_CHUNK
    assert h11_reads(b"transfer-encoding: chunked", written) == (b"".join(parts), b"", True)


@given(st.lists(st.binary(max_size=20), max_size=6))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_only_our_errors_go_out(pieces: list[bytes]) -> None:
    for framing in (CHUNKED, CLOSE, Framing("length", 30)):
        reader = reader_for(framing)
        try:
            for piece in pieces:
                reader.feed(piece)
            reader.eof()
        except (Malformed, Broken):
            continue
        assert reader.done


# ---------------------------------------------------------------------------------------------------------------------
# Content coding

TEXT = b'{"messages":[{"role":"user","content":"' + b"How does it all fit together? " * 400 + b'"}]}'
LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return coder.compress(data) + coder.flush()


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "identity, deflate": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
    "zstd,deflate , gzip": lambda data: gzip.compress(zlib.compress(zstandard.compress(data))),
}
COMPRESSED = [name for name in CODERS if name not in ("", "identity")]


def decoded(encodings: str, pieces: list[bytes], limit: int = LIMIT, *, answer: bool = False) -> bytes:
    decoder = ContentDecoder(encodings, limit, answer=answer)
    out = b"".join([decoder.feed(piece) for piece in pieces])
    return out + decoder.finish()


@pytest.mark.parametrize("encodings", CODERS)
@pytest.mark.parametrize(
    "content", [TEXT, b"", b"x", random.Random(1).randbytes(3000)], ids=["text", "none", "one", "noise"]
)
def test_decoding(encodings: str, content: bytes) -> None:
    for pieces in cuts(CODERS[encodings](content), rounds=3):
        assert decoded(encodings, pieces) == content


def test_identity_tells() -> None:
    assert [ContentDecoder(name, 1).identity for name in ("", " identity , ", "gzip")] == [True, True, False]


def test_all_are_supported_when_the_extra_is_installed() -> None:
    assert supported() == ("gzip", "x-gzip", "deflate", "br", "zstd")


def test_without_the_extra_br_and_zstd_are_named_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(body._CODINGS, "br")
    monkeypatch.delitem(body._CODINGS, "zstd")
    with pytest.raises(UnsupportedMedia, match=r"gzip, x-gzip, deflate$") as caught:
        ContentDecoder("br", LIMIT)
    assert caught.value.status == 415
    assert caught.value.headers == (("accept-encoding", "gzip, x-gzip, deflate"),)


@pytest.mark.parametrize("encodings", ["compress", "gzip, rot13", "aes128gcm", "gzip;q=1", "gzip, " * 3 + "gzip"])
def test_unsupported_codings(encodings: str) -> None:
    with pytest.raises(UnsupportedMedia, match="gzip"):
        ContentDecoder(encodings, LIMIT)
    with pytest.raises(Malformed, match="upstream"):
        ContentDecoder(encodings, LIMIT, answer=True)


@pytest.mark.parametrize("encodings", CODERS)
def test_no_data_is_an_empty_body(encodings: str) -> None:
    assert decoded(encodings, []) == b""


@pytest.mark.parametrize("encodings", COMPRESSED)
@pytest.mark.parametrize(("answer", "error"), [(False, RequestError), (True, Malformed)])
def test_cut_data(encodings: str, answer: bool, error: type[CcproxyError]) -> None:
    whole = CODERS[encodings](TEXT)
    for length in (1, 5, len(whole) // 2, len(whole) - 1):
        for pieces in cuts(whole[:length], rounds=1):
            with pytest.raises(error, match="compressed data") as caught:
                decoded(encodings, pieces, answer=answer)
            assert caught.value.status == error.default_status


@pytest.mark.parametrize("encodings", COMPRESSED)
def test_corrupt_data(encodings: str) -> None:
    with pytest.raises(RequestError, match="compressed data"):
        decoded(encodings, [b"\x93 this was never compressed"])
    with pytest.raises(Malformed, match="compressed data"):
        decoded(encodings, [CODERS[encodings](TEXT), b"garbage behind the end"], answer=True)


@pytest.mark.parametrize("encodings", COMPRESSED)
@pytest.mark.parametrize("seed", range(20))
def test_damaged_data_gives_no_other_error(encodings: str, seed: int) -> None:
    data = damaged(CODERS[encodings](TEXT), random.Random(seed))
    for pieces in cuts(data, rounds=1):
        with suppress(RequestError):  # TooLarge is one
            decoded(encodings, pieces)


STREAMS: dict[str, Callable[[], tuple[Callable[[bytes], bytes], Callable[[], bytes]]]] = {
    "gzip": lambda: _flushing(zlib.compressobj(wbits=31)),
    "deflate": lambda: _flushing(zlib.compressobj()),
    "zstd": lambda: _flushing(zstandard.ZstdCompressor().compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK),
    "br": lambda: _flushing_brotli(brotli.Compressor()),
}


def _flushing(coder: object, mode: int = zlib.Z_SYNC_FLUSH) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    return lambda data: coder.compress(data) + coder.flush(mode), lambda: coder.flush()  # type: ignore[attr-defined]


def _flushing_brotli(coder: object) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    return lambda data: coder.process(data) + coder.flush(), lambda: coder.finish()  # type: ignore[attr-defined]


@pytest.mark.parametrize("coding", STREAMS)
def test_what_an_upstream_flushes_comes_out_at_once(coding: str) -> None:
    compress, finish = STREAMS[coding]()
    decoder = ContentDecoder(coding, LIMIT, answer=True)
    for number in range(20):
        event = b"data: {%d}\n\n" % number
        assert decoder.feed(compress(event)) == event
    assert decoder.feed(finish()) + decoder.finish() == b""


_gzip = partial(gzip.compress, mtime=0)
"""Without the clock, since the bytes are in the names of tests, which two workers have to agree on."""

JOINED = [
    ("gzip", _gzip(b"one") + _gzip(b"") + _gzip(b"two"), b"onetwo"),
    ("gzip", _gzip(b"one") + b"\0" * 700, b"one"),
    ("gzip", _gzip(b"one") + b"\0" * 9000 + _gzip(b"two"), b"onetwo"),
    ("zstd", zstandard.compress(b"one") + zstandard.compress(b"two"), b"onetwo"),
    ("zstd", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zstandard.compress(b"one"), b"one"),  # a frame to be skipped
]


@pytest.mark.parametrize(("coding", "data", "content"), JOINED)
def test_members_follow_each_other(coding: str, data: bytes, content: bytes) -> None:
    for pieces in cuts(data, rounds=2):
        assert decoded(coding, pieces) == content


# ---------------------------------------------------------------------------------------------------------------------
# Bombs


@pytest.mark.parametrize("encodings", CODERS)
def test_the_limit_is_exact(encodings: str) -> None:
    data = CODERS[encodings](TEXT)
    assert decoded(encodings, [data], len(TEXT)) == TEXT
    for pieces in cuts(data, rounds=1):
        with pytest.raises(TooLarge) as caught:
            decoded(encodings, pieces, len(TEXT) - 1)
        assert caught.value.status == 413


BOMB = bytes(30_000_000)


@pytest.mark.parametrize("encodings", COMPRESSED)
def test_a_bomb_is_given_up_soon_after_the_limit(encodings: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def watched(coding: Callable[[], body.Coding]) -> Callable[[], body.Coding]:
        def make() -> body.Coding:
            one = coding()
            feed = one.feed

            def feeding(data: bytes, room: int) -> bytes:
                out = feed(data, room)
                made.append(len(out))
                return out

            one.feed = feeding  # type: ignore[method-assign]
            return one

        return make

    monkeypatch.setattr(body, "_CODINGS", {name: watched(coding) for name, coding in body._CODINGS.items()})
    with pytest.raises(TooLarge):
        decoded(encodings, [CODERS[encodings](BOMB)], 50_000)
    assert max(made) <= 50_000 + 128 * 1024 * body.ZSTD_PIECE // 4


def test_a_stream_of_empty_members_ends_at_the_limit_too() -> None:
    with pytest.raises(TooLarge):
        decoded("gzip", [gzip.compress(b"")] * 200, 1000)


def test_noise_may_be_larger_compressed_than_not() -> None:
    noise = random.Random(2).randbytes(100_000)
    for encodings in COMPRESSED:
        assert decoded(encodings, [CODERS[encodings](noise)], len(noise)) == noise


def test_a_zstd_window_beyond_the_web_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=24)
    coder = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    data = coder.compress(TEXT) + coder.flush()
    with pytest.raises(RequestError, match="compressed data"):
        decoded("zstd", [data])


def test_an_answer_is_limited_by_the_piece_not_as_a_whole() -> None:
    decoder = ContentDecoder("gzip", 10_000, answer=True)
    coder = zlib.compressobj(wbits=31)
    for _ in range(50):
        assert len(decoder.feed(coder.compress(b"x" * 1000) + coder.flush(zlib.Z_SYNC_FLUSH))) == 1000
    with pytest.raises(Malformed, match="10000"):
        decoder.feed(coder.compress(b"x" * 10_001) + coder.flush(zlib.Z_SYNC_FLUSH))

"""Message bodies: framing in both directions (RFC 9112, sections 6 and 7) and content coding (RFC 9110, section 8.4).

A body is framed in one of four ways, which `http1` reads off the head:

    none      there is none: it ends before it begins
    length    so many bytes
    chunked   sizes and data in turn, until a size of 0 and the trailers
    close     until the connection closes; answers only

`reader_for(framing)` gives the reader for it. A reader's outcomes: slices of the body, need more (an empty list),
Malformed for framing that breaks its rules, Broken for an end before the end. What follows the message is kept in `rest`,
where the next message of the connection begins. A reader never holds body bytes back: only a size line or a trailer that
the end of a read cuts waits for the next read.

Writing is one line per chunk, so it is a function (`chunk`) and a constant (`LAST_CHUNK`).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any, Literal

from attrs import define

from ccproxy.errors import Broken, CcproxyError, Malformed, RequestError, TooLarge, UnsupportedMedia

try:
    import brotli  # type: ignore[import-untyped, import-not-found, unused-ignore]
except ImportError:
    brotli = None
try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment, unused-ignore]

# ---------------------------------------------------------------------------------------------------------------------
# Framing


@define
class Framing:
    """How the end of a body is found. `length` counts only for the kind `length`. Nobody changes one."""

    kind: Literal["none", "length", "chunked", "close"]
    length: int = 0


NONE = Framing("none")
CHUNKED = Framing("chunked")
CLOSE = Framing("close")

LINE_LIMIT = 4096
"""Bytes of a chunk's size line with its extensions. A size needs 16; nobody sends extensions of note (hyper: 16 KiB for
all of a body, Node: 16 KiB, h11: none of its own)."""

TRAILER_LIMIT = 16 * 1024
"""Bytes of all trailers. They are read past, not used: a signature or a checksum fits (Node: 16 KiB, Go: as for heads)."""


class BodyReader:
    """Reads one body. Feed it what follows the head; when `done`, what is left is in `rest`."""

    __slots__ = ("done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The next slices of the body, none of them empty. After the end, data is added to `rest`."""
        raise NotImplementedError

    def one(self, data: bytes) -> bytes:
        """What `data` holds of the body, if that is one piece behind which the body stands as it stood before it: an event
        of a paced stream. Nothing for anything else, which goes to `feed`."""
        return b""

    def eof(self) -> None:
        """The connection was closed. Raises Broken if the body is not complete."""
        if not self.done:
            raise Broken(f"the connection closed {self._short_of()}")

    def _short_of(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        state = f"done rest={len(self.rest)}" if self.done else self._short_of()
        return f"<{type(self).__name__} {state}>"


class LengthReader(BodyReader):
    """A body of a stated length, 0 included."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> list[bytes]:
        left = self._left
        if len(data) >= left:
            if len(data) > left:
                self.rest += data[left:]
                data = data[:left]
            self.done = True
        self._left = left - len(data)
        return [data] if data else []

    def _short_of(self) -> str:
        return f"{self._left} bytes before the body's end"


class CloseReader(BodyReader):
    """A body that the end of the connection ends. A cut looks like an end here: whoever reads the content must tell."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        return [data] if data else []

    def one(self, data: bytes) -> bytes:
        return data

    def eof(self) -> None:
        self.done = True

    def _short_of(self) -> str:
        return "reading until close"


_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class ChunkedReader(BodyReader):
    """A body in chunks. Where the next byte belongs is the method in `_next`:

        _size -> _data -> _data_end -> _size ...        a chunk
        _size -> _trailer ...                           after the chunk of size 0, until the empty line

    Nearly every read holds whole chunks; `_size` takes those in one go and leaves the rest to the slower moves. Chunk
    extensions and trailers are dropped.
    """

    __slots__ = ("_left", "_line", "_next", "_trailers")

    def __init__(self) -> None:
        super().__init__()
        self._left = 0  # bytes of the open chunk that have not come
        self._line = bytearray()  # the start of a line that a read cut
        self._trailers = 0  # bytes of trailers so far
        # A function, not a method: that would hold the reader, and each body would be left to the garbage collector.
        self._next: Callable[[ChunkedReader, bytes, int, list[bytes]], int] = ChunkedReader._size

    def one(self, data: bytes) -> bytes:
        """One whole chunk: its size line is the one that the read's length asks for."""
        if self._next is not _AT_SIZE or self._line or len(data) > _SHORT_READ:
            return b""
        line, _, rest = data.partition(b"\r\n")
        size = len(rest) - 2
        piece = rest.removesuffix(b"\r\n")
        return piece if len(piece) == size and line == b"%x" % size else b""

    def feed(self, data: bytes) -> list[bytes]:
        found: list[bytes] = []
        place, end = 0, len(data)
        while place < end and not self.done:
            place = self._next(self, data, place, found)
        if self.done:
            self.rest += data[place:]
        return found

    def _short_of(self) -> str:
        return "before the last chunk"

    # The moves: each takes data from a place on, adds to what was found and gives the place behind what it took.

    def _size(self, data: bytes, place: int, found: list[bytes]) -> int:
        if self._line:
            return self._cut_size(data, place)
        while line := _SIZE_LINE.match(data, place):
            size = int(line[1], 16)
            start = line.end()
            if start - place > LINE_LIMIT + 2:
                break
            end = start + size
            if size == 0 or data[end : end + 2] != b"\r\n":
                return self._open(size, start)
            found.append(data[start:end])
            place = end + 2
        return self._cut_size(data, place) if place < len(data) else place

    def _cut_size(self, data: bytes, place: int) -> int:
        line, place = self._whole_line(data, place, LINE_LIMIT, "a chunk's size line")
        if line is None:
            return place
        match = _SIZE_LINE.fullmatch(line + b"\r\n")
        if not match:
            raise Malformed(f"a chunk's size is not one: {line[:32]!r}")
        return self._open(int(match[1], 16), place)

    def _open(self, size: int, place: int) -> int:
        self._left = size
        self._next = ChunkedReader._data if size else ChunkedReader._trailer
        return place

    def _data(self, data: bytes, place: int, found: list[bytes]) -> int:
        piece = data[place : place + self._left]
        found.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._next = ChunkedReader._data_end
        return place + len(piece)

    def _data_end(self, data: bytes, place: int, found: list[bytes]) -> int:
        held = len(self._line)
        self._line += data[place : place + 2 - held]
        if not b"\r\n".startswith(self._line):
            raise Malformed("a chunk is longer than its size says")
        place += len(self._line) - held
        if len(self._line) == 2:
            self._line.clear()
            self._next = ChunkedReader._size
        return place

    def _trailer(self, data: bytes, place: int, found: list[bytes]) -> int:
        line, place = self._whole_line(data, place, TRAILER_LIMIT - self._trailers, "the trailers")
        if line is None:
            return place
        if not line:
            self.done = True
        elif not _TRAILER.fullmatch(line):
            raise Malformed("a trailer is not a header field")
        self._trailers += len(line) + 2
        return place

    def _whole_line(self, data: bytes, place: int, limit: int, what: str) -> tuple[bytes | None, int]:
        """The line up to CRLF, together with what came of it earlier, and the place behind it; None while it is cut."""
        line = self._line
        held = len(line)
        line += data[place : place + limit + 2 - held]
        end = line.find(b"\r\n", max(0, held - 1))
        if end >= 0:
            whole = bytes(line[:end])
            line.clear()
            return whole, place + end + 2 - held
        if len(line) >= limit + 2:
            raise Malformed(f"{what} is longer than {limit} bytes")
        if b"\n" in line or b"\r" in line[:-1]:
            raise Malformed(f"{what} has a bare line end")
        return None, len(data)


_AT_SIZE = ChunkedReader._size
_SHORT_READ = 16 * 1024
"""Bytes of a read that is looked at as one chunk, which copies it twice."""


def reader_for(framing: Framing) -> BodyReader:
    """A fresh reader of one body that is framed so."""
    if framing.kind == "chunked":
        return ChunkedReader()
    return CloseReader() if framing.kind == "close" else LengthReader(framing.length)


LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk; nothing for no data, which on the wire would be the last chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


# ---------------------------------------------------------------------------------------------------------------------
# Content coding

MAX_CODINGS = 3
"""Codings on top of each other. Nobody sends more than one; each may blow up what the one before gives a thousandfold
(curl allows 5, urllib3 5)."""

ZSTD_WINDOW = 8 * 1024 * 1024
"""Bytes a zstd frame may ask us to remember: what RFC 9659, section 3, allows on the web."""

ZSTD_PIECE = 256
"""Bytes of zstd input per step. The library cannot bound a step's output; four bytes of input give at most 128 KiB of it
(RFC 8878, section 3.1.1.2.2, RLE blocks), so a step gives at most 8 MiB."""


class Coding:
    """Takes off one coding; this one takes off none. Bad data raises one of `failures`."""

    failures: tuple[type[Exception], ...] = ()

    def feed(self, data: bytes, room: int) -> bytes:
        """All that the data gives, but no more than is needed to see that it gives more than `room` bytes."""
        return data

    def complete(self) -> bool:
        """Whether the compressed data may end here."""
        return True


class _Members(Coding):
    """A coding whose streams follow each other; zeros may follow the last. Fed piece by piece: each step's output stays
    bounded, and many tiny streams do not copy the whole input over and over."""

    piece: int

    def __init__(self) -> None:
        self._member = self._fresh()

    def _fresh(self) -> Any:
        raise NotImplementedError

    def _step(self, piece: bytes, room: int) -> bytes:
        raise NotImplementedError

    def feed(self, data: bytes, room: int) -> bytes:
        out = bytearray()
        place = 0
        while place < len(data) and len(out) <= room:
            piece = data[place : place + self.piece]
            if self._member.eof:
                place += len(piece) - len(piece := piece.lstrip(b"\0"))
                if not piece:
                    continue
                self._member = self._fresh()
            out += self._step(piece, room - len(out))
            place += len(piece) - len(self._member.unused_data)
        return bytes(out)

    def complete(self) -> bool:
        return bool(self._member.eof)


class _Gzip(_Members):
    """RFC 1952."""

    failures = (zlib.error,)
    piece = 8192

    def _fresh(self) -> Any:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)

    def _step(self, piece: bytes, room: int) -> bytes:
        out: bytes = self._member.decompress(piece, room + 1)
        return out


class _Deflate(Coding):
    """RFC 1950, as the standard has it, or bare RFC 1951, as some always understood it: the first two bytes tell."""

    failures = (zlib.error,)

    def __init__(self) -> None:
        self._start = b""
        self._stream: Any = None

    def feed(self, data: bytes, room: int) -> bytes:
        if self._stream is None:
            data = self._start = self._start + data
            if len(data) < 2:
                return b""
            wrapped = data[0] & 0x8F == 0x08 and (data[0] << 8 | data[1]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        out: bytes = self._stream.decompress(data, room + 1)
        if self._stream.unused_data:
            raise zlib.error("data behind the end")
        return out

    def complete(self) -> bool:
        return self._stream is not None and bool(self._stream.eof)


class _Brotli(Coding):
    """RFC 7932."""

    failures = (brotli.error,) if brotli else ()

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes, room: int) -> bytes:
        out: bytes = self._stream.process(data, output_buffer_limit=room + 1)
        while len(out) <= room and not self._stream.can_accept_more_data():
            out += self._stream.process(b"", output_buffer_limit=room + 1 - len(out))
        return out

    def complete(self) -> bool:
        return bool(self._stream.is_finished())


class _Zstd(_Members):
    """RFC 8878."""

    failures = (zstandard.ZstdError,) if zstandard else ()
    piece = ZSTD_PIECE

    def _fresh(self) -> Any:
        return zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()

    def _step(self, piece: bytes, room: int) -> bytes:
        out: bytes = self._member.decompress(piece)
        return out


_CODINGS: dict[str, Callable[[], Coding]] = {"gzip": _Gzip, "x-gzip": _Gzip, "deflate": _Deflate}
if hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data"):  # 1.2: older ones cannot bound their output
    _CODINGS["br"] = _Brotli
if zstandard:
    _CODINGS["zstd"] = _Zstd


def supported() -> tuple[str, ...]:
    """The names of the content codings that can be decoded here; `br` and `zstd` come with the extra `compress`."""
    return tuple(_CODINGS)


class ContentDecoder:
    """Takes the content codings off one message's body, whichever pieces it comes in.

    encodings: the value of `content-encoding`: one coding, several in the order in which they were applied, or none.
    limit: the most bytes that may come out of a whole request, and little more may go in; the most that may come out of
        each feed of an answer, as a stream has no size.
    answer: the message is an upstream's. All errors are Malformed then; for requests they are UnsupportedMedia for a
        coding that is not supported (raised here, in the constructor), TooLarge, and RequestError for corrupt or cut data.
    """

    __slots__ = ("_answer", "_codings", "_limit", "_rooms", "_taken", "identity")

    def __init__(self, encodings: str, limit: int, *, answer: bool = False) -> None:
        names = [name for part in encodings.split(",") if (name := part.strip().lower()) not in ("", "identity")]
        self._answer = answer
        self._limit = limit
        self._taken = False
        self.identity = not names
        if len(names) > MAX_CODINGS or not all(name in _CODINGS for name in names):
            raise self._unsupported(names)
        self._codings = [Coding(), *[_CODINGS[name]() for name in reversed(names)]]
        self._rooms = [limit + limit // 100 + 1024] * len(names) + [limit]  # coded noise is larger than it was

    def feed(self, data: bytes) -> bytes:
        """What this data decodes to, all that can be had so far."""
        self._taken = self._taken or bool(data)
        for index, coding in enumerate(self._codings):
            if not data:
                break
            room = self._rooms[index]
            try:
                data = coding.feed(data, room)
            except coding.failures as failure:
                raise self._error(RequestError, "holds corrupt compressed data") from failure
            if len(data) > room:
                raise self._error(TooLarge, f"is larger than {self._limit} bytes")
            if not self._answer:
                self._rooms[index] = room - len(data)
        return data

    def finish(self) -> bytes:
        """The body is over. Gives what was still held back (nothing, so far); raises if the compressed data was cut. No
        data at all passes for an empty body."""
        if self._taken and not all(coding.complete() for coding in self._codings):
            raise self._error(RequestError, "ends in the midst of its compressed data")
        return b""

    def _error(self, error: type[CcproxyError], what: str) -> CcproxyError:
        return Malformed(f"the upstream's answer {what}") if self._answer else error(f"the request body {what}")

    def _unsupported(self, names: list[str]) -> CcproxyError:
        accepted = ", ".join(supported())
        what = f"is coded as {', '.join(names)[:60]!r}; at most {MAX_CODINGS} of these can be decoded here: {accepted}"
        error = self._error(UnsupportedMedia, what)
        error.headers = (("accept-encoding", accepted),)  # RFC 9110, section 15.5.16
        return error

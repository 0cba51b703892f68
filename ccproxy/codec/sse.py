"""Server-sent events: the payload of each event, as bytes (WHATWG HTML, section 9.2.6 "Interpreting an event stream").

Only `data` matters: the LLM protocols repeat the event's name inside it. An event is what stands between blank lines; lines
end in LF, CRLF or CR; a space after the colon is optional; lines that begin with a colon are comments; several data lines
are joined with LF; a byte order mark may come first. Unlike the browser's rule, an event that the end of the input cuts
short of its blank line still counts: providers leave that line out.

Fast for a reason: nearly every read holds whole events of one data line each, so that case is a `split` and a slice.
"""

from __future__ import annotations

import re

from ccproxy.errors import Malformed

LIMIT = 64 * 1024 * 1024
"""Bytes of one event. Image models send a whole picture in one; browsers have no limit, most gateways 1 to 64 MiB."""

EVENT_ENDS = (b"\r\n\r\n", b"\n\n")
"""How events end where nobody mixes line ends."""

_BLANK_LINES = re.compile(rb"(?>\r\n|\n|\r){2,}+")
"""A blank line and those right behind it: a run of nothing but line ends is one match, not thousands."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_BOM_OR_NOTHING = (_BOM[:1], b"")


class SSEReader:
    """See `ccproxy.codec` for the contract. Outcomes: payloads, need more (an empty list), Malformed."""

    __slots__ = ("_buffer", "_fresh", "_limit", "_only_lf", "_scanned", "_skip_lf")

    def __init__(self, limit: int = LIMIT) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # no blank line begins before this offset of the buffer
        self._only_lf = True  # no CR is in the buffer
        self._fresh = True  # nothing but (part of) a byte order mark has come
        self._skip_lf = False  # an event ended in CR; a LF right behind it belongs to that CR
        self._limit = limit

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        return f"<SSEReader pending={self.pending}>"

    def feed(self, data: bytes) -> list[bytes]:
        if self._fresh and not self._buffer and data[:1] not in _BOM_OR_NOTHING:
            self._fresh = False
        plain = not self._buffer and not self._fresh and not self._skip_lf
        if plain and data.endswith(b"\n\n") and b"\r" not in data:
            return _payloads(data.split(b"\n\n"))
        if plain and data.endswith(b"\r\n\r\n") and data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
            return _payloads(data.split(b"\r\n\r\n"))  # Google's and some gateways' line ends
        return self._feed_slowly(data)

    def eof(self) -> list[bytes]:
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return _payloads([rest])

    def _feed_slowly(self, data: bytes) -> list[bytes]:
        if self._skip_lf and data:
            data = data[1:] if data.startswith(b"\n") else data
            self._skip_lf = False
        buffer = self._buffer
        self._only_lf = (self._only_lf or not buffer) and b"\r" not in data
        buffer += data
        if self._fresh and not self._past_bom():
            return []
        blocks, end = self._split_at_lfs() if self._only_lf else self._split()
        self._skip_lf = end > 0 and end == len(buffer) and buffer[-1] == 0x0D
        del buffer[:end]
        if len(buffer) > self._limit:
            raise Malformed(f"an event of the stream is larger than {self._limit} bytes")
        self._scanned = max(0, len(buffer) - 3)
        return _payloads(blocks)

    def _split_at_lfs(self) -> tuple[list[bytes], int]:
        """(the events that are complete, where the last one ends)"""
        end = self._buffer.rfind(b"\n\n", self._scanned)
        return ([], 0) if end < 0 else (bytes(self._buffer[:end]).split(b"\n\n"), end + 2)

    def _split(self) -> tuple[list[bytes], int]:
        """The same for any line ends."""
        blocks: list[bytes] = []
        start = 0
        for match in _BLANK_LINES.finditer(self._buffer, self._scanned):
            blocks.append(bytes(self._buffer[start : match.start()]))
            start = match.end()
        return blocks, start

    def _past_bom(self) -> bool:
        """Drops a byte order mark; False while too little has come to tell."""
        if self._buffer.startswith(_BOM):
            del self._buffer[:3]
        elif len(self._buffer) < 3 and _BOM.startswith(self._buffer):
            return False
        self._fresh = False
        return True


def event(payload: bytes) -> bytes:
    """One event without a name. `payload` holds no line ends, as compact JSON never does."""
    return b"data: " + payload + b"\n\n"


def named_event(name: bytes, payload: bytes) -> bytes:
    return b"event: " + name + b"\ndata: " + payload + b"\n\n"


def _payloads(blocks: list[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for block in filter(None, blocks):
        if block.startswith(b"event:"):  # one line that names the event: Claude and Responses
            name, _, data = block.partition(b"\n")
            if b"\r" not in name:
                block = data
        if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
            found.append(block[6:])
        elif b"data:" in block:  # else a comment, or nothing
            payload = _data_of(block)
            if payload is not None:
                found.append(payload)
    return found


def _data_of(block: bytes) -> bytes | None:
    """The joined data lines of one event, None when it has none or only empty ones."""
    lines: list[bytes] = []
    for line in _LINE_END.split(block):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line.startswith(b"data: ") else line[5:])
    return b"\n".join(lines) or None

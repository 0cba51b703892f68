"""The elements of one JSON array that arrives in pieces, as Gemini streams without `alt=sse`.

    before  ── "[" ──>  between  ── a value begins ──>  inside  ── "," or "]" at depth 1 ──>  between | after

Only brackets and strings are followed; whether an element is JSON is for whoever decodes it. Each byte is looked at
once: the regular expressions jump to the next byte that matters.
"""

from __future__ import annotations

import re

from ccproxy.errors import Malformed

LIMIT = 64 * 1024 * 1024
"""Bytes of one element; the same as for an SSE event."""

_STRUCTURE = re.compile(rb'["\[\]{},]')
_WITHIN = re.compile(rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)++|"|[\[{]++|[\]}]++', re.DOTALL)
"""Within an element, where commas say nothing: whole strings, one that has no end yet, a run of brackets of one kind."""

_STRING_END = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"


class JSONArrayReader:
    """See `ccproxy.codec` for the contract. Outcomes: payloads, need more (an empty list), Malformed."""

    __slots__ = ("_buffer", "_depth", "_element", "_in_string", "_limit", "_scanned", "_trailing")

    def __init__(self, limit: int = LIMIT) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._element = 0  # where the current element begins in the buffer
        self._depth = 0  # 0: before the array; 1: in it; -1: after it
        self._in_string = False
        self._limit = limit
        self._trailing = False  # bytes follow the array; said once the elements before them have been handed out

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        return f"<JSONArrayReader depth={self._depth} pending={self.pending}>"

    def feed(self, data: bytes) -> list[bytes]:
        self._refuse_trailing()
        self._buffer += data
        found: list[bytes] = []
        while self._depth >= 0 and (self._skip_string() if self._in_string else self._step(found)):
            pass
        if self._depth < 0:
            self._end(found)
        del self._buffer[: self._element]
        self._scanned -= self._element
        self._element = 0
        if len(self._buffer) > self._limit:
            raise Malformed(f"an element of the streamed array is larger than {self._limit} bytes")
        return found

    def eof(self) -> list[bytes]:
        self._refuse_trailing()
        if self._depth > 0 or (self._depth == 0 and self._buffer.strip()):
            raise Malformed("the streamed array stops before its end")
        return []

    def _skip_string(self) -> bool:
        """Moves past the string; False when its end has not come."""
        match = _STRING_END.search(self._buffer, self._scanned)
        if match is None:
            self._scanned = len(self._buffer)
            return False
        if match.group() == b"\\":
            if match.end() == len(self._buffer):
                self._scanned = match.start()
                return False
            self._scanned = match.end() + 1
            return True
        self._scanned = match.end()
        self._in_string = False
        return True

    def _step(self, found: list[bytes]) -> bool:
        """Moves past the next structural byte; False when there is none."""
        if self._depth > 1:
            return self._step_within()
        match = _STRUCTURE.search(self._buffer, self._scanned)
        if match is None:
            self._scanned = len(self._buffer)
            return False
        byte, at = match.group(), match.start()
        self._scanned = match.end()
        if self._depth == 0:
            self._open(byte, at)
        elif byte == b'"':
            self._in_string = True
        elif byte in b"[{":
            self._depth += 1
        elif byte in b"]}":
            self._depth -= 1
            if self._depth == 0:
                self._take(at, found)
                self._depth = -1
        elif self._depth == 1:
            self._take(at, found)
        return True

    def _step_within(self) -> bool:
        """The same inside of an element, up to its end and no further."""
        match = _WITHIN.search(self._buffer, self._scanned)
        if match is None:
            self._scanned = len(self._buffer)
            return False
        start, end = match.span()
        first = self._buffer[start]
        if first == 0x22:
            self._in_string = end == start + 1
        elif first in b"[{":
            self._depth += end - start
        else:
            end = min(end, start + self._depth - 1)
            self._depth -= end - start
        self._scanned = end
        return True

    def _open(self, byte: bytes, at: int) -> None:
        if byte != b"[" or self._buffer[:at].strip(_SPACE):
            raise Malformed("the stream is no JSON array")
        self._depth = 1
        self._element = at + 1

    def _take(self, end: int, found: list[bytes]) -> None:
        element = bytes(self._buffer[self._element : end]).strip(_SPACE)
        self._element = end + 1
        if element:
            found.append(element)

    def _end(self, found: list[bytes]) -> None:
        self._trailing = bool(self._buffer[self._element :].strip(_SPACE))
        self._element = self._scanned = len(self._buffer)
        if not found:
            self._refuse_trailing()

    def _refuse_trailing(self) -> None:
        if self._trailing:
            raise Malformed("bytes follow the streamed array")

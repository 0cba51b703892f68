"""One JSON document a line, as Ollama streams. Lines end in LF or CRLF; empty lines count for nothing; the last line
needs no end."""

from __future__ import annotations

from ccproxy.errors import Malformed

LIMIT = 64 * 1024 * 1024
"""Bytes of one line; the same as for an SSE event."""

LINE_ENDS = (b"\r\n", b"\n")


class NDJSONReader:
    """See `ccproxy.codec` for the contract. Outcomes: payloads, need more (an empty list), Malformed."""

    __slots__ = ("_buffer", "_limit", "_scanned")

    def __init__(self, limit: int = LIMIT) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._limit = limit

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        return f"<NDJSONReader pending={self.pending}>"

    def feed(self, data: bytes) -> list[bytes]:
        if not self._buffer and data.endswith(b"\n"):
            return [line for line in map(bytes.strip, data.split(b"\n")) if line]
        buffer = self._buffer
        buffer += data
        cut = buffer.rfind(b"\n", self._scanned) + 1
        complete = bytes(buffer[:cut])
        del buffer[:cut]
        if len(buffer) > self._limit:
            raise Malformed(f"a line of the stream is larger than {self._limit} bytes")
        self._scanned = len(buffer)
        return [line for line in map(bytes.strip, complete.split(b"\n")) if line]

    def eof(self) -> list[bytes]:
        rest = bytes(self._buffer).strip()
        self._buffer.clear()
        self._scanned = 0
        return [rest] if rest else []

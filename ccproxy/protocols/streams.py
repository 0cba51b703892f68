"""What a protocol's stream is to the pumps: a Decoder reads one, an Encoder writes one, a Tap looks at one that passes.

Records that repeat the one before but for one text are not read in full (`codec.repeats`); a Decoder and a Tap tell of a
record whether it may be repeated (`Single`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol as Shape

from ccproxy import tokens
from ccproxy.codec.repeats import Repeats
from ccproxy.errors import CcproxyError, UpstreamError
from ccproxy.model import JSON, Context, Usage
from ccproxy.stream import Sink


class Reader(Shape):
    """See `ccproxy.codec`."""

    @property
    def pending(self) -> int: ...
    def feed(self, data: bytes) -> list[bytes]: ...
    def eof(self) -> list[bytes]: ...


Single = tuple[str, Callable[[str], None]]
"""The one text that a record held, and what to do with that of each record which is the same but for its text."""


class Decoder:
    """An upstream's stream into Sink calls. `done` is true once the protocol's own end has been seen or an error passed on;
    what comes later is ignored.

    `feed` and `eof` raise `Malformed` for bytes that break the protocol, and nothing else. `eof` tells a clean end of the
    body: it makes up a missing end where DESIGN 5 says so and raises `Broken` otherwise. An error that the upstream reports
    within its stream goes to `sink.error`.

    A protocol says what a record means (`_record`), which record held a single text (`_single`) and what a body's end means
    (`_ended`). Records that repeat the one before but for that text are read by `repeats`; `again` is what to do with such
    a text, if it is not empty. Whoever feeds may do so itself with what `repeats.one` gives.
    """

    __slots__ = ("_reader", "again", "context", "done", "repeats", "sink")

    def __init__(self, context: Context, sink: Sink, reader: Reader, repeats: Repeats) -> None:
        self.context = context
        self.sink = sink
        self.done = False
        self._reader = reader
        self.repeats = repeats
        self.again: Callable[[str], None] = sink.text

    def feed(self, data: bytes) -> None:
        if self.done:
            return
        text = self.repeats.one(data)
        if text is None:
            self.feed_more(data)
        elif text:
            self.again(text)

    def feed_more(self, data: bytes) -> None:
        """What `repeats.one` did not take."""
        if self.done:
            return
        repeats = self.repeats
        if texts := repeats.read(data):
            again = self.again
            for text in texts:
                if text:
                    again(text)
        if repeats.rest:
            self._read(repeats.rest)

    def eof(self) -> None:
        if self.done:
            return
        if pending := self.repeats.flush():
            self._read(pending)
        if not self.done:
            self._ended()

    def _read(self, data: bytes) -> None:
        """In full."""
        reader = self._reader
        begun = reader.pending > 0
        payloads = reader.feed(data)
        self._take(payloads)
        text, self.again = (None if self.done else self._single()) or (None, self.again)
        self.repeats.learn_from(data, len(payloads), text, begun=begun, cut=reader.pending > 0)

    def _take(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            if self.done:
                return
            self._record(payload)

    def _record(self, payload: bytes) -> None:
        """One record of the stream. Raises Malformed."""
        raise NotImplementedError

    def _single(self) -> Single | None:
        """What the last record held, if that was one text and nothing else that another such record would change."""
        raise NotImplementedError

    def _ended(self) -> None:
        """The body's clean end. Raises Malformed and Broken."""
        raise NotImplementedError


class Encoder(Sink):
    """Sink calls into the client's stream. Bytes gather in `out` until `take`.

    Any legal call order gives a stream that the protocol's official SDK accepts. `usage` keeps the last counts in `totals`;
    `finish` and `error` write the end, error after closing what is open, and set `done` (and `failure`). `document` is the
    whole answer once it has ended, in protocols with a History; empty in others. `said` is how many bytes of words the
    client has been sent; `usage_so_far` makes an estimate of it where the upstream counts nothing.
    """

    __slots__ = ("context", "document", "done", "failure", "out", "said", "totals")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.document: dict[str, JSON] = {}
        self.out: list[bytes] = []
        self.done = False
        self.failure: CcproxyError | None = None
        self.said = 0
        self.totals: Usage | None = None

    def take(self) -> bytes:
        """The bytes since the last take."""
        out = self.out
        if len(out) == 1:
            return out.pop()
        data = b"".join(out)
        out.clear()
        return data

    def length(self) -> int:
        """The bytes of words so far."""
        return self.said

    def usage_so_far(self) -> Usage | None:
        """The counts: the upstream's, or estimates where it gave none. `finish` puts them into `totals`."""
        return tokens.settled(self.totals, self.length(), self.context)

    def keepalive(self) -> bytes:
        """What an idle stream carries in this protocol (DESIGN 5), b"" for nothing."""
        return b""


def pass_by(text: str) -> None:
    """For a Tap that has nothing to remember of a text."""


class Tap:
    """Looks at a same-protocol stream beside its bytes: keeps usage, what is open, whether it ended, and how.

    usage: the last counts. done: the protocol's own end was seen. failure: the upstream's own error, once seen. said: about
    how many bytes of words passed; 0 in the streams of upstreams that count as they go. `length` tells it. single: see
    `Single`, of the last record; records that repeat it are not shown.
    """

    __slots__ = ("context", "done", "failure", "said", "single", "usage")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.usage: Usage | None = None
        self.said = 0
        self.done = False
        self.failure: UpstreamError | None = None
        self.single: Single | None = None

    def length(self) -> int:
        """About how many bytes of words passed."""
        return self.said

    def speak(self, text: str) -> None:
        """Counts words that are not shown in full: those of a repeat."""
        self.said += len(text)

    def look(self, payload: bytes) -> bytes | None:
        """One record's payload. Returns the payload that replaces it (not framed), or None to let its bytes pass.
        Sets `single`. Raises `Malformed` for what is no record of this protocol."""
        raise NotImplementedError

    def missed(self, tokens: Mapping[str, bytes]) -> None:
        """The JSON of the volatile members of the last record that was not shown. Told before anything else is."""

    def eof(self) -> bytes:
        """A clean end of the body: bytes to add. Raises `Broken` where the stream must not end here."""
        raise NotImplementedError

    def fail(self, error: CcproxyError) -> bytes:
        """Closes what is open and reports the error, in the client's stream."""
        raise NotImplementedError

    def keepalive(self) -> bytes:
        return b""

"""The answer's way: an upstream's body bytes go in, the client's body bytes come out. No I/O, no waiting.

                        client wants a stream                client wants a whole answer
    upstream streams    Converter  decoder -> encoder        Gatherer  decoder -> Collector -> document
                        Relay      bytes, with a tap         (the same)
    upstream answers    Folder     document -> encoder       Folder    document -> Collector -> document
    whole               (the same)                           Carrier   bytes, looked at once

To whoever drives them they are one class: `feed`, `eof` and `fail` return bytes for the client, `done` says that the answer
is over, `failure` how it broke. What is fed after the end is ignored: some upstreams talk on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy import tokens
from ccproxy.codec import jsontext, splice
from ccproxy.errors import CcproxyError, Malformed, UpstreamError
from ccproxy.model import JSON, Answer, Context, Usage
from ccproxy.protocols.base import Chat
from ccproxy.protocols.failures import error_from_document
from ccproxy.protocols.streams import pass_by
from ccproxy.stream import Collector, Sink, Stage

Stages = Sequence[Callable[[Sink], Stage]]
"""What stands between the upstream's stream and the client's, as functions of the next Sink."""

LONGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of a whole answer that is gathered before it is converted. Image models send tens of megabytes."""


class Pump:
    """Base: the words that all share. answer: the client's whole document, once the answer is done, where it was converted
    and the client's protocol keeps such documents (or the client got one)."""

    __slots__ = ("_usage", "answer", "done", "failure")

    def __init__(self) -> None:
        self.done = False
        self.failure: CcproxyError | None = None
        self.answer: dict[str, JSON] | None = None
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage | None:
        """What the upstream has counted so far: the client may leave before the end."""
        return self._usage

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the upstream's body."""
        raise NotImplementedError

    def eof(self) -> bytes:
        """The upstream's body ended cleanly."""
        raise NotImplementedError

    def fail(self, error: CcproxyError) -> bytes:
        """The answer cannot go on: what the client's stream says about it, after closing what is open."""
        self.done, self.failure = True, error
        return b""

    def keepalive(self) -> bytes:
        """What the client of an idle stream is sent."""
        return b""

    def _written(self, answer: Answer, client: Chat, context: Context) -> bytes:
        answer.usage = _settled(answer, context)
        self.answer = client.write_answer(answer, context)
        return jsontext.dumps(self.answer)

    def __repr__(self) -> str:
        state = "failed" if self.failure else "done" if self.done else "open"
        return f"<{type(self).__name__} {state}>"


class Converter(Pump):
    """Stream to stream, through the vocabulary of `ccproxy.stream`."""

    __slots__ = ("_decoder", "_encoder")

    def __init__(self, upstream: Chat, client: Chat, context: Context, stages: Stages = ()) -> None:
        super().__init__()
        self._encoder = client.encoder(context)
        self._decoder = upstream.decoder(context, staged(self._encoder, stages))

    @property
    def usage(self) -> Usage | None:
        return self._encoder.usage_so_far()

    def feed(self, data: bytes) -> bytes:
        if self.done:
            return b""
        decoder, encoder = self._decoder, self._encoder
        try:
            text = decoder.repeats.one(data)
            if text is None:
                decoder.feed_more(data)
            elif text:
                decoder.again(text)
        except UpstreamError as error:
            return self.fail(error)
        if encoder.done:
            self._settle()
        out = encoder.out
        return out.pop() if len(out) == 1 else encoder.take()

    def eof(self) -> bytes:
        if self.done:
            return b""
        try:
            self._decoder.eof()
        except UpstreamError as error:
            return self.fail(error)
        self._settle()
        return self._encoder.take()

    def fail(self, error: CcproxyError) -> bytes:
        if not self._encoder.done:
            self._encoder.error(error)
        self._settle()
        return self._encoder.take()

    def keepalive(self) -> bytes:
        return b"" if self.done else self._encoder.keepalive()

    def _settle(self) -> None:
        self.done, self.failure = True, self._encoder.failure
        self.answer = self._encoder.document


LONGEST_LEAD = 64 * 1024
"""Bytes of comments before a stream's first record: some gateways send one of 20 bytes every few seconds."""


class Relay(Pump):
    """Stream to stream of one protocol: complete records pass as the bytes they came in, a Tap looks at each. An incomplete
    record waits, so that a cut stream still ends in an error that the client can read. Comments before the first record
    wait for it: they say nothing yet, and an error that follows is still answered as one. `failure` is set once the
    upstream has reported one; what it says after that still passes (Responses' `error` is followed by
    `response.failed`)."""

    __slots__ = ("_again", "_begun", "_context", "_held", "_make_reader", "_reader", "_record_end", "_repeats", "_tap")

    def __init__(self, chat: Chat, context: Context) -> None:
        super().__init__()
        self._make_reader = chat.reader
        self._reader = chat.reader()
        self._tap = chat.tap(context)
        self._context = context
        self._repeats = chat.repeats()
        self._again: Callable[[str], None] = pass_by
        self._record_end = chat.record_end
        self._held = bytearray()  # of a record that is not complete, or what leads to the first one
        self._begun = False

    @property
    def usage(self) -> Usage | None:
        return tokens.settled(self._tap.usage, self._tap.length(), self._context)

    def feed(self, data: bytes) -> bytes:
        if self.done:
            return b""
        text = self._repeats.one(data)
        if text is None:
            return self._feed_many(data)
        if self._again is not pass_by:
            self._again(text)
        return data

    def _feed_many(self, data: bytes) -> bytes:
        """What is no single repeat."""
        repeats = self._repeats
        before = repeats.pending
        texts = repeats.read(data)
        if texts and self._again is not pass_by:
            for text in texts:
                self._again(text)
        rest = repeats.rest
        if not (before or rest or repeats.pending):
            return data
        whole = before + data
        passed = whole[: len(whole) - len(rest) - len(repeats.pending)]
        return passed + self._read(rest) if rest else passed

    def _read(self, data: bytes) -> bytes:
        """Shows every record to the tap."""
        self._catch_up()
        begun = bool(self._held)
        try:
            payloads = self._reader.feed(data)
        except UpstreamError as error:
            return self.fail(error)
        if not self._begun and not payloads and len(self._held) + len(data) <= LONGEST_LEAD:
            self._held += data
            return b""
        self._begun = True
        passed = self._pass(payloads, self._complete(data))
        text, self._again = (None if self.done else self._tap.single) or (None, self._again)
        self._repeats.learn_from(data, len(payloads), text, begun=begun, cut=bool(self._held))
        return passed

    def _catch_up(self) -> None:
        if missed := self._repeats.missed():
            self._tap.missed(missed)

    def eof(self) -> bytes:
        if self.done:
            return b""
        last = self._read(pending) if (pending := self._repeats.flush()) else b""
        self._catch_up()
        if self.done:
            return last
        try:
            payloads = self._reader.eof()
            if payloads:  # the last record came without its end
                last += self._pass(payloads, bytes(self._held).rstrip() + self._record_end)
            if self.done:
                return last
            if not self.failure:
                last += self._tap.eof()
        except UpstreamError as error:
            return last + self.fail(error)
        self._settle()
        return last

    def fail(self, error: CcproxyError) -> bytes:
        self._catch_up()
        last = b"" if self.done or self._tap.failure else self._tap.fail(error)
        self._settle()
        self.failure = self.failure or error
        return last

    def keepalive(self) -> bytes:
        return b"" if self.done or self.failure else self._tap.keepalive()

    def _complete(self, data: bytes) -> bytes:
        """What is held and `data`, up to the end of the last complete record."""
        pending = self._reader.pending
        if not pending and not self._held:
            return data
        self._held += data
        whole = len(self._held) - pending
        complete = bytes(self._held[:whole])
        del self._held[:whole]
        return complete

    def _pass(self, payloads: list[bytes], raw: bytes) -> bytes:
        """Shows the records to the tap. `raw`, which holds them, comes back as far as the stream goes, with the tap's
        changes; any cut of the stream into reads gives the same bytes."""
        tap = self._tap
        passed: list[bytes] = []
        settled = 0  # records whose bytes are in `passed`
        for number, payload in enumerate(payloads):
            try:
                changed = tap.look(payload)
            except UpstreamError as error:
                return b"".join([*passed, self._split(raw, number - settled)[0], self.fail(error)])
            last = tap.done and number == len(payloads) - 1
            if last and changed is None and raw.endswith(payload + self._record_end):
                passed.append(raw)  # nothing follows it that would have to be cut off
            elif changed is not None and not tap.done and b"\n" not in payload and raw.count(payload) == 1:
                raw = raw.replace(payload, changed)  # its only place: the record that says the model's name, as a rule
            elif changed is not None or tap.done:
                before, raw = self._split(raw, number - settled)
                record, raw = self._split(raw, 1)
                passed += before, record if changed is None else changed.join(record.rsplit(payload, 1))
                settled = number + 1
            if tap.done:
                self._settle()
                return _whole_line(b"".join(passed))
        self.failure = tap.failure
        return b"".join([*passed, raw]) if passed else raw

    def _split(self, raw: bytes, count: int) -> tuple[bytes, bytes]:
        """`raw` cut behind its first `count` records. Done for the few records of a stream that need it."""
        reader = self._make_reader()
        end = found = 0
        for line in raw.splitlines(keepends=True):
            if found >= count:
                break
            found += len(reader.feed(line))
            end += len(line)
        return raw[:end], raw[end:]

    def _settle(self) -> None:
        self.done, self.failure = True, self._tap.failure


def _whole_line(data: bytes) -> bytes:
    """A record is complete at a CR; the LF that may belong to it is not waited for."""
    return data + b"\n" if data.endswith(b"\r") else data


class Gatherer(Pump):
    """An upstream's stream as one whole answer, which `eof` (or the stream's own end) returns."""

    def __init__(self, upstream: Chat, client: Chat, context: Context, stages: Stages = ()) -> None:
        super().__init__()
        self._collector = Collector()
        self._decoder = upstream.decoder(context, staged(self._collector, stages))
        self._client, self._context = client, context
        self._taken = 0

    @property
    def usage(self) -> Usage | None:
        return _settled(self._collector.answer, self._context)

    def feed(self, data: bytes) -> bytes:
        if self.done:
            return b""
        self._taken += len(data)
        if self._taken > LONGEST_ANSWER:
            return self.fail(_too_long())
        try:
            self._decoder.feed(data)
        except UpstreamError as error:
            return self.fail(error)
        return self._settle() if self._collector.done else b""

    def eof(self) -> bytes:
        if self.done:
            return b""
        try:
            self._decoder.eof()
        except UpstreamError as error:
            return self.fail(error)
        return self._settle()

    def _settle(self) -> bytes:
        collector = self._collector
        self.done, self.failure = True, collector.failure
        return b"" if self.failure else self._written(collector.answer, self._client, self._context)


class Whole(Pump):
    """A whole answer of the upstream: what it is for the client is said once it is complete."""

    def __init__(self) -> None:
        super().__init__()
        self._gathered = bytearray()

    def feed(self, data: bytes) -> bytes:
        if self.done:
            return b""
        self._gathered += data
        return self.fail(_too_long()) if len(self._gathered) > LONGEST_ANSWER else b""

    def eof(self) -> bytes:
        if self.done:
            return b""
        try:
            return self._turned(bytes(self._gathered))
        except UpstreamError as error:
            return self.fail(error)

    def _turned(self, body: bytes) -> bytes:
        """The client's bytes; sets `done`. Raises UpstreamError."""
        raise NotImplementedError


class Turner(Whole):
    """A whole answer that is no conversation (vectors, a count). turn(body): the client's bytes and the usage; raises
    UpstreamError."""

    def __init__(self, turn: Callable[[bytes], tuple[bytes, Usage | None]]) -> None:
        super().__init__()
        self._turn = turn

    def _turned(self, body: bytes) -> bytes:
        out, self._usage = self._turn(body)
        self.done = True
        return out


class Folder(Whole):
    """A whole answer, converted; for a client that streams or one that does not."""

    def __init__(self, upstream: Chat, client: Chat, context: Context, stages: Stages = ()) -> None:
        super().__init__()
        self._upstream, self._client, self._context, self._stages = upstream, client, context, stages

    def _turned(self, body: bytes) -> bytes:
        return self._convert(whole_document(body, self._context.upstream))

    def fail(self, error: CcproxyError) -> bytes:
        super().fail(error)
        if not self._context.stream:
            return b""
        encoder = self._client.encoder(self._context)
        encoder.error(error)
        return encoder.take()

    def keepalive(self) -> bytes:
        return self._client.encoder(self._context).keepalive() if self._context.stream and not self.done else b""

    def _convert(self, document: dict[str, JSON]) -> bytes:
        if self._context.stream:
            encoder = self._client.encoder(self._context)
            self._upstream.read_answer(document, self._context, staged(encoder, self._stages))
            self.done, self.failure, self._usage = True, encoder.failure, encoder.totals
            self.answer = encoder.document
            return encoder.take()
        collector = Collector()
        self._upstream.read_answer(document, self._context, staged(collector, self._stages))
        self.done, self.failure, self._usage = True, collector.failure, _settled(collector.answer, self._context)
        return b"" if self.failure else self._written(collector.answer, self._client, self._context)


class Carrier(Folder):
    """A whole answer of the client's own protocol: its bytes pass, but for the model's name where answers carry it once."""

    def _turned(self, body: bytes) -> bytes:
        document = whole_document(body, self._context.upstream)
        self._usage = self._usage_of(document)
        self.done = True
        named, wanted = document.get("model"), self._context.model
        if self._client.renames and wanted and isinstance(named, str) and named != wanted:
            return splice.replace_string(body, "model", wanted) or body
        return body

    def _usage_of(self, document: dict[str, JSON]) -> Usage | None:
        """For the log only; an answer that we cannot read in full still passes to the client that may."""
        collector = Collector()
        try:
            self._upstream.read_answer(document, self._context, collector)
        except UpstreamError as error:
            self._context.note(f"the answer could not be read for its usage: {error.message}")
        return _settled(collector.answer, self._context)


def _settled(answer: Answer, context: Context) -> Usage | None:
    return tokens.settled(answer.usage, tokens.of_answer(answer.parts), context)


def _too_long() -> Malformed:
    return Malformed(f"the upstream's answer is larger than {LONGEST_ANSWER} bytes")


def staged(sink: Sink, stages: Stages) -> Sink:
    """`sink` behind the stages, the first one outermost."""
    for stage in reversed(stages):
        sink = stage(sink)
    return sink


def whole_document(body: bytes, origin: str) -> dict[str, JSON]:
    """An upstream's whole answer, decoded. Raises Malformed for what is no JSON object, and the upstream's own error
    where a 200 carries one (some gateways do)."""
    try:
        document = jsontext.loads_exact(body)
    except jsontext.JSONError as error:
        raise Malformed(f"the upstream's answer is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Malformed("the upstream's answer is no JSON object")
    if document.get("error") and len(document) <= 3:
        raise error_from_document(origin, 502, document)
    return document

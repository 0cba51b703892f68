"""Gemini's streams: chunks that are whole GenerateContentResponse documents, as server-sent events (`alt=sse`) or as the
elements of one JSON array.

    Decoder   either framing, told apart by the first byte, into Sink calls
    Encoder   Sink calls into the framing that the client asked for
    Tap       looks at a same-protocol stream

There is no end marker: the body's end is the end, after a chunk with a `finishReason`. Gemini API reference,
"Method: models.streamGenerateContent".

What the official SDKs (Python 3.4, JavaScript 2.32) demand of a stream, beyond the reference: a chunk whose content has no
part makes their chats forget the whole turn, hence the empty text in the last chunk, where Gemini has one too; a line that
is neither data nor empty ends Python's stream with an error, and JavaScript's loses the event behind it, hence keep-alives
are empty lines; an error is an event with `error` as its first key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from ccproxy.codec import jsontext
from ccproxy.codec.jsonarray import JSONArrayReader
from ccproxy.codec.repeats import Repeats
from ccproxy.codec.sse import EVENT_ENDS, SSEReader
from ccproxy.errors import Broken, CcproxyError, Malformed
from ccproxy.model import JSON, Citation, Context, Finish, Media, ToolCall, Usage, arguments_object, is_whole
from ccproxy.protocols import failures, naming, streams
from ccproxy.protocols.gemini.answers import foreign, media_part
from ccproxy.protocols.gemini.chunks import ChunkReader
from ccproxy.protocols.gemini.grounding import are_facts, grounding_from
from ccproxy.protocols.gemini.terms import REASONS, error_status, read_usage, write_error, write_usage
from ccproxy.protocols.gemini.wire import NAME, either, wire_redacted, wire_signature
from ccproxy.stream import Sink

ARRAY = "array"
SSE = "sse"
"""The shapes of `Context.shape`."""

VOLATILE = ("usageMetadata",)
"""Running totals, which differ from chunk to chunk; the last ones count."""

_CANDIDATE = b'{"candidates":[{"content":{"parts":['
_TEXT = _CANDIDATE + b'{"text":'
_EVENT, _EVENT_END = b"data: ", b"\r\n\r\n"
_SIGN_OF_LIFE = {SSE: b"\r\n\r\n", ARRAY: b"\n"}
_BLANK = b" \t\r\n\xef\xbb\xbf"


def stream_type(context: Context) -> str:
    """The content type of the client's stream."""
    return "application/json" if context.shape == ARRAY else "text/event-stream"


def _load(payload: bytes) -> JSON:
    try:
        # Only arguments may hold integers that a float would spoil.
        return jsontext.loads_exact(payload) if b"unction" in payload else jsontext.loads(payload)
    except jsontext.JSONError as error:
        raise Malformed(f"a chunk of the stream is not JSON: {error}") from None


# ---------------------------------------------------------------------------------------------------------------------
# Upstream


def repeats() -> Repeats:
    """See `Chat.repeats`."""
    return Repeats(EVENT_ENDS, VOLATILE, varying=VOLATILE, told=VOLATILE)


class Decoder(streams.Decoder):
    """See `streams.Decoder`. `finish` waits for the end of the body, because usage may follow the finish reason."""

    __slots__ = ("_begun", "_chunks")

    def __init__(self, context: Context, sink: Sink) -> None:
        super().__init__(context, sink, SSEReader(), repeats())
        self._chunks = ChunkReader(context, sink)
        self._begun = False

    def __repr__(self) -> str:
        return f"<Decoder {self._reader!r} {self._chunks!r}>"

    def feed_more(self, data: bytes) -> None:
        if not self._begun:
            data = self._begin(data)
        super().feed_more(data)

    def _ended(self) -> None:
        self._catch_up()
        if self._begun:
            self._take(self._last())
        self._chunks.end()
        self.done = True

    def _begin(self, data: bytes) -> bytes:
        """Picks the reader by the first byte that is no blank; returns what it is to be fed."""
        text = data.lstrip(_BLANK)
        if text:
            self._begun = True
        if text[:1] == b"[":
            self._reader, self.repeats = JSONArrayReader(), Repeats(())  # what is between elements counts
        return text

    def _last(self) -> list[bytes]:
        """What the end of the body completes. An array without its end is a cut stream, unless the model had ended; bytes
        behind its end are an error however late they came."""
        self._reader.feed(b"")
        try:
            return self._reader.eof()
        except Malformed as error:
            if self._chunks.reason:
                return []
            raise Broken(error.message) from None

    def _read(self, data: bytes) -> None:
        self._catch_up()
        super()._read(data)

    def _catch_up(self) -> None:
        """The counts of the chunks that were repeats."""
        for counts in self.repeats.missed().values():
            self._chunks.count(_load(counts))

    def _record(self, payload: bytes) -> None:
        self._chunks.take(_load(payload))
        self.done = self._chunks.ended

    def _single(self) -> streams.Single | None:
        return self._chunks.single


# ---------------------------------------------------------------------------------------------------------------------
# Client


class _Call:
    """A function call whose arguments are being gathered: the wire takes it whole."""

    __slots__ = ("complete", "id", "kind", "name", "pieces", "signature")

    def __init__(self, id: str, name: str, kind: str, signature: str) -> None:
        self.id, self.name, self.kind, self.signature = id, name, kind, signature
        self.pieces: list[str] = []
        self.complete = False

    def said(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.pieces), kind="custom" if self.kind == "custom" else "function")

    def wire(self) -> bytes:
        """The part."""
        pieces = [b'{"functionCall":{"name":', jsontext.dumps(self.name), b',"args":', _arguments(self.said())]
        return b"".join((*pieces, b',"id":', jsontext.dumps(self.id), b"}", _signature_member(self.signature), b"}"))


class Encoder(streams.Encoder):
    """See `streams.Encoder`. Each delta is a chunk of its own; calls leave whole, in the order of their starts; one whose
    arguments are no object waits for the end, which tells whether it was cut off; a signature waits for the part that it
    stands on."""

    __slots__ = (
        "_again",
        "_calls",
        "_citations",
        "_facts",
        "_lead",
        "_signature",
        "_tail",
        "_tail_members",
        "_text_tail",
        "_thought",
        "_turns",
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        array = context.shape == ARRAY
        self._lead = b"[" if array else _EVENT  # before the next chunk
        self._again = b",\r\n" if array else _EVENT  # before the ones after it
        self._signature = ""
        self._thought: list[str] = []  # the words that the next signature signs
        self._calls: dict[int, _Call] = {}
        self._turns: deque[int] = deque()  # the keys of the calls that have not had their turn
        self._citations: list[Citation] = []
        self._facts: dict[str, JSON] = {}
        self._set_tail("", "")

    def __repr__(self) -> str:
        return f"<Encoder {self.context.shape or SSE} calls={len(self._calls)} done={self.done}>"

    def start(self, id: str, model: str, created: int) -> None:
        self._set_tail(id, model)

    def text(self, text: str) -> None:
        if text:
            words = jsontext.dumps(text)
            self.said += len(words) - 2
            signature = self._sign() if self._signature or self._thought else b""
            self.out.append(self._lead + _TEXT + words + signature + self._text_tail)
            self._lead = self._again

    def refusal(self, text: str) -> None:
        self.text(text)

    def thinking(self, text: str) -> None:
        if text:
            self._thought.append(text)
            words = jsontext.dumps(text)
            self.said += len(words) - 2
            self.out.append(self._lead + _TEXT + words + b',"thought":true' + self._text_tail)
            self._lead = self._again

    def signature(self, signature: str, origin: str) -> None:
        self._keep(wire_signature(signature, origin, "".join(self._thought)))

    def redacted(self, data: str, origin: str) -> None:
        self._keep(wire_redacted(data, origin))

    def citation(self, citation: Citation) -> None:
        self._citations.append(citation)

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        self._calls[key] = _Call(id, name, kind, self._take_signature())
        self._turns.append(key)

    def tool_arguments(self, key: int, text: str) -> None:
        self._calls[key].pieces.append(text)
        self.said += len(text)

    def tool_end(self, key: int) -> None:
        self._calls[key].complete = True
        while self._turns and self._calls[self._turns[0]].complete:
            first = self._turns.popleft()
            if is_whole(self._calls[first].said()):
                self._put(self._calls.pop(first).wire())

    def media(self, part: Media) -> None:
        self._put(jsontext.dumps(media_part(part))[:-1] + self._sign() + b"}")

    def opaque(self, origin: str, raw: JSON) -> None:
        if origin != NAME or not isinstance(raw, dict) or not raw:
            return
        if are_facts(raw):
            self._facts.update(raw)
        else:
            self._put(jsontext.dumps(raw))

    def usage(self, usage: Usage) -> None:
        self.totals = usage

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        if reason != "length":  # at the token limit, what waits was cut off, and must not be run
            self._flush_calls()
        last = b'{"text":""' + self._sign() + b"}"
        members = b'],"role":"model"},"finishReason":' + jsontext.dumps(REASONS[reason]) + b',"index":0'
        if facts := self._closing_facts():
            members += b"," + jsontext.dumps(facts)[1:-1]
        members += b"}]"
        self.totals = self.usage_so_far()
        if self.totals is not None:
            members += b',"usageMetadata":' + jsontext.dumps(write_usage(self.totals))
        self._write(_CANDIDATE + last + members + self._tail_members)
        self._close()

    def error(self, error: CcproxyError) -> None:
        self.failure = error
        self._calls.clear()  # a call that broke off must not be run
        self._write(jsontext.dumps(write_error(error)))
        self._close()

    def keepalive(self) -> bytes:
        return _SIGN_OF_LIFE[ARRAY if self.context.shape == ARRAY else SSE]

    # -- writing

    def _set_tail(self, id: str, model: str) -> None:
        """What every chunk ends in: which answer it belongs to."""
        name = jsontext.dumps(self.context.model or model)
        answer = jsontext.dumps(id or naming.made_id(self.context, ""))
        self._tail_members = b',"modelVersion":' + name + b',"responseId":' + answer + b"}"
        end = b"" if self.context.shape == ARRAY else _EVENT_END
        self._tail = b'],"role":"model"},"index":0}]' + self._tail_members + end
        self._text_tail = b"}" + self._tail

    def _put(self, part: bytes) -> None:
        """A chunk with this one part."""
        self.out.append(self._lead + _CANDIDATE + part + self._tail)
        self._lead = self._again

    def _write(self, document: bytes) -> None:
        self.out.append(self._lead + document)
        if self.context.shape != ARRAY:
            self.out.append(_EVENT_END)
        self._lead = self._again

    def _close(self) -> None:
        self.done = True
        if self.context.shape == ARRAY:
            self.out.append(b"]")

    def _keep(self, signature: str) -> None:
        """Holds a signature back for the next part; one that waits already gets an empty text of its own."""
        self._thought.clear()
        if self._signature:
            self._put(b'{"text":""' + self._sign() + b"}")
        self._signature = signature

    def _sign(self) -> bytes:
        return _signature_member(self._take_signature())

    def _take_signature(self) -> str:
        """The signature that waits for the part which begins now; with that part, a thought is over."""
        self._thought.clear()
        signature, self._signature = self._signature, ""
        return signature

    def _flush_calls(self) -> None:
        for call in self._calls.values():
            self._put(call.wire())
        self._calls.clear()

    def _closing_facts(self) -> dict[str, JSON]:
        grounding = grounding_from(foreign(self._citations))
        return {**self._facts, "groundingMetadata": grounding} if grounding else self._facts


def _signature_member(signature: str) -> bytes:
    return b',"thoughtSignature":' + jsontext.dumps(signature) if signature else b""


def _arguments(call: ToolCall) -> bytes:
    """A call's arguments as a JSON object on one line: the text that they came in where it is one, so that numbers stay as
    they were written."""
    raw = call.arguments.strip() if isinstance(call.arguments, str) else ""
    plain = call.kind != "custom" and raw.startswith("{") and raw.isascii() and not ("\n" in raw or "\r" in raw)
    return raw.encode() if plain and is_whole(call) else jsontext.dumps(arguments_object(call))


# ---------------------------------------------------------------------------------------------------------------------
# Same protocol


def _length(chunk: dict[str, JSON]) -> int:
    """How many characters the texts of a chunk have."""
    contents = [one.get("content") for one in chunk.get("candidates") or () if isinstance(one, dict)]
    parts = [content.get("parts") for content in contents if isinstance(content, dict)]
    texts = [part.get("text") for some in parts if isinstance(some, list) for part in some if isinstance(part, dict)]
    return sum(len(text) for text in texts if isinstance(text, str))


class Tap(streams.Tap):
    """See `streams.Tap`. The stream has no blocks to close. `done` waits for the body's end, because chunks may follow the
    finish reason."""

    __slots__ = ("_calling", "_counts", "_empty", "_finished")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._empty = True
        self._finished = False
        self._calling = False  # a function call goes on in the next chunk
        self._counts: JSON = None  # the last usageMetadata, read at the beginning and the end only

    def __repr__(self) -> str:
        return f"<Tap finished={self._finished} failure={self.failure!r}>"

    def look(self, payload: bytes) -> bytes | None:
        self.single = None
        chunk = _load(payload)
        if isinstance(chunk, list) and len(chunk) == 1:
            chunk = chunk[0]
        if type(chunk) is not dict:
            raise Malformed("a chunk of the stream is no JSON object")
        self._empty = False
        if chunk.get("error"):
            self.failure = failures.error_from_document(NAME, error_status(chunk["error"]), chunk)
            return None
        self._look_at_end(chunk, payload)
        self._count(chunk.get("usageMetadata") or chunk.get("usage_metadata"))
        if self._counts is None:  # hardly ever: every chunk counts
            self.said += _length(chunk)
        elif self._finished or self.usage is None:
            self._read_usage()
        text = None if self._finished or (self._counts is not None and self.usage is None) else _only_text(chunk)
        self.single = None if text is None else (text, self.speak if self._counts is None else streams.pass_by)
        return None

    def missed(self, tokens: Mapping[str, bytes]) -> None:
        with suppress(Malformed):
            for counts in tokens.values():
                self._count(_load(counts))

    def eof(self) -> bytes:
        if self._empty:
            raise Broken("the upstream's stream was empty")
        if self._calling and not self._finished:
            raise Broken("the upstream's stream stopped within a function call")
        self.done = True
        self._read_usage()
        if self._finished or self.failure is not None:
            return b""
        encoder = Encoder(self.context)
        encoder.finish("stop")
        return encoder.take()

    def fail(self, error: CcproxyError) -> bytes:
        self.done = True
        with suppress(Malformed):
            self._read_usage()
        if self._finished or self.failure is not None:
            return b""  # the answer was complete; only the connection's end was not clean
        return _EVENT + jsontext.dumps(write_error(error)) + _EVENT_END

    def keepalive(self) -> bytes:
        return _SIGN_OF_LIFE[SSE]

    def _count(self, counts: JSON) -> None:
        """The last that count something are true."""
        if counts and (self._counts is None or (isinstance(counts, dict) and either(counts, "totalTokenCount"))):
            self._counts = counts

    def _read_usage(self) -> None:
        if self._counts is not None:
            self.usage = read_usage(self._counts) or self.usage

    def _look_at_end(self, chunk: dict[str, JSON], payload: bytes) -> None:
        candidates = chunk.get("candidates") or ()
        if not isinstance(candidates, (list, tuple)):
            raise Malformed("the candidates are no list")
        for candidate in candidates:
            if isinstance(candidate, dict) and either(candidate, "finishReason"):
                self._finished = True
        if "promptFeedback" in chunk or "prompt_feedback" in chunk:
            self._finished = True
        if b"unctionCall" in payload or b"unction_call" in payload:
            self._calling = b"willContinue" in payload or b"will_continue" in payload


def _only_text(chunk: dict[str, JSON]) -> str | None:
    """The text of a chunk of one candidate and one part, which is nothing else."""
    candidates = chunk.get("candidates")
    candidate = candidates[0] if isinstance(candidates, list) and len(candidates) == 1 else None
    content = candidate.get("content") if isinstance(candidate, dict) else None
    parts = content.get("parts") if isinstance(content, dict) else None
    part = parts[0] if isinstance(parts, list) and len(parts) == 1 else None
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else None

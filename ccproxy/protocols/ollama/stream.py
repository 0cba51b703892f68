"""Ollama's stream: one JSON document a line, the last with `done: true`, the counts and the reason; or an error line.

    line ── message.thinking ── message.content ── message.tool_calls (each call whole) ── done

There are no blocks to open or close, so the only state is whether the end has come, and the calls that are being gathered.
"""

from __future__ import annotations

import contextlib

from ccproxy import media
from ccproxy.codec import jsontext
from ccproxy.codec.ndjson import LINE_ENDS, NDJSONReader
from ccproxy.codec.repeats import Repeats
from ccproxy.errors import Broken, CcproxyError, Malformed
from ccproxy.model import Context, Finish, Media, ToolCall, Usage, arguments_object, is_whole
from ccproxy.protocols import streams
from ccproxy.protocols.ollama.answers import (
    FINISH_OUT,
    Fields,
    LineReader,
    placed,
    stream_error,
    timestamp,
    usage_in,
    usage_out,
    write_error,
)
from ccproxy.protocols.ollama.requests_in import GENERATE, NAME
from ccproxy.stream import Sink

STREAM_TYPE = "application/x-ndjson"

VOLATILE = ("created_at",)
"""What differs from line to line and changes nothing."""

_EMPTY = "the upstream's stream was empty"


def _document(payload: bytes) -> Fields:
    """One line, decoded; numbers of any length stay exact where a call's arguments may hold them."""
    try:
        document = jsontext.loads_exact(payload) if b'"arguments"' in payload else jsontext.loads(payload)
    except jsontext.JSONError as error:
        raise Malformed(f"a line of the upstream's stream is not JSON: {error}") from None
    if type(document) is not dict:
        raise Malformed("a line of the upstream's stream is no JSON object")
    return document


def repeats() -> Repeats:
    """See `Chat.repeats`."""
    return Repeats(LINE_ENDS, VOLATILE, varying=VOLATILE)


class Decoder(streams.Decoder):
    __slots__ = ("_lines",)

    def __init__(self, context: Context, sink: Sink) -> None:
        super().__init__(context, sink, NDJSONReader(), repeats())
        self._lines = LineReader(context, sink)

    def _ended(self) -> None:
        for payload in self._reader.eof():
            self._last_line(payload)
        if self.done:
            return
        if not self._lines.started:
            raise Broken(_EMPTY)
        self.done = True
        self._lines.end({})

    def _single(self) -> streams.Single | None:
        return self._lines.single

    def _record(self, payload: bytes) -> None:
        document = _document(payload)
        if document.get("error"):
            self.done = True
            self.sink.error(stream_error(document))
        elif self._lines.read(document):
            self.done = True

    def _last_line(self, payload: bytes) -> None:
        """A line without its end may have been cut."""
        try:
            jsontext.loads(payload)
        except jsontext.JSONError:
            raise Broken("the upstream's stream stopped in the middle of a line") from None
        self._record(payload)


# ---------------------------------------------------------------------------------------------------------------------
# Writing

_HEADS = {GENERATE: b',"response":'}
_CHAT_HEAD = b',"message":{"role":"assistant","content":'
_ENDS = {GENERATE: b',"done":false}\n'}
_CHAT_END = b'},"done":false}\n'
"""What stands around a line's words. The lines of `/api/generate` have no message around them."""

_SEPARATORS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))
"""Characters at which readers that go by Unicode's line ends (httpx in Ollama's SDK) would cut a line. They can only stand
in strings, where the escapes mean the same."""


def _quoted(text: str) -> bytes:
    return _one_line(jsontext.dumps(text))


def _one_line(document: bytes) -> bytes:
    for raw, escape in () if document.isascii() else _SEPARATORS:
        if raw in document:
            document = document.replace(raw, escape)
    return document


def _last_line(context: Context, model: str, created_at: str, reason: str, counts: Fields) -> bytes:
    head = {"model": model, "created_at": created_at, **placed({"role": "assistant", "content": ""}, context)}
    return _one_line(jsontext.dumps({**head, "done": True, "done_reason": reason, **counts})) + b"\n"


def _error_line(error: CcproxyError) -> bytes:
    return _one_line(jsontext.dumps(write_error(error))) + b"\n"


class Encoder(streams.Encoder):
    """Text and thinking leave at once; a call leaves whole when it ends, as nothing less can be said in this protocol; one
    whose arguments are no object waits for the end of the answer, which tells whether it was cut off."""

    __slots__ = ("_calls", "_created_at", "_end", "_head", "_model", "_unsure", "_written")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._model = context.model
        self._created_at = timestamp(context.created)
        self._head = b""
        self._end = _ENDS.get(context.shape, _CHAT_END)
        self._calls: dict[int, tuple[ToolCall, list[str]]] = {}
        self._unsure: list[ToolCall] = []
        self._written = 0

    def start(self, id: str, model: str, created: int) -> None:
        self._model = self._model or model
        self._created_at = timestamp(self.context.created or created)
        head = b'{"model":' + _quoted(self._model) + b',"created_at":' + _quoted(self._created_at)
        self._head = head + _HEADS.get(self.context.shape, _CHAT_HEAD)

    def text(self, text: str) -> None:
        words = jsontext.dumps(text)
        if not words.isascii():
            words = _one_line(words)
        self.said += len(words) - 2
        self.out.append(self._head + words + self._end)

    def refusal(self, text: str) -> None:
        self.text(text)

    def thinking(self, text: str) -> None:
        words = jsontext.dumps(text)
        if not words.isascii():
            words = _one_line(words)
        self.said += len(words) - 2
        self.out.append(self._head + b'"","thinking":' + words + self._end)

    def media(self, part: Media) -> None:
        self.text(media.stand_in(part, NAME).text)

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        self._calls[key] = (ToolCall(id, name, "", kind="custom" if kind == "custom" else "function"), [])

    def tool_arguments(self, key: int, text: str) -> None:
        self._calls[key][1].append(text)
        self.said += len(text)

    def tool_end(self, key: int) -> None:
        call, pieces = self._calls.pop(key)
        call.arguments = "".join(pieces)
        if is_whole(call):
            self._put(call)
        else:
            self._unsure.append(call)

    def _put(self, call: ToolCall) -> None:
        function = b'{"index":%d,"name":%b,"arguments":%b}' % (self._written, _quoted(call.name), _arguments(call))
        self._written += 1
        self.out.append(
            self._head + b'"","tool_calls":[{"id":%b,"function":%b}]' % (_quoted(call.id), function) + self._end
        )

    def usage(self, usage: Usage) -> None:
        self.totals = usage

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        for call in self._unsure if reason != "length" else ():  # at the token limit they were cut off: not to be run
            self._put(call)
        self.done = True
        self.totals = self.usage_so_far()
        word, counts = FINISH_OUT.get(reason, "stop"), usage_out(self.totals)
        self.out.append(_last_line(self.context, self._model, self._created_at, word, counts))

    def error(self, error: CcproxyError) -> None:
        """Calls that are still open are lost: half of one means nothing."""
        self.done = True
        self.failure = error
        self.out.append(_error_line(error))


def _arguments(call: ToolCall) -> bytes:
    """The arguments' own text where it is an object on one line, so that numbers and key order stay as they were."""
    text = call.arguments
    if isinstance(text, str) and text.startswith("{") and call.kind == "function" and not ("\n" in text or "\r" in text):
        with contextlib.suppress(jsontext.JSONError, UnicodeEncodeError):
            jsontext.loads(text)
            return _one_line(text.encode())
    return _one_line(jsontext.dumps(arguments_object(call)))


# ---------------------------------------------------------------------------------------------------------------------
# Looking


def _length(document: Fields) -> int:
    """How many characters a line says."""
    message = document.get("message")
    words = message.get("content") or message.get("thinking") if isinstance(message, dict) else document.get("response")
    return len(words) if isinstance(words, str) else 0


class Tap(streams.Tap):
    __slots__ = ("_model",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._model: str | None = None

    def look(self, payload: bytes) -> bytes | None:
        document = _document(payload)
        if self._model is None:
            said = document.get("model")
            self._model = said if isinstance(said, str) else self.context.model
        self.said += _length(document)
        if document.get("error"):
            self.failure = stream_error(document)
        elif document.get("done"):
            self.done = True
            self.usage = usage_in(document)
        self.single = self._single_of(document) if not (self.done or self.failure) else None
        return None

    def _single_of(self, document: Fields) -> streams.Single | None:
        message = document.get("message")
        text = (message.get("content") or message.get("thinking")) if isinstance(message, dict) else None
        return (text, self.speak) if isinstance(text, str) else None

    def eof(self) -> bytes:
        if self.done or self.failure:
            return b""
        if self._model is None:
            raise Broken(_EMPTY)
        self.done = True
        return _last_line(self.context, self._model, timestamp(self.context.created), "stop", usage_out(None))

    def fail(self, error: CcproxyError) -> bytes:
        return b"" if self.done or self.failure else _error_line(error)

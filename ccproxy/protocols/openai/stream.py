"""The stream: chunks of JSON as server-sent events, ended by `data: [DONE]`.

Decoder: frames the bytes; `reading.AnswerReader` says what a chunk means.
Encoder: Sink calls -> chunks. One id for all; the role in the first chunk, together with the first delta; calls numbered
from 0, their id, type and name only in the first piece; an empty delta with the reason; if asked for, a chunk with usage
and no choices.
Tap: beside a stream that passes as it is; adds what its end lacks.

API reference "Chat Completions", "The chat completion chunk object"; `stream_options.include_usage`. An error is one event
`{"error": {...}}` and no [DONE] after it: that is what OpenAI's SDKs raise for.
"""

from __future__ import annotations

from ccproxy import media
from ccproxy.codec import jsontext
from ccproxy.codec.repeats import Repeats
from ccproxy.codec.sse import EVENT_ENDS, SSEReader, event
from ccproxy.errors import Broken, CcproxyError, Malformed, UpstreamError
from ccproxy.model import JSON, Audio, Citation, Context, Finish, Image, Media, Usage, seal
from ccproxy.protocols import streams
from ccproxy.protocols.naming import made_id
from ccproxy.protocols.openai.answers import annotation_of, image_of, speech_of, unwrapped
from ccproxy.protocols.openai.calls import is_complete
from ccproxy.protocols.openai.reading import CUT, EMPTY, AnswerReader
from ccproxy.protocols.openai.terms import (
    DETAILS,
    EXTRA,
    FINISH_OUT,
    NAME,
    counts_of,
    error_in,
    is_error,
    own_proof,
    usage_in,
    usage_out,
    write_error,
)
from ccproxy.stream import Sink

_DONE = b"[DONE]"

VOLATILE = ("id", "created", "obfuscation")
"""Members that differ from chunk to chunk and change nothing: padding (API reference,
`stream_options.include_obfuscation`), and the id and the time with servers that make them anew each time."""
VARYING = ("obfuscation",)

_END = event(_DONE)


def repeats() -> Repeats:
    """See `Chat.repeats`."""
    return Repeats(EVENT_ENDS, VOLATILE, VARYING)


class Decoder(streams.Decoder):
    """See `streams.Decoder`."""

    __slots__ = ("_answer",)

    def __init__(self, context: Context, sink: Sink) -> None:
        super().__init__(context, sink, SSEReader(), repeats())
        self._answer = AnswerReader(context, sink)

    def __repr__(self) -> str:
        return f"<Decoder {self._answer!r}>"

    def _record(self, payload: bytes) -> None:
        answer = self._answer
        try:
            if payload == _DONE:
                answer.end()
            else:
                answer.chunk(jsontext.loads(payload))
        except jsontext.JSONError:
            raise Malformed("an event of the stream is no JSON") from None
        self.done = answer.done

    def _single(self) -> streams.Single | None:
        return self._answer.single

    def _ended(self) -> None:
        self._take(self._reader.eof())
        self._answer.cut()
        self.done = True


# ---------------------------------------------------------------------------------------------------------------------


class _Call:
    """One call on the client's side. head: a chunk up to a piece of its arguments. held: the pieces of a custom tool's
    input that came as a function's JSON."""

    __slots__ = ("head", "held", "index", "silent")

    def __init__(self, head: bytes, index: int, custom: bool, unwrap: bool) -> None:
        member, key = (b"custom", b"input") if custom else (b"function", b"arguments")
        self.index = index
        self.head = head + b'"tool_calls":[{"index":%d,"%b":{"%b":' % (index, member, key)
        self.held: list[str] | None = [] if unwrap else None
        self.silent = not custom  # no arguments have come; a function's must be JSON in the end


_THOUGHT = "thought"
_FUNCTION = b'"type":"function","function":{"name":%b,"arguments":""}'
_CUSTOM = b'"type":"custom","custom":{"name":%b,"input":""}'


class Encoder(streams.Encoder):
    """See `streams.Encoder`. Calls may interleave on this wire, and other deltas may come while they are open."""

    __slots__ = ("_annotations", "_before", "_call_tail", "_calls", "_content", "_head", "_lead", "_tail", "_thoughts")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._calls: dict[int, _Call] = {}
        self._annotations: list[JSON] = []
        self._before = ""  # what a signature would belong to: _THOUGHT, nothing, or a call that has yet to come (its JSON)
        self._lead = b'"role":"assistant",'
        self._tail = b'},"finish_reason":null}]%b}\n\n' % (b',"usage":null' if context.include_usage else b"")
        self._call_tail = b"}}]" + self._tail
        self._head = b""
        self._begin(context.model, context.created)

    def start(self, id: str, model: str, created: int) -> None:
        self._begin(self.context.model or model, self.context.created or created)

    def text(self, text: str) -> None:
        words = jsontext.dumps(text)
        self.said += len(words) - 2
        if self._lead or self._before:
            self._delta(b'"content":' + words)
        else:
            self.out.append(self._content + words + self._tail)

    def refusal(self, text: str) -> None:
        self.said += len(text)
        self._delta(b'"refusal":' + jsontext.dumps(text))

    def thinking(self, text: str) -> None:
        words = jsontext.dumps(text)
        self.said += len(words) - 2
        if self._before == _THOUGHT:
            self.out.append(self._thoughts + words + self._tail)
        else:
            self._delta(b'"reasoning_content":' + words)
            self._before = _THOUGHT

    def signature(self, signature: str, origin: str) -> None:
        """A thought's own has no place, but for those who sent it in reasoning_details. One that stands before a call goes
        with the call, in `extra_content`, and comes back from clients that replay their calls as they got them."""
        if origin == NAME:
            self._own_signature(own_proof(signature) or {})
        elif self._before != _THOUGHT:
            self._before = jsontext.dumps_str({"ccproxy": {"signature": seal(signature, origin, NAME)}})

    def redacted(self, data: str, origin: str) -> None:
        if origin == NAME and (detail := own_proof(data)):
            self._fields({DETAILS: [detail]})

    def citation(self, citation: Citation) -> None:
        """Waits for the end: the official SDK joins lists of several chunks by an `index` that annotations do not have."""
        if annotation := annotation_of(citation):
            self._annotations.append(annotation)

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        tool = self.context.tools.get(name)
        custom = kind == "custom" or (tool is not None and tool.kind == "custom")
        call = self._calls[key] = _Call(self._head, len(self._calls), custom, custom and kind != "custom")
        extra = b',"%b":%b' % (EXTRA.encode(), self._before.encode()) if self._before.startswith("{") else b""
        content = b'"content":null,' if self._lead else b""
        body = (_CUSTOM if custom else _FUNCTION) % jsontext.dumps(name)
        parts = (content, call.index, jsontext.dumps(id), body, extra)
        self._delta(b'%b"tool_calls":[{"index":%d,"id":%b,%b%b}]' % parts)

    def tool_arguments(self, key: int, text: str) -> None:
        call = self._calls[key]
        if call.held is not None:
            call.held.append(text)
            return
        call.silent = False
        words = jsontext.dumps(text)
        self.said += len(words) - 2
        self.out.append(call.head + words + self._call_tail)

    def tool_end(self, key: int) -> None:
        call = self._calls[key]
        if call.held is not None:
            text, call.held = unwrapped("".join(call.held)), None
            self.tool_arguments(key, text)
        elif call.silent:
            self.tool_arguments(key, "{}")

    def media(self, part: Media) -> None:
        if isinstance(part, Image):
            self._fields({"images": [image_of(part)]})
        elif isinstance(part, Audio) and part.data is not None:
            self._fields({"audio": speech_of(part, self.context)})
        else:
            self.text(media.stand_in(part, NAME).text)

    def opaque(self, origin: str, raw: JSON) -> None:
        if origin == NAME and isinstance(raw, dict) and raw:
            self._fields(raw)

    def usage(self, usage: Usage) -> None:
        self.totals = usage

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        """An answer that the upstream ended as failed becomes an error: this protocol has no such reason."""
        if reason == "error":
            self.error(UpstreamError("the upstream ended its answer with an error"))
            return
        if self._annotations:
            self._fields({"annotations": self._annotations})
        if self._lead or self._before == _THOUGHT:  # clients look for an answer behind the thoughts
            self._delta(b'"content":""')
        self.totals = self.usage_so_far()
        word = FINISH_OUT[reason].encode()
        self.out.append(self._head + self._tail.replace(b'"finish_reason":null', b'"finish_reason":"%b"' % word, 1))
        if self.context.include_usage and self.totals is not None:
            before_choices = self._head[: self._head.index(b'"choices":')]
            self.out.append(b'%b"choices":[],"usage":%b}\n\n' % (before_choices, jsontext.dumps(usage_out(self.totals))))
        self.out.append(_END)
        self.done = True

    def error(self, error: CcproxyError) -> None:
        self.out.append(event(jsontext.dumps(write_error(error))))
        self.failure = error
        self.done = True

    def keepalive(self) -> bytes:
        """A chunk with an empty delta, which also says the role if nothing has yet."""
        if self.done:
            return b""
        lead, self._lead = self._lead, b""
        return self._head + (lead + b'"content":""' if lead else b"") + self._tail

    def _begin(self, model: str, created: int) -> None:
        self._head = _head(made_id(self.context, "chatcmpl-"), model, created)
        self._content = self._head + b'"content":'
        self._thoughts = self._head + b'"reasoning_content":'

    def _delta(self, members: bytes) -> None:
        self.out.append(b"%b%b%b%b" % (self._head, self._lead, members, self._tail))
        self._lead = b""
        self._before = ""

    def _fields(self, fields: dict[str, JSON]) -> None:
        self._delta(jsontext.dumps(fields)[1:-1])

    def _own_signature(self, proof: dict[str, JSON]) -> None:
        if EXTRA in proof:
            self._before = jsontext.dumps_str(proof[EXTRA])
        elif proof:
            self._fields({DETAILS: [proof]})


def _head(id: str, model: str, created: int) -> bytes:
    """A chunk up to the inside of its delta."""
    members = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
    return b'data: %b,"choices":[{"index":0,"delta":{' % jsontext.dumps(members)[:-1]


# ---------------------------------------------------------------------------------------------------------------------


class _Choice:
    """What the Tap remembers of one choice. single: see `streams.Single`, of its last delta."""

    __slots__ = ("calls", "finished", "length", "said", "single")

    def __init__(self) -> None:
        self.calls: dict[JSON, list[str]] = {}  # index -> pieces of the arguments
        self.finished = False
        self.length = 0  # characters of texts and thoughts
        self.said = False
        self.single: streams.Single | None = None

    def look(self, choice: dict[str, JSON]) -> None:
        self.single = None
        if choice.get("finish_reason"):
            self.finished = True
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        first = ""
        for key, value in delta.items():
            if value and key != "role":
                self.said = True
                if not first and isinstance(value, str):
                    first = value
        words = delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")
        if type(words) is str:
            self.length += len(words)
        entries = delta.get("tool_calls")
        if not entries or not isinstance(entries, list):
            self.single = (first, self._speak) if first else None
            return
        for entry in entries:
            function = entry.get("function") if isinstance(entry, dict) else None
            arguments = function.get("arguments") if isinstance(function, dict) else None
            pieces = self.calls.setdefault(jsontext.dumps(entry.get("index")), []) if isinstance(entry, dict) else []
            if isinstance(arguments, str):
                pieces.append(arguments)
                self.single = (arguments, pieces.append) if len(entries) == 1 else None

    def complete(self) -> bool:
        return self.said and all(is_complete("".join(pieces)) for pieces in self.calls.values())

    def _speak(self, text: str) -> None:
        self.length += len(text)


class Tap(streams.Tap):
    """See `streams.Tap`. All choices are followed; the model's name stands in every chunk and is left alone."""

    __slots__ = ("_choices", "_first")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._choices: dict[int, _Choice] = {}
        self._first: dict[str, JSON] = {}  # the first chunk, for its id and model

    def look(self, payload: bytes) -> bytes | None:
        """[DONE] is preceded by the finish that the upstream forgot, as two events in one; a stream of [DONE] alone becomes
        an error. Nothing counts after it."""
        self.single = None
        if self.done:
            return None
        if payload == _DONE:
            self.done = True
            if not self._choices and self.failure is None:
                self.failure = Broken(EMPTY)
                return jsontext.dumps(write_error(self.failure))
            finish = b"" if self.failure else self._missing_finish()
            return finish + b"\n\ndata: " + _DONE if finish else None
        try:
            self._chunk(jsontext.loads(payload))
        except jsontext.JSONError:
            raise Malformed("an event of the stream is no JSON") from None
        return None

    def length(self) -> int:
        choices = self._choices.values()
        calls = sum(len(piece) for choice in choices for pieces in choice.calls.values() for piece in pieces)
        return calls + sum(choice.length for choice in choices)

    def eof(self) -> bytes:
        if self.done or self.failure is not None:
            return b""
        if not self._choices:
            raise Broken(EMPTY)
        if not all(choice.finished or choice.complete() for choice in self._choices.values()):
            raise Broken(CUT)
        self.done = True
        finish = self._missing_finish()
        return (event(finish) if finish else b"") + _END

    def fail(self, error: CcproxyError) -> bytes:
        return event(jsontext.dumps(write_error(error)))

    def keepalive(self) -> bytes:
        return b"" if self.done else event(self._own_chunk([{"index": 0, "delta": {}, "finish_reason": None}]))

    def _chunk(self, document: JSON) -> None:
        if not isinstance(document, dict):
            raise Malformed("a chunk of the stream is no object")
        if (document.get("error") or "choices" not in document) and is_error(document):
            self.failure = error_in(document)
            return
        counts = counts_of(document)
        if counts is not None:
            self.usage = usage_in(counts)
        choices = document.get("choices")
        choices = choices if isinstance(choices, list) else []
        for choice in choices:
            if isinstance(choice, dict):
                index = choice.get("index")
                index = index if isinstance(index, int) else 0
                known = self._choices.get(index)
                if known is None:
                    known = self._choices[index] = _Choice()
                known.look(choice)
                self.single = known.single if len(choices) == 1 and not known.finished else None
                self._first = self._first or document

    def _missing_finish(self) -> bytes:
        missing: list[JSON] = [
            {"index": index, "delta": {}, "finish_reason": "tool_calls" if choice.calls else "stop"}
            for index, choice in self._choices.items()
            if not choice.finished
        ]
        return self._own_chunk(missing) if missing else b""

    def _own_chunk(self, choices: list[JSON]) -> bytes:
        first = self._first
        chunk = {
            "id": first.get("id") or made_id(self.context, "chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": first.get("created") or self.context.created,
            "model": first.get("model") or self.context.model,
            "choices": choices,
        }
        return jsontext.dumps(chunk)

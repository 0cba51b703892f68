"""GenerateContentResponse documents into Sink calls: one for a whole answer, many for a stream.

Gemini API reference, "GenerateContentResponse"; each chunk of a stream is such a document with the next pieces. Rules that
live here: only candidate 0 counts; counts are running totals, and frames of zeros are placeholders; a signature stands on
the part that it signs; a function call comes whole, or in pieces until one says nothing of a continuation; the reason of
the end is held back, because usage may come later.
"""

from __future__ import annotations

from typing import Any

from ccproxy.codec import jsontext
from ccproxy.errors import Broken, Malformed, UpstreamError
from ccproxy.media import part_for
from ccproxy.model import JSON, Citation, Context, Finish, Media, Usage
from ccproxy.protocols.failures import error_from_document
from ccproxy.protocols.gemini.grounding import FACTS, citations_of
from ccproxy.protocols.gemini.partial import Arguments
from ccproxy.protocols.gemini.terms import FAILURES, FINISHES, error_status, read_usage
from ccproxy.protocols.gemini.wire import NAME, either
from ccproxy.protocols.naming import client_tool_name, made_id
from ccproxy.protocols.streams import Single
from ccproxy.stream import Sink

_LISTS = (list, tuple)


class _OpenCall:
    """A function call whose arguments are still coming."""

    __slots__ = ("arguments", "key")

    def __init__(self, key: int, arguments: Arguments) -> None:
        self.key = key
        self.arguments = arguments


class ChunkReader:
    """Takes the chunks of one answer and makes its calls. `ended` is true after `finish` or `error`; what comes later is
    ignored. `single`: see `streams.Single`, of the last chunk. Raises Malformed."""

    __slots__ = (
        "_call",
        "_calls",
        "_context",
        "_facts",
        "_ids",
        "_reason",
        "_sink",
        "_started",
        "_texts",
        "_told",
        "_usage",
        "ended",
        "single",
    )

    def __init__(self, context: Context, sink: Sink) -> None:
        self._context = context
        self._sink = sink
        self._started = False
        self._call: _OpenCall | None = None
        self._calls = 0
        self._ids: set[str] = set()
        self._reason = ""  # the upstream's word for the end
        self._usage: JSON = None  # the last usageMetadata; read when it is told, which is twice
        self._told: Usage | None = None
        self._facts: dict[str, JSON] = {}  # of the candidate, such as groundingMetadata
        self._texts: list[str] = []  # the visible text, for citations, which count bytes of it
        self.ended = False
        self.single: Single | None = None

    def __repr__(self) -> str:
        return f"<ChunkReader calls={self._calls} reason={self._reason!r} ended={self.ended}>"

    def take(self, chunk: JSON) -> None:
        """One decoded document, or a list of one, as errors come."""
        self.single = None
        if type(chunk) is list and len(chunk) == 1:
            chunk = chunk[0]
        if type(chunk) is not dict:
            raise Malformed("a chunk of the answer is no JSON object")
        if chunk.get("error"):
            self._fail(error_from_document(NAME, error_status(chunk["error"]), chunk))
            return
        if not self._started:
            self._start(chunk)
        candidates = chunk.get("candidates")
        if candidates:
            self._take_candidates(candidates)
        self.count(counts := chunk.get("usageMetadata") or chunk.get("usage_metadata"))
        if counts and self._told is None:  # nothing but zeros: the first that count are told at once
            self.single = None
        if "promptFeedback" in chunk or "prompt_feedback" in chunk:
            self._take_feedback(either(chunk, "promptFeedback"))

    def count(self, usage: JSON) -> None:
        """A chunk's usageMetadata, if it has one."""
        if usage:
            self._take_usage(usage)

    def end(self) -> None:
        """The body ended cleanly. Raises Broken where the answer cannot end here."""
        if self.ended:
            return
        if not self._started:
            raise Broken("the upstream's stream was empty")
        if self._call is not None:
            if not self._reason:
                raise Broken("the upstream's stream stopped within a function call")
            self._close_call()
        if self._reason in FAILURES or (self._reason == "OTHER" and not self._texts and not self._calls):
            self._fail(UpstreamError(f"the model could not answer: {self._reason}", code=self._reason))
            return
        self._tell_facts()
        self._tell_usage()
        self.ended = True
        self._sink.finish(self._finish())

    @property
    def reason(self) -> str:
        """The upstream's word for the end; empty while none has come."""
        return self._reason

    # -- the parts of a chunk

    def _start(self, chunk: dict[str, JSON]) -> None:
        self._started = True
        self._sink.start(_string(either(chunk, "responseId")), _string(either(chunk, "modelVersion")), 0)

    def _take_candidates(self, candidates: JSON) -> None:
        if type(candidates) is not list:
            raise Malformed("the candidates are no list")
        for candidate in candidates:
            if type(candidate) is not dict:
                raise Malformed("a candidate is no object")
            if candidate.get("index"):
                continue
            content = candidate.get("content")
            if content:
                self._take_content(content)
            if not content or len(candidate) > 2 or "index" not in candidate:  # nearly every one has these two and no more
                self._take_rest(candidate)
        if len(candidates) > 1:
            self.single = None

    def _take_rest(self, candidate: dict[str, JSON]) -> None:
        reason = either(candidate, "finishReason")
        if reason:
            self.single = None
            self._reason = _string(reason).upper()
        for key in FACTS:
            fact = either(candidate, key)
            if fact:
                self.single = None
                self._facts[key] = fact

    def _take_content(self, content: JSON) -> None:
        if type(content) is not dict:
            raise Malformed("a candidate's content is no object")
        parts = content.get("parts") or ()
        if type(parts) not in _LISTS:
            raise Malformed("the parts of a candidate's content are no list")
        for part in parts:
            if type(part) is not dict:
                raise Malformed("a part of the answer is no object")
            text = part.get("text")
            if text is None:
                self._take_other(part)
            elif type(text) is str:
                self._take_text(part, text)
                self.single = self._single_of(part, text) if text and len(parts) == 1 else None
            else:
                raise Malformed("the text of a part is no string")

    def _take_text(self, part: dict[str, JSON], text: str) -> None:
        thought = part.get("thought")
        signature = part.get("thoughtSignature") or part.get("thought_signature")
        if signature and not thought:
            self._sink.signature(_string(signature), NAME)
        if text:
            if thought:
                self._sink.thinking(text)
            else:
                self._texts.append(text)
                self._sink.text(text)
        if signature and thought:
            self._sink.signature(_string(signature), NAME)

    def _single_of(self, part: dict[str, JSON], text: str) -> Single | None:
        if part.get("thoughtSignature") or part.get("thought_signature"):
            return None
        return text, self._sink.thinking if part.get("thought") else self._more_text

    def _more_text(self, text: str) -> None:
        self._texts.append(text)
        self._sink.text(text)

    def _take_other(self, part: dict[str, JSON]) -> None:
        call = either(part, "functionCall")
        if call is not None:
            self._take_call(part, call)
        elif part.get("thought"):
            self._sink.opaque(NAME, part)
        elif blob := either(part, "inlineData"):
            self._take_media(part, blob, "data")
        elif blob := either(part, "fileData"):
            self._take_media(part, blob, "fileUri")
        elif part:
            self._sink.opaque(NAME, part)

    def _take_media(self, part: dict[str, JSON], blob: JSON, key: str) -> None:
        if type(blob) is not dict or not isinstance(either(blob, key), str):
            raise Malformed("the media of a part is no object with data")
        self._sign(part)
        mime = _string(either(blob, "mimeType"))
        made: Media = part_for(mime)(mime=mime)
        if key == "data":
            made.data = blob["data"]
        else:
            made.url = either(blob, key)
        self._sink.media(made)

    def _sign(self, part: dict[str, JSON]) -> None:
        signature = either(part, "thoughtSignature")
        if signature:
            self._sink.signature(_string(signature), NAME)

    # -- function calls

    def _take_call(self, part: dict[str, JSON], call: JSON) -> None:
        if type(call) is not dict:
            raise Malformed("a function call is no object")
        name = _string(call.get("name"))
        if name:
            self._close_call()
            self._sign(part)
            self._open_call(name, call)
        if self._call is None:
            return  # the last word on a call that is closed already
        pieces = either(call, "partialArgs") or ()
        if type(pieces) not in _LISTS:
            raise Malformed("the partial arguments of a function call are no list")
        for piece in pieces:
            self._call.arguments.put(piece)
        if not either(call, "willContinue"):
            self._close_call()

    def _open_call(self, name: str, call: dict[str, JSON]) -> None:
        start = call.get("args")
        if start is not None and type(start) is not dict:
            raise Malformed("the arguments of a function call are no object")
        key = self._calls
        self._calls += 1
        id = _string(call.get("id"))
        if not id or id in self._ids:
            id = made_id(self._context, "call_", key)
        self._ids.add(id)
        self._call = _OpenCall(key, Arguments(start or {}))
        self._sink.tool_start(key, id, client_tool_name(name, self._context))

    def _close_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            try:
                arguments = jsontext.dumps_str(call.arguments.value)
            except jsontext.JSONError as error:
                raise Malformed(f"the arguments of a function call cannot be read: {error}") from None
            self._sink.tool_arguments(call.key, arguments)
            self._sink.tool_end(call.key)

    # -- the end

    def _take_usage(self, raw: JSON) -> None:
        """Keeps the counts. Reading them costs more than the rest of a chunk, so only the first and the last are read."""
        if (type(raw) is dict and raw.get("totalTokenCount")) or read_usage(raw) is not None:
            self._usage = raw
        if self._told is None:  # early, for clients that learn the input's size at the start
            self._tell_usage()

    def _take_feedback(self, feedback: JSON) -> None:
        """A prompt that was blocked has no candidates ("PromptFeedback")."""
        if isinstance(feedback, dict) and either(feedback, "blockReason") and not self._reason:
            self._reason = "PROHIBITED_CONTENT"

    def _tell_usage(self) -> None:
        usage = None if self._usage is None else read_usage(self._usage)
        if usage is not None and usage != self._told:
            self._sink.usage(usage)
            self._told = usage

    def _tell_facts(self) -> None:
        for citation in self._citations():
            self._sink.citation(citation)
        if self._facts:
            self._sink.opaque(NAME, self._facts)

    def _citations(self) -> list[Citation]:
        return citations_of(self._facts, "".join(self._texts)) if self._facts and self._texts else []

    def _finish(self) -> Finish:
        reason = FINISHES.get(self._reason, "stop")
        return "tool_calls" if self._calls and reason == "stop" else reason

    def _fail(self, error: UpstreamError) -> None:
        self._tell_usage()
        self.ended = True
        self._sink.error(error)


def _string(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        raise Malformed("a field of the answer that must be a string is none")
    return value

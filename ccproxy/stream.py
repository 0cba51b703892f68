"""A stream of an answer as calls. A Decoder makes them, an Encoder or a Collector takes them, Stages stand between.

    start  ( text | refusal | citation | thinking | signature | redacted | tool_start tool_arguments* tool_end
             | media | opaque | usage )*  ( finish | error )

Who promises what:

- `start` comes once and first, `finish` or `error` once and last; after that no call. An error may come without a start.
- Strings are deltas; a Decoder never passes an empty one. Counts are running totals: the last `usage` is true.
- `finish` closes the stream: a Decoder holds the reason back until late usage has come or cannot come any more.
- Tool calls may interleave: `key` tells them apart. Each has its name from `tool_start` on; ids are never empty and are
  unique in the stream. `tool_end` comes for each before `finish`; at an error a call may stay open.
- `signature` belongs to the thinking just before it, and ends that thought. With no thinking open it stands alone: it
  signs the tool call or text that comes next, or, at the end, the answer.
- A takes-all Sink method returns None and never raises on a legal order.

The methods of Sink itself do nothing, so a Sink overrides what it cares for.
"""

from __future__ import annotations

from ccproxy.errors import CcproxyError
from ccproxy.model import (
    JSON,
    Answer,
    Citation,
    Finish,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)


class Sink:
    """Takes the calls of one stream."""

    __slots__ = ()

    def start(self, id: str, model: str, created: int) -> None:
        """id: the upstream's id of the answer or "". model: the upstream's. created: seconds since the epoch or 0."""

    def text(self, text: str) -> None: ...

    def refusal(self, text: str) -> None:
        """The model's words of refusal."""

    def citation(self, citation: Citation) -> None:
        """A source of the text that came last."""

    def thinking(self, text: str) -> None: ...

    def signature(self, signature: str, origin: str) -> None:
        """The maker's opaque proof; `origin` is its protocol."""

    def redacted(self, data: str, origin: str) -> None:
        """A whole thought that only its maker can read."""

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        """A call begins. key: this stream's number for it. kind: `function` or `custom` (free-text input)."""

    def tool_arguments(self, key: int, text: str) -> None:
        """A piece of the arguments' JSON text, or of a custom tool's input."""

    def tool_end(self, key: int) -> None: ...

    def media(self, part: Media) -> None:
        """A whole image, document or audio that the model made."""

    def opaque(self, origin: str, raw: JSON) -> None:
        """A whole block that only `origin` knows, such as a server tool's result."""

    def usage(self, usage: Usage) -> None:
        """The counts so far."""

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        """The answer is complete."""

    def error(self, error: CcproxyError) -> None:
        """The answer breaks off here."""


class Stage(Sink):
    """Forwards every call to `next`; a subclass overrides what it changes."""

    __slots__ = ("next",)

    def __init__(self, next: Sink) -> None:
        self.next = next

    def start(self, id: str, model: str, created: int) -> None:
        self.next.start(id, model, created)

    def text(self, text: str) -> None:
        self.next.text(text)

    def refusal(self, text: str) -> None:
        self.next.refusal(text)

    def citation(self, citation: Citation) -> None:
        self.next.citation(citation)

    def thinking(self, text: str) -> None:
        self.next.thinking(text)

    def signature(self, signature: str, origin: str) -> None:
        self.next.signature(signature, origin)

    def redacted(self, data: str, origin: str) -> None:
        self.next.redacted(data, origin)

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        self.next.tool_start(key, id, name, kind)

    def tool_arguments(self, key: int, text: str) -> None:
        self.next.tool_arguments(key, text)

    def tool_end(self, key: int) -> None:
        self.next.tool_end(key)

    def media(self, part: Media) -> None:
        self.next.media(part)

    def opaque(self, origin: str, raw: JSON) -> None:
        self.next.opaque(origin, raw)

    def usage(self, usage: Usage) -> None:
        self.next.usage(usage)

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        self.next.finish(reason, stop_sequence)

    def error(self, error: CcproxyError) -> None:
        self.next.error(error)


class Collector(Sink):
    """Builds an Answer. `done` tells that the stream ended, `failure` how it broke, if it did."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.done = False
        self.failure: CcproxyError | None = None
        self._pieces: list[str] = []  # of the run of text, refusal or thinking that is open
        self._run: Text | Refusal | Reasoning | None = None
        self._calls: dict[int, tuple[ToolCall, list[str]]] = {}

    def start(self, id: str, model: str, created: int) -> None:
        self.answer.id, self.answer.model, self.answer.created = id, model, created

    def text(self, text: str) -> None:
        if type(self._run) is not Text:
            self._open(Text(""))
        self._pieces.append(text)

    def refusal(self, text: str) -> None:
        if type(self._run) is not Refusal:
            self._open(Refusal(""))
        self._pieces.append(text)

    def thinking(self, text: str) -> None:
        if type(self._run) is not Reasoning:
            self._open(Reasoning())
        self._pieces.append(text)

    def citation(self, citation: Citation) -> None:
        text = self._run if isinstance(self._run, Text) else Text("")
        if text is not self._run:
            self._open(text)
        text.citations.append(citation)

    def signature(self, signature: str, origin: str) -> None:
        thought = self._run if isinstance(self._run, Reasoning) else Reasoning()
        if thought is not self._run:
            self._open(thought)
        thought.signature, thought.origin = signature, origin
        self._close()

    def redacted(self, data: str, origin: str) -> None:
        self._whole(Reasoning(redacted=data, origin=origin))

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        call = ToolCall(id, name, "", kind="custom" if kind == "custom" else "function")
        self._calls[key] = (call, [])
        self._whole(call)

    def tool_arguments(self, key: int, text: str) -> None:
        self._calls[key][1].append(text)

    def tool_end(self, key: int) -> None:
        call, pieces = self._calls[key]
        call.arguments = "".join(pieces)

    def media(self, part: Media) -> None:
        self._whole(part)

    def opaque(self, origin: str, raw: JSON) -> None:
        self._whole(Opaque(origin, raw))

    def usage(self, usage: Usage) -> None:
        self.answer.usage = usage

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        self._close()
        self.answer.finish, self.answer.stop_sequence = reason, stop_sequence
        self.done = True

    def error(self, error: CcproxyError) -> None:
        self._close()
        for call, pieces in self._calls.values():
            call.arguments = call.arguments or "".join(pieces)
        self.failure = error
        self.done = True

    def _open(self, part: Text | Refusal | Reasoning) -> None:
        self._close()
        self._run = part
        self.answer.parts.append(part)

    def _close(self) -> None:
        if self._run is not None:
            self._run.text = "".join(self._pieces)
            self._run = None
            self._pieces.clear()

    def _whole(self, part: Part) -> None:
        self._close()
        self.answer.parts.append(part)

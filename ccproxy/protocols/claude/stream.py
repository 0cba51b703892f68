"""Claude's stream, read (Anthropic documentation, "Streaming messages"). How it is written stands in `encoder`.

    message_start  ( content_block_start  content_block_delta*  content_block_stop )*  message_delta  message_stop

with `ping` anywhere and `error` in place of everything that would follow.

- Decoder: everything up to `message_stop`; a stream without it is broken, since its client cannot know the end either.
  What some upstreams do all the same: a second message_start (ignored), message_delta twice or with null (what was said
  stands), usage in one of the two events only, a trailing `[DONE]`.
- Tap: knows what is open, gives message_start the client's model name, and message_delta the usage that the SDKs demand of
  it, estimated, where the upstream left it out.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from ccproxy import tokens
from ccproxy.codec import jsontext
from ccproxy.codec.repeats import Repeats
from ccproxy.codec.sse import EVENT_ENDS, SSEReader, named_event
from ccproxy.errors import Broken, CcproxyError, Malformed
from ccproxy.model import JSON, Context
from ccproxy.protocols import streams
from ccproxy.protocols.claude.answers import (
    counts_output,
    finish_of,
    merge_usage,
    read_stream_error,
    read_usage,
    text_of,
    write_error,
    write_usage,
)
from ccproxy.protocols.claude.blocks import Blocks
from ccproxy.protocols.claude.encoder import PING
from ccproxy.stream import Sink

EMPTY = "the upstream's stream was empty"
CUT = "the upstream's stream stopped before message_stop"


def read_event(payload: bytes) -> dict[str, JSON] | None:
    """One event; None for the `[DONE]` that gateways of other protocols add. Raises Malformed."""
    try:
        event = jsontext.loads(payload)
    except jsontext.JSONError:
        if payload.strip() == b"[DONE]":
            return None
        raise Malformed("the upstream sent an event that is no JSON") from None
    if not isinstance(event, dict):
        raise Malformed("the upstream sent an event that is no object")
    if not isinstance(event.get("type"), str):
        if "error" not in event:
            raise Malformed("the upstream sent an event without a type")
        event["type"] = "error"
    return event


def repeats() -> Repeats:
    """See `Chat.repeats`."""
    return Repeats(EVENT_ENDS)


class Decoder(streams.Decoder):
    """See `streams.Decoder`."""

    __slots__ = ("_blocks", "_counted", "_sequence", "_started", "_stop", "_usage")

    def __init__(self, context: Context, sink: Sink) -> None:
        super().__init__(context, sink, SSEReader(), repeats())
        self._blocks = Blocks(context, sink)
        self._usage: dict[str, JSON] = {}
        self._counted = False  # the output, at its end: what message_start says of it was counted before it began
        self._stop: str | None = None
        self._sequence: str | None = None
        self._started = False

    def __repr__(self) -> str:
        return f"<Decoder started={self._started} done={self.done} {self._blocks!r}>"

    def _ended(self) -> None:
        self._take(self._reader.eof())
        if not self.done:
            raise Broken(CUT if self._started else EMPTY)

    def _single(self) -> streams.Single | None:
        return self._blocks.single

    def _record(self, payload: bytes) -> None:
        self._blocks.single = None
        event = read_event(payload)
        if event is None:
            return
        kind = event["type"]
        if kind == "content_block_delta" and self._started:
            self._blocks.delta(event)
        elif not self._started and kind in _INSIDE:
            raise Malformed("the upstream's stream does not begin with message_start")
        elif kind in _EVENTS:
            _EVENTS[kind](self, event, payload)

    def _message_start(self, event: dict[str, JSON], payload: bytes) -> None:
        message = event.get("message")
        if not isinstance(message, dict):
            raise Malformed("the upstream's message_start has no message")
        if self._started:
            return
        self._started = True
        self.sink.start(text_of(message.get("id")), text_of(message.get("model")), 0)
        self._count(message.get("usage"))

    def _block_start(self, event: dict[str, JSON], payload: bytes) -> None:
        whole = jsontext.loads_exact(payload)  # a call's whole input may stand in it, with integers of any length
        self._blocks.begin(whole.get("index"), whole.get("content_block"))

    def _block_stop(self, event: dict[str, JSON], payload: bytes) -> None:
        self._blocks.end(event.get("index"))

    def _message_delta(self, event: dict[str, JSON], payload: bytes) -> None:
        delta = event.get("delta")
        if isinstance(delta, dict):
            self._stop = text_of(delta.get("stop_reason")) or self._stop
            self._sequence = text_of(delta.get("stop_sequence")) or self._sequence
        self._counted = self._counted or counts_output(event.get("usage"))
        self._count(event.get("usage"))

    def _message_stop(self, event: dict[str, JSON], payload: bytes) -> None:
        self._blocks.end_all()
        self.done = True
        if self._usage and not self._counted and self.context.count_input is not None:
            self.sink.usage(evolve(read_usage(self._usage), output=0))
        self.sink.finish(finish_of(self._stop, self._blocks.calls > 0), self._sequence)

    def _error(self, event: dict[str, JSON], payload: bytes) -> None:
        self.done = True
        self.sink.error(read_stream_error(event))

    def _count(self, said: JSON) -> None:
        if merge_usage(self._usage, said):
            self.sink.usage(read_usage(self._usage))


_EVENTS: dict[str, Callable[[Decoder, dict[str, JSON], bytes], None]] = {
    "message_start": Decoder._message_start,
    "content_block_start": Decoder._block_start,
    "content_block_stop": Decoder._block_stop,
    "message_delta": Decoder._message_delta,
    "message_stop": Decoder._message_stop,
    "error": Decoder._error,
}
_INSIDE = frozenset({"content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"})


class Tap(streams.Tap):
    """See `streams.Tap`."""

    __slots__ = ("_open", "_started", "_usage")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._open: set[int] = set()
        self._started = False
        self._usage: dict[str, JSON] = {}

    def __repr__(self) -> str:
        return f"<Tap open={sorted(self._open)} done={self.done}>"

    def look(self, payload: bytes) -> bytes | None:
        self.single = None
        event = read_event(payload)
        act = _LOOKS.get(event["type"]) if event is not None and not self.done else None
        return act(self, event or {}) if act is not None else None

    def eof(self) -> bytes:
        if not self.done:
            raise Broken(CUT if self._started else EMPTY)
        return b""

    def fail(self, error: CcproxyError) -> bytes:
        stops = (b'{"type":"content_block_stop","index":%d}' % index for index in sorted(self._open))
        closed = b"".join(named_event(b"content_block_stop", stop) for stop in stops)
        self._open.clear()
        return closed + named_event(b"error", jsontext.dumps(write_error(error)))

    def keepalive(self) -> bytes:
        return PING

    def _message_start(self, event: dict[str, JSON]) -> bytes | None:
        message = event.get("message")
        if not isinstance(message, dict):
            raise Malformed("the upstream's message_start has no message")
        self._started = True
        self._count(message.get("usage"))
        model = self.context.model
        if not model or message.get("model") == model:
            return None
        message["model"] = model
        return jsontext.dumps(event)

    def _block_start(self, event: dict[str, JSON]) -> None:
        """A call's block is not closed at an error, for clients run a call whose block is closed."""
        index, block = event.get("index"), event.get("content_block")
        if isinstance(index, int) and not (isinstance(block, dict) and block.get("type") == "tool_use"):
            self._open.add(index)

    def _block_delta(self, event: dict[str, JSON]) -> None:
        delta = event.get("delta")
        if isinstance(delta, dict):
            text = delta.get("text") or delta.get("thinking") or delta.get("partial_json")
            if isinstance(text, str):
                self.speak(text)
                self.single = text, self.speak

    def _block_stop(self, event: dict[str, JSON]) -> None:
        index = event.get("index")
        if isinstance(index, int):
            self._open.discard(index)

    def _message_delta(self, event: dict[str, JSON]) -> bytes | None:
        said = event.get("usage")
        self._count(said)
        if counts_output(said) or self.said <= 0 or self.context.count_input is None:
            return None
        known = evolve(self.usage, output=0) if self.usage is not None else None
        self.usage = tokens.settled(known, self.said, self.context)
        event["usage"] = {**(said if isinstance(said, dict) else {}), **write_usage(self.usage, self.context)}
        return jsontext.dumps(event)

    def _message_stop(self, event: dict[str, JSON]) -> None:
        self.done = True

    def _error(self, event: dict[str, JSON]) -> None:
        self.failure = read_stream_error(event)
        self.done = True

    def _count(self, said: JSON) -> None:
        if merge_usage(self._usage, said):
            self.usage = read_usage(self._usage)


_LOOKS: dict[str, Callable[[Tap, dict[str, JSON]], bytes | None]] = {
    "message_start": Tap._message_start,
    "content_block_start": Tap._block_start,
    "content_block_delta": Tap._block_delta,
    "content_block_stop": Tap._block_stop,
    "message_delta": Tap._message_delta,
    "message_stop": Tap._message_stop,
    "error": Tap._error,
}

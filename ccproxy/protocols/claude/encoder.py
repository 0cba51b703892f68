"""Claude's stream, written (Anthropic documentation, "Streaming messages"; what is read stands in `stream`).

    message_start  ( content_block_start  content_block_delta*  content_block_stop )*  message_delta  message_stop

One block is open at a time, their indices count up without a gap, and a delta fits the type of the open block: the official
SDKs index their list of blocks with it.

    nothing open ── text, thinking, tool_start ──> that block ── anything of another type ──> nothing open ── ...
                                                       │
                                  a tool call: until its tool_end everything else waits

A block opens when its first piece comes, so none is empty but the one that a silent answer needs. Calls may interleave in
the vocabulary but not here: one streams live, and what belongs behind it is kept in `_waiting`, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, field

from ccproxy.codec import jsontext
from ccproxy.codec.sse import named_event
from ccproxy.errors import CcproxyError
from ccproxy.media import stand_in
from ccproxy.model import JSON, Citation, Context, Finish, Media, Usage, seal
from ccproxy.protocols import streams
from ccproxy.protocols.claude.answers import (
    answer_id,
    stop_reason_of,
    thought_signature,
    tool_id,
    write_citation,
    write_error,
    write_usage,
)
from ccproxy.protocols.claude.terms import NAME

PING = named_event(b"ping", b'{"type": "ping"}')

_STARTS = {
    "text": b'{"type":"text","text":""}',
    "thinking": b'{"type":"thinking","thinking":"","signature":""}',
}
_DELTAS = {
    "text": b'{"type":"text_delta","text":',
    "thinking": b'{"type":"thinking_delta","thinking":',
    "tool": b'{"type":"input_json_delta","partial_json":',
    "whole": b'{"type":"input_json_delta","partial_json":',
}


@define(slots=True)
class _Held:
    """A tool call that must wait until the live one has ended."""

    key: int
    id: str
    name: str
    kind: str
    pieces: list[str] = field(factory=list)
    ended: bool = False


class Encoder(streams.Encoder):
    """See `streams.Encoder`. message_start waits for the first block or the end, so that it carries what is known of usage,
    and so that an upstream which fails before it says anything can still be answered with an HTTP error."""

    __slots__ = ("_free_text", "_head", "_held", "_index", "_live", "_open", "_said", "_start", "_waiting")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._start: tuple[str, str] | None = None  # id and model, until message_start is written
        self._index = -1  # of the block that began last
        self._open = ""  # the kind of the open block: text, thinking, tool or nothing
        self._head = b""  # what a delta of the open block begins with
        self._said = False  # whether any block came that is no thought
        self._live: int | None = None  # the key of the call that streams
        self._held: dict[int, _Held] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._free_text: list[str] | None = None  # the input of a live custom call, which has no JSON of its own

    def __repr__(self) -> str:
        return f"<Encoder index={self._index} open={self._open!r} live={self._live} waiting={len(self._waiting)}>"

    def keepalive(self) -> bytes:
        return PING

    def start(self, id: str, model: str, created: int) -> None:
        self._start = (answer_id(id, self.context), self.context.model or model)

    def text(self, text: str) -> None:
        if self._open != "text" and not self._enter("text", self.text, text):
            return
        words = jsontext.dumps(text)  # as `_delta` does; a call for each chunk was a tenth of what it costs
        self.said += len(words) - 2
        self.out.append(self._head + words + b"}}\n\n")

    def refusal(self, text: str) -> None:
        self.text(text)

    def thinking(self, text: str) -> None:
        if self._open != "thinking" and not self._enter("thinking", self.thinking, text):
            return
        self._delta(text)

    def signature(self, signature: str, origin: str) -> None:
        if self._open != "thinking" and not self._enter("thinking", self.signature, signature, origin):
            return
        self._close(thought_signature(signature, origin, self.context))

    def redacted(self, data: str, origin: str) -> None:
        if self._wait(self.redacted, data, origin):
            return
        self._close()
        self._whole({"type": "redacted_thinking", "data": seal(data, origin, NAME)})

    def citation(self, citation: Citation) -> None:
        if self._wait(self.citation, citation):
            return
        raw = write_citation(citation)
        if raw is not None and self._open in ("text", "cited"):
            self._open = "cited"  # text that follows has sources of its own, hence a block of its own
            self._event(b"content_block_delta", b'"delta":' + jsontext.dumps({"type": "citations_delta", "citation": raw}))

    def media(self, part: Media) -> None:
        self.text(stand_in(part, NAME).text)

    def opaque(self, origin: str, raw: JSON) -> None:
        """A block of Claude's own. The input of a server tool's call streams as its calls do, for clients that read only
        the deltas."""
        if origin != NAME or not isinstance(raw, dict) or self._wait(self.opaque, origin, raw):
            return
        self._close()
        self._said = True
        input = raw.get("input")
        if isinstance(input, dict) and input:
            self._begin("whole", jsontext.dumps(raw | {"input": {}}))
            self._delta(jsontext.dumps_str(input))
            self._close()
        else:
            self._whole(raw)

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        if self._live is None:
            self._open_call(key, id, name, kind)
        else:
            held = self._held[key] = _Held(key, id, name, kind)
            self._waiting.append(partial(self._resume, held))

    def tool_arguments(self, key: int, text: str) -> None:
        if key != self._live:
            self._held[key].pieces.append(text)
        elif self._free_text is not None:
            self._free_text.append(text)
        else:
            self._delta(text)

    def tool_end(self, key: int) -> None:
        if key != self._live:
            self._held[key].ended = True
            return
        self._close_call()
        while self._waiting and self._live is None:
            self._waiting.popleft()()

    def usage(self, usage: Usage) -> None:
        self.totals = usage

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        while self._live is not None:
            self.tool_end(self._live)
        self._close()
        if not self._said:  # clients wait for a block that is no thought
            self._begin("text", _STARTS["text"])
            self._close()
        self.totals = self.usage_so_far()
        delta = {"stop_reason": stop_reason_of(reason), "stop_sequence": stop_sequence}
        event = {"type": "message_delta", "delta": delta, "usage": write_usage(self.totals, self.context)}
        self.out.append(named_event(b"message_delta", jsontext.dumps(event)))
        self.out.append(named_event(b"message_stop", b'{"type":"message_stop"}'))
        self.done = True

    def error(self, error: CcproxyError) -> None:
        """A call that is not complete stays open: Claude Code runs a call as soon as its block is closed."""
        self._start = None
        if self._open != "tool":
            self._close()
        self.out.append(named_event(b"error", jsontext.dumps(write_error(error))))
        self.failure = error
        self.done = True

    # Blocks

    def _message_start(self) -> None:
        id, model = self._start or ("", "")
        self._start = None
        message: dict[str, JSON] = {
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self.totals, self.context),
        }
        self.out.append(named_event(b"message_start", jsontext.dumps({"type": "message_start", "message": message})))

    def _event(self, name: bytes, rest: bytes) -> None:
        """An event of the block that began last."""
        self.out.append(b'event: %b\ndata: {"type":"%b","index":%d' % (name, name, self._index))
        self.out.append(b",%b}\n\n" % rest if rest else b"}\n\n")

    def _begin(self, kind: str, block: bytes) -> None:
        if self._start is not None:
            self._message_start()
        self._index += 1
        self._event(b"content_block_start", b'"content_block":' + block)
        self._open = kind
        self._said = self._said or kind != "thinking"
        head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % self._index
        self._head = head + _DELTAS[kind]

    def _whole(self, block: dict[str, JSON]) -> None:
        """A block that has no deltas."""
        if self._start is not None:
            self._message_start()
        self._index += 1
        self._event(b"content_block_start", b'"content_block":' + jsontext.dumps(block))
        self._event(b"content_block_stop", b"")

    def _delta(self, text: str) -> None:
        words = jsontext.dumps(text)
        self.said += len(words) - 2
        self.out.append(self._head + words + b"}}\n\n")

    def _close(self, signature: str = "") -> None:
        """Ends the open block, if any; a thought with its signature."""
        if not self._open:
            return
        if self._open == "thinking":
            self._sign(signature or thought_signature("", "", self.context))
        self._event(b"content_block_stop", b"")
        self._open = ""

    def _sign(self, signature: str) -> None:
        if signature:
            delta = {"type": "signature_delta", "signature": signature}
            self._event(b"content_block_delta", b'"delta":' + jsontext.dumps(delta))

    def _enter(self, kind: str, call: Callable[..., None], *arguments: Any) -> bool:
        """Opens a block of that kind in place of the one that is open; False when the call has to wait."""
        if self._wait(call, *arguments):
            return False
        self._close()
        self._begin(kind, _STARTS[kind])
        return True

    def _wait(self, call: Callable[..., None], *arguments: Any) -> bool:
        """Whether a live tool call is in the way; then the call is made when that one has ended."""
        if self._live is not None:
            self._waiting.append(partial(call, *arguments))
        return self._live is not None

    # Tool calls

    def _open_call(self, key: int, id: str, name: str, kind: str) -> None:
        self._close()
        block = {"type": "tool_use", "id": tool_id(id), "name": name, "input": {}}
        self._begin("tool", jsontext.dumps(block))
        self._live = key
        self._free_text = [] if kind == "custom" else None

    def _close_call(self) -> None:
        if self._free_text is not None:
            self._delta(jsontext.dumps_str({"input": "".join(self._free_text)}))
            self._free_text = None
        self._live = None
        self._close()

    def _resume(self, held: _Held) -> None:
        """The turn of a call that waited."""
        self._open_call(held.key, held.id, held.name, held.kind)
        del self._held[held.key]
        if held.pieces:
            self.tool_arguments(held.key, "".join(held.pieces))
        if held.ended:
            self._close_call()

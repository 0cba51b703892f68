"""An answer's content blocks as Sink calls, whole (an answer document) or in pieces (a stream).

    begin(index, block)  delta(event)*  end(index)        per block; one at a time is the rule, and not relied on

Three tables say by type how a block begins, goes on and ends. A type that stands in none of them is the provider's own
(server tools, their results, compaction, ...): it is gathered and passed on whole at its end (Anthropic documentation,
"Streaming messages", "Content block delta types").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import define, field

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed
from ccproxy.model import JSON, Context
from ccproxy.protocols.claude.terms import NAME, arguments_of, read_citation
from ccproxy.protocols.naming import client_tool_name, made_id
from ccproxy.protocols.streams import Single
from ccproxy.stream import Sink


@define(slots=True)
class _Open:
    """A block that has begun. raw: as it began. key: a call's. pieces: of its input's JSON. grown: of its other strings.
    start: where its text begins in the run of text that it is part of."""

    raw: dict[str, JSON]
    kind: str
    key: int = 0
    pieces: list[str] = field(factory=list)
    grown: dict[str, list[str]] = field(factory=dict)
    citations: list[JSON] = field(factory=list)
    signature: str = ""
    start: int = 0


class Blocks:
    """`calls` counts the tool calls for the client; `single`: see `streams.Single`, of the last delta. Raises Malformed."""

    __slots__ = ("_ids", "_last", "_open", "_run", "calls", "context", "single", "sink")

    def __init__(self, context: Context, sink: Sink) -> None:
        self.context = context
        self.sink = sink
        self.calls = 0
        self._ids: set[str] = set()
        self._open: dict[int, _Open] = {}
        self._last = 0  # the index of the block that began last
        self._run = 0  # characters of the text since anything else came
        self.single: Single | None = None

    def __repr__(self) -> str:
        return f"<Blocks open={[block.kind for block in self._open.values()]} calls={self.calls}>"

    def begin(self, index: JSON, block: JSON) -> None:
        """A block begins, perhaps with all that it holds."""
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise Malformed("the upstream sent a content block without a type")
        at = index if isinstance(index, int) else self._last + 1
        self.end(at)
        kind = block["type"]
        opened = self._open[at] = _Open(block, kind)
        self._last = at
        if kind != "text":
            self._run = 0
        _BEGINS.get(kind, _begin_opaque)(self, opened)

    def delta(self, event: dict[str, JSON]) -> None:
        """A piece of a block."""
        delta = event.get("delta")
        if not isinstance(delta, dict) or type(kind := delta.get("type")) is not str:
            raise Malformed("the upstream sent a delta without a type")
        if kind == "text_delta":
            self._text(text := delta.get("text"))
            self.single = (text, self._more_text) if text else None
        elif kind == "thinking_delta":
            self._thinking(text := delta.get("thinking"))
            self.single = (text, self.sink.thinking) if text else None
        else:
            _DELTAS.get(kind, _add_unknown)(self, self._at(event), delta)

    def end(self, index: JSON) -> None:
        """A block is complete; nothing for one that is not open."""
        opened = self._open.pop(index, None) if isinstance(index, int) else None
        if opened is not None:
            _ENDS.get(opened.kind, _end_opaque)(self, opened)

    def end_all(self) -> None:
        for index in list(self._open):
            self.end(index)

    def _at(self, event: dict[str, JSON]) -> _Open:
        index = event.get("index")
        opened = self._open.get(index) if isinstance(index, int) else None
        opened = opened or self._open.get(self._last)
        if opened is None:
            raise Malformed("the upstream sent a piece of a block that is not open")
        return opened

    def _text(self, text: JSON) -> None:
        if text:
            self._run += len(_string(text))
            self.sink.text(text)

    def _more_text(self, text: str) -> None:
        self._run += len(text)
        self.sink.text(text)

    def _thinking(self, text: JSON) -> None:
        if text:
            self.sink.thinking(_string(text))


def _string(value: JSON) -> str:
    if type(value) is not str:
        raise Malformed("the upstream sent something else where text belongs")
    return value


def _begin_text(blocks: Blocks, block: _Open) -> None:
    block.start = blocks._run
    citations = block.raw.get("citations")
    block.citations += citations if isinstance(citations, list) else []
    blocks._text(block.raw.get("text"))


def _begin_thinking(blocks: Blocks, block: _Open) -> None:
    block.signature = _string(block.raw.get("signature") or "")
    blocks._thinking(block.raw.get("thinking"))


def _begin_redacted(blocks: Blocks, block: _Open) -> None:
    data = _string(block.raw.get("data") or "")
    if data:
        blocks.sink.redacted(data, NAME)


def _begin_tool(blocks: Blocks, block: _Open) -> None:
    name = _string(block.raw.get("name") or "")
    if not name:
        raise Malformed("the upstream called a tool without a name")
    block.key, blocks.calls = blocks.calls, blocks.calls + 1
    id = _string(block.raw.get("id") or "")
    if not id or id in blocks._ids:
        id = made_id(blocks.context, "toolu_", blocks.calls)
    blocks._ids.add(id)
    blocks.sink.tool_start(block.key, id, client_tool_name(name, blocks.context))


def _begin_opaque(blocks: Blocks, block: _Open) -> None:
    """Nothing yet: it passes on whole."""


def _add_input(blocks: Blocks, block: _Open, delta: dict[str, JSON]) -> None:
    piece = _string(delta.get("partial_json") or "")
    if piece:
        _more_input(blocks, block, piece)
        blocks.single = piece, partial(_more_input, blocks, block)


def _more_input(blocks: Blocks, block: _Open, piece: str) -> None:
    block.pieces.append(piece)
    if block.kind == "tool_use":
        blocks.sink.tool_arguments(block.key, piece)


def _add_signature(blocks: Blocks, block: _Open, delta: dict[str, JSON]) -> None:
    block.signature = _string(delta.get("signature") or "")


def _add_citation(blocks: Blocks, block: _Open, delta: dict[str, JSON]) -> None:
    block.citations.append(delta.get("citation"))


def _add_unknown(blocks: Blocks, block: _Open, delta: dict[str, JSON]) -> None:
    """A delta that is not known here: its strings continue the block's, everything else replaces it."""
    for name, value in delta.items():
        so_far = block.raw.get(name)
        if name == "type":
            continue
        if isinstance(so_far, str) and isinstance(value, str):
            block.grown.setdefault(name, [so_far]).append(value)
        else:
            block.grown.pop(name, None)
            block.raw[name] = value


def _end_text(blocks: Blocks, block: _Open) -> None:
    for raw in block.citations:
        blocks.sink.citation(read_citation(raw, block.start, blocks._run))


def _end_thinking(blocks: Blocks, block: _Open) -> None:
    if block.signature:
        blocks.sink.signature(block.signature, NAME)


def _end_redacted(blocks: Blocks, block: _Open) -> None:
    """It was passed on as it began."""


def _end_tool(blocks: Blocks, block: _Open) -> None:
    if not block.pieces:
        blocks.sink.tool_arguments(block.key, arguments_of(block.raw.get("input")))
    blocks.sink.tool_end(block.key)


def _end_opaque(blocks: Blocks, block: _Open) -> None:
    raw = block.raw | {name: "".join(pieces) for name, pieces in block.grown.items()}
    if block.pieces:
        text = "".join(block.pieces)
        try:
            raw = raw | {"input": jsontext.loads_exact(text)}
        except jsontext.JSONError:
            raw = raw | {"input": {"raw": text}}
    blocks.sink.opaque(NAME, raw)


_BEGINS: dict[str, Callable[[Blocks, _Open], None]] = {
    "text": _begin_text,
    "thinking": _begin_thinking,
    "redacted_thinking": _begin_redacted,
    "tool_use": _begin_tool,
}
_DELTAS: dict[str, Callable[[Blocks, _Open, dict[str, JSON]], None]] = {
    "input_json_delta": _add_input,
    "signature_delta": _add_signature,
    "citations_delta": _add_citation,
}
_ENDS: dict[str, Callable[[Blocks, _Open], None]] = {
    "text": _end_text,
    "thinking": _end_thinking,
    "redacted_thinking": _end_redacted,
    "tool_use": _end_tool,
}

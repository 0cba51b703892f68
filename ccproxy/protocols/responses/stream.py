"""An upstream's Responses stream as Sink calls.

    response.created, response.in_progress
    response.output_item.added                       an item: message, reasoning, function_call, a server tool's call, ...
        response.content_part.added                      a message's part
        response.output_text.delta* .done                text, response.refusal.* alike
        response.reasoning_summary_text.delta* .done     thoughts, response.reasoning_text.* alike
        response.function_call_arguments.delta* .done    calls, response.custom_tool_call_input.* alike
    response.output_item.done                        the whole item once more
    response.completed | response.incomplete | response.failed | error      with the whole response once more

(API reference, "Responses", "Streaming events".) Every text comes up to four times: in deltas, in the part's `.done`,
in the item's `.done` and in the last event. The Decoder takes each from where it first comes; hence `SeenItem.said`. So
a whole answer is read as a stream of nothing but its last event.

Items are told apart by id; where an upstream changes the ids from event to event or leaves them out, by `output_index`;
else the event belongs to the last open item of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ccproxy.codec import sse
from ccproxy.codec.repeats import Repeats
from ccproxy.errors import Broken, Malformed, UpstreamError
from ccproxy.media import sniff
from ccproxy.model import JSON, Context, Extras, Finish, Image
from ccproxy.protocols import streams
from ccproxy.protocols.naming import client_tool_name, made_id
from ccproxy.protocols.responses.terms import INCOMPLETE, NAME, read_error, read_usage
from ccproxy.protocols.responses.wire import (
    TERMINAL,
    VOLATILE,
    WRAPPERS,
    Event,
    SeenCall,
    SeenItem,
    array,
    join_signature,
    member,
    read_citation,
    read_event,
    read_item,
    string,
    unwrap,
)
from ccproxy.stream import Sink


def repeats() -> Repeats:
    """See `Chat.repeats`."""
    return Repeats(sse.EVENT_ENDS, VOLATILE, varying=VOLATILE, told=("sequence_number",))


class Decoder(streams.Decoder):
    """See `streams`. `_thought` tells which part the thinking belongs to that is open, None for none."""

    __slots__ = ("_calls", "_current", "_ids", "_items", "_keys", "_refused", "_seen", "_started", "_thought", "single")

    def __init__(self, context: Context, sink: Sink) -> None:
        super().__init__(context, sink, sse.SSEReader(), repeats())
        self.single: streams.Single | None = None
        self._started = self._seen = self._refused = False
        self._items: dict[str | int, SeenItem] = {}
        self._current: dict[str, SeenItem] = {}
        self._calls: list[SeenCall] = []
        self._ids: set[str] = set()
        self._keys = 0
        self._thought: tuple[SeenItem, tuple[str, JSON]] | None = None

    def __repr__(self) -> str:
        return f"<responses.Decoder items={len(self._items)} calls={len(self._calls)} done={self.done}>"

    def _ended(self) -> None:
        self._take(self._reader.eof())
        if not self.done:
            raise Broken(
                "the upstream's stream stopped before its end" if self._seen else "the upstream's stream was empty"
            )

    def whole(self, document: Event) -> None:
        """A whole answer, as the stream that says nothing before its last event."""
        self._on_end({"type": "", "response": document})

    def _single(self) -> streams.Single | None:
        return self.single

    def _record(self, payload: bytes) -> None:
        self.single = None
        event = read_event(payload)
        if event is None:
            return
        self._seen = True
        handler = _HANDLERS.get(event["type"])
        if handler is not None:
            handler(self, event)

    # -----------------------------------------------------------------------------------------------------------------
    # Beginning and end

    def _on_begin(self, event: Event) -> None:
        if self._started:
            return
        self._started = True
        response = member(event, "response")
        created = response.get("created_at")
        seconds = int(created) if isinstance(created, (int, float)) and abs(created) < 1 << 62 else 0
        self.sink.start(string(response, "id"), string(response, "model"), seconds)

    def _on_end(self, event: Event) -> None:
        response = member(event, "response")
        self._on_begin(event)
        usage = read_usage(response.get("usage"))
        status = response.get("status")
        failed = event["type"] == "response.failed" or status in ("failed", "cancelled", "queued")
        if not failed:
            self._take_missed(response)
            self._end_calls()
        if usage is not None:
            self.sink.usage(usage)
        if failed:
            return self._fail(read_error(response.get("error") or f"the upstream's response is {status or 'failed'}"))
        self.done = True
        self.sink.finish(self._reason(response, event["type"] == "response.incomplete"))
        return None

    def _on_error(self, event: Event) -> None:
        self._fail(read_error(event))

    def _fail(self, error: UpstreamError) -> None:
        self.done = True
        self.sink.error(error)

    def _take_missed(self, response: Event) -> None:
        """What the stream did not say and its last event does. Of a kind that was streamed, only calls can be missing:
        their ids tell; other items may stand there under another id and index."""
        streamed = frozenset(self._current)
        for index, raw in enumerate(array(response, "output")):
            item = read_item(raw)
            known = self._known(item.get("id"), index, item["type"])
            if known is not None and known.done:
                continue
            if known is None and self._is_said(item, streamed):
                continue
            self._on_item_done({"type": "", "item": item, "output_index": index})

    def _is_said(self, item: Event, streamed: frozenset[str]) -> bool:
        if item["type"] in _CALL_KINDS:
            return string(item, "call_id") in self._ids
        return item["type"] in streamed

    def _reason(self, response: Event, cut: bool) -> Finish:
        details = response.get("incomplete_details")
        if cut or isinstance(details, dict) or response.get("status") == "incomplete":
            why = details.get("reason") if isinstance(details, dict) else None
            reason = INCOMPLETE.get(why, "length") if isinstance(why, str) else "length"
            if reason != "stop":
                return "refusal" if reason == "content_filter" and self._refused else reason
        if self._calls:
            return "tool_calls"
        return "refusal" if self._refused else "stop"

    # -----------------------------------------------------------------------------------------------------------------
    # Items

    def _known(self, item_id: JSON, index: JSON, kind: str) -> SeenItem | None:
        if type(item_id) is str and (item := self._items.get(item_id)) is not None:
            return item if item.kind == kind else None
        if type(index) is int and (item := self._items.get(index)) is not None and item.kind == kind:
            return item
        return None

    def _find(self, event: Event, kind: str) -> SeenItem:
        item_id, index = event.get("item_id"), event.get("output_index")
        item = self._known(item_id, index, kind) or self._current.get(kind)
        return self._add(kind, item_id, index) if item is None or item.done else item

    def _add(self, kind: str, item_id: JSON, index: JSON) -> SeenItem:
        if not self._started:
            self._on_begin({})
        item = SeenCall(kind) if kind in _CALL_KINDS else SeenItem(kind)
        self._current[kind] = item
        for key in (item_id, index):
            if type(key) is str or type(key) is int:
                self._items[key] = item
        return item

    def _on_item_added(self, event: Event) -> None:
        raw = read_item(event.get("item"))
        item = self._known(raw.get("id"), None, raw["type"])
        if item is None or item.done:
            item = self._add(raw["type"], raw.get("id"), event.get("output_index"))
        if isinstance(item, SeenCall):
            self._name_call(item, raw)

    def _on_item_done(self, event: Event) -> None:
        raw = read_item(event.get("item"))
        kind = raw["type"]
        item_id, index = raw.get("id"), event.get("output_index")
        item = self._known(item_id, index, kind)
        if item is None:
            item = self._find({"item_id": item_id}, kind) if index is None else self._add(kind, item_id, index)
        if not item.done:
            item.done = True
            _WHOLE.get(kind, Decoder._whole_opaque)(self, item, raw)

    def _whole_message(self, item: SeenItem, raw: Event) -> None:
        said = {kind: item.has_said(kind) for kind in ("output_text", "refusal")}
        for index, part in enumerate(array(raw, "content")):
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "output_text":
                if not said[kind]:
                    self._text(item, (kind, index), string(part, "text"))
                if not item.cited:
                    self._cite(*array(part, "annotations"))
            elif kind == "refusal" and not said[kind]:
                self._refusal(item, (kind, index), string(part, kind))

    def _whole_reasoning(self, item: SeenItem, raw: Event) -> None:
        for key, kind in (("summary", "summary_text"), ("content", "reasoning_text")):
            if not item.has_said(kind):
                for index, part in enumerate(array(raw, key)):
                    self._think(item, (kind, index), string(part, "text") if isinstance(part, dict) else "")
        encrypted = string(raw, "encrypted_content")
        if encrypted and (signature := join_signature(raw.get("id"), encrypted)):
            self.sink.signature(signature, NAME)
            self._thought = None

    def _whole_image(self, item: SeenItem, raw: Event) -> None:
        data = string(raw, "result")
        if not data:
            return self._whole_opaque(item, raw)
        word = string(raw, "output_format")
        rest = {key: value for key, value in raw.items() if key not in ("type", "result")}
        self._thought = None
        self.sink.media(Image(mime=f"image/{word}" if word else sniff(data), data=data, extras=Extras(NAME, rest)))
        return None

    def _whole_opaque(self, item: SeenItem, raw: Event) -> None:
        self._thought = None
        self.sink.opaque(NAME, raw)

    # -----------------------------------------------------------------------------------------------------------------
    # Text and thoughts

    def _on_text_delta(self, event: Event) -> None:
        text = string(event, "delta")
        self._text(self._find(event, "message"), ("output_text", event.get("content_index")), text)
        self.single = (text, self.sink.text) if text else None

    def _on_refusal_delta(self, event: Event) -> None:
        self._refusal(self._find(event, "message"), ("refusal", event.get("content_index")), string(event, "delta"))

    def _on_summary_delta(self, event: Event) -> None:
        self._on_thinking_delta(event, ("summary_text", event.get("summary_index")))

    def _on_thought_delta(self, event: Event) -> None:
        self._on_thinking_delta(event, ("reasoning_text", event.get("content_index")))

    def _on_thinking_delta(self, event: Event, part: tuple[str, JSON]) -> None:
        text = string(event, "delta")
        self._think(self._find(event, "reasoning"), part, text)
        self.single = (text, self.sink.thinking) if text else None

    def _on_text_done(self, event: Event) -> None:
        """Any of the four `.done` events of a text: taken if no delta of that text has come."""
        kind, item_kind, index_key, key, say = _DONE[event["type"]]
        item = self._find_done(event, item_kind)
        part = (kind, event.get(index_key))
        if item is not None and item.part != part and (text := string(event, key)) and item.enter(part):
            say(self, item, part, text)

    def _find_done(self, event: Event, kind: str) -> SeenItem | None:
        """The item of a `.done` event, None when it is complete already."""
        known = self._known(event.get("item_id"), event.get("output_index"), kind)
        return self._find(event, kind) if known is None or not known.done else None

    def _on_annotation(self, event: Event) -> None:
        self._find(event, "message").cited = True
        self._cite(event.get("annotation"))

    def _cite(self, *annotations: JSON) -> None:
        for annotation in annotations:
            if isinstance(annotation, dict):
                self._thought = None
                self.sink.citation(read_citation(annotation))

    def _text(self, item: SeenItem, part: tuple[str, JSON], text: str) -> None:
        if text:
            if part != item.part:
                item.enter(part)
            self._thought = None
            self.sink.text(text)

    def _refusal(self, item: SeenItem, part: tuple[str, JSON], text: str) -> None:
        if text:
            item.enter(part)
            self._thought = None
            self._refused = True
            self.sink.refusal(text)

    def _think(self, item: SeenItem, part: tuple[str, JSON], text: str) -> None:
        """All parts of an item are one thought; a blank line stands between them."""
        if text:
            if part != item.part:
                item.enter(part)
            if self._thought != (item, part):
                if self._thought is not None:
                    self.sink.thinking("\n\n")
                self._thought = (item, part)
            self.sink.thinking(text)

    # -----------------------------------------------------------------------------------------------------------------
    # Tool calls

    def _on_arguments_delta(self, event: Event) -> None:
        call = self._find(event, _CALL_EVENTS[event["type"]][0])
        if (text := string(event, "delta")) and isinstance(call, SeenCall):
            self._arguments(call, text)
            self.single = text, partial(self._arguments, call)

    def _on_arguments_done(self, event: Event) -> None:
        kind, key = _CALL_EVENTS[event["type"]]
        call = self._find_done(event, kind)
        if isinstance(call, SeenCall) and not call.said:
            self._arguments(call, string(event, key))

    def _whole_call(self, item: SeenItem, raw: Event) -> None:
        if not isinstance(item, SeenCall):
            return
        if not item.said:
            self._arguments(item, string(raw, "input" if item.kind == "custom_tool_call" else "arguments"))
        self._name_call(item, raw)
        self._end_call(item)

    def _arguments(self, call: SeenCall, text: str) -> None:
        if text:
            call.enter(("arguments", None))
            if call.held is None:
                self.sink.tool_arguments(call.key, text)
            else:
                call.held.append(text)

    def _name_call(self, call: SeenCall, raw: Event) -> None:
        """Starts the call once its name is known, unless it wraps others."""
        name, namespace = string(raw, "name"), string(raw, "namespace")
        if call.name or not name:
            return
        call.name = f"{namespace}__{name}" if namespace else name
        call.id = string(raw, "call_id") or string(raw, "id")
        if call.name not in WRAPPERS or call.name in self.context.tools:
            held, call.held = call.held or [], None
            self._start_call(call)
            for text in held:
                self.sink.tool_arguments(call.key, text)

    def _start_call(self, call: SeenCall) -> None:
        call.key, self._keys = self._keys, self._keys + 1
        if not call.id or call.id in self._ids:
            call.id = made_id(self.context, "call_", call.key + 1)
        self._ids.add(call.id)
        self._calls.append(call)
        self._thought = None
        kind = "custom" if call.kind == "custom_tool_call" else "function"
        self.sink.tool_start(call.key, call.id, client_tool_name(call.name, self.context), kind)

    def _end_call(self, call: SeenCall) -> None:
        call.done = True
        if call.held is not None:
            self._end_held(call)
        elif not call.ended:
            call.ended = True
            self.sink.tool_end(call.key)

    def _end_held(self, call: SeenCall) -> None:
        text, call.held = "".join(call.held or ()), None
        if not call.name:
            if text:
                raise Malformed("the upstream called a tool without its name")
            return
        for number, (name, arguments) in enumerate(unwrap(call.name, text)):
            inner = SeenCall(call.kind)
            inner.name, inner.held = name, None
            inner.id = f"{call.id}_{number}" if call.id and number else call.id
            self._start_call(inner)
            self._arguments(inner, arguments)
            self._end_call(inner)

    def _end_calls(self) -> None:
        """The calls whose item never came to its own end."""
        for item in dict.fromkeys(self._items.values()):
            if isinstance(item, SeenCall) and not item.done:
                self._end_call(item)
        for call in self._calls:
            if not call.ended:
                self._end_call(call)


_CALL_KINDS = frozenset({"function_call", "custom_tool_call"})

_CALL_EVENTS = {
    "response.function_call_arguments.delta": ("function_call", "arguments"),
    "response.function_call_arguments.done": ("function_call", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input"),
    "response.custom_tool_call_input.done": ("custom_tool_call", "input"),
}

_Say = Callable[[Decoder, SeenItem, tuple[str, JSON], str], None]

_DONE: dict[str, tuple[str, str, str, str, _Say]] = {
    "response.output_text.done": ("output_text", "message", "content_index", "text", Decoder._text),
    "response.refusal.done": ("refusal", "message", "content_index", "refusal", Decoder._refusal),
    "response.reasoning_summary_text.done": ("summary_text", "reasoning", "summary_index", "text", Decoder._think),
    "response.reasoning_text.done": ("reasoning_text", "reasoning", "content_index", "text", Decoder._think),
}
"""A text's `.done` event -> its part, its item, the index's key, the text's key, and how it is said."""

_WHOLE: dict[str, Callable[[Decoder, SeenItem, Event], None]] = {
    "message": Decoder._whole_message,
    "reasoning": Decoder._whole_reasoning,
    "function_call": Decoder._whole_call,
    "custom_tool_call": Decoder._whole_call,
    "image_generation_call": Decoder._whole_image,
}

_HANDLERS: dict[str, Callable[[Decoder, Event], None]] = {
    "response.output_text.delta": Decoder._on_text_delta,
    "response.refusal.delta": Decoder._on_refusal_delta,
    "response.reasoning_summary_text.delta": Decoder._on_summary_delta,
    "response.reasoning_text.delta": Decoder._on_thought_delta,
    "response.output_text.annotation.added": Decoder._on_annotation,
    "response.function_call_arguments.delta": Decoder._on_arguments_delta,
    "response.custom_tool_call_input.delta": Decoder._on_arguments_delta,
    "response.function_call_arguments.done": Decoder._on_arguments_done,
    "response.custom_tool_call_input.done": Decoder._on_arguments_done,
    "response.output_item.added": Decoder._on_item_added,
    "response.output_item.done": Decoder._on_item_done,
    "response.created": Decoder._on_begin,
    "response.queued": Decoder._on_begin,
    "response.in_progress": Decoder._on_begin,
    "error": Decoder._on_error,
    **dict.fromkeys(_DONE, Decoder._on_text_done),
    **dict.fromkeys(TERMINAL, Decoder._on_end),
}

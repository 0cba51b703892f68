"""Sink calls as a Responses stream, and as the response object that a whole answer is.

    created, in_progress
    an item opens:   output_item.added, [content_part.added | reasoning_summary_part.added], deltas
    an item closes:  the text's .done, the part's .done, output_item.done
    completed | incomplete | failed, with every item once more

(API reference, "Responses", "Streaming events".) `output_index` counts the items in the order in which they open. One
message or thought is open at a time, and one call: further calls wait, and are written in their order once it has ended.
Text that comes while a call is open has its own item beside it, so nobody waits for it. A call whose arguments are no JSON
when it ends may have been cut off: it stays open until the end of the answer tells, and is not finalised after a cut.
"""

from __future__ import annotations

from collections import deque

from ccproxy.codec import jsontext
from ccproxy.errors import CcproxyError
from ccproxy.media import stand_in
from ccproxy.model import JSON, Citation, Context, Finish, Image, Media, Usage, seal, unsigned
from ccproxy.protocols import streams
from ccproxy.protocols.naming import made_id
from ccproxy.protocols.responses.open_items import Call, Item, Message, Thought, annotation_of, length_of, opening
from ccproxy.protocols.responses.terms import CUTS, NAME, own_fields, response_echo, response_error, write_usage
from ccproxy.protocols.responses.wire import OWN_REASONING_ID, REDACTED, split_signature


class Encoder(streams.Encoder):
    """See `streams`. `document` is the response object."""

    __slots__ = (
        "_calls",
        "_created",
        "_cut_off",
        "_echo",
        "_id",
        "_items",
        "_live",
        "_message",
        "_model",
        "_sequence",
        "_started",
        "_thought",
        "_waiting",
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._started = False
        self._id = self._model = ""
        self._created = 0
        self._echo = b""
        self._sequence = 0
        self._items: list[Item] = []
        self._message: Message | None = None
        self._thought: Thought | None = None
        self._calls: dict[int, Call] = {}
        self._live: Call | None = None
        self._waiting: deque[Call] = deque()
        self._cut_off: list[Call] = []

    def __repr__(self) -> str:
        return f"<responses.Encoder items={len(self._items)} sequence={self._sequence} done={self.done}>"

    # -----------------------------------------------------------------------------------------------------------------
    # Beginning and end

    def start(self, id: str, model: str, created: int) -> None:
        """The upstream's id is kept where it is one of this protocol's: a later turn may refer to it."""
        context = self.context
        self._started = True
        self._id = id if id and context.upstream == NAME else made_id(context, "resp_")
        self._model = context.model or model
        self._created = context.created or created
        self._echo = jsontext.dumps(response_echo(context))[1:-1]
        for name in (b"response.created", b"response.in_progress"):
            self._say_response(name, self._head("in_progress"))

    def usage(self, usage: Usage) -> None:
        self.totals = usage

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        if reason == "error":
            return self.error(CcproxyError("the upstream's answer ended in an error", status=502))
        cut = CUTS.get(reason)
        status = "incomplete" if cut else "completed"
        if not cut and all(item["type"] == "reasoning" for item in self._items):
            self._open_part("output_text")  # clients take an answer of nothing but thoughts for a failure
        self._close_open(status)
        for key, call in self._calls.items():
            if not call.ended:
                self.tool_end(key)
        for call in self._cut_off:
            self._close_call(call, status)
        self._end(status, incomplete={"reason": cut} if cut else None)
        return None

    def error(self, error: CcproxyError) -> None:
        """Messages and thoughts are closed. An open call is not: clients run what `output_item.done` hands them."""
        if not self._started:
            self.start("", "", 0)
        self._close_open("incomplete")
        for call in (*self._cut_off, *([self._live] if self._live else ())):
            self._fill_call(call, "incomplete")
        self.failure = error
        self._end("failed", error=response_error(error))

    def length(self) -> int:
        """Of the items, since they are all kept; nothing is counted while they come."""
        calls = [call for call in self._calls.values() if not length_of([call.item])]
        going = (self._message, self._thought, *calls)
        return length_of(self._items) + sum(len(piece) for one in going if one is not None for piece in one.pieces)

    def _end(self, status: str, *, error: JSON = None, incomplete: JSON = None) -> None:
        self.done = True
        self.totals = self.usage_so_far()
        head = self._head(status, error, incomplete)
        self._say_response(b"response." + status.encode(), head)
        self.document = {**response_echo(self.context), **head}

    def _head(self, status: str, error: JSON = None, incomplete: JSON = None) -> dict[str, JSON]:
        """The response object without what it repeats of the request."""
        running = status == "in_progress"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": error,
            "incomplete_details": incomplete,
            "model": self._model,
            "output": [] if running else self._items,
            "usage": None if running else write_usage(self.totals),
        }

    # -----------------------------------------------------------------------------------------------------------------
    # Messages

    def text(self, text: str) -> None:
        message = self._message
        if message is None or message.part["type"] != "output_text":
            message = self._open_part("output_text")
        message.pieces.append(text)
        self.out.append(message.delta + jsontext.dumps(text) + b',"sequence_number":%d}\n\n' % self._sequence)
        self._sequence += 1

    def refusal(self, text: str) -> None:
        message = self._message
        if message is None or message.part["type"] != "refusal":
            message = self._open_part("refusal")
        message.pieces.append(text)
        self.out.append(message.delta + jsontext.dumps(text) + b',"sequence_number":%d}\n\n' % self._sequence)
        self._sequence += 1

    def citation(self, citation: Citation) -> None:
        """This protocol cites URLs and its own files; there is no place for another protocol's documents."""
        if citation.origin != NAME and not citation.url:
            return
        message = self._message
        if message is None or message.part["type"] != "output_text":
            message = self._open_part("output_text")
        annotation = annotation_of(citation, message)
        annotations = message.part["annotations"]
        fields = b',"annotation_index":%d,"annotation":' % len(annotations) + jsontext.dumps(annotation)
        annotations.append(annotation)
        self._say(b"response.output_text.annotation.added", message.where + fields)

    def _open_part(self, kind: str) -> Message:
        """The message with a new part open in it."""
        self._close_thought("completed")
        message = self._message
        if message is None:
            item = {"id": "", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
            message = self._message = Message(self._add("msg_", item), item)
        else:
            self._close_part(message)
        content = message.item["content"]
        message.where = b'"item_id":"%b","output_index":%d,"content_index":%d' % (
            message.item["id"].encode(),
            message.index,
            len(content),
        )
        key = "text" if kind == "output_text" else "refusal"
        message.part = {"type": kind, key: ""} | ({"annotations": [], "logprobs": []} if key == "text" else {})
        content.append(message.part)
        logprobs = b',"logprobs":[]' if key == "text" else b""
        message.delta = opening(b"response.%b.delta" % kind.encode(), message.where) + logprobs + b',"delta":'
        self._say(b"response.content_part.added", message.where + b',"part":' + jsontext.dumps(message.part))
        return message

    def _close_part(self, message: Message) -> None:
        key = "text" if message.part["type"] == "output_text" else "refusal"
        message.part[key] = "".join(message.pieces)
        message.pieces.clear()
        logprobs = b',"logprobs":[]' if key == "text" else b""
        done = message.where + logprobs + b',"%b":' % key.encode() + jsontext.dumps(message.part[key])
        self._say(b"response.%b.done" % message.part["type"].encode(), done)
        self._say(b"response.content_part.done", message.where + b',"part":' + jsontext.dumps(message.part))

    def _close_message(self, status: str) -> None:
        message = self._message
        if message is not None:
            self._message = None
            self._close_part(message)
            message.item["status"] = status
            self._say_item(b"response.output_item.done", message.index)

    # -----------------------------------------------------------------------------------------------------------------
    # Thoughts

    def thinking(self, text: str) -> None:
        thought = self._thought or self._open_thought()
        thought.pieces.append(text)
        self.out.append(thought.delta + jsontext.dumps(text) + b',"sequence_number":%d}\n\n' % self._sequence)
        self._sequence += 1

    def signature(self, signature: str, origin: str) -> None:
        thought = self._thought
        if thought is None:
            return self._whole_thought(signature, origin)
        proof = seal(signature, origin, NAME)
        item_id, _ = split_signature(signature)
        if origin == NAME and item_id and item_id != thought.item["id"]:
            proof = seal(signature, NAME, "")  # its item was announced under an id of ours: keep the real one beside it
        thought.item["encrypted_content"] = proof
        self._close_thought("completed")
        return None

    def redacted(self, data: str, origin: str) -> None:
        self._whole_thought(REDACTED + data, origin)

    def _whole_thought(self, signature: str, origin: str) -> None:
        self._close_open("completed")
        item_id, encrypted = split_signature(signature) if origin == NAME else ("", seal(signature, origin, NAME))
        item: Item = {"id": item_id, "type": "reasoning", "summary": []}
        index = self._add(OWN_REASONING_ID, item)
        item["encrypted_content"] = encrypted
        self._say_item(b"response.output_item.done", index)

    def _open_thought(self) -> Thought:
        self._close_message("completed")
        item: Item = {"id": "", "type": "reasoning", "summary": []}
        thought = self._thought = Thought(self._add(OWN_REASONING_ID, item), item)
        part = b',"part":{"type":"summary_text","text":""}'
        self._say(b"response.reasoning_summary_part.added", thought.where + part)
        return thought

    def _close_thought(self, status: str) -> None:
        """A thought without a proof is marked: the item is ours, and must not go up as if the upstream knew it."""
        thought = self._thought
        if thought is None:
            return
        self._thought = None
        part = {"type": "summary_text", "text": "".join(thought.pieces)}
        text = jsontext.dumps(part["text"])
        self._say(b"response.reasoning_summary_text.done", thought.where + b',"text":' + text)
        self._say(b"response.reasoning_summary_part.done", thought.where + b',"part":' + jsontext.dumps(part))
        thought.item["summary"].append(part)
        thought.item.setdefault("encrypted_content", unsigned(self.context.upstream))
        if status == "incomplete":
            thought.item["status"] = status
        self._say_item(b"response.output_item.done", thought.index)

    # -----------------------------------------------------------------------------------------------------------------
    # Calls

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        self._close_open("completed")
        tool = self.context.tools.get(name)
        custom = kind == "custom" or (tool is not None and tool.kind == "custom")
        namespace = tool.namespace if tool is not None else ""
        own_name = name.removeprefix(f"{namespace}__") if namespace else name
        call = self._calls[key] = Call(id, own_name, namespace, custom, custom and kind != "custom")
        if self._live is None:
            self._open_call(call)
        else:
            self._waiting.append(call)

    def tool_arguments(self, key: int, text: str) -> None:
        call = self._calls[key]
        call.pieces.append(text)
        if call is self._live and not call.wrapped:
            self._say_delta(call, text)

    def tool_end(self, key: int) -> None:
        call = self._calls[key]
        call.ended = True
        if call is self._live:
            self._end_live(call)

    def _end_live(self, call: Call) -> None:
        """Closes the call that streams, then writes those that waited for it."""
        ended: Call | None = call
        while ended is not None:
            self._live = None
            if ended.is_whole():
                self._close_call(ended, "completed")
            else:
                self._cut_off.append(ended)
            ended = self._open_next()

    def _open_next(self) -> Call | None:
        """Opens the next waiting call and writes what has come of it; returns it if that is all."""
        if not self._waiting:
            return None
        call = self._waiting.popleft()
        self._close_open("completed")
        self._open_call(call)
        if call.pieces and not call.wrapped:
            self._say_delta(call, "".join(call.pieces))
        return call if call.ended else None

    def _open_call(self, call: Call) -> None:
        self._live = call
        kind, prefix, key = _CALLS[call.custom]
        call.item = {"id": "", "type": kind, "status": "in_progress", key: "", "call_id": call.id, "name": call.name}
        if call.namespace:
            call.item["namespace"] = call.namespace
        call.index = self._add(prefix, call.item)
        call.where = b'"item_id":"%b","output_index":%d' % (call.item["id"].encode(), call.index)
        call.delta = opening(b"response.%b_%b.delta" % (kind.encode(), key.encode()), call.where) + b',"delta":'

    def _say_delta(self, call: Call, text: str) -> None:
        self.out.append(call.delta + jsontext.dumps(text) + b',"sequence_number":%d}\n\n' % self._sequence)
        self._sequence += 1

    def _close_call(self, call: Call, status: str) -> None:
        key = self._fill_call(call, status)
        if status == "completed":
            payload = call.item[key]
            if call.wrapped or not call.pieces:
                self._say_delta(call, payload)
            done = b',"name":%b,"%b":%b' % (jsontext.dumps(call.name), key.encode(), jsontext.dumps(payload))
            self._say(b"response.%b_%b.done" % (call.item["type"].encode(), key.encode()), call.where + done)
        self._say_item(b"response.output_item.done", call.index)

    def _fill_call(self, call: Call, status: str) -> str:
        key = _CALLS[call.custom][2]
        call.item["status"] = status
        call.item[key] = call.payload() if status == "completed" else "".join(call.pieces)
        return key

    # -----------------------------------------------------------------------------------------------------------------
    # Other items

    def media(self, part: Media) -> None:
        """An image is an image_generation_call; there is no place for audio and documents that a model made."""
        if not isinstance(part, Image) or part.data is None:
            self.context.note(f"{type(part).__name__.lower()} in an answer has no place in the {NAME} protocol")
            return self.text(stand_in(part, NAME).text)
        format = part.mime.removeprefix("image/")
        done = {"output_format": format} if format in _IMAGE_FORMATS else {}
        done |= {"status": "completed", **own_fields(part.extras), "result": part.data}
        item: Item = {"id": done.get("id") or "", "type": "image_generation_call", "status": "in_progress", "result": None}
        self._close_open("completed")
        index = self._add("ig_", item)
        item.update(done)
        self._say_item(b"response.output_item.done", index)
        return None

    def opaque(self, origin: str, raw: JSON) -> None:
        if origin == NAME and isinstance(raw, dict):
            self._close_open("completed")
            self._say_item(b"response.output_item.done", self._add("", raw))

    # -----------------------------------------------------------------------------------------------------------------
    # Writing

    def _add(self, prefix: str, item: Item) -> int:
        """Puts the item into the output and announces it; an id is made unless it has one. Returns its index."""
        index = len(self._items)
        if prefix and not item["id"]:
            item["id"] = made_id(self.context, prefix, index)
        self._items.append(item)
        self._say_item(b"response.output_item.added", index)
        return index

    def _close_open(self, status: str) -> None:
        self._close_thought(status)
        self._close_message(status)

    def _say_item(self, name: bytes, index: int) -> None:
        self._say(name, b'"output_index":%d,"item":' % index + jsontext.dumps(self._items[index]))

    def _say_response(self, name: bytes, head: dict[str, JSON]) -> None:
        self._say(name, b'"response":' + jsontext.dumps(head)[:-1] + b"," + self._echo + b"}")

    def _say(self, name: bytes, fields: bytes) -> None:
        self.out.append(opening(name, fields) + b',"sequence_number":%d}\n\n' % self._sequence)
        self._sequence += 1


_CALLS = {False: ("function_call", "fc_", "arguments"), True: ("custom_tool_call", "ctc_", "input")}
"""Is it custom? -> the item's type, its id's prefix, the key of what the model says."""

_IMAGE_FORMATS = frozenset({"png", "webp", "jpeg", "gif", "svg"})

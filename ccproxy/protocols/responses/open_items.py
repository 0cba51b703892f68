"""What is open in an Encoder's stream: a message, a thought, calls; with the bytes that each delta of them begins with."""

from __future__ import annotations

from typing import Any, TypeAlias

from ccproxy.codec import jsontext
from ccproxy.model import JSON, Citation
from ccproxy.protocols.responses.terms import NAME

Item: TypeAlias = dict[str, Any]
"""An output item as it is written."""


class Message:
    """The open message. part: its open part, already in the item; pieces: that part's text so far."""

    __slots__ = ("delta", "index", "item", "part", "pieces", "where")

    def __init__(self, index: int, item: Item) -> None:
        self.index = index
        self.item = item
        self.part: Item = {}
        self.pieces: list[str] = []
        self.delta = b""
        self.where = b""


class Thought:
    """The open reasoning item with its one summary part."""

    __slots__ = ("delta", "index", "item", "pieces", "where")

    def __init__(self, index: int, item: Item) -> None:
        self.index = index
        self.item = item
        self.pieces: list[str] = []
        where = b'"item_id":"%b","output_index":%d,"summary_index":0' % (item["id"].encode(), index)
        self.where = where
        self.delta = opening(b"response.reasoning_summary_text.delta", where) + b',"delta":'


class Call:
    """A tool call. wrapped: a free-text input that comes as the JSON text of `{"input": ...}`."""

    __slots__ = ("custom", "delta", "ended", "id", "index", "item", "name", "namespace", "pieces", "where", "wrapped")

    def __init__(self, id: str, name: str, namespace: str, custom: bool, wrapped: bool) -> None:
        self.id = id
        self.name = name
        self.namespace = namespace
        self.custom = custom
        self.wrapped = wrapped
        self.pieces: list[str] = []
        self.ended = False
        self.index = -1
        self.item: Item = {}
        self.where = self.delta = b""

    def payload(self) -> str:
        """The arguments or the input, as the item says it."""
        text = "".join(self.pieces)
        if self.wrapped:
            return _unwrapped(text)
        return text if text or self.custom else "{}"

    def is_whole(self) -> bool:
        if self.custom and not self.wrapped:
            return True
        text = "".join(self.pieces)
        return not text or _is_json(text)


def opening(name: bytes, fields: bytes) -> bytes:
    """The beginning of an event up to and with `fields`, its members."""
    return b"event: " + name + b'\ndata: {"type":"' + name + b'",' + fields


def length_of(items: JSON) -> int:
    """About how many bytes of words, thoughts and calls the items hold, which may be an upstream's."""
    found = _objects(items)
    parts = [part for item in found for key in ("content", "summary") for part in _objects(item.get(key))]
    texts = [part.get("text") or part.get("refusal") for part in parts]
    texts += [item.get("arguments") or item.get("input") for item in found]
    return sum(len(text) for text in texts if isinstance(text, str))


def _objects(items: JSON) -> list[Item]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def annotation_of(citation: Citation, message: Message) -> JSON:
    """The citation as an annotation; one of another protocol points at the end of the text so far, unless it says where."""
    if citation.origin == NAME:
        return citation.raw
    here = sum(map(len, message.pieces))
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or citation.url,
        "start_index": here if citation.start is None else citation.start,
        "end_index": here if citation.end is None else citation.end,
    }


def _is_json(text: str) -> bool:
    try:
        jsontext.loads(text)
    except jsontext.JSONError:
        return False
    return True


def _unwrapped(text: str) -> str:
    """The free text in `{"input": ...}`; the text itself where a model left the wrapping out."""
    try:
        document = jsontext.loads(text) if text else {"input": ""}
    except jsontext.JSONError:
        return text
    inner = document.get("input") if isinstance(document, dict) else None
    return inner if isinstance(inner, str) else text

"""Records that say what the one before them said, but for one text: nearly every record of a model's stream.

Fast for a reason. Once a record has been read in full, the next one that has the same bytes around another text needs no
framing, no JSON document and no search for the text in it: two comparisons and one `loads` of a short string are left, and
what they prove is the same. The bytes around the text are those of a document that was read; what stands between them is
decoded as one JSON string, and nothing else is taken for one. Anything that differs is read in the ordinary way.

    offer(record, text) ── the next read ──> learn: the text's place is found ──> read, read, read ...
                                                      │                             │
                        forget <── place not certain ─┴── another record <──────────┘

The learning waits for the next read, so that no first chunk is late for it and no stream of one chunk pays for it.

What may differ beside the text, once it has been seen to differ:

- `volatile` members of the document, named by whoever knows the protocol, which change from record to record and mean
  nothing by themselves (a time, a count, padding): the digits of the value, or a string of plain characters. The last are
  kept in `tokens`. Counts of nothing but zeros are no repeat: their server says that it has not counted.
- spaces behind the text, where no string follows: Anthropic pads its events so.
- the text may stand in the record several times (OpenRouter says each thought twice), the same in each place.

The caller promises: `text` is the value of a string of the record; the record was read at a boundary of records; with the
text of a repeat it has only to do what it did with the offered one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import orjson

from ccproxy.codec import jsontext

MISSES = 4
"""Lessons in a row that no record came for, after which a stream is taken for one without repeats. A lesson costs some ten
times what it saves on one record."""

LONGEST_PENDING = 4096
"""Bytes of a repeat that are waited for here; a longer one goes to the reader, which looks at each byte once."""

_PROBE = "\0probe"
_DECODER = json.JSONDecoder()
_DIGITS = b"0123456789"
_PLAIN = bytes(set(range(0x20, 0x7F)) - set(b'"\\'))
_QUOTE, _BACKSLASH = b'"', 0x5C
_BOM = b"\xef\xbb\xbf"  # may come once
_SIGN, _SIGN_END = 24, 8
"""Bytes at the beginning and the end of a record that tell its kind, where something in it varies."""
_ANCHOR = 12
"""Bytes by which the end of a value is looked for; a short needle is found faster."""


class _Slot(NamedTuple):
    """Where a value stands in a record: its offsets, and the name of its member, "" for the text. A string's are those of
    what stands between its quotes."""

    start: int
    stop: int
    name: str
    is_string: bool


Step = tuple[str, bytes, bytes, bytes | None]
"""How a value is read: its name; what to look for behind it; all that must stand behind it; what is left of it without what
may differ, None for a number, which is digits only."""


class _Shape:
    """How a repeat looks. head: what it begins with. steps: its values, each with what stands behind it. end: how it ends.
    squeezed: what stands before that without its spaces, where these vary; else nothing.

    The text alone is the usual case: then `tail` is all that stands behind it, `start` and `stop` say where a record of its
    own has it, quotes and all, so that what is decoded can only be a string, and `short` is above the length of one record
    with a short text and below that of two."""

    __slots__ = ("end", "head", "short", "squeezed", "start", "steps", "stop", "tail")

    def __init__(self, head: bytes, steps: list[Step], end: bytes, squeezed: bytes) -> None:
        self.head, self.steps, self.end, self.squeezed = head, steps, end, squeezed
        self.tail = b""
        self.start = self.stop = self.short = 0
        if len(steps) == 1 and not squeezed:
            self.tail = steps[0][2]
            self.start, self.stop = len(head) - 1, 1 - len(self.tail)
            self.short = 2 * (len(head) + len(self.tail))

    def match(self, data: bytes, at: int, texts: list[str], tokens: dict[str, bytes]) -> int:
        """Adds the text of the record at this offset, and its volatile values; returns where the record ends, 0 for no
        repeat. Value by value: where it ends, whether the known bytes stand behind it, whether nothing in it differs but
        what may."""
        if not data.startswith(self.head, at):
            return 0
        at += len(self.head)
        text = None
        for name, anchor, behind, fixed in self.steps:
            stop = data.find(anchor, at)
            if stop < 0 or not data.startswith(behind, stop):
                stop = _string_end(data, at, behind) if anchor is _QUOTE else -1
                if stop < 0:
                    return 0
            token = data[at:stop]
            at = stop + len(behind)
            if name:
                if not _may_differ_so(token, anchor is _QUOTE, fixed):
                    return 0
                tokens[name] = token
            elif text is not None and token != text:
                return 0
            else:
                text = token
        if self.squeezed and not (at := self._end_at(data, at)):
            return 0
        try:
            texts.append(orjson.loads(b'"%b"' % (text or b"")))
        except orjson.JSONDecodeError:
            return 0
        return at

    def may_begin(self, data: bytes) -> bool:
        """Whether `data` may be the beginning of a repeat."""
        return (data.startswith(self.head) or self.head.startswith(data)) and self.end not in data

    def _end_at(self, data: bytes, at: int) -> int:
        stop = data.find(self.end, at)
        return stop + len(self.end) if stop >= 0 and data[at:stop].replace(b" ", b"") == self.squeezed else 0


class Repeats:
    """For one stream. ends: how a record may end, the longer first. volatile: see the module; varying: those of them that
    are known to differ.

    rest: what `read` has left of the data, to be read in full. pending: the beginning of a repeat, which waits for the next
    data. tokens: the volatile members that vary, of the last record that was read here: JSON, or what stands between the
    quotes of a string."""

    __slots__ = (
        "_candidate",
        "_differed",
        "_ends",
        "_misses",
        "_shape",
        "_spaces",
        "_tails",
        "_values",
        "_varying",
        "_volatile",
        "pending",
        "rest",
        "tokens",
    )

    def __init__(self, ends: tuple[bytes, ...], volatile: tuple[str, ...] = (), varying: tuple[str, ...] = ()) -> None:
        self.pending = b""
        self.rest = b""
        self.tokens: dict[str, bytes] = {}
        self._shape: _Shape | None = None  # what was learned
        self._candidate: tuple[bytes, bytes, str] | None = None  # a record, its end and its text, to learn from
        # What lessons have in common
        self._ends = ends
        self._volatile = volatile
        self._values: dict[str, bytes] = {}  # the volatile members of an earlier lesson
        self._varying = set(varying)
        self._tails: dict[bytes, bytes] = {}  # what stood behind the text, without its spaces -> as it was
        self._spaces = False  # spaces behind the text have changed
        self._misses = 0
        self._differed = False  # what came behind the last offer did not look like a repeat

    def __repr__(self) -> str:
        return f"<Repeats {'armed' if self.armed else 'idle'} misses={self._misses}>"

    @property
    def armed(self) -> bool:
        """Whether a repeat would be recognised."""
        return self._shape is not None or self._candidate is not None

    def learn_from(self, data: bytes, records: int, text: str | None, *, begun: bool, cut: bool) -> None:
        """`data` has been read in full: so many records ended in it. text: the one that the last record held and nothing
        else, None for none. begun: the first record had begun in earlier data; cut: another one has begun in this."""
        if not records and not cut:  # comments
            return
        self.forget()
        if text is not None and records and not cut and (records > 1 or not begun):
            self.offer(data, text)

    def offer(self, data: bytes, text: str) -> None:
        """The last record of `data`, which ends there, held one text. Another record of its kind may follow."""
        self.forget()
        if self._misses >= MISSES:
            return
        for end in self._ends:
            if data.endswith(end):
                begin = data.rfind(end, 0, -len(end))
                self._candidate = (data if begin < 0 else data[begin + len(end) :]), end, text
                return

    def forget(self) -> None:
        """Something else came: the next record is to be read in full."""
        self._shape = self._candidate = None

    def flush(self) -> bytes:
        """What was pending, at the end of the input."""
        pending, self.pending = self.pending, b""
        return pending

    def read(self, data: bytes) -> list[str]:
        """The texts of the records that `data` begins with, as far as they are repeats. Sets `rest` and `pending`."""
        if self.pending:
            data = self.flush() + data
        if self._candidate is not None:
            self._shape = self._learned(data)
        shape = self._shape
        if shape is None:
            self.rest = data
            return []
        if len(data) < shape.short and data.startswith(shape.head) and data.endswith(shape.tail):
            try:
                text = orjson.loads(data[shape.start : shape.stop])
            except orjson.JSONDecodeError:
                pass
            else:
                self._misses = 0
                self.rest = b""
                return [text]
        return self._read_many(shape, data)

    def _read_many(self, shape: _Shape, data: bytes) -> list[str]:
        """Of several records, or of one that is not of the simplest kind."""
        texts: list[str] = []
        at, size = 0, len(data)
        tokens: dict[str, bytes] = {}
        while end := shape.match(data, at, texts, tokens):
            at = end
            self._misses = 0
            if tokens:
                self.tokens, tokens = tokens, {}
            if at == size:
                self.rest = b""
                return texts
        self.rest = data[at:]
        if len(self.rest) <= LONGEST_PENDING and shape.may_begin(self.rest):
            self.pending, self.rest = self.rest, b""
        return texts

    # Learning

    def _learned(self, data: bytes) -> _Shape | None:
        """What stands around the text and around what varies in the offered record; None where that is not certain, and
        where `data`, which comes next, does not look like a repeat."""
        record, end, text = self._candidate or (b"", b"", "")
        self._candidate = None
        if not self._resembles(data, record, text):
            return None
        self._misses += 1
        body = record[: -len(end)]
        slots = sorted([*_places_of(body, text), *self._vary(body)], key=lambda slot: slot.start)
        if all(slot.name for slot in slots) or any(one.stop > other.start for one, other in pairwise(slots)):
            return None
        between = [body[one.stop : other.start] for one, other in pairwise(slots)]
        last = body[slots[-1].stop :]
        squeezed = self._padded(last)
        behind = [*between, last[:1] if squeezed else last + end]
        steps = [_step(body, slot, part) for slot, part in zip(slots, behind, strict=True)]
        return _Shape(body[: slots[0].start], steps, end, squeezed)

    def _resembles(self, data: bytes, record: bytes, text: str) -> bool:
        """Whether `data` may begin with a repeat, as far as can be told cheaply: the lesson from a single text would be for
        nothing. Where that fails twice in a row it is to be found out what varies."""
        at = max(0, record.find(jsontext.dumps(text)))
        if self._varying:
            alike = data.startswith(record[: min(at, _SIGN)]) and data.endswith(record[-_SIGN_END:])
        else:
            alike = data.startswith(record[:at])
        self._differed, alike = not alike, alike or self._differed
        return alike

    def _padded(self, last: bytes) -> bytes:
        """What stands behind the last value's quote without its spaces, if these vary; else nothing."""
        if last.count(_QUOTE) != 1 or not last.startswith(_QUOTE):
            return b""
        squeezed = last.replace(b" ", b"")
        self._spaces = self._spaces or self._tails.setdefault(squeezed, last) != last
        return squeezed[1:] if self._spaces else b""

    def _vary(self, body: bytes) -> list[_Slot]:
        """The places of the volatile members that vary, as far as is known."""
        slots = list(_places(body, self._volatile)) if self._volatile else []
        for slot in slots:
            value = body[slot.start : slot.stop]
            if self._values.setdefault(slot.name, value) != value:
                self._varying.add(slot.name)
        return [slot for slot in slots if slot.name in self._varying]


def _step(body: bytes, slot: _Slot, behind: bytes) -> Step:
    if slot.is_string:
        return slot.name, _QUOTE, behind, b""
    return slot.name, behind[:_ANCHOR], behind, body[slot.start : slot.stop].translate(None, _DIGITS) or None


def _may_differ_so(token: bytes, is_string: bool, fixed: bytes | None) -> bool:
    """Whether a volatile value differs in nothing but what may: plain characters of a string, the digits of a number or of
    anything else. No number begins with a zero, as JSON has none such."""
    if fixed is None:
        return token.isdigit() and not token.startswith(b"0")
    if is_string:
        return token.isalnum() or not token.translate(None, _PLAIN)
    return token.translate(None, _DIGITS) == fixed != token.translate(None, b"0")


def _string_end(data: bytes, at: int, behind: bytes) -> int:
    """Where the string ends whose inside begins at this offset, if `behind` stands there; else -1. The first quote was
    not its end."""
    stop = data.find(_QUOTE, at)
    while stop > at and data[stop - 1] == _BACKSLASH:
        stop = data.find(_QUOTE, stop + 1)
    return stop if stop >= 0 and data.startswith(behind, stop) else -1


def _places_of(body: bytes, text: str) -> list[_Slot]:
    """Where the text stands in the record, none where that is not certain. Certain is: with another word in all the places
    where its JSON stands, every one of them is a string value of the document, and no other string value says the text."""
    token = jsontext.dumps(text)
    strings = list(_strings(_document_of(body.replace(token, jsontext.dumps(_PROBE)))))
    if text in strings or strings.count(_PROBE) != body.count(token):
        return []
    found, at = [], body.find(token)
    while at >= 0:
        found.append(_Slot(at + 1, at + len(token) - 1, "", True))
        at = body.find(token, at + len(token))
    return found


def _document_of(body: bytes) -> dict[str, object]:
    """The document of a record; empty where it is no object, or is not all that the record says."""
    begin = body.find(b"{")
    try:
        document = orjson.loads(body[begin:]) if begin >= 0 and not body.startswith(_BOM) else None
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _strings(document: object) -> Iterator[str]:
    """Every string value of a document."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def _places(body: bytes, names: tuple[str, ...]) -> Iterator[_Slot]:
    """Where the values of these members of the document stand, as far as each name stands in the record once. A member of
    something within the document, such as a call's id, tells records apart."""
    text = body.decode("latin-1")  # a character a byte, so that offsets are the bytes'
    members = _document_of(body)
    for name in names:
        key = f'"{name}"'
        at = text.find(key)
        if at < 0 or name not in members or text.find(key, at + 1) >= 0:
            continue
        begin = at + len(key)
        while text[begin : begin + 1] in (" ", ":"):
            begin += 1
        try:
            value, stop = _DECODER.raw_decode(text, begin)
        except ValueError:
            continue
        is_string = isinstance(value, str)
        yield _Slot(begin + is_string, stop - is_string, name, is_string)

"""Records that say what the one before them said, but for one text: nearly every record of a model's stream.

Fast for a reason. Once a record has been read in full, the next one that has the same bytes around another text needs no
framing, no JSON document and no search for the text in it: two comparisons and one `loads` of a short string are left, and
what they prove is the same. The bytes around the text are those of a document that was read; what stands between them is
decoded as one JSON string, and nothing else is taken for one. Anything that differs is read in the ordinary way.

    offer(record, text) ── the next read ──> learn: the text's place is found ──> one, one, one ...
                                                      │                             │
                        forget <── place not certain ─┴── another record <──────────┘

The learning waits for the next read, so that no first chunk is late for it and no stream of one chunk pays for it. What it
learns is a shape, of which there are three: `_Lone` for a text alone, `_Paired` where one other value varies before the
text, behind it or on both sides, and `_Shape` for everything else. Their `one` takes a read that is one record, as nearly
all are; a read of several is cut into such reads.

What may differ beside the text, once it has been seen to differ:

- `volatile` members of the document, named by whoever knows the protocol, which change from record to record and mean
  nothing by themselves (a time, a count, padding): the digits of the value, or a string of plain characters. Of some the
  last value counts: `missed` tells it. Counts of nothing but zeros are no repeat: their server says that it has not
  counted.
  Of an object of counts all but the digits is compared, and these are not: whoever reads the last ones finds what is wrong.
- spaces behind the text, where no string follows: Anthropic pads its events so.
- the text may stand in the record several times (OpenRouter says each thought twice), the same in each place.

The caller promises: `text` is the value of a string of the record; the record was read at a boundary of records; with the
text of a repeat it has only to do what it did with the offered one.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import orjson

from ccproxy.codec import jsontext

MISSES = 4
"""Lessons in a row that no record came for, after which a stream is taken for one without repeats. A lesson costs some ten
times what it saves on one record."""

LONGEST_PENDING = 4096
"""Bytes of a repeat that are waited for here; a longer one goes to the reader, which looks at each byte once."""

_PROBE = jsontext.dumps("\0probe")
_DECODER = json.JSONDecoder()
_DIGITS = b"0123456789"
_ALNUM = (string.digits + string.ascii_letters).encode()
_PLAIN = bytes(set(range(0x20, 0x7F)) - set(b'"\\'))
_QUOTE, _MARK, _BACKSLASH, _ZERO = b'"', 0x22, 0x5C, 0x30
_BOM = b"\xef\xbb\xbf"  # may come once
_SIGN_END = 8
"""Bytes at the end of a record that tell its kind, where something before its text varies."""
_ANCHOR = 12
"""Bytes by which the end of a value is looked for; a short needle is found faster."""

_TEXT, _NUMBER, _STRING, _SPACES, _OTHER = range(5)
"""Kinds of values."""


class _Slot(NamedTuple):
    """Where a value stands in a record: its offsets, the name of its member, "" for none, and its kind. A string's offsets
    are those of what stands between its quotes."""

    start: int
    stop: int
    name: str
    kind: int


class _Step(NamedTuple):
    """How a value is read. anchor: what to look for behind it. behind: all that must stand behind it. fixed: what is left
    of it without its digits, for the kind _OTHER."""

    name: str
    kind: int
    anchor: bytes
    behind: bytes
    fixed: bytes


class _Shape:
    """How a repeat looks. head: what it begins with. steps: its values, each with what stands behind it. end: how it ends.
    tail: the last bytes that are known, by which records are told apart: the longer, the faster they are found. squeezed:
    what stands behind the values without its spaces, where these vary in no known place; else nothing. seen: the last
    repeat."""

    __slots__ = ("end", "head", "seen", "squeezed", "steps", "tail")

    def __init__(self, head: bytes, steps: list[_Step], end: bytes, squeezed: bytes = b"") -> None:
        self.head, self.steps, self.end, self.squeezed = head, steps, end, squeezed
        self.tail = end
        self.seen = b""

    def one(self, data: bytes) -> str | None:
        """The text of `data`, if that is one repeat and nothing else; None for anything else."""
        values = self._values(data)
        if values is None:
            return None
        try:
            text: str = orjson.loads(b'"%b"' % values[""])
        except orjson.JSONDecodeError:
            return None
        self.seen = data
        return text

    def missed(self) -> dict[str, bytes]:
        """The named values of the last repeat, those of strings without their quotes."""
        values = (self._values(self.seen) if self.seen else None) or {}
        return {name: value for name, value in values.items() if name}

    def may_begin(self, data: bytes) -> bool:
        """Whether `data` may be the beginning of a repeat."""
        return (data.startswith(self.head) or self.head.startswith(data)) and self.end not in data

    def _values(self, data: bytes) -> dict[str, bytes] | None:
        """Value by value: where it ends, whether the known bytes stand behind it, whether nothing in it differs but what
        may. Under no name the text, which is the same in each of its places."""
        if not data.startswith(self.head):
            return None
        at = len(self.head)
        found: dict[str, bytes] = {}
        for name, kind, anchor, behind, fixed in self.steps:
            stop = data.find(anchor, at)
            if stop < 0 or not data.startswith(behind, stop):
                stop = _string_end(data, at, behind) if anchor is _QUOTE else -1
                if stop < 0:
                    return None
            value = data[at:stop]
            at = stop + len(behind)
            if kind == _TEXT:
                if found.setdefault("", value) != value:
                    return None
            elif not _may_differ_so(value, kind, fixed):
                return None
            elif name:
                found[name] = value
        left = data[at:].replace(b" ", b"") if self.squeezed else data[at:]
        return found if left == self.squeezed else None


class _Lone(_Shape):
    """The text alone: what stands between `head` and `tail` is its JSON, or no repeat. around: how many bytes these have.

    Here and in `_Paired` prefixes are removed and lengths compared, because that takes a third of the time of `startswith`
    (which in CPython 3.11 makes and takes apart a tuple of arguments), and single bytes are looked for, not words."""

    __slots__ = ("around", "before_text")

    def __init__(self, head: bytes, steps: list[_Step], end: bytes) -> None:
        super().__init__(head, steps, end)
        self.before_text, self.tail = head[:-1], steps[0].behind[1:]
        self.around = len(self.before_text) + len(self.tail)

    def one(self, data: bytes) -> str | None:
        text = data.removeprefix(self.before_text).removesuffix(self.tail)
        size = len(text)
        if size != len(data) - self.around or (size > self.around and self.end in text):
            return None
        try:
            said: str = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        if text[0] != _MARK or text[-1] != _MARK:  # no string, or spaces around it
            return None
        self.seen = data
        return said


class _Paired(_Shape):
    """The text, and one value that varies before it, behind it or on both sides. Its record is taken from both ends:

        first  value  lead  text  trail  value  tail

    without the value that is not there and what stands between it and the text. lead: [0] is its beginning, by which the
    value's end is found; trail: [1] is its end, likewise. around: the bytes of all but text and values; what was not there
    to be removed is missing from the sum. stem: what the value before the text began with; letters and digits followed."""

    __slots__ = ("around", "before", "behind", "first", "lead", "quick_before", "quick_behind", "stem", "trail")

    def __init__(self, head: bytes, steps: list[_Step], end: bytes) -> None:
        super().__init__(head, steps, end)
        first, last = steps[0], steps[-1]
        self.before = first if first.kind != _TEXT else None
        self.behind = last if last.kind != _TEXT else None
        self.quick_before, self.quick_behind = _QUICK[first.kind], _QUICK[last.kind]
        self.first = head if self.before is not None else head[:-1]
        self.tail = last.behind if self.behind is not None else last.behind[1:]
        lead, trail = first.behind[:-1], steps[-2].behind[1:]
        cut = _ANCHOR if first.kind == _OTHER else 1
        self.lead = lead[:cut], lead[cut:]
        cut = max(0, len(trail) - (_ANCHOR if last.kind == _OTHER else 1))
        self.trail = trail[:cut], trail[cut:]
        self.around = len(head) + sum([len(step.behind) for step in steps]) - 2
        self.stem = b""

    def one(self, data: bytes) -> str | None:
        text = data.removeprefix(self.first).removesuffix(self.tail)
        varied = 0
        if self.before is not None:
            begin, lead = self.lead
            value, _, text = text.partition(begin)
            text = text.removeprefix(lead)
            varied = len(value)
            if not (self.quick_before(value.removeprefix(self.stem)) and value[0] > _ZERO) and not self._began(value):
                return None
        if self.behind is not None:
            trail, end = self.trail
            text, _, value = text.rpartition(end)
            text = text.removesuffix(trail)
            varied += len(value)
            if not (self.quick_behind(value) and value[0] > _ZERO) and not _fits(value, self.behind):
                return None
        size = len(text)
        if size + varied != len(data) - self.around or (size > self.around and self.end in text):
            return None
        try:
            said: str = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        if text[0] != _MARK or text[-1] != _MARK:  # no string, or spaces around it
            return None
        self.seen = data
        return said

    def _began(self, value: bytes) -> bool:
        """Whether a value before the text fits; if so, the next one will begin alike, as a time does."""
        assert self.before is not None
        if not _fits(value, self.before):
            return False
        if self.before.kind == _STRING:
            self.stem = value.rstrip(_ALNUM)
        return True


def _not_one(data: bytes) -> str | None:
    """In the place of a shape's `one` where there is none."""
    return None


class Repeats:
    """For one stream. ends: how a record may end, the longer first. volatile: see the module; varying: those of them that
    are known to differ; told: those that `missed` tells.

    one(data): the text of `data`, if that is one repeat and nothing else; None for anything else, which goes to `read`.
    rest: what `read` has left of the data, to be read in full. pending: the beginning of a repeat, which waits for the next
    data."""

    __slots__ = (
        "_candidate",
        "_differed",
        "_ends",
        "_misses",
        "_shape",
        "_spaces",
        "_tails",
        "_told",
        "_values",
        "_varying",
        "_volatile",
        "one",
        "pending",
        "rest",
    )

    def __init__(
        self,
        ends: tuple[bytes, ...],
        volatile: tuple[str, ...] = (),
        varying: tuple[str, ...] = (),
        told: tuple[str, ...] = (),
    ) -> None:
        self.one: Callable[[bytes], str | None] = _not_one
        self.pending = b""
        self.rest = b""
        self._shape: _Shape | None = None  # what was learned
        self._candidate: tuple[bytes, str] | None = None  # what ends with a record, and its text, to learn from
        # What lessons have in common
        self._ends = ends
        self._volatile = volatile
        self._told = told
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
        if text is not None and records and not cut and (records > 1 or not begun):
            self.offer(data, text)
        else:
            self.forget()

    def offer(self, data: bytes, text: str) -> None:
        """The last record of `data`, which ends there, held one text. Another record of its kind may follow."""
        self.forget()
        if self._misses < MISSES:
            self._candidate = data, text

    def forget(self) -> None:
        """Something else came: the next record is to be read in full."""
        if self._shape is not None and self._shape.seen:
            self._misses = 0
        self._shape = self._candidate = None
        self.one = _not_one

    def flush(self) -> bytes:
        """What was pending, at the end of the input."""
        pending, self.pending = self.pending, b""
        return pending

    def missed(self) -> dict[str, bytes]:
        """The volatile members that vary and are to be told, of the last repeat since this was asked: JSON, or what stands
        between the quotes of a string."""
        shape = self._shape
        if not self._told or shape is None or not shape.seen:
            return {}
        missed = shape.missed()
        self._misses = 0
        shape.seen = b""
        return {name: value for name, value in missed.items() if name in self._told}

    def read(self, data: bytes) -> list[str]:
        """The texts of the records that `data` begins with, as far as they are repeats. `one` did not take it. Sets `rest`
        and `pending`."""
        seen = self.one is not _not_one  # the shape has looked at it
        if self.pending:
            data = self.flush() + data
        if self._candidate is not None:
            self._shape = self._learned(data)
        shape = self._shape
        if shape is None:
            self.rest = data
            return []
        one, tail = shape.one, shape.tail
        texts: list[str] = []
        *records, rest = data.split(tail)
        if seen and len(records) == 1 and not rest:
            self.rest = data
            return texts
        for number, record in enumerate(records):
            text = one(record + tail)
            if text is None:
                rest = tail.join([*records[number:], rest])
                break
            texts.append(text)
        if rest and len(rest) <= LONGEST_PENDING and shape.may_begin(rest):
            self.pending, self.rest, self.one = rest, b"", _not_one
        else:
            self.rest, self.one = rest, one
        return texts

    # Learning

    def _learned(self, data: bytes) -> _Shape | None:
        """What stands around the text and around what varies in the offered record; None where that is not certain, and
        where `data`, which comes next, does not look like a repeat."""
        offered, text = self._candidate or (b"", "")
        self._candidate = None
        record, end = self._last_of(offered)
        token = jsontext.dumps(text)
        if not end or not self._resembles(data, record, token):
            return None
        self._misses += 1
        body = record[: -len(end)]
        document = _document_around(token, body)
        slots = [*_places_of(token, body), *self._vary(body, document), *self._padding(token, body)] if document else []
        slots.sort()
        if not slots or any(one.stop > other.start for one, other in pairwise(slots)):
            return None
        behind = [body[one.stop : other.start] for one, other in pairwise(slots)]
        last = body[slots[-1].stop :]
        squeezed = last.replace(b" ", b"")[1:] if self._spaces and last.count(_QUOTE) == 1 else b""
        behind.append(last[:1] if squeezed else last + end)
        steps = [_step(body, slot, part) for slot, part in zip(slots, behind, strict=True)]
        return _shape(body[: slots[0].start], steps, end, squeezed)

    def _last_of(self, data: bytes) -> tuple[bytes, bytes]:
        """The record that `data` ends with, and its end; nothing where that is none of those that are known."""
        for end in self._ends:
            if data.endswith(end):
                begin = data.rfind(end, 0, -len(end))
                return (data if begin < 0 else data[begin + len(end) :]), end
        return b"", b""

    def _resembles(self, data: bytes, record: bytes, token: bytes) -> bool:
        """Whether `data` may begin with a repeat, as far as can be told cheaply: the lesson from a single text would be for
        nothing. Where that fails twice in a row it is to be found out what varies."""
        at = max(0, record.find(token))
        places = [place for name in self._varying if 0 <= (place := record.find(b'"%b"' % name.encode())) < at]
        alike = data.startswith(record[: min(places, default=at)])
        if places:
            alike = alike and data.endswith(record[-_SIGN_END:])
        self._differed, alike = not alike, alike or self._differed
        return alike

    def _padding(self, token: bytes, body: bytes) -> list[_Slot]:
        """Where spaces behind the text stand, if these vary and stand together; notes whether they do."""
        begin = body.rfind(token) + len(token) - 1
        last = body[begin:]
        if last.count(_QUOTE) != 1:
            return []
        squeezed = last.replace(b" ", b"")
        self._spaces = self._spaces or self._tails.setdefault(squeezed, last) != last
        spaces = last.count(b" ")
        at = last.find(b" " * spaces) if spaces and self._spaces else -1
        return [_Slot(begin + at, begin + at + spaces, "", _SPACES)] if at >= 0 else []

    def _vary(self, body: bytes, document: dict[str, object]) -> list[_Slot]:
        """The places of the volatile members that vary, as far as is known."""
        slots = [slot for name in self._volatile if (slot := _place_of(name, body, document)) is not None]
        for slot in slots:
            value = body[slot.start : slot.stop]
            if self._values.setdefault(slot.name, value) != value:
                self._varying.add(slot.name)
        return [slot for slot in slots if slot.name in self._varying]


def _shape(head: bytes, steps: list[_Step], end: bytes, squeezed: bytes) -> _Shape:
    kinds, behinds = [step.kind for step in steps], [step.behind for step in steps]
    if squeezed or kinds.count(_TEXT) > 1:
        return _Shape(head, steps, end, squeezed + end if squeezed else b"")
    at = kinds.index(_TEXT)
    if len(kinds) == 1:
        return _Lone(head, steps, end)
    paired = at <= 1 and len(kinds) - at <= 2 and min(map(len, behinds)) > 1
    return _Paired(head, steps, end) if paired else _Shape(head, steps, end)


def _step(body: bytes, slot: _Slot, behind: bytes) -> _Step:
    if slot.kind in (_TEXT, _STRING):
        return _Step(slot.name, slot.kind, _QUOTE, behind, b"")
    fixed = body[slot.start : slot.stop].translate(None, _DIGITS) if slot.kind == _OTHER else b""
    return _Step(slot.name, slot.kind, behind[:_ANCHOR], behind, fixed)


_QUICK: dict[int, Callable[[bytes], bool]] = {
    _TEXT: bool,
    _NUMBER: bytes.isdigit,
    _STRING: bytes.isalnum,
    _SPACES: bytes.isspace,  # which never begins with a character above the zero
    _OTHER: bytes.isspace,
}
"""True of a value that begins with a character above the zero only where it fits its kind; False says nothing."""


def _fits(value: bytes, step: _Step) -> bool:
    return _may_differ_so(value, step.kind, step.fixed)


def _may_differ_so(token: bytes, kind: int, fixed: bytes) -> bool:
    """Whether a value differs in nothing but what may: plain characters of a string, the digits of a number or of anything
    else. No number begins with a zero, as JSON has none such."""
    if kind == _NUMBER:
        return token.isdigit() and not token.startswith(b"0")
    if kind == _STRING:
        return token.isalnum() or not token.translate(None, _PLAIN)
    if kind == _SPACES:
        return not token.strip(b" ")
    return token.translate(None, _DIGITS) == fixed != token.translate(None, b"0")


def _string_end(data: bytes, at: int, behind: bytes) -> int:
    """Where the string ends whose inside begins at this offset, if `behind` stands there; else -1. The first quote was
    not its end."""
    stop = data.find(_QUOTE, at)
    while stop > at and data[stop - 1] == _BACKSLASH:
        stop = data.find(_QUOTE, stop + 1)
    return stop if stop >= 0 and data.startswith(behind, stop) else -1


def _document_around(token: bytes, body: bytes) -> dict[str, object]:
    """The document of a record, the text (whose JSON is given) replaced by another word; empty where the text's place is
    not certain: where not every such word is a string value, where something else says the text, where the record is no
    object or not all of it is."""
    begin = body.find(b"{")
    if begin < 0 or body.startswith(_BOM):
        return {}
    try:
        document = orjson.loads(body[begin:].replace(token, _PROBE))
        written = orjson.dumps(document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return {}
    certain = 0 < body.count(token) == written.count(_PROBE) and token not in written and _PROBE + b":" not in written
    return document if certain and isinstance(document, dict) else {}


def _places_of(token: bytes, body: bytes) -> list[_Slot]:
    """Where the text stands in the record: all the places where its JSON does."""
    found, at = [], body.find(token)
    while at >= 0:
        found.append(_Slot(at + 1, at + len(token) - 1, "", _TEXT))
        at = body.find(token, at + len(token))
    return found


def _place_of(name: str, body: bytes, document: dict[str, object]) -> _Slot | None:
    """Where the value of this member of the document stands, if the name stands in the record once. A member of something
    within the document, such as a call's id, tells records apart."""
    key = b'"%b"' % name.encode()
    if name not in document or body.count(key) != 1:
        return None
    begin = body.index(key) + len(key)
    while body[begin] in b" :":
        begin += 1
    value = document[name]
    written = jsontext.dumps(value)
    stop = begin + len(written) if body.startswith(written, begin) else _value_end(body, begin)
    if stop < 0:
        return None
    if isinstance(value, str):
        return _Slot(begin + 1, stop - 1, name, _STRING)
    return _Slot(begin, stop, name, _NUMBER if body[begin:stop].isdigit() else _OTHER)


def _value_end(body: bytes, begin: int) -> int:
    """Of a value that is not written as we would; -1 where there is none."""
    try:
        return _DECODER.raw_decode(body.decode("latin-1"), begin)[1]  # a character a byte, so that offsets are the bytes'
    except ValueError:
        return -1

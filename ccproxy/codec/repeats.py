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

- `volatile` members, named by whoever knows the protocol, which change from record to record and change nothing (a time, a
  number, padding). Any JSON may stand there; the last is kept in `tokens`.
- spaces behind the text, where no string follows: Anthropic pads its events so.
- the text may stand in the record several times (OpenRouter says each thought twice), the same in each place.

The caller promises: `text` is the value of a string of the record; the record was read at a boundary of records; with the
text of a repeat it has only to do what it did with the offered one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise

import orjson

from ccproxy.codec import jsontext

MISSES = 4
"""Lessons in a row that no record came for, after which a stream is taken for one without repeats. A lesson costs some ten
times what it saves on one record."""

LONGEST_PENDING = 4096
"""Bytes of a repeat that are waited for here; a longer one goes to the reader, which looks at each byte once."""

_PROBE = "\0probe"
_UNARMED = b"\0"  # no record begins so
_DECODER = json.JSONDecoder()

Slot = tuple[int, int, str]
"""Begin and end of a value in a record, and the name of the member; "" for the text."""


class Repeats:
    """For one stream. ends: how a record may end, the longer first. volatile: see the module.

    rest: what `read` has left of the data, to be read in full. pending: the beginning of a repeat, which waits for the next
    data. tokens: the JSON of the volatile members that vary, of the last record that was read here. armed: whether a repeat
    would be recognised."""

    __slots__ = (
        "_candidate",
        "_end",
        "_ends",
        "_from",
        "_head",
        "_last",
        "_match",
        "_misses",
        "_segments",
        "_short",
        "_spaces",
        "_tail",
        "_tails",
        "_to",
        "_values",
        "_varying",
        "_volatile",
        "armed",
        "pending",
        "rest",
        "tokens",
    )

    def __init__(self, ends: tuple[bytes, ...], volatile: tuple[str, ...] = ()) -> None:
        self.armed = False
        self.pending = b""
        self.rest = b""
        self.tokens: dict[str, bytes] = {}
        self._ends = ends
        self._volatile = volatile
        self._values: dict[str, bytes] = {}  # the volatile members of an earlier lesson
        self._varying: set[str] = set()  # those that have changed
        self._candidate: tuple[bytes, bytes, str] | None = None  # a record, its end and its text, to learn from
        self._tails: dict[bytes, bytes] = {}  # what stood behind the text, without its spaces -> as it was
        self._spaces = False  # spaces behind the text have changed
        self._misses = 0
        self._forget()

    def __repr__(self) -> str:
        return f"<Repeats {'armed' if self.armed else 'idle'} misses={self._misses}>"

    def offer(self, data: bytes, text: str) -> None:
        """The last record of `data`, which ends there, held one text. Another record of its kind may follow."""
        self.forget()
        if self._misses >= MISSES:
            return
        for end in self._ends:
            if data.endswith(end):
                begin = data.rfind(end, 0, -len(end))
                self._candidate = (data if begin < 0 else data[begin + len(end) :]), end, text
                self.armed = True
                return

    def forget(self) -> None:
        """Something else came: the next record is to be read in full."""
        if self.armed:
            self._forget()

    def flush(self) -> bytes:
        """What was pending, at the end of the input."""
        pending, self.pending = self.pending, b""
        return pending

    # Reading

    def read(self, data: bytes) -> list[str]:
        """The texts of the records that `data` begins with, as far as they are repeats. Sets `rest` and `pending`."""
        if self.pending:
            data = self.flush() + data
        if self._candidate is not None:
            self._learn()
        if len(data) < self._short and data.startswith(self._head) and data.endswith(self._tail):
            try:
                text = orjson.loads(data[self._from : self._to])
            except orjson.JSONDecodeError:
                pass
            else:
                self._misses = 0
                self.rest = b""
                return [text]
        if self.armed:
            return self._read_many(data)
        self.rest = data
        return []

    def _read_many(self, data: bytes) -> list[str]:
        """Of several records, or of one that is not of the simplest kind."""
        texts: list[str] = []
        end, match = self._end, self._match
        records = data.split(end)
        last = records.pop()
        for number, record in enumerate(records):
            text = match(record)
            if text is None:
                self.rest = end.join([*records[number:], last])
                break
            texts.append(text)
        else:
            waits = len(last) <= LONGEST_PENDING and (last.startswith(self._head) or self._head.startswith(last))
            self.pending, self.rest = (last, b"") if waits else (b"", last)
        if texts:
            self._misses = 0
        return texts

    def _match_plain(self, record: bytes) -> str | None:
        if not (record.startswith(self._head) and record.endswith(self._last)):
            return None
        return _string(record[self._from : len(record) - len(self._last) + 1])

    def _match_spaced(self, record: bytes) -> str | None:
        """No string stands behind the text, so the last quote is its own."""
        stop = record.rfind(b'"')
        if not (record.startswith(self._head) and record[stop:].replace(b" ", b"") == self._last):
            return None
        return _string(record[self._from : stop + 1])

    def _match_segments(self, record: bytes) -> str | None:
        """Segment by segment: each is where the value before it must end, and the last one the end of the record."""
        if not (record.startswith(self._head) and record.endswith(self._last)):
            return None
        at, final = len(self._head), len(record) - len(self._last)
        texts: list[str] = []
        tokens: dict[str, bytes] = {}
        for segment, name in self._segments:
            stop = record.find(segment, at) if segment else final
            token = record[at:stop] if stop > at else b""
            if name:
                if not _is_value(token):
                    return None
                tokens[name] = token
            elif (text := _string(token)) is not None and token[:1] == b'"':
                texts.append(text)
            else:
                return None
            at = stop + len(segment)
        if len(texts) > 1 and texts.count(texts[0]) != len(texts):
            return None
        self.tokens = tokens
        return texts[0]

    # Learning

    def _forget(self) -> None:
        self.armed = False
        self._candidate = None
        self._match: Callable[[bytes], str | None] = self._match_plain
        self._head = self._tail = self._last = self._end = _UNARMED
        self._from = self._to = self._short = 0
        self._segments: list[tuple[bytes, str]] = []

    def _learn(self) -> None:
        """What stands around the text and around what varies in the offered record; forgets where that is not certain."""
        record, end, text = self._candidate or (b"", b"", "")
        self._candidate = None
        self._misses += 1
        body = record[: -len(end)]
        slots = sorted([*_places_of(body, text), *self._vary(body)])
        if not any(name == "" for _, _, name in slots) or any(one[1] > other[0] for one, other in pairwise(slots)):
            self._forget()
            return
        self._end = end
        self._head, self._last = body[: slots[0][0]], body[slots[-1][1] :]
        if len(slots) > 1:
            between = [body[stop:start] for (_, stop, _), (start, _, _) in pairwise(slots)]
            self._segments = [(segment, name) for segment, (_, _, name) in zip([*between, b""], slots, strict=True)]
            self._match = self._match_segments
        else:
            self._surround()

    def _surround(self) -> None:
        """The text alone varies. Its quotes belong to what is compared, so that what stands between is nothing but it."""
        self._head += b'"'
        self._last = b'"' + self._last
        self._from = len(self._head) - 1
        squeezed = self._last.replace(b" ", b"")
        if self._last.count(b'"') == 1:
            self._spaces = self._spaces or self._tails.setdefault(squeezed, self._last) != self._last
            if self._spaces:
                self._last = squeezed
                self._match = self._match_spaced
                return
        self._tail = self._last + self._end
        self._to = 1 - len(self._tail)
        self._short = 2 * (len(self._head) + len(self._tail))

    def _vary(self, body: bytes) -> list[Slot]:
        """The places of the volatile members that have changed since an earlier lesson."""
        places = list(_places(body, self._volatile)) if self._volatile else []
        for start, stop, name in places:
            value = body[start:stop]
            if self._values.setdefault(name, value) != value:
                self._varying.add(name)
        return [place for place in places if place[2] in self._varying]


def _string(token: bytes) -> str | None:
    """The text of a JSON string, None for what is none. `token` begins with a quote, or is refused by the caller."""
    try:
        text: str = orjson.loads(token)
    except orjson.JSONDecodeError:
        return None
    return text


def _is_value(token: bytes) -> bool:
    """Whether this is one JSON value on one line."""
    if token.isdigit():
        return True
    if b"\n" in token or b"\r" in token:
        return False
    try:
        orjson.loads(token)
    except orjson.JSONDecodeError:
        return False
    return True


def _places_of(body: bytes, text: str) -> list[Slot]:
    """Where the text stands in the record, none where that is not certain. Certain is: with another word in all the places
    where its JSON stands, every one of them is a string value of the document, and no other string value says the text."""
    token, begin = jsontext.dumps(text), body.find(b"{")
    if begin < 0:
        return []
    try:
        document = orjson.loads(body[begin:].replace(token, jsontext.dumps(_PROBE)))
    except orjson.JSONDecodeError:
        return []
    strings = list(_strings(document))
    if text in strings or strings.count(_PROBE) != body.count(token):
        return []
    found, at = [], body.find(token)
    while at >= 0:
        found.append((at, at + len(token), ""))
        at = body.find(token, at + len(token))
    return found


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


def _places(body: bytes, names: tuple[str, ...]) -> Iterator[Slot]:
    """Where the values of these members stand, as far as each name stands in the record once."""
    text = body.decode("latin-1")  # a character a byte, so that offsets are the bytes'
    for name in names:
        key = f'"{name}"'
        at = text.find(key)
        if at < 0 or text.find(key, at + 1) >= 0:
            continue
        begin = at + len(key)
        while text[begin : begin + 1] in (" ", ":"):
            begin += 1
        try:
            _, stop = _DECODER.raw_decode(text, begin)
        except ValueError:
            continue
        yield begin, stop, name

from __future__ import annotations

import json
import random
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.codec.repeats import LONGEST_PENDING, MISSES, Repeats, _not_one, _Shape
from ccproxy.codec.sse import EVENT_ENDS
from ccproxy.convert import new_context
from ccproxy.measure import chunks, traffic
from ccproxy.protocols import PROTOCOLS
from ccproxy.pump import Relay
from tests.codec.repeating import pieces_of, stream_of
from tests.tools import cuts, decode, recorded, recordings

CHUNK = b'data: {"id":"c","delta":{"content":%b},"n":%d}\n\n'


def chunk(text: str, number: int = 1) -> bytes:
    return CHUNK % (json.dumps(text).encode(), number)


def read(repeats: Repeats, data: bytes) -> list[str]:
    """As a decoder does."""
    text = repeats.one(data)
    if text is None:
        return repeats.read(data)
    repeats.rest = b""
    return [text]


def armed(volatile: tuple[str, ...] = ()) -> Repeats:
    repeats = Repeats(EVENT_ENDS, volatile)
    repeats.offer(chunk("first"), "first")
    return repeats


def test_a_repeat_gives_its_text() -> None:
    repeats = armed()
    assert read(repeats, chunk("next ✓ \n")) == ["next ✓ \n"]
    assert (repeats.rest, repeats.pending, repeats.armed) == (b"", b"", True)


def test_several_repeats_in_one_read() -> None:
    repeats = armed()
    assert read(repeats, chunk("a") + chunk("b") + chunk("c")) == ["a", "b", "c"]
    assert repeats.rest == b""


def test_what_follows_the_repeats_is_left() -> None:
    repeats = armed()
    other = b"data: [DONE]\n\n"
    assert read(repeats, chunk("a") + other + chunk("b")) == ["a"]
    assert repeats.rest == other + chunk("b")


OTHERS = {
    "another number": chunk("a", 2),
    "another member": b'data: {"id":"c","delta":{"content":"a","more":"b"},"n":1}\n\n',
    "null": b'data: {"id":"c","delta":{"content":null},"n":1}\n\n',
    "a string within": b'data: {"id":"c","delta":{"content":"a"},"n":1,"b":{"content":"c"},"n":1}\n\n',
    "an escape that is none": b'data: {"id":"c","delta":{"content":"\\x"},"n":1}\n\n',
    "bytes that are no text": b'data: {"id":"c","delta":{"content":"\xff"},"n":1}\n\n',
    "a line end": b'data: {"id":"c","delta":{"content":"a\nb"},"n":1}\n\n',
    "half a character": b'data: {"id":"c","delta":{"content":"\\ud83d"},"n":1}\n\n',
    "a comment": b": ping\n\n",
    "an event with a name": b"event: x\n" + chunk("a"),
    "other line ends": chunk("a").replace(b"\n", b"\r\n"),
    "an end too early": b'data: {"id":"c","delta":{"content":"},"n":1}\n\n',
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_anything_else_is_read_in_full(data: bytes) -> None:
    repeats = armed()
    assert read(repeats, data) == []
    assert repeats.rest + repeats.pending == data


def test_the_beginning_of_a_repeat_waits() -> None:
    repeats, data = armed(), chunk("a")
    assert read(repeats, data[:40]) == []
    assert (repeats.pending, repeats.rest) == (data[:40], b"")
    assert read(repeats, data[40:] + data[:10]) == ["a"]
    assert repeats.flush() == data[:10]
    assert repeats.pending == b""


def test_a_long_beginning_does_not_wait() -> None:
    repeats = armed()
    data = chunk("a" * LONGEST_PENDING)[:-10]
    assert read(repeats, data) == []
    assert (repeats.pending, repeats.rest) == (b"", data)


AMBIGUOUS = {
    "a key": (b'{"first":1,"content":"\\u0066irst"}\n\n', "first"),
    "within another string": (b'{"note":"\\"first\\"","content":"\\u0066irst"}\n\n', "first"),
    "written in another way": (b'{"content":"\\u0066irst"}\n\n', "first"),
    "in no string": (b'{"content":"other"}\n\n', "first"),
    "no document": (b'data: "first"\n\n', "first"),
    "a line behind the document": (b'data: {"content":"first"}\nid: 3\n\n', "first"),
    "no known end": (b'data: {"content":"first"}\n', "first"),
}


@pytest.mark.parametrize(("record", "text"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_no_repeat_is_learned_where_the_place_is_not_certain(record: bytes, text: str) -> None:
    repeats = Repeats(EVENT_ENDS)
    repeats.offer(record, text)
    assert read(repeats, record) == []
    assert not repeats.armed
    assert repeats.rest == record


def read_all(repeats: Repeats, records: list[tuple[bytes, str]]) -> list[bool]:
    """Which of the records were repeats; the others are offered, as a decoder does."""
    found = []
    for record, text in records:
        repeat = read(repeats, record)
        assert repeat in ([], [text])
        found.append(bool(repeat))
        if not repeat:
            repeats.offer(record, text)
    return found


def test_volatile_members_may_change_once_one_has() -> None:
    records = [(chunk(text, number), text) for number, text in enumerate("abcdef")]
    repeats = Repeats(EVENT_ENDS, ("n",), told=("n",))
    assert read_all(repeats, records) == [False, False, True, True, True, True]
    assert repeats.missed() == {"n": b"5"}


@pytest.mark.parametrize("value", [b"{", b"1,2", b"", b'"a', b"1\n", b'{"a":\n1}'])
def test_volatile_members_are_json_on_one_line(value: bytes) -> None:
    repeats = Repeats(EVENT_ENDS, ("n",))
    read_all(repeats, [(chunk(text, number), text) for number, text in enumerate("abc")])
    data = chunk("d", 7).replace(b":7", b":" + value)
    assert read(repeats, data) == []
    assert repeats.rest + repeats.pending == data


def test_no_lesson_is_taken_from_a_single_text() -> None:
    repeats = armed()
    assert read(repeats, b'data: {"id":"c","delta":{},"finish":"stop"}\n\n') == []
    assert repr(repeats) == "<Repeats idle misses=0>"


def test_a_beginning_that_varies_is_found_out() -> None:
    records = [(b'data: {"n":%d,"delta":"%d"}\n\n' % (n, 10 * n), str(10 * n)) for n in range(1, 8)]
    assert read_all(Repeats(EVENT_ENDS, ("n",)), records) == [False, False, False, True, True, True, True]


def test_spaces_behind_the_text_may_change() -> None:
    records = [(b'data: {"type":"x","text":"%d"%b}\n\n' % (n, b" " * (n * 7 % 5)), str(n)) for n in range(10, 20)]
    assert read_all(Repeats(EVENT_ENDS), records) == [False, False, *[True] * 8]


def test_behind_varying_spaces_nothing_else_may_stand() -> None:
    repeats = Repeats(EVENT_ENDS)
    read_all(repeats, [(b'data: {"a":{"text":"%d"}%b}\n\n' % (n, b" " * (n % 3)), str(n)) for n in range(10, 16)])
    other = b'data: {"a":{"text":"9"} ]\n\n'
    assert read(repeats, b'data: {"a":{"text":"8"}  }\n\n' + other) == ["8"]
    assert repeats.rest == other


def test_the_same_text_may_stand_in_several_places() -> None:
    records = [(b'data: {"a":"%d","b":[{"c":"%d"}]}\n\n' % (n, n), str(n)) for n in range(4)]
    repeats = Repeats(EVENT_ENDS)
    assert read_all(repeats, records) == [False, True, True, True]
    assert read(repeats, b'data: {"a":"1","b":[{"c":"2"}]}\n\n') == []


def test_a_stream_without_repeats_is_left_alone() -> None:
    repeats = Repeats(EVENT_ENDS)
    read_all(repeats, [(chunk(str(number), number), str(number)) for number in range(100, 110 + MISSES)])
    repeats.offer(chunk("a"), "a")
    assert not repeats.armed


def test_repr_tells_the_state() -> None:
    assert repr(armed()) == "<Repeats armed misses=0>"


@given(st.lists(st.text(), max_size=6), st.randoms())
def test_any_texts_come_out_at_any_cut(texts: list[str], chance: random.Random) -> None:
    repeats = armed()
    data = b"".join(chunk(text) for text in texts)
    places = sorted(chance.choices(range(len(data) + 1), k=3))
    found: list[str] = []
    rest = b""
    for begin, end in zip([0, *places], [*places, len(data)], strict=True):
        found += read(repeats, data[begin:end])
        rest = repeats.rest
        if rest:
            break
    assert found == texts[: len(found)]
    assert len(found) == len(texts) or rest


# ---------------------------------------------------------------------------------------------------------------------
# The shapes with ways of their own take what the general one takes

SHAPED = {
    "a text alone": b'data: {"id":"c","text":%(text)b,"n":{}}\n\n',
    "a number before it": b'data: {"n":%(number)b,"text":%(text)b}\n\n',
    "a number behind it": b'data: {"text":%(text)b,"n":%(number)b}\r\n\r\n',
    "a string before it": b'{"at":"2026-02-03T04:05:06.%(number)bZ","m":{"text":%(text)b},"n":false}\n',
    "a string behind it": b'data: {"text":%(text)b,"m":null,"at":"%(number)bx"}\n\n',
    "a number before, padding behind it": b'data: {"n":%(number)b,"text":%(text)b,"m":[],"at":"x%(number)b","o":0}\n\n',
    "counts behind it": b'data: {"text":%(text)b,"u":{"a":%(number)b,"b":[7]},"n":1}\n\n',
    "spaces behind it": b'data: {"m":{"text":%(text)b}%(spaces)b}\n\n',
}
ENDS = (*EVENT_ENDS, b"\n")


def learned(template: bytes) -> Repeats:
    """What recognises such records, after as many as it needs."""
    repeats = Repeats(ENDS, ("n", "at", "u"))
    for number in range(21, 26):
        record = template % {b"text": b'"%d"' % number, b"number": b"%d" % (7 * number), b"spaces": b" " * (number % 4 + 1)}
        if not read(repeats, record):
            repeats.offer(record, str(number))
    assert repeats.one is not _not_one
    return repeats


@pytest.mark.parametrize("template", SHAPED.values(), ids=SHAPED)
@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_a_shape_takes_what_the_general_one_takes(template: bytes, data: st.DataObject) -> None:
    shape = learned(template)._shape
    assert shape is not None
    assert type(shape) is not _Shape
    text = data.draw(st.text(max_size=5) | st.sampled_from(['"', "}", '"}', '","n":1', "\\", "a" * 500]))
    numbers = [b"5", b"123456", b"1.5", b"-1", b"a", b'"', b"}"]
    if (
        b'"u"' not in template
    ):  # within counts only the digits are compared: whoever reads the last ones finds what is wrong
        numbers += [b"0", b"", b"012"]
    record = template % {
        b"text": json.dumps(text, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass"),
        b"number": data.draw(st.sampled_from(numbers)),
        b"spaces": data.draw(st.sampled_from([b"", b" ", b"   ", b"\t", b"}", b"1"])),
    }
    for _ in range(data.draw(st.integers(0, 2)) if b'"u"' not in template else 0):
        at = data.draw(st.integers(0, len(record)))
        stop = at + data.draw(st.integers(0, 12))
        record = record[:at] + data.draw(st.sampled_from([b"", b'"', b"\\", b" ", b"\n", b"7", b",", b"}"])) + record[stop:]
    found, surely = shape.one(record), _Shape.one(shape, record)
    assert found == surely or surely is None
    assert shape.one(record + record) is None
    if found is not None:
        begin = record.index(b"{")
        assert record[:begin] == template[:begin]
        assert record[begin:].count(b"\n") == template.count(b"\n")
        assert constant(json.loads(record[begin:]), found) == constant(json.loads(template[begin:] % EXAMPLE), "text")


EXAMPLE = {b"text": b'"text"', b"number": b"12", b"spaces": b""}


def constant(value: Any, text: str) -> Any:
    """What stays the same from record to record."""
    if isinstance(value, dict):
        return {key: constant(one, text) for key, one in value.items() if key not in ("n", "at", "a")}
    return "text" if value == text else value


# ---------------------------------------------------------------------------------------------------------------------
# What decoders and relays make of repeats is what they make of records that are read in full

CASES = recordings("openai-chat", "openai-responses", "claude", "gemini", "ollama", "errors", "malformed")
NAMES = {"openai-chat": "openai", "openai-responses": "responses"}


STREAMS = [
    pytest.param(name, kind, id=f"{name}-{kind}")
    for name in PROTOCOLS
    for kind in ("text", "thinking", "arguments")
    if not (name in ("gemini", "ollama") and kind == "arguments")  # there a call comes whole
]


def never_repeats(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Repeats, "offer", lambda self, data, text: self.forget())


def calls(name: str, pieces: list[bytes]) -> list[str]:
    context = new_context(client="claude", upstream=name, model="asked", stream=True)
    context.id = "0" * 24
    return [repr(call) for call in decode(PROTOCOLS[name].chat.decoder, pieces, context).calls]


def passed(name: str, pieces: list[bytes]) -> tuple[bytes, Any, str]:
    context = new_context(client=name, upstream=name, model="asked", stream=True)
    context.id, context.created = "0" * 24, 1
    relay = Relay(PROTOCOLS[name].chat, context)
    data = b"".join([*map(relay.feed, pieces), relay.eof()])
    return data, relay.usage, str(relay.failure)


@pytest.mark.parametrize("case", CASES)
def test_a_decoder_makes_the_same_calls(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    name, stream = NAMES.get(case["protocol"], case["protocol"]), recorded(case)
    found = [calls(name, pieces) for pieces in cuts(stream)]
    never_repeats(monkeypatch)
    assert all(one == calls(name, [stream]) for one in found)


@pytest.mark.parametrize("case", CASES)
def test_a_relay_passes_the_same_bytes(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    name, stream = NAMES.get(case["protocol"], case["protocol"]), recorded(case)
    found = [passed(name, pieces) for pieces in cuts(stream)]
    never_repeats(monkeypatch)
    assert all(one == passed(name, [stream]) for one in found)


def both_ways(name: str, pieces: list[bytes]) -> list[Any]:
    """What a decoder and a relay make of it, with repeats and without."""
    made = []
    for full in (False, True):
        with pytest.MonkeyPatch.context() if full else nullcontext() as patch:
            if patch is not None:
                never_repeats(patch)
            made.append((calls(name, pieces), passed(name, pieces)))
    return made


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_any_stream_is_understood_alike(name: str, seed: int) -> None:
    records = stream_of(name, seed)
    repeats, full = both_ways(name, pieces_of(records, random.Random(seed)))
    assert repeats == full


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_any_stream_that_stops_is_understood_alike(name: str, seed: int) -> None:
    """In the middle of a record, most often of a repeat."""
    chance = random.Random(seed)
    whole = b"".join(pieces_of(stream_of(name, seed), chance))
    stopped = whole[: chance.randrange(len(whole) + 1)]
    places = sorted(chance.choices(range(len(stopped) + 1), k=chance.randrange(6)))
    pieces = [stopped[begin:end] for begin, end in zip([0, *places], [*places, len(stopped)], strict=True)]
    repeats, full = both_ways(name, pieces)
    assert repeats == full


@pytest.mark.parametrize(("name", "kind"), STREAMS)
def test_a_stream_that_stops_within_a_repeat_is_understood_alike(name: str, kind: str) -> None:
    script = traffic.scripts(name)[kind]
    records = [traffic.framed(name, payload) for payload in (*script.lead, *script.measured[:8])]
    for stop in range(1, len(records[-1]) + 1):
        repeats, full = both_ways(name, [*records[:-1], records[-1][:stop]])
        assert repeats == full


def _openai(*deltas: str, **more: Any) -> list[str]:
    return ["".join(['{"choices":[', delta, "]}"]) for delta in deltas]


_CALL = '{"delta":{"tool_calls":[{"id":"%s","function":%s"arguments":%s}}]}}'
_CHUNK = '{"candidates":[{"content":{"parts":[%s]}}]%s}'
_COUNTED = ',"usageMetadata":{"promptTokenCount":%d,"totalTokenCount":%d}'
NO_REPEATS = {
    "two choices without an index": (
        "openai",
        _openai(*[f'{{"delta":{{"content":"a"}}}},{{"delta":{{"content":"{n}"}}}}' for n in range(4)]),
    ),
    "calls told apart by id only": (
        "openai",
        _openai(
            *[_CALL % (id, '{"name":"f",', '""') for id in "ab"],
            *[_CALL % (id, "{", piece) for piece in ('"{"', '"\\"x\\""', '":1"', '"}"') for id in "ab"],
        ),
    ),
    "arguments that are no text": (
        "openai",
        _openai(_CALL % ("{}", '{"name":"f",', '""'), *[_CALL % (id, "{", "{}") for id in ("{}", "{}", "a", "b")]),
    ),
    "a thought without words": (
        "openai",
        _openai(
            '{"delta":{"reasoning":"t"}}',
            *[f'{{"delta":{{"content":"{text}","reasoning_details":[{{"type":"x"}}]}}}}' for text in ("", "a", "b")],
        ),
    ),
    "a thought in two pieces": (
        "openai",
        _openai(
            *[
                f'{{"delta":{{"reasoning":"{text}","reasoning_details":[{{"text":"a"}},{{"text":"b"}}]}}}}'
                for text in ("ab", "ab", "c")
            ]
        ),
    ),
    "a signature beside the text": (
        "gemini",
        [_CHUNK % (f'{{"text":"{n}","thoughtSignature":"s"}}', "") for n in range(4)],
    ),
    "sources that say what the text says": (
        "gemini",
        [
            (_CHUNK % (f'{{"text":"{n}"}}', "")).replace(
                "}]}", f'}}]}},"groundingMetadata":{{"webSearchQueries":["{n}"]}}', 1
            )
            for n in range(4)
        ],
    ),
    "a candidate beside another": (
        "gemini",
        ['{"candidates":[%s,%s]}' % ((f'{{"content":{{"parts":[{{"text":"{n}"}}]}}}}',) * 2) for n in range(4)],
    ),
    "counts that are zeros again": (
        "gemini",
        [_CHUNK % (f'{{"text":"{n}"}}', _COUNTED % (count, count)) for n, count in enumerate((1, 2, 3, 0))],
    ),
    "zeros before there are counts": (
        "gemini",
        [_CHUNK % (f'{{"text":"{n}"}}', _COUNTED % (count, count)) for n, count in enumerate((0, 0, 2, 3, 4))],
    ),
    "counts of what is no chunk": (
        "gemini",
        [
            *[
                (_CHUNK % (f'{{"text":"{n}"}}', "")).replace("{", "{" + (_COUNTED % (n, n))[1:] + ",", 1)
                for n in range(1, 5)
            ],
            '{"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"candidates":[{"content":{"parts":[{"text":"\\x"}]}}]}',
        ],
    ),
    "a byte order mark again": (
        "openai",
        [f'\ufeffdata: {{"choices":[{{"delta":{{"content":"{n}"}}}}]}}' for n in range(4)],
    ),
    "elements without commas": ("gemini", ["[", *[_CHUNK % (f'{{"text":"{n}"}}', "") for n in range(4)], "]"]),
}


@pytest.mark.parametrize(("name", "documents"), NO_REPEATS.values(), ids=NO_REPEATS)
def test_what_a_text_alone_does_not_tell_is_read_in_full(name: str, documents: list[str]) -> None:
    bare = documents[0] == "[" or documents[0].startswith("\ufeff")
    pieces = [f"{document}\n\n" if bare else f"data: {document}\n\n" for document in documents]
    repeats, full = both_ways(name, [piece.encode() for piece in pieces])
    assert repeats == full


# ---------------------------------------------------------------------------------------------------------------------
# And they are used: what current traffic looks like (`measure.traffic`) is read in full at its beginning only

FIRST = 5
"""Records until all that varies has been seen to vary."""


class _Counting:
    """A reader that counts what it is given to read."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.feeds = 0

    @property
    def pending(self) -> int:
        return int(self.reader.pending)

    def feed(self, data: bytes) -> list[bytes]:
        self.feeds += 1
        return list(self.reader.feed(data))

    def eof(self) -> list[bytes]:
        return list(self.reader.eof())


@pytest.mark.parametrize(("name", "kind"), STREAMS)
@pytest.mark.parametrize("client", ["converted", "same"])
def test_most_records_of_current_streams_are_repeats(name: str, kind: str, client: str) -> None:
    script = traffic.scripts(name)[kind]
    pump = chunks.pump_for(name if client == "same" else next(other for other in PROTOCOLS if other != name), name)
    for payload in script.lead:
        pump.feed(traffic.framed(name, payload))
    reads: Any = pump if isinstance(pump, Relay) else pump._decoder  # type: ignore[attr-defined]
    reads._reader = counting = _Counting(reads._reader)
    for payload in script.measured:
        pump.feed(traffic.framed(name, payload))
    assert len(script.measured) > 10 * FIRST
    assert counting.feeds <= FIRST

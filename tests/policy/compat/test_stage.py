"""The table of model outputs, whole and in pieces, and what passes untouched."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ccproxy.errors import Broken
from ccproxy.model import Image
from ccproxy.policy.compat.prompt import written
from ccproxy.policy.compat.stage import Calls
from ccproxy.policy.compat.toolbox import plain
from ccproxy.stream import Sink
from tests.policy.compat.cases import GOOD, HERMES, HOPELESS, MENDED, NO_CALLS, OURS, PATCH, TOOLS, Said, heard, said
from tests.tools import Recorder

CALLS = [*GOOD, *MENDED, *HOPELESS]


def in_two(text: str) -> Iterator[list[str]]:
    """The text cut at every byte, as a decoder of UTF-8 hands it on."""
    data = text.encode()
    for at in range(len(data) + 1):
        decoder = codecs.getincrementaldecoder("utf-8")()
        yield [decoder.decode(data[:at]), decoder.decode(data[at:], final=True)]


def joined(recorder: Any) -> list[Any]:
    """What was heard, without empty pieces."""
    return [call for call in recorder.calls if call[-1] != ""]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS])
def test_calls(text: str, expected: list[Said]) -> None:
    recorder = heard([text])
    assert said(recorder) == expected
    called = any(not isinstance(one, str) for one in expected)
    assert recorder.calls[-1] == ("finish", "tool_calls" if called else "stop", None)


@pytest.mark.parametrize("text", [case[1] for case in NO_CALLS], ids=[case[0] for case in NO_CALLS])
def test_what_is_no_call_passes_as_it_is(text: str) -> None:
    recorder = heard([text])
    assert recorder.calls == [("start", "", "", 0), *([("text", text)] if text else []), ("finish", "stop", None)]


ALL = [*((name, text) for name, text, _ in CALLS), *NO_CALLS]


@pytest.mark.parametrize("text", [case[1] for case in ALL], ids=[case[0] for case in ALL])
def test_every_cut_gives_the_same(text: str) -> None:
    whole = heard([text]).calls
    assert heard(text).calls == whole, "letter by letter"
    for pieces in in_two(text):
        assert heard([piece for piece in pieces if piece]).calls == whole, pieces


def test_the_table_is_long_enough() -> None:
    assert len(CALLS) >= 80
    assert len({name for name, *_ in ALL}) == len(ALL)


# ---------------------------------------------------------------------------------------------------------------------
# Properties

PIECES = [
    "<tool_call>",
    "</tool_call>",
    '<tool_call name="send_mail">',
    "<function=send_mail>",
    "<invoke name='send_mail'>",
]
PIECES += [
    '{"name": "send_mail", "arguments": {}}',
    "<parameter name='x'>",
    "</parameter>",
    "```json\n",
    "```",
    "`",
    "\n",
    " ",
]
PIECES += [
    "[TOOL_CALLS]",
    "<think>",
    "</think>",
    "<",
    "<cs:tool_use><name>",
    "{",
    "[{",
    "<|tool_call_begin|>",
    "é😀",
    "words ",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=12), st.data())
def test_text_that_names_no_tool_passes_byte_for_byte(pieces: list[str], data: st.DataObject) -> None:
    """However it looks and however it is cut."""
    text = "".join(pieces)
    assume(not any(plain(tool.name) in plain(text) for tool in TOOLS))
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    cut = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
    recorder = heard([piece for piece in cut if piece])
    assert "".join(call[1] for call in recorder.calls if call[0] == "text") == text
    assert [call[0] for call in recorder.calls if call[0] != "text"] == ["start", "finish"]


VALUES = st.text(max_size=30).filter(
    lambda text: "</" not in text and "<![" not in text and "<param" not in text and text[-1:] != "\r"
)
ARGUMENTS = st.fixed_dictionaries(
    {"city": VALUES},
    optional={
        "days": st.integers(-(10**20), 10**20),
        "detailed": st.booleans(),
        "hours": st.lists(st.integers(-5, 5)),
        "wind": st.floats(allow_nan=False, allow_infinity=False),
        "limits": st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.none() | st.booleans(), max_size=3).filter(
            lambda limits: "</" not in str(limits)
        ),
    },
)


@given(ARGUMENTS, st.integers(1, 7))
def test_a_call_that_is_written_as_asked_is_read_as_it_was(arguments: dict[str, Any], size: int) -> None:
    """What `history` writes of an earlier call, a model that copies it calls again."""
    text = written("get_weather", list(arguments.items()))
    assert said(heard([text[i : i + size] for i in range(0, len(text), size)])) == [("get_weather", arguments)]


DAMAGE = [
    *PIECES,
    '<tool_call name="Bash">',
    '<parameter name="command">',
    "<Read>",
    "<name>Bash</name>",
    '"',
    "'",
    "=",
    ">",
    "/>",
]
DAMAGE += ["<![CDATA[", "]]>", "&lt;", "\r\n", "\\", "</", "}", "[", "<arg_key>", '{"name": "Bash", "arguments": {']


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A text of the table with something cut out of it and something put in."""
    text = draw(st.sampled_from([text for _, text in ALL]))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(["", *DAMAGE])) + text[at + draw(st.integers(0, 12)) :]
    return text


@settings(max_examples=300)
@given(damaged(), st.integers(1, 9), st.sampled_from(["stop", "length"]))
def test_no_cut_shows_in_what_damaged_texts_become(text: str, size: int, reason: str) -> None:
    whole = heard([text] if text else [], reason=reason)
    assert_legal(whole)
    assert heard([text[i : i + size] for i in range(0, len(text), size)], reason=reason).calls == whole.calls


@given(st.sampled_from(CALLS), st.data())
def test_a_call_that_breaks_off_never_makes_a_stream_illegal(case: tuple[str, str, Any], data: st.DataObject) -> None:
    text = case[1][: data.draw(st.integers(0, len(case[1])))]
    for reason in ("stop", "length"):
        recorder = heard([text], reason=reason)
        assert_legal(recorder)
        for name, arguments in calls_of(recorder):
            assert reason == "length" or name == PATCH.name or isinstance(json.loads(arguments), dict)


def assert_legal(recorder: Recorder) -> None:
    """Calls open and close once, with pieces in between only; the end is the last."""
    assert [call[0] for call in recorder.calls].count("finish") == 1
    assert recorder.calls[-1][0] == "finish"
    opened: set[int] = set()
    closed: set[int] = set()
    for name, key, *_ in recorder.calls[1:-1]:
        if name == "tool_start":
            assert key not in opened
            opened.add(key)
        elif name in ("tool_arguments", "tool_end"):
            assert key in opened - closed
            closed |= {key} if name == "tool_end" else set()
    assert opened == closed


def calls_of(recorder: Recorder) -> list[tuple[str, str]]:
    arguments = {call[1]: call[2] for call in recorder.calls if call[0] == "tool_arguments"}
    return [(call[3], arguments.get(call[1], "")) for call in recorder.calls if call[0] == "tool_start"]


# ---------------------------------------------------------------------------------------------------------------------
# The stream


def test_plain_text_is_not_held() -> None:
    recorder = Pieces()
    stage = Calls(recorder, TOOLS, "0")
    for piece in ("I", " look", "\n", "\n", "a < b", " and", " <b", ">"):
        stage.text(piece)
    assert recorder.pieces == ["I", " look", "\n", "\n", "a < b", " and", " ", "<b>"]


@pytest.mark.parametrize(
    "text", ['{"name": "John", ', '{"id": 5, ', '[{"type": "object", ', '{"function": 1', "[1, ", '{"a":', "{}"]
)
def test_json_that_is_no_call_is_let_go_by_its_first_member(text: str) -> None:
    recorder = Pieces()
    stage = Calls(recorder, TOOLS, "0")
    for piece in text:
        stage.text(piece)
    assert "".join(recorder.pieces) == text


def test_a_texts_pieces_leave_as_they_come() -> None:
    recorder = Pieces()
    stage = Calls(recorder, TOOLS, "0")
    for piece in ('<tool_call name="Write">', '<parameter name="content">', "one ", 'two "', "\n", "three", "</para"):
        stage.text(piece)
    assert recorder.pieces == ['{"content":"', "one ", 'two \\"', "\\nthree"]


class Pieces(Sink):
    def __init__(self) -> None:
        self.pieces: list[str] = []

    def text(self, text: str) -> None:
        self.pieces.append(text)

    def tool_arguments(self, key: int, text: str) -> None:
        self.pieces.append(text)


def test_ids_are_made_of_the_exchanges() -> None:
    recorder = heard([OURS + OURS])
    assert [call[2] for call in recorder.calls if call[0] == "tool_start"] == [f"call_{'ab' * 12}c1", f"call_{'ab' * 12}c2"]


@pytest.mark.parametrize("text", [OURS[:60], OURS[:80], HERMES[:50], '[TOOL_CALLS][{"name": "Bash", "arg'])
def test_a_call_that_the_limit_cut_stays_incomplete(text: str) -> None:
    recorder = heard([text], reason="length")
    [(_, arguments)] = calls_of(recorder)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(arguments)
    assert recorder.calls[-1] == ("finish", "length", None)


def test_the_reason_of_an_answer_with_calls() -> None:
    assert heard([OURS], reason="stop_sequence").calls[-1] == ("finish", "tool_calls", None)
    assert heard([OURS], reason="length").calls[-1] == ("finish", "length", None)


def test_json_is_an_answer_where_the_client_asked_for_json() -> None:
    text = '{"name": "Read", "arguments": {"file_path": "a.txt"}}'
    assert said(heard([text], documents=False)) == [text]
    assert said(heard([f"```json\n{text}\n```"], documents=False)) == [f"```json\n{text}\n```"]


def test_thoughts_are_no_text() -> None:
    recorder = Recorder()
    stage = Calls(recorder, TOOLS, "0")
    stage.thinking(OURS)
    stage.text("so <tool_")
    stage.refusal("no")
    stage.finish("stop")
    assert recorder.calls == [("thinking", OURS), ("text", "so <tool_"), ("refusal", "no"), ("finish", "stop", None)]


def test_what_else_comes_passes_behind_what_was_held() -> None:
    recorder = Recorder()
    stage = Calls(recorder, TOOLS, "0")
    for call in (
        ("redacted", "x", "o"),
        ("media", Image(url="u")),
        ("opaque", "o", {}),
        ("tool_start", 0, "i", "n", "function"),
    ):
        stage.text("<tool_")
        getattr(stage, call[0])(*call[1:])
        assert recorder.calls[-2:] == [("text", "<tool_"), call]


def test_an_error_leaves_a_call_open_and_holds_no_text_back() -> None:
    for text, expected in ((OURS[:70], "tool_arguments"), ("so <tool_c", "text")):
        recorder = Recorder()
        stage = Calls(recorder, TOOLS, "0")
        stage.text(text)
        error = Broken("gone")
        stage.error(error)
        assert [recorder.calls[-2][0], recorder.calls[-1]] == [expected, ("error", error)]


def test_text_that_keeps_beginning_like_a_call_is_let_go() -> None:
    text = '<tool_call>{"a": 1}</tool_call>' * 300
    assert said(heard([text])) == [text]


def test_many_brackets_take_linear_time() -> None:
    """Counted in calls of the searcher, not in seconds: each piece is looked at once."""
    text = ("<tool_call>" * 2000) + "[" * 2000 + "`" * 2001 + "<parameter" * 2000
    assert said(heard([text[i : i + 50] for i in range(0, len(text), 50)])) == [text]

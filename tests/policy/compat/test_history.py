"""Earlier calls and results as text."""

from __future__ import annotations

from ccproxy.model import Citation, Extras, Image, Message, Reasoning, Text, ToolCall, ToolResult
from ccproxy.policy.compat.history import as_text
from ccproxy.policy.compat.writing import UNREADABLE
from tests.policy.compat.cases import READ, TOOLS, heard, said

MARK = {"type": "ephemeral"}
A = ToolCall("1", "Read", {"file_path": "a.txt", "limit": 5})
B = ToolCall("2", "Read", '{"file_path":"b.txt"}')
CALLED_A = (
    '<tool_call name="Read">\n<parameter name="file_path">a.txt</parameter>\n'
    '<parameter name="limit">5</parameter>\n</tool_call>'
)
CALLED_B = '<tool_call name="Read">\n<parameter name="file_path">b.txt</parameter>\n</tool_call>'


def result(id: str, *texts: str, error: bool = False) -> ToolResult:
    return ToolResult(id, "Read", [Text(text) for text in texts], is_error=error)


def words(message: Message) -> str:
    [part] = message.parts
    assert isinstance(part, Text)
    return part.text


def test_a_turn_with_calls() -> None:
    messages = [
        Message("user", [Text("go")]),
        Message("assistant", [Reasoning("hm"), Text("I look."), A, B]),
        Message("tool", [result("1", "one", "two"), result("2", "no such file", error=True)]),
        Message("user", [Text("and?")]),
    ]
    user, assistant, last = as_text(messages, TOOLS)
    assert user.parts == [Text("go")]
    assert assistant.parts == [Reasoning("hm"), Text(f"I look.\n\n{CALLED_A}\n\n{CALLED_B}")]
    assert (last.role, words(last)) == (
        "user",
        '<tool_result name="Read">\none\ntwo\n</tool_result>\n\n'
        '<tool_result name="Read" error="true">\nno such file\n</tool_result>\n\nand?',
    )


def test_what_the_history_shows_is_what_the_model_shall_write() -> None:
    [message] = as_text([Message("assistant", [A, B])], TOOLS)
    calls = [("Read", {"file_path": "a.txt", "limit": 5}), ("Read", {"file_path": "b.txt"})]
    assert said(heard([words(message)])) == calls


def test_pictures_in_results_stay_pictures() -> None:
    picture = Image(data="AAAA", mime="image/png")
    shown = ToolResult("1", "Read", [picture, Text("a plot")], cache=MARK)
    [_, message] = as_text([Message("assistant", [A]), Message("tool", [shown])], TOOLS)
    assert message.parts[0] == Text('<tool_result name="Read">\na plot\n</tool_result>')
    assert message.parts[1] is picture
    assert picture.cache == MARK


def test_a_result_without_words() -> None:
    [_, message] = as_text([Message("assistant", [A]), Message("tool", [result("1")])], TOOLS)
    assert words(message) == '<tool_result name="Read">\n(no output)\n</tool_result>'


def test_messages_of_one_role_become_one_only_where_they_were_rewritten() -> None:
    plain = [Message("user", [Text("a")]), Message("user", [Text("b")]), Message("system", [Text("c")])]
    assert as_text(plain, TOOLS) == plain
    turns = [Message("assistant", [A]), Message("tool", [result("1", "x")]), Message("assistant", [B])]
    turns += [Message("tool", [result("2", "y")]), Message("tool", [result("3", "z")])]
    assert [message.role for message in as_text(turns, TOOLS)] == ["assistant", "user", "assistant", "user"]


def test_marks_and_citations_keep_their_part() -> None:
    cited = Text("b", citations=[Citation("x", {})])
    [message] = as_text([Message("assistant", [Text("a", cache=MARK), cited, A], extras=Extras("x", {"y": 1}, "z"))], TOOLS)
    assert message.parts == [Text("a", cache=MARK), cited, Text(CALLED_A)]
    assert message.extras == Extras("x", {"y": 1})


def test_free_text() -> None:
    call = ToolCall("1", "apply_patch", "*** Begin\n+x", kind="custom")
    [message] = as_text([Message("assistant", [call])], TOOLS)
    assert said(heard([words(message)])) == [("apply_patch", "*** Begin\n+x")]


def test_a_call_that_could_not_be_read_comes_back_as_an_error() -> None:
    """The client's own complaint about it says nothing that the model could act on."""
    for call in (ToolCall("1", "Read", {UNREADABLE: "<tool_call>{bad"}), ToolCall("1", "Read", "<tool_call>{bad")):
        refused = result("1", "missing file_path", error=True)
        assistant, user = as_text([Message("assistant", [call]), Message("tool", [refused])], [READ])
        assert words(assistant) == "(A call of Read stood here that could not be read.)"
        text = words(user)
        assert text.startswith('<tool_result name="Read" error="true">\nThis call was not run, since it could not be read.')
        assert "<tool_call>{bad" in text
        assert '<parameter name="file_path">src/main.py</parameter>' in text
        assert "missing" not in text
        assert said(heard([words(assistant)])) == [words(assistant)]


def test_a_long_one_is_shown_by_its_ends() -> None:
    call = ToolCall("1", "gone", {UNREADABLE: "x" * 10_000})
    _, user = as_text([Message("assistant", [call]), Message("tool", [ToolResult("1", "gone", [])])], [READ])
    assert len(words(user)) < 2500
    assert '<tool_call name="gone">' in words(user)

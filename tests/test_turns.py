from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy import turns
from ccproxy.model import Context, Image, Message, Text, ToolCall, ToolResult
from ccproxy.turns import INTERRUPTED, Pairs, fold, hoist, settle


def context() -> Context:
    return Context(client="a", upstream="b")


def user(text: str) -> Message:
    return Message("user", [Text(text)])


def calls(*ids: str) -> Message:
    return Message("assistant", [Text("I call"), *(ToolCall(id, f"f_{id}", {}) for id in ids)])


def results(*ids: str, text: str = "r") -> Message:
    return Message("tool", [ToolResult(id, "", [Text(f"{text}_{id}")]) for id in ids])


def ids_of(message: Message) -> list[str]:
    return [part.id for part in message.parts if isinstance(part, ToolResult)]


def test_results_stand_in_the_order_of_their_calls() -> None:
    settled = settle([user("q"), calls("1", "2"), results("2"), user("and"), results("1"), user("go")], context())
    assert [message.role for message in settled] == ["user", "assistant", "tool", "user", "user"]
    assert ids_of(settled[2]) == ["1", "2"]


def test_results_learn_their_tools_name() -> None:
    settled = settle([calls("1"), results("1")], context())
    assert settled[1].parts[0].name == "f_1"


def test_of_two_results_for_one_call_the_last_counts() -> None:
    settled = settle([calls("1"), results("1", text="old"), results("1", text="new")], context())
    assert len(settled) == 2
    assert settled[1].parts == [ToolResult("1", "f_1", [Text("new_1")])]


def test_a_missing_result_says_so() -> None:
    noted = context()
    settled = settle([calls("1", "2"), results("2"), user("go on")], noted)
    assert settled[1].parts[0] == ToolResult("1", "f_1", [Text(INTERRUPTED)], is_error=True)
    assert noted.notes


def test_ids_that_come_again_are_told_apart_by_their_place() -> None:
    """Some upstreams begin at `call_0` with each answer."""
    history = [calls("0"), results("0", text="first"), calls("0"), results("0", text="second"), calls("0", "0_2")]
    settled = settle(history, context())
    assert [ids_of(message) for message in settled if message.role == "tool"] == [["0"], ["0_2"], ["0_3", "0_2_2"]]
    assert [part.id for part in settled[4].parts[1:]] == ["0_3", "0_2_2"]
    assert settled[1].parts[0].parts == [Text("first_0")]
    assert settled[3].parts[0].parts == [Text("second_0")]
    assert settled[5].parts[0].parts == [Text(INTERRUPTED)]


def test_calls_of_one_message_with_the_same_id_take_their_results_in_order() -> None:
    settled = settle([calls("0", "0"), results("0", text="first"), results("0", text="second")], context())
    assert settled[1].parts == [ToolResult("0", "f_0", [Text("first_0")]), ToolResult("0_2", "f_0", [Text("second_0")])]


def test_a_result_without_its_call_becomes_user_text_in_its_place() -> None:
    noted = context()
    picture = Image(data="AA==")
    orphan = Message("tool", [ToolResult("9", "look", [Text("old"), picture])])
    settled = settle([user("q"), orphan, user("go on")], noted)
    assert [message.role for message in settled] == ["user", "user", "user"]
    assert settled[1].parts == [Text("[Result of an earlier tool call look]"), Text("old"), picture]
    assert noted.notes


def test_what_is_in_order_stays_as_it_is() -> None:
    history = [user("q"), calls("1"), results("1"), Message("assistant", [Text("done")]), user("thanks")]
    noted = context()
    assert settle(history, noted) == history
    assert noted.notes == []


@pytest.mark.parametrize(
    ("history", "ids"),
    [
        ([user("q"), calls("1", "2"), results("1", "2"), user("go"), calls("3"), results("3")], ["1", "2", "3"]),
        ([calls("1", "2"), results("1"), results("2")], ["1", "2"]),
        ([user("q")], []),
        ([calls("1")], None),
        ([calls("1", "2"), results("1"), user("go"), results("2")], None),
        ([calls("1", "2"), results("2", "1")], None),
        ([calls("1"), results("1"), results("1")], None),
        ([results("1")], None),
        ([calls("1"), results("1"), calls("1"), results("1")], None),
    ],
)
def test_ids_are_paired_where_each_call_has_its_result_at_once(history: list[Message], ids: list[str] | None) -> None:
    assert turns.paired_ids(history) == ids


def test_pairs_go_on_from_a_copy_as_from_the_first() -> None:
    pairs = Pairs()
    assert pairs.result("f", pairs.call("f", "")) == "call_f_0"
    other = pairs.copy()
    assert [pairs.call("f", ""), other.call("f", ""), other.call("f", "")] == ["call_f_1", "call_f_1", "call_f_2"]
    assert (pairs.result("f", ""), other.result("f", "call_f_2")) == ("call_f_1", "call_f_2")


def test_only_leading_system_messages_are_hoisted() -> None:
    first, second, late = Message("system", [Text("1")]), Message("system", [Text("2")]), Message("system", [Text("3")])
    parts, rest = hoist([first, second, user("q"), late])
    assert parts == [Text("1"), Text("2")]
    assert rest == [user("q"), late]
    assert hoist([first]) == ([Text("1")], [])


def test_a_late_system_message_is_tagged_user_text() -> None:
    folded = fold(Message("system", [Text("be kind", cache={"type": "ephemeral"})]))
    assert folded.role == "user"
    assert folded.parts == [Text("<system>\nbe kind\n</system>", cache={"type": "ephemeral"})]


USER = ("user", "", "")


def call(name: str, id: str = "") -> tuple[str, str, str]:
    return ("call", name, id)


def result(name: str = "", id: str = "") -> tuple[str, str, str]:
    return ("result", name, id)


@pytest.mark.parametrize(
    ("history", "ids"),
    [
        ([call("f"), result("f")], "f_0 f_0"),
        ([call("f"), call("f"), result("f"), result("f")], "f_0 f_1 f_0 f_1"),
        ([call("f"), call("g"), result("g"), result("f")], "f_0 g_0 g_0 f_0"),
        ([call("f"), call("g"), result(), result()], "f_0 g_0 f_0 g_0"),
        ([call("f", "a"), call("f", "b"), result("f", "b"), result("f")], "a b b a"),
        # the client made up ids for results, or changed those of the calls
        ([call("f"), call("g"), result("g", "x"), result("f", "y")], "f_0 g_0 g_0 f_0"),
        ([call("f", "a"), result("f", "other")], "a a"),
        # ids that come again
        ([call("f", "a"), call("f", "a"), result("f", "a"), result("f", "a")], "a a a a"),
        ([call("f", "a"), call("f", "b"), result("f", "a"), result("f", "a"), result("f", "b")], "a b a a b"),
        # without a call
        ([result()], "tool_0"),
        ([result("f", "x"), call("f"), result("f")], "x f_0 f_0"),
        ([call("f"), result("g")], "f_0 g_0"),
        ([call("f"), result("", "x")], "f_0 x"),
        # calls that were given up
        ([call("f"), USER, call("f"), result("f")], "f_0 f_1 f_1"),
        ([call("f"), call("g"), result("g"), call("f"), result("f")], "f_0 g_0 g_0 f_1 f_1"),
        ([call("f"), USER, result("f")], "f_0 f_0"),
    ],
)
def test_results_find_their_calls(history: list[tuple[str, str, str]], ids: str) -> None:
    pairs = Pairs()
    found = []
    for kind, name, id in history:
        if kind == "user":
            pairs.end_turn()
        else:
            found.append(getattr(pairs, kind)(name, id).removeprefix("call_"))
    assert " ".join(found) == ids


@given(
    st.lists(
        st.one_of(
            st.just(user("q")),
            st.lists(st.sampled_from("123"), min_size=1, max_size=2).map(lambda ids: calls(*ids)),
            st.lists(st.sampled_from("123"), min_size=1, max_size=2).map(lambda ids: results(*ids)),
        ),
        max_size=7,
    )
)
def test_a_history_in_order_is_settled_as_any_other_is(history: list[Message]) -> None:
    at_once = turns._in_order(copy.deepcopy(history))
    if at_once is not None:
        noted = context()
        assert turns._put_in_order(copy.deepcopy(history), noted) == at_once
        assert not noted.notes

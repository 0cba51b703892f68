"""What tools are called, and who sees which."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.mcp.names import LONGEST, allowed, in_set, listed, qualified, serves

QUALIFIED = [
    (["read_file"], ["files__read_file"]),
    (["a.b", "c/d e"], ["files__a_b", "files__c_d_e"]),
    (["a.b", "a_b"], ["files__a_b_#", "files__a_b"]),
    (["a.b", "a/b"], ["files__a_b_#", "files__a_b_#"]),
    (["x" * 43], ["files__" + "x" * 43]),
    (["x" * 44], ["files__" + "x" * 34 + "_#"]),
    (["日本"], ["files____"]),
    ([""], ["files___#"]),
]


@pytest.mark.parametrize(("own", "expected"), QUALIFIED)
def test_a_name_is_that_of_its_server_and_its_own(own: list[str], expected: list[str]) -> None:
    found = qualified("files", own)
    assert [re.sub(r"_[0-9a-f]{8}$", "_#", name) for name in found] == expected
    assert list(found.values()) == own


@given(st.lists(st.text(), unique=True))
def test_every_name_is_one_that_clients_take(own: list[str]) -> None:
    found = qualified("server", own)
    assert list(found.values()) == own
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= LONGEST for name in found)


def test_a_name_is_the_same_whatever_else_is_there() -> None:
    alone = qualified("a", ["x", "a.b"])
    more = qualified("a", ["x", "a.b", "y"])
    assert alone.items() <= more.items()


def test_bare_names_are_those_that_only_one_has() -> None:
    tables = {"a": qualified("a", ["one", "two", "web_fetch", "x.y"]), "b": qualified("b", ["two", "three", "a__b"])}
    assert list(listed(tables, bare=False)) == [*tables["a"], *tables["b"]]
    assert listed(tables, bare=True, taken=["web_fetch"]) == {
        "one": ("a", "one"),
        "a__two": ("a", "two"),
        "a__web_fetch": ("a", "web_fetch"),
        "a__x_y": ("a", "x.y"),
        "b__two": ("b", "two"),
        "three": ("b", "three"),
        "b__a__b": ("b", "a__b"),
    }


@pytest.mark.parametrize(
    ("allow", "deny", "seen"),
    [
        ([], [], True),
        (["read_*"], [], True),
        (["write_*"], [], False),
        (["read_*"], ["*_file"], False),
        ([], ["read_file"], False),
        ([], ["Read_File"], True),
    ],
)
def test_what_a_server_offers(allow: list[str], deny: list[str], seen: bool) -> None:
    assert allowed("read_file", allow, deny) is seen


SETS = [
    (None, True, True),
    ([], False, False),
    (["files"], True, True),
    (["fi*"], True, True),
    (["files__read_*"], True, True),
    (["files__write_*"], False, True),
    (["*__read_file"], True, True),
    (["other"], False, False),
    (["other", "other__*"], False, False),
]


@pytest.mark.parametrize(("words", "has", "has_some"), SETS)
def test_what_a_group_has(words: list[str] | None, has: bool, has_some: bool) -> None:
    assert in_set("files", "files__read_file", words) is has
    assert serves("files", words) is has_some


def test_a_tool_without_a_server_is_in_a_set_by_its_name() -> None:
    assert in_set("", "web_fetch", ["web_*"])
    assert not in_set("", "web_fetch", ["files"])

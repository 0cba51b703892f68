"""Tags as models write them."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.policy.compat.tags import LONGEST_TAG, Tag, is_cut_end, tag_at

TAGS: list[tuple[str, str, str, dict[str, str]]] = [
    ('<tool_call name="a">', "toolcall", "a", {"name": "a"}),
    ("<tool-call name='a' >", "toolcall", "a", {"name": "a"}),
    ("<ToolCall name=a>", "toolcall", "a", {"name": "a"}),
    ("<tool_call name=“a”>", "toolcall", "a", {"name": "a"}),
    ("<tool_call name=\"a'>", "toolcall", "a", {"name": "a"}),
    ('<tool_call name = "a b" x="1 > 0">', "toolcall", "a b", {"name": "a b", "x": "1 > 0"}),
    ("<function=a>", "function", "a", {}),
    ("<function='a'>", "function", "a", {}),
    ("<ns:invoke name='a'>", "invoke", "a", {"name": "a"}),
    ("<｜DSML｜parameter name='a'>", "parameter", "a", {"name": "a"}),
    ("<arg key='a'>", "arg", "a", {"key": "a"}),
    ("<paramater name='a'>", "parameter", "a", {"name": "a"}),
    ("<br>", "br", "", {}),
]


@pytest.mark.parametrize(("text", "name", "label", "attributes"), TAGS)
def test_tags(text: str, name: str, label: str, attributes: dict[str, str]) -> None:
    tag = tag_at(f"x{text}y", 1, False)
    assert isinstance(tag, Tag)
    assert (tag.name, tag.label, tag.attributes, tag.end) == (name, label, attributes, 1 + len(text))
    assert not tag.close
    for end in range(1, len(text)):
        assert tag_at(text[:end], 0, False) == "more", text[:end]
        assert tag_at(text[:end], 0, True) is None


def test_ends_and_empty_ones() -> None:
    tags: list[Any] = [tag_at(text, 0, True) for text in ("</a>", "<a/>", "<a b='c' />", "</a >")]
    assert [(tag.close, tag.empty) for tag in tags] == [(True, False), (False, True), (False, True), (True, False)]


@pytest.mark.parametrize("text", ["< a>", "<1 < 2", "<>", "<a b>", "<a, b>", '<a="b" c>', '<a"b>', "<!-- -->", "<a b= >x"])
def test_no_tags(text: str) -> None:
    assert tag_at(text, 0, True) is None


def test_a_tag_has_a_longest_length() -> None:
    assert tag_at('<a b="' + "x" * 100, 0, False) == "more"
    assert tag_at('<a b="' + "x" * LONGEST_TAG, 0, False) is None


def test_a_closing_tag_that_is_cut() -> None:
    assert [is_cut_end(text, 0) for text in ("</", "</tool_c", "</parameter", "</div", "</param>", "<tool_c")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]

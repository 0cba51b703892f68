from __future__ import annotations

import pytest

from ccproxy.model import Context, Extras, Opaque, ResponseFormat
from ccproxy.notes import left_out, own_members, undescribed, within


def _context() -> Context:
    return Context(client="one", upstream="two")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({"type": "web_search", "name": "x"}, "web_search"),
        ({"googleSearch": {}}, "googleSearch"),
        ({"type": None, "a": 1, "b": 2, "c": 3, "d": 4}, "type, a, b"),
        ("odd", "of no known kind"),
    ],
)
def test_what_is_left_out_is_named(raw: object, name: str) -> None:
    context = _context()
    left_out(Opaque("one", raw), context, "tool")
    assert context.notes == [f"the tool {name} was left out: only the one protocol knows it"]


def test_members_that_only_their_own_protocol_knows() -> None:
    context = _context()
    fields = {
        "tier": "flex",
        "text": {"verbosity": "low", "none": None},
        "empty": [],
        "null": None,
        "usual": 1,
        "off": False,
    }
    own_members(Extras("one", fields), context, frozenset({"usual"}))
    assert context.notes == ["tier, text.verbosity, off: left out, since only the one protocol knows that"]
    own_members(None, context, frozenset())
    own_members(Extras("one", {"usual": 1}), context, frozenset({"usual"}))
    assert len(context.notes) == 1


def test_ranges() -> None:
    context = _context()
    assert within("top_p", 0.5, 0, 1, "two", context) == 0.5
    assert context.notes == []
    assert [within("top_p", value, 0, 1, "two", context) for value in (-1, 2)] == [0, 1]
    assert context.notes[0] == "top_p -1 was brought into the range of the two protocol"


def test_a_description_without_a_place() -> None:
    context = _context()
    undescribed(ResponseFormat("json_schema", {}), "two", context)
    assert context.notes == []
    undescribed(ResponseFormat("json_schema", {}, description="why"), "two", context)
    assert len(context.notes) == 1

from __future__ import annotations

import pytest

from ccproxy.model import (
    Context,
    Extras,
    Image,
    Message,
    Opaque,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
)
from ccproxy.notes import inner_members, left_out, own_members, undescribed, within


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


def test_members_of_what_is_in_a_request_are_named_once_a_kind() -> None:
    def extras(**fields: object) -> Extras:
        return Extras("one", fields)

    result = ToolResult("1", "f", [Image(url="u", extras=extras(clip={"fps": 2, "off": False}))], extras=extras(when=1))
    request = Request(
        origin="one",
        model="m",
        system=[Text("a", extras=extras(usual=1))],
        messages=[
            Message("user", [Text("a")], extras=extras(name="bo")),
            Message("user", [Text("a")], extras=extras(name="jo", empty="", off=False)),
            Message("tool", [result]),
        ],
        tools=[Tool("f", extras=extras(function={"usual": 1, "late": True}, **{"$space": {"x": 1}}))],
        tool_choice=ToolChoice("auto", extras=extras(why="so")),
        format=ResponseFormat("json", extras=extras(how="so")),
    )
    context = _context()
    inner_members(request, context, frozenset({"usual", "function.usual"}))
    names = "name of a message, when of a tool result, clip.fps of an image, function.late of a tool, space.x of a tool"
    lost = f"{names}, why of a tool choice, how of a response format"
    assert context.notes == [f"{lost}: left out, since only the one protocol knows that"]
    inner_members(Request(origin="one", model="m", messages=[Message("user", [Text("a")])]), context, frozenset())
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

from __future__ import annotations

import pytest

from ccproxy.codec import jsontext
from ccproxy.measure.bodies import IMAGES, SIZES, TOOLS, body, body_before
from ccproxy.model import Context, Image, Request, ToolCall, ToolResult
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call


def request(protocol: str, size: str) -> Request:
    context = Context(client=protocol, upstream="openai")
    return PROTOCOLS[protocol].chat.read_request(jsontext.loads(body(protocol, size)), context, Call(model="m"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("size", "low", "high"),
    [
        ("1 KB", 900, 1300),
        ("100 KB, 24 tools", 90_000, 110_000),
        ("200 messages", 150_000, 190_000),
        ("2 MB, images", 2e6, 2.2e6),
    ],
)
def test_the_sizes_are_what_their_names_say(protocol: str, size: str, low: float, high: float) -> None:
    assert low < len(body(protocol, size)) < high


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_protocols_say_the_same(protocol: str) -> None:
    turn = request(protocol, "100 KB, 24 tools")
    assert len(turn.tools) == TOOLS
    parts = [part for message in request(protocol, "200 messages").messages for part in message.parts]
    calls, results = ([p.id for p in parts if isinstance(p, kind)] for kind in (ToolCall, ToolResult))
    assert (len(calls), calls) == (99, results)
    pictures = [part for message in request(protocol, "2 MB, images").messages for part in message.parts]
    assert len([part for part in pictures if isinstance(part, Image)]) == IMAGES


def test_the_history_has_as_many_messages_as_its_name_says() -> None:
    assert len(jsontext.loads(body("claude", "200 messages"))["messages"]) == 200


def test_they_are_the_same_each_time() -> None:
    assert SIZES["2 MB, images"]() == SIZES["2 MB, images"]()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_turn_before_has_less_to_say_and_the_same_tools(protocol: str) -> None:
    member = PROTOCOLS[protocol].chat.conversation[0]
    before = jsontext.loads(body_before(protocol, "200 messages") or b"{}")
    now = jsontext.loads(body(protocol, "200 messages"))
    assert before.keys() == now.keys()
    assert {key for key in now if now[key] != before[key]} == {member}
    assert 0 < len(now[member]) - len(before[member]) <= 5
    assert body_before(protocol, "1 KB") is None


def test_cache_marks_stand_on_the_last_two_turns_of_the_user() -> None:
    messages = jsontext.loads(body("claude", "200 messages"))["messages"]
    marked = [n for n, message in enumerate(messages) if b"cache_control" in jsontext.dumps(message)]
    assert marked == [196, 198]

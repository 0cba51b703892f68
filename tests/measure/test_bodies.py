from __future__ import annotations

import pytest

from ccproxy.codec import jsontext
from ccproxy.measure.bodies import IMAGES, SIZES, TOOLS, body
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

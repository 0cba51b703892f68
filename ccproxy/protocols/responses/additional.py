"""Tools within the input: items of type `additional_tools` (openai-python, BetaResponseInputItemParam, AdditionalTools).
Codex gives its newer models all of their tools so, in the first item.

Read, they are tools of the request like any other, seen by every protocol and by the rules of a group. Each remembers which
of the items it stood in, and a request that goes on in this protocol has it there again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy.model import JSON, Extras, Message, Opaque, Tool
from ccproxy.protocols.responses.terms import NAME, own_fields

KIND = "additional_tools"

PLACE = "$place"
"""Key of a tool's fields for the number of its item among those of this type."""

AnyTool = Tool | Opaque


def placed(tools: list[AnyTool], number: int) -> list[AnyTool]:
    """The tools, which remember that they stood in the item of this number."""
    for tool in tools:
        tool.extras = Extras(NAME, {**own_fields(tool.extras), PLACE: number})
    return tools


def is_holder(message: Message) -> bool:
    """Whether it is such an item, which other protocols have nothing like."""
    return any(isinstance(part, Opaque) and part.origin == NAME and is_item(part.raw) for part in message.parts)


def latest(tools: Sequence[AnyTool]) -> list[AnyTool]:
    """One tool of each name, the last: who repeats a conversation repeats its items."""
    named = {tool.name: tool for tool in tools if isinstance(tool, Tool)}
    kept: list[AnyTool] = []
    for tool in tools:
        if isinstance(tool, Opaque):
            kept.append(tool)
        elif tool.name in named:
            kept.append(named.pop(tool.name))
    return kept


def put_back(
    items: list[dict[str, JSON]], tools: list[AnyTool], write: Callable[[list[AnyTool]], list[dict[str, JSON]]]
) -> tuple[list[dict[str, JSON]], list[AnyTool]]:
    """The items with what is left of their tools, one that has none left being left out; and the tools that are in none.
    write: makes documents of tools."""
    written: list[dict[str, JSON]] = []
    holders = 0
    for item in items:
        if is_item(item):
            left = [tool for tool in tools if own_fields(tool.extras).get(PLACE) == holders]
            holders += 1
            if not left and item.get("tools"):
                continue
            item = {**item, "tools": write(left)}
        written.append(item)
    return written, [tool for tool in tools if own_fields(tool.extras).get(PLACE, holders) >= holders]


def is_item(raw: JSON) -> bool:
    """Whether it is such an item, as clients write it."""
    return isinstance(raw, dict) and raw.get("type") == KIND

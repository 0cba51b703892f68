"""What a request loses on its way into another protocol, in the sentences that the log has for it (DESIGN 4: nothing is
dropped in silence). What all writers leave out or change alike stands here; the rest they note themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from ccproxy.model import (
    JSON,
    Audio,
    Context,
    Document,
    Extras,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)


def left_out(part: Opaque, context: Context, what: str) -> None:
    """A part or tool that only its own protocol knows. what: `part` or `tool`."""
    context.note(f"the {what} {_name_of(part.raw)} was left out: only the {part.origin} protocol knows it")


def own_members(extras: Extras | None, context: Context, quiet: Set[str]) -> None:
    """What the request says that only its own protocol knows; `quiet`: members that no other upstream would do anything
    with."""
    if extras is None:
        return
    names = [name for key, value in extras.fields.items() if key not in quiet for name in _names(key, value)]
    if names:
        context.note(f"{', '.join(names)}: left out, since only the {extras.origin} protocol knows that")


def inner_members(request: Request, context: Context, quiet: Set[str]) -> None:
    """The same of its messages, parts, tools, tool choice and format: each name once, however many say it. A member that is
    off or empty says nothing. quiet: members, or members of these as `key.inner`."""
    tell_inner(inner_names(request, quiet), request.origin, context)


def inner_names(request: Request, quiet: Set[str]) -> dict[str, None]:
    """What `inner_members` tells of, for who has the request in pieces."""
    lost: dict[str, None] = {}
    for one in _inner(request):
        if one.extras is not None and one.extras.fields:
            for key, value in one.extras.fields.items():
                if key not in quiet:
                    names = (name for name in _names(key, value, (*_NOTHING, False)) if name not in quiet)
                    lost |= dict.fromkeys(f"{name.lstrip('$')} of {_KINDS[type(one)]}" for name in names)
    return lost


def tell_inner(names: Iterable[str], origin: str, context: Context) -> None:
    """The note of all names that `inner_names` found; none for none."""
    lost = dict.fromkeys(names)
    if lost:
        context.note(f"{', '.join(lost)}: left out, since only the {origin} protocol knows that")


_Inner = Message | Part | Tool | ToolChoice | ResponseFormat

_KINDS: dict[type, str] = {
    Message: "a message",
    Text: "a text",
    Refusal: "a refusal",
    Image: "an image",
    Document: "a document",
    Audio: "a sound",
    ToolCall: "a tool call",
    ToolResult: "a tool result",
    Reasoning: "a thought",
    Opaque: "a part",
    Tool: "a tool",
    ToolChoice: "a tool choice",
    ResponseFormat: "a response format",
}


def _inner(request: Request) -> Iterator[_Inner]:
    """All of a request that may say something beyond the model, but for itself and how it asks for thoughts: that is
    spelled in many ways, each of which was understood."""
    yield from request.system
    for message in request.messages:
        yield message
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.parts
    yield from request.tools
    if request.tool_choice is not None:
        yield request.tool_choice
    if request.format is not None:
        yield request.format


def undescribed(format: ResponseFormat, target: str, context: Context) -> None:
    """The protocol `target` has no place for what the response format is said to be for."""
    if format.description:
        context.note(f"the description of the response format has no place in the {target} protocol and was left out")


def within(name: str, value: float, low: float, high: float, target: str, context: Context) -> float:
    """`value`, brought into the range that the protocol `target` has for the setting `name`."""
    if low <= value <= high:
        return value
    context.note(f"{name} {value} was brought into the range of the {target} protocol")
    return min(max(value, low), high)


def _name_of(raw: JSON) -> str:
    """A type, or the one key that says what it is."""
    if not isinstance(raw, dict):
        return "of no known kind"
    kind = raw.get("type")
    return kind if isinstance(kind, str) and kind else ", ".join(map(str, list(raw)[:3]))


_NOTHING: tuple[JSON, ...] = (None, "", [], {})


def _names(key: str, value: JSON, nothing: tuple[JSON, ...] = _NOTHING) -> list[str]:
    """One for each member of an object; none for what says nothing."""
    if value in nothing:
        return []
    if isinstance(value, dict):
        return [f"{key}.{inner}" for inner, one in value.items() if one not in nothing]
    return [key]

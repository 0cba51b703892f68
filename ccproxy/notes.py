"""What a request loses on its way into another protocol, in the sentences that the log has for it (DESIGN 4: nothing is
dropped in silence). What all writers leave out or change alike stands here; the rest they note themselves.
"""

from __future__ import annotations

from collections.abc import Set

from ccproxy.model import JSON, Context, Extras, Opaque, ResponseFormat


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


def _names(key: str, value: JSON) -> list[str]:
    """One for each member of an object; none for what says nothing."""
    if value is None or value in ("", [], {}):
        return []
    if isinstance(value, dict):
        return [f"{key}.{inner}" for inner, one in value.items() if one is not None]
    return [key]

"""What a built-in tool is asked and what it answers: arguments read, results made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent

from ccproxy.errors import RequestError
from ccproxy.tables import hint


def said(text: str, structured: dict[str, Any] | None = None) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


def failed(text: str) -> CallToolResult:
    """An error that the model reads: what went wrong and what to do."""
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


class Arguments:
    """A call's arguments, read one by one. Models write numbers as text and leave out by null; both are understood. Each
    method raises RequestError in words for the model."""

    def __init__(self, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """known: the properties of the tool's schema."""
        self._given = {name: value for name, value in given.items() if value is not None}
        for name in self._given:
            if name not in known:
                raise RequestError(f"there is no argument {name}; {hint(name, known)}")

    def text(self, name: str, default: str | None = None) -> str:
        value = self._given.get(name, default)
        if value is None:
            raise RequestError(f"the argument {name} is missing")
        if not isinstance(value, str):
            raise RequestError(f"{name} must be a text")
        if default is None and not value.strip():
            raise RequestError(f"{name} is empty")
        return value.strip()

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name, default) or default
        if value not in allowed:
            raise RequestError(f"{name} must be one of {', '.join(filter(None, allowed))}")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Too large is as much as there may be; too small is an error."""
        value = self._given.get(name, default)
        try:
            number = int(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
        except (ValueError, OverflowError):
            number = None
        if number is None or number < low:
            raise RequestError(f"{name} must be a whole number of {low} or more")
        return min(number, high)

    def flag(self, name: str) -> bool:
        value = self._given.get(name, False)
        found = _FLAGS.get(value.strip().lower() if isinstance(value, str) else str(value).lower())
        if found is None:
            raise RequestError(f"{name} must be true or false")
        return found


_FLAGS = {"true": True, "false": False}

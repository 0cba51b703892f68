"""What a Decoder remembers of the items that it has seen."""

from __future__ import annotations

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed
from ccproxy.model import JSON

WRAPPERS = frozenset({"multi_tool_use.parallel", "multi_tool_use_parallel"})
"""Names under which some models wrap several calls in one: `{"tool_uses": [{"recipient_name", "parameters"}]}`."""


class SeenItem:
    """An output item. part: which of its texts the last delta belonged to; said: those that have come."""

    __slots__ = ("cited", "done", "kind", "part", "said")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.part: tuple[str, JSON] = ("", None)
        self.said: set[tuple[str, JSON]] = set()
        self.cited = False
        self.done = False

    def enter(self, part: tuple[str, JSON]) -> bool:
        """Notes that this text has come; whether it is new."""
        self.part = part
        try:
            new = part not in self.said
            self.said.add(part)
        except TypeError:
            raise Malformed("the index of a content part is no number") from None
        return new

    def has_said(self, kind: str) -> bool:
        return any(said == kind for said, _ in self.said)


class SeenCall(SeenItem):
    """A tool call's item. held: its arguments while its name is unknown or a wrapper's, None once they stream."""

    __slots__ = ("ended", "held", "id", "key", "name")

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.key = -1
        self.id = self.name = ""
        self.held: list[str] | None = []
        self.ended = False


def unwrap(name: str, text: str) -> list[tuple[str, str]]:
    """(name, arguments) of each call in a wrapper, or the wrapper itself when it is none."""
    try:
        document = jsontext.loads_exact(text)
        uses = document["tool_uses"]
        return [
            (use["recipient_name"].removeprefix("functions."), jsontext.dumps_str(use.get("parameters") or {}))
            for use in uses
        ] or [(name, text)]
    except (jsontext.JSONError, TypeError, KeyError, AttributeError):
        return [(name, text)]

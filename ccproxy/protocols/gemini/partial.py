"""Arguments of a function call that come in pieces, each with the path of the value it belongs to.

Vertex AI, "Function calling", section "Streaming function call arguments": `partialArgs` names a value by JSONPath (RFC
9535, names and indexes only); a string that will continue comes in pieces that are put together.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from ccproxy.codec.jsontext import MAX_DEPTH
from ccproxy.errors import Malformed
from ccproxy.model import JSON
from ccproxy.protocols.gemini.wire import either

_STEP = re.compile(r"""\.([^.\[\]'"]+)|\[(\d{1,6})\]|\['([^'\\]*+(?:\\.[^'\\]*+)*+)'\]|\["([^"\\]*+(?:\\.[^"\\]*+)*+)"\]""")
_ESCAPED = re.compile(r"\\(.)")
_VALUES = ("stringValue", "numberValue", "boolValue")

MOST_ITEMS = 100
"""Items that the indexes of one call may leave out before them, all together. Arrays come in order, so that only a broken
stream skips any."""


class Arguments:
    """The object that the pieces make."""

    __slots__ = ("_skipped", "_start", "_strings")

    def __init__(self, start: dict[str, JSON]) -> None:
        self._start = start
        self._skipped = 0  # items that indexes left out
        # (id of the holder, step) -> the holder, which keeps that id its own, and the pieces of the string there.
        self._strings: dict[tuple[int, str | int], tuple[Any, list[str]]] = {}

    @property
    def value(self) -> dict[str, JSON]:
        """The object so far; complete when the call is."""
        for (_, step), (place, pieces) in self._strings.items():
            place[step] = "".join(pieces)
        return self._start

    def put(self, piece: JSON) -> None:
        """Takes one PartialArg. Raises Malformed for a path that does not fit what came before."""
        if not isinstance(piece, dict):
            raise Malformed("a partial argument is no object")
        way = steps(either(piece, "jsonPath"))
        place: Any = self._start
        for step, following in pairwise(way):
            place = self._enter(place, step, following)
        self._put(place, way[-1], _value_of(piece))

    def _put(self, place: Any, step: str | int, value: JSON) -> None:
        """A string behind a string continues it; anything else takes the place of what was there."""
        present = _get(place, step)
        if isinstance(present, str) and isinstance(value, str):
            _, pieces = self._strings.setdefault((id(place), step), (place, [present]))
            pieces.append(value)
        else:
            self._set(place, step, value)
            self._strings.pop((id(place), step), None)

    def _enter(self, place: Any, step: str | int, following: str | int) -> Any:
        """The object or array at `step`, made when it is not there yet."""
        inner = _get(place, step)
        if inner is None:
            inner = [] if isinstance(following, int) else {}
            self._set(place, step, inner)
        return inner

    def _set(self, place: Any, step: str | int, value: JSON) -> None:
        if isinstance(step, str) and isinstance(place, dict):
            place[step] = value
        elif isinstance(step, int) and isinstance(place, list) and self._may_skip(step - len(place)):
            place.extend([None] * (step + 1 - len(place)))
            place[step] = value
        else:
            raise Malformed("a partial argument does not fit the ones before it")

    def _may_skip(self, items: int) -> bool:
        self._skipped += max(0, items)
        return self._skipped <= MOST_ITEMS


def steps(path: JSON) -> list[str | int]:
    """The names and indexes of a JSONPath: `$.a.b[0]` is `["a", "b", 0]`."""
    if not isinstance(path, str) or not path.startswith("$"):
        raise Malformed("a partial argument has no path")
    found: list[str | int] = []
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise Malformed(f"the path of a partial argument cannot be read: {path[:80]}")
        name, index, *quoted = match.groups()
        found.append(int(index) if index else name or _ESCAPED.sub(r"\1", quoted[0] or quoted[1] or ""))
        at = match.end()
        if len(found) > MAX_DEPTH:
            raise Malformed(f"the path of a partial argument is deeper than {MAX_DEPTH} levels")
    if not found:
        raise Malformed("the path of a partial argument names nothing")
    return found


def _value_of(piece: dict[str, JSON]) -> JSON:
    return next((value for value in (either(piece, key) for key in _VALUES) if value is not None), None)


def _get(place: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return place[step] if isinstance(place, list) and step < len(place) else None
    return place.get(step) if isinstance(place, dict) else None

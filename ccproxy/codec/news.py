"""What is new in a body: the part that the one before it did not have, which is all that still has to be searched.

An agent's request is the one before it, with a turn more in its middle. Whoever searched that for words which stand in
hardly any body, and found none, need not look at the same hundred kilobytes again: what two bodies share at their beginning
and at their end is found by comparing slices, in a third of the time of one search.

Words of at most WIDEST bytes are searched for. The new part is given with so many bytes around it that none of these can
begin or end in what is not searched.
"""

from __future__ import annotations

WIDEST = 32
KEPT = 8
"""Bodies: an agent, its helpers, and those of another window."""

_FIRST = 16 * 1024
"""Bytes that are compared first; then twice as many, and so on."""


class _Kept:
    __slots__ = ("body", "name", "place")

    def __init__(self, name: str, body: bytes, place: int) -> None:
        self.name, self.body, self.place = name, body, place


class News:
    """part: what has to be searched. place: where the word stands that stands once; -1 where that is not known. before: the
    kept body that this one goes on."""

    __slots__ = ("before", "part", "place")

    def __init__(self, part: bytes, place: int = -1, before: _Kept | None = None) -> None:
        self.part, self.place, self.before = part, place, before


class Bodies:
    """The last bodies in which nothing was found, but for one word that stands there once. They are compared with bodies of
    the same name only. most_bytes: how much is kept; what was not used for the longest time goes first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes // KEPT  # of one
        self._kept: list[_Kept] = []  # what was used last comes last

    def news(self, name: str, body: bytes) -> News:
        """Of a body that goes on one of the kept ones, which is to say that it shares half of itself with it; all of any
        other."""
        for kept in reversed(self._kept):
            if kept.name == name:
                start, end = span(kept.body, body)
                if end - start <= len(body) // 2:
                    part = body[max(0, start - WIDEST) : end + WIDEST]
                    return News(part, _moved(kept, len(body), start, end), kept)
        return News(body)

    def keep(self, name: str, body: bytes, news: News) -> None:
        """Remembers a body in whose news nothing was found, in the stead of the one that it goes on."""
        if len(body) <= self._most:
            others = [kept for kept in self._kept if kept is not news.before]
            self._kept = [*others[1 - KEPT :], _Kept(name, body, news.place)]


def _moved(kept: _Kept, size: int, start: int, end: int) -> int:
    """The place in the next body, if its surroundings are old."""
    behind = kept.place + size - len(kept.body)
    if kept.place + WIDEST <= start:
        return kept.place
    return behind if behind > end else -1


def span(old: bytes, new: bytes) -> tuple[int, int]:
    """(start, end): both begin with the same `start` bytes, and end with the same ones as `new` does from `end` on. These
    do not overlap in either."""
    most = min(len(old), len(new))
    start = alike(old, new)
    behind = 0
    step = _FIRST
    while step:
        a, b = len(old) - behind, len(new) - behind
        if behind + step <= most - start and new.startswith(old[a - step : a], b - step):
            behind, step = behind + step, 2 * step
        else:
            step //= 2
    return start, len(new) - behind


def alike(old: bytes, new: bytes) -> int:
    """How many bytes both begin with."""
    most = min(len(old), len(new))
    at, step = 0, _FIRST
    while step:
        if at + step <= most and new.startswith(old[at : at + step], at):
            at, step = at + step, 2 * step
        else:
            step //= 2
    return at

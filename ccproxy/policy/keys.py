"""A provider's API keys, one of which goes with each request.

First cut: the keys take turns. Rest after 429, failure after 401 and the count over (target, key) pairs (DESIGN 3) will
live here too; the clock is therefore an argument already.
"""

from __future__ import annotations

from collections.abc import Sequence


class KeyPool:
    """The keys of one provider; none at all for a server that wants no key."""

    __slots__ = ("_keys", "_next")

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(keys)
        self._next = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeyPool({len(self)} keys, next: {self._next})"

    def pick(self, now: float) -> str:
        """The key for a request that starts at `now` (seconds of a monotonic clock), "" when the provider has none."""
        if not self._keys:
            return ""
        key = self._keys[self._next]
        self._next = (self._next + 1) % len(self._keys)
        return key

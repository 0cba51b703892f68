"""The vendor table: what particular vendors and model families take otherwise than their protocol says.

    Quirk   a row: whom it is about (provider, host, model, its version, path), what it says of them, and who says so
    Table   rows -> the Traits of one target; later rows win, and a configuration's [[quirks]] come last

The rows that come with ccproxy stand in `vendors`.

Patterns are globs without regard to case. A model's version is the first number of one or two digits in its name (4.6 of
`claude-opus-4-6-20260101`); a name without one that ends in `latest` is newer than any. `path` is the request's path behind
the provider's base URL, by which a row about one protocol's documents is told from one about another's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal

from attrs import fields, frozen

from ccproxy.model import JSON, Effort, Traits

TAKES = ("cache_control", "custom_tools", "media_results", "min_p", "repeat_penalty", "top_k")
"""What a vendor may take beyond its protocol: cache marks on parts and tools, tools of free text, media within the results
of calls, more of `Sampling`."""

_FORMS = ("adaptive", "budgets", "levels", "thinking", "thinking_off")
LACKS = (*_FORMS, "json_schema", "prefill", "sampling", "unsigned_calls")
"""What a model may not take of its protocol: being asked to think as it sees fit, for so many tokens, so hard, at all, or
not to; schemas as JSON Schema, a last turn of its own to go on with, temperature and its kin, calls of earlier turns
without their signature."""

NEWEST = (99, 0)
_VERSION = re.compile(r"(?<![\d.])(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)")


def version_of(model: str) -> tuple[int, int] | None:
    """See the module. None for a name that tells nothing."""
    name = model.rpartition("/")[2].lower()
    found = _VERSION.search(name)
    if found is not None:
        return int(found[1]), int(found[2] or 0)
    return NEWEST if name.endswith("latest") else None


@frozen(kw_only=True)
class Quirk:
    """One row. provider, host, model, path: patterns, any of which fits; none is everybody. since, before: of the model's
    versions, the first that is meant and the first that is not. source: who says so.

    keep: members that earlier rows drop, fix, rename or fill, and these do not. takes, lacks: words of TAKES and LACKS,
    each the opposite of the other. The others are `Traits`; None says nothing."""

    provider: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    since: tuple[int, int] | None = None
    before: tuple[int, int] | None = None
    source: str = ""
    keep: tuple[str, ...] = ()

    drop: tuple[str, ...] | None = None
    drop_thinking: tuple[str, ...] | None = None
    only: Mapping[str, JSON] | None = None
    rename: Mapping[str, str] | None = None
    fill: Mapping[str, JSON] | None = None
    takes: frozenset[str] | None = None
    lacks: frozenset[str] | None = None
    stream: Literal["auto", "always", "never"] | None = None
    id_length: int | None = None
    thoughts: str | None = None
    demands_thoughts: bool | None = None
    thinking_on: Mapping[str, JSON] | None = None
    thinking_off: Mapping[str, JSON] | None = None
    effort: str | None = None
    budget: str | None = None
    efforts: tuple[Effort, ...] | None = None
    budgets: tuple[int, ...] | None = None
    again: tuple[str, ...] | None = None
    refusals: tuple[str, ...] | None = None

    def fits(self, target: Mapping[str, str]) -> bool:
        """Whether the row is about the target, whose provider, host, model and path are lower case."""
        return self._spans(target["model"]) and all(_matches(getattr(self, part), value) for part, value in target.items())

    def _spans(self, model: str) -> bool:
        if self.since is None and self.before is None:
            return True
        version = version_of(model)
        return version is not None and (self.since or (0, 0)) <= version < (self.before or (100, 0))


def _matches(patterns: tuple[str, ...], value: str) -> bool:
    return not patterns or any(fnmatchcase(value, pattern.lower()) for pattern in patterns)


class Table:
    """Rows, in order. Immutable once made."""

    def __init__(self, rows: Iterable[Quirk]) -> None:
        self._rows = tuple(rows)
        self.traits = lru_cache(maxsize=512)(self._traits)
        """The traits of one target. provider: its name in the configuration."""

    def __repr__(self) -> str:
        return f"Table({len(self._rows)} rows)"

    def _traits(self, provider: str, host: str, model: str, path: str) -> Traits:
        target = {"provider": provider.lower(), "host": host.lower(), "model": model.lower(), "path": path.lower()}
        said: dict[str, Any] = {}
        for row in self._rows:
            if row.fits(target):
                _add(row, said)
        return Traits(**said)


def _add(row: Quirk, said: dict[str, Any]) -> None:
    """What `row` says, on top of what earlier rows `said`."""
    for name in _FIELDS:
        value = getattr(row, name)
        if value is not None:
            said[name] = _joined(said[name], value) if name in _GROWING and name in said else value
    for name in _MEMBERS & said.keys():
        said[name] = _without(said[name], row.keep)
    for name, other in (("takes", row.lacks), ("lacks", row.takes)):
        if other and name in said:
            said[name] -= other - (getattr(row, name) or frozenset())


_FIELDS = tuple(field.name for field in fields(Traits))
_GROWING = frozenset({"drop", "drop_thinking", "only", "rename", "fill", "takes", "lacks", "again", "refusals"})
"""Traits to which each row adds; of the others the last row's counts."""

_MEMBERS = frozenset({"drop", "drop_thinking", "only", "rename", "fill"})


def _joined(old: Any, new: Any) -> Any:
    if isinstance(old, tuple):
        return (*old, *(one for one in new if one not in old))
    return old | new


def _without(members: Any, kept: tuple[str, ...]) -> Any:
    if isinstance(members, tuple):
        return tuple(one for one in members if one not in kept)
    return {one: value for one, value in members.items() if one not in kept}

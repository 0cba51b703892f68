"""Which provider's model serves the name that a client asked for.

    alias    a line of a group's table: an exact name or a pattern (`*`: any text, `?`: one character) -> destinations
    order    the exact name, then the matching pattern with the most literal characters, then file order
    `*`      on the right is what the `*` on the left matched, one for one: "claude-*" = "anthropic/claude-*"
    `@`      group@alias picks the group when such a group exists; otherwise it is part of the name

A name that its group does not know is NotFound: another group is never asked in its place. Matching takes time linear in
the name for each `*`, whatever the client sends, because no part of a pattern is tried twice (atomic groups).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from attrs import define, field, frozen

from ccproxy.errors import NotFound

DEFAULT = "default"
"""The group of paths without a group in them."""

_NAME_LIMIT = 200
"""Characters of an unknown name that are shown and compared with the known ones; the longest real ones have about 100."""

_REMEMBERED = 256
"""Names whose routes are remembered. A pattern may pass any name through; a person uses a dozen."""

_SHOWN = 8
"""Known names in an error, where none is near: enough to recognise the group, short enough for a client's status line."""


@frozen
class Destination:
    """One provider's model. In a table, `model` may hold `*`; in a Route it is the upstream's own name."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


@frozen
class Route:
    """Where a name leads, first choice first, and the group and the alias in which it was found. name: what was asked for
    in the group."""

    group: str
    alias: str
    destinations: tuple[Destination, ...]
    name: str = field(default="", eq=False)


Aliases = Mapping[str, Sequence[Destination]]
"""A group's table, in file order."""


def is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


@define
class Pattern:
    """An alias that matches many names."""

    text: str
    destinations: tuple[Destination, ...]
    weight: int = field(init=False)
    _match: re.Pattern[str] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.weight = sum(1 for character in self.text if character not in "*?")
        self._match = re.compile(_expression(self.text), re.DOTALL)

    def forward(self, name: str) -> tuple[Destination, ...] | None:
        """Where the client's `name` leads, None when it does not match."""
        match = self._match.fullmatch(name)
        if match is None:
            return None
        texts = match.groups()
        return tuple(Destination(d.provider, _fill(d.model, texts)) for d in self.destinations)

    @property
    def passes_names(self) -> bool:
        """Whether the client's name reaches the upstream, so that the upstream's own list tells what can be asked for."""
        return "?" not in self.text and any("*" in d.model for d in self.destinations)

    def backward(self, provider: str, model: str) -> str | None:
        """The name by which a client reaches this model of this provider through the pattern, None when it cannot."""
        for destination in self.destinations:
            if destination.provider == provider and "*" in destination.model:
                match = re.fullmatch(_expression(destination.model), model, re.DOTALL)
                if match is not None:
                    return _fill(self.text, match.groups())
        return None


@define
class _Group:
    exact: dict[str, tuple[Destination, ...]]
    patterns: list[Pattern]

    def find(self, name: str) -> tuple[str, tuple[Destination, ...]] | None:
        found = self.exact.get(name)
        if found is not None:
            return name, found
        for pattern in self.patterns:
            destinations = pattern.forward(name)
            if destinations is not None:
                return pattern.text, destinations
        return None


class Router:
    """All groups. Immutable once made; a changed configuration makes a new one."""

    def __init__(self, groups: Mapping[str, Aliases]) -> None:
        self._groups = {name: _group(aliases) for name, aliases in groups.items()}
        self._find_again = lru_cache(_REMEMBERED)(self._find)

    def __repr__(self) -> str:
        return f"Router({', '.join(self._groups)})"

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self._groups)

    def resolve(self, group: str, model: str) -> Route:
        """The route of `model`, asked for in `group` ("" for paths without one). Raises NotFound."""
        prefix, at, rest = model.partition("@")
        if at and prefix in self._groups:
            group, model = prefix, rest
        group = group or DEFAULT
        return (self._find_again if len(model) <= _NAME_LIMIT else self._find)(group, model)

    def _find(self, group: str, model: str) -> Route:
        found = self._group(group).find(model) if model else None
        if found is None:
            raise NotFound(_unknown_model(group, model, self.names(group)), code="model_not_found", param="model")
        return Route(group, *found, name=model)

    def names(self, group: str) -> tuple[str, ...]:
        """The exact aliases of a group, in file order. Raises NotFound for an unknown group."""
        return tuple(self._group(group).exact)

    def passthrough(self, group: str) -> tuple[Pattern, ...]:
        """The patterns of a group that pass names through, the heaviest first. Raises NotFound for an unknown group."""
        return tuple(p for p in self._group(group).patterns if p.passes_names)

    def listed(self, group: str, provider: str, models: Iterable[str]) -> list[str]:
        """The names by which clients of `group` reach the provider's `models`, as far as patterns pass them through and
        no other alias takes the name. Raises NotFound for an unknown group."""
        seen: dict[str, None] = {}
        for model in models:
            for pattern in self.passthrough(group):
                name = pattern.backward(provider, model)
                if name is not None and self._reaches(group, name, Destination(provider, model)):
                    seen[name] = None
        return list(seen)

    def _reaches(self, group: str, name: str, wanted: Destination) -> bool:
        found = self._group(group).find(name)
        return found is not None and wanted in found[1]

    def _group(self, name: str) -> _Group:
        group = self._groups.get(name or DEFAULT)
        if group is None:
            raise NotFound(_unknown_group(name, tuple(self._groups)), code="group_not_found")
        return group


def _group(aliases: Aliases) -> _Group:
    exact = {name: tuple(destinations) for name, destinations in aliases.items() if not is_pattern(name)}
    patterns = [Pattern(name, tuple(destinations)) for name, destinations in aliases.items() if is_pattern(name)]
    patterns.sort(key=lambda pattern: -pattern.weight)  # a stable sort: file order decides between equals
    return _Group(exact, patterns)


def _expression(pattern: str) -> str:
    """A regular expression with one group for each `*`. Every `*` but the last takes the shortest text that fits and is
    never tried again, which finds a match whenever there is one; the last one takes what is left."""
    first, *rest = (_literal(piece) for piece in pattern.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>(.*?){piece})" for piece in middle) + f"(.*){last}"


def _literal(piece: str) -> str:
    return ".".join(re.escape(part) for part in piece.split("?"))


def _fill(pattern: str, texts: Sequence[str]) -> str:
    """`pattern` with its `*` replaced by `texts`, one for one."""
    pieces = pattern.split("*")
    return pieces[0] + "".join(text + piece for text, piece in zip(texts, pieces[1:], strict=False))


def _unknown_model(group: str, model: str, names: Sequence[str]) -> str:
    asked = model if len(model) <= _NAME_LIMIT else f"{model[:_NAME_LIMIT]}..."
    return f'the group "{group}" has no model "{asked}"{_hint(model, names)}'


def _unknown_group(group: str, groups: Sequence[str]) -> str:
    if group in ("", DEFAULT):
        return f'there is no group "{DEFAULT}"; put a group into the path, as in /GROUP/v1/models{_hint("", groups)}'
    return f'there is no group "{group[:_NAME_LIMIT]}"{_hint(group, groups)}'


def _hint(asked: str, known: Sequence[str]) -> str:
    import difflib  # only for mistakes

    near = difflib.get_close_matches(asked[:_NAME_LIMIT], known, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    if not known:
        return ""
    more = ", ..." if len(known) > _SHOWN else ""
    return f"; known: {', '.join(known[:_SHOWN])}{more}"

"""Rows of `[[quirks]]`, read: each key is an attribute of `policy.quirks.Quirk`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ccproxy.policy.quirks import LACKS, TAKES, Quirk
from ccproxy.reasoning import BUDGETS
from ccproxy.tables import (
    Read,
    Spot,
    Wrong,
    any_value,
    choice,
    flag,
    keyed,
    like,
    list_of,
    one_or_more,
    table_of,
    text,
    whole,
)

some_name = like(re.compile(r".+", re.DOTALL), "a name, not empty")
patterns = one_or_more(some_name)

_members = one_or_more(like(re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*"), "a member of a request, such as temperature"))
_member = like(re.compile(r"([A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*)?"), 'a member of a request, such as reasoning.effort, or ""')
_words = one_or_more(choice(*TAKES, *LACKS))
_version = like(re.compile(r"\d{1,2}(\.\d{1,2})?"), 'the number in a model\'s name, such as "4.6"')


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def _budgets(value: Any, spot: Spot) -> tuple[int, ...]:
    found: tuple[int, ...] = tuple(list_of(whole(0, 10_000_000))(value, spot))
    if len(found) != 2 or found[0] > found[1]:
        raise Wrong("must be the least and the most tokens, as in [512, 24576]")
    return found


def _refusal(value: Any, spot: Spot) -> str:
    try:
        expression = re.compile(text(value, spot))
    except re.error as error:
        raise Wrong(f"is no regular expression: {error}") from None
    if "name" not in expression.groupindex:
        raise Wrong("must have a group called name, as in \"'(?P<name>\\w+)' is not supported\"")
    return expression.pattern


QUIRK: Mapping[str, Read] = {
    "provider": patterns,
    "host": patterns,
    "model": patterns,
    "path": patterns,
    "source": text,
    "keep": _members,
    "since": lambda value, spot: _numbers(_version(value, spot)),
    "before": lambda value, spot: _numbers(_version(value, spot)),
    "drop": _members,
    "drop_thinking": _members,
    "only": table_of(any_value),
    "rename": table_of(_member),
    "fill": table_of(any_value),
    "takes": lambda value, spot: frozenset(_words(value, spot)),
    "lacks": lambda value, spot: frozenset(_words(value, spot)),
    "stream": choice("auto", "always", "never"),
    "id_length": whole(0, 64),
    "thoughts": _member,
    "demands_thoughts": flag,
    "thinking_on": table_of(any_value),
    "thinking_off": table_of(any_value),
    "effort": _member,
    "budget": _member,
    "efforts": one_or_more(choice(*BUDGETS)),
    "budgets": _budgets,
    "again": one_or_more(some_name),
    "refusals": one_or_more(_refusal),
}
"""A row of `[[quirks]]`: the attributes of `policy.quirks.Quirk`."""

_ABOUT = ("provider", "host", "model", "path")


def quirk_row(value: Any, spot: Spot) -> Quirk:
    said = keyed(QUIRK, value, spot)
    if not any(part in value for part in _ABOUT):
        raise Wrong(f"must say whom it is about: at least one of {', '.join(_ABOUT)}")
    if not value.keys() - {*_ABOUT, "source"}:
        raise Wrong(f'must say something of them, such as drop = ["temperature"]; known: {", ".join(QUIRK)}')
    return Quirk(**said)

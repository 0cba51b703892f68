"""TOML values into attrs classes, with every complaint at once.

    record(Server, table, spot) -> Server     each key is read by the reader that `key` gave to its attribute
    reader(value, spot) -> value              or raises Wrong; the record, list or table that asked adds the key path

Nothing here knows a key of ccproxy. Complaints name keys, environment variables and what is allowed, never a value: it
might be a secret, or a secret in the wrong place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import SplitResult, urlsplit

from attrs import NOTHING, Attribute, evolve, field, fields, frozen

T = TypeVar("T")


class Wrong(Exception):
    """What is wrong with one value, in words that follow its key path."""


@frozen
class Spot:
    """A place in the file: its key path, where complaints go, and the environment that `${VAR}` is read from."""

    path: str
    problems: list[str]
    env: Mapping[str, str] = field(repr=False)

    def at(self, name: str) -> Spot:
        return evolve(self, path=f"{self.path}.{quoted(name)}" if self.path else quoted(name))

    def item(self, index: int) -> Spot:
        return evolve(self, path=f"{self.path}[{index}]")

    def complain(self, what: str) -> None:
        self.problems.append(f"{self.path}: {what}")


Read: TypeAlias = Callable[[Any, Spot], Any]

_READ = "ccproxy.read"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def key(read: Read, default: Any = NOTHING, why: str = "", *, secret: bool = False) -> Any:
    """An attribute that stands in the file under its own name. why: the reason of the default, for the reference of
    all keys, or, where there is no default, what must be given. secret: not shown by repr."""
    return field(default=default, repr=not secret, metadata={_READ: read, "why": why})


def is_key(attribute: Attribute[Any]) -> bool:
    """Whether `key` made the attribute."""
    return _READ in attribute.metadata


def reason(attribute: Attribute[Any]) -> str:
    """Why an attribute made by `key` has its default."""
    why: str = attribute.metadata["why"]
    return why


def quoted(name: str) -> str:
    """A key as TOML spells it."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, "" when none is near."""
    import difflib  # only for mistakes

    lower = {word.lower(): word for word in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return lower[near[0]] if near else ""


def hint(name: str, known: Iterable[str]) -> str:
    """The end of a complaint about an unknown `name`: the one that was meant, or all there are."""
    words = list(known)
    near = nearest(name, words)
    return f"did you mean {near}?" if near else f"known: {', '.join(words) or 'none'}"


# ---------------------------------------------------------------------------------------------------------------------
# Readers of what holds other values


def keyed(readers: Mapping[str, Read], value: Any, spot: Spot, later: Iterable[str] = ()) -> dict[str, Any]:
    """A table of which each key has a reader of its own. Wrong values and unknown keys are complained about at `spot` and
    left out. later: keys that are designed and not built."""
    found = {}
    for name, inner in _table(value).items():
        place = spot.at(name)
        read_value = _attempt(readers.get(name, _unknown(name, readers, later)), inner, place)
        if read_value is not NOTHING:
            found[name] = read_value
    return found


def _unknown(name: str, known: Iterable[str], later: Iterable[str]) -> Read:
    def read_unknown(value: Any, spot: Spot) -> Any:
        if name in later:
            raise Wrong("not supported yet by this version of ccproxy; remove it")
        raise Wrong(f"unknown key; {hint(name, known)}")

    return read_unknown


def record(cls: type[T], value: Any, spot: Spot) -> T:
    """A table as `cls`, whose `LATER` names the keys that are not built. What is missing or wrong has its default, or None
    after a complaint where it has none."""
    attributes = [a for a in fields(cls) if is_key(a)]  # type: ignore[arg-type]
    readers = {a.name: a.metadata[_READ] for a in attributes}
    found = keyed(readers, value, spot, getattr(cls, "LATER", ()))
    for attribute in attributes:
        if attribute.default is NOTHING and attribute.name not in found:
            found[attribute.name] = None
            if attribute.name not in value:
                spot.at(attribute.name).complain(f"is missing: {attribute.metadata['why']}")
    return cls(**found)


def _attempt(read: Read, value: Any, spot: Spot) -> Any:
    """The value as `read` reads it, NOTHING after a complaint."""
    try:
        return read(value, spot)
    except Wrong as wrong:
        spot.complain(str(wrong))
        return NOTHING


def a_record(cls: type[Any]) -> Read:
    """Reads one table as `cls`."""
    return partial(record, cls)


def table_of(read: Read, name: Read | None = None) -> Read:
    """Reads a table with any keys, each value by `read`, into a dict. name: reads the keys."""

    def read_table(value: Any, spot: Spot) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for each, inner in _table(value).items():
            place = spot.at(each)
            known_as = each if name is None else _attempt(name, each, place)
            read_value = _attempt(read, inner, place)
            if known_as in found:
                place.complain("is there twice")
            if read_value is not NOTHING:
                found[each if known_as is NOTHING else known_as] = read_value
        return found

    return read_table


def list_of(read: Read) -> Read:
    """Reads a list, each item by `read`, into a tuple."""

    def read_list(value: Any, spot: Spot) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong(f"must be a list, not {_kind(value)}")
        found = (_attempt(read, item, spot.item(i)) for i, item in enumerate(value))
        return tuple(item for item in found if item is not NOTHING)

    return read_list


def one_or_more(read: Read) -> Read:
    """Reads a list of at least one item, or one value alone, into a tuple."""
    many = list_of(read)

    def read_some(value: Any, spot: Spot) -> Any:
        if value == []:
            raise Wrong("must name at least one")
        return many(value, spot) if isinstance(value, list) else (read(value, spot),)

    return read_some


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong(f"must be a table, not {_kind(value)}")
    return value


# ---------------------------------------------------------------------------------------------------------------------
# Readers of single values

_KINDS = {str: "a string", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"[!-~]+")
_HEADER = re.compile(r"[\t -~]*")
_URL_ODD = re.compile(r"[^!-~]")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a date or time")


def text(value: Any, spot: Spot) -> str:
    """A string, with `${VAR}` replaced."""
    if not isinstance(value, str):
        raise Wrong(f"must be a string, not {_kind(value)}")
    return _expanded(value, spot.env) if "${" in value else value


def _expanded(value: str, env: Mapping[str, str]) -> str:
    for match in _VARIABLE.finditer(value):
        if not (_VARIABLE_NAME.fullmatch(match[1]) and match[0].endswith("}")):
            raise Wrong("after ${ there must be the name of an environment variable and a }")
    missing = dict.fromkeys(name for name in _VARIABLE.findall(value) if name not in env)
    if missing:
        names = ", ".join(missing)
        raise Wrong(
            f"the environment variable{'s' * (len(missing) > 1)} {names} {'are' if len(missing) > 1 else 'is'} not set"
        )
    return _VARIABLE.sub(lambda match: env[match[1]], value)


def secret(value: Any, spot: Spot) -> str:
    """A key or token: visible ASCII, since it goes into a header."""
    word = text(value, spot)
    if not word:
        raise Wrong("is empty")
    if not _SECRET.fullmatch(word):
        raise Wrong("has a space, a line break or another character that a key cannot have")
    return word


def header_value(value: Any, spot: Spot) -> str:
    words = text(value, spot)
    if not _HEADER.fullmatch(words) or words != words.strip():
        raise Wrong("must be plain ASCII text without line breaks and without spaces around it")
    return words


def like(pattern: re.Pattern[str], says: str) -> Read:
    """Reads a string that `pattern` matches wholly; `says` is what it has to be."""

    def read_like(value: Any, spot: Spot) -> str:
        word = text(value, spot)
        if not pattern.fullmatch(word):
            raise Wrong(f"must be {says}")
        return word

    return read_like


def choice(*allowed: str) -> Read:
    def read_choice(value: Any, spot: Spot) -> str:
        word = text(value, spot)
        if word not in allowed:
            near = nearest(word, allowed)
            raise Wrong(f"must be one of {', '.join(allowed)}{f'; did you mean {near}?' if near else ''}")
        return word

    return read_choice


def whole(low: int, high: int | None = None) -> Read:
    """Reads a whole number from `low` to `high`."""

    def read_whole(value: Any, spot: Spot) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"must be a whole number {_range(low, high)}, not {_kind(value)}")
        if value < low or (high is not None and value > high):
            raise Wrong(f"must be a whole number {_range(low, high)}")
        return value

    return read_whole


def number(low: float, high: float) -> Read:
    """Reads a number from `low` to `high`; neither NaN nor infinity is one."""

    def read_number(value: Any, spot: Spot) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Wrong(f"must be a number {_range(low, high)}, not {_kind(value)}")
        if not low <= value <= high:
            raise Wrong(f"must be a number {_range(low, high)}")
        return value

    return read_number


def _range(low: float, high: float | None) -> str:
    return f"of {low} or more" if high is None else f"from {low} to {high}"


def flag(value: Any, spot: Spot) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {_kind(value)}")
    return value


def any_value(value: Any, spot: Spot) -> Any:
    """What JSON can say too: no dates and times."""
    if isinstance(value, str):
        return text(value, spot)
    if isinstance(value, list):
        return list(list_of(any_value)(value, spot))
    if isinstance(value, dict):
        return table_of(any_value)(value, spot)
    if type(value) not in _KINDS or value in (math.inf, -math.inf) or value != value:
        raise Wrong("must be a value that JSON has")
    return value


def url(*schemes: str, credentials: bool = False) -> Read:
    """Reads an absolute URL without query and fragment. credentials: a user name and password may stand in it."""
    starts = " or ".join(f"{scheme}://" for scheme in schemes)

    def read_url(value: Any, spot: Spot) -> str:
        words = text(value, spot)
        parts = _parts(words)
        if parts is None or parts.scheme not in schemes or not parts.hostname:
            raise Wrong(f"must be a URL that begins with {starts} and names a host")
        if parts.query or parts.fragment:
            raise Wrong("must be a URL without ? and #")
        if not credentials and "@" in parts.netloc:
            raise Wrong("must not hold a user name or password")
        return words

    return read_url


def _parts(words: str) -> SplitResult | None:
    """The URL's parts, None when it is no URL."""
    if _URL_ODD.search(words):
        return None
    try:
        parts = urlsplit(words)
        _ = parts.port  # raises for what is no port
    except ValueError:
        return None
    return parts

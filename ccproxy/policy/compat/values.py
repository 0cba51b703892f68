"""A parameter's text as the type that its schema declares, and a JSON value the same.

A text that is none of the declared types stays a text: the client checks it against the same schema and tells the model
what is wrong, in words that the model can act on.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from ccproxy.codec import jsontext
from ccproxy.codec.jsontext import JSONError
from ccproxy.model import JSON
from ccproxy.policy.compat.repair import read_whole
from ccproxy.policy.compat.toolbox import Parameter

_INTEGER = re.compile(r"[-+]?[0-9]+(?:\.0+)?")
_CHILD = re.compile(r"\s*<([\w.:-]+)>(.*?)</\1>", re.DOTALL)
_YES = {"true": True, "false": False}
_SLOPPY_YES = {**_YES, "yes": True, "no": False, "1": True, "0": False, "on": True, "off": False}


class _Miss(Exception):
    """The text is no value of this type."""


def typed(text: str, parameter: Parameter) -> JSON:
    """The value that a text stands for."""
    types = parameter.types
    if parameter.words:
        return _word(text, parameter)
    if not types:
        return _anything(text)
    bare = text.strip()
    for kind, read in _READERS.items():
        if kind in types:
            try:
                return read(bare, parameter)
            except _Miss:
                continue
    if "string" not in types and "&" in text and html.unescape(text) != text:
        return typed(html.unescape(text), parameter)
    return text


def coerced(value: JSON, parameter: Parameter) -> JSON:
    """A JSON value as the type that is declared, where the model wrote another that says the same."""
    types = parameter.types
    if not types:
        return value
    if isinstance(value, str):
        strays = parameter.words or "string" not in types
        return typed(value, parameter) if strays else value
    if types == {"string"}:
        return jsontext.dumps_str(value)
    if isinstance(value, float) and "integer" in types and "number" not in types and value.is_integer():
        return int(value)
    if types == {"array"} and value is not None and not isinstance(value, list):
        return [value]
    return value


def _word(text: str, parameter: Parameter) -> str:
    """A word of the enum, whatever quotes, case or space the model put around it."""
    bare = text.strip().strip("\"'`")
    if bare in parameter.words:
        return bare
    alike = [word for word in parameter.words if word.casefold() == bare.casefold()]
    return alike[0] if len(alike) == 1 else text


def _anything(text: str) -> JSON:
    try:
        return jsontext.loads_exact(text.strip())
    except JSONError:
        return text


def _null(text: str, parameter: Parameter) -> None:
    if text.casefold() not in ("null", "none"):
        raise _Miss


def _boolean(text: str, parameter: Parameter) -> bool:
    words = _YES if "string" in parameter.types or "integer" in parameter.types else _SLOPPY_YES
    found = words.get(text.strip("\"'").casefold())
    if found is None:
        raise _Miss
    return found


def _integer(text: str, parameter: Parameter) -> int:
    number = text if "string" in parameter.types else text.strip("\"'")
    if not _INTEGER.fullmatch(number) or len(number) > _LONGEST_NUMBER:
        raise _Miss
    return int(number.partition(".")[0])


_LONGEST_NUMBER = 300
"""Digits; Python itself reads 4,300, and a double has 309."""


def _number(text: str, parameter: Parameter) -> float | int:
    number = text if "string" in parameter.types else text.strip("\"'+")
    try:
        value = jsontext.loads_exact(number)
    except JSONError:
        raise _Miss from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Miss
    return value


def _array(text: str, parameter: Parameter) -> list[JSON]:
    if text.startswith("["):
        value = _json(text)
        if isinstance(value, list):
            return value
        raise _Miss
    if "string" in parameter.types or not text:
        raise _Miss
    item = Parameter(parameter.name, parameter.items)
    children = _children(text)
    if children:
        return [typed(inner, item) for _, inner in children]
    if parameter.items and parameter.items <= {"string", "integer", "number", "boolean"}:
        return [typed(text, item)]
    value = _json(text)
    if not isinstance(value, dict):
        raise _Miss
    return [value]


def _object(text: str, parameter: Parameter) -> dict[str, JSON]:
    if text.startswith("{"):
        value = _json(text)
        if isinstance(value, dict):
            return value
    children = _children(text)
    if not children or "string" in parameter.types:
        raise _Miss
    return {name: _anything(inner.strip()) for name, inner in children}


def _json(text: str) -> JSON:
    try:
        return read_whole(text)
    except JSONError:
        raise _Miss from None


def _children(text: str) -> list[tuple[str, str]]:
    """The elements that the text consists of; none where anything stands between them."""
    found: list[tuple[str, str]] = []
    at = 0
    while (match := _CHILD.match(text, at)) is not None:
        found.append((match[1], match[2]))
        at = match.end()
    return found if found and not text[at:].strip() else []


_READERS: dict[str, Callable[[str, Parameter], JSON]] = {
    "null": _null,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "array": _array,
    "object": _object,
}
"""In the order in which they are tried; a text that is none of them is a string."""

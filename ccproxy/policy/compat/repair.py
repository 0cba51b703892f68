"""JSON as models write it, read by what is meant.

    mistake                                       read as
    'single' or “curly” quotes                    "double" ones
    a quote within a string, not escaped          part of the string, unless , : } ] or the end comes next
    line breaks and tabs within a string          part of the string
    a comma too many, or none between two members  members all the same
    keys and words without quotes                 strings; True, False, None and numbers are what they are
    // and /* */ comments                         nothing
    brackets and quotes that do not end           ended where the text ends
    = in place of :                               :

What is JSON is read by the standard library and by nothing here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ccproxy.codec.jsontext import JSONError

MAX_DEPTH = 100
"""Nesting of arguments that is mended; real ones have ten levels."""

_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_CLOSERS = {'"': '"', "'": "'", "“": "”", "‘": "’", "”": "”", "’": "’"}
_BEHIND_A_STRING = re.compile(r"\s*(?:[,:}\]=]|$)")
_WORD = re.compile(r"(?:(?!\s//|/\*)[^,:=\[\]{}\"'\n<&])+")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_WORDS = {"true": True, "false": False, "null": None, "none": None, "undefined": None}


def _refuse(name: str) -> Any:
    raise JSONError(f"{name} is not a JSON number")


_STRICT = json.JSONDecoder(strict=False, parse_constant=_refuse)  # not strict: control characters may stand in strings


def read(text: str, at: int = 0) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends. Raises JSONError for what is no array, object or string."""
    start = _space(text, at)
    if text[start : start + 1] not in ("{", "[", *_CLOSERS):
        raise JSONError("no JSON begins here")
    try:
        value, end = _STRICT.raw_decode(text, start)
    except (ValueError, RecursionError):
        reader = _Reader(text, start)
        return reader.value(0), reader.at
    return value, end


def read_whole(text: str) -> Any:
    """The value that the text is, with nothing but white space around it. Raises JSONError."""
    value, end = read(text)
    if _space(text, end) != len(text):
        raise JSONError("something stands behind the JSON")
    return value


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise JSONError(f"nested deeper than {MAX_DEPTH} levels")
        sign = self._sign()
        if sign in _CLOSERS:
            return self._string(_CLOSERS[sign])
        read: Callable[[int], Any] | None = {"{": self._object, "[": self._array}.get(sign)
        return read(depth) if read else self._word()

    def _sign(self) -> str:
        """The next character that is no space."""
        self.at = _space(self.text, self.at)
        return self.text[self.at : self.at + 1]

    def _object(self, depth: int) -> dict[str, Any]:
        self.at += 1
        found: dict[str, Any] = {}
        while (sign := self._sign()) not in ("}", ""):
            if sign == ",":
                self.at += 1
                continue
            key = self._string(_CLOSERS[sign]) if sign in _CLOSERS else self._bare()
            if self._sign() not in (":", "="):
                raise JSONError("a key without a value")
            self.at += 1
            found[key] = self.value(depth + 1)
        self.at += bool(sign)
        return found

    def _array(self, depth: int) -> list[Any]:
        self.at += 1
        found: list[Any] = []
        while (sign := self._sign()) not in ("]", ""):
            if sign == ",":
                self.at += 1
                continue
            found.append(self.value(depth + 1))
        self.at += bool(sign)
        return found

    def _string(self, closer: str) -> str:
        text, at = self.text, self.at + 1
        pieces: list[str] = []
        while at < len(text):
            sign = text[at]
            if sign == "\\":
                piece, at = self._escape(at)
                pieces.append(piece)
            elif sign == closer and _BEHIND_A_STRING.match(text, at + 1):
                self.at = at + 1
                return "".join(pieces)
            else:
                pieces.append(sign)
                at += 1
        self.at = at
        return "".join(pieces)

    def _escape(self, at: int) -> tuple[str, int]:
        """What the escape at `at` means and where it ends. One that JSON has not stands for itself, as in a regular
        expression that was not escaped."""
        text = self.text
        sign = text[at + 1 : at + 2]
        code = text[at + 2 : at + 6]
        if sign == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", code):
            return chr(int(code, 16)), at + 6
        return _ESCAPED.get(sign, f"\\{sign}"), at + 1 + len(sign)

    def _bare(self) -> str:
        match = _WORD.match(self.text, self.at)
        if match is None or not match.group().strip():
            raise JSONError(f"no JSON at {self.at}")
        self.at = match.end()
        return match.group().strip()

    def _word(self) -> Any:
        word = self._bare()
        if word.casefold() in _WORDS:
            return _WORDS[word.casefold()]
        try:
            return json.loads(word, parse_constant=_refuse)
        except ValueError:
            return word

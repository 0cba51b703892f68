"""JSON text to Python objects and back: orjson, and the standard library where orjson would lose or refuse something.

orjson turns integers beyond 64 bits into floats, refuses lone surrogates (clients cut strings in the middle of an emoji)
and stops at some depth. Then the standard library reads or writes that one document. `NaN` and `Infinity` are no JSON and
are refused by both ways (RFC 8259, section 6), and so is a number that no float can hold, which would become one of them.

Fast for a reason: every request that is converted is asked for long integers, and few have one. To look at each byte took
longer than to decode the whole body; every sixth is enough to know that there is none.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

MAX_DEPTH = 900
"""Nesting that is read and written. orjson stops at 1,024 when reading and 254 when writing; the standard library's C
scanner needs a stack frame per level, and Python's default recursion limit is 1,000."""

_DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_NINETEEN_ZEROS = b"0" * 19
_NINETEEN_DIGITS = re.compile(rb"[0-9]{19}")
_STEP = 6
_SAMPLED = b"0" * 3
_BETWEEN = 2 * _STEP + 1
"""Among 19 bytes in a row are three sixth ones; from the first to the last of them there are so many bytes."""

_SHORT = 512
"""Bytes up to which all of them are looked at sooner: arguments of calls, most of which are short."""

_LONG_INTEGER = re.compile(rb"[-\[{:,\s](?:-?[1-9][0-9]{18,})(?=[\s,\]}]|$)")


class JSONError(ValueError):
    """The text is no JSON document, or nests deeper than MAX_DEPTH."""


def loads(text: bytes | bytearray | memoryview | str) -> Any:
    """One JSON document, numbers exact up to 64 bits. Raises JSONError. Use `loads_exact` where a number may be larger."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _standard_loads(text)


def loads_exact(text: bytes | bytearray | str) -> Any:
    """One JSON document, integers of any length kept exact. Raises JSONError."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return _standard_loads(text) if has_long_integers(raw) else loads(text)


def has_long_integers(raw: bytes | bytearray) -> bool:
    """Whether `loads_exact` may tell more of this JSON text than `loads`."""
    return _has_nineteen_digits(raw) and _LONG_INTEGER.search(raw) is not None


def _has_nineteen_digits(raw: bytes | bytearray) -> bool:
    """Whether so many stand in a row anywhere. Integers of fewer digits have no more than 64 bits."""
    if len(raw) < _SHORT:
        return _NINETEEN_ZEROS in raw.translate(_DIGITS_TO_ZERO)
    samples = raw[::_STEP].translate(_DIGITS_TO_ZERO)
    at = -1
    for _ in range(len(raw) // 256 + 1):
        at = samples.find(_SAMPLED, at + 1)
        if at < 0:
            return False
        first = at * _STEP  # if this is the first sample in such a row, the row begins behind the sample before
        if raw[first : first + _BETWEEN].isdigit() and _NINETEEN_DIGITS.search(raw, max(0, first - _STEP + 1), first + 19):
            return True
    return _NINETEEN_ZEROS in raw.translate(_DIGITS_TO_ZERO)  # so many numbers that all bytes are looked at sooner


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Lone surrogates are written as \\u escapes. Raises JSONError for what is no JSON value."""
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        return _standard_dumps(value)


def dumps_usual(value: Any) -> bytes:
    """The same for what orjson writes, nearly everything; JSONError for what would take the standard library, which writes
    some numbers and letters otherwise."""
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise JSONError(str(error)) from None


def ready(text: bytes) -> Any:
    """JSON text that `dumps_usual` puts in as it is: a value, or within a list several with commas between them."""
    return orjson.Fragment(text)


def dumps_str(value: Any) -> str:
    """The same as text."""
    return dumps(value).decode()


def _refuse_constant(name: str) -> Any:
    raise JSONError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise JSONError(f"{digits[:40]} is larger than any number that can be passed on")
    return value


def _standard_loads(text: bytes | bytearray | memoryview | str) -> Any:
    try:
        source = text if isinstance(text, str) else bytes(text).decode("utf-8")
        value = json.loads(source, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise JSONError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise JSONError(str(error)) from None
    return value


def _standard_dumps(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise JSONError(f"nested deeper than {MAX_DEPTH} levels") from None
    except (TypeError, ValueError) as error:
        raise JSONError(str(error)) from None
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")

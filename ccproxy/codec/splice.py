"""One top-level string member of a JSON object replaced in the bytes, everything else untouched.

Fast for a reason: an agent's request has 100 KB and more, and following its brackets in Python takes longer than all else
that is done with it. So the key is searched for. An object that has the member and only one place where that key stands,
spelled in any way, has it there. Where there are more, orjson says which of them is the member: with another key in its
stead, the object has that other key, and the member no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ccproxy.codec import jsontext

_VALUE = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
_PROBE = "\0"
_MOST = 32
"""Places that are looked at; each takes a look at the whole document."""


def replace_string(document: bytes, key: str, value: str) -> bytes | None:
    """`document` (the text of a JSON object, decoded without error, that has the string member `key`) with that member set
    to `value`. `key` is ASCII letters. None when it is not certain which it is: a key that stands there twice
    must not keep its old value in either place."""
    wanted = _wanted(key)
    at = only_place(document, key)
    if at >= 0 and (spliced := replace_at(document, key, value, at)) is not None:
        return spliced
    for at in _tried(document, wanted):
        member = _VALUE.match(document, at + len(wanted))
        if member is None:
            continue
        changed = jsontext.loads(document[:at] + jsontext.dumps(_PROBE) + document[at + len(wanted) :])
        if _PROBE in changed:
            if key in changed:
                return None
            return _replaced(document, member, value)
    return None


def _replaced(document: bytes, member: re.Match[bytes], value: str) -> bytes:
    return document[: member.start(1)] + jsontext.dumps(value) + document[member.end() :]


def replace_at(document: bytes, key: str, value: str, at: int) -> bytes | None:
    """The same where it is known that the key stands there, and nowhere else. None where no string is its value."""
    member = _VALUE.match(document, at + len(_wanted(key)))
    return None if member is None else _replaced(document, member, value)


def only_place(document: bytes, key: str) -> int:
    """Where the key stands, if that is once: -1 where the letters come again, or some letters are spelled as escapes
    (RFC 8259, section 7). Behind a backslash the quote is one of a text."""
    wanted = _wanted(key)
    at = document.find(wanted)
    if at < 0 or document[at - 1 : at] == b"\\" or may_stand(document, key, at + 1):
        return -1
    return at


def may_stand(part: bytes, key: str, start: int = 0) -> bool:
    """Whether the key may stand in a part of a document from `start` on, or is spelled with escapes anywhere in it."""
    return part.find(_wanted(key), start) >= 0 or any(escape in part for escape in _escapes(key))


def _wanted(key: str) -> bytes:
    return b'"' + key.encode() + b'"'


@lru_cache(16)
def _escapes(key: str) -> frozenset[bytes]:
    """How an escape of one of its letters begins."""
    return frozenset(b"\\u00%x" % (ord(letter) >> 4) for letter in key)


def _tried(document: bytes, wanted: bytes) -> Iterator[int]:
    """Where the key stands: the first place, then the others from the last on. Clients put what is not the conversation
    before it or behind it."""
    first = document.find(wanted)
    last = document.rfind(wanted)
    if first < 0:
        return
    yield first
    for _ in range(_MOST):
        if last <= first:
            return
        yield last
        last = document.rfind(wanted, 0, last)

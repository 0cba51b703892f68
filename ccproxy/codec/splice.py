"""One top-level string member of a JSON object replaced in the bytes, everything else untouched.

Fast for a reason: an agent's request has 100 KB and more, and following its brackets in Python takes longer than all else
that is done with it. So the key is searched for, and orjson says which of the places is the member: with another key in its
stead, the object has that other key, and the member no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ccproxy.codec import jsontext

_VALUE = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
_PROBE = "\0"
_MOST = 32
"""Places that are looked at; each takes a look at the whole document."""


def replace_string(document: bytes, key: str, value: str) -> bytes | None:
    """`document` (a JSON object that has been decoded without error) with its top-level string member `key` set to `value`.
    `key` is plain ASCII. None when there is no such member, when it is no string, or when it is not certain which it is: a
    key that stands there twice must not keep its old value in either place."""
    wanted = b'"' + key.encode() + b'"'
    for at in _tried(document, wanted):
        member = _VALUE.match(document, at + len(wanted))
        if member is None:
            continue
        changed = jsontext.loads(document[:at] + jsontext.dumps(_PROBE) + document[at + len(wanted) :])
        if _PROBE in changed:
            if key in changed:
                return None
            return document[: member.start(1)] + jsontext.dumps(value) + document[member.end() :]
    return None


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

"""One top-level string member of a JSON object replaced in the bytes, everything else untouched."""

from __future__ import annotations

import re

from ccproxy.codec import jsontext

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_VALUE = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)


def replace_string(document: bytes, key: str, value: str) -> bytes | None:
    """`document` (a JSON object that has been decoded without error) with its top-level string member `key` set to `value`.
    A repeated key is replaced everywhere. None when there is no such member or it is no string."""
    wanted = b'"' + key.encode() + b'"'
    if wanted not in document:
        return None
    pieces: list[bytes] = []
    depth = done = at = 0
    while (token := _TOKEN.search(document, at)) is not None:
        text, at = token.group(), token.end()
        if text in b"[{":
            depth += 1
        elif text in b"]}":
            depth -= 1
        elif depth == 1 and text == wanted and (member := _VALUE.match(document, at)):
            pieces += (document[done : member.start(1)], jsontext.dumps(value))
            done = at = member.end()
    return b"".join((*pieces, document[done:])) if pieces else None

"""One page, read in a process of its own: a line of JSON and then the page's bytes come in, a line of JSON goes out.

{"url": ..., "content_type": ..., "form": ..., "whole": ..., "cut": ..., "size": ..., "seconds": ...}
{"title": ..., "text": ..., "note": ..., "charset": ...}    or    {"refused": ...}
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ccproxy.errors import UnsupportedMedia
from ccproxy.pages import Page
from ccproxy.pages.reading import read

MEMORY = 2 * 2**30
"""Bytes of address space: trees of a page of 5 MB take a few hundred MB."""


def _limit(seconds: int) -> None:
    """Bounds what a hostile page may take, even when nobody is left to end this process."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _answer(asked: dict[str, Any], body: bytes) -> dict[str, str]:
    page = Page(asked["url"], (), 200, {"content-type": asked["content_type"]}, body, asked["cut"], asked["size"])
    try:
        found = read(page, asked["form"], whole=asked["whole"])
    except UnsupportedMedia as refused:
        return {"refused": refused.message}
    return {"title": found.title, "text": found.text, "note": found.note, "charset": found.charset}


def main() -> None:
    asked = json.loads(sys.stdin.buffer.readline())
    _limit(asked["seconds"])
    answer = _answer(asked, sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps(answer).encode())


main()

"""Web pages: their bytes -> what a model reads of them. No I/O.

    Page ── decoding ──> text ── reading, by Content-Type ──> Reading
                                   ├── markup   HTML -> Markdown, text, links
                                   └── feeds    RSS, Atom -> Markdown

A page may be written to cost as much as possible, so the server does this in a process of its own that can be ended
(`python -m ccproxy.pages`): parsers of other people's take a hundred seconds for what has 200 KB, and would hold up every
stream meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Page:
    """What a URL gave. url: where it was in the end. hops: the URLs that led there. headers: lower-case names. cut: not all
    of it was read. size: what the server says that it is, before decompression, 0 unknown."""

    url: str
    hops: tuple[str, ...]
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    cut: bool = False
    size: int = 0

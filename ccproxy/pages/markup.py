"""HTML -> Markdown, plain text or links, with the standard library's parser: all of the page, nothing judged.

For what trafilatura does not do, or where it is not installed: whole pages, links, titles. The parser is fed once and never
closed: closing adds nothing but attempts at what an unfinished tag may mean, in time that grows with the page's square.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import ClassVar
from urllib.parse import urljoin

_SILENT = frozenset(
    {"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "select", "datalist"}
    | {"audio", "video", "map", "head"}
)
"""Elements whose content is not the page's text."""

_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
    }
    | {"figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "main", "menu", "nav", "p", "section", "summary"}
    | {"table", "tbody", "tfoot", "thead"}
)
_HEADINGS = {f"h{i}": "#" * i + " " for i in range(1, 7)}
_ITEM = re.compile(r" *(?:- |\d+\. )")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_DEEPEST = 64
"""Lists in lists, and silent elements in silent ones, that are told apart."""


class Document(HTMLParser):
    """A page, read. title: "" for none. links: (address, words) in their order. text: as Markdown, or without marks where
    `plain`. base: what relative addresses begin at: the page's URL, or what its base element says."""

    def __init__(self, markup: str, base: str = "", *, plain: bool = False) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.links: list[tuple[str, str]] = []
        self.base = base
        self._plain = plain
        self._done: list[tuple[str, bool]] = []
        self._line: list[str] = []
        self._silent: list[str] = []
        self._in_title = False
        self._pre = 0
        self._lists: list[int | None] = []
        self._prefix = ""
        self._in_row = False
        self._open_link: tuple[str, int] | None = None
        self.feed(markup + "\n<p>")  # text at the very end is only given out before a tag
        self._flush()

    def __repr__(self) -> str:
        return f"<Document {self.title!r} {len(self._done)} lines, {len(self.links)} links>"

    @property
    def text(self) -> str:
        """Its paragraphs; the items of one list stand together, and the rows of a table."""
        was_close, found = False, []
        for line, is_close in self._done:
            found += ["\n" if is_close and was_close else "\n\n", line]
            was_close = is_close
        return "".join(found).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = not self.title
        elif self._silent or tag in _SILENT:
            if tag != "head" and tag in _SILENT and len(self._silent) < _DEEPEST:
                self._silent.append(tag)
        else:
            self._opened(tag, dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SILENT:  # the slash closes only what XML is; elsewhere browsers overlook it
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif self._silent:
            if tag in self._silent:
                del self._silent[self._silent.index(tag) :]
        else:
            self._closed(tag)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = f"{self.title}{_SPACE.sub(' ', data)}"[:500].strip()
        elif not self._silent:
            self._line.append(data if self._pre else _SPACE.sub(" ", data))

    def parse_html_declaration(self, i: int) -> int:
        """As browsers read `<!`: a comment, or something that is overlooked. The library's own way raises for some."""
        return self.parse_comment(i) if self.rawdata.startswith("<!--", i) else self.parse_bogus_comment(i)

    def _opened(self, tag: str, attributes: dict[str, str | None]) -> None:
        special = self._OPENING.get(tag)
        if special:
            special(self, attributes)
        elif tag in _HEADINGS:
            self._flush("" if self._plain else _HEADINGS[tag])
        elif tag in _BLOCKS:
            self._flush()

    def _closed(self, tag: str) -> None:
        special = self._CLOSING.get(tag)
        if special:
            special(self)
        elif tag in _HEADINGS or tag in _BLOCKS:
            self._flush()

    def _code(self) -> None:
        if not self._plain and not self._pre:
            self._line.append("`")

    def _open_a(self, attributes: dict[str, str | None]) -> None:
        self._close_a()
        address = absolute(attributes.get("href") or "", self.base)
        if address:
            self._open_link = (address, len(self._line))

    def _close_a(self) -> None:
        if self._open_link is None:
            return
        (address, place), self._open_link = self._open_link, None
        words = _SPACE.sub(" ", "".join(self._line[place:])).strip()
        self.links.append((address, words))
        if words and not self._plain and not self._pre:
            self._line[place:] = [f"[{words}]({address})"]

    def _set_base(self, attributes: dict[str, str | None]) -> None:
        self.base = absolute(attributes.get("href") or "", self.base) or self.base

    def _image(self, attributes: dict[str, str | None]) -> None:
        words = (attributes.get("alt") or "").strip()
        if words:
            self._line.append(words if self._plain else f"[image: {words}]")

    def _open_pre(self, attributes: dict[str, str | None]) -> None:
        self._flush()
        self._pre += 1

    def _close_pre(self) -> None:
        if self._pre:
            self._pre -= 1
            code = "".join(self._line).strip("\n")
            self._line.clear()
            if code.strip():
                self._done.append((code if self._plain else f"```\n{code}\n```", False))

    def _open_list(self, first: int | None) -> None:
        self._flush()
        if len(self._lists) < _DEEPEST:
            self._lists.append(first)

    def _close_list(self) -> None:
        self._end_item()
        if self._lists:
            self._lists.pop()

    def _item(self, attributes: dict[str, str | None]) -> None:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        indent = "  " * max(0, len(self._lists) - 1)
        self._flush(f"{indent}- " if number is None else f"{indent}{number}. ")

    def _end_item(self) -> None:
        self._flush()
        self._prefix = ""

    def _row(self, opens: bool) -> None:
        self._flush()
        self._in_row = opens

    def _cell(self, attributes: dict[str, str | None]) -> None:
        if any(part.strip() for part in self._line):
            self._line.append(" | ")

    def _flush(self, prefix: str = "") -> None:
        """Ends a line. prefix: what the next one begins with."""
        if self._open_link is not None:
            self._close_a()
        if self._pre:
            self._line.append("\n")
            return
        words = _lines("".join(self._line))
        if words:
            self._done.append((self._prefix + words, self._in_row or bool(_ITEM.match(self._prefix))))
            self._prefix = ""
        self._line.clear()
        if prefix or not _ITEM.match(self._prefix):  # an item's mark waits for the item's first words
            self._prefix = prefix

    _OPENING: ClassVar[dict[str, Callable[[Document, dict[str, str | None]], None]]] = {
        "a": _open_a,
        "base": _set_base,
        "code": lambda self, attributes: self._code(),
        "br": lambda self, attributes: self._line.append("\n"),
        "img": _image,
        "li": _item,
        "ol": lambda self, attributes: self._open_list(1),
        "pre": _open_pre,
        "td": _cell,
        "th": _cell,
        "tr": lambda self, attributes: self._row(True),
        "ul": lambda self, attributes: self._open_list(None),
    }
    _CLOSING: ClassVar[dict[str, Callable[[Document], None]]] = {
        "a": _close_a,
        "code": _code,
        "li": _end_item,
        "ol": _close_list,
        "pre": _close_pre,
        "tr": lambda self: self._row(False),
        "ul": _close_list,
    }


def absolute(address: str, base: str) -> str:
    """A link's whole address; "" for what leads nowhere else."""
    address = address.strip()
    if not address or address.startswith(("#", "javascript:", "data:")):
        return ""
    try:
        return urljoin(base, address).replace(" ", "%20")
    except ValueError:
        return ""


def _lines(words: str) -> str:
    """Breaks kept, other space made one."""
    return "\n".join(line for part in words.split("\n") if (line := _SPACE.sub(" ", part).strip()))

"""RSS (0.9 to 2.0) and Atom (RFC 4287) -> Markdown: each entry's title, address, date and summary."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from attrs import frozen

from ccproxy.pages.markup import Document

_ENTRIES = ("item", "entry")
_WORDS = {"title": "title", "pubDate": "date", "date": "date", "updated": "date", "published": "date"}
_WORDS |= {"description": "summary", "summary": "summary", "content": "summary", "encoded": "summary"}
"""An element of an entry -> what it says; the first that says something counts."""

_LONGEST_SUMMARY = 500


@frozen
class Feed:
    title: str
    text: str
    links: tuple[tuple[str, str], ...]


def feed(document: str) -> Feed | None:
    """The feed in an XML document; None when it holds none, is not well formed, or defines entities of its own (which a
    hostile one could make grow without bound)."""
    if "<!DOCTYPE" in document or "<!ENTITY" in document:
        return None
    try:
        root = ElementTree.fromstring(document.partition("?>")[2] if document.lstrip().startswith("<?xml") else document)
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None
    entries = [_entry(element) for element in root.iter() if _name(element) in _ENTRIES]
    if not entries:
        return None
    title = next((_words(e) for e in root.iter() if _name(e) == "title"), "")
    return Feed(
        title, "\n\n".join(_shown(e) for e in entries), tuple((e["link"], e["title"]) for e in entries if e["link"])
    )


def _entry(element: ElementTree.Element) -> dict[str, str]:
    found = {"title": "", "link": "", "date": "", "summary": ""}
    for child in element:
        name = _name(child)
        if name == "link" and child.get("rel", "alternate") == "alternate":
            found["link"] = found["link"] or child.get("href", "") or _words(child)
        elif name in _WORDS:
            found[_WORDS[name]] = found[_WORDS[name]] or _words(child)
    return found


def _shown(entry: dict[str, str]) -> str:
    return "\n".join(_lines(entry))


def _lines(entry: dict[str, str]) -> Iterator[str]:
    title = entry["title"] or "(no title)"
    yield f"## [{title}]({entry['link']})" if entry["link"] else f"## {title}"
    if entry["date"]:
        yield entry["date"]
    if entry["summary"]:
        words = " ".join(Document(entry["summary"], plain=True).text.split())
        yield words if len(words) <= _LONGEST_SUMMARY else f"{words[:_LONGEST_SUMMARY]}..."


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _words(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())

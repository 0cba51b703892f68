"""A Page -> what a model reads of it, by its Content-Type.

HTML          the main content as Markdown or text, by trafilatura; all of it where that is asked for, where trafilatura
              finds nothing, or is not installed (the extra `ccproxy[web]`)
RSS, Atom     their entries; other XML as it is
text          Markdown, JSON, YAML, CSV, code: as it is
the rest      refused: PDF, images, archives
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, TypeAlias

from attrs import frozen

from ccproxy.errors import UnsupportedMedia
from ccproxy.pages import Page
from ccproxy.pages.decoding import decoded, encoding
from ccproxy.pages.feeds import feed
from ccproxy.pages.markup import Document, absolute

Form: TypeAlias = Literal["markdown", "text", "links"]

NO_EXTRACTOR = "all text of the page: ccproxy's extra for main content, ccproxy-llm[web], is not installed"
NOTHING_FOUND = "all text of the page: no main content was found in it"
SCRIPTED = "the page has little text of its own; scripts may make it, and they are not run here"
_LITTLE = 200

_HTML = re.compile(r"text/html|application/xhtml\+xml")
_XML = re.compile(r"(text|application)/(xml|.*\+xml)")
_TEXT = re.compile(
    r"text/.*|application/(json|.*\+json|json5|x-?ndjson|jsonl|jsonlines|.*\+yaml|(x-)?(yaml|toml|sh|javascript|ecmascript"
    r"|typescript|python|sql|tex|latex|httpd-php|perl|ruby)|graphql|sql|rtf|x-www-form-urlencoded)"
)
_BINARY = re.compile(rb"%PDF-|\x89PNG|GIF8[79]a|\xff\xd8\xff|PK\x03\x04|\x1f\x8b|\x7fELF")
_URL = re.compile(r"https?://[^\s<>\"'`\])}]+")


@frozen
class Reading:
    """title: "" for none. note: what a reader should know of how it was read. charset: the encoding that was found."""

    title: str
    text: str
    note: str = ""
    charset: str = ""


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def is_readable(content_type: str) -> bool:
    """Whether a body of this Content-Type is text for a model. None said: the body will tell."""
    kind = media_type(content_type)
    return not kind or any(pattern.fullmatch(kind) for pattern in (_HTML, _XML, _TEXT))


def read(page: Page, form: Form, *, whole: bool = False) -> Reading:
    """The page's content. whole: all of it instead of the main content. Raises UnsupportedMedia for what is no text."""
    content_type = page.headers.get("content-type", "")
    kind, charset = media_type(content_type), _charset(content_type)
    if not is_readable(content_type) or _is_binary(page.body, charset):
        raise UnsupportedMedia(
            f"{page.url} is {_described(kind, page)}, which is not text; look for the same as a web page"
        )
    text, charset = decoded(page.body, charset, whole=not page.cut)
    reader = next(reader for fits, reader in _READERS if fits(kind or _sniffed(text)))
    title, body, note = reader(text, page.url, form, whole)
    return Reading(title, body, note, charset)


def _is_binary(body: bytes, charset: str) -> bool:
    """Whether a body is not the text that its Content-Type says, or that is left open."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or encoding(charset).startswith("utf-16"):
        return False
    return b"\0" in body[:1024] or bool(_BINARY.match(body))


def _described(kind: str, page: Page) -> str:
    size = f" of {page.size:,} bytes" if page.size else ""
    return f"{kind or 'a binary file'}{size}"


_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"';\s]+)""", re.IGNORECASE)


def _charset(content_type: str) -> str:
    found = _CHARSET.search(content_type)
    return found[1] if found else ""


def _sniffed(text: str) -> str:
    return "text/html" if text.lstrip()[:1] == "<" else "text/plain"


_Read: TypeAlias = Callable[[str, str, Form, bool], tuple[str, str, str]]
"""(text, URL, form, whole) -> (title, what is read, note)"""


def _read_html(text: str, url: str, form: Form, whole: bool) -> tuple[str, str, str]:
    page = Document(text, url, plain=form == "text")
    if form == "links":
        return page.title, _listed(page.links), ""
    if len(page.text) < _LITTLE and "<script" in text.lower():
        return page.title, page.text, SCRIPTED
    if whole:
        return page.title, page.text, ""
    extract = extractor()
    if extract is None:
        return page.title, page.text, NO_EXTRACTOR
    main = extract(text, page.base, form == "markdown")
    return page.title, main or page.text, "" if main else NOTHING_FOUND


def _read_xml(text: str, url: str, form: Form, whole: bool) -> tuple[str, str, str]:
    found = feed(text)
    if found is None:
        return _read_text(text, url, form, whole)
    return found.title, _listed(found.links) if form == "links" else found.text, ""


def _read_text(text: str, url: str, form: Form, whole: bool) -> tuple[str, str, str]:
    if form == "links":
        return "", _listed((address.rstrip(".,;:"), "") for address in _URL.findall(text)), ""
    return "", text.strip("\ufeff"), ""


_READERS: tuple[tuple[Callable[[str], Any], _Read], ...] = (
    (_HTML.fullmatch, _read_html),
    (_XML.fullmatch, _read_xml),
    (lambda kind: True, _read_text),
)


def _listed(links: Iterable[tuple[str, str]]) -> str:
    """Each address once, with the first words that it has."""
    found: dict[str, str] = {}
    for address, words in links:
        found[address] = found.get(address) or words
    return "\n".join(f"- [{words}]({address})" if words else f"- {address}" for address, words in found.items())


@cache
def extractor() -> Callable[[str, str, bool], str] | None:
    """(HTML, base, as Markdown) -> its main content, "" for none; None where trafilatura is not installed."""
    try:
        from trafilatura import extract, load_html
    except ImportError:
        return None

    def main_content(text: str, base: str, marked: bool) -> str:
        form = "markdown" if marked else "txt"
        try:
            tree = load_html(text)
            _lead(tree, base)
            found = extract(
                tree, url=base, output_format=form, include_links=marked, include_formatting=marked, include_comments=False
            )
        except Exception:  # whatever it comes upon in a page that is odd enough: the whole text is there
            return ""
        return str(found or "")

    return main_content


def _lead(tree: Any, base: str) -> None:
    """Makes a page's links whole: trafilatura takes every path for one from the root."""
    for link in list(tree.iter("a")):
        address = absolute(link.get("href") or "", base)
        if address:
            link.set("href", address)
        else:
            link.drop_tag()

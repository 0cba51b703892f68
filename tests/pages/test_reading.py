"""What is read of a page, by its Content-Type."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from attrs import evolve

from ccproxy.errors import UnsupportedMedia
from ccproxy.pages import Page, reading
from ccproxy.pages.reading import NO_EXTRACTOR, NOTHING_FOUND, SCRIPTED, is_readable, read
from tests.pages.test_feeds import RSS

PARAGRAPHS = "".join(
    f"<p>Paragraph {i} of the article has <a href='/{i}'>a link</a> and enough words to be taken for its content.</p>"
    for i in range(8)
)
ARTICLE = (
    "<html><head><title>The title</title></head><body><nav><a href='/menu'>Menu</a> <a href='/login'>Login</a></nav>"
    f"<article><h1>The heading</h1>{PARAGRAPHS}<pre><code>x = 1</code></pre></article>"
    "<footer>All rights</footer></body></html>"
)


def page(body: bytes | str, content_type: str = "text/html; charset=utf-8", *, cut: bool = False, size: int = 0) -> Page:
    data = body.encode() if isinstance(body, str) else body
    return Page("https://e.test/a", (), 200, httpx.Headers({"content-type": content_type}), data, cut, size)


READABLE = {
    "text/html": True,
    "TEXT/HTML; charset=x": True,
    "application/xhtml+xml": True,
    "text/plain": True,
    "text/markdown": True,
    "application/json": True,
    "application/problem+json": True,
    "application/rss+xml": True,
    "application/atom+xml; charset=utf-8": True,
    "text/xml": True,
    "image/svg+xml": False,
    "application/x-ndjson": True,
    "application/yaml": True,
    "application/javascript": True,
    "": True,
    "application/pdf": False,
    "image/png": False,
    "application/octet-stream": False,
    "application/zip": False,
    "video/mp4": False,
}


@pytest.mark.parametrize(("content_type", "readable"), READABLE.items())
def test_what_is_readable(content_type: str, readable: bool) -> None:
    assert is_readable(content_type) is readable


def test_the_main_content_of_an_article() -> None:
    pytest.importorskip("trafilatura")
    found = read(page(ARTICLE), "markdown")
    assert (found.title, found.note, found.charset) == ("The title", "", "utf-8")
    assert "# The heading" in found.text
    assert "[a link](https://e.test/3)" in found.text
    assert "x = 1" in found.text
    assert "Menu" not in found.text
    assert "All rights" not in found.text


@pytest.mark.parametrize("whole", [False, True])
def test_links_lead_where_the_page_says(whole: bool) -> None:
    if not whole:
        pytest.importorskip("trafilatura")
    more = "".join(
        f"<p>Here are many more words of the article, and then <a href='{href}'>{href[-4:]}</a> stands among them.</p>"
        for href in ("../up", "?q=1", "#stay")
    )
    given = Page("https://e.test/d/e/f.html", (), 200, {"content-type": "text/html"}, (PARAGRAPHS + more).encode())
    for body, base in ((given.body, "d/"), (b"<base href='/k/l/'>" + given.body, "k/")):
        found = read(evolve(given, body=body), "markdown", whole=whole).text
        assert f"[./up](https://e.test/{base}up)" in found
        assert "[a link](https://e.test/3)" in found
        assert "[stay]" not in found
        assert "and then stay stands" in found


def test_the_main_content_as_text() -> None:
    pytest.importorskip("trafilatura")
    found = read(page(ARTICLE), "text")
    assert "Paragraph 3 of the article has a link and enough words" in found.text
    assert "](" not in found.text
    assert "Menu" not in found.text


def test_the_whole_page() -> None:
    found = read(page(ARTICLE), "markdown", whole=True)
    assert found.text.startswith("[Menu](https://e.test/menu)")
    assert found.text.endswith("All rights")
    assert "[a link](https://e.test/3)" in found.text


def test_a_page_without_main_content_is_read_whole_and_said_so() -> None:
    pytest.importorskip("trafilatura")
    found = read(page("<nav><a href=/x>Menu</a></nav>"), "markdown")
    assert (found.text, found.note) == ("[Menu](https://e.test/x)", NOTHING_FOUND)


def test_a_page_that_scripts_make_says_so() -> None:
    for whole in (False, True):
        found = read(page("<title>App</title><div id=root></div><SCRIPT src=/app.js></SCRIPT>"), "markdown", whole=whole)
        assert (found.title, found.text, found.note) == ("App", "", SCRIPTED)
    assert read(page(ARTICLE.replace("<nav>", "<script>x</script><nav>")), "markdown").note == ""


@pytest.fixture
def without_trafilatura(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    reading.extractor.cache_clear()
    yield
    reading.extractor.cache_clear()


def test_without_trafilatura_the_page_is_read_whole_and_said_so(without_trafilatura: None) -> None:
    found = read(page(ARTICLE), "markdown")
    assert "Menu" in found.text
    assert found.note == NO_EXTRACTOR
    assert read(page("# x", "text/markdown"), "markdown").note == ""


def test_an_extractor_that_fails_is_as_one_that_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trafilatura = pytest.importorskip("trafilatura")

    def fails(*args: Any, **more: Any) -> str:
        raise RecursionError

    monkeypatch.setattr(trafilatura, "extract", fails)
    reading.extractor.cache_clear()
    found = read(page(ARTICLE), "markdown")
    reading.extractor.cache_clear()
    assert (found.note, "Paragraph 3" in found.text) == (NOTHING_FOUND, True)


def test_links() -> None:
    found = read(page(ARTICLE + "<a href=/menu>again</a>"), "links")
    assert found.text.splitlines()[:3] == [
        "- [Menu](https://e.test/menu)",
        "- [Login](https://e.test/login)",
        "- [a link](https://e.test/0)",
    ]
    assert found.text.count("/menu") == 1


def test_links_of_a_text() -> None:
    found = read(page("See https://a.test/x. And <http://b.test>, (https://a.test/x)", "text/plain"), "links")
    assert found.text == "- https://a.test/x\n- http://b.test"


TEXTS = [
    ("application/json", '{"a": [1, 2]}'),
    ("text/markdown", "# T\n\n- a"),
    ("text/plain", "<p>not html"),
    ("application/xml", "<a><b>c</b></a>"),
    ("", "words"),
]


@pytest.mark.parametrize(("content_type", "text"), TEXTS)
def test_texts_stay_as_they_are(content_type: str, text: str) -> None:
    assert read(page(text, content_type), "markdown").text == text


def test_a_feed() -> None:
    found = read(page(RSS, "application/rss+xml"), "markdown")
    assert found.title == "News & more"
    assert "[One](https://e.test/1)" in found.text
    assert read(page(RSS, "application/xml"), "links").text == "- [One](https://e.test/1)"


def test_without_a_content_type_the_text_tells() -> None:
    assert read(page("\n <html><title>T</title>x", ""), "markdown", whole=True).title == "T"


def test_the_charset_of_the_content_type() -> None:
    assert read(page("żółw".encode("iso8859-2"), 'text/plain; charset="iso-8859-2"'), "text").text == "żółw"
    assert read(page("\ufeffżółw".encode("utf-16-le"), "text/plain"), "text").text == "żółw"


def test_a_cut_page_ends_with_a_whole_character() -> None:
    assert read(page("nię".encode()[:-1], "text/plain", cut=True), "text").text == "ni"


BINARIES = [
    (b"", "application/pdf", "application/pdf of 1,234 bytes"),
    (b"", "image/png", "image/png of 1,234 bytes"),
    (b"%PDF-1.7 ...", "text/html", "text/html of 1,234 bytes"),
    (b"\x89PNG\r\n", "", "a binary file of 1,234 bytes"),
    (b"ab\0cd", "text/plain", "text/plain of 1,234 bytes"),
]


@pytest.mark.parametrize(("body", "content_type", "told"), BINARIES)
def test_what_is_no_text_is_refused(body: bytes, content_type: str, told: str) -> None:
    with pytest.raises(UnsupportedMedia, match="which is not text") as caught:
        read(page(body, content_type, size=1234), "markdown")
    assert told in caught.value.message

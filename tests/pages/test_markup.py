"""HTML as Markdown, text and links, without trafilatura."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.pages.markup import Document

CASES = [
    # (HTML, Markdown, plain text)
    ("<p>one<p>two", "one\n\ntwo", "one\n\ntwo"),
    ("one &amp; two", "one & two", "one & two"),
    ("<h1>T</h1>x<h3>U <i>v</i></h3>", "# T\n\nx\n\n### U v", "T\n\nx\n\nU v"),
    ("<ul><li>a<li><p>b</p><ul><li>c</ul></ul>d", "- a\n- b\n  - c\n\nd", "- a\n- b\n  - c\n\nd"),
    ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b", "1. a\n2. b"),
    ("<ul><li></li></ul><p>x", "x", "x"),
    ("<pre><code>a  b\n  &lt;c</code></pre>", "```\na  b\n  <c\n```", "a  b\n  <c"),
    ("use <code>x  y</code>.", "use `x y`.", "use x y."),
    ("<table><tr><th>k<th>v<tr><td>1</td><td>2</td></tr></table>", "k | v\n1 | 2", "k | v\n1 | 2"),
    ('<a href="/p?a=1&amp;b=2">  a\nlink </a>', "[a link](https://e.test/p?a=1&b=2)", "a link"),
    ('<a href="#x">here</a> <a href="javascript:x">no</a>', "here no", "here no"),
    ('<a href="/x"><img src=y alt="A cat"></a>', "[[image: A cat]](https://e.test/x)", "A cat"),
    ("a<br>b<br/>c", "a\nb\nc", "a\nb\nc"),
    ("<script>if (a<b) {}</script>x<style>p{}</style><noscript>y</noscript><svg><title>t</title></svg>z", "xz", "xz"),
    ("<svg/>x<iframe src=y />z", "xz", "xz"),
    ("<head><title>T</title><meta charset=utf-8></head><body>x", "x", "x"),
    ("a<!-- b -->c<![CDATA[d]]>e<![if IE]>f<![endif]>", "acef", "acef"),
    ("a<!-- not closed <p>b", "a", "a"),
    ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ("<p>a</p></div></b><p", "a", "a"),
    ("", "", ""),
]


@pytest.mark.parametrize(("html", "markdown", "plain"), CASES)
def test_text(html: str, markdown: str, plain: str) -> None:
    assert Document(html, "https://e.test/d/").text == markdown
    assert Document(html, "https://e.test/d/", plain=True).text == plain


def test_the_title_is_the_pages() -> None:
    page = Document("<title> A &amp;\n B </title><svg><title>no</title></svg><title>nor this</title>")
    assert page.title == "A & B"


def test_links_in_their_order() -> None:
    page = Document('<nav><a href="/">Home</a></nav><a href="b c">x</a><a href="https://o.test/">y<a>', "https://e.test/d/")
    assert page.links == [("https://e.test/", "Home"), ("https://e.test/d/b%20c", "x"), ("https://o.test/", "y")]


HOSTILE = [
    "<",
    "<!--",
    "<a ",
    "</",
    "&",
    "<![",
    "<!",
    "<?",
    "<svg>",
    "<td>x",
    "<li>x",
    "<a href=x>y",
    "<ul>",
    "<pre>",
    "<script>",
]
HOSTILE += [
    "<title>",
    '<a x="',
    "<svg/>",
    "&#",
    "<svg></p>",
    "\0",
    "<!DOCTYPE",
    "<ul><li>",
    "<tr>x",
    "<a href='http://['>x</a>",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_pages_are_read_to_their_end(piece: str) -> None:
    """In a time that grows with the page: with its square, these would take minutes."""
    Document(piece * (400_000 // len(piece)), "https://e.test/")


PIECES = st.sampled_from(
    ["<", ">", "</", "<!--", "-->", "<![", "]]>", "<?", "&", "&#x", ";", '"', "'", "=", "/", " ", "\n", "x", "é"]
)
TAGS = st.sampled_from(
    ["<p>", "<ul>", "<li>", "<ol>", "</ol>", "<pre>", "</pre>", "<a href=", "</a>", "<td>", "<tr>", "<svg>", "<h1>"]
)
ODD = st.lists(
    PIECES | TAGS | st.sampled_from(["<title>", "<script>", "</script>", "<base href=//[>", "<a href='http://[x'>"])
)


@given(ODD, st.booleans())
def test_no_page_is_too_odd(pieces: list[str], plain: bool) -> None:
    page = Document("".join(pieces), "https://e.test/", plain=plain)
    assert isinstance(page.text, str)

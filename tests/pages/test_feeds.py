"""Feeds as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.pages.feeds import feed

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>News &amp; more</title><link>https://e.test/</link>
<item><title>One</title><link>https://e.test/1</link><pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate>
<description>&lt;p&gt;The &lt;b&gt;first&lt;/b&gt; entry&lt;/p&gt;</description></item>
<item><title>Two</title><dc:date>2026-11-03</dc:date></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Log</title><entry><title>A</title>
<link rel="edit" href="https://e.test/edit"/><link href="https://e.test/a"/><updated>2026-11-04T00:00:00Z</updated>
<content type="html">words</content></entry></feed>"""


def test_rss() -> None:
    found = feed(RSS)
    assert found is not None
    assert found.title == "News & more"
    assert found.text == (
        "## [One](https://e.test/1)\nMon, 02 Nov 2026 10:00:00 GMT\nThe first entry\n\n## Two\n2026-11-03"
    )
    assert found.links == (("https://e.test/1", "One"),)


def test_atom() -> None:
    found = feed(ATOM)
    assert found is not None
    assert (found.title, found.text) == ("Log", "## [A](https://e.test/a)\n2026-11-04T00:00:00Z\nwords")


def test_long_summaries_are_cut() -> None:
    found = feed(f"<rss><channel><item><title>x</title><description>{'word ' * 500}</description></item></channel></rss>")
    assert found is not None
    assert len(found.text) < 600
    assert found.text.endswith("...")


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rss><item><title>&b;</title></item></rss>'
NO_FEEDS = [BOMB, "<a><b/></a>", "<rss><item>", "", "no xml", "<rss/>", "<?xml version='1.0'"]


@pytest.mark.parametrize("document", NO_FEEDS)
def test_what_is_no_feed(document: str) -> None:
    assert feed(document) is None


XML = [
    "<rss>",
    "</rss>",
    "<item>",
    "</item>",
    "<title>",
    "</title>",
    "<link href='x'/>",
    "<?xml version='1.0'?>",
    "<a:b>",
    "&amp;",
    "&x;",
]


@given(st.lists(st.sampled_from([*XML, "<![CDATA[", "]]>", "<!--", "text", "<", "\0", "<description>", "</description>"])))
def test_no_feed_is_too_odd(pieces: list[str]) -> None:
    found = feed("".join(pieces))
    assert found is None or isinstance(found.text, str)

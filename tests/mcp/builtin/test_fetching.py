"""Fetching over real sockets: redirects, limits, codings, and connections to judged addresses only."""

from __future__ import annotations

import gzip
import logging
import ssl
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import anyio
import pytest
import trustme

from ccproxy.config.web import Fetch
from ccproxy.errors import CcproxyError, Forbidden, Malformed, RequestError, TimedOut, Unreachable, UpstreamError
from ccproxy.mcp.builtin.addresses import Guard
from ccproxy.mcp.builtin.fetching import Fetcher, judged_url
from ccproxy.pages import Page
from ccproxy.pages.reading import is_readable
from tests.mcp.builtin.sites import Said, Seen, Site, html, moved

HERE = ("127.0.0.0/8",)
ZSTD_OR_BR = {"br", "zstd"}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site().running() as running:
        yield running


class Names:
    """A resolver with a list of answers for each name: each question takes the next, the last one stays."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._names = {name.replace("_", "."): list(addresses) for name, addresses in names.items()}

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answers = self._names.get(host, [])
        return [answers.pop(0) if len(answers) > 1 else answers[0]] if answers else []


def fetcher(resolve: Any = None, *, allow: Sequence[str] = HERE, **settings: Any) -> Fetcher:
    guard = Guard(allow, resolve) if resolve else Guard(allow)
    return Fetcher(Fetch(allow=tuple(allow), **settings), guard, "ccproxy/test", is_readable)


def fetch(url: str, resolve: Any = None, **settings: Any) -> Page:
    return anyio.run(fetcher(resolve, **settings).fetch, url)


def failure(url: str, resolve: Any = None, **settings: Any) -> CcproxyError:
    with pytest.raises(CcproxyError) as caught:
        fetch(url, resolve, **settings)
    return caught.value


# ---------------------------------------------------------------------------------------------------------------------
# URLs

URLS = {
    "https://e.test/a?b=c#d": "https://e.test/a?b=c",
    "e.test": "https://e.test",
    "e.test/a:b": "https://e.test/a:b",
    " http://e.test/ ": "http://e.test/",
    "HTTP://E.TEST/x y": "http://e.test/x%20y",
    "https://bücher.test/": "https://xn--bcher-kva.test/",
    "http://[::1]:8080/": "http://[::1]:8080/",
}
NO_URLS = ["ftp://e.test/", "file:///etc/passwd", "javascript:alert(1)", "http://", "https:///x", "http://e.test:x/", "/a"]
NO_URLS += ["data:text/plain,x", "gopher://e.test", "http://\0", "http://e.test:99999999/", "", "mailto:a@b.c"]


@pytest.mark.parametrize(("text", "url"), URLS.items())
def test_urls(text: str, url: str) -> None:
    assert str(judged_url(text)) == url


@pytest.mark.parametrize("text", NO_URLS)
def test_what_is_no_url_of_the_web(text: str) -> None:
    with pytest.raises(RequestError):
        judged_url(text)


@pytest.mark.parametrize("text", ["http://user@e.test/", "https://user:secret@e.test/"])
def test_credentials_in_a_url_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Forbidden) as caught:
        judged_url(text)
    assert "secret" not in caught.value.message


# ---------------------------------------------------------------------------------------------------------------------
# A page


def test_a_page(site: Site) -> None:
    site.pages["/a"] = html("<p>hello")
    page = fetch(site.url("/a?x=1"))
    assert (page.url, page.status, page.body, page.cut, page.hops) == (site.url("/a?x=1"), 200, b"<p>hello", False, ())
    (seen,) = site.seen
    assert seen.path == "/a?x=1"
    assert seen.headers["host"] == f"127.0.0.1:{site.port}"
    assert seen.headers["user-agent"] == "ccproxy/test"
    assert "cookie" not in seen.headers


def test_the_user_agent_can_be_another(site: Site) -> None:
    fetch(site.url(), user_agent="mine")
    assert site.seen[0].headers["user-agent"] == "mine"


def test_an_error_is_a_page_too(site: Site) -> None:
    assert (fetch(site.url("/nowhere")).status, fetch(site.url("/nowhere")).body) == (404, b"<p>not here")


def test_no_body_of_what_is_no_text(site: Site) -> None:
    site.pages["/a.pdf"] = Said(b"%PDF-1.7" + b"x" * 100, headers={"content-type": "application/pdf"})
    page = fetch(site.url("/a.pdf"))
    assert (page.body, page.size) == (b"", 108)


def test_a_page_that_is_too_large_is_cut(site: Site) -> None:
    site.pages["/"] = html("x" * 5000)
    page = fetch(site.url(), max_bytes=1024)
    assert (len(page.body), page.cut, page.size) == (1024, True, 5000)
    site.pages["/"] = html("x" * 1024)
    page = fetch(site.url(), max_bytes=1024)
    assert (len(page.body), page.cut) == (1024, False)


# ---------------------------------------------------------------------------------------------------------------------
# Codings

CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "x-gzip": gzip.compress}


@pytest.mark.parametrize("coding", CODINGS)
def test_compressed_pages(site: Site, coding: str) -> None:
    site.pages["/"] = Said(CODINGS[coding](b"<p>hello" * 1000), headers={"content-encoding": coding})
    assert fetch(site.url()).body == b"<p>hello" * 1000


def test_a_bomb_is_read_up_to_the_limit_and_no_further(site: Site) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    site.pages["/"] = Said(bomb, headers={"content-encoding": "gzip"})
    assert "larger than" in failure(site.url(), max_bytes=100_000).message
    site.pages["/"] = Said(gzip.compress(gzip.compress(b"\0" * 50_000_000)), headers={"content-encoding": "gzip, gzip"})
    assert isinstance(failure(site.url(), max_bytes=100_000), Malformed)


def test_a_large_compressed_page_is_cut(site: Site) -> None:
    words = " ".join(str(n * 7919 % 10007) for n in range(100_000)).encode()
    site.pages["/"] = Said(gzip.compress(words), headers={"content-encoding": "gzip"})
    page = fetch(site.url(), max_bytes=100_000)
    assert (page.body, page.cut) == (words[:100_000], True)


@pytest.mark.parametrize(
    ("coding", "body"), [("compress", b"x"), ("gzip", b"no gzip"), ("gzip", gzip.compress(b"x" * 99, mtime=0)[:-5])]
)
def test_what_cannot_be_decompressed_is_told(site: Site, coding: str, body: bytes) -> None:
    site.pages["/"] = Said(body, headers={"content-encoding": coding})
    assert f"{site.url()} cannot be decompressed" in failure(site.url()).message


# ---------------------------------------------------------------------------------------------------------------------
# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(site: Site, status: int) -> None:
    site.pages |= {"/a": moved("b?x#y", status), "/b": moved(site.url("/c"), status), "/c": html("<p>there")}
    page = fetch(site.url("/a"))
    assert (page.url, page.hops, page.body) == (site.url("/c"), (site.url("/a"), site.url("/b?x")), b"<p>there")


def test_redirects_end(site: Site) -> None:
    site.pages["/a"] = moved("/a")
    told = failure(site.url("/a"), max_redirects=3).message
    assert "redirects more than 3 times" in told
    assert len(site.seen) == 4


def test_a_redirect_without_a_target_is_a_page(site: Site) -> None:
    site.pages["/a"] = Said(b"<p>x", 302)
    assert fetch(site.url("/a")).status == 302


INWARD = ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]:80/", "http://[::ffff:10.0.0.1]/"]
INWARD += ["http://router.test/", "//10.0.0.1/x"]


@pytest.mark.parametrize("target", INWARD)
def test_a_redirect_to_an_address_that_is_refused(site: Site, target: str) -> None:
    site.pages["/a"] = moved(target)
    error = failure(site.url("/a"), Names(router_test=["192.168.1.1"]))
    assert isinstance(error, Forbidden)
    assert error.message.startswith(f"{site.url('/a')} redirects to http://")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://x:y/"])
def test_a_redirect_to_what_is_not_followed(site: Site, target: str) -> None:
    site.pages["/a"] = moved(target)
    error = failure(site.url("/a"))
    assert isinstance(error, UpstreamError)
    assert "redirects to where it is not followed" in error.message


def test_no_cookie_goes_from_one_hop_to_the_next(site: Site) -> None:
    site.pages["/a"] = Said(status=302, headers={"location": "/b", "set-cookie": "a=b; path=/"})
    site.pages["/b"] = html("x")
    fetch(site.url("/a"))
    assert all("cookie" not in seen.headers for seen in site.seen)


# ---------------------------------------------------------------------------------------------------------------------
# Addresses


def test_without_permission_this_machine_is_not_fetched_from(site: Site) -> None:
    assert isinstance(failure(site.url(), allow=()), Forbidden)
    assert isinstance(failure(f"http://localhost:{site.port}/", allow=()), Forbidden)
    assert not site.seen


def test_the_connection_is_to_the_address_that_was_judged(site: Site) -> None:
    names = Names(page_test=["127.0.0.1", "127.0.0.9"])
    page = fetch(site.url(host="page.test"), names)
    assert page.status == 404
    assert names.asked == ["page.test"], "the name is resolved once, so that no second answer can lead elsewhere"
    assert site.seen[0].headers["host"] == f"page.test:{site.port}"


def test_a_name_that_is_rebound_between_two_hops_is_judged_anew(site: Site) -> None:
    site.pages["/a"] = moved("/b")
    names = Names(page_test=["127.0.0.1", "10.0.0.1"])
    assert isinstance(failure(site.url("/a", host="page.test"), names, allow=("127.0.0.1/32",)), Forbidden)
    assert [seen.path for seen in site.seen] == ["/a"]


def test_of_several_addresses_the_next_is_tried(site: Site) -> None:
    async def both(host: str) -> list[str]:
        return ["127.0.0.77", "127.0.0.1"] if site.port else []

    with Site().running() as other:
        other.pages["/"] = html("<p>other")
        assert fetch(other.url(host="page.test"), both).body == b"<p>other"


def test_an_unknown_name_and_a_closed_port(site: Site) -> None:
    assert "no host nowhere.test" in failure("http://nowhere.test/", Names()).message
    with Site().running() as gone:
        url = gone.url()
    assert isinstance(failure(url), Unreachable)


# ---------------------------------------------------------------------------------------------------------------------
# Time, and what is no HTTP


def test_a_page_that_does_not_end(site: Site) -> None:
    site.pages["/"] = Said(headers={"content-type": "text/html"}, pieces=site.slowly(10_000))
    error = failure(site.url(), timeout=0.4)
    assert isinstance(error, TimedOut)
    assert "0.4 seconds" in error.message


def test_a_page_that_breaks_off(site: Site) -> None:
    site.pages["/"] = Said(b"<p>half", headers={"content-type": "text/html"}, length=1000)
    assert "broke off" in failure(site.url()).message


def test_what_is_no_http() -> None:
    async def answer() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)

        async def nonsense(stream: anyio.abc.ByteStream) -> None:
            async with stream:
                await stream.receive()
                await stream.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, nonsense)
            with pytest.raises(Unreachable, match="not HTTP"):
                await fetcher().fetch(f"http://127.0.0.1:{port}/")
            group.cancel_scope.cancel()
        await listener.aclose()

    anyio.run(answer)


# ---------------------------------------------------------------------------------------------------------------------
# TLS and proxies


def test_tls_asks_for_the_name_and_judges_it() -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("page.test").configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: asked.append(name)

    def trusting() -> ssl.SSLContext:
        trust = ssl.create_default_context()
        ca.configure_trust(trust)
        return trust

    names = Names(page_test=["127.0.0.1"], other_test=["127.0.0.1"])
    tool = Fetcher(Fetch(), Guard(HERE, names), "x", is_readable, trusting)
    with Site({"/": html("hi")}, tls=context).running() as site:
        assert anyio.run(tool.fetch, f"https://page.test:{site.port}/").body == b"hi"
        assert asked == ["page.test"]
        with pytest.raises(Unreachable, match="certificate"):
            anyio.run(tool.fetch, f"https://other.test:{site.port}/")


def test_a_proxy_is_asked_by_name(site: Site) -> None:
    def passing(seen: Seen) -> Said:
        return html(f"<p>through the proxy: {seen.path}")

    with Site({"http://page.test/a": passing}).running() as proxy:
        page = fetch("http://page.test/a", Names(), proxy=proxy.url(""))
        assert page.body == b"<p>through the proxy: http://page.test/a"
        assert proxy.seen[0].headers["host"] == "page.test"
        error = failure("http://router.test/", Names(router_test=["10.0.0.1"]), proxy=proxy.url(""))
        assert isinstance(error, Forbidden)
        assert isinstance(failure("http://10.0.0.1/", proxy=proxy.url("")), Forbidden)
        assert len(proxy.seen) == 1


def test_an_address_of_a_proxy_is_not_told() -> None:
    with Site().running() as gone:
        proxy = f"http://user:secret@127.0.0.1:{gone.port}"
    error = failure("http://page.test/", Names(), proxy=proxy)
    assert "secret" not in repr(error)


def test_nothing_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fetch(site.url("/?token=secret"))
    assert "secret" not in caplog.text

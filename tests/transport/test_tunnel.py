"""Tunnels as scripts: what the runtime sends, what the proxy answers."""

from __future__ import annotations

from typing import Any

import h11
import pytest

from ccproxy.errors import ConfigError, Unreachable
from ccproxy.transport.tunnel import Connect, Proxy, Socks5, parse_proxy, tunnel_for
from tests.tools import cuts

HTTP = Proxy("http", "proxy.example", 3128)
HTTP_LOGIN = Proxy("http", "proxy.example", 3128, "ann", "s3cret:word")
SOCKS = Proxy("socks5", "proxy.example", 1080)
SOCKS_LOGIN = Proxy("socks5", "proxy.example", 1080, "ann", "s3cret")

# ---------------------------------------------------------------------------------------------------------------------
# URLs

URLS = [
    ("http://proxy.example", Proxy("http", "proxy.example", 80)),
    ("HTTP://Proxy.Example:3128/", Proxy("http", "proxy.example", 3128)),
    ("https://proxy.example", Proxy("https", "proxy.example", 443)),
    ("socks5://127.0.0.1", Proxy("socks5", "127.0.0.1", 1080)),
    ("socks5h://[::1]:9050", Proxy("socks5h", "::1", 9050)),
    ("http://ann:p%40ss%3Aw@proxy.example:8080", Proxy("http", "proxy.example", 8080, "ann", "p@ss:w")),
    ("http://ann@proxy.example", Proxy("http", "proxy.example", 80, "ann", "")),
]


@pytest.mark.parametrize(("url", "proxy"), URLS)
def test_a_proxy_url(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


BAD_URLS = [
    "",
    "proxy.example:3128",
    "socks4://ann:s3cret@proxy.example",
    "ftp://ann:s3cret@proxy.example",
    "http://",
    "http://ann:s3cret@",
    "http://ann:s3cret@proxy.example:0",
    "http://ann:s3cret@proxy.example:99999",
    "http://ann:s3cret@proxy.example:s3cret",
    "http://proxy.example:ann@s3cret:port",
    "http://ann:s3cret@[::1",
    "http://ann:s3cret@proxy.example/path",
    "http://ann:s3cret@proxy.example?x=1",
    "http://ann:s3cret@proxy example",
    "socks5://ann:s3cret" + "x" * 256 + "@proxy.example",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_proxy_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_proxy(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.problems[0].startswith("proxy: ")


def test_credentials_are_not_in_the_repr() -> None:
    shown = repr(HTTP_LOGIN) + repr(tunnel_for(HTTP_LOGIN, "api.example", 443)) + HTTP_LOGIN.name
    assert "s3cret" not in shown
    assert "ann" not in shown


def test_the_scheme_picks_the_tunnel() -> None:
    kinds = {scheme: type(tunnel_for(Proxy(scheme, "p", 1), "h", 1)) for scheme in ("http", "https", "socks5", "socks5h")}
    assert kinds == {"http": Connect, "https": Connect, "socks5": Socks5, "socks5h": Socks5}


# ---------------------------------------------------------------------------------------------------------------------
# HTTP CONNECT


def asked_of_proxy(data: bytes) -> h11.Request:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    return event


TARGETS = [
    ("api.example", 443, b"api.example:443"),
    ("127.0.0.1", 80, b"127.0.0.1:80"),
    ("::1", 8443, b"[::1]:8443"),
]


@pytest.mark.parametrize(("host", "port", "authority"), TARGETS)
def test_connect_names_host_and_port(host: str, port: int, authority: bytes) -> None:
    request = asked_of_proxy(Connect(host, port, HTTP).first_bytes())
    assert (request.method, request.target) == (b"CONNECT", authority)
    assert list(request.headers) == [(b"host", authority)]


def test_connect_logs_in() -> None:
    request = asked_of_proxy(Connect("api.example", 443, HTTP_LOGIN).first_bytes())
    assert dict(request.headers)[b"proxy-authorization"] == b"Basic YW5uOnMzY3JldDp3b3Jk"


OPENED = [
    b"HTTP/1.1 200 Connection established\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",  # RFC 9110, section 9.3.6: ignored
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("answer", OPENED)
def test_connect_is_done_with_the_head(answer: bytes) -> None:
    for pieces in cuts(answer + b"early bytes"):
        tunnel = Connect("api.example", 443, HTTP)
        assert not tunnel.done
        assert [tunnel.feed(piece) for piece in pieces] == [b""] * len(pieces)
        assert tunnel.done
        assert tunnel.rest == b"early bytes"
        tunnel.eof()


CONNECT_REFUSALS = [
    (HTTP, b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "407, it wants a user name"),
    (HTTP_LOGIN, b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n", "407, it refused a user name"),
    (HTTP_LOGIN, b"HTTP/1.1 403 ann:s3cret:word\r\n\r\n", "answered 403"),
    (HTTP_LOGIN, b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answered 502"),
    (HTTP_LOGIN, b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "answered 302"),
    (HTTP_LOGIN, b"HTTP/1.1 101 Switching\r\n\r\n", "not HTTP/1"),
    (HTTP_LOGIN, b"SSH-2.0-OpenSSH\r\n", "not HTTP/1"),
    (HTTP_LOGIN, b"\x15\x03\x01\x00\x02", "not HTTP/1"),
    (HTTP_LOGIN, b"HTTP/1.1 200 OK\r\ns3cret : x\r\n\r\n", "not HTTP/1"),
    (HTTP_LOGIN, b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20000, "not HTTP/1"),
]


@pytest.mark.parametrize(("proxy", "answer", "words"), CONNECT_REFUSALS)
def test_connect_is_refused(proxy: Proxy, answer: bytes, words: str) -> None:
    tunnel = Connect("api.example", 443, proxy)
    tunnel.first_bytes()
    with pytest.raises(Unreachable, match=words) as caught:
        tunnel.feed(answer)
    assert not tunnel.done
    assert_says_where(caught.value)


def assert_says_where(error: Unreachable) -> None:
    assert error.status == 502
    assert "proxy.example" in error.message
    assert "api.example:443" in error.message
    chain: Any = error
    while chain:
        assert "s3cret" not in str(chain)
        assert "ann" not in str(chain)
        chain = chain.__cause__


# ---------------------------------------------------------------------------------------------------------------------
# SOCKS5: (what we send, what the proxy answers) in turn

GREET, GREET_LOGIN = b"\x05\x01\x00", b"\x05\x02\x00\x02"
LOGIN = b"\x01\x03ann\x06s3cret"
ASK = b"\x05\x01\x00\x03\x0bapi.example\x01\xbb"
FREE, WITH_PASSWORD, LOGGED_IN = b"\x05\x00", b"\x05\x02", b"\x01\x00"
GRANTED_4 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"
GRANTED_6 = b"\x05\x00\x00\x04" + bytes(15) + b"\x01\x1f\x90"
GRANTED_NAME = b"\x05\x00\x00\x03\x04here\x1f\x90"
GRANTED_NO_NAME = b"\x05\x00\x00\x03\x00\x1f\x90"

SCRIPTS = [
    (SOCKS, [(GREET, FREE), (ASK, GRANTED_4)]),
    (SOCKS, [(GREET, FREE), (ASK, GRANTED_6)]),
    (SOCKS, [(GREET, FREE), (ASK, GRANTED_NAME)]),
    (SOCKS, [(GREET, FREE), (ASK, GRANTED_NO_NAME)]),
    (SOCKS_LOGIN, [(GREET_LOGIN, FREE), (ASK, GRANTED_4)]),
    (SOCKS_LOGIN, [(GREET_LOGIN, WITH_PASSWORD), (LOGIN, LOGGED_IN), (ASK, GRANTED_4)]),
]


def feed_all(tunnel: Socks5, pieces: list[bytes]) -> list[bytes]:
    return [tunnel.feed(piece) for piece in pieces]


@pytest.mark.parametrize(("proxy", "script"), SCRIPTS)
def test_socks_opens(proxy: Proxy, script: list[tuple[bytes, bytes]]) -> None:
    for pieces in cuts(b"".join(answer for _, answer in script) + b"early"):
        tunnel = Socks5("api.example", 443, proxy)
        sent = [tunnel.first_bytes(), *feed_all(tunnel, pieces)]
        assert b"".join(sent) == b"".join(words for words, _ in script)
        assert tunnel.done
        assert tunnel.rest == b"early"
        tunnel.eof()


ADDRESSES = [
    ("127.0.0.1", b"\x01\x7f\x00\x00\x01"),
    ("::1", b"\x04" + bytes(15) + b"\x01"),
    ("a.example", b"\x03\x09a.example"),
]


@pytest.mark.parametrize(("host", "address"), ADDRESSES)
def test_socks_lets_the_proxy_resolve_names(host: str, address: bytes) -> None:
    tunnel = Socks5(host, 443, SOCKS)
    tunnel.first_bytes()
    assert tunnel.feed(FREE) == b"\x05\x01\x00" + address + b"\x01\xbb"


SOCKS_REFUSALS = [
    (SOCKS, b"\x05\xff", "another kind of login"),
    (SOCKS, WITH_PASSWORD, "another kind of login"),  # we did not offer it
    (SOCKS_LOGIN, b"\x05\x01", "another kind of login"),
    (SOCKS_LOGIN, WITH_PASSWORD + b"\x01\x01", "refused the user name and password"),
    (SOCKS_LOGIN, FREE + b"\x05\x05\x00\x01" + bytes(6), "connection refused"),
    (SOCKS_LOGIN, FREE + b"\x05\x02\x00\x01" + bytes(6), "not allowed"),
    (SOCKS_LOGIN, FREE + b"\x05\x04\x00\x01" + bytes(6), "host unreachable"),
    (SOCKS_LOGIN, FREE + b"\x05\x63\x00\x01" + bytes(6), "broke the SOCKS5 protocol"),
    (SOCKS_LOGIN, FREE + b"\x05\x00\x00\x09" + bytes(6), "broke the SOCKS5 protocol"),
    (SOCKS_LOGIN, FREE + b"\x04\x00\x00\x01" + bytes(6), "broke the SOCKS5 protocol"),
    (SOCKS_LOGIN, FREE + b"\x05\x00\x00\x03\x02\xff\xff\x00\x00", "broke the SOCKS5 protocol"),
    (SOCKS_LOGIN, b"HTTP/1.1 400 Bad Request\r\n\r\n", "broke the SOCKS5 protocol"),
]


@pytest.mark.parametrize(("proxy", "answer", "words"), SOCKS_REFUSALS)
def test_socks_is_refused(proxy: Proxy, answer: bytes, words: str) -> None:
    for pieces in cuts(answer, rounds=2):
        tunnel = Socks5("api.example", 443, proxy)
        tunnel.first_bytes()
        with pytest.raises(Unreachable, match=words) as caught:
            feed_all(tunnel, pieces)
        assert_says_where(caught.value)


def test_socks_cannot_say_a_very_long_name() -> None:
    tunnel = Socks5("api.example:443" * 20, 443, SOCKS)
    tunnel.first_bytes()
    with pytest.raises(Unreachable, match="length"):
        tunnel.feed(FREE)


@pytest.mark.parametrize("proxy", [HTTP_LOGIN, SOCKS_LOGIN])
def test_a_proxy_that_hangs_up(proxy: Proxy) -> None:
    tunnel = tunnel_for(proxy, "api.example", 443)
    tunnel.first_bytes()
    tunnel.feed(b"")
    with pytest.raises(Unreachable, match="closed the connection") as caught:
        tunnel.eof()
    assert_says_where(caught.value)

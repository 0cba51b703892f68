"""Heads as they are written, with h11 and our own reader as those who read them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.errors import CcproxyError, RequestError
from ccproxy.transport import heads_out
from ccproxy.transport.body import CHUNKED, CLOSE, NONE, Framing
from ccproxy.transport.heads_out import authority, request_bytes, response_bytes, stream_framing
from tests.transport.test_http1 import NAMES, VALUES, h11_answer, h11_request, pairs, request, response

REQUESTS: list[tuple[tuple[str, str, list[tuple[str, str]], int], dict[str, Any], list[tuple[str, str]]]] = [
    (("GET", "/v1/models", [], 0), {}, [("host", "api.example")]),
    (("DELETE", "/v1/x", [], 0), {}, [("host", "api.example")]),
    (("POST", "/v1/x", [], 0), {}, [("host", "api.example"), ("content-length", "0")]),
    (("POST", "/x?y=%20", [("A", "b c")], 7), {}, [("host", "api.example"), ("a", "b c"), ("content-length", "7")]),
    (("GET", "/", [("x", "y"), ("Host", "virtual.example")], 0), {}, [("host", "virtual.example"), ("x", "y")]),
    (("GET", "/", [("x", "caf\xe9")], 0), {}, [("host", "api.example"), ("x", "caf\xe9")]),
    (("GET", "/", [], 0), {"keep_alive": False}, [("host", "api.example"), ("connection", "close")]),
    (
        ("POST", "/", [("content-length", "99"), ("Transfer-Encoding", "chunked"), ("Connection", "close")], 3),
        {},
        [("host", "api.example"), ("content-length", "3")],
    ),
]


@pytest.mark.parametrize(("arguments", "options", "headers"), REQUESTS)
def test_a_request_is_written(arguments: Any, options: dict[str, Any], headers: list[tuple[str, str]]) -> None:
    written = request_bytes(*arguments, host="api.example", **options)
    event = h11_request(written)
    assert (event.method.decode(), event.target.decode(), pairs(event)) == (*arguments[:2], headers)
    assert request(written).headers == headers


def test_a_head_that_was_written_before_is_written_again() -> None:
    headers = [("x-key", "one"), ("Host", "other.example")]
    for length in (5, 0, 70000):
        once = request_bytes("POST", "/v1/x", headers, length, host="h")
        again = [request_bytes("POST", "/v1/x", tuple(headers), length, host="h") for _ in range(2)]
        assert [once, once] == again
    for host in ("h", "i"):
        assert f"host: {host}\r\n".encode() in request_bytes("POST", "/v1/x", (), 0, host=host)
    assert request_bytes("POST", "/v1/x", (("x-key", "two"),), 0, host="h") != request_bytes(
        "POST", "/v1/x", (), 0, host="h"
    )
    for _ in range(2):
        with pytest.raises(CcproxyError):
            request_bytes("POST", "/v1/x", (("x-key", "a\r\nb: c"),), 0, host="h")


INJECTIONS = ["a\r\nb: c", "a\nb", "a\rb", "a\x00b", "a\x1bb", "a\x7f", "日本"]


@pytest.mark.parametrize("word", INJECTIONS)
def test_nothing_is_smuggled_into_a_written_head(word: str) -> None:
    with pytest.raises(CcproxyError) as caught:
        request_bytes("GET", "/", [("x-key", word)], 0, host="h")
    assert word not in caught.value.message
    for headers in ([("x", word)], [(word, "x")]):
        with pytest.raises(CcproxyError):
            response_bytes(200, headers, NONE)
    with pytest.raises(CcproxyError):
        request_bytes("GET", "/", [], 0, host=word)
    with pytest.raises(RequestError):
        request_bytes("GET", f"/models/{word}", [], 0, host="h")
    with pytest.raises(RequestError):
        request_bytes(word, "/", [], 0, host="h")


@pytest.mark.parametrize("target", ["", "/a b", "/a\tb", "/é"])
def test_a_target_is_one_word_of_ascii(target: str) -> None:
    with pytest.raises(RequestError) as caught:
        request_bytes("GET", target, [], 0, host="h")
    assert caught.value.status == 400


WRITTEN = [
    ((200, [("x", "y")], Framing("length", 5)), b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 5\r\n\r\n"),
    ((200, [], NONE), b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ((200, [], CHUNKED), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
    ((200, [], CHUNKED, False), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"),
    ((200, [], CHUNKED, True, "1.0"), b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"),
    ((200, [], Framing("length", 5), True, "1.0"), b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"),
    ((200, [], CLOSE), b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"),
    ((204, [], NONE), b"HTTP/1.1 204 No Content\r\n\r\n"),
    ((304, [], NONE), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ((529, [], NONE), b"HTTP/1.1 529 \r\ncontent-length: 0\r\n\r\n"),
    (
        (426, [("Upgrade", "HTTP/1.1")], NONE),
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: HTTP/1.1\r\ncontent-length: 0\r\nconnection: upgrade\r\n\r\n",
    ),
    (
        (200, [("Content-Length", "9"), ("transfer-encoding", "chunked"), ("connection", "x")], Framing("length", 5)),
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
    ),
]


@pytest.mark.parametrize(("arguments", "written"), WRITTEN)
def test_an_answer_is_written(arguments: Any, written: bytes) -> None:
    assert response_bytes(*arguments) == written
    assert h11_answer(written).status_code == arguments[0]


def test_we_read_back_what_we_write() -> None:
    for framing in (CHUNKED, Framing("length", 7), CLOSE):
        for method in ("GET", "HEAD"):
            head = response(response_bytes(200, [("a", "b")], framing), method)
            assert head.framing == (NONE if method == "HEAD" else framing)
            assert head.keep_alive is (framing != CLOSE)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
@settings(max_examples=100, deadline=None)
def test_h11_reads_any_headers_that_we_write(headers: list[tuple[str, str]]) -> None:
    headers = [(name.lower(), value) for name, value in headers]
    headers = [(name, value) for name, value in headers if name not in heads_out._OURS | {"host", "upgrade"}]
    assert pairs(h11_request(request_bytes("GET", "/", headers, 0, host="h")))[1:] == headers
    assert pairs(h11_answer(response_bytes(200, headers, Framing("length", 1))))[:-1] == headers


def test_a_stream_is_chunked_unless_the_client_is_old() -> None:
    assert (stream_framing("1.1"), stream_framing("1.0")) == (CHUNKED, CLOSE)


AUTHORITIES = [
    (("api.example", 443, "https"), "api.example"),
    (("api.example", 80, "http"), "api.example"),
    (("api.example", 80, "https"), "api.example:80"),
    (("api.example", 443), "api.example:443"),
    (("::1", 8080, "http"), "[::1]:8080"),
    (("[::1]", 80, "http"), "[::1]"),
]


@pytest.mark.parametrize(("arguments", "expected"), AUTHORITIES)
def test_authority(arguments: Any, expected: str) -> None:
    assert authority(*arguments) == expected

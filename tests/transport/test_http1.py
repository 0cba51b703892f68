"""Heads: tables of what comes out, what is refused, and h11 as the reference in both directions."""

from __future__ import annotations

import random
import re
from typing import Any
from urllib.parse import unquote

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.errors import Broken, Malformed, RequestError
from ccproxy.transport import http1
from ccproxy.transport.body import CHUNKED, CLOSE, NONE, Framing
from ccproxy.transport.http1 import HeadReader, RequestHead, ResponseHead
from tests.tools import cuts


def fed(reader: HeadReader, pieces: list[bytes]) -> Any:
    """The head, and in `rest` of the reader what follows it, as a runtime would gather it."""
    head = None
    for index, piece in enumerate(pieces):
        head = reader.feed(piece)
        if head is not None:
            reader.rest += b"".join(pieces[index + 1 :])
            break
    return head


def request(raw: bytes) -> RequestHead:
    head = HeadReader.server().feed(raw)
    assert isinstance(head, RequestHead)
    return head


def response(raw: bytes, method: str = "POST") -> ResponseHead:
    head = HeadReader.client(method).feed(raw)
    assert isinstance(head, ResponseHead)
    return head


# ---------------------------------------------------------------------------------------------------------------------
# Requests

MESSAGES = (
    b"POST /v1/messages?beta=true&beta=last&empty= HTTP/1.1\r\n"
    b"Host: 127.0.0.1:11434\r\n"
    b"X-API-Key:  sk-1 \t\r\n"
    b"Anthropic-Beta: a\r\n"
    b"anthropic-beta: b\r\n"
    b"X-Name: caf\xe9\r\n"
    b"Empty:\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
)


def test_a_request_is_taken_apart() -> None:
    expected = RequestHead(
        method="POST",
        target="/v1/messages?beta=true&beta=last&empty=",
        path="/v1/messages",
        query={"beta": "last", "empty": ""},
        headers=[
            ("host", "127.0.0.1:11434"),
            ("x-api-key", "sk-1"),
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
            ("x-name", "caf\xe9"),
            ("empty", ""),
            ("content-length", "5"),
        ],
        version="1.1",
        keep_alive=True,
        framing=Framing("length", 5),
        peer="127.0.0.1:50000",
    )
    for pieces in cuts(MESSAGES + b"helloPOST /next"):
        reader = HeadReader.server("127.0.0.1:50000")
        assert fed(reader, pieces) == expected
        assert reader.rest == b"helloPOST /next"


def test_headers_by_name() -> None:
    head = request(MESSAGES)
    assert head.header("x-api-key") == "sk-1"
    assert head.header("anthropic-beta") == "a, b"
    assert head.header("empty") == ""
    assert head.header("missing") is None
    assert response(b"HTTP/1.1 200 OK\r\nRetry-After: 3\r\n\r\n").header("retry-after") == "3"


def test_heads_that_differ_in_their_length_are_alike() -> None:
    first = HeadReader.server("one").feed(MESSAGES)
    second = HeadReader.server("two").feed(MESSAGES.replace(b"h: 5", b"h: 00123"))
    assert isinstance(first, RequestHead)
    assert isinstance(second, RequestHead)
    assert first.likeness is second.likeness is not None
    assert (second.framing, second.header("content-length"), second.peer) == (Framing("length", 123), "00123", "two")
    assert (first.framing, first.header("content-length"), first.peer) == (Framing("length", 5), "5", "one")
    assert second.headers == [*first.headers[:-1], ("content-length", "00123")]
    assert request(MESSAGES.replace(b"sk-1", b"sk-2")).likeness is not first.likeness


UNLIKE = [
    MESSAGES.replace(b"Content-Length: 5", b"Content-Length: 0"),
    MESSAGES.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    MESSAGES.replace(b"caf", b"caf" * 1400),
    b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
]


@pytest.mark.parametrize("raw", UNLIKE)
def test_heads_that_are_not_remembered(raw: bytes) -> None:
    assert request(raw).likeness is None


def test_heads_that_are_alike_share_no_headers() -> None:
    first = request(MESSAGES)
    said = list(first.headers)
    request(MESSAGES.replace(b"h: 5", b"h: 77"))
    assert first.headers == said


def test_two_lengths_are_refused_however_well_known_the_rest_is() -> None:
    for name in (b"Content-Length", b"content-length"):
        for _ in range(2):
            with pytest.raises(RequestError):
                request(MESSAGES.replace(b"Empty:", name + b": 5"))


BODIES = [
    (b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", NONE),
    (b"POST / HTTP/1.1\r\nhost: h\r\n\r\n", NONE),
    (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n", Framing("length", 0)),
    (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 000123456789\r\n\r\n", Framing("length", 123456789)),
    (b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n", CHUNKED),
    (b"POST / HTTP/1.1\r\nhost: h\r\nTransfer-Encoding:Chunked \t\r\n\r\n", CHUNKED),
    (b"POST / HTTP/1.0\r\ncontent-length: 3\r\n\r\n", Framing("length", 3)),
]


@pytest.mark.parametrize(("raw", "framing"), BODIES)
def test_the_framing_of_a_request(raw: bytes, framing: Framing) -> None:
    assert request(raw).framing == framing


LASTING = [
    (b"HTTP/1.1\r\nhost: h\r\n\r\n", True),
    (b"HTTP/1.1\r\nhost: h\r\nconnection: keep-alive\r\n\r\n", True),
    (b"HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", False),
    (b"HTTP/1.1\r\nhost: h\r\nconnection: x, Close\r\n\r\n", False),
    (b"HTTP/1.1\r\nhost: h\r\nconnection: x\r\nconnection: close\r\n\r\n", False),
    (b"HTTP/1.0\r\n\r\n", False),
    (b"HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", False),
]


@pytest.mark.parametrize(("rest", "lasts"), LASTING)
def test_keep_alive_of_a_request(rest: bytes, lasts: bool) -> None:
    assert request(b"GET / " + rest).keep_alive is lasts


PATHS = [
    ("/v1/models", "/v1/models", {}),
    (
        "/v1beta/models/a%2Fb:generateContent?alt=sse&key=a%20b+c",
        "/v1beta/models/a%2Fb:generateContent",
        {"alt": "sse", "key": "a b c"},
    ),
    ("/%76%31/models", "/v1/models", {}),
    ("/caf%C3%A9", "/café", {}),
    ("/a%252Fb", "/a%252Fb", {}),
    ("/50%25", "/50%25", {}),
    ("/a%2fb%zz%", "/a%2fb%zz%", {}),
    ("//host/path", "//host/path", {}),
    ("/a?b?c=d&e", "/a", {"b?c": "d", "e": ""}),
    ("/a?q=%FF", "/a", {"q": "\ufffd"}),
    ("/?", "/", {}),
]


@pytest.mark.parametrize(("target", "path", "query"), PATHS)
def test_paths_and_queries(target: str, path: str, query: dict[str, str]) -> None:
    head = request(f"GET {target} HTTP/1.1\r\nhost: h\r\n\r\n".encode())
    assert (head.target, head.path, head.query) == (target, path, query)
    assert unquote(head.path) == unquote(target.partition("?")[0])


def test_the_asterisk_is_for_options() -> None:
    assert request(b"OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n").path == "*"


EXPECTING = [
    (b"HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n", True),
    (b"HTTP/1.1\r\nhost: h\r\nExpect: 100-Continue\r\ntransfer-encoding: chunked\r\n\r\n", True),
    (b"HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n", False),
    (b"HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\n\r\n", False),
    (b"HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n", False),
]


@pytest.mark.parametrize(("rest", "expects"), EXPECTING)
def test_who_waits_for_continue(rest: bytes, expects: bool) -> None:
    assert request(b"POST / " + rest).expect_continue is expects


def test_one_line_end_before_a_request_is_read_past() -> None:
    for pieces in cuts(b"\r\n" + MESSAGES):
        assert fed(HeadReader.server(), pieces).path == "/v1/messages"
    for pieces in cuts(b"\r\n\r\n" + MESSAGES):
        with pytest.raises(RequestError):
            fed(HeadReader.server(), pieces)


def test_pipelined_requests_one_reader_each() -> None:
    data = b"GET /1 HTTP/1.1\r\nhost: h\r\n\r\nGET /2 HTTP/1.1\r\nhost: h\r\n\r\n"
    first = HeadReader.server()
    second = HeadReader.server()
    assert [fed(first, [data]).path, fed(second, [first.rest]).path] == ["/1", "/2"]
    assert second.rest == b""


# ---------------------------------------------------------------------------------------------------------------------
# Requests that are refused: what two readers might understand in two ways, above all

H = b" HTTP/1.1\r\nhost: h\r\n"
POST = b"POST /" + H

REFUSED = [
    # where the body ends
    (POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400, "more than once"),  # CL.TE
    (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400, "more than once"),  # TE.CL
    (POST + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n", 400, "more than once"),  # TE.TE
    (POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", 400, "more than once"),
    (POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", 400, "more than once"),
    (POST + b"content-length: 5\r\nContent-Length: 5\r\n\r\n", 400, "more than once"),
    (POST + b"content-length: 5, 5\r\n\r\n", 400, "not a number"),
    (POST + b"content-length: +5\r\n\r\n", 400, "not a number"),
    (POST + b"content-length: -5\r\n\r\n", 400, "not a number"),
    (POST + b"content-length: 0x5\r\n\r\n", 400, "not a number"),
    (POST + b"content-length: 5_0\r\n\r\n", 400, "not a number"),
    (POST + b"content-length: 5 0\r\n\r\n", 400, "not a number"),
    (POST + b"content-length: \xb2\r\n\r\n", 400, "not a number"),
    (POST + b"content-length:\r\n\r\n", 400, "not a number"),
    (POST + b"content-length: 9999999999999999999\r\n\r\n", 400, "not a number"),
    (POST + b"transfer-encoding: xchunked\r\n\r\n", 501, "chunked"),
    (POST + b"transfer-encoding: identity\r\n\r\n", 501, "chunked"),
    (POST + b"transfer-encoding: gzip, chunked\r\n\r\n", 501, "chunked"),
    (POST + b"transfer-encoding: chunked, chunked\r\n\r\n", 501, "chunked"),
    (POST + b"transfer-encoding: chunked;q=1\r\n\r\n", 501, "chunked"),
    (POST + b'transfer-encoding: "chunked"\r\n\r\n', 501, "chunked"),
    (POST + b"transfer-encoding:\r\n\r\n", 501, "chunked"),
    (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", 400, "HTTP/1.0"),
    # lines
    (b"GET / HTTP/1.1\nhost: h\r\n\r\n", 400, "bare"),
    (b"GET / HTTP/1.1\r\nhost: h\n\r\n\r\n", 400, "bare"),
    (b"GET / HTTP/1.1\r\nhost: h\r\nx: y\ntransfer-encoding: chunked\r\n\r\n", 400, "bare"),
    (b"GET / HTTP/1.1\r\nhost: h\r\nx: y\rtransfer-encoding: chunked\r\n\r\n", 400, "bare"),
    (b"GET / HTTP/1.1\r\nhost: h\r\r\nx: y\r\n\r\n", 400, "bare"),
    (b"GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n folded\r\n\r\n", 400, "folded"),
    (b"GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n\tfolded\r\n\r\n", 400, "folded"),
    (b"GET / HTTP/1.1\r\n folded: x\r\nhost: h\r\n\r\n", 400, "folded"),
    (POST + b"transfer-encoding:\r\n chunked\r\n\r\n", 400, "folded"),
    (POST + b"x: a\x00b\r\n\r\n", 400, "control"),
    (POST + b"x: a\x0bb\r\n\r\n", 400, "control"),
    (POST + b"transfer-encoding: \x0bchunked\r\n\r\n", 400, "control"),
    (POST + b"x: a\x7fb\r\n\r\n", 400, "control"),
    # header names
    (POST + b"content-length : 5\r\n\r\n", 400, "illegal header line"),
    (POST + b"transfer-encoding\t: chunked\r\n\r\n", 400, "illegal header line"),
    (POST + b"transfer encoding: chunked\r\n\r\n", 400, "illegal header line"),
    (POST + b"transfer_encoding\xff: chunked\r\n\r\n", 400, "illegal header line"),
    (POST + b": no name\r\n\r\n", 400, "illegal header line"),
    (POST + b"no colon\r\n\r\n", 400, "illegal header line"),
    # host
    (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
    (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "Host"),
    (b"GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400, "Host"),
    (b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", 400, "host"),
    (b"GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", 400, "host"),
    (b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400, "host"),
    (b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400, "host"),
    # the request line
    (b"GET http://h/v1/models" + H + b"\r\n", 400, "forward proxy"),
    (b"GET https://other.example/" + H + b"\r\n", 400, "forward proxy"),
    (b"CONNECT api.example:443" + H + b"\r\n", 400, "forward proxy"),
    (b"GET *" + H + b"\r\n", 400, "forward proxy"),
    (b"GET v1/models" + H + b"\r\n", 400, "forward proxy"),
    (b"GET ?a=b" + H + b"\r\n", 400, "forward proxy"),
    (b"GET /a#b" + H + b"\r\n", 400, "forward proxy"),
    (b"GET /a b" + H + b"\r\n", 400, "illegal request line"),
    (b"GET  /a" + H + b"\r\n", 400, "illegal request line"),
    (b"GET\t/a" + H + b"\r\n", 400, "illegal request line"),
    (b"GET /\xc3\xa9" + H + b"\r\n", 400, "illegal request line"),
    (b"G(T /" + H + b"\r\n", 400, "illegal request line"),
    (b" GET /" + H + b"\r\n", 400, "refused"),
    (b"GET" + H + b"\r\n", 400, "illegal request line"),
    (b"GET /%00" + H + b"\r\n", 400, "control"),
    (b"GET /a%0d%0ab" + H + b"\r\n", 400, "control"),
    (b"GET /%FF%FE" + H + b"\r\n", 400, "UTF-8"),
    # versions
    (b"PRI * HTTP/2.0\r\n\r\n", 505, "HTTP/1.1"),
    (b"GET / HTTP/2\r\nhost: h\r\n\r\n", 505, "HTTP/1.1"),
    (b"GET / HTTP/1.2\r\nhost: h\r\n\r\n", 505, "HTTP/1.1"),
    (b"GET / HTTP/0.9\r\nhost: h\r\n\r\n", 505, "HTTP/1.1"),
    (b"GET / http/1.1\r\nhost: h\r\n\r\n", 400, "not HTTP/1"),
    (b"GET / HTTP/1.1 \r\nhost: h\r\n\r\n", 400, "not HTTP/1"),
    (b"GET /\r\nhost: h\r\n\r\n", 400, "not HTTP/1"),
    (b"GET / HTTP/1.1x\r\nhost: h\r\n\r\n", 400, "not HTTP/1"),
    # what is too much
    (POST + b"expect: a-pony\r\ncontent-length: 5\r\n\r\n", 417, "100-continue"),
    (POST + b"a: b\r\n" * http1.FIELDS_LIMIT + b"\r\n", 431, "256"),
    (POST + b"a: " + b"b" * http1.LIMIT + b"\r\n\r\n", 431, "65536"),
    (b"GET /" + b"b" * http1.LIMIT + H + b"\r\n", 414, "65536"),
]


@pytest.mark.parametrize(("raw", "status", "words"), REFUSED, ids=lambda value: repr(value)[:60])
def test_a_request_is_refused_however_it_comes(raw: bytes, status: int, words: str) -> None:
    for pieces in cuts(raw, rounds=2) if len(raw) < 1000 else [[raw], [raw[:-1], raw[-1:]], [raw[:30], raw[30:]]]:
        with pytest.raises(RequestError, match=re.escape(words)) as caught:
            fed(HeadReader.server(), pieces)
        assert type(caught.value) is RequestError
        assert caught.value.status == status


EARLY = [
    b"\x16\x03\x01\x02\x00\x01\x00",  # a TLS hello
    b"\x00\x00\x00",
    b"\n",
    b"GET / HTTP/1.1\nhost: h\n\n",
    b"GET / HTTP/1.1\r\nhost: h\n",
]


@pytest.mark.parametrize("start", EARLY)
def test_what_cannot_become_a_head_is_not_waited_for(start: bytes) -> None:
    for pieces in cuts(start):
        with pytest.raises(RequestError):
            fed(HeadReader.server(), pieces)


def test_a_head_at_the_limit_passes_however_it_comes() -> None:
    limit = 200
    filler = limit - len(POST + b"a: ")
    raw = POST + b"a: " + b"b" * filler + b"\r\n\r\n"
    for pieces in cuts(raw):
        assert fed(HeadReader.server(limit=limit), pieces).method == "POST"
    for pieces in cuts(raw.replace(b"a: ", b"aa: ")):
        with pytest.raises(RequestError) as caught:
            fed(HeadReader.server(limit=limit), pieces)
        assert caught.value.status == 431


def test_an_endless_head_is_given_up_at_the_limit() -> None:
    reader = HeadReader.server()
    reader.feed(POST)
    for _ in range(64):
        assert reader.feed(b"a: " + b"b" * 1000 + b"\r\n") is None
    with pytest.raises(RequestError) as caught:
        fed(reader, [b"a: " + b"b" * 1000 + b"\r\n"] * 3)
    assert caught.value.status == 431
    assert reader.pending < http1.LIMIT + 2000


KEYS = [
    b"GET / HTTP/1.1\r\nhost: h\r\nx-api-key : sk-secret\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: h\r\nauthorization: Bearer sk-secret\x00\r\n\r\n",
    b"GET /?key=sk-secret HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n",
    b"GET /?key=sk-secret x HTTP/1.1\r\nhost: h\r\n\r\n",
    b"GET http://h/?key=sk-secret HTTP/1.1\r\nhost: h\r\n\r\n",
    b"GET /?key=sk-secret HTTP/3.0\r\nhost: h\r\n\r\n",
]


@pytest.mark.parametrize("raw", KEYS)
def test_no_key_gets_into_an_error(raw: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        HeadReader.server().feed(raw)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_end_between_requests_is_none_in_one_is_an_error() -> None:
    reader = HeadReader.server()
    reader.eof()
    reader.feed(b"GET")
    assert repr(reader) == "<HeadReader server pending=3>"
    with pytest.raises(RequestError):
        reader.eof()


# ---------------------------------------------------------------------------------------------------------------------
# Answers

OK = b"HTTP/1.1 200 OK\r\n"

ANSWERS = [
    ("POST", OK + b"content-length: 5\r\n\r\n", 200, Framing("length", 5), True),
    ("POST", OK + b"content-length: 0\r\n\r\n", 200, Framing("length", 0), True),
    ("POST", OK + b"Transfer-Encoding: chunked\r\n\r\n", 200, CHUNKED, True),
    ("POST", OK + b"connection: keep-alive\r\ncontent-length: 5\r\n\r\n", 200, Framing("length", 5), True),
    ("POST", OK + b"connection: close\r\ncontent-length: 5\r\n\r\n", 200, Framing("length", 5), False),
    ("POST", OK + b"content-type: text/event-stream\r\n\r\n", 200, CLOSE, False),
    ("POST", b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", 200, Framing("length", 5), False),
    ("POST", b"HTTP/1.0 200 OK\r\n\r\n", 200, CLOSE, False),
    ("POST", b"HTTP/1.1 429 \r\ncontent-length: 2\r\n\r\n", 429, Framing("length", 2), True),
    ("POST", b"HTTP/1.1 529\r\ncontent-length: 2\r\n\r\n", 529, Framing("length", 2), True),
    ("POST", b"HTTP/1.1 200 caf\xe9 or so\r\ncontent-length: 2\r\n\r\n", 200, Framing("length", 2), True),
    ("HEAD", OK + b"content-length: 5\r\n\r\n", 200, NONE, True),
    ("HEAD", OK + b"transfer-encoding: chunked\r\n\r\n", 200, NONE, True),
    ("HEAD", OK + b"\r\n", 200, NONE, True),
    ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, NONE, True),
    ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", 204, NONE, True),
    ("DELETE", b"HTTP/1.1 205 Reset\r\ncontent-length: 0\r\n\r\n", 205, Framing("length", 0), True),
    ("CONNECT", OK + b"\r\n", 200, NONE, True),
    ("CONNECT", b"HTTP/1.1 407 No\r\ncontent-length: 5\r\n\r\n", 407, Framing("length", 5), True),
    ("POST", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 5\r\n\r\n", 200, Framing("length", 5), True),
    (
        "POST",
        b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" * 3 + OK + b"content-length: 5\r\n\r\n",
        200,
        Framing("length", 5),
        True,
    ),
]


@pytest.mark.parametrize(("method", "raw", "status", "framing", "lasts"), ANSWERS)
def test_an_answer(method: str, raw: bytes, status: int, framing: Framing, lasts: bool) -> None:
    for pieces in cuts(raw + b"data:"):
        reader = HeadReader.client(method)
        head = fed(reader, pieces)
        assert isinstance(head, ResponseHead)
        assert (head.status, head.framing, head.keep_alive, reader.rest) == (status, framing, lasts, b"data:")


BAD_ANSWERS = [
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
    OK + b"content-length: five\r\n\r\n",
    OK + b"transfer-encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    OK + b"x: y\n\r\n",
    OK + b"x: y\r\n folded\r\n\r\n",
    OK + b"x : y\r\n\r\n",
    OK + b"x: \x00\r\n\r\n",
    b"HTTP/1.1 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/1.5 200 OK\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x15\x03\x03\x00\x02\x02\x46",  # a TLS alert
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",  # HTTP/2 settings
    b"data: {}\n\n",
    OK + b"a: b\r\n" * 300 + b"\r\n",
]


@pytest.mark.parametrize("raw", BAD_ANSWERS, ids=lambda raw: repr(raw)[:60])
def test_a_bad_answer_is_malformed_however_it_comes(raw: bytes) -> None:
    for pieces in cuts(raw, rounds=2):
        with pytest.raises(Malformed):
            fed(HeadReader.client("POST"), pieces)


def test_an_upstream_that_hangs_up() -> None:
    for start in (b"", OK):
        reader = HeadReader.client("POST")
        reader.feed(start)
        with pytest.raises(Broken):
            reader.eof()


# ---------------------------------------------------------------------------------------------------------------------
# h11 as the reference: whatever we let in, h11 lets in and takes for the same


def damaged(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(changed) + 1)
        put = bytes([chance.choice(b"\r\n:, \t\x00\x0b\x7f\xff019aZ/?#%")])
        changed[place : place + chance.choice([0, 1, 1, 2])] = chance.choice([put, b""])
    return bytes(changed)


def outcome(reader: HeadReader, pieces: list[bytes]) -> Any:
    try:
        return fed(reader, pieces), reader.rest
    except (RequestError, Malformed) as error:
        return type(error)


def pairs(event: h11.Request | h11.Response) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in event.headers]


@pytest.mark.parametrize("seed", range(300))
def test_we_never_read_a_damaged_request_otherwise_than_h11(seed: int) -> None:
    chance = random.Random(seed)
    fields = [b"content-length: 5", b"transfer-encoding: chunked", b"x: y", b"connection: close", b"expect: 100-continue"]
    lines = [b"POST /v1/a?b=c HTTP/1.1", b"host: h:1", *chance.sample(fields, 3)]
    data = damaged(b"\r\n".join(lines), chance) + b"\r\n\r\nhello"
    ours = outcome(HeadReader.server(), [data])
    for pieces in cuts(data, rounds=2):
        assert outcome(HeadReader.server(), pieces) == ours
    if isinstance(ours, tuple) and ours[0] is not None:
        head, rest = ours
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data.removeprefix(b"\r\n"))
        event = connection.next_event()
        assert isinstance(event, h11.Request)
        assert (event.method.decode(), event.target.decode()) == (head.method, head.target)
        assert pairs(event) == head.headers
        assert rest == b"hello"


@pytest.mark.parametrize("seed", range(300))
def test_a_head_that_is_nearly_a_known_one_is_read_as_if_nothing_was_known(seed: int) -> None:
    chance = random.Random(seed)
    before = b"POST /v1/a HTTP/1.1\r\nhost: h:1\r\nx-length: 7"
    length, after = b"\r\ncontent-length: 5\r\n", b"x: y\r\n\r\n"
    http1._known_request.cache_clear()
    assert request(before + length + after).framing == Framing("length", 5)
    data = before + damaged(length, chance) + after
    known = outcome(HeadReader.server(), [data])
    http1._known_request.cache_clear()
    assert known == outcome(HeadReader.server(), [data])
    if isinstance(known, tuple) and known[0] is not None:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        event = connection.next_event()
        assert isinstance(event, h11.Request)
        assert pairs(event) == known[0].headers


@pytest.mark.parametrize("seed", range(200))
def test_we_never_read_a_damaged_answer_otherwise_than_h11(seed: int) -> None:
    chance = random.Random(seed)
    fields = [b"content-length: 5", b"transfer-encoding: chunked", b"x: y", b"connection: close"]
    lines = [b"HTTP/1.1 200 OK", *chance.sample(fields, 2)]
    data = damaged(b"\r\n".join(lines), chance) + b"\r\n\r\nhello"
    ours = outcome(HeadReader.client("POST"), [data])
    for pieces in cuts(data, rounds=2):
        assert outcome(HeadReader.client("POST"), pieces) == ours
    if isinstance(ours, tuple) and ours[0] is not None:
        head, rest = ours
        event = h11_answer(data)
        assert (event.status_code, pairs(event)) == (head.status, head.headers)
        assert rest == b"hello"


NAMES = st.from_regex(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]{1,12}", fullmatch=True)
VALUES = st.from_regex(r"([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?)?", fullmatch=True)
SPACE = st.sampled_from(["", " ", "\t", " \t "])


@given(st.lists(st.tuples(NAMES, SPACE, VALUES, SPACE), max_size=6))
@settings(max_examples=200, deadline=None)
def test_we_read_any_fields_as_h11_reads_them(fields: list[tuple[str, str, str, str]]) -> None:
    special = {"host", "connection", "content-length", "expect", "transfer-encoding"}
    lines = [f"{name}:{lead}{value}{end}\r\n" for name, lead, value, end in fields if name.lower() not in special]
    rest = "".join(lines).encode("latin-1") + b"\r\n"
    assert request(b"GET / HTTP/1.1\r\nhost: h\r\n" + rest).headers == pairs(
        h11_request(b"GET / HTTP/1.1\r\nhost: h\r\n" + rest)
    )
    assert response(b"HTTP/1.1 200 OK\r\n" + rest).headers == pairs(h11_answer(b"HTTP/1.1 200 OK\r\n" + rest))


def h11_request(data: bytes) -> h11.Request:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    return event


def h11_answer(data: bytes, method: str = "POST") -> h11.Response:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "h"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Response)
    return event


@given(st.lists(st.binary(max_size=40), max_size=5))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_only_our_errors_go_out(pieces: list[bytes]) -> None:
    assert outcome(HeadReader.server(), [*pieces, b"\r\n\r\n"]) is not None
    assert outcome(HeadReader.client("POST"), [b"HTTP/1.1 ", *pieces, b"\r\n\r\n"]) is not None


def test_a_header_that_was_seen_before_is_judged_as_before() -> None:
    for line in (b"X-Seen: \t yes \r\n", b"X-Seen: " + 300 * b"y" + b"\r\n", b"x-seen: no\x00\r\n", b"x seen: no\r\n"):
        heads = []
        for _ in range(2):
            try:
                heads.append(HeadReader.server().feed(b"GET / HTTP/1.1\r\nhost: h\r\n" + line + b"\r\n"))
            except RequestError as error:
                heads.append(error.message)
        assert heads[0] == heads[1]

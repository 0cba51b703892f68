"""Heads of HTTP/1 messages, read in both roles and written (RFC 9112). Bodies are `body.py`'s.

One `HeadReader` reads one head. Bytes go in until the empty line has come; a head comes out, and what stands behind it is
in `rest`, where the body begins. Then the reader is spent: keep-alive and pipelining are a fresh reader that is fed what
the body's reader left over. h11 parses the head, on a connection of its own that sees the head's bytes and nothing else.

A proxy must never understand a message otherwise than its neighbours do (request smuggling), so the raw head is looked at
before h11 sees it, and what h11 would tolerate or repair is refused here:

    bare CR or LF, control characters, folded lines             _checked_lines
    versions but 1.1 and 1.0                                    _VERSIONS
    more than one content-length, one beside transfer-encoding,
    any transfer coding but one "chunked"                       _stated_framing
    a target that is not a path of ours                         _checked_target
    a host header that is more than a host and a port           _HOST

Outcomes: a head, None for need more, RequestError (server role, with the status to answer) or Malformed (client role).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl, unquote

import h11
from attrs import define

from ccproxy.errors import Broken, CcproxyError, Malformed, RequestError
from ccproxy.transport.body import CHUNKED, CLOSE, NONE, Framing

Headers = list[tuple[str, str]]

LIMIT = 64 * 1024
"""Bytes of a head. Keys, cookies and trace headers of agents stay under 8 KiB, but corporate proxies add tokens of tens of
KiB (nginx: 32 KiB, Node: 16 KiB, Go: 1 MiB)."""

FIELDS_LIMIT = 256
"""Headers of a message. SDKs send 20, gateways add as many (Apache: 100, aiohttp: 128, Node: 2000)."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# ---------------------------------------------------------------------------------------------------------------------
# What comes out


@define(kw_only=True)
class Head:
    """What both kinds of head have.

    headers: in order, names in lower case, values as latin-1 text, which keeps every byte.
    version: "1.1" or "1.0".
    keep_alive: whether the connection may serve another message of this kind after this one.
    framing: of the body; for an answer it already follows the request's method and the status (HEAD, 204, 304).
    """

    headers: Headers
    version: str
    keep_alive: bool
    framing: Framing

    def header(self, name: str) -> str | None:
        """The value of this header (a lower-case name); a repeated one's values joined by commas (RFC 9110, 5.3)."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


@define(kw_only=True)
class RequestHead(Head):
    """A client's head, judged and taken apart.

    target: as it was sent.
    path: the target's path, percent-decoded once but for %2F and %25, so that a slash in it is a slash of the route and
        `unquote` of one segment gives that segment exactly.
    query: decoded; of a repeated name the last value counts.
    expect_continue: the client waits for `CONTINUE` before it sends its body.
    peer: the client's address, for the log.
    """

    method: str
    target: str
    path: str
    query: dict[str, str]
    expect_continue: bool = False
    peer: str = ""


@define(kw_only=True)
class ResponseHead(Head):
    """An upstream's head."""

    status: int


# ---------------------------------------------------------------------------------------------------------------------
# Reading

_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")


class HeadReader:
    """Reads one head: of a request in the role `server`, of the answer to a `method` in the role `client`, where interim
    answers (100, 103) are skipped. `pending` tells how many bytes of an unfinished head it holds."""

    __slots__ = ("_buffer", "_limit", "_method", "_peer", "_role", "_scanned", "_skip_line", "rest")

    def __init__(
        self, role: Literal["server", "client"] = "server", limit: int = LIMIT, *, method: str = "GET", peer: str = ""
    ) -> None:
        self._role = role
        self._limit = limit
        self._method = method
        self._peer = peer
        self._buffer = bytearray()
        self._scanned = 0  # bytes of the buffer that were searched for its end
        self._skip_line = role == "server"  # RFC 9112, section 2.2: some clients send a line end after a body
        self.rest = b""

    @classmethod
    def server(cls, peer: str = "", limit: int = LIMIT) -> HeadReader:
        """For the next request of a client at the address `peer`."""
        return cls("server", limit, peer=peer)

    @classmethod
    def client(cls, method: str, limit: int = LIMIT) -> HeadReader:
        """For the answer to a request of this method."""
        return cls("client", limit, method=method)

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        return f"<HeadReader {self._role} pending={self.pending}>"

    def feed(self, data: bytes) -> RequestHead | ResponseHead | None:
        """The head once it is complete, None before. After a head or an error the reader is spent."""
        self._buffer += data
        try:
            while raw := self._whole_head():
                head = self._read(raw)
                if head:
                    self.rest = bytes(self._buffer)
                    self._buffer.clear()
                    return head
        except _Refused as refused:
            raise self._error(refused) from None
        return None

    def eof(self) -> None:
        """The connection was closed before a head was complete. No error for a client that was between two requests;
        RequestError if it was in the midst of a head; Broken for an upstream, which owed an answer."""
        if self._role == "client":
            raise Broken("the upstream closed the connection before it answered")
        if self._buffer:
            raise RequestError("the connection closed in the midst of a request's head")

    def _read(self, raw: bytes) -> RequestHead | ResponseHead | None:
        if self._role == "server":
            return _read_request(raw, self._peer)
        return _read_response(raw, self._method)

    def _error(self, refused: _Refused) -> CcproxyError:
        if self._role == "server":
            return RequestError(f"the request's head is refused: {refused}", status=refused.status)
        return Malformed(f"the head of the upstream's answer is refused: {refused}")

    def _whole_head(self) -> bytes:
        """Cuts the next head off the buffer, its empty line included; nothing while it is not complete."""
        buffer = self._buffer
        if self._skip_line and buffer.startswith(b"\r\n"):
            del buffer[:2]
            self._skip_line, self._scanned = False, 0
        end = buffer.find(_END, max(0, self._scanned - 3))
        if (end if end >= 0 else len(buffer) - 3) > self._limit:
            raise self._too_long()
        if end < 0:
            self._judge_start()
            self._scanned = len(buffer)
            return b""
        raw = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        self._scanned = 0
        return raw

    def _too_long(self) -> _Refused:
        in_target = self._role == "server" and self._buffer.find(b"\r\n", 0, self._limit) < 0
        return _Refused(f"it is longer than {self._limit} bytes", 414 if in_target else 431)

    def _judge_start(self) -> None:
        """Refuses at once what will never become a head, instead of waiting for its end."""
        start = bytes(self._buffer[:7])
        if self._role == "client" and start != b"HTTP/1."[: len(start)]:
            raise _Refused("it is not HTTP/1")
        if start and start[0] < 0x21 and start != b"\r":
            raise _Refused("it is not HTTP/1 (https to a port that speaks http?)")
        if _BARE_LF.search(self._buffer, self._scanned):
            raise _Refused(_ODD_BYTES)


# ---------------------------------------------------------------------------------------------------------------------
# Judging one raw head

_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_VERSION = re.compile(rb"HTTP/[0-9]+(\.[0-9]+)?")
_PLAIN = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_ODD_BYTES = "it holds a bare CR or LF, or another control character"
_FRAMING_FIELD = re.compile(rb"\n(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r]*?)[ \t]*\r", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}")  # below 2**63
_HOST = re.compile(r"[-A-Za-z0-9._~!$&'()*+;=%:\[\]]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Refused(Exception):
    """A head that is not let in; the reader makes an error of it that fits its role. `status` is for a client."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def _read_request(raw: bytes, peer: str) -> RequestHead:
    version = _checked_lines(raw, raw[: raw.index(b"\r\n")].rpartition(b" ")[2])
    framing = _stated_framing(raw, version) or NONE
    event = _parsed(h11.Connection(h11.SERVER), raw)
    assert isinstance(event, h11.Request)
    headers = _decoded_headers(event)
    target = _checked_target(event.method, event.target.decode("ascii"))
    path, _, query = target.partition("?")
    if not all(_HOST.fullmatch(value) for name, value in headers if name == "host"):
        raise _Refused("its host header is not a host and a port")
    return RequestHead(
        method=event.method.decode("ascii"),
        target=target,
        path=_decoded_path(path),
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=headers,
        version=version,
        keep_alive=version == "1.1" and "close" not in _options(headers, "connection"),
        framing=framing,
        expect_continue=_expects_continue(headers, version, framing),
        peer=peer,
    )


def _read_response(raw: bytes, method: str) -> ResponseHead | None:
    """None for an interim answer."""
    version = _checked_lines(raw, raw[:8])
    if raw[9:12] == b"101":
        raise _Refused("it switches protocols, which nobody asked for")
    stated = _stated_framing(raw, version)
    event = _parsed(_asking(method), raw)
    if isinstance(event, h11.InformationalResponse):
        return None
    assert isinstance(event, h11.Response)
    headers = _decoded_headers(event)
    framing = NONE if _bodiless(method, event.status_code) else stated or CLOSE
    lasts = version == "1.1" and framing.kind != "close" and "close" not in _options(headers, "connection")
    return ResponseHead(status=event.status_code, headers=headers, version=version, keep_alive=lasts, framing=framing)


def _bodiless(method: str, status: int) -> bool:
    """RFC 9112, section 6.3, rules 1 and 2."""
    return method == "HEAD" or status in (204, 304) or (method == "CONNECT" and 200 <= status < 300)


def _checked_lines(raw: bytes, word: bytes) -> str:
    if raw.count(b"\n") > FIELDS_LIMIT + 2:
        raise _Refused(f"it has more than {FIELDS_LIMIT} headers", 431)
    if len(raw.translate(None, _PLAIN)) != 2 * raw.count(b"\r\n"):
        raise _Refused(_ODD_BYTES)
    if b"\n " in raw or b"\n\t" in raw:
        raise _Refused("a header is folded over two lines")
    version = _VERSIONS.get(word)
    if version is None:
        known = _VERSION.fullmatch(word)
        raise _Refused("only HTTP/1.1 and HTTP/1.0 are spoken here", 505) if known else _Refused("it is not HTTP/1")
    return version


def _stated_framing(raw: bytes, version: str) -> Framing | None:
    """What content-length or transfer-encoding say, None without them (RFC 9112, sections 6.1 to 6.3)."""
    fields = [(name.lower(), value) for name, value in _FRAMING_FIELD.findall(raw)]
    if not fields:
        return None
    if len(fields) > 1:
        raise _Refused("it states the length of its body more than once")
    name, value = fields[0]
    if name == b"content-length":
        if not _LENGTH.fullmatch(value):
            raise _Refused("its content-length is not a number")
        return Framing("length", int(value))
    if version == "1.0":
        raise _Refused("HTTP/1.0 has no transfer-encoding")
    if value.lower() != b"chunked":
        raise _Refused("the only transfer coding understood here is chunked", 501)
    return CHUNKED


def _parsed(connection: h11.Connection, raw: bytes) -> object:
    try:
        connection.receive_data(raw)
        return connection.next_event()
    except h11.RemoteProtocolError as error:
        words = str(error).partition(" bytearray")[0]  # what follows quotes the line, which may hold a key
        raise _Refused(words.rstrip(":"), error.error_status_hint) from None


@cache
def _question(method: str) -> h11.Request:
    return h11.Request(method=method, target="/", headers=[("host", "-")])


def _asking(method: str) -> h11.Connection:
    """A connection that awaits the answer to this method; h11 wants to have sent the request itself."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(_question(method))
    connection.send(h11.EndOfMessage())
    return connection


def _decoded_headers(event: h11.Request | h11.Response) -> Headers:
    return [(name.decode("ascii").lower(), value.decode("latin-1")) for name, value in event.headers.raw_items()]


def _options(headers: Headers, name: str) -> list[str]:
    """The comma-separated words of this header, in lower case."""
    return [word.strip().lower() for key, value in headers if key == name for word in value.split(",")]


def _checked_target(method: bytes, target: str) -> str:
    """Origin-form, or the asterisk of OPTIONS. The others of RFC 9112, section 3.2, are for forward proxies."""
    if target.startswith("/") and "#" not in target:
        return target
    if method == b"OPTIONS" and target == "*":
        return target
    raise _Refused("its target is not a path: this server is not a forward proxy")


def _decoded_path(path: str) -> str:
    if "%" not in path:
        return path
    try:
        decoded = unquote(re.sub("%(2[Ff5])", r"%25\1", path), errors="strict")
    except UnicodeDecodeError:
        raise _Refused("its path is not UTF-8") from None
    if _CONTROL.search(decoded):
        raise _Refused("its path holds a control character")
    return decoded


def _expects_continue(headers: Headers, version: str, framing: Framing) -> bool:
    """RFC 9110, section 10.1.1."""
    expected = [option for option in _options(headers, "expect") if option]
    if version == "1.0" or not expected:
        return False
    if expected != ["100-continue"]:
        raise _Refused("it expects something other than 100-continue", 417)
    return framing not in (NONE, Framing("length", 0))


# ---------------------------------------------------------------------------------------------------------------------
# Writing. By hand, as it is only lines in a row; the tests let h11 read every head that is written here.

_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


def request_bytes(
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body_length: int,
    *,
    host: str = "",
    keep_alive: bool = True,
) -> bytes:
    """A request's head. The body, of `body_length` bytes, goes behind it as it is.

    target: path and query, already percent-encoded. host: what `authority` gives; a host header among `headers` wins.
    Framing and connection headers among `headers` are left out: they are decided here. Raises RequestError for a target
    that cannot stand in a request line (it may hold a client's words), CcproxyError for a header that cannot be sent.
    """
    if not _TARGET.fullmatch(target) or not _TOKEN.fullmatch(method):
        raise RequestError("the upstream's URL cannot hold this: a space, a control or a non-ASCII character")
    fields = list(headers)
    named = next((value for name, value in fields if name.lower() == "host"), host)
    lines = [f"{method} {target} HTTP/1.1\r\n", *_lines([("host", named)])]
    lines += _lines(field for field in fields if field[0].lower() != "host")
    if body_length or method in _WITH_BODY:
        lines.append(f"content-length: {body_length}\r\n")
    lines.append("\r\n" if keep_alive else "connection: close\r\n\r\n")
    return "".join(lines).encode("latin-1")


def response_bytes(
    status: int,
    headers: Iterable[tuple[str, str]],
    framing: Framing,
    keep_alive: bool = True,
    version: str = "1.1",
) -> bytes:
    """An answer's head, for a client that speaks `version`. Framing and connection headers among `headers` are left out.

    framing: of the body that follows; `stream_framing(version)` for one of unknown length. For the answer to HEAD, the
        framing that the body would have. The connection says close when it cannot outlast the answer: `not keep_alive`,
        HTTP/1.0, or a body until close.
    Raises CcproxyError for a header that cannot be sent.
    """
    fields = list(headers)
    if framing.kind == "chunked":
        framing = stream_framing(version)
    options = ["close"] if not keep_alive or version == "1.0" or framing.kind == "close" else []
    options += ["upgrade"] if any(name.lower() == "upgrade" for name, _ in fields) else []  # RFC 9110, section 7.8
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n", *_lines(fields), _framing_line(framing, status)]
    lines.append(f"connection: {', '.join(options)}\r\n\r\n" if options else "\r\n")
    return "".join(lines).encode("latin-1")


def _framing_line(framing: Framing, status: int) -> str:
    """RFC 9110, section 8.6: no length for 1xx and 204; for 304 the one that 200 would have, if that is known."""
    if framing.kind == "chunked":
        return "transfer-encoding: chunked\r\n"
    if framing.kind == "close" or status < 200 or status == 204 or (status == 304 and not framing.length):
        return ""
    return f"content-length: {framing.length}\r\n"


def stream_framing(version: str) -> Framing:
    """How an answer of unknown length is framed for a client of this version: chunked, or until close for HTTP/1.0."""
    return CHUNKED if version == "1.1" else CLOSE


def authority(host: str, port: int, scheme: str = "") -> str:
    """`host:port` as a host header and CONNECT have it: IPv6 in brackets, no port where it is the scheme's own."""
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return name if port == {"http": 80, "https": 443}.get(scheme) else f"{name}:{port}"


def _lines(fields: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, value in fields:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise CcproxyError(f"the header {name[:40]!r} holds a character that no header may hold")
        if name.lower() not in _OURS:
            lines.append(f"{name}: {value}\r\n")
    return lines

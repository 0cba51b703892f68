"""Heads of HTTP/1 messages, read in both roles (RFC 9112). Written they are by `heads_out`; bodies are `body.py`'s.

One `HeadReader` reads one head. Bytes go in until the empty line has come; a head comes out, and what stands behind it is
in `rest`, where the body begins. Then the reader is spent: keep-alive and pipelining are a fresh reader that is fed what
the body's reader left over.

A proxy must never understand a message otherwise than its neighbours do (request smuggling), so that nothing is tolerated
or repaired; refused are:

    bare CR or LF, control characters, folded lines,
    white space before a colon, anything that is no field       _read_fields
    versions but 1.1 and 1.0                                    _REQUEST_LINE, _STATUS_LINE
    more than one content-length or transfer-encoding           _by_name
    a content-length beside transfer-encoding,
    any transfer coding but one "chunked"                       _stated_framing
    a target that is not a path of ours                         _check_target
    no or two host headers, more than a host and a port         _check_host

Fast for a reason: two heads are read for each request, between the client and its first token. h11 executed a third of all
instructions of a streamed request for them (callgrind). Here the bytes of all fields are judged in one go, and their names
looked up once they were seen. An agent's requests repeat their whole head but for the content-length's digits, so that a
head which was read in full before, with any other digits in their place, is only looked up (`_known_request`). h11 is the
reference in the tests instead: whatever is let in here, h11 lets in and understands in the same way.

Outcomes: a head, None for need more, RequestError (server role, with the status to answer) or Malformed (client role).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, KeysView
from functools import lru_cache, partial
from operator import methodcaller
from typing import Generic, Literal, TypeVar
from urllib.parse import parse_qsl, unquote

from attrs import define, field

from ccproxy.errors import Broken, CcproxyError, Malformed, RequestError
from ccproxy.transport.body import CHUNKED, CLOSE, NONE, Framing

Headers = list[tuple[str, str]]

LIMIT = 64 * 1024
"""Bytes of a head. Keys, cookies and trace headers of agents stay under 8 KiB, but corporate proxies add tokens of tens of
KiB (nginx: 32 KiB, Node: 16 KiB, Go: 1 MiB)."""

FIELDS_LIMIT = 256
"""Headers of a message. SDKs send 20, gateways add as many (Apache: 100, aiohttp: 128, Node: 2000)."""

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
    _fields: dict[str, str] | None = field(default=None, eq=False, repr=False)  # by name, once they were asked for

    def header(self, name: str) -> str | None:
        """The value of this header (a lower-case name); a repeated one's values joined by commas (RFC 9110, 5.3)."""
        fields = self._fields
        return (self.by_name if fields is None else fields).get(name)

    @property
    def names(self) -> KeysView[str]:
        """Of the headers, in lower case."""
        return self.by_name.keys()

    @property
    def by_name(self) -> dict[str, str]:
        """The headers' values, as `header` gives them."""
        if self._fields is None:
            self._fields = joined(self.headers)
        return self._fields


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By name; a header that stands twice says both (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


@define(kw_only=True)
class RequestHead(Head):
    """A client's head, judged and taken apart.

    target: as it was sent.
    path: the target's path, percent-decoded once but for %2F and %25, so that a slash in it is a slash of the route and
        `unquote` of one segment gives that segment exactly.
    query: decoded; of a repeated name the last value counts.
    expect_continue: the client waits for `CONTINUE` before it sends its body.
    peer: the client's address, for the log.
    likeness: one object for all heads that differ in nothing but content-length and peer, so that what does not depend on
        these is decided once for all of them. None for a head that is not remembered.
    """

    method: str
    target: str
    path: str
    query: dict[str, str]
    expect_continue: bool = False
    peer: str = ""
    likeness: object | None = field(default=None, eq=False, repr=False)


@define(kw_only=True)
class ResponseHead(Head):
    """An upstream's head."""

    status: int


# ---------------------------------------------------------------------------------------------------------------------
# Reading

_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")


HeadT = TypeVar("HeadT", bound=Head)


class HeadReader(Generic[HeadT]):
    """Reads one head: `server` makes one for a request, `client` one for an answer, where interim answers (100, 103) are
    skipped. `pending` tells how many bytes of an unfinished head it holds."""

    __slots__ = ("_held", "_limit", "_read", "_role", "_scanned", "_skip_line", "rest")

    def __init__(self, role: Literal["server", "client"], limit: int, read: Callable[[bytes], HeadT | None]) -> None:
        """read: makes a head of its raw bytes; nothing of those of an interim answer."""
        self._role = role
        self._limit = limit
        self._read = read
        self._held: bytes | bytearray = b""  # of a head that is not complete; nearly every head comes in one read
        self._scanned = 0  # bytes of it that were searched for its end
        self._skip_line = role == "server"  # RFC 9112, section 2.2: some clients send a line end after a body
        self.rest = b""

    @classmethod
    def server(cls, peer: str = "", limit: int = LIMIT) -> HeadReader[RequestHead]:
        """For the next request of a client at the address `peer`."""
        return HeadReader("server", limit, partial(_read_request, peer=peer))

    @classmethod
    def client(cls, method: str, limit: int = LIMIT) -> HeadReader[ResponseHead]:
        """For the answer to a request of this method."""
        return HeadReader("client", limit, partial(_read_response, method=method))

    @property
    def pending(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<HeadReader {self._role} pending={self.pending}>"

    def feed(self, data: bytes) -> HeadT | None:
        """The head once it is complete, None before. After a head or an error the reader is spent."""
        try:
            if not self._held and not data.startswith(LINE_END):
                end = data.find(_END) + 4
                if 4 <= end <= self._limit + 4:  # the usual: the whole head in one read
                    head = self._read(data[:end])
                    data = data[end:]
                    if head is not None:
                        self.rest = data
                        return head
            if self._held:
                self._held += data
            else:
                self._held = data
            while raw := self._whole_head():
                head = self._read(raw)
                if head is not None:
                    self.rest = bytes(self._held)
                    self._held = b""
                    return head
        except _Refused as refused:
            raise self._error(refused) from None
        if not isinstance(self._held, bytearray):
            self._held = bytearray(self._held)
        return None

    def eof(self) -> None:
        """The connection was closed before a head was complete. No error for a client that was between two requests;
        RequestError if it was in the midst of a head; Broken for an upstream, which owed an answer."""
        if self._role == "client":
            raise Broken("the upstream closed the connection before it answered")
        if self._held:
            raise RequestError("the connection closed in the midst of a request's head")

    def _error(self, refused: _Refused) -> CcproxyError:
        if self._role == "server":
            return RequestError(f"the request's head is refused: {refused}", status=refused.status)
        return Malformed(f"the head of the upstream's answer is refused: {refused}")

    def _whole_head(self) -> bytes:
        """Cuts the next head off what is held, its empty line included; nothing while it is not complete."""
        held = self._held
        if self._skip_line and held[:2] == b"\r\n":
            held = self._held = held[2:]
            self._skip_line, self._scanned = False, 0
        end = held.find(_END, max(0, self._scanned - 3))
        if (end if end >= 0 else len(held) - 3) > self._limit:
            raise self._too_long()
        if end < 0:
            self._judge_start()
            self._scanned = len(held)
            return b""
        self._held = held[end + 4 :]
        self._scanned = 0
        return bytes(held[: end + 4])

    def _too_long(self) -> _Refused:
        in_target = self._role == "server" and self._held.find(b"\r\n", 0, self._limit) < 0
        return _Refused(f"it is longer than {self._limit} bytes", 414 if in_target else 431)

    def _judge_start(self) -> None:
        """Refuses at once what will never become a head, instead of waiting for its end."""
        start = bytes(self._held[:7])
        if self._role == "client" and start != b"HTTP/1."[: len(start)]:
            raise _Refused("it is not HTTP/1")
        if start and start[0] < 0x21 and start != b"\r":
            raise _Refused("it is not HTTP/1 (https to a port that speaks http?)")
        if _BARE_LF.search(self._held, self._scanned):
            raise _Refused(_ODD_BYTES)


# ---------------------------------------------------------------------------------------------------------------------
# Judging one raw head

_NAME = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"  # RFC 9110, section 5.6.2: token
_TEXT = r"[\t\x20-\x7e\x80-\xff]*"  # section 5.5, with white space at its ends
_REQUEST_LINE = re.compile(rf"({_NAME}) ([\x21-\x7e]+) HTTP/(1\.[01])\r\n")
_STATUS_LINE = re.compile(rf"HTTP/(1\.[01]) ([1-9][0-9][0-9])(?: {_TEXT})?\r\n")
TOKEN = re.compile(_NAME)
_LENGTH_DIGITS = 18  # below 2**63
_LENGTH = re.compile(rf"[0-9]{{1,{_LENGTH_DIGITS}}}")
_HOST = re.compile(r"[-A-Za-z0-9._~!$&'()*+;=%:\[\]]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
PLAIN = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
"""What may stand in a line: without it, nothing but the line ends is left of a head."""
LINE_END = b"\r\n"


_NAMES, _LONG_NAME = 1024, 64
"""How many names are remembered, and the characters of the longest."""

KnownT = TypeVar("KnownT")


class Known(dict[str, KnownT]):
    """What `judge` says of a header's name, looked up once it was asked; `judge` raises for what is no name. All messages
    together have a few dozen names."""

    def __init__(self, judge: Callable[[str], KnownT]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, name: str) -> KnownT:
        judged = self._judge(name)
        if len(name) <= _LONG_NAME:
            if len(self) >= _NAMES:
                self.clear()
            self[name] = judged
        return judged


class _Refused(Exception):
    """A head that is not let in; the reader makes an error of it that fits its role. `status` is for a client."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def _read_request(raw: bytes, peer: str) -> RequestHead:
    return _recognised(raw, peer) or _judged(raw, peer)


def _judged(raw: bytes, peer: str) -> RequestHead:
    text = raw.decode("latin-1")
    line = _REQUEST_LINE.match(text)
    if line is None:
        raise _why_not(raw, raw[: raw.index(b"\r\n")].rpartition(b" ")[2], "illegal request line")
    method, target, version = line.groups()
    headers = _read_fields(raw, text, line.end())
    fields = _by_name(headers)
    framing = _stated_framing(fields, version) or NONE
    _check_target(method, target)
    alone = len(fields) == len(headers) and "host" in fields
    _check_host([fields["host"]] if alone else [value for name, value in headers if name == "host"], version)
    path, _, query = target.partition("?")
    return RequestHead(
        method=method,
        target=target,
        path=_decoded_path(path) if "%" in path else path,
        query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        headers=headers,
        fields=fields,
        version=version,
        keep_alive=version == "1.1" and "close" not in _options(fields, "connection"),
        framing=framing,
        expect_continue="expect" in fields and _expects_continue(fields, version, framing),
        peer=peer,
    )


_LENGTH_FIELDS = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")
"""As clients write it."""

LONG_HEAD = 4096
"""Bytes above which a head is not remembered."""


def _recognised(raw: bytes, peer: str) -> RequestHead | None:
    """The head, where one that differs in the digits of its length only was read before or can be read now; None where
    there are no such digits. What was judged then holds now: digits for digits leave every other byte in its place and part
    of the same line."""
    for name in _LENGTH_FIELDS:
        at = raw.find(name)
        if at >= 0:
            break
    else:
        return None
    at += len(name)
    end = raw.find(b"\r", at)
    digits = raw[at:end]
    if len(raw) > LONG_HEAD or not digits.isdigit() or len(digits) > _LENGTH_DIGITS:
        return None
    length = int(digits)
    if not length:
        return None
    known, place = _known_request(raw[:at], raw[end:])
    said = digits.decode()
    headers = known.headers.copy()
    headers[place] = ("content-length", said)
    return RequestHead(
        method=known.method,
        target=known.target,
        path=known.path,
        query=known.query,
        headers=headers,
        fields={**known.by_name, "content-length": said},
        version=known.version,
        keep_alive=known.keep_alive,
        framing=Framing("length", length),
        expect_continue=known.expect_continue,
        peer=peer,
        likeness=known.likeness,
    )


@lru_cache(64)
def _known_request(start: bytes, end: bytes) -> tuple[RequestHead, int]:
    """The head with a content-length of 1 between what is before it and what is behind, and where that stands among its
    headers. Raises _Refused, which is not remembered. A look at it tells nobody how far another client's secret agrees with
    its own: heads are found by a keyed hash of all their bytes."""
    head = _judged(start + b"1" + end, "")
    head.likeness = object()
    return head, head.headers.index(("content-length", "1"))


def _read_response(raw: bytes, method: str) -> ResponseHead | None:
    """None for an interim answer."""
    text = raw.decode("latin-1")
    line = _STATUS_LINE.match(text)
    if line is None:
        raise _why_not(raw, raw[:8], "illegal status line")
    version, status = line[1], int(line[2])
    headers = _read_fields(raw, text, line.end())
    fields = _by_name(headers)
    stated = _stated_framing(fields, version)
    if status < 200:
        if status == 101:
            raise _Refused("it switches protocols, which nobody asked for")
        return None
    framing = NONE if _bodiless(method, status) else stated or CLOSE
    lasts = version == "1.1" and framing.kind != "close" and "close" not in _options(fields, "connection")
    return ResponseHead(status=status, headers=headers, fields=fields, version=version, keep_alive=lasts, framing=framing)


def _bodiless(method: str, status: int) -> bool:
    """RFC 9112, section 6.3, rules 1 and 2."""
    return method == "HEAD" or status in (204, 304) or (method == "CONNECT" and 200 <= status < 300)


def _read_fields(raw: bytes, text: str, start: int) -> Headers:
    """The header fields behind the first line, which ends at `start`. A field is all that stands between two line ends, and
    holds no part of one: nothing is left out, split or joined."""
    lines = text[start:-2].split("\r\n")
    lines.pop()  # behind the last line end
    if len(lines) > FIELDS_LIMIT:
        raise _too_many()
    if raw.translate(None, PLAIN) != LINE_END * (len(lines) + 2):
        raise _why_not(raw, None, "illegal header line")
    try:
        return [(_READ_NAMES[name], value.strip(" \t")) for name, value in map(_cut, lines)]
    except ValueError:  # a line without a colon, or with something else than a name before it
        raise _why_not(raw, None, "illegal header line") from None


_cut = methodcaller("split", ":", 1)


def _lower_name(name: str) -> str:
    if TOKEN.fullmatch(name) is None:
        raise ValueError(name)
    return name.lower()


_READ_NAMES = Known(_lower_name)


def _by_name(headers: Headers) -> dict[str, str]:
    """Refuses a length that stands twice (RFC 9112, section 6.3)."""
    fields = dict(headers)
    if len(fields) == len(headers):
        return fields
    names = [name for name, _ in headers]
    if names.count("content-length") + names.count("transfer-encoding") > 1:
        raise _Refused(_TWO_LENGTHS)
    return joined(headers)


_TWO_LENGTHS = "it states the length of its body more than once"


def _stated_framing(fields: dict[str, str], version: str) -> Framing | None:
    """What content-length or transfer-encoding say, None without them (RFC 9112, sections 6.1 to 6.3)."""
    length, coding = fields.get("content-length"), fields.get("transfer-encoding")
    if coding is None:
        if length is None:
            return None
        if not _LENGTH.fullmatch(length):
            raise _Refused("its content-length is not a number")
        return Framing("length", int(length))
    if length is not None:
        raise _Refused(_TWO_LENGTHS)
    if version == "1.0":
        raise _Refused("HTTP/1.0 has no transfer-encoding")
    if coding.lower() != "chunked":
        raise _Refused("the only transfer coding understood here is chunked", 501)
    return CHUNKED


def _options(fields: dict[str, str], name: str) -> list[str]:
    """The comma-separated words of this header, in lower case."""
    return [word.strip().lower() for word in fields[name].split(",")] if name in fields else []


def _check_target(method: str, target: str) -> None:
    """Origin-form, or the asterisk of OPTIONS. The others of RFC 9112, section 3.2, are for forward proxies."""
    if (target[0] != "/" or "#" in target) and (method, target) != ("OPTIONS", "*"):
        raise _Refused("its target is not a path: this server is not a forward proxy")


def _check_host(hosts: list[str], version: str) -> None:
    """RFC 9112, section 3.2."""
    if len(hosts) > 1:
        raise _Refused("it has more than one Host header")
    if not hosts and version == "1.1":
        raise _Refused("it has no Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise _Refused("its host header is not a host and a port")


def _decoded_path(path: str) -> str:
    try:
        decoded = unquote(re.sub("%(2[Ff5])", r"%25\1", path), errors="strict")
    except UnicodeDecodeError:
        raise _Refused("its path is not UTF-8") from None
    if _CONTROL.search(decoded):
        raise _Refused("its path holds a control character")
    return decoded


def _expects_continue(fields: dict[str, str], version: str, framing: Framing) -> bool:
    """RFC 9110, section 10.1.1."""
    expected = [option for option in _options(fields, "expect") if option]
    if version == "1.0" or not expected:
        return False
    if expected != ["100-continue"]:
        raise _Refused("it expects something other than 100-continue", 417)
    return framing not in (NONE, Framing("length", 0))


# Why a head is refused is found out only then: the expressions above say no more than that it is.

_VERSIONS = (b"HTTP/1.1", b"HTTP/1.0")
_VERSION = re.compile(rb"HTTP/[0-9]+(\.[0-9]+)?")
_ODD_BYTES = "it holds a bare CR or LF, or another control character"


def _why_not(raw: bytes, version: bytes | None, otherwise: str) -> _Refused:
    """What is wrong with lines that do not match. version: as the first line has it; None if that one matched."""
    if raw.count(b"\n") > FIELDS_LIMIT + 2:
        return _too_many()
    if len(raw.translate(None, PLAIN)) != 2 * raw.count(b"\r\n"):
        return _Refused(_ODD_BYTES)
    if b"\n " in raw or b"\n\t" in raw:
        return _Refused("a header is folded over two lines")
    if version is not None and version not in _VERSIONS:
        known = _VERSION.fullmatch(version)
        return _Refused("only HTTP/1.1 and HTTP/1.0 are spoken here", 505) if known else _Refused("it is not HTTP/1")
    return _Refused(otherwise)


def _too_many() -> _Refused:
    return _Refused(f"it has more than {FIELDS_LIMIT} headers", 431)

"""Heads of HTTP/1 messages, written (RFC 9112). Read they are by `http1`; bodies are `body.py`'s.

By hand, as it is only lines in a row; the tests let h11 read every head that is written here.

Fast for a reason: a head is written on each side of a request, between the client and its first token. All values are
judged in one go, names are looked up once they were seen, and so is the whole head that the same provider was sent before
(`request_bytes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from ccproxy.errors import CcproxyError, RequestError
from ccproxy.transport.body import CHUNKED, CLOSE, Framing
from ccproxy.transport.http1 import LINE_END, LONG_HEAD, PLAIN, TOKEN, Known

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_TARGET = re.compile(r"[\x21-\x7e]+")
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
    Framing and connection headers among `headers` are left out: they are decided here. What a tuple of them becomes is
    remembered: a provider is sent the same head again and again, but for the length. Raises RequestError for a target
    that cannot stand in a request line (it may hold a client's words), CcproxyError for a header that cannot be sent.
    """
    start = _known_start(method, target, headers, host) if type(headers) is tuple else _start(method, target, headers, host)
    end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
    return b"%bcontent-length: %d\r\n%b" % (start, body_length, end) if body_length or method in _WITH_BODY else start + end


_starts: dict[object, bytes] = {}
_STARTS = 64
"""Heads that are remembered: a few for each model of each provider."""


def _known_start(method: str, target: str, headers: tuple[tuple[str, str], ...], host: str) -> bytes:
    asked = (method, target, headers, host)
    start = _starts.get(asked)
    if start is None:
        start = _start(method, target, headers, host)
        if len(start) <= LONG_HEAD:
            if len(_starts) >= _STARTS:
                _starts.clear()
            _starts[asked] = start
    return start


def _start(method: str, target: str, headers: Iterable[tuple[str, str]], host: str) -> bytes:
    """The head up to what is said of the body."""
    if not _TARGET.fullmatch(target) or not TOKEN.fullmatch(method):
        raise RequestError("the upstream's URL cannot hold this: a space, a control or a non-ASCII character")
    fields = list(headers)
    hosts = [field for field in fields if field[0].lower() == "host"]
    if hosts:
        host = hosts[0][1]
        fields = [field for field in fields if field not in hosts]
    return f"{method} {target} HTTP/1.1\r\n{_lines([('host', host), *fields])}".encode("latin-1")


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
    text = (_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n") + _lines(fields) + _framing_line(framing, status)
    options = ["close"] if not keep_alive or version == "1.0" or framing.kind == "close" else []
    if "upgrade:" in text.lower() and any(name.lower() == "upgrade" for name, _ in fields):
        options.append("upgrade")  # RFC 9110, section 7.8
    end = f"connection: {', '.join(options)}\r\n\r\n" if options else "\r\n"
    return (text + end).encode("latin-1")


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


@lru_cache(256)
def authority(host: str, port: int, scheme: str = "") -> str:
    """`host:port` as a host header and CONNECT have it: IPv6 in brackets, no port where it is the scheme's own."""
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return name if port == {"http": 80, "https": 443}.get(scheme) else f"{name}:{port}"


def _lines(fields: Iterable[tuple[str, str]]) -> str:
    """The headers' lines, without what is decided here."""
    lines = [f"{name}: {value}\r\n" for name, value in fields if _SENT_NAMES[name]]
    text = "".join(lines)
    try:
        ends = text.encode("latin-1").translate(None, PLAIN)
    except UnicodeEncodeError:
        ends = b""
    if ends != LINE_END * len(lines):
        bad = next(line for line in lines if line.translate(_PLAIN_TEXT) != "\r\n")
        raise _unsendable(bad.partition(":")[0])
    return text


_PLAIN_TEXT = dict.fromkeys(PLAIN)


def _is_sent(name: str) -> bool:
    if not TOKEN.fullmatch(name):
        raise _unsendable(name)
    return name.lower() not in _OURS


_SENT_NAMES = Known(_is_sent)


def _unsendable(name: str) -> CcproxyError:
    return CcproxyError(f"the header {name[:40]!r} holds a character that no header may hold")

"""The way through an outbound proxy: HTTP CONNECT (RFC 9110, section 9.3.6) or SOCKS5 (RFC 1928, with the user name and
password of RFC 1929).

A tunnel is a conversation before the conversation. Once connected to the proxy (and, where its scheme is `https`, once TLS
with the proxy stands), the runtime sends `first_bytes()`, feeds what comes, sends what `feed` returns, and goes on with
its own TLS or HTTP when `done`; `rest` then holds bytes that came early. Any refusal is Unreachable, which names the proxy
by host and port and never holds its credentials.

Host names are always resolved by the proxy, in `socks5` as in `socks5h`: a machine that needs a proxy often cannot.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Protocol
from urllib.parse import unquote, urlsplit

import socksio
from attrs import field, frozen
from socksio import socks5

from ccproxy.errors import ConfigError, Malformed, Unreachable
from ccproxy.transport.heads_out import authority, request_bytes
from ccproxy.transport.http1 import HeadReader, ResponseHead

_HOST = re.compile(r"[-A-Za-z0-9._:%]+")
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

SOCKS_FIELD = 255
"""Bytes of a SOCKS5 user name, password or host name: their lengths are one byte each."""


@frozen
class Proxy:
    """An outbound proxy. Credentials are empty when it wants none; they are not in the repr."""

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """For messages: no credentials in it."""
        return authority(self.host, self.port)


def parse_proxy(url: str) -> Proxy:
    """Reads `scheme://[user[:password]@]host[:port]`. Raises ConfigError, whose message does not repeat the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise ConfigError(["proxy: not a URL of the form scheme://user:password@host:port"]) from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ConfigError([f"proxy: the URL must begin with one of {', '.join(f'{s}://' for s in _DEFAULT_PORTS)}"])
    if not _HOST.fullmatch(host) or port == 0 or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(["proxy: the URL must name a host in ASCII, and nothing behind its port"])
    proxy = Proxy(
        scheme=parts.scheme,
        host=host,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
    if parts.scheme.startswith("socks") and max(len(proxy.username.encode()), len(proxy.password.encode())) > SOCKS_FIELD:
        raise ConfigError([f"proxy: SOCKS5 user names and passwords have at most {SOCKS_FIELD} bytes"])
    return proxy


class Tunnel(Protocol):
    """What a runtime drives, whichever kind of proxy it is."""

    done: bool
    rest: bytes

    def first_bytes(self) -> bytes:
        """What to send to begin with."""

    def feed(self, data: bytes) -> bytes:
        """Takes what the proxy sent; gives what to send next, often nothing. Raises Unreachable."""

    def eof(self) -> None:
        """The proxy closed the connection. Raises Unreachable unless `done`."""


def tunnel_for(proxy: Proxy, host: str, port: int) -> Tunnel:
    """The tunnel to `host` and `port` that this proxy offers."""
    return (Socks5 if proxy.scheme.startswith("socks5") else Connect)(host, port, proxy)


class _Tunnel:
    __slots__ = ("_host", "_port", "_proxy", "done", "rest")

    def __init__(self, host: str, port: int, proxy: Proxy) -> None:
        self._host = host
        self._port = port
        self._proxy = proxy
        self.done = False
        self.rest = b""

    def __repr__(self) -> str:
        state = "done" if self.done else "open"
        return f"<{type(self).__name__} {authority(self._host, self._port)} by {self._proxy.name} {state}>"

    def eof(self) -> None:
        if not self.done:
            raise self._refused("closed the connection")

    @property
    def _has_credentials(self) -> bool:
        return bool(self._proxy.username or self._proxy.password)

    def _refused(self, how: str) -> Unreachable:
        return Unreachable(f"the proxy {self._proxy.name} {how} on the way to {authority(self._host, self._port)}")

    def _end(self, rest: bytes) -> None:
        self.done = True
        self.rest = rest


class Connect(_Tunnel):
    """Through an HTTP proxy."""

    __slots__ = ("_reader",)

    def __init__(self, host: str, port: int, proxy: Proxy) -> None:
        super().__init__(host, port, proxy)
        self._reader = HeadReader.client("CONNECT")

    def first_bytes(self) -> bytes:
        headers = []
        if self._has_credentials:
            pair = f"{self._proxy.username}:{self._proxy.password}".encode()
            headers.append(("proxy-authorization", f"Basic {b64encode(pair).decode()}"))
        where = authority(self._host, self._port)
        return request_bytes("CONNECT", where, headers, 0, host=where)

    def feed(self, data: bytes) -> bytes:
        if self.done:
            self.rest += data
            return b""
        try:
            head = self._reader.feed(data)
        except Malformed as error:
            raise self._refused("answered with something that is not HTTP/1") from error
        if isinstance(head, ResponseHead):
            self._judge(head)
        return b""

    def _judge(self, head: ResponseHead) -> None:
        if 200 <= head.status < 300:
            self._end(self._reader.rest)
        elif head.status == 407:
            how = "refused" if self._has_credentials else "wants"
            raise self._refused(f"answered 407, it {how} a user name and a password,")
        else:
            raise self._refused(f"answered {head.status}")


_IPV4, _NAME, _IPV6 = 1, 3, 4
"""Types of address in a reply (RFC 1928, section 5)."""


class Socks5(_Tunnel):
    """Through a SOCKS5 proxy: greet, log in where asked to, ask for the connection. socksio speaks; cutting the replies
    out of the stream is ours, as it wants each one whole."""

    __slots__ = ("_buffer", "_socks")

    def __init__(self, host: str, port: int, proxy: Proxy) -> None:
        super().__init__(host, port, proxy)
        self._socks = socks5.SOCKS5Connection()
        self._buffer = b""

    def first_bytes(self) -> bytes:
        methods = [socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED]
        if self._has_credentials:
            methods.append(socks5.SOCKS5AuthMethod.USERNAME_PASSWORD)
        self._socks.send(socks5.SOCKS5AuthMethodsRequest(methods))
        return self._socks.data_to_send()

    def feed(self, data: bytes) -> bytes:
        if self.done:
            self.rest += data
            return b""
        self._buffer += data
        while not self.done and (size := self._reply_size()) <= len(self._buffer):
            reply, self._buffer = self._buffer[:size], self._buffer[size:]
            self._take(reply)
        return self._socks.data_to_send()

    def _reply_size(self) -> int:
        """The bytes of the reply that is due, or of as much of it as tells how long it is."""
        if self._socks.state != socks5.SOCKS5State.CLIENT_AUTHENTICATED:
            return 2
        if len(self._buffer) < 5:
            return 5
        sizes = {_IPV4: 4, _NAME: 1 + self._buffer[4], _IPV6: 16}
        if self._buffer[3] not in sizes:
            raise self._refused("broke the SOCKS5 protocol")
        return 4 + sizes[self._buffer[3]] + 2

    def _take(self, data: bytes) -> None:
        try:
            reply = self._socks.receive_data(data)
        except socksio.SOCKSError as error:
            raise self._refused("broke the SOCKS5 protocol") from error
        if isinstance(reply, socks5.SOCKS5AuthReply):
            self._log_in(reply.method)
        elif isinstance(reply, socks5.SOCKS5UsernamePasswordReply):
            if not reply.success:
                raise self._refused("refused the user name and password")
            self._ask()
        elif reply.reply_code != socks5.SOCKS5ReplyCode.SUCCEEDED:
            raise self._refused(f"answered {reply.reply_code.name.lower().replace('_', ' ')!r}")
        else:
            self._end(self._buffer)

    def _log_in(self, method: socks5.SOCKS5AuthMethod) -> None:
        if method == socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED:
            self._ask()
        elif method == socks5.SOCKS5AuthMethod.USERNAME_PASSWORD and self._has_credentials:
            pair = (self._proxy.username.encode(), self._proxy.password.encode())
            self._socks.send(socks5.SOCKS5UsernamePasswordRequest(*pair))
        else:
            raise self._refused("wants another kind of login")

    def _ask(self) -> None:
        if len(self._host.encode()) > SOCKS_FIELD:
            raise self._refused("cannot be told a host name of that length")
        where = (self._host, self._port)
        self._socks.send(socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, where))

"""Who may use the server: proxy keys, and the guard against web pages where there are none (DESIGN 7)."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from ccproxy.errors import Forbidden, Unauthorized
from ccproxy.transport.http1 import RequestHead

_TOKEN_HEADERS = ("x-api-key", "x-goog-api-key", "api-key")


def tokens_of(head: RequestHead) -> list[str]:
    """The tokens that the request presents: bearer, the three key headers, `?key=`. Some clients send several, such as a
    login of their own as bearer beside the key."""
    scheme, _, bearer = (head.header("authorization") or "").partition(" ")
    presented = [bearer.strip()] if scheme.lower() == "bearer" else []
    for name in _TOKEN_HEADERS:
        presented.append(head.header(name) or "")
    presented.append(head.query.get("key", ""))
    return list(filter(None, presented))


def key_of(head: RequestHead, keys: Mapping[str, str]) -> str:
    """The name of the first proxy key that the request presents; "" when the server has no keys. Every key is compared
    with every token, each in constant time. Raises Unauthorized."""
    if not keys:
        return ""
    tokens = [token.encode("utf-8", "surrogatepass") for token in tokens_of(head)]
    found = [name for token in tokens for name, key in keys.items() if hmac.compare_digest(key.encode(), token)]
    if found:
        return found[0]
    said = "is not one of this server's keys" if tokens else "is missing"
    raise Unauthorized(
        f"the proxy key {said}; send it as a bearer token, x-api-key, x-goog-api-key, api-key or ?key=",
        code="invalid_api_key",
    )


def check_local(head: RequestHead) -> None:
    """Without keys, only local programs are served: a web page must not spend the user's quota, neither by a name that
    it has pointed at this machine (the Host) nor from its own place (the Origin). Raises Forbidden."""
    host = head.header("host")
    if host and not is_loopback(_host_name(host)):
        raise Forbidden("this server has no keys and answers only to a loopback host name", code="foreign_host")
    origin = head.header("origin")
    if origin and not is_loopback(_origin_name(origin)):
        raise Forbidden("this server has no keys and answers no web page of another origin", code="foreign_origin")


@lru_cache(64)
def is_loopback(name: str) -> bool:
    """Whether a host name or address can only be this machine."""
    name = name.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _origin_name(origin: str) -> str:
    """The name in an Origin header; "" for what is no URL, such as a sandboxed page's `null`."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]

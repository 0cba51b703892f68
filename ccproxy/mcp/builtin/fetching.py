"""A URL -> a Page: redirects, limits and content coding, over connections to judged addresses only.

Each hop: the URL is judged, its host's addresses too (`addresses`), and httpx connects to an address, with the host's name
in `Host` and in TLS. There are no cookies, no credentials and no kept connections between the hops, so that nothing of one
host reaches another. All of it takes `timeout` seconds at most, and is read up to `max_bytes`, after decompression; what is
left is said.

robots.txt is not asked: what is fetched is one page that a person's agent reads at that person's wish, as a browser would.
The user agent says what it is, for those who want to refuse it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

import anyio
import httpx

from ccproxy.config.web import Fetch
from ccproxy.errors import CcproxyError, Forbidden, Malformed, RequestError, TimedOut, Unreachable, UpstreamError
from ccproxy.mcp.builtin.addresses import Guard
from ccproxy.pages import Page
from ccproxy.transport.body import ContentDecoder, supported

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE = 4096
"""Bytes that are decompressed at once: what a bomb's next piece can hold is bounded by the decoder, at `max_bytes`."""

_CONNECT = 5
"""Seconds for one of several addresses; where there is one it has all the time there is."""

_ACCEPT = "text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, text/plain;q=0.9, application/json;q=0.8, */*;q=0.5"


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


_BARE = re.compile(r"[\w.-]+(:\d+)?([/?#].*)?", re.DOTALL)
"""A URL without its scheme, as people and models write it."""


def judged_url(text: str) -> httpx.URL:
    """The URL that is meant. Raises RequestError for what is none, or none of the web, and Forbidden for credentials."""
    words = text.strip()
    try:
        return _judged(httpx.URL(f"https://{words}" if _BARE.fullmatch(words) else words))
    except httpx.InvalidURL as error:
        raise RequestError(f"{words[:200]} is not a URL: {str(error).lower()}") from None


def _judged(url: httpx.URL) -> httpx.URL:
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65536:
        raise RequestError(
            f"{str(url)[:200]} is not a URL of the web: it must begin with http:// or https:// and name a host"
        )
    if url.userinfo:
        raise Forbidden("URLs that hold a user name or a password are not fetched; leave out what stands before the @")
    return url.copy_with(fragment=None)


class Fetcher:
    """Fetches pages as `settings` say. product: who asks, for the user agent where the settings have none. takes: whether a
    body with this Content-Type is read at all; of others a Page has none."""

    def __init__(
        self,
        settings: Fetch,
        guard: Guard,
        product: str,
        takes: Callable[[str], bool],
        trust: Callable[[], ssl.SSLContext] = _trust,
    ) -> None:
        self._settings = settings
        self._takes = takes
        self._guard = guard
        self._trust = trust
        self._headers = {
            "accept": _ACCEPT,
            "accept-encoding": ", ".join(supported()),
            "user-agent": settings.user_agent or product,
        }

    async def fetch(self, address: str) -> Page:
        """The page at a URL. Raises RequestError, Forbidden, Unreachable, TimedOut and Malformed, in words for a model."""
        url = judged_url(address)
        try:
            with anyio.fail_after(self._settings.timeout):
                return await self._followed(url)
        except TimeoutError:
            raise TimedOut(
                f"{url.host} took longer than {self._settings.timeout:g} seconds; try again later, or another page"
            ) from None

    async def _followed(self, url: httpx.URL) -> Page:
        hops: list[str] = []
        while True:
            async with AsyncExitStack() as stack:
                response = await self._asked(url, stack, hops)
                target = response.headers.get("location") if response.status_code in _REDIRECTS else None
                if not target:
                    return await self._read(response, str(url), tuple(hops))
            hops.append(str(url))
            if len(hops) > self._settings.max_redirects:
                raise UpstreamError(
                    f"{hops[0]} redirects more than {self._settings.max_redirects} times, last to {target[:200]}"
                )
            url = self._redirected(url, target)

    def _redirected(self, url: httpx.URL, target: str) -> httpx.URL:
        try:
            return _judged(url.join(target))
        except (CcproxyError, httpx.InvalidURL) as error:
            raise UpstreamError(f"{url} redirects to where it is not followed: {error}") from None

    async def _addresses(self, url: httpx.URL, hops: Sequence[str]) -> list[str]:
        """What is connected to for the URL, best first. A proxy gets the name, which only it may know."""
        host = url.raw_host.decode("ascii")
        try:
            if self._settings.proxy:
                await self._guard.judge_name(host)
                return [host]
            return await self._guard.addresses(host)
        except Forbidden as error:
            raise Forbidden(f"{hops[-1]} redirects to {url}: {error.message}" if hops else error.message) from None

    async def _asked(self, url: httpx.URL, stack: AsyncExitStack, hops: Sequence[str]) -> httpx.Response:
        """The head of the answer; its body is open as long as the stack."""
        addresses, proxy = await self._addresses(url, hops), self._settings.proxy
        transport = await stack.enter_async_context(
            httpx.AsyncHTTPTransport(verify=self._trust(), trust_env=False, proxy=httpx.Proxy(proxy) if proxy else None)
        )
        for place, address in enumerate(addresses):
            request = self._request(url, address, last=place == len(addresses) - 1)
            try:
                response = await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure: httpx.TransportError = error
                continue
            except (httpx.TransportError, httpx.InvalidURL) as error:
                raise _told(url, error) from None
            stack.push_async_callback(response.aclose)
            return response
        raise _told(url, failure) from None

    def _request(self, url: httpx.URL, address: str, *, last: bool) -> httpx.Request:
        """To an address in place of the name: `host` and the name that TLS asks for and judges are the URL's."""
        seconds = None if last else _CONNECT
        timeout = {"connect": seconds, "read": None, "write": None, "pool": None}
        extensions: dict[str, Any] = {"timeout": timeout}
        if address != (host := url.raw_host.decode("ascii")):
            extensions["sni_hostname"] = host
        headers = {"host": url.netloc.decode("ascii"), **self._headers}
        return httpx.Request("GET", url.copy_with(host=address), headers=headers, extensions=extensions)

    async def _read(self, response: httpx.Response, url: str, hops: tuple[str, ...]) -> Page:
        limit, found = self._settings.max_bytes, bytearray()
        size = _number(response.headers.get("content-length", ""))
        if not self._takes(response.headers.get("content-type", "")):
            return Page(url, hops, response.status_code, response.headers, b"", True, size)
        try:
            decoder = ContentDecoder(response.headers.get("content-encoding", ""), limit + _PIECE, answer=True)
            async for piece in _pieces(response):
                found += decoder.feed(piece)
                if len(found) > limit:
                    break
            else:
                decoder.finish()
        except httpx.TransportError as error:
            raise _told(httpx.URL(url), error) from None
        except Malformed as error:
            raise Malformed(f"{url} cannot be decompressed: {error.message.removeprefix('the upstream')}") from None
        return Page(url, hops, response.status_code, response.headers, bytes(found[:limit]), len(found) > limit, size)


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    async for data in response.aiter_raw():
        for place in range(0, len(data), _PIECE):
            yield data[place : place + _PIECE]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _told(url: httpx.URL, error: Exception) -> CcproxyError:
    """An error of the connection in words that hold no address and no proxy."""
    kind = next((words for cls, words in _TROUBLES if isinstance(error, cls)), "broke off")
    detail = str(error).partition("(_ssl.c")[0].strip() if isinstance(error, httpx.ConnectError) else ""
    tls = f": {detail}" if "certificate" in detail.lower() else ""
    return Unreachable(f"{url.host} {kind}{tls}; check the URL, or try another page")


_TROUBLES: tuple[tuple[type[Exception], str], ...] = (
    (httpx.ProxyError, "cannot be reached through the proxy that ccproxy is configured with"),
    (httpx.TimeoutException, "did not answer in time"),
    (httpx.ConnectError, "cannot be connected to"),
    (httpx.ProtocolError, "broke off, or answered what is not HTTP"),
)

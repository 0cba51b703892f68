"""How a server behind us is spoken with: the SDK's three transports, as one context manager of two streams.

    stdio   a process in a session and process group of its own; what it writes to stderr goes to the log
    http    Streamable HTTP; a request that cannot be sent fails alone, the others go on
    sse     HTTP with server-sent events, as servers of 2024 have it

A process gets no environment but what the SDK deems safe (HOME, PATH, ...) and its own table's: ccproxy's holds keys.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx2
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, ErrorData, JSONRPCError

from ccproxy.config import McpServer

log = logging.getLogger("ccproxy.mcp")

LINE = 500
"""Characters of a line of stderr that are logged."""

LINES = 50
"""Lines of one server that are logged in each TEN seconds; what is more is counted."""
TEN = 10.0

LAST_WORDS_SECONDS = 0.5

SHORTEST_SECRET = 4
"""Characters of what is masked: shorter values are numbers and flags."""

DIAL_SECONDS = 15.0
SILENCE_SECONDS = 3600.0
"""An event stream may be silent for so long. A server that is gone is found by a ping, long before."""

LARGEST_EVENT = 64 * 1024 * 1024
"""Bytes of one event: images travel in them as base64. The SDK's own limit is 1 MiB."""

Streams = tuple[Any, Any]


@asynccontextmanager
async def opened(name: str, settings: McpServer, failed: Callable[[], None], stderr: Stderr) -> AsyncIterator[Streams]:
    """A connection's two streams. failed: told of each request that could not be sent. Raises what the system raises."""
    if settings.command:
        with stderr.pipe() as pipe, _naming(settings):
            async with stdio_client(_parameters(settings), errlog=pipe) as streams:
                pipe.close()  # it is the process's alone now, so that its end is the pipe's
                yield streams
    elif settings.transport == "sse":
        async with sse_client(
            settings.url, headers=_headers(settings), timeout=DIAL_SECONDS, sse_read_timeout=SILENCE_SECONDS
        ) as streams:
            yield streams
    else:
        timeout = httpx2.Timeout(DIAL_SECONDS, read=SILENCE_SECONDS)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
        transport = Forgiving(httpx2.AsyncHTTPTransport(limits=limits), failed)
        async with (
            httpx2.AsyncClient(headers=_headers(settings), timeout=timeout, transport=transport) as client,
            streamable_http_client(settings.url, http_client=client, max_sse_event_size=LARGEST_EVENT) as streams,
        ):
            yield streams


@contextmanager
def _naming(settings: McpServer) -> Iterator[None]:
    """A command or folder that does not exist, by its name: uvloop's error has none."""
    try:
        yield
    except FileNotFoundError as error:
        is_folder = settings.cwd and not Path(settings.cwd).is_dir()
        error.filename = error.filename or (settings.cwd if is_folder else settings.command)
        raise


def _parameters(settings: McpServer) -> StdioServerParameters:
    return StdioServerParameters(
        command=settings.command,
        args=list(settings.args),
        env=dict(settings.env),
        cwd=settings.cwd or None,
        encoding_error_handler="replace",
    )


def _headers(settings: McpServer) -> dict[str, str]:
    bearer = {"authorization": f"Bearer {settings.token}"} if settings.token else {}
    return {**settings.headers, **bearer}


class Forgiving(httpx2.AsyncBaseTransport):
    """Answers a message that cannot be sent with an error of its own: in the SDK's transport an exception would end the
    connection, and all that runs on it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, failed: Callable[[], None]) -> None:
        self._inner = inner
        self._failed = failed

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            self._failed()
            if request.method != "POST":
                raise
            unsent = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout))
            what = "cannot be reached" if unsent else "the connection broke, and the call may have taken effect"
            said = ErrorData(code=CONNECTION_CLOSED, message=f"{what}: {reason(error)}")
            body = JSONRPCError(jsonrpc="2.0", id=None, error=said).model_dump_json(by_alias=True)
            return httpx2.Response(
                502, headers={"content-type": "application/json"}, content=body.encode(), request=request
            )

    async def aclose(self) -> None:
        await self._inner.aclose()


class Watched:
    """A connection's incoming messages, and `ended` at their end: the SDK's session tells nobody."""

    def __init__(self, inner: Any, ended: anyio.Event) -> None:
        self._inner = inner
        self._end = ended

    @property
    def last_context(self) -> Any:
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Any:
        try:
            return await self._inner.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._end.set()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Watched:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._inner.__anext__()
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._end.set()
            raise

    async def __aenter__(self) -> Watched:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *details: Any) -> bool | None:
        ended: bool | None = await self._inner.__aexit__(*details)
        return ended


# ---------------------------------------------------------------------------------------------------------------------
# What is said of failures


def reason(error: BaseException) -> str:
    """In one line, without a URL, which may hold a key."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError):
        return f"there is no {Path(error.filename).name if error.filename else 'such file'}"
    if isinstance(error, httpx2.HTTPStatusError):
        return f"it answers {error.response.status_code} {error.response.reason_phrase}".strip()
    if isinstance(error, httpx2.TimeoutException) or (isinstance(error, TimeoutError) and not str(error)):
        return "it does not answer in time"
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(words).split())[:LINE]


def secrets_of(settings: McpServer) -> tuple[str, ...]:
    """What must not stand in a log or an error: the values of its environment, its headers, its token, its URL's query, and
    of those of its arguments that are called a key or the like."""
    query = urlsplit(settings.url).query
    asked = [query, *(value for _, value in parse_qsl(query))]
    values = [*settings.env.values(), *settings.headers.values(), settings.token, *asked, *_secret_arguments(settings.args)]
    words = [word for value in values for word in (value, value.rpartition(" ")[2])]
    return tuple(sorted({word for word in words if len(word) >= SHORTEST_SECRET}, key=len, reverse=True))


def _secret_arguments(args: Sequence[str]) -> Iterator[str]:
    """`--api-key=VALUE` and `--api-key VALUE`."""
    for before, argument in zip(("", *args), args, strict=False):
        flag, equals, value = argument.partition("=")
        if equals and _TELLING.search(flag):
            yield value
        elif _TELLING.search(before) and before.startswith("-") and "=" not in before and not argument.startswith("-"):
            yield argument


_TELLING = re.compile("key|token|secret|passw|auth|credential", re.IGNORECASE)


def masked(words: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        words = words.replace(secret, "***")
    return printable(words)


def printable(words: str) -> str:
    """None of what servers and clients say may write a line of its own or steer a terminal."""
    return words if words.isprintable() else "".join(c if c.isprintable() else " " for c in words)


class Lines:
    """One server's lines in the log, LINES in each TEN seconds at most: a server that floods must not fill the disk."""

    def __init__(self, name: str, level: int) -> None:
        self._name = name
        self._level = level
        self._recent: deque[float] = deque(maxlen=LINES)
        self._left_out = 0

    def say(self, words: Callable[[], str]) -> None:
        """words: asked for only where they are logged."""
        now = time.monotonic()
        if len(self._recent) == LINES and now - self._recent[0] < TEN:
            self._left_out += 1
            return
        self._recent.append(now)
        if self._left_out:
            log.log(self._level, "%s: %d more such lines", self._name, self._left_out)
            self._left_out = 0
        log.log(self._level, "%s: %s", self._name, words())


class Stderr:
    """What a server's process writes to stderr: into the log, line by line, bounded and masked.

    A thread reads it: a pipe can be waited for in no other way on every platform, and it ends with the process."""

    def __init__(self, name: str, settings: McpServer) -> None:
        self._name = name
        self._secrets = secrets_of(settings)
        self._lines = Lines(name, logging.INFO)
        self._latest = b""
        self._ended = threading.Event()
        self._ended.set()

    @property
    def last(self) -> str:
        """Its latest line."""
        return self._shown(self._latest)

    def pipe(self) -> Any:
        """The end for the process to write to."""
        reading, writing = os.pipe()
        self._latest = b""
        self._ended.clear()
        threading.Thread(target=self._read, args=(reading,), name=f"ccproxy-mcp-{self._name}", daemon=True).start()
        return os.fdopen(writing, "w")

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as file:
            while line := file.readline(4 * LINE):
                if not line.isspace():
                    self._latest = line
                    self._lines.say(partial(self._shown, line))
        self._ended.set()

    def _shown(self, line: bytes) -> str:
        return masked(line.decode("utf-8", "replace").strip(), self._secrets)[:LINE]

    async def ended(self) -> None:
        """Waits for a moment until all is read of a process that has ended: its last words say why."""
        with anyio.move_on_after(LAST_WORDS_SECONDS):
            while not self._ended.is_set():
                await anyio.sleep(0.005)

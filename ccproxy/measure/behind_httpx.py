"""The usual way: `python -m ccproxy.measure.behind_httpx PORT UPSTREAM CLIENT-PROTOCOL UPSTREAM-PROTOCOL`, UPSTREAM a URL.

The same conversion as ccproxy's, by the same library, but with a task for each request and httpx as upstream client. What
it costs beside ccproxy is what the transport is worth.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import httpx

from ccproxy.convert import StreamConverter, convert_request
from ccproxy.measure.answers import LAST_CHUNK, chunk
from ccproxy.measure.upstream import run, serve

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EMPTY_LINE = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(r"/models/(.+):")
"""Of a path that says the model and not the body, as in Gemini's protocol."""


class Usual(asyncio.Protocol):
    """One connection. Streams only."""

    transport: asyncio.Transport

    def __init__(self, client: httpx.AsyncClient, upstream: str, source: str, target: str) -> None:
        self._client = client
        self._upstream = upstream
        self._source = source
        self._target = target
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, body = self._held.partition(_EMPTY_LINE)
        length = _LENGTH.search(head)
        if found and len(body) >= (int(length[1]) if length else 0):
            self._held = b""
            self._task = asyncio.get_running_loop().create_task(self._answer(head.split(b" ", 2)[1].decode(), body))
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.exception() is not None:
            self.transport.abort()

    async def _answer(self, address: str, body: bytes) -> None:
        where = urlsplit(address)
        model = _MODEL.search(where.path)
        converted = convert_request(
            body,
            source=self._source,
            target=self._target,
            model=model[1] if model else "",
            stream=True,
            query=dict(parse_qsl(where.query)),
        )
        stream = StreamConverter(converted.context)
        head = _HEAD
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        url = self._upstream + converted.path
        async with self._client.stream("POST", url, content=converted.body, headers=headers) as answer:
            async for piece in answer.aiter_raw():
                out = stream.feed(piece)
                if out:
                    self.transport.write(head + chunk(out))
                    head = b""
        rest = b"" if stream.done else stream.close()
        self.transport.write((chunk(rest) if rest else b"") + LAST_CHUNK)


async def main(port: int, upstream: str, source: str, target: str) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(trust_env=False, verify=ssl.create_default_context(), timeout=60, limits=limits)
    await serve(lambda: Usual(client, upstream, source, target), port)


if __name__ == "__main__":
    run(lambda: main(int(sys.argv[1]), *sys.argv[2:5]))

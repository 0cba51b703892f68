"""Pages are read in a process of their own (`ccproxy.pages`), which is ended when it takes too long."""

from __future__ import annotations

import json
import sys
from math import ceil
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio

from ccproxy.errors import Malformed, TimedOut, UnsupportedMedia
from ccproxy.pages import Page
from ccproxy.pages.reading import Form, Reading

_ROOT = Path(__file__).parents[3]
"""Where the package is, installed or not: `python -m` looks there first."""

EXTRACT_SECONDS = 10.0
"""For the main content; the largest articles take two. Then the whole page is read, which has no such bad cases."""

TOO_SLOW = "all text of the page: its main content was not found in time"


async def read_apart(page: Page, form: Form, *, whole: bool = False, seconds: float = EXTRACT_SECONDS) -> Reading:
    """What `ccproxy.pages.reading.read` says of the page. Raises UnsupportedMedia; TimedOut or Malformed for a page that
    cannot be read."""
    try:
        return await _read(page, form, whole, seconds)
    except (TimedOut, Malformed):
        if whole:
            raise
    found = await _read(page, form, True, seconds)
    return Reading(found.title, found.text, TOO_SLOW, found.charset)


async def _read(page: Page, form: Form, whole: bool, seconds: float) -> Reading:
    asked = {
        "url": page.url,
        "content_type": page.headers.get("content-type", ""),
        "form": form,
        "whole": whole,
        "cut": page.cut,
        "size": page.size,
        "seconds": ceil(seconds) + 1,
    }
    try:
        with anyio.fail_after(seconds):
            said = await _run(json.dumps(asked).encode() + b"\n" + page.body)
    except TimeoutError:
        raise TimedOut(f"{page.url} is too intricate to be read in time; try another page") from None
    if not said:
        raise Malformed(f"{page.url} is too intricate to be read; try another page")
    answer = json.loads(said)
    if "refused" in answer:
        raise UnsupportedMedia(answer["refused"])
    return Reading(**answer)


async def _run(said: bytes) -> bytes:
    """What the process answers, "" when it failed. It is ended when this is cancelled."""
    command = [sys.executable, "-m", "ccproxy.pages"]
    with anyio.CancelScope(shield=True):  # half started, nobody would end it
        process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=_ROOT)
    answer = bytearray()
    async with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            await process.stdin.send(said)
            await process.stdin.aclose()
            async for piece in process.stdout:
                answer += piece
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError, RuntimeError):
            pass  # it died, as its return code says; RuntimeError is uvloop's word for it
        return b"" if await process.wait() else bytes(answer)

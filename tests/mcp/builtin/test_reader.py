"""Pages read in a process of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from ccproxy.errors import Malformed, TimedOut, UnsupportedMedia
from ccproxy.mcp.builtin.reader import TOO_SLOW, read_apart
from ccproxy.pages import Page
from ccproxy.pages.reading import Reading, read
from tests.pages.test_reading import ARTICLE, page


def apart(given: Page, form: Any = "markdown", **more: Any) -> Reading:
    async def run() -> Reading:
        return await read_apart(given, form, **more)

    return anyio.run(run)


@pytest.mark.parametrize("form", ["markdown", "text", "links"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_same_is_read_as_in_this_process(form: Any, whole: bool) -> None:
    assert apart(page(ARTICLE), form, whole=whole) == read(page(ARTICLE), form, whole=whole)


def test_bytes_charsets_and_cuts_arrive() -> None:
    assert apart(page("żółw".encode("iso8859-2"), "text/plain; charset=iso-8859-2")).text == "żółw"
    assert apart(page("nię".encode()[:-1], "text/plain", cut=True)).text == "ni"
    assert apart(page(b"\n\n x\r\n", "text/plain")).text == "\n\n x\r\n"


def test_a_refusal_arrives() -> None:
    with pytest.raises(UnsupportedMedia, match=r"application/pdf of 9 bytes"):
        apart(page(b"", "application/pdf", size=9))


def test_a_page_whose_main_content_takes_too_long_is_read_whole() -> None:
    pytest.importorskip("trafilatura")
    found = apart(page("<li>word " * 22_000), seconds=3)  # trafilatura takes a hundred
    assert found.note == TOO_SLOW
    assert found.text.startswith("- word")


def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimedOut, match="too intricate"):
        apart(page(ARTICLE), whole=True, seconds=0.001)


def test_a_process_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\nexit 3\n")
    dies.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dies))
    with pytest.raises(Malformed, match="too intricate"):
        apart(page(ARTICLE))

"""The work and memory that hostile bytes cost, counted and not timed: both grow with the bytes, and no faster."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from bench.adversarial import (
    GEMINI_CALL,
    HOSTILE,
    MOST_GROWTH,
    Fill,
    consume,
    gemini_pieces,
    openai_call,
    openai_text,
    reads,
)
from ccproxy.codec import jsontext

CASES = [
    pytest.param(subject, fill, id=f"{subject}-{name}")
    for subject, fills in HOSTILE.items()
    for name, fill in fills.items()
]
SIZE = 4_000
AT_LEAST = 400
"""Lines and kilobytes that cost nothing worth counting."""


class Work:
    """Lines of ccproxy that were run, and bytes that were given to the JSON parser."""

    def __init__(self) -> None:
        self.lines = 0
        self.parsed = 0

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if "ccproxy" not in frame.f_code.co_filename:
            return None
        self.lines += event == "line"
        return self.trace


def work_of(subject: str, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    loads: Callable[[Any], Any] = jsontext.loads

    def counted(text: Any) -> Any:
        work.parsed += len(text)
        return loads(text)

    before = sys.gettrace()
    with monkeypatch.context() as patched:
        patched.setattr(jsontext, "loads", counted)
        sys.settrace(work.trace)
        try:
            consume(subject, pieces)
        finally:
            sys.settrace(before)
    return work


@pytest.mark.parametrize("cut", [1_000, 7])
@pytest.mark.parametrize(("subject", "fill"), CASES)
def test_work_grows_with_the_bytes(subject: str, fill: Fill, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A doubling costs about twice, whatever is said and however it is cut."""
    small, large = fill(SIZE), fill(2 * SIZE)
    before, after = (work_of(subject, reads(data, cut), monkeypatch) for data in (small, large))
    most = MOST_GROWTH * len(large) / len(small) / 2
    assert after.lines <= most * before.lines + AT_LEAST
    assert after.parsed <= most * before.parsed + AT_LEAST


@pytest.mark.parametrize(("subject", "fill"), CASES)
def test_memory_grows_with_the_bytes(subject: str, fill: Fill) -> None:
    """An object of Python's for each of the smallest records that a read can hold, and no more."""
    data = fill(16 * SIZE)
    pieces = reads(data, 16_384)
    consume(subject, pieces[:1])
    tracemalloc.start()
    consume(subject, pieces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 64 * len(data) + AT_LEAST * 1024


def test_lists_that_partial_arguments_skip_into_stay_small() -> None:
    """Each step of a path may make a list and leave items out before its own."""
    path = "$.a" + "[99]" * 300
    data = GEMINI_CALL + gemini_pieces(f'{{"jsonPath":"{path}","numberValue":1}}').encode() * 50
    consume("gemini", [GEMINI_CALL])  # what its first use imports is not meant
    tracemalloc.start()
    consume("gemini", [data])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 16 * len(data)


def test_white_space_between_texts_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text lets calls end whose arguments are complete; blanks never are."""
    first, spoken = openai_call("\\n").encode(), (openai_call(" ") + openai_text("x")).encode()
    work = work_of("openai", [first, spoken * 500], monkeypatch)
    assert work.parsed <= len(first) + 500 * len(spoken)

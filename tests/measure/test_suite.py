from __future__ import annotations

import io

from ccproxy.measure.suite import Progress, Setting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_filters_hold_for_measures_that_have_the_label() -> None:
    setting = Setting(only={"client": ["claude", "g*"], "kind": ["text"]})
    assert setting.wants(client="claude", kind="text")
    assert setting.wants(client="gemini")
    assert setting.wants(size="1 KB")
    assert not setting.wants(client="openai", kind="text")
    assert not setting.wants(client="claude", kind="usage")


def test_rounds_as_said_else_as_the_suite_thinks_right() -> None:
    assert Setting().rounds_or(15, 5) == 15
    assert Setting(short=True).rounds_or(15, 5) == 5
    assert Setting(short=True, rounds=3).rounds_or(15, 5) == 3


def progress(out: io.StringIO) -> tuple[Progress, Clock]:
    clock = Clock()
    return Progress("chunks", out, clock), clock


def test_a_short_run_says_nothing() -> None:
    out = Terminal()
    told, clock = progress(out)
    for number in range(10):
        clock.now = number * 0.15
        told.step("a pair", number, 10)
    told.end()
    assert out.getvalue() == ""


def test_a_long_run_writes_over_its_line_on_a_terminal() -> None:
    out = Terminal()
    told, clock = progress(out)
    clock.now = 30.0
    told.step("claude to openai", 1, 4)
    told.end()
    assert out.getvalue() == "\r\x1b[Kchunks: 1/4 claude to openai, 90 s left\r\x1b[K"


def test_elsewhere_a_line_comes_now_and_then() -> None:
    out = io.StringIO()
    told, clock = progress(out)
    for number in range(100):
        clock.now = float(number)
        told.step("a pair", number, 100)
    told.end()
    lines = out.getvalue().splitlines()
    assert len(lines) == 9
    assert lines[0] == "chunks: 10/100 a pair, 90 s left"


def test_hours_are_told_in_minutes() -> None:
    out = io.StringIO()
    told, clock = progress(out)
    clock.now = 600.0
    told.step("a pair", 1, 4)
    assert out.getvalue() == "chunks: 1/4 a pair, 30 min left\n"

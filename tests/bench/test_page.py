from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from bench import SUITES
from bench.page import SECTIONS, page
from ccproxy.measure import ttft
from ccproxy.measure.results import Measure, Run
from ccproxy.measure.ways import SMALL

FIRST = {
    "measure": ttft.FIRST,
    "client": "claude",
    "upstream": "openai",
    "connection": "pooled",
    "tls": "plain",
    "request": SMALL,
}
CHUNK = {"client": "claude", "upstream": "openai", "kind": "text"}
MACHINE = {"processor": "P<1>", "cores": 2, "system": "S"}


def run(*measures: Measure) -> Run:
    return Run("2026-01-02T03:04:05+00:00", MACHINE, {"python": "3"}, {"spread": 0.25}, list(measures))


def chunk(way: str, cost: float) -> Measure:
    return Measure("chunks", {**CHUNK, "way": way}, "µs", [cost])


class Balanced(HTMLParser):
    """Fails for tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


PAIR = {"client": "claude", "upstream": "openai"}
MEASURES = [
    chunk("floor", 1.0),
    chunk("records", 2.5),
    Measure("requests", {"client": "claude", "upstream": "openai", "size": "200 messages", "way": "floor"}, "ms", [1.0]),
    Measure("requests", {"client": "claude", "upstream": "openai", "size": "200 messages", "way": "ccproxy"}, "ms", [1.5]),
    Measure("ttft", {**FIRST, "way": "direct"}, "ms", [0.1 + n / 1000 for n in range(100)]),
    Measure("ttft", {**FIRST, "way": "ccproxy"}, "ms", [0.4 + n / 1000 for n in range(100)]),
    Measure("ttft", {**FIRST, "measure": ttft.BURST_CPU, "way": "ccproxy"}, "µs", [4.0]),
    *[Measure("streams", {"what": "CPU", "streams": str(n), "way": "relay"}, "µs", [float(n)]) for n in (1, 8, 64)],
    Measure(
        "peers", {**PAIR, "measure": "requests per second", "at once": "32", "way": "other 1.0"}, "/s", [500.0], "more"
    ),
    Measure("peers", {"measure": "not measured", "way": "another 2.0", "why": "it says <no>"}, "", [0.0]),
    Measure("unheard of", {}, "ms", [1.0]),
]


def test_a_suite_that_was_not_run_has_no_section() -> None:
    text = page(run(chunk("floor", 1.0), chunk("records", 2.5)))
    assert re.findall(r'<section id="([^"]*)"', text) == ["chunks"]
    assert "2.5×" in text


def test_every_suite_that_was_run_has_its_section_in_order() -> None:
    text = page(run(*reversed(MEASURES)))
    order = ["chunks", "requests", "ttft", "streams", "peers", "unheard of"]
    assert re.findall(r'<section id="([^"]*)"', text) == order


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = page(run(*MEASURES))
    parser = Balanced()
    parser.feed(text.removeprefix("<!doctype html>"))
    assert parser.open == []
    assert not re.search(r"https?://|<script|<link|<img|url\(|@import", text)


def test_machine_versions_and_noise_are_told_and_escaped() -> None:
    text = page(run())
    assert "P&lt;1&gt;, 2 cores, S" in text
    assert "python 3" in text
    assert "a fixed loop varied by 25%" in text
    assert "2026-01-02 03:04:05 UTC" in text


@pytest.mark.parametrize(("suite", "drawn"), [("ttft", "median"), ("streams", "polyline"), ("peers", "500 /s")])
def test_the_numbers_choose_the_picture(suite: str, drawn: str) -> None:
    text = page(run(*(measure for measure in MEASURES if measure.suite == suite)))
    section = text.partition("<section")[2].partition("<details")[0]
    assert drawn in section


def test_what_ccproxy_adds_to_a_direct_call_is_held_against_its_target() -> None:
    section = page(run(*(measure for measure in MEASURES if measure.suite == "ttft")))
    assert re.search(r'class="within"[^/]*/i></div><b>0\.300 ms', section)
    assert "4.00 µs" in section


def test_peers_stand_in_a_table_for_each_pair_and_those_that_were_not_measured_before_it() -> None:
    section = page(run(*(measure for measure in MEASURES if measure.suite == "peers")))
    assert re.search(r"<h3>claude to openai</h3>.*<th>other 1\.0</th>.*<b>500 /s</b>", section)
    assert "<li>another 2.0: it says &lt;no&gt;</li>" in section


def test_many_pictures_are_folded_away() -> None:
    text = page(run(*(Measure("start", {"what": str(n), "state": f"s{n}"}, "ms", [1.0]) for n in range(2))))
    assert "more pictures" not in text
    text = page(run(*(Measure("start", {"what": f"w{n}"}, "ms", [1.0]) for n in range(12))))
    assert "4 more pictures" in text


def test_every_suite_says_what_it_is() -> None:
    assert SUITES.keys() <= SECTIONS.keys()

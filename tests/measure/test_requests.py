from __future__ import annotations

import io

import pytest

from ccproxy.codec import jsontext
from ccproxy.measure import requests
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting


def found(**only: list[str]) -> list[Measure]:
    return list(requests.run(Setting(rounds=2, only=only), Progress(out=io.StringIO())))


def test_a_pair_is_measured_beside_its_floor_and_the_json_module() -> None:
    measures = found(client=["claude"], upstream=["openai"], size=["1 KB"])
    assert [m.labels["way"] for m in measures] == ["floor", "ccproxy", "json"]
    assert {(m.suite, m.unit, len(m.values)) for m in measures} == {("requests", "ms", 2)}


def test_a_conversation_is_measured_as_it_is_first_seen_and_as_it_goes_on() -> None:
    measures = found(client=["claude"], size=["200 messages"], upstream=["openai", "claude"])
    ways = [(m.labels["upstream"], m.labels["way"]) for m in measures]
    all_ways = ("floor", "ccproxy", "first", "next", "json")
    assert ways == [(upstream, way) for upstream in ("openai", "claude") for way in all_ways]


@pytest.mark.parametrize("upstream", ["openai", "gemini"])
def test_all_ways_write_the_same(upstream: str) -> None:
    ways = requests._ways("claude", upstream, "200 messages")
    assert ways["first"]()() == ways["next"]()() == ways["ccproxy"]()()


def test_a_filter_on_the_way_leaves_the_floor() -> None:
    measures = found(client=["claude"], upstream=["openai"], size=["1 KB"], way=["ccproxy"])
    assert [m.labels["way"] for m in measures] == ["floor", "ccproxy"]


def test_what_is_measured_is_the_conversion_for_the_upstreams_model() -> None:
    converted = requests._ways("claude", "openai", "1 KB")["ccproxy"]()()
    assert isinstance(converted, bytes)
    assert jsontext.loads(converted)["model"] == requests.TARGET_MODEL


def test_the_table_has_multiples_and_times() -> None:
    labels = {"client": "claude", "upstream": "openai", "size": "1 KB"}
    measures = [
        Measure("requests", {**labels, "way": way}, "ms", [cost]) for way, cost in (("floor", 0.5), ("ccproxy", 1.0))
    ]
    assert requests.table(measures) == (
        ["client", "upstream", "1 KB", "1 KB"],
        [["claude", "openai", "2.00x", "1.00 ms"]],
    )

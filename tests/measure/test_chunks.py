from __future__ import annotations

import io

import pytest

from ccproxy.measure import chunks, traffic
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting
from ccproxy.protocols import PROTOCOLS

CROSS = [(client, upstream) for client in PROTOCOLS for upstream in PROTOCOLS if client != upstream]


def found(**only: list[str]) -> list[Measure]:
    return list(chunks.run(Setting(rounds=1, only=only), Progress(out=io.StringIO())))


def test_every_way_of_a_pair_and_kind_is_measured() -> None:
    measures = found(client=["claude"], upstream=["openai"], kind=["text"])
    assert [m.labels["way"] for m in measures] == ["floor", "records", "read1", "read16", "usual"]
    assert {(m.suite, m.unit, len(m.values)) for m in measures} == {("chunks", "µs", 1)}


def test_a_record_that_a_stream_has_once_is_measured_in_many_streams() -> None:
    measures = found(client=["claude"], upstream=["openai"], kind=["usage"])
    assert [m.labels["way"] for m in measures] == ["floor", "records", "read1"]


def test_a_filter_on_the_way_leaves_the_floor() -> None:
    measures = found(client=["claude"], upstream=["openai"], kind=["text"], way=["read1"])
    assert [m.labels["way"] for m in measures] == ["floor", "read1"]


def test_same_protocol_has_no_usual_way() -> None:
    assert [m.labels["way"] for m in found(client=["claude"], upstream=["claude"], kind=["text"])][-1] == "read16"


@pytest.mark.parametrize(("client", "upstream"), CROSS)
@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_the_floor_writes_as_many_events_as_came_in(client: str, upstream: str, kind: str) -> None:
    assert len(chunks._events(client, upstream, traffic.scripts(upstream)[kind])) >= traffic.COUNT


@pytest.mark.parametrize(("client", "upstream"), CROSS)
@pytest.mark.parametrize("kind", traffic.KINDS)
def test_past_the_framing_the_same_bytes_come_out(client: str, upstream: str, kind: str) -> None:
    script = traffic.scripts(upstream)[kind]
    whole = [traffic.framed(upstream, payload) for payload in script.measured]

    def out(pieces: list[bytes], unframed: bool) -> bytes:
        steps = chunks._steps(client, upstream, script, pieces, unframed=unframed, streams=1)
        return b"".join(feed(data) for feed, data in steps)  # type: ignore[misc]

    ours, framed = out(script.measured, True), out(whole, False)
    assert len(ours) == len(framed)  # ids are drawn for each stream
    assert ours.count(b"\n") == framed.count(b"\n")


def test_the_table_has_a_row_for_each_pair() -> None:
    labels = {"client": "claude", "upstream": "openai", "kind": "text"}
    measures = [
        Measure("chunks", {**labels, "way": way}, "µs", [cost])
        for way, cost in (("floor", 1.0), ("records", 2.0), ("read1", 3.0), ("read16", 2.5), ("usual", 9.0))
    ]
    heads, rows = chunks.table(measures)
    assert dict(zip(heads, rows[0], strict=True)) == {
        "client": "claude",
        "upstream": "openai",
        "text": "2.00x",
        "thinking": "",
        "arguments": "",
        "usage": "",
        "finish": "",
        "read1": "3.00x",
        "read16": "2.50x",
        "usual": "9.00x",
        "floor, text": "1.00 µs",
    }

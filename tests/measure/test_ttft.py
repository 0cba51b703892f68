from __future__ import annotations

import socket
import threading

import pytest

from ccproxy.measure import ttft
from ccproxy.measure.results import Measure
from ccproxy.measure.suite import Progress, Setting
from ccproxy.measure.ttft import FIRST, Client, Variant, added, variants
from ccproxy.measure.ways import DIRECT, Way
from ccproxy.protocols import PROTOCOLS


def test_the_main_pairs_in_every_variant_and_the_others_in_one() -> None:
    short, whole = list(variants(True)), list(variants(False))
    assert len(short) == 3 * 2 * 2 * 2
    assert len(whole) == len(set(whole)) == len(short) + len(PROTOCOLS) ** 2 - 3


def measure(way: str, *values: float) -> Measure:
    return Measure("ttft", Variant("claude", "openai", "pooled", "plain", "small").labels(FIRST, way), "ms", list(values))


def test_what_a_way_adds_is_the_median_of_the_differences() -> None:
    assert added(measure("ccproxy", 2, 9, 4), measure(DIRECT, 1, 1, 2)) == 2


def test_the_table_tells_what_is_added_and_how_often_the_relay_would_fit_in() -> None:
    cpu = Measure(
        "ttft", Variant("claude", "openai", "pooled", "plain", "small").labels(ttft.BURST_CPU, "ccproxy"), "µs", [8]
    )
    heads, rows = ttft.table([measure(DIRECT, 1, 1), measure("relay", 1.5, 1.5), measure("ccproxy", 3, 3), cpu])
    told = dict(zip(heads, rows[2], strict=True))
    assert (told["way"], told["added"], told["of the relay's"]) == ("ccproxy", "2.00 ms", "4.0x")
    assert (rows[0][-2:], rows[1][-1]) == (["", ""], "")
    assert rows[3][:4] == ["claude to openai", f"{ttft.BURST_CPU}, plain, small", "ccproxy", "8.00 µs"]


def test_a_short_run_measures_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ttft, "WARM_UP", 1)
    monkeypatch.setattr(ttft, "SHORT_BURSTS", 1)
    monkeypatch.setattr(ttft, "REQUESTS", 2)
    only = {"client": ["claude"], "upstream": ["openai"], "request": ["small"], "tls": ["plain"]}
    found = list(ttft.run(Setting(short=True, rounds=2, only=only), Progress()))
    firsts = [m for m in found if m.labels["measure"] == FIRST]
    assert len(firsts) == 4 * 2  # ways, connections
    assert all(len(m.values) == 2 and min(m.values) > 0 for m in firsts)
    assert {m.labels["way"] for m in found if m.labels["measure"] == ttft.BURST_TIME} == {
        "direct",
        "relay",
        "ccproxy",
        "httpx",
    }


def test_an_answer_that_breaks_off_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        client = Client(Way("direct", "openai", there.getsockname()[1]), b"GET / HTTP/1.1\r\n\r\n")
        closer = threading.Thread(target=lambda: there.accept()[0].close())
        closer.start()
        with pytest.raises(ConnectionError):
            client.ask()
        closer.join()
        client.close()

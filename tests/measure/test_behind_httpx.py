from __future__ import annotations

from ccproxy.measure.ttft import Client
from ccproxy.measure.ways import stage


def test_streams_are_converted() -> None:
    with stage() as there:
        assert there is not None
        with there.started_httpx("claude", "openai") as way:
            client = Client(way, way.request("bench-burst-3", "100 KB, 24 tools"))
            for _ in range(2):  # on one connection
                first, last = client.ask()
                assert 0 < first <= last
            client.close()

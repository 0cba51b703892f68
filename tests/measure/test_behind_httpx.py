from __future__ import annotations

import pytest

from ccproxy.measure.ttft import Client
from ccproxy.measure.ways import stage


@pytest.mark.parametrize(("protocol", "upstream"), [("claude", "openai"), ("gemini", "gemini"), ("gemini", "ollama")])
def test_streams_are_converted(protocol: str, upstream: str) -> None:
    with stage() as there:
        assert there is not None
        with there.started_httpx(protocol, upstream) as way:
            client = Client(way, way.request("bench-burst-3", "100 KB, 24 tools"))
            for _ in range(2):  # on one connection
                first, last = client.ask()
                assert 0 < first <= last
            client.close()

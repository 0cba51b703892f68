from __future__ import annotations

import json
import sys
import tomllib
from itertools import product

import pytest

from ccproxy.config import loads
from ccproxy.measure.ttft import Client
from ccproxy.measure.ways import Way, configuration, stage
from ccproxy.protocols import PROTOCOLS


def test_a_request_says_what_the_way_wants() -> None:
    way = Way("peer", "claude", 80, "/x", "openai/{}", {"authorization": "Bearer t"})
    head, _, body = way.request("bench-burst-2").partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /x/v1/messages HTTP/1.1"
    assert b"authorization: Bearer t" in head.splitlines()
    assert f"content-length: {len(body)}".encode() in head.splitlines()
    document = json.loads(body)
    assert (document["model"], document["stream"]) == ("openai/bench-burst-2", True)
    assert json.loads(way.request("m", stream=False).partition(b"\r\n\r\n")[2])["stream"] is False
    assert way.request("m").startswith(b"POST")
    google = Way("peer", "gemini", 80).request("m", stream=False)
    assert google.startswith(b"POST /v1beta/models/m:generateContent HTTP/1.1")


def test_the_configuration_is_one() -> None:
    config = loads(configuration(1, "http://127.0.0.1:2", {"warm": 2, "proxy": ""}), {})
    assert set(config.providers) == set(config.groups) == set(PROTOCOLS)
    assert all(provider.warm == 2 for provider in config.providers.values())
    assert tomllib.loads(configuration(1, "https://127.0.0.1:2", {}))["server"]["port"] == 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_ccproxy_converts_every_pair(tls: bool) -> None:
    with stage(tls=tls) as there:
        assert there is not None
        with there.started_ccproxy() as process:
            for client, upstream in product(PROTOCOLS, PROTOCOLS):
                asker = Client(way := there.ccproxy(client, upstream, process), way.request("bench-burst-2"))
                first, last = asker.ask()
                assert 0 < first <= last
                asker.close()


def test_without_trustme_there_is_no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with stage(tls=True) as there:
        assert there is None

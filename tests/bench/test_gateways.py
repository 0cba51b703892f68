from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.gateways import GATEWAYS, SCRIPTS, Gateway, Place
from ccproxy.protocols import PROTOCOLS

ORIGIN = "http://127.0.0.1:1"
STARTS = [(gateway, upstream) for gateway in GATEWAYS for upstream in sorted({upstream for _, upstream in gateway.pairs})]


def place(upstream: str) -> Place:
    return Place(Path("/folder"), Path("/home"), 4567, ORIGIN, upstream)


def read(name: str, text: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text) if name.endswith(".toml") else json.loads(text)
    return found


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_each_is_pinned_and_serves_pairs_that_we_know(gateway: Gateway) -> None:
    assert gateway.version.replace(".", "").isdigit()
    assert gateway.pairs
    assert {protocol for pair in gateway.pairs for protocol in pair} <= set(PROTOCOLS)
    assert gateway.way == f"{gateway.name} {gateway.version}"


@pytest.mark.parametrize(("gateway", "upstream"), STARTS, ids=lambda part: getattr(part, "name", part))
def test_what_it_is_told_is_one_upstream_and_every_script(gateway: Gateway, upstream: str) -> None:
    files = gateway.files(place(upstream))
    command = gateway.command(place(upstream))
    told = "".join(files.values()) + " ".join(command) + "".join(gateway.headers(place(upstream)).values())
    assert ORIGIN in told
    assert "4567" in told
    assert all(read(name, text) for name, text in files.items())
    if files:
        assert all(script in told for script in SCRIPTS)


def test_names_are_their_own() -> None:
    assert len({gateway.name for gateway in GATEWAYS}) == len(GATEWAYS)

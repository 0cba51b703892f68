from __future__ import annotations

import io

import pytest

from ccproxy.measure.suite import Progress, Setting

pytest.importorskip("httptools")
from bench import framing

WORKS = {(what, reads): ways for what, reads, (ways, _) in framing._works()}


def _bytes(piece: bytes | str) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


@pytest.mark.parametrize(("what", "reads"), [key for key in WORKS if " in" in key[0]])
def test_every_way_finds_the_same(what: str, reads: str) -> None:
    found = {way: ready()() for way, ready in WORKS[what, reads].items()}
    joined = {way: b"".join(map(_bytes, pieces)) for way, pieces in found.items()}
    assert len(set(joined.values())) == 1
    assert joined["ccproxy"]


def test_every_way_writes_the_same() -> None:
    ways = WORKS["body out, per event", ""]
    ours, theirs = (ways[way]()() for way in ("ccproxy", "h11"))
    assert b"".join(ours) == b"".join(theirs)


def test_each_work_and_way_is_a_measure() -> None:
    measures = list(framing.run(Setting(rounds=1, only={"reads": ["1 event"]}), Progress(out=io.StringIO())))
    bodies, events = ["ccproxy", "httptools", "h11", "httpcore", "httpx"], ["split", "ccproxy", "httpx"]
    assert [m.labels["way"] for m in measures] == [*bodies, *events]
    assert {m.suite for m in measures} == {"framing"}

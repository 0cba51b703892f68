"""What many tests need: streams cut in every way, sinks that remember, recordings."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from ccproxy.errors import CcproxyError
from ccproxy.model import Context, Target
from ccproxy.policy.vendors import BUILT_IN
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.streams import Decoder, Encoder
from ccproxy.stream import Sink

RECORDINGS = os.environ.get("CCPROXY_RECORDINGS", "")


def cuts(data: bytes, rounds: int = 5) -> Iterator[list[bytes]]:
    """`data` whole, byte by byte, record by record (a repeat is read otherwise than what a cut leaves of it), and cut at
    random places (the same ones in every run)."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    yield data.splitlines(keepends=True)
    yield [piece for piece in re.findall(rb".*?(?:\r?\n\r?\n|$)", data, re.DOTALL) if piece]
    for seed in range(rounds):
        chance = random.Random(seed)
        places = sorted(chance.sample(range(len(data) + 1), min(len(data), chance.randint(1, 40))))
        yield [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def known(target: Target) -> Target:
    """The target with what the vendor table says of its model."""
    path = PROTOCOLS[target.protocol].chat.path(target, True, "")
    return evolve(target, traits=BUILT_IN.traits(target.provider, target.host, target.model, path))


class Recorder(Sink):
    """Remembers the calls as tuples, runs of deltas joined: `("text", "Hello")`."""

    JOINED = frozenset({"text", "refusal", "thinking", "tool_arguments"})

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def _add(self, name: str, *arguments: Any) -> None:
        last = self.calls[-1] if self.calls else ("",)
        if name in self.JOINED and last[0] == name and last[1:-1] == arguments[:-1]:
            self.calls[-1] = (*last[:-1], last[-1] + arguments[-1])
        else:
            self.calls.append((name, *arguments))

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of that name."""
        return [call[1:] for call in self.calls if call[0] == name]


def _recording(name: str) -> Callable[..., None]:
    def method(self: Recorder, *arguments: Any) -> None:
        self._add(name, *arguments)

    return method


for _name in [name for name in vars(Sink) if not name.startswith("_")]:
    setattr(Recorder, _name, _recording(_name))


def decode(make: Callable[[Context, Sink], Decoder], pieces: list[bytes], context: Context) -> Recorder:
    """The calls that a Decoder makes of the pieces and a clean end; what it raises becomes an `error` call."""
    recorder = Recorder()
    decoder = make(context, recorder)
    try:
        for piece in pieces:
            decoder.feed(piece)
        decoder.eof()
    except CcproxyError as error:
        recorder.calls.append(("error", error))
    return recorder


def encode(encoder: Encoder, calls: list[tuple[Any, ...]]) -> bytes:
    """The bytes that an Encoder makes of the calls."""
    for name, *arguments in calls:
        getattr(encoder, name)(*arguments)
    return encoder.take()


def recordings(*folders: str, part: str = "stream") -> list[Any]:
    """pytest parameters: the recorded cases of these folders that have this part (`request`, `response`, `stream`).
    Without recordings, one parameter that skips and says why."""
    if not RECORDINGS:
        reason = "no recorded traffic: set CCPROXY_RECORDINGS to its folder"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="no-recordings")]
    cases = json.loads((Path(RECORDINGS) / "index.json").read_text())
    return [pytest.param(case, id=case["name"]) for case in cases if case["dir"] in folders and part in case["files"]]


def recorded(case: dict[str, Any], part: str = "stream") -> bytes:
    """The bytes of one part of a recorded case, or of one of ours (`fakes.own`)."""
    if "own" in case:
        return Path(case["own"]).read_bytes()
    return (Path(RECORDINGS) / case["files"][part]).read_bytes()

from __future__ import annotations

from itertools import pairwise

import pytest

from ccproxy.codec import jsontext
from ccproxy.measure.traffic import COUNT, KINDS, framed, scripts, words
from ccproxy.model import Context, Usage
from ccproxy.protocols import PROTOCOLS
from ccproxy.stream import Sink

HELD_BACK = {("openai", "finish"), ("gemini", "usage")}
"""The counts may still come; they grow with every chunk, and the last ones are told at the end."""

CASES = [(protocol, kind) for protocol in PROTOCOLS for kind in KINDS]


class Heard(Sink):
    """The names of the calls, and the counts."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.counts: Usage | None = None

    def text(self, text: str) -> None:
        self.calls.append("text")

    def thinking(self, text: str) -> None:
        self.calls.append("thinking")

    def tool_arguments(self, key: int, text: str) -> None:
        self.calls.append("arguments")

    def usage(self, usage: Usage) -> None:
        self.calls.append("usage")
        self.counts = usage

    def finish(self, reason: str, stop_sequence: str | None = None) -> None:
        self.calls.append("finish")


@pytest.mark.parametrize(("protocol", "kind"), CASES)
def test_the_measured_records_say_what_their_kind_is(protocol: str, kind: str) -> None:
    script = scripts(protocol)[kind]
    heard = Heard()
    decoder = PROTOCOLS[protocol].chat.decoder(Context(client="openai", upstream=protocol), heard)
    for payload in script.lead:
        decoder.feed(framed(protocol, payload))
    before = len(heard.calls)
    for payload in script.measured:
        decoder.feed(framed(protocol, payload))
    if script.ends:
        decoder.eof()
    said = heard.calls[before:]
    assert said.count(kind) == (0 if (protocol, kind) in HELD_BACK else 1 if script.single else COUNT)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_count_the_same_tokens(protocol: str) -> None:
    script = scripts(protocol)["usage"]
    heard = Heard()
    decoder = PROTOCOLS[protocol].chat.decoder(Context(client="openai", upstream=protocol), heard)
    for payload in [*script.lead, *script.measured]:
        decoder.feed(framed(protocol, payload))
    if not decoder.done and protocol == "gemini":
        decoder.eof()
    assert heard.counts is not None
    assert (heard.counts.input, heard.counts.output) == (2048, 512)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_record_is_the_one_before_it_and_all_are_the_same_each_time(protocol: str) -> None:
    records = scripts(protocol)["text"].measured
    assert all(one != other for one, other in pairwise(records))
    scripts.cache_clear()
    assert scripts(protocol)["text"].measured == records


def test_openais_padding_varies_as_openais_does() -> None:
    padded = [jsontext.loads(record)["obfuscation"] for record in scripts("openai")["text"].measured]
    assert len({len(padding) for padding in padded}) > 3
    assert len({padding[-1] for padding in padded}) > 3


def test_pieces_differ_from_one_to_the_next() -> None:
    assert words(0) != words(1)
    assert len(words(3, 4).split()) == 4

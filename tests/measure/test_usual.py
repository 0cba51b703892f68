from __future__ import annotations

from itertools import permutations

import pytest

from ccproxy.measure import chunks, traffic, usual
from ccproxy.model import Context
from ccproxy.protocols import PROTOCOLS
from ccproxy.stream import Sink


class Heard(Sink):
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def text(self, text: str) -> None:
        self.said.append(("text", text))

    def thinking(self, text: str) -> None:
        self.said.append(("thinking", text))


def _told(heard: Heard, kind: str) -> str:
    """Without the blank line between thoughts: the usual way tells no items apart."""
    return "".join(text for said, text in heard.said if said == kind and text != "\n\n")


@pytest.mark.parametrize("kind", ["text", "thinking"])
@pytest.mark.parametrize(("client", "upstream"), list(permutations(PROTOCOLS, 2)))
def test_the_usual_way_says_the_same(client: str, upstream: str, kind: str) -> None:
    """As the client's protocol reads it back. The usual way has no beginnings, so ours go before it."""
    script = traffic.scripts(upstream)[kind]
    pump = chunks.pump_for(client, upstream)
    ours, theirs = Heard(), Heard()
    readers = [PROTOCOLS[client].chat.decoder(Context(client="openai", upstream=client), sink) for sink in (ours, theirs)]
    for payload in script.lead:
        lead = pump.feed(traffic.framed(upstream, payload))
        for reader in readers:
            reader.feed(lead)
    convert = usual.convert(client, upstream)
    for payload in script.measured:
        record = traffic.framed(upstream, payload)
        readers[0].feed(pump.feed(record))
        readers[1].feed(convert(record))
    assert _told(theirs, kind)
    assert _told(theirs, kind) in _told(ours, kind)


@pytest.mark.parametrize(("client", "upstream"), list(permutations(PROTOCOLS, 2)))
def test_the_usual_way_takes_arguments(client: str, upstream: str) -> None:
    convert = usual.convert(client, upstream)
    for payload in traffic.scripts(upstream)["arguments"].measured:
        assert b"file_path" in convert(traffic.framed(upstream, payload)) or b"file_path" not in payload

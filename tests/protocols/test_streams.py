from __future__ import annotations

import pytest

from ccproxy.model import Context
from ccproxy.protocols import PROTOCOLS
from ccproxy.stream import Sink


@pytest.mark.parametrize("name", PROTOCOLS)
def test_reprs_show_the_state(name: str) -> None:
    chat = PROTOCOLS[name].chat
    made = Context(client=name, upstream=name)
    encoder = chat.encoder(made)
    for shown in (chat.decoder(made, Sink()), encoder, chat.tap(made)):
        assert type(shown).__name__ in repr(shown)
    assert name in PROTOCOLS
    assert name in repr(PROTOCOLS)


def test_a_responses_stream_is_silent_while_it_is_idle() -> None:
    """Its clients take every event for one of the answer's."""
    assert PROTOCOLS["responses"].chat.tap(Context(client="responses", upstream="responses")).keepalive() == b""

"""The main job: every client's SDK through a real ccproxy process to every upstream, over real sockets.

What the SDK understood is compared with what the upstream meant. `README.md` shows the table of pairs; `test_readme.py`
keeps it true.
"""

from __future__ import annotations

import json

import pytest

from tests.fakes.clients import CLIENTS, QUESTION, SYSTEM, Refused
from tests.fakes.meaning import PIXEL, SCENARIOS, WEATHER
from tests.fakes.server import Upstream

PROTOCOLS = list(CLIENTS)
PAIRS = [pytest.param(client, upstream, id=f"{client}-{upstream}") for client in PROTOCOLS for upstream in PROTOCOLS]
STREAMS = [pytest.param(True, id="stream"), pytest.param(False, id="whole")]
ANSWERED = [name for name, meaning in SCENARIOS.items() if meaning.status == 200 and not meaning.breaks]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("scenario", ANSWERED)
@pytest.mark.parametrize(("client", "speaks"), PAIRS)
def test_the_client_understands_what_the_upstream_means(
    client: str, speaks: str, scenario: str, stream: bool, ccproxy: str
) -> None:
    understood = CLIENTS[client](f"{ccproxy}/to-{speaks}", scenario, stream)
    assert understood.said() == SCENARIOS[scenario].said()
    ids = [call.id for call in understood.calls if call.id]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(("client", "speaks"), PAIRS)
def test_an_error_before_the_answer(client: str, speaks: str, stream: bool, ccproxy: str) -> None:
    with pytest.raises(Refused, match="slow down") as refused:
        CLIENTS[client](f"{ccproxy}/to-{speaks}", "refuses", stream)
    assert refused.value.status == 429


@pytest.mark.parametrize(("client", "speaks"), PAIRS)
def test_an_error_in_mid_stream(client: str, speaks: str, ccproxy: str) -> None:
    with pytest.raises(Refused, match="it broke"):
        CLIENTS[client](f"{ccproxy}/to-{speaks}", "breaks", True)


@pytest.mark.parametrize(("client", "speaks"), PAIRS)
def test_what_the_upstream_is_asked(client: str, speaks: str, ccproxy: str, upstream: Upstream) -> None:
    """The picture, the system prompt, the call and its result of the request stand in what goes upstream."""
    address = f"{ccproxy}/to-{speaks}"
    CLIENTS[client](address, "image", True)
    image = json.dumps(upstream.asked[-1].document)
    CLIENTS[client](address, "result", False)
    result = json.dumps(upstream.asked[-1].document, ensure_ascii=False)
    assert upstream.asked[-1].protocol == speaks
    assert all(words in image for words in (PIXEL, QUESTION, SYSTEM))
    assert all(words in result for words in ("sunny", "get_weather", WEATHER["city"], SYSTEM))


def test_no_credential_of_the_client_goes_up(ccproxy: str, upstream: Upstream) -> None:
    for client in PROTOCOLS:
        for speaks in PROTOCOLS:
            CLIENTS[client](f"{ccproxy}/to-{speaks}", "text", False)
            assert "sk-client" not in json.dumps(upstream.asked[-1].headers) + upstream.asked[-1].path
            assert "sk-up" in json.dumps(upstream.asked[-1].headers)

"""The fakes against each other, without ccproxy: each SDK understands the wire that we wrote for its protocol."""

from __future__ import annotations

import pytest

from tests.fakes.clients import CLIENTS, Refused
from tests.fakes.meaning import SCENARIOS
from tests.fakes.server import BASE_PATHS, Upstream, scenario_script


@pytest.fixture(scope="module")
def upstream():
    with Upstream(scenario_script).running() as running:
        yield running


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("protocol", BASE_PATHS)
def test_the_sdk_understands_our_wire(protocol: str, scenario: str, stream: bool, upstream: Upstream) -> None:
    address, meaning = f"http://127.0.0.1:{upstream.port}/{protocol}", SCENARIOS[scenario]
    if meaning.status != 200 or meaning.breaks:
        with pytest.raises(Refused):
            CLIENTS[protocol](address, scenario, stream)
    else:
        assert CLIENTS[protocol](address, scenario, stream).said() == meaning.said()

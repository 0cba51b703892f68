from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.operations import operations_script
from tests.fakes.server import Upstream, ccproxy_process, config_for, free_port


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """The fake upstream that speaks every protocol."""
    with Upstream(operations_script).running() as running:
        yield running


@pytest.fixture(scope="session")
def ccproxy(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real ccproxy process in front of it; `/to-PROTOCOL` chooses the upstream's protocol."""
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("ccproxy")
    with ccproxy_process(config_for(upstream.port, port), folder, port) as address:
        yield address

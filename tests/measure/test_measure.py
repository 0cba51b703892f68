from __future__ import annotations

import pytest

from ccproxy.measure import SUITES, running


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_is_found_by_its_name(name: str) -> None:
    assert running.load(name, SUITES).name == name

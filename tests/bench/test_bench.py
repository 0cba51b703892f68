from __future__ import annotations

import pytest

from bench import SUITES
from ccproxy import measure
from ccproxy.measure import running


def test_the_suites_of_the_package_are_among_them() -> None:
    assert measure.SUITES.items() <= SUITES.items()


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_is_found_by_its_name(name: str) -> None:
    try:
        assert running.load(name, SUITES).name == name
    except ModuleNotFoundError as error:
        pytest.skip(f"needs the bench extra: {error}")

from __future__ import annotations

import platform

from ccproxy.measure import machine


def test_the_machine_and_nothing_of_whose_it_is() -> None:
    told = machine.machine()
    assert told["cores"] >= 1
    assert platform.node() not in str(told) or not platform.node()
    assert f"{told['cores']} cores" in machine.sentence(told)


def test_versions_name_what_is_installed() -> None:
    told = machine.versions()
    assert told["python"].endswith(platform.python_version())
    assert "orjson" in told


def test_the_sentence_of_a_machine_that_tells_little() -> None:
    told = {"processor": "arm", "cores": 4, "memory_gib": None, "system": "Darwin 23"}
    assert machine.sentence(told) == "arm, 4 cores, Darwin 23"

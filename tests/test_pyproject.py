"""What the package asks to be installed with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.test_layers import MODULES, imports

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
IMPORTED = {name.partition(".")[0] for _, path in MODULES for name in imports(path)}


def named(requirement: str) -> str:
    """`uvloop>=0.19; sys_platform != 'win32'` -> `uvloop`"""
    return re.split(r"[\[<>=; ]", requirement)[0]


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_every_dependency_is_used(requirement: str) -> None:
    assert named(requirement) in IMPORTED


def test_what_does_not_build_everywhere_is_asked_for_where_it_does() -> None:
    (uvloop,) = (requirement for requirement in PROJECT["dependencies"] if named(requirement) == "uvloop")
    assert "sys_platform != 'win32'" in uvloop
    assert "platform_python_implementation == 'CPython'" in uvloop

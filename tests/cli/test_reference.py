"""The reference of all keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import fields, has
from click.testing import CliRunner

from ccproxy.cli import main
from ccproxy.cli.reference import _SECTIONS, reference
from ccproxy.config import Config, Limits, Log, Server, Store, Timeouts, loads
from ccproxy.tables import is_key, reason

TEXT = reference()
ENV = dict.fromkeys(("KEY_1", "TOKEN", "BRAVE_KEY", "TAVILY_KEY", "GOOGLE_KEY", "SERPER_KEY"), "x" * 20) | {"KEY_2": "y"}
FOREIGN = ("prompt_file = ", 'url = "https://example.com/mcp"', "headers = { x-team", "token = ", "transport = ")
"""What cannot stand beside other lines of the reference: a second prompt, a second way to a server."""


def test_the_lines_are_valid_together() -> None:
    lines = [line.removeprefix("# ") for line in TEXT.splitlines() if re.match(r"# (\[|[\w\"*-]+ = )", line)]
    text = "\n".join(line for line in lines if not line.startswith(FOREIGN)).replace('"SERVER"', '"NAME"')
    text = text.replace('prompt = ""', 'prompt = "x"').replace('"off"', '"enhance"').replace('active_group = ""', "")
    config = loads(text, ENV)
    assert (config.limits, config.timeouts, config.store, config.log, config.server) == (
        Limits(),
        Timeouts(),
        Store(),
        Log(),
        Server(),
    )
    assert config.groups["NAME"].tool_filter == ("Web*",)
    assert config.mcp is not None
    assert config.quirks


def classes(cls: type) -> set[type]:
    """The tables of a class, as its annotations name them."""
    found = {cls}
    for attribute in fields(cls):
        words = re.findall(r"\w+", str(attribute.type))
        inner = [getattr(__import__(cls.__module__, fromlist=["x"]), word, None) for word in words]
        found |= {each for one in inner if isinstance(one, type) and has(one) and one not in found for each in classes(one)}
    return found


def test_no_key_is_missing() -> None:
    shown = {section.cls for section in _SECTIONS}
    known = {cls.__name__ for cls in classes(Config)} - {"Config", "Table", "Quirk", "Destination"}
    assert known - {cls.__name__ for cls in shown} <= {"Keyed", "Google", "Instance"}, (
        "of search engines, which are examples"
    )
    for section in _SECTIONS:
        part = TEXT.partition(f"\n# [{section.head}]\n")[2].partition("\n\n")[0]
        for attribute in fields(section.cls):
            if is_key(attribute) and f"\n# {attribute.name} = " not in f"\n{part}":
                assert attribute.name in ("models", "servers", "fetch", "search"), "tables of their own"
                assert f"{section.head}.{attribute.name}" in TEXT
            elif is_key(attribute):
                assert reason(attribute) in part


@pytest.mark.parametrize("attribute", fields(Log), ids=lambda attribute: attribute.name)
def test_a_default_is_the_codes_own(attribute: Any) -> None:
    assert f"# {attribute.name} = {json.dumps(attribute.default)}  # {reason(attribute)}\n" in TEXT


def test_init_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    assert CliRunner().invoke(main, ["init", str(path), "--all", "--provider", "ollama"]).exit_code == 0
    assert path.read_text().endswith(TEXT)
    assert "ollama" in loads(path.read_text(), {}).providers
    assert CliRunner().invoke(main, ["init", str(path), "--force", "--provider", "ollama"]).exit_code == 0
    assert "mcp.servers" not in path.read_text()

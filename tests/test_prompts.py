"""The prompts that come with ccproxy."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from ccproxy import prompts, tokens
from ccproxy.config import loads

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "prompts"
NAMES = sorted(prompts.BUILT_IN)

CONFIG = """
[providers.p]
protocol = "openai"
api_keys = ["k"]
[groups.a]
prompt_injection = "enhance"
prompt = "builtin:{name}"
models."*" = "p/*"
"""


def test_every_file_has_a_name_and_every_name_a_file() -> None:
    shipped = {path.name.removesuffix(".md") for path in files(prompts).iterdir() if path.name.endswith(".md")}
    assert shipped == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_names_it(name: str) -> None:
    config = loads(CONFIG.format(name=name), {})
    assert config.groups["a"].prompt == prompts.text(name)
    assert config.groups["a"].rules(strip_billing_line=False).prompt == prompts.text(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_documents_show_what_is_sent(name: str) -> None:
    assert (DOCS / f"{name}.md").read_text().strip() == prompts.text(name)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_and_holds_nothing_that_changes(name: str) -> None:
    text = prompts.text(name)
    assert tokens.of_text(text) < (300 if "small" in name else 700)
    assert text.isascii()
    assert json.dumps(text).count("{") == 0, "no place is left to be filled in"


def test_the_documents_tell_of_each() -> None:
    told = (DOCS / "README.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for name in NAMES:
        assert f"builtin:{name}`]({name}.md)" in told
        assert f"builtin:{name}" in readme

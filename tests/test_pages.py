"""What the README and the pages of `docs/` show of the configuration is valid, and their links lead somewhere.

`test_readme`, `test_docs` and `test_client_pages` have what particular pages say.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from ccproxy.config import Config, Log, Store, loads

ROOT = Path(__file__).parent.parent
PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
BLOCKS = {
    f"{name} {number}": block
    for name, page in PAGES.items()
    if name == "README.md" or (name.count("/") == 1 and name != "docs/mcp.md")
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page, re.DOTALL), 1)
}
AROUND = """
[keys]
laptop = "t"
[providers.bailian]
protocol = "openai"
[providers.nvidia]
protocol = "openai"
[providers.local]
protocol = "openai"
base_url = "http://127.0.0.1:8000/v1"
[groups.qwen.models]
"*" = "bailian/*"
"""
"""What the pages' pieces of a configuration belong to."""


def completed(block: str) -> Config:
    """The configuration that the piece makes of AROUND."""
    document = merged(tomllib.loads(AROUND), tomllib.loads(block))
    return loads(tomlkit.dumps(document), {name: name.lower() for name in re.findall(r"\$\{(\w+)\}", block)})


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(other[key], dict)}
    return one | other | both


@pytest.mark.parametrize("name", BLOCKS)
def test_configurations_are_valid(name: str) -> None:
    completed(BLOCKS[name])


def piece(page: str, word: str) -> Config:
    (found,) = (block for name, block in BLOCKS.items() if name.startswith(page) and word in block)
    return completed(found)


def test_the_row_of_the_vendor_table_is_read_as_it_is_meant() -> None:
    (quirk,) = piece("docs/vendors.md", "[[quirks]]").quirks
    assert (quirk.provider, quirk.refusals) == (("lab",), (r"no (?P<name>\w+) here",))


def test_defaults_are_as_shown() -> None:
    config = piece("docs/traffic-log.md", "log_bodies")
    assert (config.server.log_bodies, config.log) == (True, Log())
    assert piece("docs/running.md", "[store]").store == Store()


def test_aliases_are_taken_in_the_order_that_is_told() -> None:
    router = piece("docs/groups.md", "claude-sonnet-4-5").router()
    asked = ("claude-sonnet-4-5", "claude-haiku-4-5", "qwen3")
    led = [router.resolve("qwen", name).destinations[0].model for name in asked]
    assert led == ["qwen3-coder-plus", "qwen3-coder-flash", "qwen3"]


def anchors(page: str) -> set[str]:
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for place, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([\w-]+))?\)", PAGES[name]):
        path = (ROOT / name).parent / place if place else ROOT / name
        assert path.exists(), place
        if anchor:
            assert anchor in anchors(path.read_text()), (place, anchor)


def test_the_readme_leads_to_each_page() -> None:
    linked = set(re.findall(r"\]\((docs/[\w.-]+\.md)(?:#[\w-]+)?\)", PAGES["README.md"]))
    assert linked == {name for name in PAGES if re.fullmatch(r"docs/[\w.-]+", name)}

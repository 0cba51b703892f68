"""What docs/mcp.md says of the configuration and of clients is true."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from attrs import fields
from click.testing import CliRunner

from ccproxy.cli import main
from ccproxy.cli.mcp import COMMANDS
from ccproxy.cli.mcp.foreign import Place, servers_in, translated
from ccproxy.config import Mcp, McpServer, loads
from ccproxy.config.web import Fetch, Search
from ccproxy.mcp.builtin.engines import ENGINES

TEXT = (Path(__file__).parent.parent / "docs" / "mcp.md").read_text()
ENV = {name: name.lower() for name in re.findall(r"\$\{([A-Z_]+)\}", TEXT)} | {"HTTPS_PROXY": "http://proxy.test:3128"}
CLIENTS = ("Claude Code", "Gemini CLI", "Qwen Code", "VS Code", "Cursor", "Cline", "Roo Code", "Windsurf", "Crush", "Codex")
ADDRESS = "http://127.0.0.1:11434/mcp/http"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


OURS = [block for block in blocks("toml") if "[mcp_servers" not in block]
EVERY_KEY = tomllib.loads(OURS[-1])["mcp"]


@pytest.mark.parametrize("block", OURS, ids=range(len(OURS)))
def test_configurations_are_valid(block: str) -> None:
    assert loads(block, ENV).mcp is not None


def test_the_groups_tools_are_as_told() -> None:
    (block,) = (block for block in OURS if "guest" in block)
    assert loads(block, ENV).groups["qwen"].mcp == ("files__read_*", "web_fetch")


def test_every_key_is_told_with_its_default() -> None:
    tables: dict[Any, dict[str, Any]] = {
        Mcp: {key: value for key, value in EVERY_KEY.items() if key not in ("servers", "fetch", "search")},
        McpServer: EVERY_KEY["servers"]["NAME"] | EVERY_KEY["servers"]["OTHER"],
        Fetch: EVERY_KEY["fetch"],
        Search: EVERY_KEY["search"],
    }
    for cls, told in tables.items():
        known = {a.name: a.default for a in fields(cls) if a.name not in ("servers", "fetch", "search")}
        assert set(told) == set(known), cls
        numbers = {name: default for name, default in known.items() if isinstance(default, (int, float))}
        assert {name: told[name] for name in numbers} == numbers
    config = loads(OURS[-1], ENV)
    assert config.mcp is not None
    assert config.mcp.search is not None
    for name, engine in ENGINES.items():
        assert getattr(config.mcp.search, name).url == (engine.base or "http://127.0.0.1:8888")


def client_entries() -> list[Any]:
    return [json.loads(block) for block in blocks("json")]


@pytest.mark.parametrize("entry", client_entries(), ids=range(len(client_entries())))
def test_entries_of_clients_lead_here(entry: Any) -> None:
    servers = entry["mcp"] if "$schema" in entry else servers_in(entry)
    (found,) = translated(servers, Place(Path("/p"), Path("/h"), {}))
    assert found.table is not None
    assert found.table["url"] == ADDRESS
    assert found.table["headers"]["Authorization"].startswith("Bearer ")


def test_codex() -> None:
    (block,) = (block for block in blocks("toml") if "[mcp_servers" in block)
    assert tomllib.loads(block)["mcp_servers"]["ccproxy"] == {"url": ADDRESS, "bearer_token_env_var": "CCPROXY_TOKEN"}


def test_each_client_has_its_lines() -> None:
    part = TEXT.partition("## Clients")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*([A-Za-z ]+)\*\*", part, re.MULTILINE) == list(CLIENTS)
    assert all(ADDRESS in line for line in part.splitlines() if " mcp add " in line and "import" not in line)


def test_each_command_is_told() -> None:
    told = set(re.findall(r"ccproxy mcp (\w+)", TEXT)) | set(re.findall(r"`(enable|disable) NAME`", TEXT))
    assert told == set(COMMANDS)


def test_the_first_lines_work_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ccproxy.toml").write_text("[mcp]\n")
    lines = [line for line in blocks("sh")[0].splitlines() if line.startswith("ccproxy mcp add")]
    for line in lines:
        words = [word.strip("'") for word in line.split()]
        assert CliRunner().invoke(main, words[1:]).exit_code == 0
    written = tomllib.loads((tmp_path / "ccproxy.toml").read_text())["mcp"]["servers"]
    assert written["files"]["command"] == "npx"
    assert written["issues"] == {"url": "https://mcp.example.com/mcp", "token": "${ISSUES_TOKEN}"}


def test_links_within_the_page() -> None:
    heads = {
        re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\(#([\w-]+)\)", TEXT)) <= heads

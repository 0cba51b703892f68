"""What docs/clients says is true: configurations load, command lines exist, programs run, the table is what is tested."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ccproxy.cli import main
from ccproxy.cli.clients import CLIENTS
from ccproxy.config import loads
from ccproxy.protocols import PROTOCOLS
from tests.clients.kinds import CLIENTS as TESTED
from tests.clients.kinds import OTHERWISE, PACKAGES, Package
from tests.clients.test_clients import COMPAT, NATIVE
from tests.fakes.meaning import SCENARIOS
from tests.fakes.server import Upstream, ccproxy_process, free_port, scenario_script

FOLDER = Path(__file__).parent.parent / "docs" / "clients"
PAGES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
INDEX = PAGES["README"]
ADDRESS = "http://127.0.0.1:11434"


def blocks(kind: str) -> list[object]:
    found = [
        (name, block) for name, page in PAGES.items() for block in re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)
    ]
    return [pytest.param(block, id=f"{name}-{number}") for number, (name, block) in enumerate(found)]


def test_each_client_has_its_page_and_its_link() -> None:
    linked = set(re.findall(r"\((\w[\w-]*)\.md\)", INDEX))
    assert linked == PAGES.keys() - {"README"}
    assert PAGES.keys() >= CLIENTS.keys()
    assert PAGES.keys() - CLIENTS.keys() == {"README", "openai-responses"}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", PAGES[name]):
        assert (FOLDER / link).exists(), link


@pytest.mark.parametrize("block", blocks("toml"))
def test_configurations_are_valid(block: str) -> None:
    if "model_providers" in block:  # Codex's own
        provider = tomllib.loads(block)["model_providers"]["ccproxy"]
        assert (provider["wire_api"], provider["env_key"]) == ("responses", "CCPROXY_API_KEY")
        return
    loads(block, dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "k"))


@pytest.mark.parametrize("block", blocks("json"))
def test_clients_configurations_are_json(block: str) -> None:
    assert ADDRESS in json.dumps(json.loads(block))


def lines() -> list[object]:
    """Command lines of ccproxy, in blocks and within sentences."""
    found = []
    for name, page in PAGES.items():
        shell = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
        for text in shell + re.findall(r"`([^`\n]+)`", page):
            if match := re.search(r"\bccproxy ([a-z][^\")#]*)", text):
                found.append(pytest.param(match[1].strip(), id=f"{name}-{match[1].strip()}"))
    return found


@pytest.mark.parametrize("line", lines())
def test_command_lines_exist(line: str) -> None:
    name, *words = shlex.split(line)
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None, line
    own = words[: words.index("--")] if "--" in words else words
    _, rest, _ = command.make_parser(click.Context(command)).parse_args(own)
    assert not rest
    if "--client" in own:
        assert own[own.index("--client") + 1] in CLIENTS
    groups = {group for page in PAGES.values() for group in re.findall(r"\[groups\.(\w+)", page)}
    if name in ("run", "env") and own:
        assert own[0] in groups


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_variables_are_those_that_ccproxy_sets(name: str) -> None:
    """Each that `ccproxy run` points the client by is told, but for the names of models."""
    client = CLIENTS[name]
    if "By hand" in PAGES[name] or "From the environment" in PAGES[name]:
        for variable in [*client.variables, *([client.inline[0]] if client.inline and not client.file else [])]:
            assert variable in PAGES[name] or variable == "OPENCODE_CONFIG_CONTENT"


@pytest.mark.parametrize("package", PACKAGES.values(), ids=list(PACKAGES))
def test_the_tested_versions_are_told(package: Package) -> None:
    told = [page for page in PAGES.values() if f"`{package.name}`" in page]
    assert any(package.version.removesuffix(".0") in page for page in told)


def what_is_tested() -> str:
    native = {(client.name, speaks) for client, speaks in (param.values for param in NATIVE)}
    compat = {(client.name, speaks) for client, speaks in (param.values for param in COMPAT)}
    head = "".join(f" → {name} |" for name in PROTOCOLS)
    table = [f"| client |{head}", "|---|" + "---|" * len(PROTOCOLS)]
    for client in (*TESTED, *OTHERWISE):
        cells = [(client.name, speaks) for speaks in PROTOCOLS]
        said = [
            "yes, compat" if c in native & compat else "yes" if c in native else "compat" * (c in compat) for c in cells
        ]
        table.append(f"| {client.name} |" + "".join(f" {one} |" for one in said))
    return "\n".join(table)


def test_the_table_is_what_is_tested() -> None:
    assert INDEX.partition("<!-- tested -->\n")[2].partition("\n<!-- /tested -->")[0] == what_is_tested()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ccproxy with a group called qwen, whose model has something to say."""
    folder, port = tmp_path_factory.mktemp("pages"), free_port()
    with Upstream(lambda asked, model: scenario_script(asked, "text")).running() as upstream:
        base_url = f"http://127.0.0.1:{upstream.port}/claude"
        config = f"""
            [server]
            port = {port}
            [providers.fake]
            protocol = "claude"
            base_url = "{base_url}"
            api_keys = ["k"]
            [groups.qwen.models]
            coder = "fake/text"
        """
        with ccproxy_process(config, folder, port) as address:
            yield address


@pytest.mark.parametrize("block", blocks("python"))
def test_programs_run_as_shown(block: str, served: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ADDRESS in block
    names: dict[str, object] = {}
    exec(compile(block.replace(ADDRESS, served), "page", "exec"), names)
    close = getattr(names["client"], "close", None)
    if close is not None:
        close()
    assert SCENARIOS["text"].text in capsys.readouterr().out

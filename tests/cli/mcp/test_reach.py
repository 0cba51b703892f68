"""`ccproxy mcp list` and `call`, through a ccproxy that runs and without one: the same is seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.cli.mcp.calling import shown
from tests.fakes.server import free_port
from tests.mcp.serving import serving, stdio

CONFIG = (
    '[keys]\nme = "k-me"\nother = "k-other"\n[mcp]\nkeys = ["me"]\n[mcp.fetch]\n'
    '[providers.p]\nprotocol = "openai"\n[groups.few]\nmcp = ["plain__a*"]\nkeys = ["other"]\nmodels = { "*" = "p/*" }\n'
    + stdio("plain")
    + stdio("asleep", more="enabled = false")
)


@pytest.fixture(scope="module", params=["running", "alone"])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration's path; a ccproxy runs with it, or does not."""
    folder = tmp_path_factory.mktemp("reach")
    if request.param == "running":
        with serving(CONFIG, folder):
            yield folder / "ccproxy.toml"
    else:
        (folder / "ccproxy.toml").write_text(f"[server]\nport = {free_port()}\n{CONFIG}")
        yield folder / "ccproxy.toml"


def run(config: Path, *arguments: str, input: str | None = None) -> Result:
    name, *rest = arguments
    return CliRunner().invoke(main, ["mcp", name, "--config", str(config), *rest], input=input)


def test_the_list(config: Path) -> None:
    result = run(config, "list")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1][:2] == ["plain", "ready"]
    assert rows[2][:2] == ["asleep", "disabled"]
    assert rows[3] == ["(built", "in)", "ready", "1", "web_fetch"]


def test_who_was_asked_is_said(config: Path, request: pytest.FixtureRequest) -> None:
    said = run(config, "list").stderr
    assert ("asked: the ccproxy at http://127.0.0.1:" in said) == ("running" in request.node.name)


def test_one_servers_tools(config: Path) -> None:
    result = run(config, "list", "plain")
    assert result.exit_code == 0
    assert "plain: ready\n" in result.stdout
    assert "plain__add(a, b)\n  a + b\n" in result.stdout
    unknown = run(config, "list", "plan")
    assert (unknown.exit_code, "servers: plain, asleep" in unknown.stderr) == (1, True)


def test_for_programs(config: Path) -> None:
    document = json.loads(run(config, "list", "--json").stdout)
    plain, asleep = document["servers"]
    assert (plain["name"], plain["state"], asleep["state"]) == ("plain", "ready", "disabled")
    assert "plain__add" in [tool["name"] for tool in plain["tools"]]
    assert plain["tools"][0]["inputSchema"]["type"] == "object"
    assert [tool["name"] for tool in document["builtin"]] == ["web_fetch"]


def test_a_groups_tools(config: Path) -> None:
    document = json.loads(run(config, "list", "--json", "--group", "few").stdout)
    names = [tool["name"] for server in document["servers"] for tool in server["tools"]]
    assert names == ["plain__add", "plain__asks"]
    assert run(config, "call", "plain__echo", '{"text": "x"}', "--group", "few").exit_code == 1
    assert run(config, "call", "plain__add", '{"a": 1, "b": 2}', "--group", "few").stdout == "3\n"


CALLS: list[tuple[str, str, int, str]] = [
    ("plain__add", '{"a": 1, "b": 2}', 0, "3\n"),
    ("plain__picture", "{}", 0, "[image: image/png, 3 bytes]\n"),
    ("plain__linked", "{}", 0, "[resource: note 1, plain://notes/1]\n"),
    ("plain__fails", "{}", 1, "Error executing tool fails"),
    ("web_fetch", '{"url": "x.test", "start": "no"}', 1, "start must be a whole number"),
    ("web_fetch", '{"url": "http://127.0.0.1/"}', 1, "127.0.0.1 is a loopback address"),
]


@pytest.mark.parametrize(("tool", "arguments", "code", "output"), CALLS)
def test_calls(config: Path, tool: str, arguments: str, code: int, output: str) -> None:
    result = run(config, "call", tool, arguments)
    assert result.exit_code == code, result.output
    assert result.stdout.startswith(output)


def test_progress_goes_to_standard_error(config: Path) -> None:
    result = run(config, "call", "plain__slow", '{"seconds": 0.2}')
    assert result.stdout == "done\n"
    assert "5 of 10: step 5\n" in result.stderr


def test_arguments_from_standard_input_and_a_result_for_programs(config: Path) -> None:
    result = run(config, "call", "plain__weather", "-", "--json", input='{"city": "Oslo"}')
    assert json.loads(result.stdout)["structuredContent"]["city"] == "Oslo"


REFUSED = [
    ("plain__nope", "{}", "unknown tool 'plain__nope'"),
    ("asleep__add", "{}", "unknown tool"),
    ("plain__add", '{"a": 1}', "do not fit its schema"),
    ("plain__dies", "{}", "MCP server plain"),
]


@pytest.mark.parametrize(("tool", "arguments", "words"), REFUSED)
def test_what_mcp_refuses(config: Path, tool: str, arguments: str, words: str) -> None:
    result = run(config, "call", tool, arguments)
    assert (result.exit_code, words in result.stderr) == (1, True), result.output


@pytest.mark.parametrize("arguments", ["{", "[]", "3", ""])
def test_arguments_that_are_no_object(config: Path, arguments: str) -> None:
    result = run(config, "call", "plain__add", arguments)
    assert (result.exit_code, "ARGUMENTS" in result.stderr) == (2, True)


def test_a_server_that_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(f'[server]\nport = {free_port()}\n[mcp.servers.broken]\ncommand = "false"\n')
    result = run(path, "list")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].split()[:3] == ["broken", "resting", "0"]


def test_a_file_without_servers(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(f"[server]\nport = {free_port()}\n[mcp]\n")
    result = run(path, "list")
    assert (result.exit_code, "no servers; add one" in result.stdout) == (0, True)


def test_a_running_ccproxy_follows(tmp_path: Path) -> None:
    with serving("[mcp]\n", tmp_path):
        path = tmp_path / "ccproxy.toml"
        assert run(path, "list").stdout.startswith("no servers")
        name, (command, script) = "plain", _command()
        assert run(path, "add", name, "--", command, script).exit_code == 0
        assert eventually(path, "ready")
        assert run(path, "disable", name).exit_code == 0
        assert eventually(path, "disabled")
        assert run(path, "remove", name).exit_code == 0
        assert eventually(path, "no servers")


def _command() -> tuple[str, str]:
    import tomllib

    table = tomllib.loads(stdio("x"))["mcp"]["servers"]["x"]
    return table["command"], table["args"][0]


def eventually(path: Path, words: str) -> bool:
    import time

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if words in run(path, "list").stdout:
            return True
        time.sleep(0.1)
    return False


def test_the_states_are_behind_the_keys(tmp_path: Path) -> None:
    with serving(CONFIG, tmp_path) as address:
        answers: dict[str, Any] = {
            key: httpx.get(f"{address}/mcp/servers", headers={"x-api-key": key}, trust_env=False)
            for key in ("k-me", "k-other", "none")
        }
        assert [answer.status_code for answer in answers.values()] == [200, 403, 401]
        assert {server["name"] for server in answers["k-me"].json()["servers"]} == {"plain", "asleep"}
        assert httpx.post(f"{address}/mcp/servers", headers={"x-api-key": "k-me"}, trust_env=False).status_code == 404


def test_every_kind_of_content_is_shown() -> None:
    content = [
        {"type": "text", "text": "a\nb"},
        {"type": "audio", "mimeType": "audio/wav", "data": "AAAA"},
        {"type": "resource", "resource": {"uri": "x://1", "text": "inside"}},
        {"type": "resource", "resource": {"uri": "x://2", "blob": "AAAAAAAA"}},
        {"type": "resource_link", "name": "n", "uri": "x://3"},
        {"type": "later"},
    ]
    assert list(shown({"content": content, "structuredContent": {"a": 1}})) == [
        "a\nb",
        "[audio: audio/wav, 3 bytes]",
        "[resource: x://1]\ninside",
        "[resource: x://2, 6 bytes]",
        "[resource: n, x://3]",
        "[later]",
    ]
    assert list(shown({"content": [], "structuredContent": {"a": 1}})) == ['{\n  "a": 1\n}']

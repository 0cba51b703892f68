"""Real MCP servers from npm behind a real ccproxy process, and real clients before it.

The servers over stdio, and the one that tries everything over Streamable HTTP as well, heard by the SDK's client of either
age; the MCP inspector's command line; and Claude Code and Gemini CLI, which `mcp add` it, find it connected, and do a task
that needs one of its tools, with a scripted model behind the same ccproxy.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import mcp.types as types
import pytest

from ccproxy.measure.processes import started
from tests.clients.install import Missing, program
from tests.clients.kinds import PACKAGES, Package
from tests.clients.running import environment
from tests.conftest import MISSING
from tests.fakes.meaning import Meaning, Spoken
from tests.fakes.server import Asked, Scripted, Upstream, ccproxy_process, free_port
from tests.fakes.wires import ANSWERS, CONTENT_TYPES, STREAMS
from tests.mcp.serving import MODES, client, eventually, reached, stdio, words

FOLDER = os.environ.get("CCPROXY_CLIENTS", "")

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="CCPROXY_CLIENTS names no folder to install real MCP servers and clients into; .ci/run does"
)

EVERYTHING = Package("npm", "@modelcontextprotocol/server-everything", "2026.8.31", "mcp-server-everything")
FILES = Package("npm", "@modelcontextprotocol/server-filesystem", "2026.8.31", "mcp-server-filesystem")
MEMORY = Package("npm", "@modelcontextprotocol/server-memory", "2026.8.31", "mcp-server-memory")
INSPECTOR = Package("npm", "@modelcontextprotocol/inspector", "2.12.0", "mcp-inspector")

KEY = "sk-client"

WAYS = ("everything", "reached")
"""The same server, run and reached."""


def installed(package: Package) -> Path:
    try:
        return program(package, Path(FOLDER))
    except Missing as missing:
        pytest.skip(f"{MISSING}{missing}")


def model(asked: Asked, name: str) -> Scripted:
    """Calls the tool that adds, where it is offered, and says what it said."""
    results = [message["content"] for message in asked.document["messages"] if message["role"] == "tool"]
    names = [tool["function"]["name"] for tool in asked.document.get("tools", [])]
    adding = [one for one in names if one.endswith("everything__get-sum")]
    meaning = Meaning(f"I have {len(names)} tools and none that adds.")
    if results:
        meaning = Meaning(f"The tool says: {results[-1]}")
    elif adding:
        meaning = Meaning(calls=[Spoken(adding[0], {"a": 20, "b": 22}, "call_1")], finish="tool_calls")
    if not asked.streams:
        return Scripted(200, "application/json", [json.dumps(ANSWERS["openai"](meaning)).encode()])
    return Scripted(200, CONTENT_TYPES["openai"], [STREAMS["openai"](meaning)])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("real")
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("hello from a file")
    port, there = free_port(), free_port()
    everything, files, memory = map(installed, (EVERYTHING, FILES, MEMORY))
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream(model).running())
        stack.enter_context(started([str(everything), "streamableHttp"], there, {"PORT": str(there)}))
        config = (
            f"[server]\nport = {port}\n[keys]\nclient = '{KEY}'\n[mcp]\nwait = 20\n"
            f"[providers.fake]\nprotocol = 'openai'\nbase_url = 'http://127.0.0.1:{upstream.port}/openai/v1'\n"
            f"[mcp.servers.everything]\ncommand = '{everything}'\n"
            f"[mcp.servers.files]\ncommand = '{files}'\nargs = ['{folder / 'files'}']\n"
            f"[mcp.servers.memory]\ncommand = '{memory}'\nenv = {{ MEMORY_FILE_PATH = '{folder / 'memory.json'}' }}\n"
        )
        config += reached("reached", f"http://127.0.0.1:{there}/mcp") + stdio("plain")
        yield stack.enter_context(ccproxy_process(config, folder, port))


@pytest.fixture
def folder(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (found,) = tmp_path_factory.getbasetemp().glob("real0")
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_servers_tools_are_there_and_work(address: str, folder: Path, mode: str) -> None:
    async def run() -> None:
        async with client(address, token=KEY, mode=mode) as mcp:
            names = [tool.name for tool in (await mcp.list_tools()).tools]
            assert {name.partition("__")[0] for name in names} == {"everything", "files", "memory", "reached", "plain"}
            said = words(await mcp.call_tool("files__read_text_file", {"path": str(folder / "files" / "a.txt")}))
            assert said == "hello from a file"
            entity = {"name": f"Ada {mode}", "entityType": "person", "observations": ["counts"]}
            await mcp.call_tool("memory__create_entities", {"entities": [entity]})
            assert f"Ada {mode}" in words(await mcp.call_tool("memory__search_nodes", {"query": mode}))
            assert words(await mcp.call_tool("plain__add", {"a": 1, "b": 2})) == "3"

    anyio.run(run)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", WAYS)
def test_everything_that_a_server_can_say_passes(address: str, server: str, mode: str) -> None:
    async def run() -> None:
        steps: list[float] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            steps.append(done)

        async with client(address, token=KEY, mode=mode) as mcp:
            assert words(await mcp.call_tool(f"{server}__echo", {"message": "hi"})) == "Echo: hi"
            image = await mcp.call_tool(f"{server}__get-tiny-image", {})
            assert "image" in [part.type for part in image.content]
            structured = await mcp.call_tool(f"{server}__get-structured-content", {"location": "New York"})
            assert structured.structured_content is not None
            links = await mcp.call_tool(f"{server}__get-resource-links", {"count": 2})
            assert [part.type for part in links.content].count("resource_link") == 2
            annotated = await mcp.call_tool(f"{server}__get-annotated-message", {"messageType": "error"})
            assert annotated.content[0].annotations is not None
            long = {"duration": 1, "steps": 4}
            await mcp.call_tool(f"{server}__trigger-long-running-operation", long, progress_callback=progress)
            assert steps[-1] == 4
            prompt = await mcp.get_prompt(f"{server}__args-prompt", {"city": "Paris"})
            assert "Paris" in prompt.messages[0].content.text  # type: ignore[union-attr]
            reference = types.PromptReference(type="ref/prompt", name=f"{server}__completable-prompt")
            found = await mcp.complete(reference, {"name": "department", "value": "E"})
            assert "Engineering" in found.completion.values

    anyio.run(run)


def test_resources_their_templates_and_their_changes_pass(address: str) -> None:
    async def run() -> None:
        updated: list[str] = []

        async def heard(message: Any) -> None:
            if isinstance(message, types.ResourceUpdatedNotification):
                updated.append(str(message.params.uri))

        async with client(address, token=KEY, message_handler=heard) as mcp:
            resources = (await mcp.list_resources()).resources
            assert "demo://resource/static/document/architecture.md" in [str(resource.uri) for resource in resources]
            read = await mcp.read_resource("demo://resource/dynamic/text/1")
            assert read.contents
            await mcp.session.subscribe_resource("demo://resource/dynamic/text/1")
            await mcp.call_tool("everything__toggle-subscriber-updates", {})
            await eventually(lambda: updated)
            assert set(updated) == {"demo://resource/dynamic/text/1"}
            await mcp.call_tool("everything__toggle-subscriber-updates", {})

    with pytest.warns(UserWarning, match="resources/subscribe"):
        anyio.run(run)


# Clients


def told(command: list[str], home: Path, work: Path, **variables: str) -> str:
    """What a command says, with a home of its own. A variable that is empty is not set."""
    work.mkdir(exist_ok=True)
    own = {name: value for name, value in {**environment(home), **variables}.items() if value}
    ran = subprocess.run(
        command,
        cwd=work,
        env=own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ran.stdout or ran.stderr


def test_the_inspector(address: str, tmp_path: Path) -> None:
    command = [str(installed(INSPECTOR)), "--cli", f"{address}/mcp/http", "--transport", "http"]
    key = ["--header", f"Authorization: Bearer {KEY}"]
    unset = dict.fromkeys((name for name in environment(tmp_path / "home") if name.lower().endswith("_proxy")), "")

    def said(*arguments: str) -> Any:
        return json.loads(told([*command, *arguments, *key], tmp_path / "home", tmp_path / "work", **unset))

    listed = said("--method", "tools/list")
    assert "tools" in listed, listed
    assert "everything__get-sum" in [tool["name"] for tool in listed["tools"]]
    call = ("--method", "tools/call", "--tool-name", "everything__get-sum", "--tool-arg", "a=2", "--tool-arg", "b=3")
    assert said(*call)["content"][0]["text"] == "The sum of 2 and 3 is 5."


def test_claude_code(address: str, tmp_path: Path) -> None:
    claude, home, work = str(installed(PACKAGES["claude-code"])), tmp_path / "home", tmp_path / "work"
    header = ["--header", f"Authorization: Bearer {KEY}"]
    told([claude, "mcp", "add", "--transport", "http", "ccproxy", f"{address}/mcp/http", *header], home, work)
    assert "Connected" in told([claude, "mcp", "list"], home, work)
    said = told(
        [claude, "-p", "add 20 and 22", "--allowedTools", "mcp__ccproxy__everything__get-sum"],
        home,
        work,
        ANTHROPIC_BASE_URL=address,
        ANTHROPIC_AUTH_TOKEN=KEY,
        ENABLE_TOOL_SEARCH="false",  # the model sees every tool at once
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
    )
    assert "The sum of 20 and 22 is 42." in said


def test_gemini_cli(address: str, tmp_path: Path) -> None:
    gemini, home, work = str(installed(PACKAGES["gemini-cli"])), tmp_path / "home", tmp_path / "work"
    (home / ".gemini").mkdir(parents=True)
    security = {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}}
    (home / ".gemini" / "settings.json").write_text(json.dumps({"security": security}))
    header = ["--header", f"Authorization: Bearer {KEY}"]
    told([gemini, "mcp", "add", "--transport", "http", "ccproxy", f"{address}/mcp/http", *header], home, work)
    assert "Connected" in told([gemini, "mcp", "list"], home, work)
    said = told(
        [gemini, "--yolo", "--model", "gemini-2.5-pro", "-p", "add 20 and 22"],  # a named model needs no router
        home,
        work,
        GEMINI_API_KEY=KEY,
        GOOGLE_GEMINI_BASE_URL=address,
        GEMINI_CLI_TRUST_WORKSPACE="true",
    )
    assert "The sum of 20 and 22 is 42." in said

"""`ccproxy run`, as a real process beside a real server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ccproxy.cli.run import start
from tests.cli.served import CONFIG, configuration, serving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the clients here are shell scripts")

TELL = f"""#!{sys.executable}
import json, os, sys
print(json.dumps({{"words": sys.argv[1:], "env": dict(os.environ)}}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A folder with a configuration and clients that tell what they were started with; the port of a server."""
    folder = tmp_path_factory.mktemp("run")
    path = configuration(folder)
    for name in ("claude", "codex", "gemini", "opencode", "aider", "cline"):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(TELL)
        program.chmod(0o755)
    (folder / "bin" / "broken").write_text("no program")
    (folder / "bin" / "broken").chmod(0o755)
    with serving(path, CI_TOKEN="t", NOT_SET_HERE="k", PATH=os.environ["PATH"]) as port:
        yield folder, port


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    own = {"PATH": f"{folder / 'bin'}:{kept['PATH']}", "HOME": str(folder / "home")}
    return {**kept, **own, "CCPROXY_CONFIG": str(folder / "ccproxy.toml"), **more}


def run(place: tuple[Path, int], *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    folder, port = place
    command = [sys.executable, "-m", "ccproxy", "run", "--port", str(port), *words]
    return subprocess.run(command, env=environment(folder, **more), capture_output=True, text=True, timeout=60)


def test_the_client_is_known_by_its_command(place: tuple[Path, int]) -> None:
    told = run(place, "qwen", "--", "claude", "-p", "say hello", "--model", "x", ANTHROPIC_API_KEY="sk-x")
    assert told.stderr == ""
    client = json.loads(told.stdout)
    assert client["words"] == ["-p", "say hello", "--model", "x"]
    assert client["env"]["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{place[1]}/qwen"
    assert client["env"]["ANTHROPIC_AUTH_TOKEN"] == "cs-laptop"
    assert "ANTHROPIC_API_KEY" not in client["env"]
    assert "OPENAI_API_KEY" not in client["env"]


def test_options_go_before_the_clients_own(place: tuple[Path, int]) -> None:
    client = json.loads(run(place, "switch/compat", "codex", "exec", "hi").stdout)
    assert client["words"][-2:] == ["exec", "hi"]
    assert f'model_providers.ccproxy.base_url="http://127.0.0.1:{place[1]}/switch/compat/v1"' in client["words"]
    assert client["env"]["CCPROXY_API_KEY"] == "cs-laptop"
    assert not any("cs-laptop" in word for word in client["words"])


def test_a_model_of_the_group_is_asked_for(place: tuple[Path, int]) -> None:
    client = json.loads(run(place, "bots", "--", "claude", CI_TOKEN="t").stdout)
    assert client["env"]["ANTHROPIC_MODEL"] == "small"
    client = json.loads(run(place, "qwen", "--model", "named", "--", "aider").stdout)
    assert client["env"]["AIDER_MODEL"] == "openai/named"
    client = json.loads(run(place, "qwen", "opencode").stdout)
    assert json.loads(client["env"]["OPENCODE_CONFIG_CONTENT"])["model"] == "ccproxy/qwen3-coder-plus"


def test_any_other_program_gets_the_variables_of_all(place: tuple[Path, int]) -> None:
    told = run(place, "qwen", "--", "sh", "-c", 'echo "$OPENAI_BASE_URL $ANTHROPIC_BASE_URL"; exit 7')
    base = f"http://127.0.0.1:{place[1]}/qwen"
    assert (told.returncode, told.stdout) == (7, f"{base}/v1 {base}\n")
    client = json.loads(run(place, "qwen", "--client", "codex", "--", "claude", "a").stdout)
    assert client["words"][:2] == ["a", "-c"], "behind, where the command is not the client's own"


def test_signals_are_the_clients_own(place: tuple[Path, int]) -> None:
    told = run(place, "qwen", "--", "sh", "-c", "kill -TERM $$")
    assert told.returncode == -signal.SIGTERM


def test_no_signal_is_ignored_that_was_not_before(place: tuple[Path, int]) -> None:
    told = run(place, "qwen", "--", "sh", "-c", "kill -PIPE $$")
    assert told.returncode == -signal.SIGPIPE


def test_standard_streams_are_the_clients_own(place: tuple[Path, int]) -> None:
    folder, port = place
    command = [sys.executable, "-m", "ccproxy", "run", "--port", str(port), "qwen", "cat"]
    told = subprocess.run(command, env=environment(folder), input=b"\x00bytes\xff", capture_output=True, timeout=60)
    assert told.stdout == b"\x00bytes\xff"


REFUSED: dict[str, tuple[list[str], int, list[str]]] = {
    "no such command": (["qwen", "--", "clawd"], 127, ["clawd: there is no such command", "PATH"]),
    "no program": (["qwen", "--", "broken"], 126, ["broken cannot be started"]),
    "no such group": (["qwn", "--", "claude"], 1, ["did you mean qwen?"]),
    "no key": (["bots", "--", "claude"], 1, ["CI_TOKEN is not set", "ccproxy keys add"]),
    "no command": (["qwen"], 2, ["which command?"]),
    "no dashes": (
        ["qwen", "claude", "-p", "hi"],
        2,
        ["-p is no option of ccproxy run; put -- before", "qwen -- claude -p hi"],
    ),
    "an unknown option": (["qwen", "--modle", "x", "--", "claude"], 2, ["--modle"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_started_is_told(name: str, place: tuple[Path, int]) -> None:
    words, code, parts = REFUSED[name]
    told = run(place, *words)
    assert (told.returncode, told.stdout) == (code, "")
    assert all(part in told.stderr for part in parts), told.stderr
    assert "Traceback" not in told.stderr


def test_where_a_process_cannot_be_replaced_it_is_waited_for() -> None:
    words = ["python", "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"]
    with pytest.raises(SystemExit) as end:
        start(sys.executable, words, {**os.environ, "CODE": "5"}, replace=False)
    assert end.value.code == 5


def test_no_server(place: tuple[Path, int]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = run(place, "--port", str(port), "qwen", "--", "claude")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith(f"no ccproxy answers on http://127.0.0.1:{port}\n")
    assert "ccproxy serve" in told.stderr


def test_a_server_of_another_file(place: tuple[Path, int], tmp_path: Path) -> None:
    path = configuration(tmp_path, CONFIG.replace("cs-laptop", "cs-other"))
    told = run(place, "qwen", "--", "claude", CCPROXY_CONFIG=str(path))
    assert told.returncode == 1
    assert "the proxy key is not one of this server's keys" in told.stderr
    path = configuration(tmp_path, CONFIG.replace("groups.qwen", "groups.new").replace('"qwen"', '"new"'))
    told = run(place, "new", "--", "claude", CCPROXY_CONFIG=str(path))
    assert 'there is no group "new"' in told.stderr

"""Groups through a real ccproxy process, with the official SDKs: their rules, and the switch from one to another while a
stream runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.clients import CLIENTS, SYSTEM, Refused
from tests.fakes.meaning import SCENARIOS
from tests.fakes.server import (
    Held,
    Upstream,
    ccproxy_process,
    config_for,
    free_port,
)

PROTOCOLS = list(CLIENTS)
PROMPT = "Work in small steps."
RULES = f"""
prompt_injection = "enhance"
prompt = "{PROMPT}"
prompt_replace = [["terse", "brief"]]
tool_filter = ["*_time"]
temperature_ratio = 0.5
"""
PATIENCE = 30.0
"""Seconds until the server has followed the file; it takes one."""


@pytest.fixture(scope="module")
def held() -> Held:
    return Held(PATIENCE)


@pytest.fixture(scope="module")
def upstream(held: Held) -> Iterator[Upstream]:
    with Upstream(held).running() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("ccproxy-groups")
    return folder


@pytest.fixture(scope="module")
def address(upstream: Upstream, folder: Path) -> Iterator[str]:
    port = free_port()
    config = config_for(upstream.port, port).replace("[server]", '[server]\nactive_group = "to-openai"  # mine')
    for protocol in PROTOCOLS:
        config += f'\n[groups.ruled-{protocol}]{RULES}[groups.ruled-{protocol}.models]\n"*" = "{protocol}/*"\n'
    with ccproxy_process(config, folder, port) as running:
        yield running


PAIRS = [(client, upstream) for client in PROTOCOLS for upstream in {client, "openai", "claude"}]


@pytest.mark.parametrize("stream", [pytest.param(True, id="stream"), pytest.param(False, id="whole")])
@pytest.mark.parametrize(("client", "speaks"), sorted(PAIRS))
def test_rules(client: str, speaks: str, stream: bool, address: str, upstream: Upstream) -> None:
    assert CLIENTS[client](f"{address}/ruled-{speaks}", "tool", stream).said() == SCENARIOS["tool"].said()
    first = upstream.asked[-1]
    assert CLIENTS[client](f"{address}/ruled-{speaks}", "result", stream).said() == SCENARIOS["result"].said()
    second = upstream.asked[-1]
    for asked in (first, second):
        assert asked.protocol == speaks
        body = json.dumps(asked.document)
        assert f"{SYSTEM.replace('terse', 'brief')}\\n\\n{PROMPT}" in body
        assert ("get_weather" in body, "get_time" in body, '"temperature": 0.5' in body) == (True, False, True)
    assert json.dumps(first.document["tools"]) == json.dumps(second.document["tools"])


# ---------------------------------------------------------------------------------------------------------------------
# Switching


def switched(folder: Path, group: str) -> None:
    command = [sys.executable, "-m", "ccproxy", "switch", group, "--config", str(folder / "ccproxy.toml")]
    subprocess.run(command, check=True, capture_output=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def serves(address: str, upstream: Upstream, protocol: str) -> bool:
    """Whether /switch leads to the group of that protocol now. No request fails meanwhile."""
    CLIENTS["claude"](f"{address}/switch", "text", False)
    return upstream.asked[-1].protocol == protocol


@pytest.mark.parametrize("client", PROTOCOLS)
def test_a_stream_goes_on_while_the_group_is_switched(
    client: str, address: str, upstream: Upstream, held: Held, folder: Path
) -> None:
    switched(folder, "to-openai")
    until(lambda: serves(address, upstream, "openai"))
    held.hold()
    heard: list[object] = []
    running = threading.Thread(target=lambda: heard.append(CLIENTS[client](f"{address}/switch", "text", True).said()))
    running.start()
    assert held.reached()
    switched(folder, "to-gemini")
    until(lambda: serves(address, upstream, "gemini"))
    held.let_go()
    running.join(PATIENCE)
    assert heard == [SCENARIOS["text"].said()]
    assert "# mine" in (folder / "ccproxy.toml").read_text()


def test_an_invalid_file_is_refused_and_the_old_one_stays(address: str, upstream: Upstream, folder: Path) -> None:
    path, log = folder / "ccproxy.toml", folder / "ccproxy.log"
    good = path.read_text()
    path.write_text(good + "\n[groups.broken]\n")
    until(lambda: "groups.broken.models: is missing" in log.read_text())
    with pytest.raises(Refused):
        CLIENTS["claude"](f"{address}/broken", "text", False)
    assert CLIENTS["claude"](f"{address}/to-openai", "text", False).said() == SCENARIOS["text"].said()
    path.write_text(good)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_hangup_reads_the_file_again(upstream: Upstream, tmp_path: Path) -> None:
    """A change that the file's time and size do not tell."""
    port, path = free_port(), tmp_path / "ccproxy.toml"
    config = config_for(upstream.port, port).replace("[server]", '[server]\nactive_group = "to-claude"')
    path.write_text(config)
    command = [sys.executable, "-m", "ccproxy", "serve", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        assert "listens" in process.stdout.readline()
        address = f"http://127.0.0.1:{port}"
        assert serves(address, upstream, "claude")
        before = path.stat()
        path.write_text(config.replace('active_group = "to-claude"', 'active_group = "to-ollama"'))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        process.send_signal(signal.SIGHUP)
        until(lambda: serves(address, upstream, "ollama"))
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0

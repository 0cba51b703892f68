"""The traffic log of a real ccproxy process, with the official SDKs: what is in the file, and what never is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ccproxy.actions import Accept, Reply
from ccproxy.app import App
from ccproxy.app.traffic import Traffic
from ccproxy.app.traffic.recording import Recorded
from ccproxy.config import loads
from tests.app.heads import head_of
from tests.fakes.clients import CLIENTS, Refused
from tests.fakes.meaning import SCENARIOS
from tests.fakes.server import BASE_PATHS, Asked, Held, Scripted, Upstream, ccproxy_process, free_port
from tests.fakes.wires import ERRORS

PROTOCOLS = list(CLIENTS)
PATIENCE = 30.0
"""Seconds; what is waited for takes one at most."""

UP_KEY = "sk-upstream/+key-1"
PROXY_KEY = "any"
"""What the SDKs of tests/fakes present."""
HEADER_KEY = "a-long-header-secret-0123"
SECRETS = [UP_KEY, HEADER_KEY, "sk-upstream-2"]


class Revealing(Held):
    """A provider called `broken` fails, and says a key."""

    def __call__(self, asked: Asked, model: str) -> Scripted:
        if asked.path.startswith("broken"):
            body = json.dumps(ERRORS[asked.protocol](500)).replace("}", f', "key": "{UP_KEY}"}}', 1)
            return Scripted(500, "application/json", [body.encode()])
        return super().__call__(asked, model)


def config_for(upstream: int, port: int, more: str = "", log: str = 'traffic = "traffic.jsonl"') -> str:
    lines = [f"[server]\nport = {port}\nlog_bodies = true\n", more, f"[log]\n{log}\n"]
    for protocol, base in BASE_PATHS.items():
        url = f"http://127.0.0.1:{upstream}/{protocol}"
        lines.append(f'[providers.{protocol}]\nprotocol = "{protocol}"\nbase_url = "{url}{base}"\n')
        lines.append(f'api_keys = ["{UP_KEY}"]\nheaders = {{ x-team = "Team {HEADER_KEY}" }}\n')
        lines.append(f'[groups.to-{protocol}.models]\n"*" = "{protocol}/*"\n')
    lines.append(
        f'[providers.broken]\nprotocol = "openai"\nbase_url = "http://127.0.0.1:{upstream}/openai/broken"\n'
        'api_keys = ["sk-upstream-2"]\n[groups.pool]\nbalance = "failover"\n'
        '[groups.pool.models]\n"*" = ["broken/*", "claude/*"]\n'
    )
    return "\n".join(lines)


class Log:
    """The file, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def requests(self) -> list[list[dict[str, Any]]]:
        """The lines of each request, in the order in which they began."""
        found: dict[str, list[dict[str, Any]]] = {}
        for line in self.lines():
            found.setdefault(line["id"], []).append(line)
        return list(found.values())

    def last(self, count: int = 1) -> list[dict[str, Any]]:
        """The lines of the request that is finished last, once it is the `count`th or later."""

        def over() -> bool:
            return sum(line["direction"] == "to_client" for line in self.lines()) >= count

        until(over)
        last = [line["id"] for line in self.lines() if line["direction"] == "to_client"][-1]
        return [line for line in self.lines() if line["id"] == last]

    def count(self) -> int:
        return sum(line["direction"] == "to_client" for line in self.lines())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def held() -> Held:
    return Revealing(PATIENCE)


@pytest.fixture(scope="module")
def upstream(held: Held) -> Iterator[Upstream]:
    with Upstream(held).running() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("ccproxy-traffic")
    return folder


@pytest.fixture(scope="module")
def address(upstream: Upstream, folder: Path) -> Iterator[str]:
    port = free_port()
    with ccproxy_process(config_for(upstream.port, port), folder, port) as running:
        yield running
    text = (folder / "traffic.jsonl").read_text() + (folder / "ccproxy.log").read_text()
    for secret in SECRETS:
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text


@pytest.fixture
def log(folder: Path, address: str) -> Log:
    return Log(folder / "traffic.jsonl")


DIRECTIONS = ["from_client", "to_upstream", "from_upstream", "to_client"]
PAIRS = [(client, upstream) for at, client in enumerate(PROTOCOLS) for upstream in (client, PROTOCOLS[(at + 2) % 5])]


@pytest.mark.parametrize("stream", [pytest.param(True, id="stream"), pytest.param(False, id="whole")])
@pytest.mark.parametrize(("client", "speaks"), PAIRS)
def test_four_lines_show_both_sides(
    client: str, speaks: str, stream: bool, address: str, log: Log, upstream: Upstream
) -> None:
    before = log.count()
    assert CLIENTS[client](f"{address}/to-{speaks}", "tool", stream).said() == SCENARIOS["tool"].said()
    asked, sent, came, went = log.last(before + 1)
    assert [line["direction"] for line in (asked, sent, came, went)] == DIRECTIONS
    for line in (asked, sent, came, went):
        assert (line["client"], line["group"], line["model"]) == (client, f"to-{speaks}", "tool")
    assert (sent["protocol"], sent["provider"], sent["upstream_model"]) == (speaks, speaks, "tool")
    assert sent["body"] == upstream.asked[-1].document
    assert "get_weather" in json.dumps(asked["body"])
    assert came["status"] == went["status"] == 200
    assert ("stream" in came, "stream" in went) == (stream, stream)
    assert "get_weather" in json.dumps([came.get("stream", came.get("body")), went.get("stream", went.get("body"))])
    assert (went["usage"]["input"], went["usage"]["output"]) == (21, 9)
    if client == speaks and stream and client not in ("claude", "responses"):
        assert came["stream"] == went["stream"]


@pytest.mark.parametrize("client", PROTOCOLS)
def test_a_fail_over_shows_each_attempt(client: str, address: str, log: Log) -> None:
    before = log.count()
    assert CLIENTS[client](f"{address}/pool", "text", True).said() == SCENARIOS["text"].said()
    lines = log.last(before + 1)
    tried = [(line["direction"], line["provider"], line["attempt"], line.get("status")) for line in lines[1:-1]]
    if len(tried) == 4:  # the first request; later ones find the broken target resting
        assert tried[:2] == [("to_upstream", "broken", 1, None), ("from_upstream", "broken", 1, 500)]
        assert "broken/text" in lines[-1]["failed"][0]
        assert "***" in json.dumps(lines[2]["body"])
    assert tried[-1] == ("from_upstream", "claude", len(tried) // 2, 200)


@pytest.mark.parametrize("stream", [True, False])
def test_compat_mode_shows_what_the_model_was_told(stream: bool, address: str, log: Log) -> None:
    before = log.count()
    CLIENTS["claude"](f"{address}/to-openai/compat", "text", stream)
    CLIENTS["claude"](f"{address}/to-openai/compat", "tool", stream)
    asked, sent, _, went = log.last(before + 2)
    assert "get_weather" in json.dumps(asked["body"]["tools"])
    assert "tools" not in sent["body"]
    assert '<tool name="get_weather">' in sent["body"]["messages"][0]["content"]
    assert went["status"] == 200


@pytest.mark.parametrize("client", PROTOCOLS)
def test_requests_that_go_nowhere(client: str, address: str, log: Log) -> None:
    before = log.count()
    with pytest.raises(Refused):
        CLIENTS[client](f"{address}/nobody", "text", False)
    asked, went = log.last(before + 1)
    assert (asked["direction"], went["direction"], went["status"]) == ("from_client", "to_client", 404)


def test_lists_are_noted_and_probes_are_not(address: str, log: Log) -> None:
    before = log.count()
    httpx.get(f"{address}/healthz")
    httpx.get(f"{address}/to-openai/v1/models", headers={"x-api-key": "k" * 20})
    asked, went = log.last(before + 1)
    assert log.count() == before + 1
    assert (asked["path"], asked["headers"]["x-api-key"], went["body"]["object"]) == ("/to-openai/v1/models", "***", "list")


def test_a_strangers_token_is_masked_wherever_it_stands(address: str, log: Log) -> None:
    before, token = log.count(), "login-of-somebody-else-0123"
    document = {"model": "text", "messages": [{"role": "user", "content": f"my key is {token}"}]}
    url = f"{address}/to-openai/v1/chat/completions?key={token}&x={token}"
    httpx.post(url, json=document, headers={"authorization": f"Bearer {token}", "x-other": token})
    lines = log.last(before + 1)
    assert token not in json.dumps(lines)
    assert lines[0]["query"] == {"key": "***", "x": "***"}
    assert lines[0]["body"]["messages"][0]["content"] == lines[1]["body"]["messages"][0]["content"] == "my key is ***"


def test_a_client_that_leaves(address: str, log: Log, held: Held) -> None:
    before = log.count()
    held.hold()
    document = {"model": "text", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with httpx.stream("POST", f"{address}/to-openai/v1/chat/completions", json=document) as answer:
        next(answer.iter_raw())
    lines = log.last(before + 1)
    held.let_go()
    assert [line["direction"] for line in lines] == DIRECTIONS
    assert lines[-1]["cancelled"] is True
    assert lines[-2]["stream"].startswith(lines[-1]["stream"])
    assert lines[-1]["stream"].startswith("data: ")


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_the_file_is_its_owners_alone(address: str, log: Log) -> None:
    CLIENTS["openai"](f"{address}/to-openai", "text", False)
    until(log.path.exists)
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


# ---------------------------------------------------------------------------------------------------------------------
# A process of its own


def test_it_is_switched_while_a_stream_runs(upstream: Upstream, held: Held, tmp_path: Path) -> None:
    """A request is noted as a whole or not at all: as the switch was when it came."""
    port, log, path = free_port(), Log(tmp_path / "traffic.jsonl"), tmp_path / "ccproxy.toml"
    on = config_for(upstream.port, port)
    off = on.replace("log_bodies = true", "log_bodies = false")

    def says(content: str, word: str) -> None:
        lines = (tmp_path / "ccproxy.log").read_text().count(f"the traffic log is {word}")
        fresh = path.with_suffix(".new")
        fresh.write_text(content)
        os.replace(fresh, path)
        until(lambda: (tmp_path / "ccproxy.log").read_text().count(f"the traffic log is {word}") > lines)

    def streamed(heard: list[object], client: str) -> threading.Thread:
        held.hold()
        thread = threading.Thread(
            target=lambda: heard.append(CLIENTS[client](f"http://127.0.0.1:{port}/to-openai", "text", True).said())
        )
        thread.start()
        assert held.reached()
        return thread

    heard: list[object] = []
    with ccproxy_process(off, tmp_path, port) as address:
        CLIENTS["claude"](f"{address}/to-openai", "text", False)
        running = streamed(heard, "claude")
        says(on, "on")
        held.let_go()
        running.join(PATIENCE)
        assert not log.path.exists(), "the stream began before the log was on"
        running = streamed(heard, "openai")
        says(off, "off")
        CLIENTS["claude"](f"{address}/to-openai", "text", False)
        held.let_go()
        running.join(PATIENCE)
        assert [line["direction"] for line in log.last(1)] == DIRECTIONS
        says(on, "on")
        CLIENTS["gemini"](f"{address}/to-openai", "text", False)
        assert [line["client"] for line in log.last(2)] == ["gemini"] * 4
    assert heard == [SCENARIOS["text"].said()] * 2
    assert len(log.requests()) == 2


def test_rotation_keeps_every_line_whole(upstream: Upstream, tmp_path: Path) -> None:
    port = free_port()
    settings = 'traffic = "logs/t.jsonl"\ntraffic_bytes = 20000\ntraffic_files = 3'
    with ccproxy_process(config_for(upstream.port, port, log=settings), tmp_path, port) as address:
        for _ in range(12):
            CLIENTS["openai"](f"{address}/to-claude", "tool", True)
    files = sorted((tmp_path / "logs").iterdir())
    assert [file.name for file in files] == ["t.jsonl", "t.jsonl.1", "t.jsonl.2"]
    for file in files:
        assert file.stat().st_size < 30000
        assert [json.loads(line)["client"] for line in file.read_text().splitlines()]


def test_a_place_that_cannot_be_written_is_said_once_and_requests_go_on(upstream: Upstream, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "logs").write_text("no folder")
    with ccproxy_process(config_for(upstream.port, port, log='traffic = "logs/t.jsonl"'), tmp_path, port) as address:
        for _ in range(3):
            assert CLIENTS["openai"](f"{address}/to-claude", "text", True).said() == SCENARIOS["text"].said()
        until(lambda: "traffic log" in (tmp_path / "ccproxy.log").read_text())
    assert (tmp_path / "ccproxy.log").read_text().count("traffic log: ") == 1


def test_a_configured_key_is_masked_and_named(upstream: Upstream, tmp_path: Path) -> None:
    port, log = free_port(), Log(tmp_path / "traffic.jsonl")
    keys = '[keys]\nlaptop = "cs-very-secret"\n'
    with ccproxy_process(config_for(upstream.port, port, keys), tmp_path, port) as address:
        url = f"{address}/to-claude/v1/chat/completions"
        said = {"model": "text", "messages": [{"role": "user", "content": f"cs-very-secret {UP_KEY} {HEADER_KEY}"}]}
        assert httpx.post(url, json=said).status_code == 401
        assert httpx.post(url, json=said, headers={"x-api-key": "cs-very-secret"}).status_code == 200
        lines = log.last(2)
    text = log.path.read_text()
    assert {line["key"] for line in lines} == {"laptop"}
    assert lines[0]["body"]["messages"][0]["content"] == "*** *** ***"
    assert [secret for secret in ("cs-very-secret", *SECRETS) if secret in text] == []


# ---------------------------------------------------------------------------------------------------------------------
# While it is off, there is nothing

CONFIG = '[server]\nlog_bodies = {}\n[log]\ntraffic = "{}"\n[providers.p]\nprotocol = "openai"\napi_keys = ["sk-key-1"]\n'


def app(on: bool, path: Path, before: App | None = None) -> App:
    return App(loads(CONFIG.format("true" if on else "false", path), {}), before=before)


def test_a_server_without_it_does_not_even_load_it() -> None:
    code = (
        "import sys; from ccproxy.app import App; from ccproxy.config import loads; "
        f"App(loads({CONFIG.format('false', 't')!r}, {{}})); "
        "print([name for name in sys.modules if name.startswith('ccproxy.app.traffic')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_off_means_the_very_exchange(tmp_path: Path) -> None:
    head = head_of("POST /v1/chat/completions")
    for on in (False, True):
        served = app(on, tmp_path / "t")
        for _ in range(3):  # the likeness of a head is remembered
            accept = served.head(head, 0.0)
            assert isinstance(accept, Accept)
            assert isinstance(accept.life, Recorded) == on


def test_what_goes_on_with_the_next_configuration(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ccproxy")
    first = app(True, tmp_path / "t")
    same, moved = app(True, tmp_path / "t", first), app(True, tmp_path / "u", first)
    off = app(False, tmp_path / "t", same)
    assert isinstance(first._traffic, Traffic)
    assert isinstance(same._traffic, Traffic)
    assert isinstance(moved._traffic, Traffic)
    assert same._traffic.writer is first._traffic.writer is not moved._traffic.writer
    assert off._traffic is None
    assert caplog.messages == [
        f"the traffic log is on: what is asked and answered goes to {tmp_path / 't'}",
        f"the traffic log is on: what is asked and answered goes to {tmp_path / 'u'}",
        "the traffic log is off",
    ]
    assert "t" in repr(first._traffic)


@pytest.mark.parametrize("line", ["POST /v1/chat/completions", "GET /v1/models", "GET /nothing"])
def test_a_bug_in_the_log_is_not_the_requests(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*arguments: Any, **more: Any) -> None:
        raise ZeroDivisionError

    served = app(True, tmp_path / "t")
    monkeypatch.setattr("ccproxy.app.traffic.tokens_of", bug)
    verdict = served.head(head_of(line), 0.0)
    assert isinstance(verdict, Accept) or (isinstance(verdict, Reply) and verdict.status in (200, 404))
    assert "traffic log: internal error" in caplog.text


def test_a_model_in_another_group(tmp_path: Path) -> None:
    traffic = app(True, tmp_path / "t")._traffic
    assert traffic is not None
    assert [traffic.group_of("", "m"), traffic.group_of("", "default@m"), traffic.group_of("x", "m")] == ["default"] * 2 + [
        "x"
    ]

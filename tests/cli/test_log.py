"""`ccproxy log`"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccproxy.app.traffic.reader import Entry
from ccproxy.app.traffic.writer import rotated
from ccproxy.cli import main
from ccproxy.cli.log import Chosen, Selection
from tests.fakes.clients import CLIENTS
from tests.fakes.server import Upstream, ccproxy_process, config_for, free_port, scenario_script

PATIENCE = 20.0
FILE = """\
# mine
[server]
log_bodies = true  # for a while
[log]
traffic = "t.jsonl"
[providers.up]
protocol = "openai"
api_keys = ["${NOT_SET_HERE}"]
"""


def entry(id: str, direction: str = "from_client", **more: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": f"says {id}"}]}
    return {"id": id, "direction": direction, "client": "openai", "operation": "chat", "group": "g", "body": body} | more


class Place:
    """A configuration and its traffic log."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "ccproxy.toml"
        self.log = folder / "t.jsonl"

    def add(self, *entries: dict[str, Any]) -> None:
        with self.log.open("a") as file:
            file.writelines(json.dumps(each) + "\n" for each in entries)

    def run(self, *arguments: str, follow: bool = False, **more: Any) -> Result:
        flags = [] if follow else ["--no-follow"]
        return CliRunner().invoke(main, ["log", *flags, "--config", str(self.config), *arguments], **more)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.config.write_text(FILE)
    return place


def test_the_last_requests(place: Place) -> None:
    place.add(*(entry(str(number)) for number in range(10)))
    said = [line.split()[-1] for line in place.run("-n", "2").stdout.splitlines() if " user " in line]
    assert said == ["8", "9"]
    assert len([line for line in place.run().stdout.splitlines() if " user " in line]) == 5
    assert place.run("-n", "0").stdout == ""
    assert place.run("-n", "2").stderr == ""


def test_the_lines_as_they_are(place: Place) -> None:
    place.log.write_text('{"id":"a", "direction":"from_client", "n": 1e2, "big": 123456789012345678901234567890}\n')
    assert place.run("--json").stdout == place.log.read_text()


FILTERS = [
    (["--group", "g1"], "1"),
    (["--client", "gemini"], "2"),
    (["--client", "laptop"], "3"),
    (["--client", "claude-cli"], "4"),
    (["--model", "GPT-*"], "5"),
    (["--model", "qwen3"], "6"),
    (["--model", "up/qwen?"], "6"),
    (["--id", "7"], "7"),
]


@pytest.mark.parametrize(("arguments", "id"), FILTERS)
def test_filters(arguments: list[str], id: str, place: Place) -> None:
    place.add(
        entry("0"),
        entry("1", group="g1"),
        entry("2", client="gemini"),
        entry("3", key="laptop"),
        entry("4", agent="Claude-CLI/2.1"),
        entry("5", model="gpt-5"),
        entry("6", model="x"),
        entry("6", "to_upstream", model="x", provider="up", upstream_model="qwen3"),
        entry("7"),
        entry("8"),
    )
    shown = {json.loads(line)["id"] for line in place.run("--json", "-n", "9", *arguments).stdout.splitlines()}
    assert shown == {id}
    everything = [Entry(json.loads(line)) for line in place.log.read_text().splitlines()]
    wanted = dict(zip((name.removeprefix("--") for name in arguments[::2]), arguments[1::2], strict=True))
    taken = Selection(Chosen(**wanted), set()).take(everything)
    assert [each["id"] for each in taken] == [each["id"] for each in everything if each["id"] == id]


def test_a_selection_remembers_only_so_much() -> None:
    selection = Selection(Chosen(model="y"), set())
    assert selection.take(Entry(entry(str(number), model="x")) for number in range(1000)) == []
    assert repr(selection).endswith("held=256>")
    lost = Entry({"direction": "lost", "lines": 3})
    assert selection.take([lost]) == [lost]


def test_what_to_do_when_there_is_nothing(place: Place) -> None:
    result = place.run()
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"there is no {place.log} yet\nthe traffic log is on: send a request through ccproxy\n"
    place.config.write_text(FILE.replace("true", "false"))
    assert place.run().stderr == f"there is no {place.log} yet\nthe traffic log is off; switch it on: ccproxy log --on\n"
    place.add(entry("a"))
    result = place.run("--model", "nobody")
    assert result.stderr.startswith(f"{place.log} has no such request\n")
    result = place.run()
    assert "says a" in result.stdout
    assert result.stderr == "the traffic log is off; switch it on: ccproxy log --on\n"


def test_a_key_that_a_model_says_in_pieces_is_masked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_SET_HERE", "sk-secret-1")
    pieces = "".join(
        f'data: {{"choices":[{{"index":0,"delta":{{"content":"{piece}"}}}}]}}\n\n'
        for piece in ("the sk-", "sec", "ret-1 !")
    )
    answered = entry("a", "to_client", status=200, stream=pieces, cut=1)
    del answered["body"]
    place.add(entry("a"), answered)
    assert "assistant the *** !" in place.run().stdout
    monkeypatch.delenv("NOT_SET_HERE")
    assert "assistant the sk-secret-1 !" in place.run().stdout
    place.config.write_text(FILE.replace("[providers.up]", "[providers.'']"))
    assert "says a" in place.run().stdout


def test_on_and_off_change_one_line(place: Place) -> None:
    result = place.run("--off")
    assert (result.exit_code, place.config.read_text()) == (0, FILE.replace("true", "false"))
    assert "is off" in result.stdout
    result = place.run("--on")
    assert (result.exit_code, place.config.read_text()) == (0, FILE)
    assert str(place.log) in result.stdout
    place.config.write_text("[providers.up]\nprotocol = 'openai'\n")
    assert place.run("--on").exit_code == 0
    assert "log_bodies = true" in place.config.read_text()


MISTAKES = [
    ("[server", ["--on"], "ccproxy.toml"),
    ("server = 1", ["--on"], "write log_bodies = true into [server]"),
    ("[providers.up]\n", ["--on"], "no server follows a file with mistakes"),
    ("[server", [], "see `ccproxy check`"),
    ("[log]\ntraffic = '${NOT_SET_HERE}'", [], "log.traffic: the environment variable NOT_SET_HERE is not set"),
]


@pytest.mark.parametrize(("content", "arguments", "said"), MISTAKES)
def test_mistakes(content: str, arguments: list[str], said: str, place: Place) -> None:
    place.config.write_text(content)
    result = place.run(*arguments)
    assert (result.exit_code, said in result.stderr) == (1, True)


def test_colour_is_for_terminals(place: Place) -> None:
    place.add(entry("a"))
    assert "\x1b[" in place.run(color=True).stdout
    assert "\x1b[" not in place.run().stdout


# ---------------------------------------------------------------------------------------------------------------------
# A process that follows


class Following:
    def __init__(self, place: Place, *arguments: str) -> None:
        command = [sys.executable, "-m", "ccproxy", "log", "--config", str(place.config), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def heard(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal")
def test_it_follows_through_a_rotation_until_it_is_stopped(place: Place) -> None:
    place.add(entry("first"))
    following = Following(place, "--group", "g")
    try:
        until(lambda: following.heard("says first"))
        place.add(entry("other", group="h"), entry("second"))
        until(lambda: following.heard("says second"))
        os.replace(place.log, rotated(place.log, 1))
        place.add(entry("third"))
        until(lambda: following.heard("says third"))
    finally:
        code = following.end()
    assert code == 0
    assert not following.heard("says other")
    assert sum("says" in line for line in following.lines) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal")
def test_it_waits_for_a_file_that_is_not_there_yet(place: Place) -> None:
    following = Following(place, "--json")
    try:
        time.sleep(0.5)
        place.add(entry("first"))
        until(lambda: following.heard('"id": "first"'))
    finally:
        assert following.end() == 0


# ---------------------------------------------------------------------------------------------------------------------
# A server whose log is switched


def test_a_running_server_is_switched_and_its_requests_are_shown(tmp_path: Path) -> None:
    with Upstream(scenario_script).running() as upstream:
        port = free_port()
        config = config_for(upstream.port, port) + '\n[log]\ntraffic = "t.jsonl"\n'
        with ccproxy_process(config, tmp_path, port) as address:
            place = Place(tmp_path)

            def served(word: str) -> bool:
                return f"the traffic log is {word}" in (tmp_path / "ccproxy.log").read_text()

            CLIENTS["claude"](f"{address}/to-gemini", "text", True)
            assert place.run("--on").exit_code == 0
            until(lambda: served("on"))
            CLIENTS["claude"](f"{address}/to-gemini/compat", "tool", True)
            assert place.run("--off").exit_code == 0
            until(lambda: served("off"))
            CLIENTS["claude"](f"{address}/to-gemini", "text", True)
    shown = place.run("--full").stdout
    for words in (
        "asks to-gemini for tool",
        "tools     get_weather: The weather of a city",
        "→ gemini/tool",
        '<tool name="get_weather">',
        "call      get_weather\n            city: Zürich",
        "finish    tool_calls",
        "tokens    21 in, 9 out",
        "(the same)",
    ):
        assert words in shown
    assert "sk-up" not in shown
    assert "Grüezi" not in shown, "what was asked while the log was off"

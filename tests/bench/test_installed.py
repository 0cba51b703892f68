from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import installed as module
from bench.gateways import Gateway, Place
from bench.installed import Unusable, folder, installed, running, said, usable
from ccproxy.measure.answers import chunk
from ccproxy.measure.processes import free_port
from ccproxy.measure.ways import Way

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
TOLD = chunk(b"Well") + b"".join(chunk(b"~%016d~" % number) for number in range(4)) + b"0\r\n\r\n"
STREAM = HEAD + b"\r\n" + TOLD

ANSWERS = """
import socket, sys
answers = [bytes.fromhex(text) for text in open(sys.argv[2]).read().split()]
with socket.create_server(('127.0.0.1', int(sys.argv[1]))) as server:
    server.accept()[0].close()  # whoever waits for the port
    while True:
        connection = server.accept()[0]
        with connection:
            connection.recv(65536)
            connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])
"""


def gateway(code: str = ANSWERS, *answers: bytes) -> Gateway:
    """One that says its answers in turn, and the last again and again."""
    return Gateway(
        "fake",
        "PyPI",
        "fake",
        "1.0",
        [("claude", "openai")],
        lambda place: [sys.executable, "-c", code, str(place.port), str(place.home / "deep/answers")],
        files=lambda place: {"deep/answers": " ".join(answer.hex() for answer in answers)},
        extras="all",
        overrides={"one": "2.0"},
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "folder", tmp_path, free_port(), "http://127.0.0.1:1", "openai")


# ---------------------------------------------------------------------------------------------------------------------
# Installing


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    ran: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_it_is_installed_once_as_long_as_nothing_changes(
    tmp_path: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = installed(gateway(), tmp_path)
    assert found == tmp_path / "fake-1.0"
    assert commands[-1][-1] == "fake[all]==1.0"
    assert str(found / "venv") in commands[0]
    commands.clear()
    assert installed(gateway(), tmp_path) == found
    assert commands == []
    (found / "installed").write_text("otherwise")
    installed(gateway(), tmp_path)
    assert commands


def test_from_npm_with_the_versions_that_it_needs(tmp_path: Path, commands: list[list[str]]) -> None:
    (command,) = module._from_npm(gateway(), tmp_path)
    assert command[:2] == ["npm", "install"]
    assert (tmp_path / "package.json").read_text() == (
        '{"private":true,"dependencies":{"fake":"1.0"},"overrides":{"one":"2.0"}}'
    )


def test_what_cannot_be_installed_says_why_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.exit(f'no such thing\\nin {sys.argv[1]}')"
    monkeypatch.setitem(module._INSTALL, "PyPI", lambda gateway, place: iter([[sys.executable, "-c", code, str(place)]]))
    for _ in range(2):
        with pytest.raises(Unusable, match=r"^cannot be installed: in \.\.\.$"):
            installed(gateway(), tmp_path)
    monkeypatch.setitem(module._INSTALL, "PyPI", lambda gateway, place: iter([["/nowhere/npm"]]))
    with pytest.raises(Unusable, match=r"^cannot be installed: there is no npm$"):
        installed(gateway(), tmp_path)


def test_the_folder_is_outside_of_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCPROXY_BENCH_PEERS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert folder() == Path("/cache/ccproxy-bench")
    monkeypatch.setenv("CCPROXY_BENCH_PEERS", "/elsewhere")
    assert folder() == Path("/elsewhere")


def test_what_was_said_last() -> None:
    assert said("") == "it says nothing"
    assert said("one\n two in /a/b \n\n", Path("/a")) == "two in .../b"


# ---------------------------------------------------------------------------------------------------------------------
# Running


@pytest.mark.parametrize(
    ("answer", "keeps"),
    [(STREAM, True), (HEAD + b"Connection: Close\r\n\r\n" + TOLD, False)],
)
def test_an_answer_tells_whether_connections_are_kept(place: Place, answer: bytes, keeps: bool) -> None:
    with running(gateway(ANSWERS, answer), place) as process:
        way = usable(Way("fake", "claude", place.port, process=process))
    assert (way.name, way.process, way.keeps) == ("fake", process, keeps)


def test_one_that_is_not_ready_is_asked_again(place: Place) -> None:
    with running(gateway(ANSWERS, b"HTTP/1.1 503 Wait\r\ncontent-length: 0\r\n\r\n", b"", STREAM), place):
        assert usable(Way("fake", "claude", place.port)).keeps


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 501 No\r\ncontent-length: 5\r\n\r\nnever", "answers HTTP/1.1 501: never"),
        (HEAD + b"\r\n" + chunk(b"Ill") + b"0\r\n\r\n", "answers HTTP/1.1 200"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nWell", "streams without chunks"),
        (HEAD + b"\r\n" + chunk(b"Well ~0000000000000001~") + b"0\r\n\r\n", "streams 1 of 4 events"),
    ],
)
def test_one_that_does_not_answer_says_why(place: Place, answer: bytes, why: str) -> None:
    with running(gateway(ANSWERS, answer), place), pytest.raises(Unusable, match=why):
        usable(Way("fake", "claude", place.port), seconds=0)


def test_a_whole_answer_has_a_length(place: Place) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nWell"
    with running(gateway(ANSWERS, answer), place):
        assert usable(Way("fake", "claude", place.port), stream=False).keeps


def test_nobody_there_is_told() -> None:
    with pytest.raises(Unusable, match="does not answer: ConnectionRefusedError"):
        usable(Way("fake", "claude", free_port()), seconds=0)


def test_one_that_does_not_start_says_what_it_said_last(place: Place) -> None:
    code = "import sys; sys.exit(f'no key\\nsee {sys.argv[2]}')"
    with pytest.raises(Unusable, match=r"^does not start: see \.\.\./deep/answers$"), running(gateway(code), place):
        pass


def test_one_whose_program_is_not_there(place: Place) -> None:
    missing = Gateway("fake", "PyPI", "fake", "1.0", [], lambda place: [place.program("fake")])
    with pytest.raises(Unusable, match="does not start"), running(missing, place):
        pass

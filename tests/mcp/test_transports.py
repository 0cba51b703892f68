"""How a server is spoken with: what of it is logged, what is said of failures, and that nothing of it stays behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx2
import pytest

from ccproxy.config import McpServer
from ccproxy.mcp import transports
from ccproxy.mcp.transports import LINES, Forgiving, Stderr, masked, opened, reason, secrets_of
from tests.fakes.server import free_port
from tests.mcp.serving import client, inside, stdio, words
from tests.mcp.test_connection import http_server, odd


def test_what_is_secret_of_a_server() -> None:
    settings = McpServer(
        command="x",
        env={"A": "value-a", "B": "1"},
        headers={"authorization": "Basic dXNlcjpw"},
        token="token-t",
        url="https://x.example/mcp?key=query-q",
        args=("-y", "a-package", "--api-key", "after-k", "--TOKEN=behind-t", "--key=k", "--auth", "--port=8080"),
    )
    said = masked("value-a 1 dXNlcjpw token-t key=query-q query-q after-k behind-t \x1b[31m", secrets_of(settings))
    assert said == "*** 1 *** *** *** *** *** ***  [31m"
    assert masked("npx -y a-package --api-key, 8080", secrets_of(settings)) == "npx -y a-package --api-key, 8080"


REASONS: list[tuple[BaseException, str]] = [
    (ExceptionGroup("x", [ExceptionGroup("y", [ValueError("why\nso")])]), "why so"),
    (FileNotFoundError(2, "No such file", "/home/me/secret/server"), "there is no server"),
    (PermissionError(13, "Permission denied", "/home/me/secret"), "Permission denied"),
    (TimeoutError(), "it does not answer in time"),
    (httpx2.ReadTimeout("x"), "it does not answer in time"),
    (ValueError(), "ValueError"),
]


@pytest.mark.parametrize(("error", "said"), REASONS)
def test_what_is_said_of_a_failure(error: BaseException, said: str) -> None:
    assert reason(error) == said


def test_a_status_is_said_without_the_url() -> None:
    request = httpx2.Request("POST", "https://x.example/mcp?key=hush")
    error = httpx2.HTTPStatusError(
        "for url https://x.example", request=request, response=httpx2.Response(401, request=request)
    )
    assert reason(error) == "it answers 401 Unauthorized"


@pytest.mark.parametrize(("cwd", "said"), [("", "there is no at-all"), ("/nowhere", "there is no nowhere")])
def test_what_does_not_exist_is_named_under_every_loop(cwd: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_name(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")  # as uvloop's is

    monkeypatch.setattr(transports, "stdio_client", without_name)
    settings = McpServer(command="/bin/at-all", cwd=cwd)

    async def run() -> None:
        async with opened("a", settings, lambda: None, Stderr("a", settings)):
            pass

    with pytest.raises(FileNotFoundError) as raised:
        anyio.run(run)
    assert reason(raised.value) == said


def test_lines_of_stderr_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ccproxy.mcp")
    stderr = Stderr("a", McpServer(env={"K": "hush-hush"}))
    with stderr.pipe() as pipe:
        for i in range(LINES + 20):
            pipe.write(f"line {i} hush-hush {'x' * 10_000}\n")
    until = time.monotonic() + 20
    while "line 69" not in stderr.last and time.monotonic() < until:
        time.sleep(0.01)
    assert len(caplog.records) == LINES
    assert all(len(record.message) < 600 for record in caplog.records)
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("failure", "said"),
    [(httpx2.ConnectError("no route"), "cannot be reached"), (httpx2.ReadError("reset"), "the call may have taken effect")],
)
def test_a_message_that_cannot_be_sent_is_answered(failure: httpx2.TransportError, said: str) -> None:
    failures: list[None] = []

    class Broken(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            raise failure

    async def run() -> None:
        async with httpx2.AsyncClient(transport=Forgiving(Broken(), lambda: failures.append(None))) as http:
            answer = await http.post("https://x.example/mcp")
            assert answer.status_code == 502
            assert said in answer.json()["error"]["message"]
            with pytest.raises(httpx2.TransportError):
                await http.get("https://x.example/mcp")
        assert len(failures) == 2

    anyio.run(run)


def test_a_server_of_the_older_transport() -> None:
    port = free_port()

    async def run() -> None:
        table = f"[mcp.servers.old]\nurl = 'http://127.0.0.1:{port}/sse'\ntransport = 'sse'\n"
        with http_server(port, "sse"):
            async with inside(table) as (address, _), client(address) as mcp:
                assert words(await mcp.call_tool("old__add", {"a": 1, "b": 2})) == "3"

    anyio.run(run)


# What is left of the processes


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system has no /proc")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_server_outlives_ccproxy(end: signal.Signals, tmp_path: Path) -> None:
    """Not even where ccproxy is killed: the end of their standard input tells the servers."""
    port = free_port()
    wrapped = stdio("plain") + odd("odd", more="")
    (tmp_path / "ccproxy.toml").write_text(f"[server]\nport = {port}\n{wrapped}")
    command = [sys.executable, "-m", "ccproxy", "serve", "--config", str(tmp_path / "ccproxy.toml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        assert b"listens" in process.stdout.readline()
        pids: list[int] = []

        async def run() -> None:
            async with client(f"http://127.0.0.1:{port}") as mcp:
                pids.append(int(words(await mcp.call_tool("plain__process", {}))))
                pids.append(int(words(await mcp.call_tool("odd__pid", {}))))
                process.send_signal(end)
                with anyio.move_on_after(1):
                    await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)

        try:
            anyio.run(run)
        except BaseExceptionGroup:
            assert end == signal.SIGKILL
        began = time.monotonic()
        process.wait(15)
        assert all(os.getpgid(pid) != os.getpgid(0) for pid in pids if alive(pid))
        while any(map(alive, pids)) and time.monotonic() < began + 15:
            time.sleep(0.05)
        assert not any(map(alive, pids))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

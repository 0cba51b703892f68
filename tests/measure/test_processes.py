from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ccproxy.measure.processes import Failed, Process, allow_many_files, free_port, started

LISTEN = (
    "import socket, sys, subprocess\n"
    "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "try:\n"
    "    while True: s.accept()[0].close()\n"
    "finally: child.kill()\n"
)


def test_a_process_is_started_and_ended() -> None:
    port = free_port()
    with started(["-m", "ccproxy.measure.upstream", str(port)], port) as process:
        assert os.kill(process.pid, 0) is None
        assert repr(process) == f"<Process {process.pid} on {port}>"
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_one_that_ends_at_once_is_told() -> None:
    port = free_port()
    with pytest.raises(Failed, match="ended with 3"), started(["-c", "raise SystemExit(3)"], port):
        pass


def test_one_that_does_not_listen_is_told_and_ended() -> None:
    port = free_port()
    asleep = started([sys.executable, "-c", "import time; time.sleep(60)"], port, seconds=0.1)
    with pytest.raises(Failed, match=r"does not listen within 0\.1 s"), asleep:
        pass


def test_one_that_has_another_environment() -> None:
    port = free_port()
    code = "import os, socket; s = socket.create_server(('127.0.0.1', int(os.environ['AT']))); s.accept(); s.accept()"
    with started(["-c", code], port, env={"AT": str(port)}) as process:
        assert process.port == port


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux")
def test_what_a_family_costs() -> None:
    port = free_port()
    with started(["-c", LISTEN, str(port)], port) as process:
        until = time.monotonic() + 10
        while len(process.family()) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert process.family()[0] == process.pid
        assert len(process.family()) == 2
        assert (process.cpu() or 0) > 0
        assert (process.resident() or 0) > 1_000_000


def test_a_process_that_is_gone_costs_nothing_that_could_be_told() -> None:
    gone = Process(2**22 + 1, 1)
    assert (gone.cpu(), gone.resident()) == (None, None)


def test_files_may_be_many() -> None:
    allow_many_files()

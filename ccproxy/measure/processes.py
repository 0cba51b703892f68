"""Processes that are measured: started, waited for, ended by their ids; what they and their children cost.

CPU and memory are read from /proc; where the system has none they are None, and what needs them is not measured.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_SECONDS = 20.0
END_SECONDS = 10.0

_PROC = Path("/proc")
_STAT_PARENT = 1  # of the fields behind the name, see proc(5)


class Failed(Exception):
    """A process did not come up; its message says what it wrote."""


class Process:
    """A process that listens on `port`."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def __repr__(self) -> str:
        return f"<Process {self.pid} on {self.port}>"

    def cpu(self, family: Sequence[int] | None = None) -> float | None:
        """Seconds of CPU that its processes and their threads have used. family: where it is known, which saves a look at
        every process of the machine."""
        try:
            return sum(_cpu(pid) for pid in family or self.family())
        except (OSError, ValueError):
            return None

    def resident(self, family: Sequence[int] | None = None) -> int | None:
        """Bytes of memory; pages that several of its processes share count once (proportional set size)."""
        try:
            return sum(_proportional(pid) for pid in family or self.family())
        except (OSError, ValueError):
            return None

    def family(self) -> list[int]:
        """Its id and those of its children and theirs."""
        children: dict[int, list[int]] = {}
        for entry in _PROC.iterdir():
            if entry.name.isdigit():
                with suppress(OSError):  # it ended meanwhile
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    children.setdefault(int(fields[_STAT_PARENT]), []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found


def _cpu(pid: int) -> float:
    """The scheduler's count of each thread, in nanoseconds; /proc/PID/stat counts in hundredths of a second."""
    spent = [(thread / "schedstat").read_text() for thread in (_PROC / str(pid) / "task").iterdir()]
    return sum(int(line.split()[0]) for line in spent) / 1e9


def _proportional(pid: int) -> int:
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0]) * 1024
    raise ValueError(f"process {pid} has no Pss")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(
    arguments: Sequence[str],
    port: int,
    env: Mapping[str, str] | None = None,
    seconds: float = START_SECONDS,
    log: Path | None = None,
) -> Iterator[Process]:
    """Runs `arguments` until the end of the block. port: where it will listen, which is waited for. env: beside our own.
    log: where its output goes. Raises Failed."""
    command = [sys.executable, *arguments] if arguments[0].startswith("-") else list(arguments)
    with open(log or os.devnull, "wb") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
    try:
        _await(child, port, seconds)
        yield Process(child.pid, port)
    finally:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await(child: subprocess.Popen[bytes], port: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < until:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    reason = f"ended with {child.returncode}" if child.returncode is not None else f"does not listen within {seconds:g} s"
    raise Failed(f"{child.args!r} {reason}")


def allow_many_files() -> None:
    """As many open files as the system lets this process and its children have: a stream takes two sockets in a proxy."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

"""Suite `start`: what an import costs, how long a start takes, and what the process holds.

    import    CPU for importing the library, beside orjson and attrs; what the first use of a converter adds to that, with
              the two protocols of a conversion still to come; all five; and all that `ccproxy serve` needs
    start     from starting the process to the end of the first answer, converted from Claude to OpenAI, and the CPU for
              it; the bare interpreter beside it
    memory    resident: after the first answer, after many requests, and what each open stream adds

Every value is from a process of its own. Memory is read from /proc; where the system has none it is not measured.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attrs import frozen

from ccproxy.measure.processes import END_SECONDS, START_SECONDS, Failed, Process, allow_many_files, free_port
from ccproxy.measure.results import FLOOR, Measure
from ccproxy.measure.suite import Progress, Setting, Suite
from ccproxy.measure.ttft import Client
from ccproxy.measure.ways import Stage, Way, configuration, stage

IMPORTS = {
    FLOOR: "orjson, attrs",
    "library": "ccproxy",
    "converters": "ccproxy.convert",
    "all protocols": "ccproxy.convert, ccproxy.protocols as p; list(p.PROTOCOLS.values())",
    "server": "ccproxy.cli.serve, ccproxy.app, ccproxy.transport.on_asyncio",
}
_IMPORT = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"
IMPORT_ROUNDS, SHORT_IMPORT_ROUNDS = 21, 7
START_ROUNDS, SHORT_START_ROUNDS = 11, 3
MEMORY_ROUNDS, SHORT_MEMORY_ROUNDS = 3, 1
REQUESTS, SHORT_REQUESTS = 10_000, 1_000
STREAMS, SHORT_STREAMS = 200, 50
SCRIPT, PACED = "bench-burst-2", "bench-paced-3000"
SETTLE_SECONDS = 1.0
"""Until all streams have begun and the collector has had its turns."""

_MIB = 2**20


def run(setting: Setting, progress: Progress) -> Iterator[Measure]:
    """Imports, starts, memory."""
    if setting.wants(what="import"):
        yield from _imports(setting.rounds_or(IMPORT_ROUNDS, SHORT_IMPORT_ROUNDS), progress)
    with stage() as there:
        assert there is not None
        if setting.wants(what="start to first answer"):
            yield from _starts(there, setting.rounds_or(START_ROUNDS, SHORT_START_ROUNDS), progress)
        if setting.wants(what="memory"):
            yield from _memory(there, setting, progress)


def _imports(rounds: int, progress: Progress) -> Iterator[Measure]:
    found: dict[str, list[float]] = {way: [] for way in IMPORTS}
    for number in range(rounds):
        progress.step("import", number, rounds)
        for way, names in IMPORTS.items():
            told = subprocess.run([sys.executable, "-c", _IMPORT.format(names)], capture_output=True, text=True, check=True)
            found[way].append(float(told.stdout) * 1e3)
    for way, values in found.items():
        yield Measure("start", {"what": "import", "way": way}, "ms", values)


# ---------------------------------------------------------------------------------------------------------------------
# From nothing to an answer


@contextmanager
def _serving(there: Stage) -> Iterator[tuple[Process, Client]]:
    """A new ccproxy and a client that has had its first answer. Tries until it is taken, as often as it can: the way
    `processes` waits is too coarse here."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ccproxy-bench-") as folder:
        config = Path(folder) / "ccproxy.toml"
        config.write_text(configuration(port, there.origin, {}))
        command = [sys.executable, "-m", "ccproxy", "serve", "--config", str(config)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process = Process(child.pid, port)
        way = there.ccproxy("claude", "openai", process)
        client = Client(way, way.request(SCRIPT))
        try:
            _first_answer(client, child)
            yield process, client
        finally:
            client.close()
            child.terminate()
            child.wait(END_SECONDS)


def _first_answer(client: Client, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < until:
        with suppress(ConnectionRefusedError):
            client.ask()
            return
        time.sleep(0.001)
    raise Failed("ccproxy did not answer")


def _starts(there: Stage, rounds: int, progress: Progress) -> Iterator[Measure]:
    bare: list[float] = []
    whole: list[float] = []
    cpu: list[float] = []
    for number in range(rounds):
        progress.step("start", number, rounds)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        with _serving(there) as (process, _):
            whole.append((time.perf_counter() - began) * 1e3)
            cpu += [spent * 1e3 for spent in (process.cpu(),) if spent is not None]
    for way, values in (("interpreter", bare), ("ccproxy", whole), ("ccproxy, CPU", cpu)):
        if values:
            yield Measure("start", {"what": "start to first answer", "way": way}, "ms", values)


# ---------------------------------------------------------------------------------------------------------------------
# What is held


@frozen
class _Held:
    """Bytes: after the first answer, after many requests, and what each open stream added."""

    idle: int
    after: int
    stream: float


def _memory(there: Stage, setting: Setting, progress: Progress) -> Iterator[Measure]:
    rounds = setting.rounds_or(MEMORY_ROUNDS, SHORT_MEMORY_ROUNDS)
    requests = SHORT_REQUESTS if setting.short else REQUESTS
    streams = SHORT_STREAMS if setting.short else STREAMS
    found = []
    for number in range(rounds):
        progress.step("memory", number, rounds)
        with _serving(there) as (process, client):
            if resident(process.pid) is None:
                return
            found.append(_held(process, client, requests, streams))
    values = {
        "idle": ("MiB", [held.idle / _MIB for held in found]),
        f"after {requests:,} requests": ("MiB", [held.after / _MIB for held in found]),
        "for each open stream": ("KiB", [held.stream / 1024 for held in found]),
    }
    for state, (unit, amounts) in values.items():
        yield Measure("start", {"what": "memory", "state": state, "way": "ccproxy"}, unit, amounts)


def _held(process: Process, client: Client, requests: int, streams: int) -> _Held:
    idle = resident(process.pid) or 0
    for _ in range(requests):
        client.ask()
    after = resident(process.pid) or 0
    with _open_streams(client.way, streams):
        time.sleep(SETTLE_SECONDS)
        held = resident(process.pid) or 0
    return _Held(idle, after, (held - after) / streams)


@contextmanager
def _open_streams(way: Way, count: int) -> Iterator[None]:
    """So many streams under way, whose events nobody reads for a moment: the sockets hold them."""
    allow_many_files()
    with ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", way.port), timeout=END_SECONDS))
            sock.sendall(way.request(PACED))
        yield


def resident(pid: int) -> int | None:
    """Bytes that the process has in memory, those that it shares included."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), None)


SUITE = Suite("start", "What an import costs, how long a start takes, what a process holds", run)

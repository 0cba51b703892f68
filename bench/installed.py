"""Gateways installed, started and asked whether they answer; what does not work is an `Unusable` with the reason.

Installed once, into `folder()`: $CCPROXY_BENCH_PEERS, else ccproxy-bench in the user's cache. They run in a home that is
thrown away, and so is what they write.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import evolve

from bench.clients import FIRST_EVENTS
from bench.gateways import Gateway, Place
from ccproxy.codec import jsontext
from ccproxy.measure.answers import FIRST_WORD, LAST_CHUNK, STAMP
from ccproxy.measure.processes import Failed, Process, started
from ccproxy.measure.ways import Way

INSTALL_SECONDS = 900.0
START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
"""For one answer; also for a gateway that listens to be ready, as some are only after a while."""

_MARK = "installed"
_EMPTY_LINE = b"\r\n\r\n"
_SAID = 200
"""Characters of a reason."""

_SILENT = {"DO_NOT_TRACK": "1", "NO_COLOR": "1", "SCARF_ANALYTICS": "false", "NODE_ENV": "production"}


class Unusable(Exception):
    """A gateway that cannot be installed or started, or does not answer; the message says why, without paths."""


def folder() -> Path:
    """Where gateways are installed."""
    told = os.environ.get("CCPROXY_BENCH_PEERS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(told) if told else cache / "ccproxy-bench"


# ---------------------------------------------------------------------------------------------------------------------
# Installing


def installed(gateway: Gateway, base: Path) -> Path:
    """The gateway's folder, where it is installed now if it was not. Raises Unusable."""
    place = base / f"{gateway.package.replace('/', '-').lstrip('@')}-{gateway.version}"
    mark = place / _MARK
    wanted = jsontext.dumps({"extras": gateway.extras, "overrides": dict(gateway.overrides)})
    if mark.exists() and mark.read_bytes() == wanted:
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for command in _INSTALL[gateway.registry](gateway, place):
        _run(command, place)
    mark.write_bytes(wanted)
    return place


def _from_pypi(gateway: Gateway, place: Path) -> Iterator[Sequence[str]]:
    extras = f"[{gateway.extras}]" if gateway.extras else ""
    yield [sys.executable, "-m", "venv", str(place / "venv")]
    yield [str(place / "venv/bin/python"), "-m", "pip", "install", "-q", f"{gateway.package}{extras}=={gateway.version}"]


def _from_npm(gateway: Gateway, place: Path) -> Iterator[Sequence[str]]:
    wanted = {"private": True, "dependencies": {gateway.package: gateway.version}, "overrides": dict(gateway.overrides)}
    (place / "package.json").write_bytes(jsontext.dumps(wanted))
    yield ["npm", "install", "--prefix", str(place), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


_INSTALL = {"PyPI": _from_pypi, "npm": _from_npm}


def _run(command: Sequence[str], place: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Unusable(f"cannot be installed: there is no {Path(command[0]).name}") from None
    except subprocess.TimeoutExpired:
        raise Unusable(f"cannot be installed within {INSTALL_SECONDS:g} s") from None
    if done.returncode:
        raise Unusable(f"cannot be installed: {said(done.stderr or done.stdout, place)}")


def said(text: str, *paths: Path) -> str:
    """The last line that says something, without our paths."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else "it says nothing"
    for path in paths:
        last = last.replace(str(path), "...")
    return last[:_SAID]


# ---------------------------------------------------------------------------------------------------------------------
# Running


@contextmanager
def running(gateway: Gateway, place: Place) -> Iterator[Process]:
    """The gateway in its home until the end of the block. Raises Unusable."""
    for name, text in gateway.files(place).items():
        path = place.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    log = place.home / "log"
    home = {name: str(place.home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    env: Mapping[str, str] = {**_SILENT, **home, **gateway.env}
    with ExitStack() as stack:
        try:
            process = stack.enter_context(started(gateway.command(place), place.port, env, START_SECONDS, log))
        except (Failed, OSError) as error:
            why = said(log.read_text(errors="replace"), place.home, place.folder) if log.exists() else type(error).__name__
            raise Unusable(f"does not start: {why}") from None
        yield process


def usable(way: Way, stream: bool = True, seconds: float = ANSWER_SECONDS) -> Way:
    """The way, with what its answer tells of its connections, once it answers as it was asked to. Raises Unusable."""
    script = f"bench-paced-{FIRST_EVENTS}" if stream else "bench-whole-1"
    until = time.monotonic() + seconds
    while True:
        try:
            return evolve(way, keeps=_keeps(_answer(way, way.request(script, stream=stream)), stream))
        except (OSError, Unusable) as error:
            if time.monotonic() > until:
                why = str(error) if isinstance(error, Unusable) else f"does not answer: {type(error).__name__}"
                raise Unusable(why) from None
        time.sleep(0.2)


def _answer(way: Way, request: bytes) -> bytes:
    """What comes until the answer ends, or the time does."""
    got = b""
    with socket.create_connection(("127.0.0.1", way.port), timeout=ANSWER_SECONDS) as sock:
        sock.sendall(request)
        while not _whole(got):
            data = sock.recv(1 << 16)
            if not data:
                break
            got += data
    return got


def _whole(got: bytes) -> bool:
    head, found, body = got.partition(_EMPTY_LINE)
    if not found:
        return False
    length = _field(head, b"content-length")
    return len(body) >= int(length) if length else body.endswith(LAST_CHUNK)


def _keeps(answer: bytes, stream: bool) -> bool:
    """Whether the connection stays open after this answer. Raises Unusable for one that cannot be measured."""
    head, _, body = answer.partition(_EMPTY_LINE)
    status = head.partition(b"\r\n")[0].split(b" ")
    if status[1:2] != [b"200"] or FIRST_WORD not in body:
        raise Unusable(f"answers {said(answer[:12].decode(errors='replace'))}: {said(body.decode(errors='replace'))}")
    if stream and not body.endswith(LAST_CHUNK):
        raise Unusable("streams without chunks, so that nobody sees where they end")
    heard = len(set(STAMP.findall(body)))
    if stream and heard != FIRST_EVENTS:  # a gateway that chooses another model than it is asked for has other answers
        raise Unusable(f"streams {heard} of {FIRST_EVENTS} events")
    return _field(head, b"connection").lower() != b"close"


def _field(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip()
    return b""

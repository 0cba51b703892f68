"""One run of a client: a home of its own, no network but loopback, a time limit that also ends what it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from attrs import frozen

from tests.clients.kinds import Client

LONGEST = 90
"""Seconds; 1 to 5 are usual on an idle machine."""

_CLOSED = "http://127.0.0.1:9"
"""A proxy that nobody answers as: who asks for anything but loopback fails at once."""


@frozen
class Ran:
    """code: None where the time was over."""

    code: int | None
    output: str
    errors: str

    def __str__(self) -> str:
        how = "was not done in time" if self.code is None else f"exit code {self.code}"
        return f"{how}\n--- its output\n{self.output[-4000:]}\n--- its errors\n{self.errors[-4000:]}"


@frozen(kw_only=True)
class Served:
    """A running ccproxy: its configuration's file, its address, the token of its key."""

    file: Path
    address: str
    key: str


def run(client: Client, program: Path, served: Served, group: str, work: Path, home: Path) -> Ran:
    """Runs the client in `work` until it is done. group: as `ccproxy run` takes it."""
    words = {
        "url": f"{served.address}/{group}",
        "key": served.key,
        "model": client.model,
        "prompt": client.prompt,
        "home": str(home),
    }
    for place, text in client.files.items():
        path = Path(_filled(place, words))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(text, words))
    more = {name: _filled(value, words) for name, value in {**client.by_hand, **client.quiet}.items()}
    command = [str(program), *(_filled(one, words) for one in client.command)]
    ours = [sys.executable, "-m", "ccproxy", "run", group, "--config", str(served.file), "--model", client.model, "--"]
    return _run(command if client.by_hand else [*ours, *command], work, {**environment(home), **more})


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def environment(home: Path) -> dict[str, str]:
    """Nothing of the user's but what a program needs to start."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    away = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), _CLOSED)
    away |= {"no_proxy": "127.0.0.1,localhost"}
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        **away,
        **{name.upper(): value for name, value in away.items()},
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "TERM": "dumb",
        "NO_COLOR": "1",
        "DO_NOT_TRACK": "1",
    }


def _run(command: list[str], work: Path, env: dict[str, str]) -> Ran:
    process = subprocess.Popen(
        command,
        cwd=work,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=LONGEST)
        return Ran(process.returncode, output, errors)
    except subprocess.TimeoutExpired:
        _end(process)
        output, errors = process.communicate()
        return Ran(None, output, errors)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """With what it has started in its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return

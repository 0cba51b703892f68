"""Installs the clients into a scratch folder: each once, whoever asks first, the others wait.

    python -m tests.clients.install FOLDER      all of them at once, as `.ci/run` does while the other tests run

A folder of a package holds what was installed, and `outcome`: empty when all went well, else the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.clients.kinds import PACKAGES, Package
from tests.clients.running import environment

LONGEST = 300
"""Seconds for one package; 15 to 80 are usual."""


class Missing(Exception):
    """The package cannot be installed here, or does not start, and why."""


def program(package: Package, folder: Path) -> Path:
    """The package's command, installed below `folder` if it is not yet. Raises Missing, to each who asks."""
    import fcntl  # not everywhere, and collected everywhere

    own = folder / package.program
    (own / "home").mkdir(parents=True, exist_ok=True)
    outcome = own / "outcome"
    with (own / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not outcome.exists():
            outcome.write_text(_installed(package, own))
    if reason := outcome.read_text():
        raise Missing(reason)
    return _program(package, own)


def _program(package: Package, own: Path) -> Path:
    return _PLACES[package.registry](own) / package.program


def _installed(package: Package, own: Path) -> str:
    """Why it did not go, "" when it did."""
    try:
        _WAYS[package.registry](package, own)
        if package.tells:
            _run([str(_program(package, own)), "--version"], environment(own / "home"))  # not with an old Node, say
    except subprocess.CalledProcessError as error:
        return f"{package.name} {package.version}: {error.stdout[-1000:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{package.name} {package.version}: {error}"
    return ""


def _by_npm(package: Package, own: Path) -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise FileNotFoundError("node and npm are not there")
    configured = Path.home() / ".npmrc"
    more = {"NPM_CONFIG_USERCONFIG": str(configured)} if configured.exists() else {}
    env = {**os.environ, **more, "HOME": str(own / "home")}
    flags = ["--no-save", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error"]
    command = [npm, "install", *flags, "--cache", str(own / "cache"), "--prefix", str(own), _pinned(package, "@")]
    _run(command, env)
    shutil.rmtree(own / "cache", ignore_errors=True)


def _by_pip(package: Package, own: Path) -> None:
    venv.create(own / "venv", with_pip=True)
    pip = [str(own / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-compile"]
    _run([*pip, "--disable-pip-version-check", "--only-binary", ":all:", _pinned(package, "==")], dict(os.environ))


def _pinned(package: Package, between: str) -> str:
    return f"{package.name}{between}{package.version}"


def _run(command: list[str], env: dict[str, str]) -> None:
    subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=LONGEST,
    )


_WAYS: dict[str, Callable[[Package, Path], None]] = {"npm": _by_npm, "pypi": _by_pip}
_PLACES: dict[str, Callable[[Path], Path]] = {
    "npm": lambda own: own / "node_modules" / ".bin",
    "pypi": lambda own: own / "venv" / "bin",
}


def _tell(package: Package, folder: Path) -> None:
    try:
        program(package, folder)
    except Missing as missing:
        print(f"not installed: {missing}", flush=True)


def main(folder: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda package: _tell(package, folder), PACKAGES.values()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

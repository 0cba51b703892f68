"""Setting variables in four shells: lines to be evaluated."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import frozen


@frozen(kw_only=True)
class Shell:
    """put: a line that sets a variable for what is started later. drop: one that takes it away, whether it is there or not.
    use: how a person has ccproxy's lines evaluated."""

    put: Callable[[str, str], str]
    drop: Callable[[str], str]
    use: str


def _fish(text: str) -> str:
    """In single quotes; only \\' and \\\\ are escapes there (fish, Language: Quotes)."""
    return "'" + re.sub(r"([\\'])", r"\\\1", text) + "'"


def _powershell(text: str) -> str:
    """In single quotes, where quotes are doubled, typographic ones too (PowerShell, about_Quoting_Rules)."""
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"


_POSIX = Shell(
    put=lambda name, value: f"export {name}={shlex.quote(value)}",
    drop=lambda name: f"unset {name}",
    use='eval "$({command})"',
)

SHELLS: Mapping[str, Shell] = {
    "bash": _POSIX,
    "zsh": _POSIX,
    "fish": Shell(
        put=lambda name, value: f"set -gx {name} {_fish(value)}",
        drop=lambda name: f"set -e {name}",
        use="{command} | source",
    ),
    "powershell": Shell(
        put=lambda name, value: f"$env:{name} = {_powershell(value)}",
        drop=lambda name: f"Remove-Item -ErrorAction Ignore Env:{name}",
        use="{command} | Out-String | Invoke-Expression",
    ),
}


def usual(env: Mapping[str, str], parent: str = "", windows: bool = os.name == "nt") -> str:
    """The shell that a person uses here: the one that runs us, if the name of the parent process tells it, else the login
    shell."""
    names = [re.split(r"[\\/]", word)[-1].removesuffix(".exe").lstrip("-") for word in (parent, env.get("SHELL", ""))]
    found = next((name for name in names if name in SHELLS), "")
    return found or ("powershell" if windows and not any(names) else "bash")


def parent() -> str:
    """The name of the process that runs us, "" where the system does not tell."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip()
    with contextlib.suppress(OSError, subprocess.SubprocessError):  # macOS and the BSDs have no /proc
        words = ["ps", "-o", "comm=", "-p", str(os.getppid())]
        return subprocess.run(words, capture_output=True, text=True, timeout=2).stdout.strip()
    return ""


def lines(shell: str, variables: Mapping[str, str], unset: Iterable[str]) -> list[str]:
    """What the shell has to evaluate."""
    found = SHELLS[shell]
    return [*map(found.drop, unset), *(found.put(name, value) for name, value in variables.items())]

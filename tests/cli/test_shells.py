"""What is printed for a shell, in the shells themselves where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from ccproxy.cli.shells import SHELLS, lines, usual

VALUES = {
    "A_PLAIN": "http://127.0.0.1:11434/qwen",
    "A_QUOTED": """it's "quoted" `so` $HOME ${HOME} \\ \\n ! # * ~ ; & | < > ( )""",
    "A_JSON": '{"a": ["b", "c\'d"], "e": "{env:F}"}',
    "A_WIDE": "日本 ‘curly’ “curly” é",
    "A_EMPTY": "",
    "A_LINES": "one\ntwo",
}
INSTALLED = {
    "bash": ["bash", "-c"],
    "zsh": ["zsh", "-c"],
    "fish": ["fish", "-c"],
    "powershell": ["pwsh", "-NoProfile", "-Command"],
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_back_what_was_meant(shell: str) -> None:
    command = INSTALLED[shell]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    probe = "python3 -c 'import os, json; print(json.dumps({k: v for k, v in os.environ.items()}))'"
    script = "\n".join([*lines(shell, VALUES, ["GONE", "NEVER_THERE"]), probe])
    told = subprocess.run(
        [*command, script], env={**os.environ, "GONE": "here"}, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert told.stderr == ""
    seen = json.loads(told.stdout)
    assert {name: seen.get(name) for name in VALUES} == VALUES
    assert "GONE" not in seen


def test_a_posix_shell_evaluates_what_bash_does() -> None:
    script = "\n".join(lines("bash", VALUES, ["GONE"])) + '\nprintf %s "$A_QUOTED"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == VALUES["A_QUOTED"]


def test_the_words_of_each_shell() -> None:
    one = {"A": "it's \\ ‘so’"}
    assert lines("bash", one, ["B"]) == ["unset B", "export A='it'\"'\"'s \\ ‘so’'"]
    assert lines("zsh", one, ["B"]) == lines("bash", one, ["B"])
    assert lines("fish", one, ["B"]) == ["set -e B", "set -gx A 'it\\'s \\\\ ‘so’'"]
    assert lines("powershell", one, ["B"]) == ["Remove-Item -ErrorAction Ignore Env:B", "$env:A = 'it''s \\ ‘‘so’’'"]


@pytest.mark.parametrize(
    ("login", "parent", "windows", "shell"),
    [
        ("/usr/bin/fish", "", False, "fish"),
        ("/bin/zsh", "python3", False, "zsh"),
        ("/bin/dash", "", False, "bash"),
        ("/bin/bash", "fish", False, "fish"),
        ("/bin/bash", "-zsh", False, "zsh"),
        ("/bin/fish", "/bin/bash", False, "bash"),
        ("", "", False, "bash"),
        ("", "", True, "powershell"),
        ("C:\\Program Files\\Git\\bin\\bash.exe", "", True, "bash"),
    ],
)
def test_the_usual_shell(login: str, parent: str, windows: bool, shell: str) -> None:
    assert usual({"SHELL": login} if login else {}, parent, windows) == shell


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell")
def test_the_shell_that_runs_us() -> None:
    script = f"""'{sys.executable}' -c 'from ccproxy.cli.shells import parent; print(parent())'; true"""
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip().endswith("bash")

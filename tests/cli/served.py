"""A configuration and a real server for the tests of commands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = """\
[server]
active_group = "qwen"

[keys]
laptop = "cs-laptop"
ci = "${CI_TOKEN}"

[providers.up]
protocol = "openai"
base_url = "http://127.0.0.1:9/v1"
api_keys = ["${NOT_SET_HERE}"]

[groups.qwen]
description = "for coding"
keys = ["ci", "laptop"]
[groups.qwen.models]
"claude-*" = "up/coder"
"qwen3-coder-plus" = "up/qwen3-coder-plus"

[groups.bots]
keys = ["ci"]
[groups.bots.models]
"small" = "up/small"
"""
"""What the commands' tests read; the providers' key is not in the environment, as in a client's shell."""


def configuration(folder: Path, content: str = CONFIG) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "ccproxy.toml"
    path.write_text(content)
    return path


@contextmanager
def serving(path: Path, **env: str) -> Iterator[int]:
    """`ccproxy serve` as a process; gives its port."""
    words = [sys.executable, "-m", "ccproxy", "serve", "--config", str(path), "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        found = re.search(r"listens on http://[^ ]*:(\d+) ", first)
        assert found, first
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()

"""What the endpoint costs who has none."""

from __future__ import annotations

import subprocess
import sys

SERVED = """
import sys
from ccproxy.app import App
from ccproxy.config import loads
import ccproxy.transport.on_asyncio
App(loads({config!r}, {{}}))
packages = {{"mcp", "mcp_types", "anyio", "pydantic", "starlette", "httpx2"}}
print(sorted(packages & {{name.partition(".")[0] for name in sys.modules}}))
"""

PROVIDER = "[providers.p]\nprotocol = 'openai'\n"


def imported(config: str) -> str:
    code = SERVED.format(config=config)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_without_the_table_nothing_of_it_is_imported() -> None:
    assert imported(PROVIDER) == "[]"
    assert imported(PROVIDER + "[mcp]\n") == "['anyio', 'httpx2', 'mcp', 'mcp_types', 'pydantic', 'starlette']"

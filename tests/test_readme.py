"""What the README says of the code is true."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ccproxy.cli import COMMANDS
from ccproxy.config import loads
from ccproxy.protocols import PROTOCOLS
from tests.protocols import test_matrix

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()
CONFIGURATION, *_ = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
CONVERTERS, SERVER = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
STREAM = (ROOT / "tests" / "data" / "openai" / "text.sse").read_bytes()
ANSWER = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}


def matrix() -> str:
    """The 5x5 table: the number of cases that each pair passes in `tests/protocols/test_matrix.py`."""
    cases = len(test_matrix.ANSWERED) * len(test_matrix.STREAMS) + len(test_matrix.STREAMS) + 2
    heads = "".join(f" → {name} |" for name in PROTOCOLS)
    lines = [f"| client |{heads}", "|---|" + "---|" * len(PROTOCOLS)]
    for client in PROTOCOLS:
        cells = [cases if (client, upstream) in _pairs() else 0 for upstream in PROTOCOLS]
        lines.append(f"| {client} |" + "".join(f" {cell} |" for cell in cells))
    return "\n".join(lines)


def _pairs() -> set[tuple[str, str]]:
    return {(param.values[0], param.values[1]) for param in test_matrix.PAIRS}


def test_the_table_of_pairs_is_the_matrix() -> None:
    shown = README.partition("<!-- matrix -->\n")[2].partition("\n<!-- /matrix -->")[0]
    assert shown == matrix()


def test_the_configuration_is_valid() -> None:
    config = loads(CONFIGURATION, {"CCPROXY_TOKEN": "t", "DASHSCOPE_API_KEY": "k"})
    assert config.router().resolve("qwen", "claude-haiku-4-5").destinations[0].model == "qwen3-coder-flash"
    assert config.router().resolve("qwen", "claude-opus-4-6").destinations[0].model == "qwen3-coder-plus"


def test_the_converters_are_used_as_shown() -> None:
    written = io.BytesIO()
    names: dict[str, Any] = {
        "body": {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
        "upstream": [STREAM],
        "client": written,
        "answer_body": json.dumps(ANSWER).encode(),
    }
    exec(compile(CONVERTERS, "README.md", "exec"), names)
    assert written.getvalue().endswith(b'data: {"type":"message_stop"}\n\n')
    assert json.loads(names["answer"])["content"] == [{"type": "text", "text": "hi"}]


def test_a_server_starts_inside_a_loop_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ccproxy.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CCPROXY_TOKEN", "t")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "k")
    names: dict[str, Any] = {}

    async def run() -> None:
        await eval(compile(SERVER, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        assert names["server"].port
        await names["server"].close()

    asyncio.run(run())


def test_ci_runs_what_the_readme_says() -> None:
    assert "pip install -q -e '.[test]' && .venv/bin/python -m pytest -n 2" in README
    assert "-e '.[test]'" in CI
    assert "-m pytest -n 2" in CI


@pytest.mark.parametrize(
    "module", sorted(p.relative_to(ROOT / "ccproxy") for p in (ROOT / "ccproxy").rglob("*.py")), ids=str
)
def test_the_map_has_every_module(module: Path) -> None:
    table = README.partition("## Map of the code")[2].partition("## One chunk's journey")[0]
    name = module.stem if module.stem != "__init__" else module.parent.name
    folder = f"{module.parts[0]}/" if len(module.parts) > 1 else "none"
    assert name in table or folder in table or module.name == "__main__.py" or module.parent == Path()


def test_the_first_ten_minutes_are_still_possible() -> None:
    recorded = (ROOT / "docs" / "first-ten-minutes.md").read_text()
    typed = set(re.findall(r"^\$ (?:eval \"\$\()?ccproxy (\w+)", recorded, re.MULTILINE))
    assert typed <= set(COMMANDS)
    assert typed >= {
        "demo",
        "init",
        "check",
        "serve",
        "run",
        "env",
        "groups",
        "models",
        "switch",
        "keys",
        "log",
        "completion",
    }
    assert not re.search(r"/tmp/|/home/|/root/", recorded)

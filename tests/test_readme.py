"""What the README says of the code is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccproxy.config import loads
from ccproxy.protocols import PROTOCOLS
from tests.protocols import test_matrix

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()


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
    example = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert example is not None
    config = loads(example[1], {"CCPROXY_TOKEN": "t", "DASHSCOPE_API_KEY": "k"})
    assert config.router().resolve("qwen", "claude-haiku-4-5").destinations[0].model == "qwen3-coder-flash"
    assert config.router().resolve("qwen", "claude-opus-4-6").destinations[0].model == "qwen3-coder-plus"


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

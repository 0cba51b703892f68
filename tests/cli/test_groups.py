from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from tests.cli.served import CONFIG, configuration

RULES = CONFIG.replace(
    '[groups.qwen]\ndescription = "for coding"',
    '[groups.qwen]\ndescription = "編程"\ntool_filter = ["Web*"]\nprompt_injection = "enhance"\nprompt = "'
    + "long " * 40
    + '"',
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return configuration(tmp_path, RULES)


def groups(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["groups", *arguments, "--config", str(path)], env={"COLUMNS": "200"})


def test_the_list(path: Path) -> None:
    said = groups(path)
    assert (said.exit_code, said.stderr) == (0, "")
    head, qwen, bots = said.stdout.splitlines()
    assert head.split() == ["group", "active", "path", "keys", "models", "rules", "for"]
    assert qwen.split("  ")[0] == "qwen"
    for part in ("*", "/qwen", "ci, laptop", "claude-*, qwen3-coder-plus", "tool_filter, prompt_injection, prompt", "編程"):
        assert part in qwen
    assert bots.split() == ["bots", "/bots", "ci", "small", "-"]
    assert head.index("models") == qwen.index("claude-*") == bots.index("small")


def test_one_group(path: Path) -> None:
    assert groups(path, "qwen").stdout.splitlines() == [
        "qwen: 編程",
        "address: http://127.0.0.1:11434/qwen, and what /switch leads to",
        "keys: ci, laptop",
        'tool_filter = ["Web*"]',
        'prompt_injection = "enhance"',
        'prompt = "' + ("long " * 40)[:71] + "...",
        "",
        "model             leads to",
        "claude-*          up/coder",
        "qwen3-coder-plus  up/qwen3-coder-plus",
    ]


def test_json(path: Path) -> None:
    qwen, bots = json.loads(groups(path, "--json").stdout)
    assert qwen["rules"]["tool_filter"] == ["Web*"]
    assert (qwen["active"], qwen["path"], qwen["keys"]) == (True, "/qwen", ["ci", "laptop"])
    assert bots == json.loads(groups(path, "bots", "--json").stdout)
    assert bots["models"] == {"small": ["up/small"]}


def test_a_file_without_groups_and_keys(tmp_path: Path) -> None:
    path = configuration(tmp_path, "[providers.p]\nprotocol = 'openai'\n")
    assert groups(path).stdout.splitlines()[1].split() == ["default", "/", "no", "key", "needed", "*", "-"]
    (document,) = json.loads(groups(path, "--json").stdout)
    assert (document["path"], document["keys"], document["models"]) == ("/", None, {"*": ["p/*"]})


def test_an_unknown_group(path: Path) -> None:
    said = groups(path, "qwn")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == 'there is no group "qwn"; did you mean qwen?\ngroups: qwen, bots\n'

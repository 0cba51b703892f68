from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ccproxy.cli.clients import ANY, CLIENTS, GEMINI_SETTINGS, Client, Point, named, setup

POINT = Point(url="http://127.0.0.1:11434/qwen/compat", key="cs-secret", models=("one", 'two "2"'), model="two")
EVERY = {**CLIENTS, "any": ANY}


@pytest.mark.parametrize("client", EVERY.values(), ids=EVERY)
def test_every_client_is_pointed_at_the_group_and_no_command_line_shows_the_key(client: Client, tmp_path: Path) -> None:
    made = setup(client, POINT, tmp_path, {})
    content = made.file[1] if made.file else ""
    said = [*made.variables.values(), *made.flags, *made.manual, content]
    assert any(POINT.url in text for text in said)
    assert not any("cs-secret" in text for text in (*made.flags, *made.manual))
    assert not any("{" in text for text in (*made.variables, *made.flags) if not text.startswith('{"')), (
        "an unfilled template"
    )
    assert not set(made.variables) & set(made.unset)


@pytest.mark.parametrize("client", [c for c in CLIENTS.values() if c.commands], ids=lambda c: c.title)
def test_a_command_that_needs_a_model_is_told_one(client: Client, tmp_path: Path) -> None:
    made = setup(client, POINT, tmp_path, {})
    content = made.file[1] if made.file else ""
    if client.needs_model or client.asks:
        assert "two" in " ".join([*made.variables.values(), *made.flags, *made.manual, content])


def test_without_a_model_the_client_asks_for_its_own(tmp_path: Path) -> None:
    made = setup(CLIENTS["claude"], Point(url="http://h", key="k"), tmp_path, {})
    assert made.variables == {"ANTHROPIC_BASE_URL": "http://h", "ANTHROPIC_AUTH_TOKEN": "k"}
    assert "ANTHROPIC_API_KEY" in made.unset


FILES = {name: client for name, client in CLIENTS.items() if client.file}


@pytest.mark.parametrize("name", FILES)
def test_files_are_ccproxys_own_and_named_to_the_client(name: str, tmp_path: Path) -> None:
    made = setup(FILES[name], POINT, tmp_path, {})
    assert made.file is not None
    path, content = made.file
    assert path.is_relative_to(tmp_path)
    assert any(str(path) in text or text == str(path.parent) for text in [*made.variables.values(), *made.flags])
    assert json.loads(content)
    assert "http://127.0.0.1:11434/qwen/compat/v1" in content


def test_opencode_has_its_configuration_in_a_variable(tmp_path: Path) -> None:
    variables = setup(CLIENTS["opencode"], POINT, tmp_path, {}).variables
    document: dict[str, Any] = json.loads(variables["OPENCODE_CONFIG_CONTENT"])
    assert document["model"] == "ccproxy/two"
    assert list(document["provider"]["ccproxy"]["models"]) == ["two", "one", 'two "2"']
    assert variables["CCPROXY_API_KEY"] == "cs-secret"
    assert "cs-secret" not in variables["OPENCODE_CONFIG_CONTENT"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("claude", "claude"),
        ("/usr/local/bin/codex", "codex"),
        (r"C:\Users\me\npm\gemini.cmd", "gemini"),
        ("Qwen.exe", "qwen"),
        ("cn", "continue"),
        ("python", ""),
        ("claude.py", ""),
    ],
)
def test_clients_are_known_by_their_command(command: str, name: str) -> None:
    assert named(command) == name


def test_an_administrators_settings_stay(tmp_path: Path) -> None:
    assert json.loads(GEMINI_SETTINGS.read_text())["security"]["auth"]["selectedType"] == "gemini-api-key"
    name = "GEMINI_CLI_SYSTEM_SETTINGS_PATH"
    assert setup(CLIENTS["gemini"], POINT, tmp_path, {}).variables[name] == str(GEMINI_SETTINGS)
    assert name not in setup(CLIENTS["gemini"], POINT, tmp_path, {name: "/opt/theirs.json"}).variables

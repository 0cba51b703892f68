from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ccproxy.cli.clients import ANY, CLIENTS, Client, Point, named, setup

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
    places = [str(folder) for folder in path.parents if folder.is_relative_to(tmp_path)]
    assert any(str(path) in text or text in places for text in [*made.variables.values(), *made.flags])
    assert json.loads(content)
    addresses = [content, made.variables.get("GOOGLE_GEMINI_BASE_URL", "")]  # Gemini's file has no place for it
    assert any("http://127.0.0.1:11434/qwen/compat" in text for text in addresses)


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


def test_gemini_keeps_a_persons_settings_but_for_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"ui": {"theme": "x"}, "security": {"auth": {"selectedType": "oauth-personal", "useExternal": False}}}
    mine, ours = tmp_path / "me", tmp_path / "ours"
    place = _gemini_settings(mine, json.dumps(settings))
    monkeypatch.setenv("HOME", str(mine))
    monkeypatch.delenv("GEMINI_CLI_HOME", raising=False)
    made = setup(CLIENTS["gemini"], POINT, ours, {})
    assert made.variables["GEMINI_CLI_HOME"] == str(ours)
    assert made.file is not None
    path, content = made.file
    assert path == ours / ".gemini" / "settings.json"
    settings["security"] = {"auth": {"selectedType": "gemini-api-key", "useExternal": False}}
    assert json.loads(content) == settings
    place.write_text("{ // mine")
    assert (setup(CLIENTS["gemini"], POINT, ours, {}).file or ("", ""))[1].count("gemini-api-key") == 1


def test_gemini_needs_no_file_where_the_login_is_chosen(tmp_path: Path) -> None:
    _gemini_settings(tmp_path, '{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    made = setup(CLIENTS["gemini"], POINT, tmp_path / "ours", {"GEMINI_CLI_HOME": str(tmp_path)})
    assert made.file is None
    assert "GEMINI_CLI_HOME" not in made.variables
    assert made.variables["GEMINI_API_KEY"] == POINT.key


def _gemini_settings(home: Path, content: str) -> Path:
    place = home / ".gemini" / "settings.json"
    place.parent.mkdir(parents=True)
    place.write_text(content)
    return place

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.cli.presets import PRESETS
from ccproxy.config import load, user_folder


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for preset in PRESETS.values():
        monkeypatch.delenv(preset.variable or "UNUSED", raising=False)


def run(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(main, ["init", *arguments], input=answers)


@pytest.fixture
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccproxy.cli.init.on_a_terminal", lambda: True)


def test_without_a_terminal_it_writes_a_file_to_start_from(tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0
    assert "export OPENAI_API_KEY=..." in result.stdout.replace("$env:OPENAI_API_KEY = ", "export OPENAI_API_KEY=")
    assert "ccproxy check --probe" in result.stdout
    assert load(Path("ccproxy.toml"), {"OPENAI_API_KEY": "sk-1"}).providers["openai"].api_keys == ("sk-1",)


def test_the_file_passes_check_once_the_variable_is_set() -> None:
    run("--provider", "deepseek")
    missing = CliRunner().invoke(main, ["check"])
    assert missing.exit_code == 1
    assert "DEEPSEEK_API_KEY is not set" in missing.stderr
    fine = CliRunner().invoke(main, ["check"], env={"DEEPSEEK_API_KEY": "sk-1"})
    assert fine.exit_code == 0
    assert "1 provider, 1 group" in fine.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_only_its_owner_can_read_it() -> None:
    run()
    assert stat.S_IMODE(Path("ccproxy.toml").stat().st_mode) == 0o600


def test_a_file_that_is_there_stays_unless_forced() -> None:
    Path("ccproxy.toml").write_text("mine")
    result = run()
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert Path("ccproxy.toml").read_text() == "mine"
    assert run("--force", "--provider", "ollama").exit_code == 0
    assert load(Path("ccproxy.toml"), {}).providers["ollama"].protocol == "ollama"
    assert [file.name for file in Path().iterdir()] == ["ccproxy.toml"]


def test_another_path_is_made_and_named_in_what_to_do_next(tmp_path: Path) -> None:
    result = run("deep/er/my.toml")
    assert result.exit_code == 0
    assert Path("deep/er/my.toml").is_file()
    assert f"ccproxy serve --config {Path('deep/er/my.toml')}" in result.stdout
    assert run("deep").exit_code == 0
    assert Path("deep/ccproxy.toml").is_file()


def test_a_path_that_cannot_be_written_is_told() -> None:
    Path("file").touch()
    result = run("file/ccproxy.toml")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


@pytest.mark.usefixtures("_terminal")
def test_on_a_terminal_it_asks() -> None:
    number = list(PRESETS).index("deepseek") + 1
    result = run(answers=f"{number}\nnonsense\nhttps://gateway.example/v1\nMY_KEY\ndeepseek-reasoner\nn\n")
    assert result.exit_code == 0, result.output
    assert "must be a URL that begins with http://" in result.output
    config = load(Path("ccproxy.toml"), {"MY_KEY": "sk-1"})
    assert config.providers["deepseek"].base_url == "https://gateway.example/v1"
    assert config.providers["deepseek"].api_keys == ("sk-1",)
    assert str(config.router().resolve("", "claude-x").destinations[0]) == "deepseek/deepseek-reasoner"
    assert "sk-1" not in Path("ccproxy.toml").read_text()


@pytest.mark.usefixtures("_terminal")
def test_a_key_can_go_into_the_file_and_is_not_shown() -> None:
    result = run("--provider", "anthropic", answers="sk-pasted-too-early\nhere\nwith space\nsk-real\nn\n")
    assert result.exit_code == 0, result.output
    assert "is not the name of an environment variable; answer `here`" in result.output
    assert "sk-real" not in result.output
    assert load(Path("ccproxy.toml"), {}).providers["anthropic"].api_keys == ("sk-real",)
    assert "export" not in result.output


@pytest.mark.usefixtures("_terminal")
def test_a_server_without_keys_needs_none() -> None:
    result = run("--provider", "ollama", answers="\n\nn\n")
    assert result.exit_code == 0, result.output
    assert load(Path("ccproxy.toml"), {}).providers["ollama"].api_keys == ()


def own() -> Path:
    return user_folder(os.environ) / "ccproxy.toml"


def test_it_can_be_for_all_folders() -> None:
    result = run("--user", "--provider", "ollama")
    assert result.exit_code == 0
    assert own().is_file()
    assert not Path("ccproxy.toml").exists()
    assert "ccproxy serve\n" in result.stdout, "commands find it, so they need no option"
    assert CliRunner().invoke(main, ["check"]).stdout.startswith(f"{own()}: valid")
    assert run("--user").exit_code == 1
    assert run("--user", "elsewhere.toml").exit_code == 2


@pytest.mark.usefixtures("_terminal")
def test_on_a_terminal_it_is_for_all_folders_unless_one_is_wanted() -> None:
    result = run("--provider", "ollama", answers="\n\n\n")
    assert f"For all folders ({own()})?" in result.output
    assert own().is_file()
    result = run("--provider", "ollama", answers="\n\n")
    assert "For all folders" not in result.output, "there is one"
    assert Path("ccproxy.toml").is_file()


def test_an_unknown_provider_is_a_usage_error() -> None:
    result = run("--provider", "nobody")
    assert result.exit_code == 2
    assert "deepseek" in result.stderr

from __future__ import annotations

from pathlib import Path

import pytest

from ccproxy.cli import show


def test_fail_says_what_is_wrong_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        show.fail("two problems", ["one", "two"], "correct them")
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "two problems\n  one\n  two\ncorrect them\n")


def test_a_table_has_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(("name", "answer"), [("a", "1"), ("longer", "")])
    assert capsys.readouterr().out == "name    answer\na       1\nlonger\n"


def test_wide_letters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(("a", "b"), [("編程", "1"), ("code", "2")])
    assert capsys.readouterr().out == "a     b\n編程  1\ncode  2\n"


def test_an_unknown_group_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    for name, told in (("qwn", 'there is no group "qwn"; did you mean qwen?'), ("x", 'there is no group "x"')):
        with pytest.raises(SystemExit):
            show.no_group(name, ["qwen", "bots"])
        assert capsys.readouterr().err == f"{told}\ngroups: qwen, bots\n"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
    ],
)
def test_the_address_that_clients_use(host: str, url: str) -> None:
    assert show.base_url(host, 80) == url


def test_without_a_file_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {"HOME": str(tmp_path), "APPDATA": str(tmp_path)})
    with pytest.raises(SystemExit):
        show.located(None)
    said = capsys.readouterr().err
    assert "there is no configuration" in said
    assert "ccproxy init" in said
    assert "ccproxy demo" in said


def test_a_bad_file_is_told_with_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ccproxy.toml"
    file.write_text("[server]\nprt = 1\n[providers.a]\nprotocol = 'opnai'\n")
    with pytest.raises(SystemExit) as caught:
        show.configured(file)
    assert caught.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{file}: 2 problems"
    assert lines[1] == "  server.prt: unknown key; did you mean port?"
    assert lines[2].startswith("  providers.a.protocol: must be one of ")

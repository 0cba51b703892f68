from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.cli.keys import masked
from tests.cli.served import CONFIG, configuration, serving

OPEN = '[providers.up]\nprotocol = "openai"\n# all that comes\n[groups.all.models]\n"*" = "up/*"\n'


def keys(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments, "--config", str(path)])


def said(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def test_the_list_shows_no_token(tmp_path: Path) -> None:
    path = configuration(tmp_path, CONFIG.replace("cs-laptop", "cs-0123456789abcdefghij"))
    assert [line.split() for line in keys(path, "list").stdout.splitlines()] == [
        ["key", "token", "groups"],
        ["laptop", "cs-...ghij", "qwen"],
        ["ci", "${CI_TOKEN}", "qwen,", "bots"],
    ]
    assert json.loads(keys(path, "list", "--json").stdout) == [
        {"name": "laptop", "token": "cs-...ghij", "variable": None, "groups": ["qwen"]},
        {"name": "ci", "token": "${CI_TOKEN}", "variable": "CI_TOKEN", "groups": ["qwen", "bots"]},
    ]


def test_no_keys(tmp_path: Path) -> None:
    told = keys(configuration(tmp_path, OPEN), "list")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "ccproxy keys add NAME" in told.stderr


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("short", "..."),
        ("x" * 19, "..."),
        ("cs-" + "x" * 17, "cs-...xxxx"),
        ("${B}", "${B}"),
        ("a${B}c${D}e", "...${B}...${D}"),
    ],
)
def test_what_is_shown_of_a_token(token: str, shown: str) -> None:
    assert masked(token) == shown


def test_adding(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    told = keys(path, "add", "phone", "--group", "bots")
    assert told.exit_code == 0
    token = told.stdout.strip()
    assert token.startswith("cs-")
    assert len(token) == 46
    assert said(path)["keys"]["phone"] == token
    assert said(path)["groups"]["bots"]["keys"] == ["ci", "phone"]
    assert "phone may use bots\n" in told.stderr
    assert token not in told.stderr
    assert keys(path, "add", "tablet").stdout != told.stdout


def test_a_key_for_no_group(tmp_path: Path) -> None:
    told = keys(configuration(tmp_path), "add", "phone")
    assert "phone may use no group yet" in told.stderr


def test_a_key_that_is_there_is_let_into_a_group(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    told = keys(path, "add", "laptop", "--group", "bots", "--group", "qwen")
    assert (told.exit_code, told.stdout, told.stderr) == (0, "", "laptop may use qwen, bots\n")
    assert said(path)["keys"]["laptop"] == "cs-laptop"
    assert said(path)["groups"]["qwen"]["keys"] == ["ci", "laptop"]


def test_the_first_key_closes_the_server(tmp_path: Path) -> None:
    path = configuration(tmp_path, OPEN)
    told = keys(path, "add", "phone", "--json")
    assert json.loads(told.stdout) == {"name": "phone", "token": said(path)["keys"]["phone"], "groups": ["all"]}
    assert "# all that comes\n[groups.all.models]" in path.read_text()
    path = configuration(tmp_path, OPEN)
    assert "from now on every client has to present a key" in keys(path, "add", "phone", "--group", "all").stderr
    assert "keys" not in said(path)["groups"]["all"], "it lets every key in, and still does"


def test_removing(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    told = keys(path, "remove", "laptop")
    assert (told.exit_code, told.stdout, told.stderr) == (0, "removed laptop, also from qwen\n", "")
    assert said(path)["keys"] == {"ci": "${CI_TOKEN}"}
    assert said(path)["groups"]["qwen"]["keys"] == ["ci"]


def test_the_last_key_opens_the_server_to_this_machine(tmp_path: Path) -> None:
    path = configuration(tmp_path, "[keys]\na = '1'\n" + OPEN)
    assert "no key is left" in keys(path, "remove", "a").stderr
    path = configuration(tmp_path, "[keys]\na = '1'\n" + OPEN)
    assert json.loads(keys(path, "remove", "a", "--json").stdout) == {"name": "a", "groups": []}


REFUSED: dict[str, tuple[str, list[str], list[str]]] = {
    "a key twice": (CONFIG, ["add", "laptop"], ["there is a key laptop already"]),
    "an unknown group": (CONFIG, ["add", "x", "--group", "bot"], ["did you mean bots?", "groups: qwen, bots"]),
    "a name that none can be": (CONFIG, ["add", "my phone"], ["keys.", "letters, digits"]),
    "nothing to remove": (CONFIG, ["remove", "phone"], ['there is no key "phone"', "keys: laptop, ci"]),
    "a group's only key": (CONFIG, ["remove", "ci"], ["ci is the only key of bots", "--group bots"]),
    "the last key of a server that others reach": (
        '[server]\nhost = "0.0.0.0"\n[keys]\na = "1"\n' + OPEN,
        ["remove", "a"],
        ["is left as it is", "server.host", "needs proxy keys"],
    ),
    "a file with mistakes": (CONFIG.replace("up/small", "down/small"), ["add", "x"], ["1 problem\n", 'provider "down"']),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_be_right_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI_TOKEN", raising=False)
    content, arguments, parts = REFUSED[name]
    path = configuration(tmp_path, content)
    told = keys(path, *arguments)
    assert (told.exit_code, told.stdout) == (1, "")
    assert all(part in told.stderr for part in parts), told.stderr
    assert path.read_text() == content


@pytest.mark.skipif(os.name == "nt", reason="on Windows nothing is locked")
def test_of_keys_that_are_added_at_the_same_moment_none_is_lost(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    words = [sys.executable, "-m", "ccproxy", "keys", "add", "--group", "qwen", "--config", str(path)]
    running = [subprocess.Popen([*words, f"k{n}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for n in range(4)]
    assert [each.wait() for each in running] == [0] * 4
    assert sorted(said(path)["keys"]) == ["ci", "k0", "k1", "k2", "k3", "laptop"]
    assert sorted(said(path)["groups"]["qwen"]["keys"]) == ["ci", "k0", "k1", "k2", "k3", "laptop"]


def test_a_running_server_follows(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    with serving(path, CI_TOKEN="t", NOT_SET_HERE="k", PATH=os.environ["PATH"]) as port:

        def status(token: str) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/qwen/v1/models", headers={"authorization": f"Bearer {token}"})
            found = connection.getresponse().status
            connection.close()
            return found

        token = keys(path, "add", "phone", "--group", "qwen").stdout.strip()
        end = time.monotonic() + 30
        while status(token) != 200 and time.monotonic() < end:
            time.sleep(0.05)
        assert status(token) == 200
        keys(path, "remove", "phone")
        while status(token) != 401 and time.monotonic() < end:
            time.sleep(0.05)
        assert status(token) == 401

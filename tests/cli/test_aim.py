from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ccproxy.cli.aim import Absent, Refused, aim, ask, model_for, names, relaxed
from ccproxy.cli.clients import CLIENTS
from ccproxy.config import Config, loads
from tests.cli.served import CONFIG, configuration


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.delenv("CI_TOKEN", raising=False)
    return relaxed(configuration(tmp_path))


LEADS = {
    "qwen": ("qwen", "/qwen"),
    "/qwen/": ("qwen", "/qwen"),
    "qwen/compat": ("qwen", "/qwen/compat"),
    "qwen/compat_mode": ("qwen", "/qwen/compat_mode"),
    "switch": ("qwen", "/switch"),
    "switch/compat": ("qwen", "/switch/compat"),
}


@pytest.mark.parametrize(("words", "found"), LEADS.items(), ids=LEADS)
def test_where_words_lead(words: str, found: tuple[str, str], config: Config) -> None:
    aimed = aim(config, words)
    assert (aimed.group, aimed.url) == (found[0], f"http://127.0.0.1:11434{found[1]}")
    assert (aimed.key_name, aimed.key) == ("laptop", "cs-laptop"), "the first key whose token is known here"


def test_the_default_group_has_no_path() -> None:
    config = loads("[server]\nhost = 'localhost'\nport = 80\n[providers.p]\nprotocol = 'openai'\n", {})
    assert aim(config, "default", port=81).url == "http://localhost:81"
    assert aim(config, "compat").url == "http://localhost:80/compat"
    assert (aim(config, "default").key_name, aim(config, "default").key) == ("", "ccproxy")


REFUSED = {
    ("qwn", ""): ('there is no group "qwn"; did you mean qwen?', "groups: qwen, bots"),
    ("xyz", ""): ('there is no group "xyz"\n', "groups: qwen, bots"),
    ("default", ""): ('there is no group "default"', "groups: qwen, bots"),
    ("qwen/v1", ""): ("behind a group there can be /compat only", "groups"),
    ("qwen/compat/compat", ""): ("behind a group there can be /compat only", "groups"),
    ("qwen", "none"): ('there is no key "none" in [keys]', "keys: laptop, ci"),
    ("bots", "laptop"): ("the key laptop may not use the group bots", "these may: ci"),
    ("bots", ""): ("the environment variable CI_TOKEN is not set", "ccproxy keys add"),
    ("qwen", "ci"): ("the token of ci is not known here", "CI_TOKEN"),
}


@pytest.mark.parametrize(("asked", "told"), REFUSED.items(), ids=map(str, REFUSED))
def test_what_leads_nowhere_is_told_with_a_way_out(
    asked: tuple[str, str], told: tuple[str, str], config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        aim(config, asked[0], key_name=asked[1])
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert all(part in said for part in told), said
    assert "cs-laptop" not in said


def test_no_active_group(capsys: pytest.CaptureFixture[str]) -> None:
    config = loads("[providers.p]\nprotocol = 'openai'\n", {})
    with pytest.raises(SystemExit):
        aim(config, "switch")
    assert "ccproxy switch NAME; groups: default" in capsys.readouterr().err


def test_a_file_that_serves_mcp_only(capsys: pytest.CaptureFixture[str]) -> None:
    config = loads("[mcp.servers.x]\nurl = 'http://127.0.0.1:9/mcp'\n", {})
    with pytest.raises(SystemExit):
        aim(config, "default")
    assert "has no providers" in capsys.readouterr().err


def test_names_that_can_be_asked_for(config: Config) -> None:
    assert names(config, "qwen") == ("qwen3-coder-plus",), "coder is a target, and no name of the group"
    everything = loads("[providers.p]\nprotocol = 'openai'\n[groups.g.models]\n'*' = 'p/big'\n", {})
    assert names(everything, "g") == ("big",)


def test_a_client_is_told_a_model_where_the_group_has_none_of_its_own(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert model_for(CLIENTS["claude"], config, "qwen", ("x",)) == ""
    assert model_for(CLIENTS["claude"], config, "bots", ("small",)) == "small"
    assert model_for(CLIENTS["opencode"], config, "qwen", ("x",)) == "x"
    assert model_for(CLIENTS["openai"], config, "bots", ()) == ""
    with pytest.raises(SystemExit):
        model_for(CLIENTS["aider"], config, "qwen", ())
    assert "--model NAME" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# The running server


@contextmanager
def answering(status: int, content: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every request so; its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['authorization']}")
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_it_is_asked_for_the_groups_models() -> None:
    with answering(200, b'{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}') as (url, asked):
        assert ask(f"{url}/qwen", "token") == ("a", "b")
    assert asked == ["/qwen/v1/models Bearer token"]


@pytest.mark.parametrize(
    ("status", "content", "why"),
    [
        (401, json.dumps({"error": {"message": "the proxy key is unknown"}}).encode(), "the proxy key is unknown"),
        (404, b"404 page not found", "not ccproxy"),
        (200, b"<html>", "not ccproxy"),
        (200, b'{"models": []}', "not ccproxy"),
    ],
)
def test_what_it_refuses_is_told(status: int, content: bytes, why: str) -> None:
    with answering(status, content) as (url, _), pytest.raises(Refused, match=why):
        ask(url, "token")


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Absent):
        ask(f"http://127.0.0.1:{port}", "token")


# ---------------------------------------------------------------------------------------------------------------------
# The file without its environment


def test_a_file_is_read_without_the_servers_environment(config: Config) -> None:
    assert list(config.groups) == ["qwen", "bots"]


def test_mistakes_are_told_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        relaxed(configuration(tmp_path, CONFIG.replace("up/small", "down/small")))
    said = capsys.readouterr().err
    assert 'provider "down" does not exist' in said
    assert "ccproxy check" in said
    assert "environment variable" not in said, "those of the server are no mistakes here"


def test_a_missing_variable_may_be_the_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        relaxed(configuration(tmp_path, CONFIG.replace('"http://127.0.0.1:9/v1"', '"${UP_URL_UNSET}"')))
    assert "base_url: the environment variable UP_URL_UNSET is not set" in capsys.readouterr().err

from __future__ import annotations

import errno
import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ccproxy.cli import main
from ccproxy.cli.serve import refused, welcome
from ccproxy.config import loads

PROVIDER = "[providers.p]\nprotocol = 'openai'\n"


def greeting(text: str, port: int = 8080) -> str:
    return "\n".join(welcome(loads(text, {}), Path("ccproxy.toml"), port))


def test_it_says_where_it_listens_and_how_to_get_there() -> None:
    said = greeting(PROVIDER)
    assert said.startswith("ccproxy listens on http://127.0.0.1:8080 (ccproxy.toml)\n")
    assert "http://127.0.0.1:8080  group default: *\n" in said
    assert "  ccproxy run default -- claude " in said
    assert "base URL http://127.0.0.1:8080/v1 for OpenAI's SDKs, http://127.0.0.1:8080 for Anthropic's" in said
    assert "key: any" in said


def test_it_names_groups_and_the_keys_they_take_and_no_token() -> None:
    said = greeting(
        "[keys]\nlaptop = 'hush-1'\nci = 'hush-2'\n" + PROVIDER + "[groups.qwen]\ndescription = 'coding'\nkeys = ['ci']\n"
        "[groups.qwen.models]\na = 'p/a'\nb = 'p/b'\nc = 'p/c'\nd = 'p/d'\ne = 'p/e'\n"
    )
    assert "http://127.0.0.1:8080/qwen  group qwen (coding): a, b, c, d, ...\n" in said
    assert "  ccproxy run qwen -- claude " in said
    assert "http://127.0.0.1:8080/qwen for Anthropic's" in said
    assert "the token of ci" in said
    assert "hush" not in said


def test_a_store_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    config = tmp_path / "ccproxy.toml"
    config.write_text(f"{PROVIDER}[store]\npath = '{tmp_path / 'missing' / 'turns.db'}'\n")
    told = CliRunner().invoke(main, ["serve", "--config", str(config), "--port", "0"])
    assert told.exit_code == 1
    assert "store.path: cannot be used: No such file or directory" in told.output


REFUSED = [
    (errno.EADDRINUSE, 11434, "taken, perhaps by Ollama", "--port 11435"),
    (errno.EADDRINUSE, 8080, "port 8080 on h is taken", "--port 8081"),
    (errno.EADDRINUSE, 65535, "taken", "--port 1"),
    (errno.EACCES, 80, "without privileges", "--port 11434"),
    (errno.EADDRNOTAVAIL, 8080, "h is no address of this machine", "--host 127.0.0.1"),
    (errno.EIO, 8080, "cannot listen on h port 8080", "[server]"),
]


@pytest.mark.parametrize(("number", "port", "what", "advice"), REFUSED)
def test_an_address_that_cannot_be_had_is_told_with_a_way_out(number: int, port: int, what: str, advice: str) -> None:
    message, then = refused(OSError(number, "message of the system"), "h", port)
    assert what in message
    assert advice in then


def test_without_a_configuration_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path), "CCPROXY_CONFIG": ""}
    result = CliRunner().invoke(main, ["serve"], env=nowhere)
    assert result.exit_code == 1
    assert "ccproxy init" in result.stderr
    assert "ccproxy demo" in result.stderr


def test_an_open_address_without_keys_is_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(PROVIDER)
    result = CliRunner().invoke(main, ["serve", "--config", str(file), "--host", "0.0.0.0"])
    assert result.exit_code == 1
    assert "server.host: an address that other machines reach needs proxy keys" in result.stderr


def test_a_port_out_of_range_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["serve", "--port", "65536"]).exit_code == 2


def test_a_taken_port_ends_the_command(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(PROVIDER)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--config", str(file), "--port", str(port)])
    assert result.exit_code == 1
    assert f"port {port} on 127.0.0.1 is taken" in result.stderr
    assert f"--port {port + 1}" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child")
def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(PROVIDER + "api_keys = ['sk-hush']\n[groups.default.models]\na = 'p/a'\n")
    arguments = [sys.executable, "-m", "ccproxy", "serve", "--config", str(file), "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        found = re.match(r"ccproxy listens on http://(127\.0\.0\.1:\d+) ", child.stdout.readline())
        try:
            assert found is not None
            connection = http.client.HTTPConnection(found[1], timeout=20)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=20)
    assert child.returncode == 0
    assert "Traceback" not in err
    assert "hush" not in out + err


def test_it_says_where_switch_leads() -> None:
    text = '[providers.up]\nprotocol = "openai"\n[groups.a.models]\n"*" = "up/*"\n'
    config = loads('[server]\nactive_group = "a"\n' + text, {})
    url = "http://127.0.0.1:11434"
    assert f"  {url}/switch  now a; another: ccproxy switch NAME" in welcome(config, Path("ccproxy.toml"), 11434)
    assert "/switch" not in "\n".join(welcome(loads(text, {}), Path("ccproxy.toml"), 11434))


def test_it_says_where_mcp_is_and_nothing_of_models_where_there_are_none() -> None:
    lines = welcome(loads('[mcp.servers.files]\ncommand = "npx"\n[mcp.fetch]\n', {}), Path("ccproxy.toml"), 11434)
    assert "  http://127.0.0.1:11434/mcp/http  MCP: files, web_fetch" in lines
    assert "group" not in "\n".join(lines)
    assert "another shell" not in "\n".join(lines)
    lines = welcome(loads('[mcp]\n[providers.up]\nprotocol = "openai"\n', {}), Path("ccproxy.toml"), 11434)
    assert "  http://127.0.0.1:11434/mcp/http  MCP: no server yet, see ccproxy mcp add" in lines
    assert "In another shell:" in lines

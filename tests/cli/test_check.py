from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main


class Upstream(BaseHTTPRequestHandler):
    """Lists two models for a good key; repeats a bad one, as some providers do."""

    def do_GET(self) -> None:
        key = (self.headers["authorization"] or "").removeprefix("Bearer ")
        if key == "sk-good":
            status, document = 200, {"object": "list", "data": [{"id": "big", "object": "model"}, {"id": "small"}]}
        else:
            status, document = (
                401,
                {
                    "error": {
                        "message": f"Incorrect API key provided: {key}{self.headers.get('x-team', '')}",
                        "type": "invalid_request_error",
                    }
                },
            )
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def check(text: str, tmp_path: Path, *arguments: str) -> Result:
    file = tmp_path / "ccproxy.toml"
    file.write_text(text)
    return CliRunner().invoke(main, ["check", "--config", str(file), *arguments])


def test_a_valid_file_is_summed_up(tmp_path: Path) -> None:
    result = check("[keys]\na = 'x'\nb = 'y'\n[providers.p]\nprotocol = 'openai'\n", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.endswith("ccproxy.toml: valid; 1 provider, 1 group, 2 proxy keys; 127.0.0.1 port 11434\n")
    assert result.stderr == ""


def test_mcp_servers_are_counted(tmp_path: Path) -> None:
    assert "0 proxy keys, 1 MCP server; " in check("[mcp.servers.files]\ncommand = 'npx'\n", tmp_path).stdout


def test_every_problem_is_printed(tmp_path: Path) -> None:
    result = check("[server]\nprt = 1\nhots = 1\n[provider.p]\nprotocol = 'openai'\n", tmp_path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "4 problems" in result.stderr
    assert "  server.prt: unknown key; did you mean port?\n" in result.stderr
    assert "  provider: unknown key; did you mean providers?\n" in result.stderr


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "gone.toml")])
    assert result.exit_code == 1
    assert "there is no such file" in result.stderr


def test_the_probe_asks_every_provider_with_every_key(tmp_path: Path, upstream: str) -> None:
    text = f"""
[providers.good]
protocol = "openai"
base_url = "{upstream}"
api_keys = ["sk-good"]
[groups.default.models]
"right" = "good/big"
"wrong" = "good/bgi"
"*" = "good/*"
"""
    result = check(text, tmp_path, "--probe")
    assert result.exit_code == 0, result.output
    assert "good      1 of 1  2 models\n" in result.stdout
    assert 'note: group default, alias "wrong": good does not list "bgi"\n' in result.stdout
    assert "right" not in result.stdout


def test_a_failing_key_is_named_by_its_place_and_never_shown(tmp_path: Path, upstream: str) -> None:
    text = f"""
[providers.mixed]
protocol = "openai"
base_url = "{upstream}"
api_keys = ["sk-good", "sk-hush"]
headers.x-team = "hushed-team-token"
[providers.dead]
protocol = "openai"
base_url = "http://127.0.0.1:1/v1"
"""
    result = check(text, tmp_path, "--probe")
    assert result.exit_code == 1
    assert "mixed     1 of 2  2 models\n" in result.stdout
    assert "mixed     2 of 2  401: Incorrect API key provided: ******\n" in result.stdout
    assert "dead      none    no connection to 127.0.0.1:1\n" in result.stdout
    assert "2 of 3 questions failed" in result.stderr
    assert "hush" not in result.output


def test_json(tmp_path: Path, upstream: str) -> None:
    provider = f"[providers.p]\nprotocol = 'openai'\nbase_url = '{upstream}'\napi_keys = ['sk-good', 'sk-bad']\n"
    said = check(f"[keys]\nk = 'x'\n{provider}", tmp_path, "--json")
    assert said.exit_code == 0
    document = json.loads(said.stdout)
    assert document.pop("file").endswith("ccproxy.toml")
    assert document == {"valid": True, "problems": [], "providers": ["p"], "groups": ["default"], "keys": ["k"]}
    said = check(provider, tmp_path, "--json", "--probe")
    assert said.exit_code == 1
    assert [(a["key"], a["ok"]) for a in json.loads(said.stdout)["answers"]] == [("1 of 2", True), ("2 of 2", False)]
    assert "sk-" not in said.output
    said = check("[server]\nprt = 1\n", tmp_path, "--json")
    assert said.exit_code == 1
    assert json.loads(said.stdout)["problems"][0] == "server.prt: unknown key; did you mean port?"

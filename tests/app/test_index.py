"""What `GET /` says."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError

import pytest

from ccproxy.app.index import ccproxy_version, index, json_reply, probe
from ccproxy.config import loads
from ccproxy.protocols import PROTOCOLS

CONFIG = """
[keys]
me = "cs-hush"
[providers.p]
protocol = "openai"
base_url = "https://secret-host.example/v1"
api_keys = ["sk-hush"]
headers = { x-team = "hush" }
[groups.default.models]
"*" = "p/*"
[groups.qwen]
description = "coding"
[groups.qwen.models]
fast = "p/qwen-flash"
"claude-*" = "p/qwen-plus"
"""


def test_the_index_shows_groups_and_paths_and_nothing_secret() -> None:
    reply = index(loads(CONFIG, {}))
    document = json.loads(reply.body)
    assert (reply.status, dict(reply.headers)["content-type"]) == (200, "application/json")
    assert (document["name"], document["version"]) == ("ccproxy", ccproxy_version())
    assert document["groups"] == {
        "default": {"description": "", "path": "/", "models": ["*"]},
        "qwen": {"description": "coding", "path": "/qwen", "models": ["fast", "claude-*"]},
    }
    assert list(document["protocols"]) == list(PROTOCOLS)
    assert document["protocols"]["claude"] == ["POST /v1/messages", "POST /v1/messages/count_tokens"]
    assert "POST /v1beta/models/{model}:streamGenerateContent" in document["protocols"]["gemini"]
    assert b"hush" not in reply.body
    assert b"secret-host" not in reply.body


def test_a_bare_folder_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert ccproxy_version() == "unknown"


def test_probes_and_replies() -> None:
    assert (probe().status, json.loads(probe().body)) == (200, {"status": "ok"})
    assert json_reply(201, {"ü": 1}).body == '{"ü":1}'.encode()


def test_the_mcp_endpoint_is_shown_where_there_is_one() -> None:
    assert "mcp" not in json.loads(index(loads(CONFIG, {})).body)
    document = json.loads(index(loads(f"{CONFIG}[mcp]\n", {})).body)
    assert document["mcp"] == ["/mcp/http", "/qwen/mcp/http"]

"""The clients: which version, what is installed, how one run is started, what it must be told.

In commands, variables and files: {url} ccproxy's address with the group's path, {key} the proxy key, {model} the name that
the client asks for, {prompt}, {home}, {work}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from tests.clients.errand import ANSWER, NOTE

READ = f"Read {NOTE} in this folder and tell me what it says."
UNNAMED = f"What does the note in this folder say? Write it to {ANSWER}."
"""For aider, which gives the model a file as soon as the user names it."""


@frozen
class Package:
    """What is installed: `name` of npm, or of PyPI into an environment of its own. program: the command in it."""

    registry: Literal["npm", "pypi"]
    name: str
    version: str
    program: str


@frozen(kw_only=True)
class Client:
    """name: its row in the table. package: a key of PACKAGES. speaks: the protocol it asks in. quiet: what keeps it from
    updates, telemetry and questions; variables and files: what points it at ccproxy."""

    name: str
    package: str
    speaks: str
    model: str
    command: tuple[str, ...]
    prompt: str = READ
    variables: Mapping[str, str] = field(factory=dict)
    quiet: Mapping[str, str] = field(factory=dict)
    files: Mapping[str, str] = field(factory=dict)
    has_tools: bool = True


PACKAGES = {
    "claude-code": Package("npm", "@anthropic-ai/claude-code", "2.1.332", "claude"),
    "gemini-cli": Package("npm", "@google/gemini-cli", "0.61.0", "gemini"),
    "codex": Package("npm", "@openai/codex", "0.171.0", "codex"),
    "qwen-code": Package("npm", "@qwen-code/qwen-code", "0.24.4", "qwen"),
    "opencode": Package("npm", "opencode-ai", "1.18.33", "opencode"),
    "cline": Package("npm", "cline", "3.0.65", "cline"),
    "aider": Package("pypi", "aider-chat", "0.86.2", "aider"),
}


def _gemini_settings(**more: Any) -> str:
    off = {
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "disableAutoUpdate": True},
        "telemetry": {"enabled": False},
    }
    return json.dumps({**off, **more})


def _qwen(name: str, speaks: str, auth: str, model: str, **variables: str) -> Client:
    return Client(
        name=name,
        package="qwen-code",
        speaks=speaks,
        model=model,
        command=("--auth-type", auth, "-m", "{model}", "-y", "{prompt}"),
        variables=variables,
        files={"{home}/.qwen/settings.json": _gemini_settings()},
    )


def _opencode(name: str, speaks: str, package: str, path: str) -> Client:
    provider = {
        "npm": package,
        "name": "ccproxy",
        "options": {"baseURL": f"{{url}}{path}", "apiKey": "{key}"},
        "models": {"{model}": {}},
    }
    return Client(
        name=name,
        package="opencode",
        speaks=speaks,
        model="some-model",
        command=("run", "-m", "ccproxy/{model}", "{prompt}"),
        variables={"OPENCODE_CONFIG_CONTENT": json.dumps({"provider": {"ccproxy": provider}})},
        quiet=dict.fromkeys(
            (
                "OPENCODE_DISABLE_AUTOUPDATE",
                "OPENCODE_DISABLE_DEFAULT_PLUGINS",
                "OPENCODE_DISABLE_LSP_DOWNLOAD",
                "OPENCODE_DISABLE_MODELS_FETCH",
            ),
            "1",
        ),
    )


def _aider(name: str, speaks: str, model: str, **variables: str) -> Client:
    flags = (
        "--yes-always --no-check-update --analytics-disable --no-show-model-warnings --no-pretty --no-show-release-notes"
    )
    return Client(
        name=name,
        package="aider",
        speaks=speaks,
        model=model,
        command=(*flags.split(), "--no-auto-commits", "--model", "{model}", "--message", "{prompt}"),
        prompt=UNNAMED,
        variables=variables,
        quiet={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        has_tools=False,
    )


_CODEX = """\
model = "{model}"
model_provider = "ccproxy"
[model_providers.ccproxy]
name = "ccproxy"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "CCPROXY_KEY"
[analytics]
enabled = false
"""

_CLINE = {
    "version": 1,
    "lastUsedProvider": "openai-compatible",
    "modes": {},
    "providers": {
        "openai-compatible": {
            "settings": {"provider": "openai-compatible", "apiKey": "{key}", "model": "{model}", "baseUrl": "{url}/v1"},
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "tokenSource": "manual",
        }
    },
}

CLIENTS = (
    Client(
        name="Claude Code",
        package="claude-code",
        speaks="claude",
        model="claude-sonnet-5-5",
        command=("-p", "{prompt}", "--model", "{model}", "--allowedTools", "Read"),
        variables={"ANTHROPIC_BASE_URL": "{url}", "ANTHROPIC_AUTH_TOKEN": "{key}"},
        quiet=dict.fromkeys(
            (
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
                "DISABLE_AUTOUPDATER",
                "DISABLE_ERROR_REPORTING",
                "DISABLE_TELEMETRY",
            ),
            "1",
        ),
    ),
    Client(
        name="Gemini CLI",
        package="gemini-cli",
        speaks="gemini",
        model="gemini-3.1-pro-preview",
        command=("-y", "-m", "{model}", "-p", "{prompt}"),
        variables={"GOOGLE_GEMINI_BASE_URL": "{url}", "GEMINI_API_KEY": "{key}"},
        quiet={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
        files={"{home}/.gemini/settings.json": _gemini_settings(security={"auth": {"selectedType": "gemini-api-key"}})},
    ),
    Client(
        name="Codex",
        package="codex",
        speaks="responses",
        model="gpt-5.5",
        command=(
            "exec",
            "--skip-git-repo-check",
            "--sandbox",
            "danger-full-access",
            "{prompt}",
        ),  # in containers it has none
        variables={"CODEX_HOME": "{home}/.codex", "CCPROXY_KEY": "{key}"},
        files={"{home}/.codex/config.toml": _CODEX},
    ),
    _qwen("Qwen Code", "openai", "openai", "qwen3-coder-plus", OPENAI_BASE_URL="{url}/v1", OPENAI_API_KEY="{key}"),
    _opencode("opencode", "openai", "@ai-sdk/openai-compatible", "/v1"),
    Client(
        name="Cline",
        package="cline",
        speaks="openai",
        model="some-model",
        command=("{prompt}",),
        quiet={"CLINE_SESSION_BACKEND_MODE": "local"},  # without the daemon that stays behind
        files={
            "{home}/.cline/data/settings/providers.json": json.dumps(_CLINE),
            "{home}/.cline/data/settings/global-settings.json": '{"telemetryOptOut":true,"autoUpdateEnabled":false}',
        },
    ),
    _aider("aider", "openai", "openai/some-model", OPENAI_API_BASE="{url}/v1", OPENAI_API_KEY="{key}"),
)

OTHERWISE = (
    _opencode("opencode, claude", "claude", "@ai-sdk/anthropic", "/v1"),
    _opencode("opencode, responses", "responses", "@ai-sdk/openai", "/v1"),
    _opencode("opencode, gemini", "gemini", "@ai-sdk/google", "/v1beta"),
    _qwen(
        "Qwen Code, claude", "claude", "anthropic", "claude-opus-4-6", ANTHROPIC_BASE_URL="{url}", ANTHROPIC_API_KEY="{key}"
    ),
    _qwen(
        "Qwen Code, gemini", "gemini", "gemini", "gemini-2.5-pro", GOOGLE_GEMINI_BASE_URL="{url}", GEMINI_API_KEY="{key}"
    ),
    _aider("aider, claude", "claude", "anthropic/some-model", ANTHROPIC_API_BASE="{url}", ANTHROPIC_API_KEY="{key}"),
)
"""The same clients in the other protocols that they can speak."""

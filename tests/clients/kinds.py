"""The clients: which version, what is installed, what one run is started with.

Those of CLIENTS are pointed at ccproxy by `ccproxy run`, those of OTHERWISE by hand, in a protocol that it does
not choose for them. In commands, variables and files: {url} ccproxy's address with the group's path, {key} the proxy key,
{model} the name that the client asks for, {prompt}, {home}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from tests.clients.errand import ANSWER, NOTE

READ = f"Read {NOTE} in this folder and tell me what it says."
UNNAMED = f"What does the note in this folder say? Write it to {ANSWER}."
"""For aider, which gives the model a file as soon as the user names it."""


@frozen
class Package:
    """What is installed: `name` of npm, or of PyPI into an environment of its own. program: the command in it.
    tells: it can be asked for its version, to see that it starts."""

    registry: Literal["npm", "pypi"]
    name: str
    version: str
    program: str
    tells: bool = False


@frozen(kw_only=True)
class Client:
    """name: its row in the table. package: a key of PACKAGES. speaks: the protocol that it asks in. command: its arguments.
    quiet, files: what keeps it from updates, telemetry and questions. by_hand: the variables that point it at ccproxy,
    without `ccproxy run`."""

    name: str
    package: str
    speaks: str
    model: str
    command: tuple[str, ...]
    prompt: str = READ
    quiet: Mapping[str, str] = field(factory=dict)
    files: Mapping[str, str] = field(factory=dict)
    by_hand: Mapping[str, str] = field(factory=dict)
    has_tools: bool = True


PACKAGES = {
    "claude-code": Package("npm", "@anthropic-ai/claude-code", "2.1.332", "claude", True),
    "gemini-cli": Package("npm", "@google/gemini-cli", "0.61.0", "gemini", True),
    "codex": Package("npm", "@openai/codex", "0.171.0", "codex", True),
    "qwen-code": Package("npm", "@qwen-code/qwen-code", "0.24.4", "qwen", True),
    "opencode": Package("npm", "opencode-ai", "1.18.33", "opencode", True),
    "cline": Package("npm", "cline", "3.0.65", "cline", True),
    "continue": Package("npm", "@continuedev/cli", "1.5.47", "cn", True),
    "aider": Package("pypi", "aider-chat", "0.86.2", "aider", True),
}


_GEMINI_OFF = json.dumps(
    {
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "disableAutoUpdate": True},
        "telemetry": {"enabled": False},
    }
)
"""Settings of Gemini CLI, and of Qwen Code, which came from it."""


_NO_SANDBOX = ("--sandbox", "danger-full-access")
"""Containers have no sandbox of Codex's."""


def _codex(name: str, model: str) -> Client:
    """Newer models get one tool that runs JavaScript, which calls the others; and get it within the input."""
    return Client(
        name=name,
        package="codex",
        speaks="responses",
        model=model,
        command=("exec", "--skip-git-repo-check", *_NO_SANDBOX, "{prompt}"),
        files={"{home}/.codex/config.toml": "[analytics]\nenabled = false\n"},
    )


def _qwen(name: str, speaks: str, *flags: str, model: str = "qwen3-coder-plus", **variables: str) -> Client:
    return Client(
        name=name,
        package="qwen-code",
        speaks=speaks,
        model=model,
        command=(*flags, "-y", "{prompt}"),
        files={"{home}/.qwen/settings.json": _GEMINI_OFF},
        by_hand=variables,
    )


def _opencode(name: str, speaks: str, package: str = "", path: str = "/v1") -> Client:
    """package: of the AI SDK, for the other protocols."""
    provider = {
        "npm": package,
        "name": "ccproxy",
        "options": {"baseURL": f"{{url}}{path}", "apiKey": "{key}"},
        "models": {"{model}": {}},
    }
    by_hand = {"OPENCODE_CONFIG_CONTENT": json.dumps({"model": "ccproxy/{model}", "provider": {"ccproxy": provider}})}
    switches = ("AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "MODELS_FETCH")
    return Client(
        name=name,
        package="opencode",
        speaks=speaks,
        model="some-model",
        command=("run", "{prompt}"),
        quiet={f"OPENCODE_DISABLE_{switch}": "1" for switch in switches},
        by_hand=by_hand if package else {},
    )


def _aider(name: str, speaks: str, model: str = "some-model", **variables: str) -> Client:
    flags = (
        "--yes-always --no-check-update --analytics-disable --no-show-model-warnings --no-pretty --no-show-release-notes"
    )
    return Client(
        name=name,
        package="aider",
        speaks=speaks,
        model=model,
        command=(*flags.split(), "--no-auto-commits", "--message", "{prompt}"),
        prompt=UNNAMED,
        quiet={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        by_hand=variables,
        has_tools=False,
    )


CLIENTS = (
    Client(
        name="Claude Code",
        package="claude-code",
        speaks="claude",
        model="claude-sonnet-5-5",
        command=("-p", "{prompt}", "--allowedTools", "Read"),
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
        command=("-y", "-p", "{prompt}"),
        quiet={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
        files={"{home}/.gemini/settings.json": _GEMINI_OFF},
    ),
    _codex("Codex", "gpt-5.5"),
    _codex("Codex, code mode", "gpt-6-sol"),
    _qwen("Qwen Code", "openai"),
    _opencode("opencode", "openai"),
    Client(
        name="Cline",
        package="cline",
        speaks="openai",
        model="some-model",
        command=("{prompt}",),
        quiet={"CLINE_SESSION_BACKEND_MODE": "local"},  # without the daemon that stays behind
        files={"{home}/.cline/data/settings/global-settings.json": '{"telemetryOptOut":true,"autoUpdateEnabled":false}'},
    ),
    Client(
        name="Continue",
        package="continue",
        speaks="openai",
        model="some-model",
        command=("-p", "{prompt}", "--auto"),
        quiet={"CONTINUE_TELEMETRY_ENABLED": "0"},
    ),
    _aider("aider", "openai"),
)

OTHERWISE = (
    _opencode("opencode, claude", "claude", "@ai-sdk/anthropic"),
    _opencode("opencode, responses", "responses", "@ai-sdk/openai"),
    _opencode("opencode, gemini", "gemini", "@ai-sdk/google", "/v1beta"),
    _qwen(
        "Qwen Code, claude",
        "claude",
        *("--auth-type", "anthropic", "-m", "{model}"),
        model="claude-opus-4-6",
        ANTHROPIC_BASE_URL="{url}",
        ANTHROPIC_API_KEY="{key}",
    ),
    _qwen(
        "Qwen Code, gemini",
        "gemini",
        *("--auth-type", "gemini", "-m", "{model}"),
        model="gemini-3.1-pro-preview",
        GOOGLE_GEMINI_BASE_URL="{url}",
        GEMINI_API_KEY="{key}",
    ),
    _aider(
        "aider, claude",
        "claude",
        AIDER_MODEL="anthropic/{model}",
        ANTHROPIC_API_BASE="{url}",
        ANTHROPIC_API_KEY="{key}",
    ),
)
"""The same clients in the other protocols that they can speak."""

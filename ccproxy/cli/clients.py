"""What each client needs to be pointed at ccproxy: the one table that `ccproxy env`, `ccproxy run` and `docs/clients/` are
about.

    Point    where a client is pointed: ccproxy's address with the group's path, a token, the models' names
    Client   a client: variables that it reads, those in its way, options before its own, a file where it takes nothing else
    Setup    what one Client needs at one Point

Variables come first: they touch nothing of the user's own and are gone with the shell. A client that takes no variable
gets command-line options, or a file of ccproxy's own that a variable names; its own configuration is never written to. A
token stands in a variable wherever the client can read one, never among a command's arguments, where every user of the
machine could see it.

What templates hold: `{url}` (no slash at its end), `{key}`, `{model}`, `{file}` and `{folder}` of the client's file, and
`{home}`, where the files for a group are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, frozen

NO_KEY = "ccproxy"
"""The token where the server has no keys: clients refuse to start without one."""


@frozen(kw_only=True)
class Point:
    """models: names that can be asked for, as far as they are known. model: the one to ask for; "" for the client's own."""

    url: str
    key: str = NO_KEY
    models: tuple[str, ...] = ()
    model: str = ""


@frozen(kw_only=True)
class Client:
    """commands: the programs by which it is known. variables, flags, model_variables, model_flags: templates; the last two
    apply where a model's name is given. unset: variables that would lead the client elsewhere. asks: names that it asks
    for by itself. needs_model: it has to be told one. inline: a variable that holds a whole configuration. file: what a
    file of its own holds, if it needs one; file_variables: what leads it there. suits: whether a person's own settings do
    in this environment, so that neither is needed. manual: for a person who enters it, line by line."""

    title: str
    commands: tuple[str, ...] = ()
    variables: Mapping[str, str] = Factory(dict)
    unset: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    needs_model: bool = False
    model_variables: Mapping[str, str] = Factory(dict)
    model_flags: tuple[str, ...] = ()
    inline: tuple[str, Callable[[Point], str]] | None = None
    file_name: str = ""
    file: Callable[[Point], str] | None = None
    file_variables: Mapping[str, str] = Factory(dict)
    suits: Callable[[Mapping[str, str]], bool] | None = None
    manual: tuple[str, ...] = ()


@frozen(kw_only=True)
class Setup:
    """variables: to be set. unset: to be taken away. flags: go between the command and its own arguments. file: a path and
    its content, to be written before. manual: for a person."""

    variables: Mapping[str, str]
    unset: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    file: tuple[Path, str] | None = None
    manual: tuple[str, ...] = ()


def setup(client: Client, point: Point, folder: Path, env: Mapping[str, str]) -> Setup:
    """What `client` needs to be at `point`. folder: where files of ccproxy's own for this group are kept. env: what is set
    already."""
    place = folder / (client.file_name or "none")
    known = {
        "url": point.url,
        "key": point.key,
        "model": point.model,
        "file": place,
        "folder": place.parent,
        "home": folder,
    }
    needs_file = client.file is not None and not (client.suits and client.suits(env))

    def filled(template: str) -> str:
        return template.format_map(known)

    variables = {**client.variables, **(client.file_variables if needs_file else {})}
    flags = client.flags
    if point.model:
        variables |= client.model_variables
        flags += client.model_flags
    values = {name: filled(value) for name, value in variables.items()}
    if client.inline:
        name, content = client.inline
        values[name] = content(point)
    return Setup(
        variables=values,
        unset=client.unset,
        flags=tuple(map(filled, flags)),
        file=(place, client.file(point)) if client.file and needs_file else None,
        manual=tuple(map(filled, client.manual)),
    )


def named(command: str) -> str:
    """The client whose program this is, "" for any other. command: as it is typed, with a path or not."""
    program = Path(command.replace("\\", "/")).name.lower()
    stem = program.rsplit(".", 1)[0] if program.endswith((".exe", ".cmd", ".bat", ".ps1", ".js")) else program
    return next((name for name, client in CLIENTS.items() if stem in client.commands), "")


# ---------------------------------------------------------------------------------------------------------------------
# Files


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _gemini(point: Point) -> str:
    """A person's own settings but for the kind of login. Without one Gemini CLI 0.61 refuses the address in its variable
    ("Invalid auth method selected"), or follows the Google login that was chosen before; the system's settings, which come
    before a person's own, it reads only where nobody but root can write."""
    return _json(_with_key_login(_gemini_settings(os.environ)))


def _gemini_suits(env: Mapping[str, str]) -> bool:
    settings = _gemini_settings(env)
    return settings == _with_key_login(settings)


def _gemini_settings(env: Mapping[str, str]) -> dict[str, Any]:
    home = Path(env.get("GEMINI_CLI_HOME") or Path.home())
    try:
        settings = json.loads((home / ".gemini" / "settings.json").read_bytes())
    except (OSError, ValueError):  # none there, or with comments
        return {}
    return settings if isinstance(settings, dict) else {}


def _with_key_login(settings: dict[str, Any]) -> dict[str, Any]:
    """Gemini CLI, Configuration, `security.auth.selectedType`."""
    security = settings["security"] if isinstance(settings.get("security"), dict) else {}
    auth = security["auth"] if isinstance(security.get("auth"), dict) else {}
    return {**settings, "security": {**security, "auth": {**auth, "selectedType": "gemini-api-key"}}}


def _opencode(point: Point) -> str:
    """opencode, Config, "Precedence order", and Providers, "Custom provider"; `{env:NAME}` is read from the environment."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "ccproxy",
        "options": {"baseURL": f"{point.url}/v1", "apiKey": "{env:CCPROXY_API_KEY}"},
        "models": {name: {"name": name} for name in _names(point)},
    }
    model = f"ccproxy/{point.model}"
    return json.dumps({"provider": {"ccproxy": provider}, "model": model, "small_model": model}, ensure_ascii=False)


def _cline(point: Point) -> str:
    """Cline's `data/settings/providers.json`, as `cline auth` writes it; with the key, so the file is its owner's."""
    provider = {"provider": "openai-compatible", "apiKey": point.key, "model": point.model, "baseUrl": f"{point.url}/v1"}
    return _json(
        {
            "version": 1,
            "lastUsedProvider": "openai-compatible",
            "providers": {"openai-compatible": {"settings": provider, "updatedAt": "2026-01-01T00:00:00.000Z"}},
        }
    )


def _crush(point: Point) -> str:
    """Crush, README: Custom Providers. `$NAME` is read from the environment."""
    models = [{"id": name, "name": name} for name in _names(point)]
    provider = {
        "type": "openai-compat",
        "name": "ccproxy",
        "base_url": f"{point.url}/v1",
        "api_key": "$CCPROXY_API_KEY",
        "models": models,
    }
    chosen = {"provider": "ccproxy", "model": point.model}
    return _json({"providers": {"ccproxy": provider}, "models": {"large": chosen, "small": chosen}})


def _continue(point: Point) -> str:
    """Continue, Reference: config.yaml. JSON is YAML, too."""
    return _json(
        {
            "name": "ccproxy",
            "version": "1.0.0",
            "schema": "v1",
            "models": [
                {
                    "name": name,
                    "provider": "openai",
                    "model": name,
                    "apiBase": f"{point.url}/v1",
                    "apiKey": point.key,
                    "roles": ["chat", "edit", "apply"],
                }
                for name in _names(point)
            ],
        }
    )


def _names(point: Point) -> list[str]:
    """All names, the chosen one first."""
    return list(dict.fromkeys((point.model, *point.models)))


# ---------------------------------------------------------------------------------------------------------------------
# The table

_ANTHROPIC = {"ANTHROPIC_BASE_URL": "{url}", "ANTHROPIC_AUTH_TOKEN": "{key}"}
_OPENAI = {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "{key}"}
_GOOGLE = {"GOOGLE_GEMINI_BASE_URL": "{url}", "GEMINI_API_KEY": "{key}"}
_OLLAMA = {"OLLAMA_HOST": "{url}", "OLLAMA_API_KEY": "{key}"}
_AIDER = {"OPENAI_API_BASE": "{url}/v1", "OPENAI_API_KEY": "{key}"}
_OWN = {"CCPROXY_API_KEY": "{key}"}

_NO_ANTHROPIC = (
    "ANTHROPIC_API_KEY",  # Claude Code asks which one to use, the SDK sends both
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
)
_NO_GOOGLE = ("GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GOOGLE_VERTEX_BASE_URL")
_NO_OPENAI = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
_CLAUDE_NAMES = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")

_MODELS = {
    "ANTHROPIC_MODEL": "{model}",
    "ANTHROPIC_DEFAULT_OPUS_MODEL": "{model}",
    "ANTHROPIC_DEFAULT_SONNET_MODEL": "{model}",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "{model}",
    "ANTHROPIC_SMALL_FAST_MODEL": "{model}",
}

CLIENTS: dict[str, Client] = {
    "claude": Client(
        title="Claude Code",
        commands=("claude", "claude-code"),
        variables=_ANTHROPIC,
        unset=_NO_ANTHROPIC,
        asks=_CLAUDE_NAMES,
        model_variables=_MODELS,
    ),
    "gemini": Client(
        title="Gemini CLI",
        commands=("gemini", "gemini-cli"),
        variables=_GOOGLE,
        unset=_NO_GOOGLE,
        asks=("gemini-3.5-flash-lite", "gemini-3.1-pro-preview", "gemini-2.5-pro"),
        model_variables={"GEMINI_MODEL": "{model}"},
        file_name=".gemini/settings.json",
        file=_gemini,
        file_variables={"GEMINI_CLI_HOME": "{home}"},
        suits=_gemini_suits,
    ),
    "codex": Client(
        title="Codex",
        commands=("codex",),
        variables=_OWN,
        asks=("gpt-6.2-sol",),
        flags=(
            "-c",
            'model_provider="ccproxy"',
            "-c",
            'model_providers.ccproxy.name="ccproxy"',
            "-c",
            'model_providers.ccproxy.base_url="{url}/v1"',
            "-c",
            'model_providers.ccproxy.env_key="CCPROXY_API_KEY"',
            "-c",
            'model_providers.ccproxy.wire_api="responses"',
        ),
        model_flags=("-c", 'model="{model}"'),
        manual=(
            "Codex takes its address from options: ccproxy run does that. Or in ~/.codex/config.toml:",
            'model_provider = "ccproxy"',
            "[model_providers.ccproxy]",
            'name = "ccproxy"',
            'base_url = "{url}/v1"',
            'env_key = "CCPROXY_API_KEY"',
            'wire_api = "responses"',
        ),
    ),
    "qwen": Client(
        title="Qwen Code",
        commands=("qwen", "qwen-code"),
        variables=_OPENAI,
        unset=_NO_OPENAI,
        flags=("--auth-type", "openai", "--openai-base-url", "{url}/v1"),
        asks=("qwen3-coder-plus",),
        model_variables={"OPENAI_MODEL": "{model}"},
        model_flags=("--model", "{model}"),
    ),
    "opencode": Client(
        title="opencode",
        needs_model=True,
        commands=("opencode",),
        variables=_OWN,
        inline=("OPENCODE_CONFIG_CONTENT", _opencode),
    ),
    "aider": Client(
        title="aider",
        needs_model=True,
        commands=("aider",),
        variables=_AIDER,
        unset=_NO_OPENAI,
        model_variables={"AIDER_MODEL": "openai/{model}"},
    ),
    "cline": Client(
        title="Cline",
        needs_model=True,
        commands=("cline",),
        variables={"CLINE_PROVIDER_SETTINGS_PATH": "{file}"},
        file_name="cline.json",
        file=_cline,
        manual=(
            "In the editor: Settings, API Provider: OpenAI Compatible",
            "Base URL: {url}/v1; API Key: the proxy key; Model ID: {model}",
        ),
    ),
    "roo": Client(
        title="Roo Code",
        needs_model=True,
        manual=(
            "Settings, Providers, API Provider: OpenAI Compatible (or Anthropic, with a custom base URL {url})",
            "Base URL: {url}/v1; API Key: the proxy key; Model: {model}",
        ),
    ),
    "zed": Client(
        title="Zed",
        needs_model=True,
        commands=("zed", "zeditor"),
        variables=_OWN,
        manual=(
            "In Zed's settings.json; it reads the key from CCPROXY_API_KEY, or asks for it in the assistant's settings:",
            '"language_models": {{ "openai_compatible": {{ "ccproxy": {{',
            '  "api_url": "{url}/v1",',
            '  "available_models": [{{ "name": "{model}", "max_tokens": 128000 }}]',
            "}} }} }}",
        ),
    ),
    "crush": Client(
        title="Crush",
        needs_model=True,
        commands=("crush",),
        variables=_OWN | {"CRUSH_GLOBAL_CONFIG": "{folder}"},
        file_name="crush/crush.json",
        file=_crush,
    ),
    "continue": Client(
        title="Continue",
        needs_model=True,
        commands=("cn",),
        flags=("--config", "{file}"),
        file_name="continue.yaml",
        file=_continue,
        manual=("In the editor: the models of {file}, in ~/.continue/config.yaml",),
    ),
    "anthropic": Client(title="Anthropic's SDKs", variables=_ANTHROPIC, unset=_NO_ANTHROPIC[:1]),
    "openai": Client(title="OpenAI's SDKs", variables=_OPENAI, unset=_NO_OPENAI),
    "google-genai": Client(title="Google's SDKs", variables=_GOOGLE, unset=_NO_GOOGLE),
    "ollama": Client(title="Ollama's SDKs and command", commands=("ollama",), variables=_OLLAMA),
}
"""Name on the command line -> client."""

ANY = Client(
    title="any client",
    variables=_ANTHROPIC | _OPENAI | _AIDER | _GOOGLE | _OLLAMA | _OWN,
    unset=(*_NO_ANTHROPIC, *_NO_GOOGLE, *_NO_OPENAI),
)
"""Whatever reads the variables of the SDKs."""

"""What `ccproxy init` knows of providers, and the file that it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from attrs import fields, frozen

from ccproxy.config import Limits, Log, Timeouts
from ccproxy.tables import reason


@frozen(kw_only=True)
class Preset:
    """A provider as people get to know it. base_url: "" for the protocol's own. variable: where its documents keep the key,
    "" for a server without keys. model: what stands in for Claude's models, "" where those are its own. port: ccproxy's,
    where the provider sits on the usual one."""

    title: str
    protocol: str
    base_url: str = ""
    variable: str = ""
    model: str = ""
    port: int = 11434


PRESETS: Mapping[str, Preset] = {
    "openai": Preset(title="OpenAI", protocol="responses", variable="OPENAI_API_KEY", model="gpt-5-mini"),
    "anthropic": Preset(title="Anthropic", protocol="claude", variable="ANTHROPIC_API_KEY"),
    "gemini": Preset(title="Google Gemini", protocol="gemini", variable="GEMINI_API_KEY", model="gemini-flash-latest"),
    "openrouter": Preset(
        title="OpenRouter",
        protocol="openai",
        base_url="https://openrouter.ai/api/v1",
        variable="OPENROUTER_API_KEY",
        model="openrouter/auto",
    ),
    "deepseek": Preset(
        title="DeepSeek",
        protocol="openai",
        base_url="https://api.deepseek.com",
        variable="DEEPSEEK_API_KEY",
        model="deepseek-chat",
    ),
    "dashscope": Preset(
        title="Alibaba DashScope (Bailian, Model Studio)",
        protocol="openai",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        variable="DASHSCOPE_API_KEY",
        model="qwen3-coder-plus",
    ),
    "nvidia": Preset(
        title="NVIDIA NIM",
        protocol="openai",
        base_url="https://integrate.api.nvidia.com/v1",
        variable="NVIDIA_API_KEY",
        model="qwen/qwen3-coder-480b-a35b-instruct",
    ),
    "ollama": Preset(title="Ollama on this machine", protocol="ollama", model="qwen3-coder", port=11435),
    "other": Preset(
        title="another server with OpenAI's chat completions",
        protocol="openai",
        base_url="http://127.0.0.1:8000/v1",
        model="MODEL",
    ),
}
"""Name in the file -> provider. OpenAI's own models are asked in Responses: their reasoning survives from turn to turn
there, and chat completions refuses them the `max_tokens` that every other server of that protocol takes."""

FIRST = "openai"
"""What is written when nobody can be asked."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_variable(text: str) -> bool:
    """Whether an environment variable can have this name."""
    return _VARIABLE.fullmatch(text) is not None


@frozen(kw_only=True)
class Choices:
    """What goes into the file. key: as it stands there, `${VAR}` or the key itself; "" for none."""

    name: str
    protocol: str
    base_url: str
    key: str
    model: str
    port: int

    @classmethod
    def of(cls, name: str) -> Choices:
        """A preset as it is."""
        preset = PRESETS[name]
        key = f"${{{preset.variable}}}" if preset.variable else ""
        return cls(
            name=name, protocol=preset.protocol, base_url=preset.base_url, key=key, model=preset.model, port=preset.port
        )


def written(choices: Choices, more: str = "") -> str:
    """The configuration file. Every line that is commented out is right as it stands and shows a default or an example.
    more: stands at the end, in the place of a short reference."""
    name = choices.name
    return f"""\
# The configuration of ccproxy. `ccproxy check` tells every mistake in it, `ccproxy serve` runs it.
# ${{VAR}} in a string is read from the environment.

[server]
host = "127.0.0.1"  # any other address needs [keys]
port = {choices.port}  # 11434 is what guides use, and Ollama's port too

# What clients present to ccproxy: name = token. Without keys, the programs of this machine may use it, web pages may not.
# [keys]
# laptop = "choose-a-token"

[providers.{name}]
protocol = {_quoted(choices.protocol)}  # openai | responses | claude | gemini | ollama
{_address(choices)}
{_keys(choices)}
# headers = {{ X-Title = "ccproxy" }}  # sent with each request
# proxy = "socks5://127.0.0.1:1080"  # on the way to the provider: http://, https:// or socks5://
# stream = "auto"  # auto | always | never: how the provider can be asked; clients get what they asked for
# warm = 2  # connections kept ready, so that no request waits for TCP and TLS; at most 16
# defaults = {{ max_tokens = 32000 }}  # where the client says nothing

# What a model can do, for model lists and for editors that ask.
# [providers.{name}.models.{_quoted(choices.model or "MODEL")}]
# context = 128000
# abilities = ["tools", "vision", "thinking"]

# A group maps the names that clients ask for to provider/model. "default" serves paths without a group in them.
# A name is looked for as it is, then by the pattern with the most letters.
[groups.default.models]
{_aliases(choices)}

# Any other group is reached at /NAME, such as http://127.0.0.1:{choices.port}/work/v1/messages.
# [groups.work]
# description = "what it is for"
# keys = ["laptop"]
# [groups.work.models]
# "*" = "{name}/*"

{more or _SHORT_REFERENCE}"""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _address(choices: Choices) -> str:
    if choices.base_url:
        return f"base_url = {_quoted(choices.base_url)}"
    return "# base_url is the provider's own; set it for a gateway or a region"


def _keys(choices: Choices) -> str:
    if choices.key:
        return f"api_keys = [{_quoted(choices.key)}]  # several take turns"
    return "api_keys = []  # none needed"


def _aliases(choices: Choices) -> str:
    lines = [f'"*" = "{choices.name}/*"  # any name goes to the provider as it is']
    if choices.model:
        target = _quoted(f"{choices.name}/{choices.model}")
        lines.insert(0, f'"claude-*" = {target}  # what Claude Code asks for')
    return "\n".join(lines)


def _reference(table: str, cls: type) -> str:
    """A table of defaults and reasons, commented out."""
    lines = [f"# [{table}]"]
    lines += [f"# {a.name} = {json.dumps(a.default)}  # {reason(a)}" for a in fields(cls)]
    return "\n".join(lines) + "\n"


_SHORT_REFERENCE = "\n".join([_reference("limits", Limits), _reference("timeouts", Timeouts), _reference("log", Log)])

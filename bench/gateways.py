"""Other gateways: where each comes from, what it is told, how it is started, what it serves. One entry each in GATEWAYS.

Versions are pinned. Each has a folder of its own to be installed in, and a home of its own in which it runs, which holds
nothing but what `files` says; it is told of one upstream, and not to tell anybody of its use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from bench.clients import EVENTS, FIRST_EVENTS
from ccproxy.codec import jsontext
from ccproxy.measure.processes import free_port
from ccproxy.measure.ttft import CHUNKS
from ccproxy.measure.ways import BASES
from ccproxy.model import JSON

SCRIPTS = (
    "bench-whole-1",
    "bench-burst-2",
    f"bench-burst-{CHUNKS}",
    f"bench-paced-{FIRST_EVENTS}",
    f"bench-paced-{EVENTS}",
)
"""The models that are asked for; most gateways want them named."""

KEY = "sk-bench-0000000000000000000000000000000000000000"
"""Of the upstream, which looks at none, and of gateways that insist on one."""

Pair = tuple[str, str]
"""Client and upstream."""

Registry = Literal["PyPI", "npm"]


@frozen
class Place:
    """folder: where it is installed. home: where it runs. port: where it is to listen. origin: the upstream's, as a URL.
    upstream: the protocol that it speaks."""

    folder: Path
    home: Path
    port: int
    origin: str
    upstream: str

    @property
    def base(self) -> str:
        """The upstream as most have it: with what belongs to the protocol's base URL."""
        return self.origin + BASES.get(self.upstream, "")

    def program(self, name: str) -> str:
        """A program of what was installed from PyPI."""
        return str(self.folder / "venv" / "bin" / name)

    def script(self, name: str) -> list[str]:
        """A program of what was installed from npm."""
        return ["node", str(self.folder / "node_modules" / ".bin" / name)]


def _nothing(place: Place) -> Mapping[str, str]:
    return {}


@frozen(eq=False)
class Gateway:
    """package: as the registry calls it. pairs: that it serves. command: that starts it. files: of its home, before that.
    env: beside ours. headers: of every request to it. model: the name under which a script is asked for. extras: of a
    package of PyPI. overrides: versions of what it depends on, where those that npm would choose do not work."""

    name: str
    registry: Registry
    package: str
    version: str
    pairs: Sequence[Pair]
    command: Callable[[Place], Sequence[str]]
    files: Callable[[Place], Mapping[str, str]] = _nothing
    env: Mapping[str, str] = field(factory=dict)
    headers: Callable[[Place], Mapping[str, str]] = _nothing
    model: str = "{}"
    extras: str = ""
    overrides: Mapping[str, str] = field(factory=dict)

    @property
    def way(self) -> str:
        """The label of its measures; another version is another way."""
        return f"{self.name} {self.version}"


def _json(value: JSON) -> str:
    return jsontext.dumps(value).decode()


def _every(clients: Sequence[str], upstreams: Sequence[str]) -> list[Pair]:
    return [(client, upstream) for upstream in upstreams for client in clients]


# ---------------------------------------------------------------------------------------------------------------------
# LiteLLM

_LITELLM = {"openai": "openai", "claude": "anthropic"}
"""Protocol of the upstream -> the prefix that LiteLLM's models have."""


def _litellm_files(place: Place) -> Mapping[str, str]:
    # Claude clients' requests would else go to /v1/responses of an upstream that it takes for OpenAI's own.
    settings: JSON = {"use_chat_completions_url_for_anthropic_messages": True}
    prefix = _LITELLM[place.upstream]
    models: list[JSON] = [
        {"model_name": script, "litellm_params": {"model": f"{prefix}/{script}", "api_base": place.base, "api_key": KEY}}
        for script in SCRIPTS
    ]
    return {"config.yaml": _json({"model_list": models, "litellm_settings": settings})}


def _litellm_command(place: Place) -> Sequence[str]:
    where = ["--host", "127.0.0.1", "--port", str(place.port)]
    return [place.program("litellm"), "--config", str(place.home / "config.yaml"), *where, "--telemetry", "False"]


# ---------------------------------------------------------------------------------------------------------------------
# llm-rosetta

_ROSETTA = {"openai": "openai_chat", "responses": "openai_responses", "claude": "anthropic", "gemini": "google"}


def _rosetta_files(place: Place) -> Mapping[str, str]:
    provider: JSON = {"type": _ROSETTA[place.upstream], "api_key": KEY, "base_url": place.base}
    server: JSON = {"host": "127.0.0.1", "port": place.port, "open_on_no_keys": True}
    models: dict[str, JSON] = dict.fromkeys(SCRIPTS, "bench")
    return {"config.jsonc": _json({"providers": {"bench": provider}, "models": models, "server": server})}


def _rosetta_command(place: Place) -> Sequence[str]:
    config = ["--config", str(place.home / "config.jsonc"), "--data-dir", str(place.home)]
    return [place.program("llm-rosetta-gateway"), *config, "--no-banner", "--log-level", "error"]


# ---------------------------------------------------------------------------------------------------------------------
# Switchyard: the wheel has the server as a class, and no program

_SWITCHYARD = {"openai": "openai_chat", "responses": "openai_responses", "claude": "anthropic_messages"}
_SERVE = (
    "import signal, sys; from switchyard_rust.server import Server;"
    " server = Server(sys.argv[1], int(sys.argv[2])); signal.pause()"
)


def _switchyard_files(place: Place) -> Mapping[str, str]:
    client = f'format = "{_SWITCHYARD[place.upstream]}"\nbase_url = "{place.origin}/v1"\napi_key_env = "BENCH_KEY"'
    lines = ["schema_version = 1", f"[llm_clients.bench]\n{client}"]
    for script in SCRIPTS:
        lines.append(f'[targets.{script}]\nid = "{script}"\nllm_client = "bench"')
        lines.append(f'[routes.{script}]\nid = "{script}"\ntype = "passthrough"\ntarget = "{script}"')
    return {"routes.toml": "\n".join(lines) + "\n"}


def _switchyard_command(place: Place) -> Sequence[str]:
    return [place.program("python"), "-c", _SERVE, str(place.home / "routes.toml"), str(place.port)]


# ---------------------------------------------------------------------------------------------------------------------
# smg: passes on, without conversion

_SMG = {"openai": "openai", "claude": "anthropic"}


def _smg_command(place: Place) -> Sequence[str]:
    where = ["--host", "127.0.0.1", "--port", str(place.port), "--prometheus-port", str(free_port())]
    upstream = ["--backend", _SMG[place.upstream], "--worker-urls", place.origin, "--disable-health-check"]
    return [place.program("smg"), "launch", *where, *upstream, "--log-level", "error"]


# ---------------------------------------------------------------------------------------------------------------------
# claude-code-router

_ROUTER_PATHS = {"openai": "/v1/chat/completions", "claude": "/v1/messages"}
_ROUTER_TRANSFORMERS: Mapping[str, JSON] = {"openai": {}, "claude": {"transformer": {"use": ["Anthropic"]}}}


def _router_files(place: Place) -> Mapping[str, str]:
    url = place.origin + _ROUTER_PATHS[place.upstream]
    provider: JSON = {"name": "bench", "api_base_url": url, "api_key": KEY, "models": list(SCRIPTS)}
    extra = _ROUTER_TRANSFORMERS[place.upstream]
    server: JSON = {"HOST": "127.0.0.1", "PORT": place.port, "LOG": False, "NON_INTERACTIVE_MODE": True}
    router: JSON = {"Router": {"default": f"bench,{SCRIPTS[0]}"}}
    return {".claude-code-router/config.json": _json(server | {"Providers": [provider | extra]} | router)}


# ---------------------------------------------------------------------------------------------------------------------
# Portkey: told by each request where to go

_PORTKEY = {"openai": "openai", "claude": "anthropic"}


def _portkey_headers(place: Place) -> Mapping[str, str]:
    provider = {"x-portkey-provider": _PORTKEY[place.upstream], "x-portkey-custom-host": f"{place.origin}/v1"}
    return {"authorization": f"Bearer {KEY}", **provider}


GATEWAYS: Sequence[Gateway] = (
    Gateway(
        name="LiteLLM",
        registry="PyPI",
        package="litellm",
        version="1.108.7",
        extras="proxy",
        pairs=_every(("claude", "openai", "responses"), tuple(_LITELLM)),
        files=_litellm_files,
        command=_litellm_command,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": KEY, "LITELLM_LOG": "ERROR"},
        headers=lambda place: {"authorization": f"Bearer {KEY}"},
    ),
    Gateway(
        name="llm-rosetta",
        registry="PyPI",
        package="llm-rosetta",
        version="0.13.0",
        extras="gateway",
        pairs=_every(tuple(_ROSETTA), tuple(_ROSETTA)),
        files=_rosetta_files,
        command=_rosetta_command,
    ),
    Gateway(
        name="Switchyard",
        registry="PyPI",
        package="nemo-switchyard",
        version="0.3.0",
        pairs=_every(tuple(_SWITCHYARD), tuple(_SWITCHYARD)),
        files=_switchyard_files,
        command=_switchyard_command,
        env={"BENCH_KEY": KEY, "RUST_LOG": "error"},
    ),
    Gateway(
        name="smg",
        registry="PyPI",
        package="smg",
        version="1.13.0",
        pairs=[(protocol, protocol) for protocol in _SMG],
        command=_smg_command,
        headers=lambda place: {"authorization": f"Bearer {KEY}", "x-api-key": KEY},
    ),
    Gateway(
        name="claude-code-router",
        registry="npm",
        package="@musistudio/claude-code-router",
        version="2.0.0",  # the last that runs on Node 20
        pairs=_every(("claude",), tuple(_ROUTER_PATHS)),
        files=_router_files,
        command=lambda place: [*place.script("ccr"), "start"],
        model="bench,{}",  # any other name leads to the default
    ),
    Gateway(
        name="Portkey",
        registry="npm",
        package="@portkey-ai/gateway",
        version="1.15.2",
        # With the version that npm chooses every stream fails: "TypeError: immutable", of the response's headers.
        overrides={"@hono/node-server": "1.13.8"},
        pairs=[("openai", "openai"), ("claude", "claude"), ("openai", "claude")],
        command=lambda place: [*place.script("gateway"), f"--port={place.port}", "--headless"],
        headers=_portkey_headers,
    ),
)

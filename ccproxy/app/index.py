"""What this server serves, from its own configuration: the answer to `GET /` and to the probes."""

from __future__ import annotations

from ccproxy.actions import Reply
from ccproxy.codec import jsontext
from ccproxy.config import Config
from ccproxy.protocols import PROTOCOLS


def ccproxy_version() -> str:
    """The installed version, `unknown` when the package runs from a bare folder."""
    from importlib.metadata import PackageNotFoundError, version  # 3 MiB that most servers never need

    try:
        return version("ccproxy-llm")
    except PackageNotFoundError:
        return "unknown"


def index(config: Config) -> Reply:
    """The groups with their aliases, and every protocol's paths. No key, no provider's address."""
    document: dict[str, object] = {
        "name": "ccproxy",
        "version": ccproxy_version(),
        "groups": {
            name: {"description": group.description, "path": _path(name), "models": list(group.models)}
            for name, group in config.groups.items()
        },
        "protocols": {
            protocol.name: [f"{r.method} {r.path}" for r in protocol.routes if r.operation in protocol.operations]
            for protocol in PROTOCOLS.values()
        },
    }
    if config.mcp is not None:
        document["mcp"] = ["/mcp/http", *(f"{_path(name)}/mcp/http" for name in config.groups if _path(name) != "/")]
    return json_reply(200, document)


def probe() -> Reply:
    """For supervisors and clients that only ask whether somebody is there."""
    return json_reply(200, {"status": "ok"})


def json_reply(status: int, document: object) -> Reply:
    return Reply(status, [("content-type", "application/json")], jsontext.dumps(document))


def _path(group: str) -> str:
    return "/" if group == "default" else f"/{group}"

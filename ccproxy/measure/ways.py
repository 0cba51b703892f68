"""Ways from a client to the fake upstream, and the processes that they lead through.

direct    client ───────────────────────────> fake upstream
relay     client ──> bare relay ────────────> fake upstream      the least that a proxy in Python can cost
ccproxy   client ──> ccproxy serve ─────────> fake upstream
httpx     client ──> the same conversion ───> fake upstream      behind httpx, as it is usually done
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from attrs import field, frozen

from ccproxy.codec import jsontext
from ccproxy.convert import convert_request
from ccproxy.measure.bodies import SIZES
from ccproxy.measure.processes import Process, free_port, started
from ccproxy.model import JSON
from ccproxy.protocols import PROTOCOLS

DIRECT, RELAY, CCPROXY, HTTPX = "direct", "relay", "ccproxy", "httpx"

PATHS: Mapping[str, str] = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "claude": "/v1/messages",
    "gemini": "/v1beta/models/{model}:{action}",
    "ollama": "/api/chat",
}
"""Where a client of each protocol sends a chat."""

_ACTIONS = {True: "streamGenerateContent?alt=sse", False: "generateContent"}

BASES: Mapping[str, str] = {"openai": "/v1", "responses": "/v1"}
"""What belongs to the base URL of a provider of the protocol."""

SMALL = "small"
"""The size of a request that says hi; the others are those of `bodies`."""


@frozen
class Way:
    """One of several ways to the same answer. protocol: that the client speaks. port: on loopback. prefix: before the
    protocol's path. model: the name under which a script of the fake upstream is asked for. headers: of every request.
    process: the one in the middle. tls: what the client trusts where it is to speak TLS. keeps: whether its connections
    stay open after an answer."""

    name: str
    protocol: str
    port: int
    prefix: str = ""
    model: str = "{}"
    headers: Mapping[str, str] = field(factory=dict)
    process: Process | None = None
    tls: ssl.SSLContext | None = None
    keeps: bool = True

    def request(self, script: str, size: str = SMALL, stream: bool = True) -> bytes:
        """A request for one of the fake upstream's scripts, with its head."""
        model = self.model.format(script)
        body = question(self.protocol, model, size, stream)
        path = self.prefix + PATHS[self.protocol].format(model=model, action=_ACTIONS[stream])
        headers = {"host": f"127.0.0.1:{self.port}", "content-type": "application/json", **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


@cache
def question(protocol: str, model: str, size: str = SMALL, stream: bool = True) -> bytes:
    """A request's body."""
    said: dict[str, JSON] = {"max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    whole = SIZES[size]() if size in SIZES else said
    written = jsontext.dumps({"model": model} | whole | {"model": model, "stream": stream})
    if protocol == "claude":
        return written
    return convert_request(written, source="claude", target=protocol, model=model, stream=stream).body


# ---------------------------------------------------------------------------------------------------------------------
# The processes


@frozen
class Certificates:
    """Files of a certificate authority that was made for this run. authority: to be trusted. chain: the upstream's."""

    authority: Path
    chain: Path

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    @property
    def env(self) -> dict[str, str]:
        """For processes that are to trust it: OpenSSL's own variable."""
        return {"SSL_CERT_FILE": str(self.authority)}


def certificates(folder: Path) -> Certificates | None:
    """None where trustme is not installed."""
    try:
        import trustme
    except ImportError:
        return None
    authority = trustme.CA()
    made = Certificates(folder / "authority.pem", folder / "chain.pem")
    authority.cert_pem.write_to_path(made.authority)
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(made.chain)
    return made


class Stage:
    """The fake upstream, and whatever was started in front of it. certificates: None for an upstream without TLS."""

    def __init__(self, stack: ExitStack, folder: Path, trust: Certificates | None) -> None:
        self.certificates = trust
        self._stack = stack
        self._folder = folder
        self._env = trust.env if trust else {}
        port = free_port()
        chain = [str(trust.chain)] if trust else []
        self.upstream = stack.enter_context(started(["-m", "ccproxy.measure.upstream", str(port), *chain], port))
        self._tls = trust.context() if trust else None

    @property
    def origin(self) -> str:
        """The fake upstream's, as a URL."""
        return f"{'https' if self.certificates else 'http'}://127.0.0.1:{self.upstream.port}"

    def direct(self, protocol: str) -> Way:
        return Way(DIRECT, protocol, self.upstream.port, tls=self._tls)

    def relay(self, protocol: str, process: Process | None = None) -> Way:
        """process: a relay that runs already."""
        process = process or self._stack.enter_context(self.started_relay())
        return Way(RELAY, protocol, process.port, process=process, tls=self._tls)

    @contextmanager
    def started_relay(self) -> Iterator[Process]:
        port = free_port()
        with started(["-m", "ccproxy.measure.relay", str(port), str(self.upstream.port)], port) as process:
            yield process

    def ccproxy(self, client: str, upstream: str, process: Process) -> Way:
        return Way(CCPROXY, client, process.port, prefix=f"/{upstream}", process=process)

    @contextmanager
    def started_ccproxy(
        self, at: int | None = None, protocols: Sequence[str] = tuple(PROTOCOLS), **more: Any
    ) -> Iterator[Process]:
        """`ccproxy serve` with a group for each protocol of the upstream. at: a port in front of the upstream, else the
        upstream's. more: keys of each provider."""
        port = free_port()
        origin = self.origin if at is None else self.origin.replace(str(self.upstream.port), str(at))
        config = self._folder / f"ccproxy-{port}.toml"
        config.write_text(configuration(port, origin, more, protocols))
        with started(["-m", "ccproxy", "serve", "--config", str(config)], port, self._env) as process:
            yield process

    @contextmanager
    def started_httpx(self, client: str, upstream: str) -> Iterator[Way]:
        port = free_port()
        base = self.origin + BASES.get(upstream, "")
        command = ["-m", "ccproxy.measure.behind_httpx", str(port), base, client, upstream]
        with started(command, port, self._env) as process:
            yield Way(HTTPX, client, port, process=process)


@contextmanager
def stage(*, tls: bool = False) -> Iterator[Stage | None]:
    """A fake upstream. None where TLS is asked for and there are no certificates to be had."""
    with tempfile.TemporaryDirectory(prefix="ccproxy-bench-") as name, ExitStack() as stack:
        trust = certificates(Path(name)) if tls else None
        yield None if tls and trust is None else Stage(stack, Path(name), trust)


def configuration(port: int, origin: str, more: Mapping[str, object], protocols: Sequence[str] = tuple(PROTOCOLS)) -> str:
    """A configuration in which `/PROTOCOL` leads to the fake upstream in that protocol."""
    lines = [f"[server]\nport = {port}", '[log]\nlevel = "warning"', "[limits]\nmax_connections = 10000"]
    for protocol in protocols:
        base = origin + BASES.get(protocol, "")
        lines.append(f'[providers.{protocol}]\nprotocol = "{protocol}"\nbase_url = "{base}"')
        lines += [f"{name} = {jsontext.dumps(value).decode()}" for name, value in more.items()]
        lines.append(f'[groups.{protocol}.models]\n"*" = "{protocol}/*"')
    return "\n".join(lines) + "\n"

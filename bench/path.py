"""What stands between a request's bytes and its first byte of content: counted, so that it is the same on every machine.

    python -m bench.path [CLIENT UPSTREAM]... [--modules N] [--bare] [--renamed] [--size SIZE]

Real connections on wires that only remember: a request goes in, the write to the upstream ends the first part; an answer's
head and first word go in, the write to the client ends the second. Between the two is what is done while the request is on
its way. Everything has been asked before, so that all that is remembered is there, and answers' heads differ in their date
and request id, as a provider's do. --bare: requests and answers with the headers alone that they cannot do without.
--renamed: the upstream has another name for the model. --size: of the request's body, one of those of `bench requests`.

Counted are the instructions of the interpreter in our own and the libraries' Python, and the calls of all functions, those
in C among them. On a machine whose caches were used for other things meanwhile, an instruction takes 30 to 80 ns, two or
three times as long as in a loop; the time is of the fastest of many requests in a row.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import click
from attrs import define, field

from ccproxy.actions import Endpoint
from ccproxy.app import App
from ccproxy.config import load
from ccproxy.errors import UpstreamError
from ccproxy.measure.answers import speech
from ccproxy.measure.bodies import SIZES
from ccproxy.measure.timing import uncollected
from ccproxy.measure.ways import PATHS, SMALL, configuration, question
from ccproxy.transport.seam import Peer
from ccproxy.transport.serving import ClientConnection, House
from ccproxy.transport.upstream import Upstreams

PAIRS = (("claude", "openai"), ("openai", "openai"), ("claude", "claude"))
PARTS = ("request", "meanwhile", "answer")

WARM_UP, TIMED = 50, 1000

AGENT = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "anthropic-version": "2023-06-01",
    "authorization": "Bearer a-token-of-some-length",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-app": "cli",
    "x-stainless-arch": "x64",
    "x-stainless-lang": "js",
    "x-stainless-os": "Linux",
    "x-stainless-package-version": "0.60.0",
    "x-stainless-retry-count": "0",
    "x-stainless-runtime": "node",
    "x-stainless-timeout": "600",
}
"""What an agent's requests have beside host, type and length."""

PROVIDER = "date: Sat, 28 Nov 2026 19:00:{:02} GMT\r\nserver: cloudflare\r\nx-request-id: req_{:08x}\r\n"
"""What a provider's answers have beside type and framing; two of them are new each time."""

_HERE = str(Path(__file__).parent.parent) + "/"


class Memory:
    """A wire that tells when something is written, and remembers no more than that it was."""

    def __init__(self, written: Callable[[], None]) -> None:
        self._written = written
        self.last = b""

    def write(self, data: bytes) -> None:
        self.last = data
        self._written()

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def _nothing(self) -> None: ...

    pause_reading = resume_reading = write_eof = close = abort = _nothing


@define
class Cost:
    """Of one part of the way. instructions: by module and function. calls: of any function."""

    instructions: Counter[tuple[str, str]] = field(factory=Counter)
    calls: int = 0

    def modules(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (module, _), count in self.instructions.items():
            found[module] += count
        return found


class Way:
    """A client's connection and an upstream's, and requests on them."""

    def __init__(self, client: str, upstream: str, *, bare: bool = False, renamed: bool = False, size: str = SMALL) -> None:
        self._later: deque[Callable[[], None]] = deque()
        self._part = ""
        self._reached = 0.0
        self._count = 0
        self._upstream: Peer | None = None
        app = _app(renamed=renamed)
        upstreams = Upstreams(self._connect, time.monotonic, app.limits)
        house = House(app, upstreams, time.monotonic, self._later.append, lambda job: None)
        self._client = ClientConnection(house)
        self._wire = Memory(self._written)
        self._client.opened(self._wire, "127.0.0.1")
        self._request = _request(client, upstream, {} if bare else AGENT, size)
        said = speech(upstream)
        self._head = said.head.decode().removesuffix("\r\n") + ("" if bare else PROVIDER) + "\r\n"
        self._lead, self._rest = said.lead, said.pieces[0] + said.tail
        for _ in range(WARM_UP):
            self.run()

    def run(self, part: Callable[[str], None] = lambda name: None) -> tuple[float, float]:
        """One request. Seconds to the upstream's write, and from its answer to the client's. part: told when the next of
        PARTS begins, and "" when one has ended."""
        self._count += 1
        self._told, self._next = part, "meanwhile"
        answer = self._head.format(self._count % 60, self._count).encode() + self._lead
        began = time.perf_counter()
        part("request")
        self._client.received(self._request)
        asked = self._reached - began
        while self._later:
            self._later.popleft()()
        assert self._upstream is not None
        self._next = ""
        part("answer")
        began = time.perf_counter()
        self._upstream.received(answer)
        answered = self._reached - began
        self._upstream.received(self._rest)
        while self._later:
            self._later.popleft()()
        assert self._wire.last.endswith(b"0\r\n\r\n")
        return asked, answered

    def _written(self) -> None:
        self._reached = time.perf_counter()
        self._told(self._next)

    def _connect(
        self, endpoint: Endpoint, seconds: float, peer: Peer, failed: Callable[[UpstreamError], None]
    ) -> Callable[[], object]:
        self._upstream = peer
        self._later.append(lambda: peer.opened(Memory(self._written), "127.0.0.1"))
        return lambda: None


def costs(way: Way) -> dict[str, Cost]:
    """Of each of PARTS, of one request."""
    found = {name: Cost() for name in PARTS}
    before = sys.gettrace()  # such as coverage's
    _counted(way, sys.settrace, _trace, found)
    sys.settrace(before)
    _counted(way, sys.setprofile, _profile, found)
    return found


def _counted(way: Way, setter: Callable[[Any], None], make: Callable[[list[Cost]], Any], found: dict[str, Cost]) -> None:
    """Runs one request under a tracer that `make` gives for the cost of the part that is under way."""
    between = Cost()
    current = [between]
    tracer = make(current)

    def part(name: str) -> None:
        current[0] = found.get(name, between)

    setter(tracer)
    try:
        way.run(part)
    finally:
        setter(None)


def _trace(current: list[Cost]) -> Any:
    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not _is_ours(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            current[0].instructions[_name_of(frame.f_code)] += 1
        return trace

    return trace


def _profile(current: list[Cost]) -> Any:
    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call") and _is_ours(frame.f_code):
            current[0].calls += 1

    return profile


def _is_ours(code: CodeType) -> bool:
    return not code.co_filename.startswith(_HERE + "bench/")


def _name_of(code: CodeType) -> tuple[str, str]:
    """Module and function; what attrs makes belongs to the module of its class."""
    made = code.co_filename.removeprefix("<attrs generated methods ").removesuffix(">")
    if made != code.co_filename:
        return made.rpartition(".")[0].removeprefix("ccproxy."), f"{made.rpartition('.')[2]}.{code.co_name}"
    if not code.co_filename.startswith(_HERE + "ccproxy/"):
        return Path(code.co_filename).stem, code.co_qualname
    path = code.co_filename.removeprefix(_HERE + "ccproxy/").removesuffix(".py").removesuffix("/__init__")
    return path.replace("/", "."), code.co_qualname


def _app(*, renamed: bool) -> App:
    logging.getLogger("ccproxy").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="ccproxy-bench-") as name:
        path = Path(name) / "ccproxy.toml"
        written = configuration(1, "http://127.0.0.1:9", {})
        path.write_text(written.replace('/*"', '/its-own-name"') if renamed else written)
        return App(load(path))


def _request(client: str, upstream: str, more: dict[str, str], size: str) -> bytes:
    body = question(client, "bench-burst-2", size)
    path = f"/{upstream}" + PATHS[client].format(model="bench-burst-2", action="streamGenerateContent?alt=sse")
    headers = {"host": "127.0.0.1:1", "content-type": "application/json", **more, "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.argument("protocols", nargs=-1)
@click.option("--modules", default=0, help="So many modules with their share of request and answer.")
@click.option("--bare", is_flag=True)
@click.option("--renamed", is_flag=True)
@click.option("--size", type=click.Choice([SMALL, *SIZES]), default=SMALL)
def main(protocols: tuple[str, ...], modules: int, bare: bool, renamed: bool, size: str) -> None:
    pairs = list(zip(protocols[::2], protocols[1::2], strict=True)) or PAIRS
    click.echo("| pair | part | instructions | calls | µs |\n|---|---|---|---|---|")
    shares = []
    for client, upstream in pairs:
        way = Way(client, upstream, bare=bare, renamed=renamed, size=size)
        found = costs(way)
        with uncollected():
            times = [way.run() for _ in range(TIMED)]
        fastest = {"request": min(asked for asked, _ in times), "answer": min(answered for _, answered in times)}
        for name, cost in found.items():
            took = f"{fastest[name] * 1e6:.1f}" if name in fastest else ""
            click.echo(f"| {client} to {upstream} | {name} | {cost.instructions.total():,} | {cost.calls:,} | {took} |")
        shares.append((f"{client} to {upstream}", found["request"].modules() + found["answer"].modules()))
    for pair, counted in shares if modules else []:
        told = ", ".join(f"{module} {100 * count / counted.total():.1f}" for module, count in counted.most_common(modules))
        click.echo(f"\n{pair}, percent of the instructions: {told}")


if __name__ == "__main__":
    main()

"""What an exchange is made with and what it leaves behind: the plan for each upstream, and the record for the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from ccproxy.actions import Endpoint
from ccproxy.errors import CcproxyError
from ccproxy.model import Target, Usage
from ccproxy.policy.keys import Choice, Pair
from ccproxy.policy.rewrite import Rules
from ccproxy.protocols.base import Headers, Protocol

if TYPE_CHECKING:
    from ccproxy.turnwise import Conversations


@frozen(kw_only=True)
class Patience:
    """Seconds. first_byte: from the dial to the answer's head. idle: between two pieces of an answer. keepalive: how long
    a stream's client hears nothing before it is sent a sign of life. hold: how long the answer's head waits for a first
    event."""

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 300.0
    keepalive: float = 15.0
    hold: float = 10.0


@define(kw_only=True)
class Plan:
    """Which upstream serves a request. prefix: the base URL's path. headers: the provider's own and its credentials.
    secrets: what no client and no log may see, not even in an error that repeats it. key: which of the provider's keys it
    is, from 1; 0 where there is one or none. compat: tools go as text (`policy.compat`). rules: what else is done to
    the request (`policy.rewrite`). known: what earlier requests became (`turnwise`), None where that is not kept. Requests
    with the same head share a plan; nobody changes it."""

    protocol: Protocol
    target: Target
    endpoint: Endpoint
    prefix: str = ""
    headers: Headers = field(factory=list, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    key: int = 0
    patience: Patience = Patience()
    compat: bool = False
    rules: Rules | None = None
    known: Conversations | None = field(default=None, eq=False, repr=False)
    _made: dict[object, tuple[tuple[str, str], ...]] = field(factory=dict, init=False, repr=False, eq=False)

    def request_headers(self, streams: bool, passed: tuple[tuple[str, str], ...] = ()) -> tuple[tuple[str, str], ...]:
        """Of a request to this upstream: ours, then the protocol's, then the client's that pass, then the provider's; a
        later one wins. streams: whether it asks for a stream. The same tuple each time, which saves its writer work."""
        asked = (streams, passed)
        made = self._made.get(asked)
        if made is None:
            accept = "text/event-stream, application/x-ndjson, application/json" if streams else "application/json"
            merged = {
                "content-type": "application/json",
                "accept": accept,
                "accept-encoding": "identity",
                "user-agent": "ccproxy",
                **dict(self.protocol.headers),
                **_joined(passed),
                **dict(self.headers),
            }
            made = self._made[asked] = tuple(merged.items())
        return made


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A header that stands twice says both (RFC 9110, section 5.3), as `anthropic-beta` may."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


@frozen
class Candidates:
    """The (target, key) pairs that may serve a request, and the plan for each."""

    choice: Choice
    plan: Callable[[Pair], Plan]


@frozen
class Attempt:
    """A pair that was asked in vain, for the log. key: as in a Plan."""

    provider: str
    model: str
    key: int
    status: int
    message: str


@define(kw_only=True)
class Record:
    """What the log says of one exchange. provider, upstream_model, key: of the pair that was asked last; attempts: those
    before it, which failed. counted: asked for the usage when the log wants it, which is behind the last write, since the
    whole request is read for an estimate where the upstream counted nothing. Times are the runtime's clock, None where it
    did not come to that."""

    client: str
    group: str = ""
    model: str = ""
    provider: str = ""
    upstream_model: str = ""
    key: int = 0
    attempts: list[Attempt] = field(factory=list)
    stream: bool = False
    status: int = 0
    counted: Callable[[], Usage | None] = field(default=lambda: None, repr=False, eq=False)
    notes: list[str] = field(factory=list)
    error: CcproxyError | None = None
    began: float = 0.0
    dialled: float | None = None
    answered: float | None = None
    ended: float = 0.0
    cancelled: bool = False

    @property
    def usage(self) -> Usage | None:
        return self.counted()

"""One request on its way through the traffic log.

    runtime ── calls ──> Recorded ──> Exchange
                            │  <── actions ──┘
                            └──> Sheet ──> lines

What is noted on the path of a chunk are the bytes that are there already; the writer's thread joins, masks and shortens
them. `from_client` and `to_upstream` are written when they are known, so that who follows the log sees a prompt while its
answer is still being made.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import define, field

from ccproxy.actions import Action, Commit, Dial, Finished, Headers, Reply, Write
from ccproxy.app.traffic.lines import Gathered, Line, shown_headers, shown_query
from ccproxy.errors import CcproxyError
from ccproxy.exchange import Exchange
from ccproxy.model import JSON
from ccproxy.plans import Record
from ccproxy.transport.http1 import RequestHead

log = logging.getLogger("ccproxy")


class Office(Protocol):
    """What all requests share: `Traffic` of this package."""

    longest: int
    protocols: dict[str, str]

    def group_of(self, group: str, model: str) -> str: ...

    def put(self, line: Line, tokens: tuple[str, ...]) -> None: ...


class Sheet:
    """What is known of one request, and its lines. tokens: that the client presented. key: the proxy key's name. client:
    its protocol. operation: as a protocol's routes name it. group, model: what the path says of them."""

    def __init__(
        self,
        office: Office,
        head: RequestHead,
        tokens: Sequence[str],
        *,
        key: str = "",
        client: str = "",
        operation: str = "",
        group: str = "",
        model: str = "",
    ) -> None:
        self.office = office
        self._id = os.urandom(12).hex()
        self._head = head
        self._tokens = tuple(tokens)
        self._group = group
        self._own: dict[str, JSON] = {"key": key, "client": client, "operation": operation}
        self._known: dict[str, JSON] = {"agent": head.header("user-agent"), "model": model}

    def asked(self, body: bytes, record: Record | None) -> None:
        """The client's request, with its body."""
        if record is not None and record.model:
            self._known["model"] = record.model
        if self._own["client"]:
            self._own["group"] = self.office.group_of(self._group, self._known["model"])
        facts: dict[str, JSON] = {
            "method": self._head.method,
            "path": self._head.path,
            "query": shown_query(self._head.query),
            "headers": shown_headers(self._head.headers),
        }
        self._put("from_client", {}, facts, [body], len(body), valid=bool(record is not None and record.model))

    def sent(self, attempt: Attempt, dial: Dial, record: Record) -> None:
        """The request as it goes to an upstream."""
        self._own["provider"] = record.provider
        self._known["upstream_model"] = record.upstream_model
        protocol = self.office.protocols.get(record.provider, "")
        attempt.upstream = {"attempt": attempt.number, "protocol": protocol, "provider_key": record.key or None}
        at = dial.endpoint
        facts: dict[str, JSON] = {
            "method": dial.method,
            "url": f"{at.scheme}://{at.host}:{at.port}{dial.target}",
            "headers": shown_headers(dial.headers),
        }
        self._put("to_upstream", attempt.upstream, facts, [dial.body], len(dial.body), valid=True)

    def came(self, attempt: Attempt, why: str, now: float, *, cancelled: bool) -> None:
        """What the upstream answered. cancelled: until the client left."""
        own = attempt.upstream | {
            "status": attempt.status or None,
            "cancelled": cancelled or None,
            "first_byte": _seconds(attempt.first, attempt.dialled),
            "seconds": _seconds(now, attempt.dialled),
        }
        facts: dict[str, JSON] = {"headers": shown_headers(attempt.headers), "error": why}
        self._put("from_upstream", own, facts, attempt.body.pieces, attempt.body.size, streams=attempt.streams)

    def answered(self, status: int, headers: Headers, body: Gathered, record: Record, *, streams: bool) -> None:
        """What the client got, and what became of the request."""
        own: dict[str, JSON] = {
            "status": status or None,
            "cancelled": record.cancelled or None,
            "first_byte": _seconds(record.answered, record.began),
            "seconds": _seconds(record.ended, record.began),
        }
        facts: dict[str, JSON] = {
            "headers": shown_headers(headers),
            "error": record.error.message if record.error is not None else "",
            "failed": [f"{tried.provider}/{tried.model}: {tried.message}" for tried in record.attempts],
            "notes": list(record.notes),
        }
        self._put("to_client", own, facts, body.pieces, body.size, streams=streams, record=record)

    def replied(self, reply: Reply) -> None:
        """A request that was answered on its head alone."""
        self.asked(b"", None)
        facts: dict[str, JSON] = {"headers": shown_headers(reply.headers)}
        self._put("to_client", {"status": reply.status}, facts, [reply.body], len(reply.body))

    def _put(
        self,
        direction: str,
        own: dict[str, JSON],
        facts: dict[str, JSON],
        pieces: list[bytes],
        size: int,
        *,
        streams: bool = False,
        valid: bool = False,
        record: Record | None = None,
    ) -> None:
        line = Line(
            id=self._id,
            when=time.time(),
            direction=direction,
            own=self._own | own,
            facts=self._known | facts,
            counted=record.counted if record is not None else None,
            pieces=pieces,
            size=size,
            streams=streams,
            valid=valid,
        )
        self.office.put(line, self._tokens)


def _seconds(until: float | None, since: float) -> float | None:
    return None if until is None else round(until - since, 4)


@define
class Attempt:
    """One request to an upstream, and its answer so far. tried: pairs that had failed before it. upstream: who is asked,
    for the lines."""

    number: int
    dialled: float
    tried: int
    body: Gathered
    upstream: dict[str, JSON] = field(factory=dict)
    status: int = 0
    headers: Headers = field(factory=list)
    first: float | None = None

    @property
    def streams(self) -> bool:
        """What the answer says it is; where it says nothing, no whole answer begins otherwise than with a brace."""
        kind = next((value for name, value in self.headers if name == "content-type"), "").lower()
        start = self.body.pieces[0].lstrip()[:1] if self.body.pieces else b""
        return "event-stream" in kind or "ndjson" in kind or (start not in (b"{", b"") and self.status == 200)


class Recorded:
    """A Life: the exchange's, with the sheet's eyes on it. No error of the sheet's is the exchange's."""

    def __init__(self, life: Exchange, sheet: Sheet) -> None:
        self.done = False
        self._life = life
        self._sheet = sheet
        self._attempt: Attempt | None = None
        self._number = 0
        self._said: bytes | None = None  # the request's body, until it is noted
        self._status = 0  # of what the client got
        self._headers: Headers = []
        self._streams = False
        self._went = Gathered(sheet.office.longest)

    def __repr__(self) -> str:
        return f"<Recorded {self._life}>"

    def begin(self, now: float) -> list[Action]:
        return self._through(self._life.begin, now)

    def body(self, data: bytes, now: float) -> list[Action]:
        self._said = data
        return self._through(self._life.body, data, now)

    def body_failed(self, error: Exception, now: float) -> list[Action]:
        self._said = b""
        return self._through(self._life.body_failed, error, now)

    def meanwhile(self) -> None:
        try:
            self._life.meanwhile()
        except Exception:
            self._guarded(self._broken)
            raise

    def upstream_head(self, status: int, headers: Headers, now: float) -> list[Action]:
        if self._attempt is not None:
            self._attempt.status, self._attempt.headers = status, headers
        return self._through(self._life.upstream_head, status, headers, now)

    def upstream_bytes(self, data: bytes, now: float) -> list[Action]:
        if self._attempt is not None:
            self._attempt.body.add(data)
            self._attempt.first = now if self._attempt.first is None else self._attempt.first
        return self._through(self._life.upstream_bytes, data, now)

    def upstream_eof(self, now: float) -> list[Action]:
        return self._through(self._life.upstream_eof, now)

    def upstream_failed(self, error: Exception, now: float) -> list[Action]:
        return self._through(self._life.upstream_failed, error, now)

    def pump(self, data: bytes) -> bytes:
        if self._attempt is not None:
            self._attempt.body.add(data)
        try:
            out = self._life.pump(data)
        except Exception:
            self._guarded(self._broken)
            raise
        self._went.add(out)
        self.done = self._life.done
        return out

    def ended(self, now: float) -> list[Action]:
        return self._through(self._life.ended, now)

    def client_gone(self, now: float) -> list[Action]:
        return self._through(self._life.client_gone, now)

    def tick(self, now: float) -> list[Action]:
        return self._through(self._life.tick, now)

    def resumed(self) -> None:
        self._life.resumed()

    # What goes by

    def _through(self, call: Callable[..., list[Action]], *arguments: Any) -> list[Action]:
        """Calls the exchange, and notes its actions. The last argument is the time."""
        try:
            actions = call(*arguments)
        except Exception:
            self._guarded(self._broken)
            raise
        self.done = self._life.done
        if self._said is not None:
            self._guarded(self._asked)
        for action in actions:
            note = _NOTES.get(type(action))
            if note is not None:
                self._guarded(note, self, action, arguments[-1])
        return actions

    def _guarded(self, note: Callable[..., None], *arguments: Any) -> None:
        try:
            note(*arguments)
        except Exception:
            log.exception("traffic log: internal error; the request goes on")

    def _asked(self) -> None:
        """What the client sent: behind the exchange's first look at it, which finds the model's name."""
        data, self._said = self._said or b"", None
        self._sheet.asked(data, self._life.record)

    def _dialled(self, dial: Dial, now: float) -> None:
        self._left(now)
        record = self._life.record
        self._number += 1
        self._attempt = Attempt(self._number, now, len(record.attempts), Gathered(self._sheet.office.longest))
        self._sheet.sent(self._attempt, dial, record)

    def _left(self, now: float) -> None:
        """The upstream that was asked last has nothing more to say."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        record = self._life.record
        failed = record.attempts[attempt.tried :]
        error = record.error.message if record.error is not None else ""
        self._sheet.came(attempt, failed[0].message if failed else error, now, cancelled=record.cancelled)

    def _committed(self, commit: Commit, now: float) -> None:
        self._status, self._headers, self._streams = commit.status, commit.headers, True
        self._went.add(commit.data)

    def _wrote(self, write: Write, now: float) -> None:
        self._went.add(write.data)

    def _replied(self, reply: Reply, now: float) -> None:
        self._status, self._headers = reply.status, reply.headers
        self._went.add(reply.body)

    def _broken(self) -> None:
        """By a bug of ours: what is known is needed most now."""
        record = self._life.record
        record.error = record.error or CcproxyError("internal error")
        record.ended = record.ended or record.began
        if self._said is not None:
            self._asked()
        self._left(record.ended)
        self._sheet.answered(self._status, self._headers, self._went, record, streams=self._streams)

    def _finished(self, finished: Finished, now: float) -> None:
        self._left(now)
        self._sheet.answered(self._status, self._headers, self._went, self._life.record, streams=self._streams)


_NOTES: dict[type, Callable[..., None]] = {
    Dial: Recorded._dialled,
    Commit: Recorded._committed,
    Write: Recorded._wrote,
    Reply: Recorded._replied,
    Finished: Recorded._finished,
}

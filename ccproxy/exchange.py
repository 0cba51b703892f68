"""One request's life, without I/O: client request -> dial -> bytes -> commit -> end.

    begin ─> receiving ── body ──> dialled ── upstream_head ──> answering ── first bytes ──> committed ── done ──> over
                 │               ^    │                             │                             │
                 │               └─ an error of the pair: the next ─┤                             │
                 │                    │                             │                             │
                 └────────────────────┴──── no pair left: Reply ────┴── an error: the stream says it, then End ──┘

- The runtime carries bytes and says what happened; the exchange says what to do, as a list of actions.
- Nothing goes to the client until there is something to say: the answer's head waits for the first bytes of the converted
  stream, so that head and first event leave in one write, and so that an upstream which fails at once is answered with
  a real HTTP error. After `hold` seconds the head and a keep-alive go out all the same, and the choice is final.
- Where several (target, key) pairs may serve the request, one that fails before the commit is followed by the next: the
  request is prepared anew from the client's bytes, for whatever protocol that one speaks, as if the first had never been.
  Which pair is next, and what rests, is `policy/keys.py`'s.
- What only the answer needs, or the next request, is made while this one is on its way (`meanwhile`), since a model thinks
  for longer.
- After the commit the runtime calls `pump` for every slice: one synchronous call, no actions, no clock. `tick` finds out
  from flags whether bytes came and went since the last one.
- An error that the vendor table has a repair for is answered with a second dial, once, and before the commit.
- End or error, never both. Finished is always the last action.

What happens in which state, and who may call what, is in `actions.Life`. The states are in `Exchange.state`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

from attrs import evolve

from ccproxy import conversion
from ccproxy.actions import Abort, Action, Commit, Dial, End, Finished, Release, Reply, Write
from ccproxy.codec import jsontext
from ccproxy.conversion import Answered
from ccproxy.errors import CcproxyError, NotFound, RequestError, TimedOut, Unsupported, UpstreamError
from ccproxy.model import JSON, Context
from ccproxy.plans import Attempt, Candidates, Patience, Plan, Record
from ccproxy.policy.fitting import repaired
from ccproxy.protocols.base import Call, Headers, Kept, Memory, Protocol
from ccproxy.protocols.failures import read_error
from ccproxy.pump import Pump

State = Literal["receiving", "dialled", "answering", "committed", "over"]

LONGEST_ERROR = 1024 * 1024
"""Bytes kept of an upstream's error body; nobody explains a failure in more."""

_ANY = ("utf-8", "surrogatepass")
_NOT_KEPT = "the answer could not be kept, so no later request can refer to it"

PASSED_DOWN = frozenset({"x-request-id", "request-id", "retry-after"})
PASSED_DOWN_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
"""Upstream headers that every client is shown: what to quote to a provider's support, and how fast to go on."""


class Exchange:
    """See the module. `route(model)` gives the plan for the model that the client asks for, candidates where there are
    several, or the answer itself where no upstream has a part in it; it raises RequestError. client_headers: those that its
    protocol passes up are enough. operation: the column of the protocols' records. memory: the client's earlier answers,
    for protocols whose clients refer to them; it is asked before the dial, and told at the end."""

    # What every exchange begins with, here so that making one costs nothing for it:
    state: State = "receiving"
    done = False
    _body = b""  # of the client, while it may have to be prepared for another pair
    _candidates: Candidates | None = None  # while they have to hear what came of a pair
    _said: bytes | None = None  # the conversation, to be kept with its answer
    _unsaid: dict[str, JSON] | None = None  # the request that has it, until it is written
    _plan: Plan | None = None
    _secrets: tuple[str, ...] = ()  # of every pair that was asked
    _prepared: conversion.Prepared | None = None
    _pump: Pump | None = None
    _expected: Pump | None = None  # made ahead, for an answer of the form that was asked for
    _repaired = False  # sent once more after an error
    _status = 0  # of the upstream; 0 until its head has come
    _refused = False  # it answered, and not with success
    _answer_headers: Sequence[tuple[str, str]] = ()  # of the upstream
    _refusal: bytes | bytearray = b""  # the body of an upstream's error
    _moved = True  # bytes came from the upstream since the last tick
    _told = True  # bytes went to the client since the last tick
    _heard = 0.0  # when the upstream last said something
    _spoke = 0.0  # when the client was last sent something

    def __init__(
        self,
        protocol: Protocol,
        context: Context,
        call: Call,
        route: Callable[[str], Plan | Candidates | Answered],
        client_headers: Headers,
        group: str = "",
        operation: str = conversion.CHAT,
        memory: Memory | None = None,
    ) -> None:
        self.record = Record(client=protocol.name, group=group)
        self._protocol = protocol
        self._context = context
        self._call = call
        self._route = route
        self._client_headers = client_headers
        self._operation = operation
        self._memory = memory

    def __repr__(self) -> str:
        return f"<Exchange {self.state} {self.record.client}->{self.record.provider or '?'} {self._pump}>"

    # The client's side

    def begin(self, now: float) -> list[Action]:
        self.record.began = self._heard = self._spoke = now
        return []

    def body(self, data: bytes, now: float) -> list[Action]:
        """The whole request body, decoded."""
        return self._attempt(partial(self._first_dial, data), now)

    def body_failed(self, error: Exception, now: float) -> list[Action]:
        """The request's body did not arrive whole, or not as it said."""
        return self._reply_error(error if isinstance(error, CcproxyError) else RequestError(str(error)), now)

    def client_gone(self, now: float) -> list[Action]:
        self.record.cancelled = True
        return [Abort(), self._finished(now)]

    # The upstream's side, before the commit

    def meanwhile(self) -> None:
        """The request is on its way."""
        prepared = self._prepared
        if self.state == "dialled" and prepared is not None:
            self._expected = self._pump_for(relayed=prepared.relayed, streams=prepared.stream)
            remember, prepared.remember = prepared.remember, None
            if remember is not None:
                remember()
            self._say()

    def upstream_head(self, status: int, headers: Headers, now: float) -> list[Action]:
        self._status, self._answer_headers = status, headers
        self._refused = not 200 <= status < 300
        if self._refused:
            self._refusal = bytearray()
        self._heard = now
        if self.state == "dialled":
            self.state = "answering"
        return []

    def upstream_bytes(self, data: bytes, now: float) -> list[Action]:
        self._heard = now
        return self._advance(self._feed(data), now)

    def upstream_eof(self, now: float) -> list[Action]:
        if self._refused:
            return self._failed(self._refusal_said(), now, healthy=True)
        if self._pump is None:
            self._pump = self._choose_pump(b"")
        last = self._pump.eof()
        actions = self._advance(last if self._pump.failure is None else self._without_secrets(last), now)
        return actions if self.state in ("over", "dialled") else [*actions, *self.ended(now)]

    def upstream_failed(self, error: Exception, now: float) -> list[Action]:
        if self._refused:  # it has said why before it broke off
            error = self._refusal_said()
        return self._failed(error if isinstance(error, CcproxyError) else UpstreamError(str(error)), now)

    # The upstream's side, after the commit

    def pump(self, data: bytes) -> bytes:
        """The path of a chunk. Returns what goes to the client now."""
        self._moved = True
        pump = self._pump
        if pump is None:  # committed by `hold`, before the body began
            return self._feed(data)
        out = pump.feed(data)
        if out:
            self._told = True
        if pump.done:
            self.done = True
        return out if pump.failure is None else self._without_secrets(out)

    def ended(self, now: float) -> list[Action]:
        """The pump is done, and what it said is written; or the upstream refuses at a length that nobody reads."""
        if self._refused:
            return self._break(self._refusal_said(), now)
        failure = self._pump.failure if self._pump else None
        self.record.error = failure
        return [End(), Abort() if failure else Release(), self._finished(now)]

    # Time

    def resumed(self) -> None:
        """The client takes bytes again. Its upstream was not read meanwhile, so that its silence does not count."""
        self._moved = self._told = True

    def tick(self, now: float) -> list[Action]:
        if self.state in ("receiving", "over"):
            return []
        if self.state == "committed" and self._prepared is not None and self._prepared.body:
            conversion.let_go(self._prepared, self._context)  # nothing is sent again; not while the first bytes wait for it
        if self._moved:
            self._moved, self._heard = False, now
        if self._told:
            self._told, self._spoke = False, now
        patience = self._patience
        waited = now - self._heard
        if not self._status and waited > patience.first_byte:
            return self._failed(TimedOut(f"the upstream sent no answer within {patience.first_byte:g} s"), now)
        if self._refused and waited > min(patience.hold, patience.idle):
            return self.upstream_failed(TimedOut("the upstream's refusal did not end"), now)
        if self._status and waited > patience.idle:
            return self.upstream_failed(TimedOut(f"the upstream sent nothing for {patience.idle:g} s"), now)
        return self._sign_of_life(now)

    def _sign_of_life(self, now: float) -> list[Action]:
        if not self._context.stream or self._refused:
            return []
        if self.state != "committed":
            return self._commit(self._keepalive(), now) if now - self._dialled > self._patience.hold else []
        if now - self._spoke <= self._patience.keepalive:
            return []
        self._spoke = now
        data = self._keepalive()
        return [Write(data)] if data else []

    # Steps

    def _attempt(self, dial: Callable[[float], Dial | Answered], now: float) -> list[Action]:
        """What comes of trying to dial."""
        try:
            told = dial(now)
        except CcproxyError as error:
            self._candidates = None
            return self._reply_error(error, now)
        except jsontext.JSONError as error:  # what can be read may nest too deeply to be written
            self._candidates = None
            return self._reply_error(RequestError(f"the request cannot be passed on: {error}"), now)
        if isinstance(told, Answered):
            self._candidates = None
            return self._answered(told, now)
        self.state, self._heard = "dialled", now
        if self.record.dialled is None:
            self.record.dialled = now
        return [told]

    def _first_dial(self, body: bytes, now: float) -> Dial | Answered:
        document = conversion.glance_of(body)
        model = conversion.model_of(document, self._call)
        self.record.model = self._context.model = model
        route = self._route(model)
        if isinstance(route, Answered):
            return route
        if isinstance(route, Plan):
            return self._planned(route, body, document)
        self._candidates, self._body = route, body
        return self._next_dial(route, now, document=document)

    def _next_dial(
        self,
        candidates: Candidates,
        now: float,
        failure: CcproxyError | None = None,
        document: dict[str, JSON] | None = None,
    ) -> Dial | Answered:
        """For the next pair that can be sent the request. failure: of the last one that was. document: of the body, which
        is read anew where it may have been changed on the way to another pair. Raises CcproxyError for the client where no
        pair is left."""
        while (pair := candidates.choice.next(now)) is not None:
            plan = candidates.plan(pair)
            try:
                fresh, document = document, None
                return self._planned(plan, self._body, fresh or conversion.glance_of(self._body))
            except (Unsupported, NotFound) as error:  # there; another protocol or upstream may have a place for it
                candidates.choice.failed(error, now)
                self._leave(error)
                failure = failure or error
        raise candidates.choice.verdict(failure, now)

    def _planned(self, plan: Plan, body: bytes, document: dict[str, JSON]) -> Dial | Answered:
        """Fills the context and the record."""
        context, record, call = self._context, self.record, self._call
        self._plan = plan
        self._secrets = (*self._secrets, *plan.secrets) if self._secrets else plan.secrets
        record.provider, record.upstream_model, record.key = plan.target.provider, plan.target.model, plan.key
        context.upstream, context.compat = plan.protocol.name, plan.compat
        ours, theirs = self._protocol, plan.protocol
        if ours.name != theirs.name:
            document = conversion.in_full(document, body)
        if self._memory is not None and ours.history is not None:
            document, body = self._recalled(document, body, theirs, self._memory)
        answered = conversion.answered_here(document, ours, theirs, context, call, self._operation, plan.rules)
        if answered is not None:
            return answered
        prepared = conversion.prepare(
            body, document, ours, theirs, plan.target, context, call, self._operation, plan.rules, plan.known
        )
        self._prepared = prepared
        record.stream = context.stream
        return self._dial(plan, prepared)

    def _dial(self, plan: Plan, prepared: conversion.Prepared) -> Dial:
        return Dial(
            endpoint=plan.endpoint,
            method="POST",
            target=plan.prefix + prepared.path,
            headers=self._request_headers(plan, prepared),
            body=prepared.body,
            connect_timeout=plan.patience.connect,
        )

    def _recalled(
        self, document: dict[str, JSON], body: bytes, theirs: Protocol, memory: Memory
    ) -> tuple[dict[str, JSON], bytes]:
        """The request with the earlier turns that it refers to. An upstream of the client's protocol keeps its answers."""
        ours = self._protocol
        merged = conversion.recalled(document, body, ours, theirs, self._context, memory)
        if ours.history is not None and theirs.name != ours.name and self._operation == conversion.CHAT:
            self._unsaid = merged
        return (document, body) if merged is document else (merged, jsontext.dumps(merged))

    def _say(self) -> None:
        """Writes the conversation that is to be kept, which preparing the request has left as it came."""
        history, document = self._protocol.history, self._unsaid
        self._unsaid = None
        if history is None or document is None:
            return
        try:
            self._said = history.said(document)
        except jsontext.JSONError:  # what nests too deeply to be written, and was left out on the way up
            self._context.note(_NOT_KEPT)

    def _keep(self) -> None:
        """Keeps the answer, so that a later request can refer to it."""
        pump, memory = self._pump, self._memory
        if memory is None or pump is None or not pump.done or not pump.answer:
            return
        if pump.failure is not None or self.record.error is not None:
            return
        self._say()
        if self._said is not None and not memory.keep(pump.answer["id"], Kept(self._said, pump.answer)):
            self._context.note(_NOT_KEPT)

    def _request_headers(self, plan: Plan, prepared: conversion.Prepared) -> tuple[tuple[str, str], ...]:
        if plan.protocol.name != self._protocol.name:
            return plan.request_headers(prepared.stream)
        passing = plan.protocol.pass_headers
        return plan.request_headers(
            prepared.stream, tuple([field for field in self._client_headers if field[0] in passing])
        )

    def _feed(self, data: bytes) -> bytes:
        """Bytes of the upstream's body, when it is not yet known what they are."""
        if self._refused:
            self._refusal += data[: LONGEST_ERROR - len(self._refusal)]
            self.done = len(self._refusal) == LONGEST_ERROR
            return b""
        if self._pump is None:
            if not data.strip():
                return b""
            self._pump = self._choose_pump(data)
        return self.pump(data)

    def _choose_pump(self, first: bytes) -> Pump:
        prepared, streams = self._prepared, self._streams(first)
        # A stream as one JSON array is converted even to its own protocol: the client asked for events.
        relayed = prepared is not None and prepared.relayed and not first.lstrip().startswith(b"[")
        if (
            self._expected is not None
            and prepared is not None
            and (relayed, streams) == (prepared.relayed, prepared.stream)
        ):
            return self._expected
        return self._pump_for(relayed=relayed, streams=streams)

    def _pump_for(self, *, relayed: bool, streams: bool) -> Pump:
        operation = self._operation
        return conversion.pump_for(
            self._protocol, self._upstream, self._context, relayed=relayed, streams=streams, operation=operation
        )

    def _streams(self, first: bytes) -> bool:
        """Whether the upstream's body is a stream. What it says it is counts; where it says nothing or JSON, its first byte
        tells, since some call an event stream `application/json` and some send no type at all."""
        for name, value in self._answer_headers:
            if name == "content-type":
                if "event-stream" in (kind := value.lower()) or "ndjson" in kind:
                    return True
                break
        if self._prepared is None or not self._prepared.stream:
            return False
        return first.lstrip()[:1] not in (b"{", b"")

    def _advance(self, out: bytes, now: float) -> list[Action]:
        """What the pump said, before the commit: an error is answered as one, the first bytes commit."""
        pump = self._pump
        if self.state == "committed":
            return [Write(out)] if out else []
        if self._refused and self.done:
            return self.ended(now)
        if pump is None:
            return []
        if pump.failure is not None:
            return self._failed(pump.failure, now)
        if not self._context.stream:
            return self._reply(out, now) if pump.done else []
        if not out and not pump.done:
            return []
        actions = self._commit(out, now)
        return [*actions, *self.ended(now)] if pump.done else actions

    def _commit(self, data: bytes, now: float) -> list[Action]:
        self.state = "committed"
        self._body = b""
        self.record.answered = self._spoke = now
        self.record.status = 200
        headers = [
            ("content-type", self._protocol.chat.stream_type(self._context)),
            ("cache-control", "no-cache"),
            *self._headers_for_client(self._answer_headers),
        ]
        return [Commit(200, headers, data)]

    def _reply(self, body: bytes, now: float) -> list[Action]:
        self.record.answered = now
        self.record.status = 200
        headers = [("content-type", "application/json"), *self._headers_for_client(self._answer_headers)]
        return [Reply(200, headers, body), Release(), self._finished(now)]

    def _answered(self, answer: Answered, now: float) -> list[Action]:
        """Without an upstream."""
        self.record.answered = now
        self.record.status = 200
        return [Reply(200, [("content-type", answer.content_type)], answer.body), self._finished(now)]

    def _failed(self, error: CcproxyError, now: float, healthy: bool = False) -> list[Action]:
        """The pair did not answer: the request is mended, the next pair is asked, or the exchange breaks."""
        if self.state != "committed":
            again = self._once_more(error, now) or self._fail_over(error, now)
            if again:
                return again
        return self._break(error, now, healthy)

    def _once_more(self, error: CcproxyError, now: float) -> list[Action]:
        """The repaired request, where the vendor table knows the repair for this very error; nothing otherwise, nor for a
        second one. Only before the commit."""
        plan, prepared = self._plan, self._prepared
        if self._repaired or plan is None or prepared is None:
            return []
        document = repaired(conversion.document_of(prepared.body), error, plan.target.traits, self._context.note)
        if document is None:
            return []
        self._forget_answer()
        self._repaired = True
        prepared.body = jsontext.dumps(document)
        self.state, self._heard = "dialled", now
        return [Abort(), self._dial(plan, prepared)]

    def _fail_over(self, error: CcproxyError, now: float) -> list[Action]:
        """The next pair, or what the client is told when none is left; nothing where no other pair would do better. Only
        before the commit."""
        candidates = self._candidates
        if candidates is None:
            return []
        if not candidates.choice.failed(error, now):
            self._candidates = None
            return []
        error.headers = error.headers or tuple(self._headers_for_client(self._answer_headers))
        self._leave(error)
        return [Abort(), *self._attempt(partial(self._next_dial, candidates, failure=error), now)]

    def _leave(self, error: CcproxyError) -> None:
        """The pair has failed, and leaves nothing but its line in the log."""
        record = self.record
        message = self._clean(error.message)
        record.attempts.append(Attempt(record.provider, record.upstream_model, record.key, error.status, message))
        self._forget_answer()
        self._context = self._context.anew()
        self._prepared = self._said = self._unsaid = None
        self._repaired = False

    def _forget_answer(self) -> None:
        self._status, self._answer_headers, self._refused = 0, (), False
        self._pump = self._expected = None
        self._refusal = b""
        self.done = False

    def _break(self, error: CcproxyError, now: float, healthy: bool = False) -> list[Action]:
        """The exchange cannot go on. `healthy`: the upstream's message was whole, its connection can be kept."""
        farewell: Action = Release() if healthy else Abort()
        if self.state != "committed":
            return self._reply_error(error, now, farewell)
        self.record.error = error
        if self._pump is None:
            self._pump = self._choose_pump(b":")
        last = b"" if self._pump.done else self._without_secrets(self._pump.fail(error))
        writes: list[Action] = [Write(last)] if last else []
        return [*writes, End(), farewell, self._finished(now)]

    def _reply_error(self, error: CcproxyError, now: float, farewell: Action | None = None) -> list[Action]:
        error.headers = error.headers or tuple(self._headers_for_client(self._answer_headers))
        reply = error_reply(self._protocol, error)
        headers = [(name, self._clean(value)) for name, value in reply.headers]
        reply = evolve(reply, headers=headers, body=self._without_secrets(reply.body))
        self.record.status, self.record.error = reply.status, error
        return [reply, *([farewell] if farewell else []), self._finished(now)]

    def _finished(self, now: float) -> Finished:
        record = self.record
        self.state = "over"
        record.ended = now
        self._keep()
        self._settle(now)
        record.notes = self._context.notes
        pump = self._pump
        if pump is not None:
            record.counted = lambda: pump.usage
        if record.error is not None:
            record.error.message = self._clean(record.error.message)
        return Finished(record)

    def _settle(self, now: float) -> None:
        """Tells the candidates what came of the last pair."""
        candidates, self._candidates = self._candidates, None
        if candidates is None or self.record.cancelled:
            return
        if self.record.error is None:
            candidates.choice.served()
        else:
            candidates.choice.failed(self.record.error, now)

    def _refusal_said(self) -> CcproxyError:
        """The upstream's error, as far as its body has come."""
        return _as_client_sees(
            read_error(self._upstream.name, self._status, list(self._answer_headers), bytes(self._refusal))
        )

    def _without_secrets(self, data: bytes) -> bytes:
        """Some providers repeat the key that they refuse."""
        for secret in self._secrets:
            data = data.replace(secret.encode(), b"***")
        return data

    def _clean(self, text: str) -> str:
        return self._without_secrets(text.encode(*_ANY)).decode(*_ANY)

    def _headers_for_client(self, headers: Iterable[tuple[str, str]]) -> Headers:
        passing = PASSED_DOWN
        if self._upstream.name == self._protocol.name:
            passing = passing | self._protocol.pass_answer_headers
        return [field for field in headers if (name := field[0]) in passing or name.startswith(PASSED_DOWN_PREFIXES)]

    def _keepalive(self) -> bytes:
        if self._pump is None:
            return self._pump_for(relayed=False, streams=True).keepalive()
        return self._pump.keepalive()

    @property
    def _upstream(self) -> Protocol:
        return self._plan.protocol if self._plan else self._protocol

    @property
    def _patience(self) -> Patience:
        return self._plan.patience if self._plan else Patience()

    @property
    def _dialled(self) -> float:
        return self.record.dialled if self.record.dialled is not None else self.record.began


def error_reply(protocol: Protocol, error: CcproxyError) -> Reply:
    """The error as a whole answer in the shape of `protocol`."""
    headers: Headers = [("content-type", "application/json"), *error.headers]
    if error.retry_after is not None and not any(name == "retry-after" for name, _ in headers):
        headers.append(("retry-after", f"{math.ceil(error.retry_after)}"))
    return Reply(protocol.status_for(error), headers, jsontext.dumps(protocol.write_error(error)))


def _as_client_sees(error: UpstreamError) -> UpstreamError:
    """An upstream's refusal whose status means something else to our client: a redirect, which it must not follow."""
    if 300 <= error.status < 400:
        error.status = 502
        error.message = "the upstream answered with a redirect; check the provider's base_url"
    return error

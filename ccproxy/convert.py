"""The converters as a library: requests, whole answers and streams between any two of the protocols, without I/O.

    converted = convert_request(body, source="claude", target="openai", model="gpt-5-mini")
    ...send converted.body to the base URL + converted.path, with converted.headers and your credentials...
    answer = convert_response(answer_body, converted.context)                 # the client asked for a whole answer
    stream = StreamConverter(converted.context)                               # or for a stream
    client.write(stream.feed(upstream_bytes)); ...; client.write(stream.close())

Importing this reads no file, starts no loop and pulls in neither asyncio nor an HTTP client.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from ccproxy.codec import jsontext
from ccproxy.conversion import document_of, model_of, prepare, pump_for
from ccproxy.errors import Broken, RequestError
from ccproxy.model import JSON, Context, Target
from ccproxy.policy.vendors import BUILT_IN
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call, Protocol

if TYPE_CHECKING:
    from ccproxy.turnwise import Conversations


@frozen(kw_only=True)
class Converted:
    """A request for the target. body: its JSON document. path: behind the provider's base URL, with the query string.
    headers: what the protocol demands, without credentials. notes: what was dropped or adapted and why.
    context: goes to `convert_response` or `StreamConverter`, for this one answer."""

    body: bytes
    path: str
    headers: Mapping[str, str]
    context: Context = field(repr=False)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self.context.notes)


def new_context(*, client: str, upstream: str, model: str = "", stream: bool = False) -> Context:
    """A context of its own, for an answer or stream whose request was not converted here. client: the protocol to convert
    to; upstream: the one to convert from; model: the name that the converted answer carries. Raises RequestError."""
    protocol = protocol_named(client)
    protocol_named(upstream)
    shape = "" if "" in protocol.chat.native_shapes else min(protocol.chat.native_shapes)
    return Context(
        client=client,
        upstream=upstream,
        model=model,
        stream=stream,
        shape=shape,
        id=secrets.token_hex(12),
        created=int(time.time()),
    )


def convert_request(
    body: bytes | dict[str, JSON],
    *,
    source: str,
    target: str,
    model: str = "",
    stream: bool | None = None,
    query: Mapping[str, str] | None = None,
    compat: bool = False,
    known: Conversations | None = None,
) -> Converted:
    """A request of the protocol `source` as one of the protocol `target`.

    body: the client's JSON document. model: the upstream's model; the client's own name when empty. stream: what the
    client's path said about streaming where the protocol says it there (Gemini's action); None where the body says it.
    query: the request's query string, decoded. compat: the model has no tool calls of its own, so that
    tools go as text. known: of earlier requests; what a conversation begins with is not converted again. Raises
    RequestError, with `Unsupported` for what the target cannot express.
    """
    client, upstream = protocol_named(source), protocol_named(target)
    raw = body if isinstance(body, bytes) else _json(body)
    document = document_of(raw)
    context = new_context(client=source, upstream=target)
    context.compat = compat
    named = document.get("model")
    call = Call(model="" if isinstance(named, str) and named else model, stream=stream, query=query or {})
    context.model = model_of(document, call)
    wanted = Target(protocol=target, model=model or context.model)
    path = upstream.chat.path(wanted, True, "")
    destination = evolve(wanted, traits=BUILT_IN.traits("", "", wanted.model, path))
    prepared = prepare(raw, document, client, upstream, destination, context, call, known=known)
    if prepared.remember is not None:
        prepared.remember()
    return Converted(body=prepared.body, path=prepared.path, headers=dict(prepared.headers), context=context)


def convert_response(body: bytes, context: Context) -> bytes:
    """A whole answer of the context's upstream as one of its client, both as JSON bytes. Raises UpstreamError for what is
    no answer of that protocol, and for the upstream's own error document."""
    context.stream = False
    pump = pump_for(*_sides(context), context, relayed=False, streams=False)
    pump.feed(body)
    out = pump.eof()
    if pump.failure is not None:
        raise pump.failure
    return out


class StreamConverter:
    """One stream of the context's upstream as one of its client. `done` is true once the answer is over; `failure` says how
    it broke, which the client's stream has been told in its own protocol."""

    def __init__(self, context: Context) -> None:
        context.stream = True
        self._pump = pump_for(*_sides(context), context, relayed=False, streams=True)

    @property
    def done(self) -> bool:
        return self._pump.done

    @property
    def failure(self) -> Exception | None:
        return self._pump.failure

    def feed(self, data: bytes) -> bytes:
        """The upstream's next bytes, cut anywhere; returns the client's, perhaps none."""
        return self._pump.feed(bytes(data))  # no copy of what is bytes; other kinds of buffers lack its methods

    def close(self, *, broken: str = "") -> bytes:
        """The upstream's stream ended, or, with a reason, broke off; returns the client's last bytes."""
        return self._pump.fail(Broken(broken)) if broken else self._pump.eof()


def protocol_named(name: str) -> Protocol:
    """The protocol's record. Raises RequestError with the names there are."""
    protocol = PROTOCOLS.get(name)
    if protocol is None:
        raise RequestError(f"there is no protocol {name!r}; known: {', '.join(PROTOCOLS)}", param="protocol")
    return protocol


def _json(body: dict[str, JSON]) -> bytes:
    try:
        return jsontext.dumps(body)
    except jsontext.JSONError as error:
        raise RequestError(f"the body holds what JSON cannot: {error}", code="invalid_json") from None


def _sides(context: Context) -> tuple[Protocol, Protocol]:
    return protocol_named(context.client), protocol_named(context.upstream)


__all__ = [
    "Converted",
    "StreamConverter",
    "convert_request",
    "convert_response",
    "new_context",
    "protocol_named",
]

"""The request's way, and which pump its answer takes. Shared by the exchange and by the library's converters.

A request whose client and upstream speak the same protocol, and of which nothing has to change but the model's name, is
relayed: its bytes go up as they came. Any other is read into the model and written again; so is one with another maker's
signatures in its history, which this upstream would refuse.
"""

from __future__ import annotations

from attrs import define, field

from ccproxy.codec import jsontext, splice
from ccproxy.errors import RequestError
from ccproxy.model import JSON, SEALS, Context, Target
from ccproxy.protocols.base import Call, Headers, Protocol
from ccproxy.pump import Carrier, Converter, Folder, Gatherer, Pump, Relay


@define(slots=True, kw_only=True)
class Prepared:
    """A request as the upstream gets it. path: behind the base URL. headers: without credentials. stream: whether the
    upstream was asked to stream. relayed: the answer passes as it is, too."""

    path: str
    headers: Headers
    body: bytes
    stream: bool
    relayed: bool = field(default=False)


def document_of(body: bytes) -> dict[str, JSON]:
    """A client's body as a JSON object. Raises RequestError."""
    if not body.strip():
        raise RequestError("the request has no body; a JSON object is expected", code="invalid_json")
    try:
        document = jsontext.loads_exact(body)
    except jsontext.JSONError as error:
        raise RequestError(f"the request's body is not JSON: {error}", code="invalid_json") from None
    if not isinstance(document, dict):
        raise RequestError("the request's body is no JSON object", code="invalid_json")
    return document


def model_of(document: dict[str, JSON], call: Call) -> str:
    """The model that the client asks for, from the path or the body. Raises RequestError when there is none."""
    model = call.model or document.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("the request names no model", code="missing_model", param="model")
    return model


def prepare(
    body: bytes,
    document: dict[str, JSON],
    client: Protocol,
    upstream: Protocol,
    target: Target,
    context: Context,
    call: Call,
) -> Prepared:
    """The request for the upstream. Fills the context. Raises RequestError, Unsupported among them."""
    client.chat.peek(document, context, call)
    stream = context.stream if target.stream == "auto" else target.stream == "always"
    passes = _unchanged(client, upstream, target, context, stream) and not any(seal in body for seal in SEALS)
    if passes and _can_think(target):
        return _relayed(body, document, upstream, target, stream)
    request = client.chat.read_request(document, context, call)
    if passes and request.reasoning is None:
        return _relayed(body, document, upstream, target, stream)
    if request.reasoning is not None and not _can_think(target):
        context.note("the model does not think, so it was not asked to")
        request.reasoning = None
    request.model, request.stream = target.model, stream
    written = upstream.chat.write_request(request, target, context)
    return Prepared(
        path=upstream.chat.path(target, stream, ""),
        headers=list(upstream.headers),
        body=jsontext.dumps(written),
        stream=stream,
    )


def pump_for(client: Protocol, upstream: Protocol, context: Context, *, relayed: bool, streams: bool) -> Pump:
    """The answer's way. `streams`: the upstream's answer is a stream, whatever was asked for."""
    if not streams:
        return (Carrier if relayed and not context.stream else Folder)(upstream.chat, client.chat, context)
    if not context.stream:
        return Gatherer(upstream.chat, client.chat, context)
    return Relay(upstream.chat, context) if relayed else Converter(upstream.chat, client.chat, context)


def _unchanged(client: Protocol, upstream: Protocol, target: Target, context: Context, stream: bool) -> bool:
    same = client.name == upstream.name and stream == context.stream and not target.defaults
    return same and (not stream or context.shape in client.chat.native_shapes)


def _can_think(target: Target) -> bool:
    """False where the config says what the model can do and thinking is not in it: clients such as Claude Code ask every
    model to think, and many servers answer that with 400."""
    return not target.abilities or "thinking" in target.abilities


def _relayed(body: bytes, document: dict[str, JSON], upstream: Protocol, target: Target, stream: bool) -> Prepared:
    named = document.get("model")
    if isinstance(named, str) and named != target.model:
        body = splice.replace_string(body, "model", target.model) or body
    headers = list(upstream.headers)
    return Prepared(path=upstream.chat.path(target, stream, ""), headers=headers, body=body, stream=stream, relayed=True)

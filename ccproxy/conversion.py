"""The request's way, and which pump its answer takes. Shared by the exchange and by the library's converters.

Every operation (chat, embeddings, count) takes the same way: it is a column of the protocols' records, and what differs
stands in two small tables here: what is answered without an upstream, and the pump of an answer that is no conversation.

A request whose client and upstream speak the same protocol, and of which nothing has to change but the model's name, is
relayed: its bytes go up as they came. Any other is read into the model and written again; so is one with another maker's
signatures in its history, which this upstream would refuse, every one in compat mode, and what a group's rules change. In
the last case the answer passes all the same: rules are about requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from ccproxy import media, notes, reasoning, tokens
from ccproxy.codec import jsontext, splice
from ccproxy.codec.news import News
from ccproxy.errors import CcproxyError, Malformed, RequestError, Unsupported
from ccproxy.model import JSON, SEALED, Context, EmbeddingRequest, Request, Target, ToolCall, ToolResult, Usage
from ccproxy.policy import rewrite
from ccproxy.policy.fitting import fitted
from ccproxy.policy.rewrite import Rules
from ccproxy.protocols.base import Call, Chat, Headers, Memory, Operation, Protocol
from ccproxy.pump import Carrier, Converter, Folder, Gatherer, Pump, Relay, Stages, Turner, whole_document
from ccproxy.turns import exact_id

if TYPE_CHECKING:  # it is loaded by those who remember anything
    from ccproxy.turnwise import Conversations, Way

CHAT = "chat"
_WITH_TOOLS = frozenset({CHAT, "count"})


@define(slots=True, kw_only=True)
class Prepared:
    """A request as the upstream gets it. path: behind the base URL. headers: without credentials. stream: whether the
    upstream was asked to stream. relayed: the answer passes as it is, too."""

    path: str
    headers: Headers
    body: bytes
    stream: bool
    relayed: bool = field(default=False)
    remember: Callable[[], None] | None = field(default=None)


def document_of(body: bytes) -> dict[str, JSON]:
    """A client's body as a JSON object. Raises RequestError."""
    return _object(body, jsontext.loads_exact)


def glance_of(body: bytes) -> dict[str, JSON]:
    """The same sooner, for a body that may pass as it is: integers of more than 64 bits are floats, until it is read
    `in_full`."""
    return _object(body, jsontext.loads)


def in_full(document: dict[str, JSON], body: bytes) -> dict[str, JSON]:
    """What a glance of the body gave, with all integers exact. Raises RequestError."""
    return document_of(body) if jsontext.has_long_integers(body) else document


def _object(body: bytes, loads: Callable[[bytes], JSON]) -> dict[str, JSON]:
    if not body.strip():
        raise RequestError("the request has no body; a JSON object is expected", code="invalid_json")
    try:
        document = loads(body)
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


def recalled(
    document: dict[str, JSON], body: bytes, client: Protocol, upstream: Protocol, context: Context, memory: Memory
) -> dict[str, JSON]:
    """The request with the earlier turns that it only refers to; the very document where it refers to none, or to an answer
    that an upstream of the same protocol may know. Raises RequestError, NotFound for an answer that nobody knows."""
    history = client.history
    previous = history.previous(document) if history is not None else ""
    if history is None or not previous:
        return document
    kept = memory.recall(previous)
    if kept is not None:
        return history.merge(in_full(document, body), kept, context)
    if client.name == upstream.name:
        return document
    raise history.unknown(previous)


@frozen
class Answered:
    """What the client is answered without asking anybody."""

    body: bytes
    content_type: str = "application/json"


def answered_here(
    document: dict[str, JSON],
    client: Protocol,
    upstream: Protocol,
    context: Context,
    call: Call,
    operation: str,
    rules: Rules | None = None,
) -> Answered | None:
    """The answer that needs no upstream, where it speaks another protocol; None where it has to be asked. Raises
    RequestError."""
    same = client.name == upstream.name
    return None if same or operation not in _HERE else _HERE[operation](document, client, context, call, rules)


def prepare(
    body: bytes,
    document: dict[str, JSON],
    client: Protocol,
    upstream: Protocol,
    target: Target,
    context: Context,
    call: Call,
    operation: str = CHAT,
    rules: Rules | None = None,
    known: Conversations | None = None,
) -> Prepared:
    """The request for the upstream. document: of the body; at a glance will do where client and upstream speak the same
    protocol. rules: what the group does to it. known: what earlier requests became, with which it is faster and comes to
    the same. Fills the context. Raises RequestError, Unsupported among them."""
    ours, theirs = _column(client, operation), _column(upstream, operation)
    own, chat = client.name == upstream.name, operation == CHAT
    known = known if chat and len(body) >= _LARGE else None
    request = None
    if own or known is not None:
        ours.peek(document, context, call)
    else:  # it has to be read in any case
        request = ours.read_request(document, context, call)
    asking = target.traits.stream if target.stream == "auto" else target.stream
    stream = context.stream if not chat or asking == "auto" else asking == "always"
    shape = context.shape if own else ""
    in_words = context.compat and operation in _WITH_TOOLS
    rules = rules if rules is not None and operation in _WITH_TOOLS and rules.concern(body) else None
    told = Prepared(path=theirs.path(target, stream, shape), headers=list(upstream.headers), body=body, stream=stream)
    asks_alike = own and stream == context.stream and shape in ours.native_shapes and not (chat and target.defaults)
    if chat:
        context.count_input = partial(_tokens_of, told, upstream)
    news = known.bodies.news(client.name, body) if known is not None and own else News(body)
    told.relayed = asks_alike and not in_words and not any(mark in news.part for mark in (SEALED, *ours.unfit))
    if known is not None and not own and not in_words:
        written = known.body(_way(client, upstream, target, context, call, rules, stream), document)
        if written is not None:
            told.body = written
            return told
    if not told.relayed or rules is not None or (chat and _is_limited(target)):
        if request is None:
            request = ours.read_request(in_full(document, body) if own else document, context, call)
        if chat and not own:
            notes.own_members(request.extras, context, client.chat.quiet)
            notes.inner_members(request, context, client.chat.quiet_within)
        ruled = rules is not None and rewrite.apply(rules, request)
        if in_words:
            _in_words(request, context)
        bent = chat and _bend(request, target, context)
        if ruled or bent or not told.relayed:
            told.relayed = told.relayed and not bent
            told.body = _written(request, theirs, target, context, stream, own=own)
            return told
    relay = partial(_relayed, context=context, chat=theirs) if isinstance(theirs, Chat) else _renamed
    told.body = relay(body, document, target, news)
    if known is not None and news.place >= 0:
        told.remember = partial(known.bodies.keep, client.name, body, news)
    return told


_LARGE = 16 * 1024
"""Bytes of a body from which on it is worth while to remember it: it has tools, or a history. A smaller one is converted,
or searched, sooner than it is compared."""


def _way(
    client: Protocol,
    upstream: Protocol,
    target: Target,
    context: Context,
    call: Call,
    rules: Rules | None,
    stream: bool,
) -> Way:
    """How `known` converts a request's pieces: the steps of `prepare`, in the same order."""
    from ccproxy.turnwise import Way

    def write(request: Request, target: Target, context: Context, rules: Rules | None) -> dict[str, JSON]:
        if rules is not None:
            rewrite.apply(rules, request)
        _bend(request, target, context)
        request.model, request.stream = target.model, stream
        return upstream.chat.write_request(request, target, context)

    def finish(request: Request, written: dict[str, JSON], context: Context) -> dict[str, JSON]:
        return fitted(written, target.traits, context.note, own=False, thinks=reasoning.is_asked(request.reasoning))

    return Way(
        client=client,
        upstream=upstream,
        target=target,
        context=context,
        call=call,
        rules=rules,
        stream=stream,
        write=write,
        finish=finish,
    )


def _tokens_of(told: Prepared, upstream: Protocol) -> int:
    """The request's tokens, estimated from what went up. 0 where that cannot be read: a count is no reason to fail."""
    try:
        document, context = document_of(told.body), Context(client=upstream.name, upstream=upstream.name)
        request = upstream.chat.read_request(document, context, Call(model=context.upstream))
    except CcproxyError:
        return 0
    return tokens.of_request(request)


_MEDIA = (b"base64", b"inlineData", b"inline_data", b'"images"')
"""What stands in bodies whose length says nothing of their tokens."""


def let_go(told: Prepared, context: Context) -> None:
    """Holds the request's body no longer, which has hundreds of kilobytes and whose answer may stream for minutes. What
    stays is about how many tokens it has, for an upstream that counts none."""
    if context.count_input is not None:
        plain = not any(mark in told.body for mark in _MEDIA)
        count = math.ceil(len(told.body) / tokens.BYTES_PER_TOKEN) if plain else context.count_input()
        context.count_input = partial(int, count)
    told.body = b""


def pump_for(
    client: Protocol, upstream: Protocol, context: Context, *, relayed: bool, streams: bool, operation: str = CHAT
) -> Pump:
    """The answer's way. `streams`: the upstream's answer is a stream, whatever was asked for."""
    if operation != CHAT:
        return Turner(_TURNS[operation](client, upstream, context, relayed))
    stages = _stages(context) if context.compat else ()
    if not streams:
        return (Carrier if relayed and not context.stream else Folder)(upstream.chat, client.chat, context, stages)
    if not context.stream:
        return Gatherer(upstream.chat, client.chat, context, stages)
    return Relay(upstream.chat, context) if relayed else Converter(upstream.chat, client.chat, context, stages)


def _in_words(request: Request, context: Context) -> None:
    """Compat mode is loaded where it is used: it takes longer than all else that a server loads for its first request."""
    from ccproxy.policy import compat

    compat.apply(request, context)


def _stages(context: Context) -> Stages:
    from ccproxy.policy import compat

    return compat.stages(context)


def _column(protocol: Protocol, operation: str) -> Operation[Any]:
    column = protocol.operations.get(operation)
    if column is None:
        raise Unsupported(operation, protocol.name, "it has no such operation")
    return column


def _written(request: Any, theirs: Operation[Any], target: Target, context: Context, stream: bool, *, own: bool) -> bytes:
    """The request as the upstream's document."""
    request.model = target.model
    if isinstance(request, EmbeddingRequest):
        context.input_estimate = tokens.of_embedding(request)
    else:
        request.stream = stream
    written = theirs.write_request(request, target, context)
    if isinstance(theirs, Chat):
        written = theirs.refit(written, target, context.note) if own else written
        thinks = reasoning.is_asked(request.reasoning)
        written = fitted(written, target.traits, context.note, own=own, thinks=thinks)
    return jsontext.dumps(written)


def _is_limited(target: Target) -> bool:
    """Whether a conversation has to be looked at before it can pass."""
    return not (_can(target, "thinking") and _can(target, "vision")) or bool(target.traits.id_length)


def _can(target: Target, ability: str) -> bool:
    """False where the config says what the model can do and this is not in it."""
    return not target.abilities or ability in target.abilities


def _bend(request: Request, target: Target, context: Context) -> bool:
    """Takes out what the model cannot do; true where there was any. Clients such as Claude Code ask every model to think
    and read images with their tools, and many servers answer either with 400."""
    thinks = request.reasoning is None or _can(target, "thinking")
    if not thinks:
        context.note("the model does not think, so it was not asked to")
        request.reasoning = None
    sees = _can(target, "vision") or not sum(media.blind(message.parts) for message in request.messages)
    if not sees:
        context.note("the model does not see, so a text stands in the place of each image")
    strange = _strange_ids(request, target.traits.id_length)
    return strange or not (thinks and sees)


def _strange_ids(request: Request, length: int) -> bool:
    """Gives calls ids that the target takes; true where one had another. Earlier turns may be another vendor's."""
    if not length:
        return False
    parts = [part for message in request.messages for part in message.parts if isinstance(part, (ToolCall, ToolResult))]
    strange = [part for part in parts if exact_id(part.id, length) != part.id]
    for part in strange:
        part.id = exact_id(part.id, length)
    return bool(strange)


def _relayed(body: bytes, document: dict[str, JSON], target: Target, news: News, context: Context, chat: Chat) -> bytes:
    """The bytes as they came, but for the model's name, and for what the target would refuse."""

    def fit_of(document: dict[str, JSON]) -> dict[str, JSON]:
        return fitted(chat.refit(document, target, context.note), target.traits, context.note, own=True)

    if fit_of(document) is document:
        return _renamed(body, document, target, news)
    news.place = -1  # nobody has looked for the name in what is new
    fit = fit_of(in_full(document, body))
    return jsontext.dumps({**fit, "model": target.model} if "model" in fit else fit)


def _renamed(body: bytes, document: dict[str, JSON], target: Target, news: News) -> bytes:
    """Leaves in `news` where the name stands, if that is once."""
    named = document.get("model")
    if not isinstance(named, str) or named == target.model:
        news.place = -1
        return body
    if news.place < 0 or splice.may_stand(news.part, "model"):
        news.place = splice.only_place(body, "model")
    if news.place >= 0 and (spliced := splice.replace_at(body, "model", target.model, news.place)) is not None:
        return spliced
    news.place = -1
    spliced = splice.replace_string(body, "model", target.model)
    return jsontext.dumps({**in_full(document, body), "model": target.model}) if spliced is None else spliced


# ---------------------------------------------------------------------------------------------------------------------
# What is answered here


def _alone(
    document: dict[str, JSON], client: Protocol, context: Context, call: Call, rules: Rules | None
) -> Answered | None:
    chat = client.chat
    if chat.alone is None:
        return None
    chat.peek(document, context, call)
    answer = chat.alone(document, context)
    if answer is None:
        return None
    if context.stream:
        return Answered(jsontext.dumps(answer) + chat.record_end, chat.stream_type(context))
    return Answered(jsontext.dumps(answer))


def _counted(
    document: dict[str, JSON], client: Protocol, context: Context, call: Call, rules: Rules | None
) -> Answered | None:
    """Sent to an upstream of another protocol, a count would only be refused there (F099)."""
    counting = client.count
    assert counting is not None
    request = counting.read_request(document, context, call)
    if rules is not None:
        rewrite.apply(rules, request)
    if context.compat:
        _in_words(request, context)
    count = tokens.of_request(request)
    return Answered(jsontext.dumps(counting.write_answer(count, context)))


_HERE: dict[str, Callable[[dict[str, JSON], Protocol, Context, Call, Rules | None], Answered | None]] = {
    CHAT: _alone,
    "count": _counted,
}

# ---------------------------------------------------------------------------------------------------------------------
# Answers that are no conversation

Turn = Callable[[bytes], tuple[bytes, Usage | None]]


def _vectors(client: Protocol, upstream: Protocol, context: Context, relayed: bool) -> Turn:
    ours, theirs = client.embeddings, upstream.embeddings
    assert ours is not None
    assert theirs is not None

    def turn(body: bytes) -> tuple[bytes, Usage | None]:
        answer = theirs.read_answer(whole_document(body, context.upstream), context)
        if answer.usage is None and context.input_estimate:
            answer.usage = Usage(input=context.input_estimate, estimated=True)
        return jsontext.dumps(ours.write_answer(answer, context)), answer.usage

    def passing(body: bytes) -> tuple[bytes, Usage | None]:
        """For the log only; vectors in an encoding that we do not know still pass to the client that asked for it."""
        document = whole_document(body, context.upstream)
        try:
            return body, theirs.read_answer(document, context).usage
        except Malformed as error:
            context.note(f"the answer could not be read for its usage: {error.message}")
            return body, None

    return passing if relayed else turn


def _count(client: Protocol, upstream: Protocol, context: Context, relayed: bool) -> Turn:
    """Only an upstream of the client's protocol is asked, so that its answer passes as it is."""

    def turn(body: bytes) -> tuple[bytes, Usage | None]:
        whole_document(body, context.upstream)
        return body, None

    return turn


_TURNS: dict[str, Callable[[Protocol, Protocol, Context, bool], Turn]] = {"embeddings": _vectors, "count": _count}

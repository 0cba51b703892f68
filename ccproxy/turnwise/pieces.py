"""The pieces of a request, each converted by itself in a frame of words, and put together again. Which there are, and why
they may be: see the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice

from attrs import evolve, field, frozen

from ccproxy import notes, turns
from ccproxy.codec import jsontext
from ccproxy.model import JSON, Context, Message, Part, Request, Target, Text, ToolCall, ToolResult
from ccproxy.policy.rewrite import Rules
from ccproxy.protocols.base import Call, Protocol
from ccproxy.turnwise.kept import NOTHING, Beginning, Conversation, Document, Frame, Key, Settings, Told

OPEN_STEPS = 2
"""The last steps are remembered by themselves: Claude Code marks its last two turns for the cache, and the marks move on as
the conversation grows."""

_WORD = "."


@frozen(kw_only=True)
class Way:
    """From whom to whom a request goes. context: the exchange's. stream: whether the upstream is asked to stream.

    write(request, target, context, rules): a request, or a piece of one, as the upstream's document.
    finish(request, document, context): what is left to do to that, beside its conversation.
    """

    client: Protocol
    upstream: Protocol
    target: Target
    context: Context
    call: Call
    rules: Rules | None
    stream: bool
    write: Callable[[Request, Target, Context, Rules | None], Document]
    finish: Callable[[Request, Document, Context], Document]

    @property
    def history(self) -> str:
        """The member of the upstream's document that has the messages."""
        return self.upstream.chat.conversation[0]


def steps(raw: list[JSON], speaks: Callable[[JSON], bool], places: Iterable[int]) -> Iterator[int]:
    """The places among these, from 1 on, where a step begins. Most messages of a history are never looked at."""
    return (n for n in places if speaks(raw[n]) and not speaks(raw[n - 1]))


def key_of(way: Way, raw: list[JSON], first: int) -> Key:
    """A conversation is known by its first step."""
    second = next(steps(raw, way.client.chat.speaks, range(first + 1, len(raw))), len(raw))
    begin = jsontext.dumps_usual(raw[first:second])
    return way.client.name, way.upstream.name, way.target.provider, way.target.model, begin


def settings_of(way: Way, document: Document, tools: list[JSON], said: bytes, asked: tuple[object, ...]) -> Settings | None:
    """tools: the messages that bring some."""
    ours, theirs = way.client.chat, way.upstream.chat
    history, *others = ours.conversation
    context = _blank(way.context)
    settings = {key: value for key, value in document.items() if key not in others}
    request = ours.read_request({**settings, history: tools or document[history][:1]}, context, way.call)
    notes.own_members(request.extras, context, ours.quiet)
    request.system, request.messages = [Text(_WORD)], [_opening(), *_closing()]
    found = _written(way, request, way.target, context, way.rules and way.rules.for_settings())
    if found is None:
        return None
    _, opening, *closing = [None, *found.document[way.history]][-4:]
    document = {
        key: value if key in theirs.conversation else _ready(value)
        for key, value in way.finish(request, found.document, context).items()
    }
    told = evolve(found.told, notes=tuple(context.notes))
    return Settings(
        said, asked, way.target, way.rules, document, Frame(opening, closing), told, context.tools, context.echo
    )


def at_once(way: Way, document: Document, settings: Settings) -> bytes | None:
    """With the whole conversation as one piece, of which nothing is remembered."""
    context = _blank(way.context)
    request = way.client.chat.read_request(_conversation_of(way, document), context, way.call)
    found = _piece_written(way, request.messages, context, way.rules and way.rules.for_conversation(), request.system)
    if found is None:
        return None
    written = {key: found.document[key] for key in way.upstream.chat.conversation if key in found.document}
    return together(way, settings, Beginning(b"", written, found.told, context.echo))


def beginning_of(
    way: Way, conversation: Conversation, document: Document, raw: list[JSON], frame: Frame
) -> Beginning | None:
    """None where it cannot be written by itself: the user has to have spoken, and nobody else but the system."""
    said = _conversation_of(way, {**document, way.client.chat.conversation[0]: raw})
    text = jsontext.dumps_usual(said)
    if conversation.beginning is not None and conversation.beginning.said == text:
        return conversation.beginning
    context = _blank(way.context)
    request = way.client.chat.read_request(said, context, way.call)
    roles = {message.role for message in request.messages}
    if "user" not in roles or not roles <= {"user", "system"}:
        return None
    messages = [*request.messages, *_closing()]
    found = _piece_written(way, messages, context, way.rules and way.rules.for_conversation(), request.system)
    history = found.document[way.history] if found is not None else []
    if found is None or history[-2:] != frame.closing:
        return None
    written = {key: found.document[key] for key in way.upstream.chat.conversation if key in found.document}
    written[way.history] = history[:-2]
    conversation.beginning = Beginning(text, written, found.told, context.echo)
    return conversation.beginning


def _conversation_of(way: Way, document: Document) -> Document:
    """A client's document with nothing but its conversation."""
    members = way.client.chat.conversation
    return {"model": way.context.model} | {key: document[key] for key in members if key in document}


@frozen
class Last:
    """What comes behind the remembered steps, and is not to be remembered."""

    messages: list[JSON] = field(factory=list)
    told: Told = NOTHING


def grown(way: Way, conversation: Conversation, raw: list[JSON], known: int, frame: Frame) -> Last | None:
    """Adds the messages behind the known ones to the conversation's steps, as far as that can be; gives the others. None
    where they cannot be written by themselves."""
    starts = steps(raw, way.client.chat.speaks, range(len(raw) - 1, known, -1))
    split = next(islice(starts, OPEN_STEPS - 1, None), known)
    if split > known and _added(way, conversation, raw[known:split], frame, closed=True) is None:
        return None
    return _added(way, conversation, raw[split:], frame)


def _added(way: Way, conversation: Conversation, raw: list[JSON], frame: Frame, *, closed: bool = False) -> Last | None:
    """The same for messages that are one piece. closed: None also where they cannot be added."""
    if not raw:
        return Last()
    messages, context = _read_steps(way, conversation, raw)
    if conversation.ids and not _stands_alone(messages, conversation.ids.keys()):
        return None
    rules = way.rules and way.rules.for_later()
    calls = None if way.client.chat.speaks(raw[-1]) else turns.paired_ids(messages)
    if calls is not None:
        found = _piece_written(way, [_opening(), *messages, *_closing()], context, rules)
        written = frame.within(found.document[way.history], way.upstream.chat.speaks) if found is not None else None
        if found is not None and written is not None:
            conversation.add(raw, written, calls, found.told, context.pairs)
            return Last()
    if closed:
        return None
    if calls is not None:
        messages, context = _read_steps(way, conversation, raw)  # writing changes what is written
    found = _piece_written(way, [_opening(), *messages], context, rules)
    written = frame.behind(found.document[way.history], way.upstream.chat.speaks) if found is not None else None
    return Last(written, found.told) if found is not None and written is not None else None


def _read_steps(way: Way, conversation: Conversation, raw: list[JSON]) -> tuple[list[Message], Context]:
    context, pairs = _blank(way.context), conversation.end.pairs
    context.pairs = pairs.copy() if pairs is not None else None
    document = {"model": way.context.model, way.client.chat.conversation[0]: raw}
    return way.client.chat.read_request(document, context, way.call).messages, context


def _stands_alone(messages: list[Message], known: Set[str]) -> bool:
    """Whether these messages have none of the known ids, and the call of each of their results. A result without one may
    belong to any: OpenAI's deprecated ones say no id, and are numbered as they come."""
    parts = [part for message in messages for part in message.parts]
    calls = {part.id for part in parts if isinstance(part, ToolCall)}
    return calls.isdisjoint(known) and calls.issuperset(part.id for part in parts if isinstance(part, ToolResult))


def _opening() -> Message:
    return Message("user", [Text(_WORD)])


def _closing() -> list[Message]:
    return [Message("assistant", [Text(_WORD)]), Message("user", [Text(_WORD)])]


def _blank(context: Context) -> Context:
    """For a piece of the request."""
    return Context(
        client=context.client, upstream=context.upstream, model=context.model, id=context.id, created=context.created
    )


@frozen
class _Written:
    document: Document
    told: Told


def _piece_written(
    way: Way, messages: list[Message], context: Context, rules: Rules | None, system: Sequence[Part] = ()
) -> _Written | None:
    """The same for a piece of the conversation, of whose sampling nothing is to be said."""
    request = Request(origin=way.client.name, model="", system=list(system), messages=messages)
    return _written(way, request, evolve(way.target, defaults={}), context, rules)


def _written(way: Way, request: Request, target: Target, context: Context, rules: Rules | None) -> _Written | None:
    """A piece as the upstream's document; None where it must not be written by itself."""
    if not way.upstream.chat.apart(request, target):
        return None
    lost = tuple(notes.inner_names(request, way.client.chat.quiet_within))
    document = way.write(request, target, context, rules)
    return _Written(document, Told(tuple(context.notes), lost, context.tool_names, context.tool_ids))


# ---------------------------------------------------------------------------------------------------------------------
# Together


def _tell(context: Context, origin: str, pieces: Sequence[Told]) -> None:
    """What the context would know if the whole had been converted."""
    for told in pieces:
        for sentence in told.notes:
            context.note(sentence)
        context.tool_names |= told.names
        context.tool_ids |= told.ids
    notes.tell_inner([name for told in pieces for name in told.lost], origin, context)


def together(
    way: Way,
    settings: Settings,
    beginning: Beginning,
    conversation: Conversation | None = None,
    last: Last | None = None,
) -> bytes:
    """The settings' document with the conversation in its place, as text; the way's context is told of all of it."""
    said = dict(beginning.document)
    if conversation is not None and last is not None:
        steps = [jsontext.ready(conversation.written)] if conversation.written else []
        said[way.history] = [*said[way.history], *steps, *last.messages]
    members = way.upstream.chat.conversation
    body = jsontext.dumps_usual(
        {key: said.get(key, value) for key, value in settings.document.items() if key not in members or key in said}
    )
    later = [*conversation.told, last.told] if conversation is not None and last is not None else []
    _tell(way.context, way.client.name, [beginning.told, *later, settings.told])
    way.context.tools, way.context.echo = settings.tools, way.context.echo | settings.echo | beginning.echo
    return body


def _ready(value: JSON) -> JSON:
    return jsontext.ready(jsontext.dumps_usual(value)) if type(value) in (list, dict) else value

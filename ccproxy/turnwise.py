"""A request converted for what is new in it: what an earlier one of its conversation said is remembered as it was written.

An agent sends with every turn the same tools and the same history, and a step or two more. To convert two hundred messages
anew takes five times as long as to decode and encode them. So a request is converted in pieces, and each is remembered:

    settings     all but the system prompt and the messages: the tools are most of it, those among the messages too
    beginning    the system prompt, and the messages before the model's first answer
    steps        an answer, and what follows it up to the next one (its calls' results)

Each piece goes through the protocols' own readers and writers as a request of its own, in a frame of words that are taken
off again. Together they are, byte for byte, what the whole request would have become. For writers look from one message
to another for four reasons only, and where one of them applies the whole is converted as one:

- Turns of one role are joined. A step begins with the model's turn and ends with another's, on the wire as in the model.
- Calls and results belong together. Steps are remembered only if each call in them has its result, at once and in order;
  no id in what comes later may be one that is remembered, and each result there needs its call (`turns.settle` would move
  results, and make ids anew). A conversation in which this fails is converted as one from then on, while it grows.
- The first and the last turn are special. In the frame a piece is neither; what is not closed by it is not remembered.
- An upstream counts or compares over the whole request (Claude's cache marks). `Chat.apart` says so.

A reader looks from one to another once: tools may come as one of the messages (`Chat.brings_tools`). They are settings.

What is remembered is found by the whole of what it was made of: its text, the target and the rules. So a client finds only
what it has itself sent word for word. Texts are compared as `jsontext` writes them, which tells 1 from 1.0 and from true,
and keeps the order of keys.

Nothing here waits or locks: one Conversations serves one thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice

from attrs import define, evolve, field, frozen

from ccproxy import notes, turns
from ccproxy.codec import jsontext
from ccproxy.codec.news import Bodies, alike
from ccproxy.errors import CcproxyError
from ccproxy.model import JSON, Context, Message, Part, Request, Target, Text, Tool, ToolCall, ToolResult
from ccproxy.policy.rewrite import Rules
from ccproxy.protocols.base import Call, Protocol

Document = dict[str, JSON]
_Key = tuple[str, str, str, str, bytes]

OPEN_STEPS = 2
"""The last steps are remembered by themselves: Claude Code marks its last two turns for the cache, and the marks move on as
the conversation grows."""

LONG = 32
"""Messages from which on steps are remembered. A piece by itself takes as long as half a dozen messages more: of shorter
conversations only the settings are remembered."""

MOST_SETTINGS = 8
"""Sets of tools: an agent and its helpers have a handful."""

_SHARE = 4 * MOST_SETTINGS
"""The part of what may be kept that the text of one of these may have. What became of it is about as long, so that all of
them leave half for conversations."""

PAIRED = 4
"""The last runs of which is known where the reader of ids was, which is as much for each as there are ids before it. Who
goes back further with a client that leaves ids out begins anew."""

_OBJECT = 256
"""About the bytes that are taken by what is remembered of a run, and of an id, beside their text."""

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


class Conversations:
    """What is remembered of the last conversations. most_bytes: how much is kept, half of it of settings and pieces; what
    was not used for the longest time goes first. size: how much there is of these. bodies: of requests that are not
    converted, but searched for what would have to be."""

    def __init__(self, most_bytes: int) -> None:
        self._pieces = 0
        self.bodies = Bodies(most_bytes // 2)
        self._most = most_bytes // 2
        self._conversations: OrderedDict[_Key, _Conversation] = OrderedDict()
        self._settings: list[_Settings] = []  # what was used last comes first

    def __repr__(self) -> str:
        return f"<Conversations {len(self._conversations)} and {len(self._settings)} settings, {self.size} bytes>"

    @property
    def size(self) -> int:
        return self._pieces + sum(settings.size for settings in self._settings)

    def body(self, way: Way, document: Document) -> bytes | None:
        """The upstream's body for a client's document; fills the way's context as reading and writing the whole would have.
        None, and nothing filled, where that has to be converted as one, which also says what is wrong with it."""
        raw = document.get(way.client.chat.conversation[0])
        if not isinstance(raw, list) or not raw:
            return None
        try:
            settings = self._settings_of(way, document)
            if settings is None:
                return None
            return self._in_pieces(way, document, raw, settings) if len(raw) >= LONG else _at_once(way, document, settings)
        except (CcproxyError, jsontext.JSONError):
            return None

    def _in_pieces(self, way: Way, document: Document, raw: list[JSON], settings: _Settings) -> bytes | None:
        speaks = way.client.chat.speaks
        first = next(_steps(raw, speaks, range(1, len(raw))), 0)
        if not first or speaks(raw[0]):
            return None
        key = _key(way, raw, first)
        conversation = self._conversations.pop(key, None)
        if conversation is not None:
            self._pieces -= _size(key, conversation)
        if conversation is None or not conversation.is_for(way, len(raw)):
            conversation = _Conversation(way.target, way.rules)
        if conversation.tangled:
            self._keep(key, conversation)
            return None
        beginning = _beginning_of(way, conversation, document, raw[:first], settings.frame)
        conversation.forget_others(raw[first:], speaks)
        last = _grown(way, conversation, raw, first + conversation.end.messages, settings.frame)
        if beginning is None or last is None:
            self._keep(key, _Conversation(way.target, way.rules, tangled=len(raw)))
            return None
        self._keep(key, conversation)
        return _together(way, settings, beginning, conversation, last)

    def _keep(self, key: _Key, conversation: _Conversation) -> None:
        self._conversations[key] = conversation
        self._pieces += _size(key, conversation)
        self._shrink()

    def _shrink(self) -> None:
        while self._conversations and self.size > self._most:
            self._pieces -= _size(*self._conversations.popitem(last=False))

    def _settings_of(self, way: Way, document: Document) -> _Settings | None:
        chat, context = way.client.chat, way.context
        tools = list(filter(chat.brings_tools, document[chat.conversation[0]])) if chat.brings_tools is not None else []
        settings = {key: value for key, value in document.items() if key not in chat.conversation}
        said = jsontext.dumps_usual([settings, *tools])
        asked = way.client.name, way.stream, context.stream, context.include_usage, context.shape
        for place, one in enumerate(self._settings):
            if one.said == said and one.asked == asked and one.target == way.target and one.rules == way.rules:
                self._settings.insert(0, self._settings.pop(place))
                return one
        found = _settings(way, document, tools, said, asked)
        if found is not None and len(said) <= self._most // _SHARE:
            self._settings = [found, *self._settings[: MOST_SETTINGS - 1]]
            self._shrink()
        return found


# ---------------------------------------------------------------------------------------------------------------------
# What is remembered


@frozen
class _Told:
    """What converting something told its context: notes, the names of members that were lost, renamed tools and ids."""

    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    names: dict[str, str] = field(factory=dict)
    ids: dict[str, str] = field(factory=dict)

    def beyond(self, others: Sequence[_Told]) -> _Told:
        """What of it the others do not tell, but for ids: each is told of once. The same for all that tell nothing."""
        told = _Told(
            tuple(note for note in self.notes if all(note not in other.notes for other in others)),
            tuple(name for name in self.lost if all(name not in other.lost for other in others)),
            {wire: name for wire, name in self.names.items() if all(wire not in other.names for other in others)},
            self.ids,
        )
        return _NOTHING if told == _NOTHING else told


_NOTHING = _Told()


@frozen
class _Frame:
    """What stands around a piece while it is converted, as the upstream's messages: a word of the user's before it; one of
    the model's behind it, and one of the user's. Within, a piece is neither first nor last, and is joined to nothing."""

    opening: JSON
    closing: list[JSON]

    def within(self, written: list[JSON], speaks: Callable[[JSON], bool]) -> list[JSON] | None:
        """A framed piece's messages; None where they are not apart from the frame, or no whole steps."""
        found = self.behind(written[:-2], speaks) if written[-2:] == self.closing else None
        return None if found is None or speaks(found[-1]) else found

    def behind(self, written: list[JSON], speaks: Callable[[JSON], bool]) -> list[JSON] | None:
        """The same for one that has only the opening before it."""
        return written[1:] if len(written) > 1 and written[0] == self.opening and speaks(written[1]) else None


@frozen
class _Settings:
    """said: all but the conversation, as text; asked: what else it was converted by. document: what became of it, with a
    frame in the conversation's place."""

    said: bytes
    asked: tuple[object, ...]
    target: Target
    rules: Rules | None
    document: Document
    frame: _Frame
    told: _Told
    tools: dict[str, Tool]
    echo: dict[str, JSON]

    @property
    def size(self) -> int:
        return 2 * len(self.said)


@frozen
class _Beginning:
    """document: what became of it, of which the conversation counts."""

    said: bytes
    document: Document
    told: _Told
    echo: dict[str, JSON]


@frozen
class _Run:
    """Steps that came at once. messages: how many there are up to its end; said, written: where the texts of these end.
    told: what the runs before it had not told. pairs: where the client's reader was then, of the last runs."""

    messages: int = 0
    said: int = 0
    written: int = 0
    told: _Told = _NOTHING
    pairs: turns.Pairs | None = None


_NONE = _Run()


@define
class _Conversation:
    """said, written: its steps, as lists without their brackets. ids: of the calls -> the number of their run. tangled: how
    many messages it had when it could not be written in pieces, which is not tried again while it grows; else 0."""

    target: Target
    rules: Rules | None
    beginning: _Beginning | None = None
    said: bytes = b""
    written: bytes = b""
    runs: list[_Run] = field(factory=list)
    ids: dict[str, int] = field(factory=dict)
    tangled: int = 0

    def is_for(self, way: Way, messages: int) -> bool:
        return self.target == way.target and self.rules == way.rules and messages >= self.tangled

    @property
    def size(self) -> int:
        texts = len(self.said) + len(self.written) + (2 * len(self.beginning.said) if self.beginning is not None else 0)
        return texts + _OBJECT * (len(self.runs) + len(self.ids))

    @property
    def end(self) -> _Run:
        return self.runs[-1] if self.runs else _NONE

    @property
    def told(self) -> list[_Told]:
        return [run.told for run in self.runs if run.told is not _NOTHING]

    def forget_others(self, messages: list[JSON], speaks: Callable[[JSON], bool]) -> None:
        """Keeps the runs that these messages begin with, and behind which a step begins."""
        same = alike(self.said, jsontext.dumps_usual(messages[: self.end.messages])[1:-1])
        kept = list(self.runs)
        while kept and not (kept[-1].said <= same and _is_step(messages, kept[-1].messages, speaks)):
            kept.pop()
        if kept and kept[-1].pairs is None and self.end.pairs is not None:
            kept.clear()
        if len(kept) < len(self.runs):
            self.runs = kept
            self.said, self.written = self.said[: self.end.said], self.written[: self.end.written]
            self.ids = {id: run for id, run in self.ids.items() if run < len(kept)}

    def add(
        self, messages: list[JSON], written: list[JSON], calls: list[str], told: _Told, pairs: turns.Pairs | None
    ) -> None:
        ends = self.end.messages + len(messages)
        self.ids |= dict.fromkeys(calls, len(self.runs))
        self.said = _and(self.said, messages)
        self.written = _and(self.written, written)
        self.runs.append(_Run(ends, len(self.said), len(self.written), told.beyond(self.told), pairs))
        if pairs is not None and len(self.runs) > PAIRED:
            self.runs[-PAIRED - 1] = evolve(self.runs[-PAIRED - 1], pairs=None)


def _size(key: _Key, conversation: _Conversation) -> int:
    return len(key[-1]) + conversation.size


def _is_step(messages: list[JSON], place: int, speaks: Callable[[JSON], bool]) -> bool:
    """Whether one begins there, or nothing comes any more."""
    return place == len(messages) or (place < len(messages) and speaks(messages[place]))


def _and(text: bytes, more: list[JSON]) -> bytes:
    added = jsontext.dumps_usual(more)[1:-1]
    return b"%b,%b" % (text, added) if text else added


# ---------------------------------------------------------------------------------------------------------------------
# Pieces


def _steps(raw: list[JSON], speaks: Callable[[JSON], bool], places: Iterable[int]) -> Iterator[int]:
    """The places among these, from 1 on, where a step begins. Most messages of a history are never looked at."""
    return (n for n in places if speaks(raw[n]) and not speaks(raw[n - 1]))


def _key(way: Way, raw: list[JSON], first: int) -> _Key:
    """A conversation is known by its first step."""
    second = next(_steps(raw, way.client.chat.speaks, range(first + 1, len(raw))), len(raw))
    begin = jsontext.dumps_usual(raw[first:second])
    return way.client.name, way.upstream.name, way.target.provider, way.target.model, begin


def _settings(way: Way, document: Document, tools: list[JSON], said: bytes, asked: tuple[object, ...]) -> _Settings | None:
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
    return _Settings(
        said, asked, way.target, way.rules, document, _Frame(opening, closing), told, context.tools, context.echo
    )


def _at_once(way: Way, document: Document, settings: _Settings) -> bytes | None:
    """With the whole conversation as one piece, of which nothing is remembered."""
    context = _blank(way.context)
    request = way.client.chat.read_request(_conversation_of(way, document), context, way.call)
    found = _piece_written(way, request.messages, context, way.rules and way.rules.for_conversation(), request.system)
    if found is None:
        return None
    written = {key: found.document[key] for key in way.upstream.chat.conversation if key in found.document}
    return _together(way, settings, _Beginning(b"", written, found.told, context.echo))


def _beginning_of(
    way: Way, conversation: _Conversation, document: Document, raw: list[JSON], frame: _Frame
) -> _Beginning | None:
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
    conversation.beginning = _Beginning(text, written, found.told, context.echo)
    return conversation.beginning


def _conversation_of(way: Way, document: Document) -> Document:
    """A client's document with nothing but its conversation."""
    members = way.client.chat.conversation
    return {"model": way.context.model} | {key: document[key] for key in members if key in document}


@frozen
class _Last:
    """What comes behind the remembered steps, and is not to be remembered."""

    messages: list[JSON] = field(factory=list)
    told: _Told = _NOTHING


def _grown(way: Way, conversation: _Conversation, raw: list[JSON], known: int, frame: _Frame) -> _Last | None:
    """Adds the messages behind the known ones to the conversation's steps, as far as that can be; gives the others. None
    where they cannot be written by themselves."""
    starts = _steps(raw, way.client.chat.speaks, range(len(raw) - 1, known, -1))
    split = next(islice(starts, OPEN_STEPS - 1, None), known)
    if split > known and _added(way, conversation, raw[known:split], frame, closed=True) is None:
        return None
    return _added(way, conversation, raw[split:], frame)


def _added(way: Way, conversation: _Conversation, raw: list[JSON], frame: _Frame, *, closed: bool = False) -> _Last | None:
    """The same for messages that are one piece. closed: None also where they cannot be added."""
    if not raw:
        return _Last()
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
            return _Last()
    if closed:
        return None
    if calls is not None:
        messages, context = _read_steps(way, conversation, raw)  # writing changes what is written
    found = _piece_written(way, [_opening(), *messages], context, rules)
    written = frame.behind(found.document[way.history], way.upstream.chat.speaks) if found is not None else None
    return _Last(written, found.told) if found is not None and written is not None else None


def _read_steps(way: Way, conversation: _Conversation, raw: list[JSON]) -> tuple[list[Message], Context]:
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
    told: _Told


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
    return _Written(document, _Told(tuple(context.notes), lost, context.tool_names, context.tool_ids))


# ---------------------------------------------------------------------------------------------------------------------
# Together


def _tell(context: Context, origin: str, pieces: Sequence[_Told]) -> None:
    """What the context would know if the whole had been converted."""
    for told in pieces:
        for sentence in told.notes:
            context.note(sentence)
        context.tool_names |= told.names
        context.tool_ids |= told.ids
    notes.tell_inner([name for told in pieces for name in told.lost], origin, context)


def _together(
    way: Way,
    settings: _Settings,
    beginning: _Beginning,
    conversation: _Conversation | None = None,
    last: _Last | None = None,
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

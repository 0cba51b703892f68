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

    Conversations (here)    which pieces are known, and for how long
    kept                    what is remembered of them
    pieces                  how one is converted by itself, and how they are put together
"""

from __future__ import annotations

from collections import OrderedDict

from ccproxy.codec import jsontext
from ccproxy.codec.news import Bodies
from ccproxy.errors import CcproxyError
from ccproxy.model import JSON
from ccproxy.turnwise.kept import Conversation, Document, Key, Settings, size_of
from ccproxy.turnwise.pieces import Way, at_once, beginning_of, grown, key_of, settings_of, steps, together

__all__ = ["Conversations", "Way"]

LONG = 32
"""Messages from which on steps are remembered. A piece by itself takes as long as half a dozen messages more: of shorter
conversations only the settings are remembered."""

MOST_SETTINGS = 8
"""Sets of tools: an agent and its helpers have a handful."""

_SHARE = 4 * MOST_SETTINGS
"""The part of what may be kept that the text of one of these may have. What became of it is about as long, so that all of
them leave half for conversations."""


class Conversations:
    """What is remembered of the last conversations. most_bytes: how much is kept, half of it of settings and pieces; what
    was not used for the longest time goes first. size: how much there is of these. bodies: of requests that are not
    converted, but searched for what would have to be."""

    def __init__(self, most_bytes: int) -> None:
        self._pieces = 0
        self.bodies = Bodies(most_bytes // 2)
        self._most = most_bytes // 2
        self._conversations: OrderedDict[Key, Conversation] = OrderedDict()
        self._settings: list[Settings] = []  # what was used last comes first

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
            return self._in_pieces(way, document, raw, settings) if len(raw) >= LONG else at_once(way, document, settings)
        except (CcproxyError, jsontext.JSONError):
            return None

    def _in_pieces(self, way: Way, document: Document, raw: list[JSON], settings: Settings) -> bytes | None:
        speaks = way.client.chat.speaks
        first = next(steps(raw, speaks, range(1, len(raw))), 0)
        if not first or speaks(raw[0]):
            return None
        key = key_of(way, raw, first)
        conversation = self._conversations.pop(key, None)
        if conversation is not None:
            self._pieces -= size_of(key, conversation)
        if conversation is None or not conversation.is_for(way.target, way.rules, len(raw)):
            conversation = Conversation(way.target, way.rules)
        if conversation.tangled:
            self._keep(key, conversation)
            return None
        beginning = beginning_of(way, conversation, document, raw[:first], settings.frame)
        conversation.forget_others(raw[first:], speaks)
        last = grown(way, conversation, raw, first + conversation.end.messages, settings.frame)
        if beginning is None or last is None:
            self._keep(key, Conversation(way.target, way.rules, tangled=len(raw)))
            return None
        self._keep(key, conversation)
        return together(way, settings, beginning, conversation, last)

    def _keep(self, key: Key, conversation: Conversation) -> None:
        self._conversations[key] = conversation
        self._pieces += size_of(key, conversation)
        self._shrink()

    def _shrink(self) -> None:
        while self._conversations and self.size > self._most:
            self._pieces -= size_of(*self._conversations.popitem(last=False))

    def _settings_of(self, way: Way, document: Document) -> Settings | None:
        chat, context = way.client.chat, way.context
        tools = list(filter(chat.brings_tools, document[chat.conversation[0]])) if chat.brings_tools is not None else []
        settings = {key: value for key, value in document.items() if key not in chat.conversation}
        said = jsontext.dumps_usual([settings, *tools])
        asked = way.client.name, way.stream, context.stream, context.include_usage, context.shape
        for place, one in enumerate(self._settings):
            if one.said == said and one.asked == asked and one.target == way.target and one.rules == way.rules:
                self._settings.insert(0, self._settings.pop(place))
                return one
        found = settings_of(way, document, tools, said, asked)
        if found is not None and len(said) <= self._most // _SHARE:
            self._settings = [found, *self._settings[: MOST_SETTINGS - 1]]
            self._shrink()
        return found

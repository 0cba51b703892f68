"""What is remembered of conversations, and how much of it a later request still has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, evolve, field, frozen

from ccproxy import turns
from ccproxy.codec import jsontext
from ccproxy.codec.news import alike
from ccproxy.model import JSON, Target, Tool
from ccproxy.policy.rewrite import Rules

Document = dict[str, JSON]
Key = tuple[str, str, str, str, bytes]
"""What a conversation is found by: the protocols of its client and upstream, the target, and its first step."""

PAIRED = 4
"""The last runs of which is known where the reader of ids was, which is as much for each as there are ids before it. Who
goes back further with a client that leaves ids out begins anew."""

_OBJECT = 256
"""About the bytes that are taken by what is remembered of a run, and of an id, beside their text."""


@frozen
class Told:
    """What converting something told its context: notes, the names of members that were lost, renamed tools and ids."""

    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    names: dict[str, str] = field(factory=dict)
    ids: dict[str, str] = field(factory=dict)

    def beyond(self, others: Sequence[Told]) -> Told:
        """What of it the others do not tell, but for ids: each is told of once. The same for all that tell nothing."""
        told = Told(
            tuple(note for note in self.notes if all(note not in other.notes for other in others)),
            tuple(name for name in self.lost if all(name not in other.lost for other in others)),
            {wire: name for wire, name in self.names.items() if all(wire not in other.names for other in others)},
            self.ids,
        )
        return NOTHING if told == NOTHING else told


NOTHING = Told()


@frozen
class Frame:
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
class Settings:
    """said: all but the conversation, as text; asked: what else it was converted by. document: what became of it, with a
    frame in the conversation's place."""

    said: bytes
    asked: tuple[object, ...]
    target: Target
    rules: Rules | None
    document: Document
    frame: Frame
    told: Told
    tools: dict[str, Tool]
    echo: dict[str, JSON]

    @property
    def size(self) -> int:
        return 2 * len(self.said)


@frozen
class Beginning:
    """document: what became of it, of which the conversation counts."""

    said: bytes
    document: Document
    told: Told
    echo: dict[str, JSON]


@frozen
class Run:
    """Steps that came at once. messages: how many there are up to its end; said, written: where the texts of these end.
    told: what the runs before it had not told. pairs: where the client's reader was then, of the last runs."""

    messages: int = 0
    said: int = 0
    written: int = 0
    told: Told = NOTHING
    pairs: turns.Pairs | None = None


_NONE = Run()


@define
class Conversation:
    """said, written: its steps, as lists without their brackets. ids: of the calls -> the number of their run. tangled: how
    many messages it had when it could not be written in pieces, which is not tried again while it grows; else 0."""

    target: Target
    rules: Rules | None
    beginning: Beginning | None = None
    said: bytes = b""
    written: bytes = b""
    runs: list[Run] = field(factory=list)
    ids: dict[str, int] = field(factory=dict)
    tangled: int = 0

    def is_for(self, target: Target, rules: Rules | None, messages: int) -> bool:
        return self.target == target and self.rules == rules and messages >= self.tangled

    @property
    def size(self) -> int:
        texts = len(self.said) + len(self.written) + (2 * len(self.beginning.said) if self.beginning is not None else 0)
        return texts + _OBJECT * (len(self.runs) + len(self.ids))

    @property
    def end(self) -> Run:
        return self.runs[-1] if self.runs else _NONE

    @property
    def told(self) -> list[Told]:
        return [run.told for run in self.runs if run.told is not NOTHING]

    def forget_others(self, messages: list[JSON], speaks: Callable[[JSON], bool]) -> None:
        """Keeps the runs that these messages begin with, and behind which a step begins."""
        same = alike(self.said, jsontext.dumps_usual(messages[: self.end.messages])[1:-1])
        kept = list(self.runs)
        while kept and not (kept[-1].said <= same and is_step(messages, kept[-1].messages, speaks)):
            kept.pop()
        if kept and kept[-1].pairs is None and self.end.pairs is not None:
            kept.clear()
        if len(kept) < len(self.runs):
            self.runs = kept
            self.said, self.written = self.said[: self.end.said], self.written[: self.end.written]
            self.ids = {id: run for id, run in self.ids.items() if run < len(kept)}

    def add(
        self, messages: list[JSON], written: list[JSON], calls: list[str], told: Told, pairs: turns.Pairs | None
    ) -> None:
        ends = self.end.messages + len(messages)
        self.ids |= dict.fromkeys(calls, len(self.runs))
        self.said = _and(self.said, messages)
        self.written = _and(self.written, written)
        self.runs.append(Run(ends, len(self.said), len(self.written), told.beyond(self.told), pairs))
        if pairs is not None and len(self.runs) > PAIRED:
            self.runs[-PAIRED - 1] = evolve(self.runs[-PAIRED - 1], pairs=None)


def size_of(key: Key, conversation: Conversation) -> int:
    return len(key[-1]) + conversation.size


def is_step(messages: list[JSON], place: int, speaks: Callable[[JSON], bool]) -> bool:
    """Whether one begins there, or nothing comes any more."""
    return place == len(messages) or (place < len(messages) and speaks(messages[place]))


def _and(text: bytes, more: list[JSON]) -> bytes:
    added = jsontext.dumps_usual(more)[1:-1]
    return b"%b,%b" % (text, added) if text else added

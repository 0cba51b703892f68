"""A history's calls and results. Pure.

`Pairs` is for readers of protocols that may leave ids out: it says which result belongs to which call. `settle` is for
writers when a request comes from another protocol. OpenAI, Claude and Gemini all demand that each tool call is answered at
once, and only once; clients that cut, compact or cancel send histories that are not so. `settle` makes them so and invents
nothing but a note that a result is missing.
"""

from __future__ import annotations

import hashlib

from attrs import define

from ccproxy.model import Context, Message, Part, Text, ToolCall, ToolResult

INTERRUPTED = "The tool call was interrupted; there is no result."


def settle(messages: list[Message], context: Context) -> list[Message]:
    """Every assistant message with calls is followed by one tool message with their results in the order of the calls.

    Results that come later move up to their call, what stood between moves behind them; of two results for one call the
    last counts, at the first one's place; a missing result becomes INTERRUPTED with its error flag; a result without a call
    before it becomes user text. Messages without tools stay as they are.

    Where ids come again, as from upstreams that number the calls of each answer anew, a result belongs to the latest call,
    and the later calls get ids of their own: Claude refuses ids that are not unique.
    """
    in_order = _in_order(messages)
    return _put_in_order(messages, context) if in_order is None else in_order


def _put_in_order(messages: list[Message], context: Context) -> list[Message]:
    settled: list[Message] = []
    latest: dict[str, list[_Slot]] = {}  # the client's id -> the calls of it in the last message that had any
    answered: list[tuple[Message, list[_Slot]]] = []
    taken: set[str] = set()
    for message in messages:
        if message.role == "tool":
            settled += _take_results(message, latest, context)
            continue
        settled.append(message)
        slots = [_Slot(part) for part in message.parts if isinstance(part, ToolCall)]
        if slots:
            latest |= _by_id(slots)
            _make_unique(slots, taken)
            answered.append((Message("tool", []), slots))
            settled.append(answered[-1][0])
    for message, slots in answered:
        message.parts = [slot.result or _missing(slot.call, context) for slot in slots]
    return settled


def _in_order(messages: list[Message]) -> list[Message] | None:
    """The history settled, where each result is there, once and in its place, as nearly always; else None, and nothing has
    been changed."""
    settled: list[Message] = []
    all_calls: list[ToolCall] = []
    all_results: list[ToolResult] = []
    calls: list[ToolCall] = []  # of the last message
    results: list[Part] = []  # of these calls
    for message in messages:
        if message.role == "tool":
            for part in message.parts:
                if type(part) is not ToolResult or len(results) == len(calls) or part.id != calls[len(results)].id:
                    return None
                results.append(part)
                all_results.append(part)
            continue
        if len(results) != len(calls):
            return None
        settled.append(message)
        calls, results = [part for part in message.parts if type(part) is ToolCall], []
        if calls:
            all_calls += calls
            settled.append(Message("tool", results))
    if len(results) != len(calls) or len({call.id for call in all_calls}) != len(all_calls):
        return None
    for call, result in zip(all_calls, all_results, strict=True):
        result.name = result.name or call.name
    return settled


def paired_ids(messages: list[Message]) -> list[str] | None:
    """The ids of a history's calls, where each has its result at once, in order and once; None for any other history."""
    found: list[str] = []
    answered = 0  # how many of them have their results
    for message in messages:
        if message.role != "tool":
            if answered != len(found):
                return None
            found += [part.id for part in message.parts if type(part) is ToolCall]
            continue
        for part in message.parts:
            if type(part) is not ToolResult or answered == len(found) or part.id != found[answered]:
                return None
            answered += 1
    return found if answered == len(found) == len(set(found)) else None


@define(slots=True)
class _Slot:
    """A call and the place for its result."""

    call: ToolCall
    result: ToolResult | None = None


def _by_id(slots: list[_Slot]) -> dict[str, list[_Slot]]:
    found: dict[str, list[_Slot]] = {}
    for slot in slots:
        found.setdefault(slot.call.id, []).append(slot)
    return found


def _make_unique(slots: list[_Slot], taken: set[str]) -> None:
    """Depends on what stands before only, so that a call keeps its id from turn to turn."""
    for slot in slots:
        id, number = slot.call.id, 1
        while slot.call.id in taken:
            number += 1
            slot.call.id = f"{id}_{number}"
        taken.add(slot.call.id)


def _take_results(message: Message, latest: dict[str, list[_Slot]], context: Context) -> list[Message]:
    """Puts the results where they belong; returns those that belong nowhere as user text."""
    orphans: list[ToolResult] = []
    for result in [part for part in message.parts if isinstance(part, ToolResult)]:
        slots = latest.get(result.id)
        if slots is None:
            orphans.append(result)
            continue
        slot = next((slot for slot in slots if slot.result is None), slots[-1])
        result.id, result.name = slot.call.id, result.name or slot.call.name
        slot.result = result
    if not orphans:
        return []
    context.note("a tool result without its call was sent as user text")
    return [Message("user", [text for result in orphans for text in _as_text(result)])]


def hoist(messages: list[Message]) -> tuple[list[Part], list[Message]]:
    """The parts of the leading system messages, and the other messages."""
    for number, message in enumerate(messages):
        if message.role != "system":
            return [part for leading in messages[:number] for part in leading.parts], messages[number:]
    return [part for message in messages for part in message.parts], []


def fold(message: Message) -> Message:
    """A system message in mid-conversation as user text in its place, for targets that have none. The tag tells the model
    that it is no user who speaks."""
    parts: list[Part] = [
        Text(f"<system>\n{part.text}\n</system>", cache=part.cache) if isinstance(part, Text) else part
        for part in message.parts
    ]
    return Message("user", parts)


class Pairs:
    """Ids for the calls and results of a history that may lack them, the same in every turn of a conversation.

    A result belongs to the call of its id; where it has none, or one that no call has, to the first call of its name that
    waits for one, or, where it says no name either, to the first of all. Calls of the latest turn come first: those that
    stand before the user's words or before other results were given up.
    """

    def __init__(self) -> None:
        self._turn = 0
        self._over = False  # the next call is one of a new turn
        self._waiting: list[tuple[int, str, str]] = []  # (turn, name, id) of the calls without a result
        self._known: set[str] = set()
        self._made: dict[str, int] = {}

    def copy(self) -> Pairs:
        """Another that goes on from here."""
        other = Pairs()
        other._turn, other._over, other._waiting = self._turn, self._over, list(self._waiting)
        other._known, other._made = set(self._known), dict(self._made)
        return other

    def end_turn(self) -> None:
        """The user speaks."""
        self._over = True

    def call(self, name: str, id: str) -> str:
        """The id of a call."""
        self._turn, self._over = self._turn + self._over, False
        id = id or self._make(name)
        self._known.add(id)
        self._waiting.append((self._turn, name, id))
        return id

    def result(self, name: str, id: str) -> str:
        """The id of a result; one without a call gets an id of its own."""
        self._over = True
        if id in self._known:
            found = [one for one in self._waiting if one[2] == id]
        else:
            found = [one for one in self._waiting if one[1] == name or not (name or id)]
        if not found:
            return id or self._make(name or "tool")
        first = max(found, key=lambda one: one[0])
        self._waiting.remove(first)
        return first[2]

    def _make(self, name: str) -> str:
        number = self._made.get(name, 0)
        self._made[name] = number + 1
        return f"call_{name}_{number}"


def _missing(call: ToolCall, context: Context) -> ToolResult:
    context.note("a tool call without a result was given one that says so")
    return ToolResult(call.id, call.name, [Text(INTERRUPTED)], is_error=True, kind=call.kind)


def _as_text(result: ToolResult) -> list[Part]:
    named = result.name or result.id
    return [Text(f"[Result of an earlier tool call{' ' if named else ''}{named}]"), *result.parts]


def exact_id(id: str, length: int) -> str:
    """A call's id for an upstream that wants exactly so many letters and digits: its own where it is so (F031), else one
    that is made from it, the same each time. A length of 0 leaves every id as it is."""
    if not length or (len(id) == length and id.isascii() and id.isalnum()):
        return id
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:length]

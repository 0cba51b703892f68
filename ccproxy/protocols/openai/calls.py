"""Tool calls of one answer, put together from whatever the vendors send.

By the API reference ("Chat Completions", streaming, `delta.tool_calls`) the first piece of a call has index, id, type and
name, the later ones index and arguments. Seen in the wild, and read here:

    no index, or always 0             the id tells calls apart; without both, a new name does
    no id                             one is made up
    id and name in every piece        only the first counts
    arguments before the name         kept until the name comes; at the end the call is named as well as can be
    arguments as an object            written as JSON text
    null as arguments                 none
    the arguments so far, each time   only what is new is passed on
    a call in one piece, several calls in one chunk, type null

    _Call    waiting ── name ──> started ── arguments complete and something else begins, or the end ──> ended
"""

from __future__ import annotations

import re
from functools import partial

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed
from ccproxy.model import JSON, Context
from ccproxy.protocols.naming import client_tool_name, made_id
from ccproxy.protocols.openai.terms import EXTRA, NAME
from ccproxy.protocols.streams import Single
from ccproxy.stream import Sink

UNKNOWN = "unknown_tool"
"""The name of a call whose upstream never said one, when the request offers more than one tool."""

_NOTHING = "null"
_UNFINISHED = len("fals") + len("-1.5e+")
"""How often at most a value without brackets can be asked for while it is still coming."""


def is_complete(arguments: str) -> bool:
    """Whether this is a whole JSON document."""
    try:
        jsontext.loads(arguments)
    except jsontext.JSONError:
        return False
    return True


_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class _Brackets:
    """Follows JSON text piece by piece, each character once: `even` says that all that began has ended. Asking
    the JSON parser after each piece would cost the square of the arguments' length."""

    __slots__ = ("_behind_backslash", "_depth", "_inside", "began")

    def __init__(self) -> None:
        self.began = False  # any bracket
        self._depth = 0
        self._inside = False  # a string
        self._behind_backslash = False

    @property
    def even(self) -> bool:
        return self._depth == 0 and not self._inside

    def feed(self, piece: str) -> None:
        at = 1 if self._behind_backslash else 0
        self._behind_backslash = False
        while (found := (_INSIDE if self._inside else _OUTSIDE).search(piece, at)) is not None:
            sign, at = found.group(), found.end()
            if sign == '"':
                self._inside = not self._inside
            elif sign == "\\":
                self._behind_backslash = at == len(piece)
                at += 1
            else:
                self.began = True
                self._depth += 1 if sign in "{[" else -1


class _Call:
    __slots__ = (
        "_brackets",
        "_failures",
        "_whole",
        "custom",
        "doubt",
        "ended",
        "given_id",
        "index",
        "key",
        "length",
        "name",
        "pieces",
        "snapshots",
        "started",
        "waits",
    )

    def __init__(self, key: int, index: JSON, given_id: str) -> None:
        self.key = key
        self.index = index
        self.given_id = given_id  # the upstream's, "" for none
        self.name = ""
        self.custom = False
        self.started = False
        self.ended = False
        self.pieces: list[str] = []  # the arguments so far
        self.length = 0  # of the arguments so far
        self.doubt = ""  # a piece that begins like all that came before: more of it, or all of it again
        self.snapshots = False  # each piece repeats what came before
        self.waits = False  # nothing was sent of the arguments so far
        self._brackets = _Brackets()
        self._whole: bool | None = None  # what `is_whole` found, until more comes
        self._failures = 0  # times that its brackets were even and it was no JSON

    def __repr__(self) -> str:
        return f"<_Call {self.key} {self.name!r} length={self.length} started={self.started} ended={self.ended}>"

    @property
    def seen(self) -> str:
        return "".join(self.pieces)

    def news(self, piece: str) -> str:
        """What of `piece` is new, as far as that is certain."""
        if self.doubt:
            self._whole = None
            return self._settle_doubt(piece)
        if self.custom or not 0 < self.length <= len(piece) or not piece.startswith(self.seen):
            return piece
        if self.snapshots:
            return piece[self.length :]
        self.doubt, self._whole = piece, None
        return ""

    def rest(self) -> str:
        """What a doubt leaves at the end: the piece was all of it again unless both together are JSON."""
        if not self.doubt or is_complete(self.seen + self.doubt):
            return self.doubt
        return self.doubt[self.length :]

    def add(self, news: str) -> None:
        self.pieces.append(news)
        self.length += len(news)
        self._brackets.feed(news)
        if not news.isspace():  # white space makes nothing whole that was not, nor the other way
            self._whole = None

    def is_whole(self) -> bool:
        """Whether the arguments would be a whole JSON document if the call ended here."""
        if self._whole is None:
            even = self.length > 0 and self._brackets.even and not self._is_hopeless()
            self._whole = (even or bool(self.doubt)) and is_complete(self.seen + self.rest())
            self._failures += even and not self._whole and not self.doubt
        return self._whole

    def _is_hopeless(self) -> bool:
        """Nothing that comes will make it JSON; asking again and again would cost the square of its length."""
        return self._failures > (0 if self._brackets.began else _UNFINISHED)

    def _settle_doubt(self, piece: str) -> str:
        doubt, self.doubt = self.doubt, ""
        if piece.startswith(doubt):
            self.snapshots = True
            return piece[self.length :]
        return doubt + piece


class Calls:
    """All calls of one answer, in the order of their appearance."""

    __slots__ = ("_by_id", "_by_index", "_calls", "_context", "_ids", "_ripe", "_sink", "open", "single")

    def __init__(self, context: Context, sink: Sink) -> None:
        self.open = 0  # calls that have started and not ended
        self.single: Single | None = None  # see `streams.Single`, of the last piece
        self._context = context
        self._sink = sink
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}  # the upstream's id -> the first call that has it
        self._by_index: dict[JSON, _Call] = {}  # index -> the last call that has it
        self._ripe: dict[int, _Call] = {}  # what something has come of since `settle`, by key
        self._ids: set[str] = set()

    def __repr__(self) -> str:
        return f"<Calls {self._calls!r}>"

    @property
    def seen(self) -> bool:
        return any(call.started for call in self._calls)

    def piece(self, entry: JSON) -> None:
        """One entry of `tool_calls`. Raises Malformed."""
        self.single = None
        if not isinstance(entry, dict):
            raise Malformed("an entry of tool_calls is no object")
        custom = entry.get("type") == "custom" or ("custom" in entry and "function" not in entry)
        body = entry.get("custom" if custom else "function") or {}
        if not isinstance(body, dict):
            raise Malformed("the function of a tool call is no object")
        name = body.get("name")
        arguments = body.get("input" if custom else "arguments")
        given_id = entry.get("id")
        name = name if isinstance(name, str) else ""
        given_id = given_id if isinstance(given_id, str) else ""
        if not (name or given_id or arguments or self._calls):
            return
        call = self._find(entry.get("index"), given_id, name)
        call.custom = call.custom or custom
        self._take(call, name, arguments, entry.get(EXTRA))

    def legacy(self, body: JSON) -> None:
        """A `function_call`, which tool_calls replaced. Raises Malformed."""
        if not isinstance(body, dict):
            raise Malformed("function_call is no object")
        if body.get("name") or body.get("arguments"):
            self.piece({"index": "function_call", "function": body})

    def settle(self) -> None:
        """Something else begins: calls whose arguments are complete end now, so that encoders that keep one block open
        can go on. Interleaved calls, which are not, stay open."""
        ripe, self._ripe = self._ripe, {}
        for _, call in sorted(ripe.items()):
            if call.started and not call.ended and not call.custom and call.is_whole():
                self._end(call)

    def complete(self) -> bool:
        """Whether every open call could end here."""
        return all(call.ended or call.custom or call.is_whole() for call in self._calls)

    def cut(self) -> bool:
        """Whether an open call stopped within its arguments."""
        return any(call.length and not call.ended and not call.custom and not call.is_whole() for call in self._calls)

    def end(self) -> None:
        """Ends every call; one that never had a name but has arguments is named now."""
        for call in self._calls:
            if not call.started and call.length:
                tools = self._context.tools
                call.name = next(iter(tools)) if len(tools) == 1 else UNKNOWN
                self._start(call, None)
            if call.started and not call.ended:
                self._end(call)

    def _find(self, index: JSON, given_id: str, name: str) -> _Call:
        """The call that a piece belongs to, a new one where it begins one."""
        last = self._calls[-1] if self._calls else None
        if index is None:
            if given_id:
                known = self._by_id.get(given_id)
            else:
                known = None if last and name and last.name and self._is_next(last, name) else last
        else:
            known = self._by_index.get(_hashable(index))
            if known is not None and name and given_id and known.given_id not in ("", given_id):
                known = None
        return known if known is not None else self._add(index, given_id)

    def _is_next(self, last: _Call, name: str) -> bool:
        return last.name != name or last.is_whole()

    def _add(self, index: JSON, given_id: str) -> _Call:
        self.settle()
        call = _Call(len(self._calls), index, given_id)
        self._calls.append(call)
        self._by_index[_hashable(index)] = call
        self._by_id.setdefault(given_id, call)
        return call

    def _take(self, call: _Call, name: str, arguments: JSON, extra: JSON) -> None:
        if call.ended:
            return
        self._ripe[call.key] = call
        if name and not call.name:
            call.name = name
            self._start(call, extra)
        is_text = isinstance(arguments, str)
        if isinstance(arguments, (dict, list)):
            arguments = jsontext.dumps_str(arguments)
        if arguments is not None and not isinstance(arguments, str):
            raise Malformed("the arguments of a tool call are no text")
        if arguments:
            self._pass(call, call.news(arguments))
            if is_text and not name:  # a name may begin the next call
                self.single = arguments, partial(self._more, call)

    def _more(self, call: _Call, arguments: str) -> None:
        """Another piece of the call that the last piece belonged to."""
        self._pass(call, call.news(arguments))

    def _start(self, call: _Call, extra: JSON) -> None:
        call.started = True
        self.open += 1
        id = call.given_id
        if not id or id in self._ids:
            id = made_id(self._context, "call_", call.key)
        self._ids.add(id)
        if isinstance(extra, dict) and extra:
            self._sink.signature(jsontext.dumps_str({EXTRA: extra}), NAME)
        name = client_tool_name(call.name, self._context)
        self._sink.tool_start(call.key, id, name, "custom" if call.custom else "function")
        if call.length:
            self._send(call, call.seen)

    def _pass(self, call: _Call, news: str) -> None:
        if not news:
            return
        call.add(news)
        if call.started:
            self._send(call, news)

    def _send(self, call: _Call, news: str) -> None:
        """What may still become `null`, which says no arguments, waits."""
        if call.length <= len(_NOTHING) and not call.custom and _NOTHING.startswith(call.seen):
            call.waits = True
            return
        if call.waits:
            call.waits, news = False, call.seen
        self._sink.tool_arguments(call.key, news)

    def _end(self, call: _Call) -> None:
        self._pass(call, call.rest())
        if call.waits and call.seen != _NOTHING:
            self._sink.tool_arguments(call.key, call.seen)
        call.ended = True
        self.open -= 1
        self._sink.tool_end(call.key)


def _hashable(index: JSON) -> JSON:
    """An index as a key; upstreams that get it wrong may say anything."""
    return jsontext.dumps_str(index) if isinstance(index, (dict, list)) else index

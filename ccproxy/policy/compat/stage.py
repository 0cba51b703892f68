"""The answer of a model that writes its calls as text: text in, text and calls out.

    LEAD ── text ──> PLAIN ── a call ──> CALL ── its end ──> AFTER ──> PLAIN, or the next call
      │ <think>        │ `                 elements go out as they come, documents at their end
      v                v
    THINKING         INLINE, FENCED        code, in which nothing is a call

- Text passes at once. Only what may still become a call waits, and as soon as it cannot, it passes as it came.
- A call names a declared tool; what does not is text. In code a call would be an example, so none is looked for, but a
  fence right around a call is taken for a slip and dropped with it.
- White space before a call, behind it and between two is the form's, not the user's.
- A call that names its tool and cannot be read becomes a call that the client refuses (`writing.UNREADABLE`): an agent goes
  on after a refusal, and with the next request the model is told what was wrong. A tool that demands nothing would run even
  so; there the user reads that the call failed.
- What a model makes up as the result of its own call is dropped with everything behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from ccproxy.errors import CcproxyError
from ccproxy.model import JSON, Finish, Media, Tool
from ccproxy.policy.compat.documents import may_begin
from ccproxy.policy.compat.elements import Elements
from ccproxy.policy.compat.gathering import Form, Gathering, Meant
from ccproxy.policy.compat.opening import Begun, Documents, Opened, closes, opened
from ccproxy.policy.compat.tags import LONGEST_TAG, OPENERS, is_cut_end, meaning, tag_at
from ccproxy.policy.compat.toolbox import Declared, Toolbox, plain
from ccproxy.policy.compat.values import typed
from ccproxy.policy.compat.writing import UNREADABLE, Writing
from ccproxy.stream import Sink, Stage

_KEYS = 1 << 20
"""The number of the first call that is read from text, above those of an upstream that calls by itself."""

_PLAIN = re.compile(r"[<\[`]")
_INLINE = re.compile(r"[`\n]")
_TICKS = re.compile(r"`")
_ANGLE = re.compile(r"<")
_NEVER = re.compile(r"(?!)")
_THINK, _THINKING = re.compile(r"<think(?:ing)?>"), re.compile(r"</think(?:ing)?>")
_FENCE = re.compile(r"(`{3,})[\w+-]*[ \t]*\r?\n?\s*")
_TAG_NAME = re.compile(r"<([\w:.|｜▁-]*)")
_RESULTS = frozenset({"toolresult", "toolresults", "toolresponse", "functionresults", "functionresult", "observation"})
_TOKENS = (
    "[TOOL_CALLS]",
    "<|python_tag|>",
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
)
_ENDS = ("end|", "end▁｜", "end｜", "|im_end|", "|eot_id|", "|eom_id|")
"""What special tokens that end something end with."""

_SPACES = ("cs", "ccp", "antml", "minimax", "dsml")
"""Namespaces in which some models and prompts write the tags."""

_LONGEST_OPENING = 4 * LONGEST_TAG
"""Characters before the first parameter, in which it is found out what the call is."""

_MOST_DOUBTS = 200
"""Texts of one answer that began like a call and were none; after so many nothing is looked for any more."""


class Calls(Stage):
    """tools: the declared ones. id: the exchange's, from which calls get theirs. documents: whether JSON alone may be a
    call, as it may not be where the client asked for JSON."""

    __slots__ = (
        "_buffer",
        "_called",
        "_doubts",
        "_elements",
        "_fence",
        "_gathering",
        "_id",
        "_json",
        "_openers",
        "_passed",
        "_signs",
        "_space",
        "_state",
        "_tools",
    )

    def __init__(self, next: Sink, tools: list[Tool], id: str, *, documents: bool = True) -> None:
        super().__init__(next)
        self._tools = Toolbox(tools)
        self._id = id
        self._json = documents
        self._openers: tuple[str, ...] = ()  # worked out at the first `<`
        self._called = 0
        self._doubts = 0
        self._fence = False  # the call stands in a fence of its own
        self._elements: Elements | None = None
        self._gathering: Gathering | None = None
        self._buffer = ""
        self._passed: list[str] = []  # of the buffer, in this step
        self._space = ""  # before the first word: the user's only if a word comes
        self._state: Callable[[bool], bool] = self._lead
        self._signs: re.Pattern[str] | None = None  # what the state looks for in text; None: it looks at everything

    # The stream's calls

    def text(self, text: str) -> None:
        if not self._buffer and self._signs is not None and self._signs.search(text) is None:
            self.next.text(text)
            return
        self._buffer += text
        self._run(final=False)

    def refusal(self, text: str) -> None:
        self._settle()
        self.next.refusal(text)

    def thinking(self, text: str) -> None:
        self._settle()
        self.next.thinking(text)

    def redacted(self, data: str, origin: str) -> None:
        self._settle()
        self.next.redacted(data, origin)

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        self._settle()
        self.next.tool_start(key, id, name, kind)

    def media(self, part: Media) -> None:
        self._settle()
        self.next.media(part)

    def opaque(self, origin: str, raw: JSON) -> None:
        self._settle()
        self.next.opaque(origin, raw)

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        if reason == "length":
            self._cut()
        self._settle()
        if self._space and not self._called:
            self.next.text(self._space)
        called = self._called and reason != "length"
        self.next.finish("tool_calls" if called else reason, None if called else stop_sequence)

    def error(self, error: CcproxyError) -> None:
        """A call that has begun stays open; what was none yet is text."""
        if self._gathering is None and self._elements is None:
            self._settle()
        self.next.error(error)

    # Steps

    def _run(self, *, final: bool) -> None:
        while self._state(final):
            pass
        self._flush()

    def _flush(self) -> None:
        """What passes of one piece leaves in one piece."""
        if self._passed:
            self.next.text("".join(self._passed))
            self._passed.clear()

    def _settle(self) -> None:
        """Nothing more comes of the text: what waits is decided."""
        self._run(final=True)

    def _cut(self) -> None:
        """The answer ends at its limit, perhaps within a call, which must not run."""
        if self._elements is not None:
            self._run(final=False)
        if self._elements is not None:
            self._elements.cut()
            self._ended()
            self._buffer = ""
        elif self._gathering is not None:
            tool = self._gathering.named()
            if tool is not None:
                self._write(tool).cut()
                self._ended()

    def _to(self, state: Callable[[bool], bool], signs: re.Pattern[str] | None) -> None:
        self._state, self._signs = state, signs

    def _say(self, length: int) -> None:
        """Lets so much of the buffer pass."""
        if length:
            self._passed.append(self._space + self._buffer[:length])
            self._space, self._buffer = "", self._buffer[length:]

    def _lead(self, final: bool) -> bool:
        """Before the first word of the answer."""
        buffer = self._buffer
        rest = buffer.lstrip()
        self._space += buffer[: len(buffer) - len(rest)]
        self._buffer = rest
        if not rest:
            return False
        thought = _THINK.match(rest)
        if thought is not None:
            self._say(thought.end())
            self._to(self._thought, _ANGLE)
            return True
        if not final and len(rest) < len("<thinking>") and ("<thinking>".startswith(rest) or "<think>".startswith(rest)):
            return False
        if not final and _TOKENS[0].startswith(rest):
            return False
        if self._json and rest[0] in "{[" and not rest.startswith(_TOKENS[0]):
            document = self._may_be_document(0, final)
            if document == "more":
                return False
            if document:
                return self._gather("bare", Documents(0))
        self._to(self._plain, _PLAIN)
        return True

    def _thought(self, final: bool) -> bool:
        """Between <think> and </think>."""
        end = _THINKING.search(self._buffer)
        if end is not None:
            self._say(end.end())
            self._to(self._lead, None)
            return True
        sign = self._buffer.rfind("<")
        waits = not final and sign >= 0 and "</thinking>".startswith(self._buffer[sign:])
        self._say(sign if waits else len(self._buffer))
        return False

    def _plain(self, final: bool) -> bool:
        sign = _PLAIN.search(self._buffer)
        self._say(sign.start() if sign else len(self._buffer))
        return _AT_SIGN[sign.group()](self, final) if sign else False

    def _inline(self, final: bool) -> bool:
        """In a code span, which ends with its line at the latest."""
        sign = _INLINE.search(self._buffer)
        self._say(sign.end() if sign else len(self._buffer))
        if sign is None:
            return False
        self._to(self._plain, _PLAIN)
        return True

    def _fenced(self, final: bool) -> bool:
        sign = _TICKS.search(self._buffer)
        self._say(sign.start() if sign else len(self._buffer))
        if sign is None:
            return False
        ticks = len(self._buffer) - len(self._buffer.lstrip("`"))
        if ticks == len(self._buffer) and not final:
            return False
        self._say(ticks)
        if ticks >= 3:
            self._to(self._plain, _PLAIN)
        return True

    def _call(self, final: bool) -> bool:
        """In a call with elements."""
        assert self._elements is not None
        at, verdict = self._elements.read(self._buffer, 0, final)
        self._buffer = self._buffer[at:]
        if verdict == "over":
            self._ended()
        return verdict == "over"

    def _gathered(self, final: bool) -> bool:
        """In a call that is read at its end."""
        gathering = self._gathering
        assert gathering is not None
        piece, self._buffer = self._buffer, ""
        if not gathering.add(piece, final=final):
            return False
        self._gathering, self._buffer = None, gathering.text
        meant = gathering.read()
        if meant is None:
            self._doubt()
        else:
            self._carry_out(meant)
        return True

    def _after(self, final: bool) -> bool:
        """Behind a call: what belongs to its form is dropped."""
        self._buffer = rest = self._buffer.lstrip()
        if not rest:
            return False
        if self._fence and rest[0] == "`":
            if len(rest) < 3 and "```".startswith(rest) and not final:
                return False
            self._fence = False
            self._buffer = rest.removeprefix("```")
            return True
        tag = tag_at(rest, 0, final) if rest[0] == "<" else None
        if tag == "more":
            return False
        if tag is not None and tag.name in _RESULTS and not tag.close:
            self._buffer = ""
            self._to(self._dropped, None)
            return False
        if is_cut_end(rest, 0) and final:
            self._buffer = ""
            return False
        if tag is not None and (closes(tag) or tag.raw.endswith(_ENDS)):
            self._buffer = rest[tag.end :]
            return True
        self._to(self._plain, _PLAIN)
        return True

    def _passing(self, final: bool) -> bool:
        self._say(len(self._buffer))
        return False

    def _dropped(self, final: bool) -> bool:
        self._buffer = ""
        return False

    # Signs in plain text

    def _at_bracket(self, final: bool) -> bool:
        token = self._token(final)
        if token is None:
            self._say(1)
        return token is not False

    def _at_angle(self, final: bool) -> bool:
        token = self._token(final)
        if token is not None:
            return token
        call = self._opened(0, final)
        if call is None:
            self._say(1)
            return True
        return self._begin(call)

    def _token(self, final: bool) -> bool | None:
        """Gathers what a special token opens; False while it may become one, None where it is none."""
        buffer = self._buffer
        if buffer.startswith(_TOKENS):
            return self._gather("tokens", Documents(0))
        waits = not final and any(token.startswith(buffer) for token in _TOKENS) and buffer != "<"
        return False if waits else None

    def _at_tick(self, final: bool) -> bool:
        ticks = len(self._buffer) - len(self._buffer.lstrip("`"))
        if ticks == len(self._buffer) and not final:
            return False
        if ticks >= 3:
            return self._at_fence(final)
        self._say(ticks)
        self._to(self._inline, _INLINE)
        return True

    def _at_fence(self, final: bool) -> bool:
        """A fence. The call right behind it, if there is one, is no example."""
        fence = _FENCE.match(self._buffer)
        assert fence is not None
        if fence.end() == len(self._buffer) and not final:
            return False
        at, sign = fence.end(), self._buffer[fence.end() : fence.end() + 1]
        call: Opened = None
        document: bool | Literal["more"] = False
        if sign == "<":
            call = self._opened(at, final)
        elif self._json and sign and sign in "{[":
            document = self._may_be_document(at, final)
        if call == "more" or document == "more":
            return False
        if document:
            return self._gather("fenced", Documents(at))
        if call is not None:
            self._fence = True
            return self._begin(call)
        self._say(len(fence[1]))
        self._to(self._fenced, _TICKS)
        return True

    def _opened(self, at: int, final: bool) -> Opened:
        """The call that begins at the buffer's `at`."""
        if len(self._buffer) - at > _LONGEST_OPENING:
            return None
        may = self._may_open(at, final)
        return opened(self._buffer, at, self._tools, final) if may is True else may or None

    def _may_open(self, at: int, final: bool) -> bool | Literal["more"]:
        """Whether a call may begin with the name of this tag. It is decided letter by letter, as the name comes."""
        if not self._openers:
            self._openers = (*OPENERS, *map(plain, self._tools.names))
        match = _TAG_NAME.match(self._buffer, at)
        assert match is not None
        space, _, local = re.sub(r"[|｜▁]+", ":", match[1]).rpartition(":")
        name = plain(local)
        unfinished = match.end() == len(self._buffer) and not final
        if space.strip(":") and plain(space) not in _SPACES:
            return False
        if unfinished and (not name or any(space.startswith(name) for space in _SPACES)):
            return "more"
        if not name or not any(opener.startswith(name) for opener in self._openers):
            return False
        if unfinished:
            return "more"
        return meaning(match[1]) in OPENERS or self._tools.find(match[1]) is not None

    def _may_be_document(self, at: int, final: bool) -> bool | Literal["more"]:
        may = may_begin(self._buffer, at, self._tools)
        return False if may == "more" and final else may

    # Calls

    def _begin(self, call: Begun | Documents | Literal["more"]) -> bool:
        """Goes into the call that was found."""
        if call == "more":
            return False
        if isinstance(call, Documents):
            return self._gather("words" if call.words else "tagged", call)
        writing = self._write(call.tool)
        for name, value in call.given:
            parameter = call.tool.parameter(name)
            writing.whole(parameter, typed(value, parameter))
        self._buffer = self._buffer[call.at :]
        if call.empty:
            writing.end()
            self._ended()
        else:
            self._elements = Elements(call.tool, writing, escaped=call.escaped)
            self._to(self._call, None)
        return True

    def _doubt(self) -> None:
        """What began like a call is text; the search goes on behind its first characters."""
        self._doubts += 1
        self._fence = False
        fence = _FENCE.match(self._buffer)
        if self._doubts >= _MOST_DOUBTS:
            self._to(self._passing, _NEVER)
        else:
            self._to(self._fenced if fence else self._plain, _TICKS if fence else _PLAIN)
        self._say(len(fence[1]) if fence else 1)

    def _gather(self, form: Form, opening: Documents) -> bool:
        self._gathering = Gathering(form, self._tools, opening)
        self._to(self._gathered, None)
        return True

    def _carry_out(self, meant: Meant) -> None:
        raw, self._buffer = self._buffer[: meant.rest], self._buffer[meant.rest :]
        for tool, arguments in meant.calls:
            self._write(tool).all(arguments)
        if meant.broken is not None:
            self._refuse(meant.broken, raw)
        self._ended()

    def _refuse(self, tool: Declared, raw: str) -> None:
        """See the module."""
        if tool.required and not tool.free:
            self._write(tool).all({UNREADABLE: raw})
        else:
            self._space = ""
            self._passed.append(f"[The model's call of {tool.name} could not be read and was not run.]")

    def _write(self, tool: Declared) -> Writing:
        self._flush()
        self._space = ""
        self._called += 1
        return Writing(self.next, _KEYS + self._called, f"call_{self._id}c{self._called:x}", tool)

    def _ended(self) -> None:
        self._elements = self._gathering = None
        self._to(self._after, None)


_AT_SIGN: dict[str, Callable[[Calls, bool], bool]] = {
    "<": Calls._at_angle,
    "[": Calls._at_bracket,
    "`": Calls._at_tick,
}

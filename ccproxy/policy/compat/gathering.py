"""A call that is read at its end: JSON, special tokens, or a text without tags.

Pieces gather until the form's end comes or the answer is over; then `read` says what they mean. Each character is searched
once for the end, however the text was cut.
"""

from __future__ import annotations

import re
from typing import Literal

from attrs import define, field, frozen

from ccproxy.codec.jsontext import JSONError, loads_exact
from ccproxy.policy.compat.documents import Call, calls_of, found_in, named_in, tokened
from ccproxy.policy.compat.opening import Documents
from ccproxy.policy.compat.repair import read
from ccproxy.policy.compat.toolbox import Declared, Toolbox, plain
from ccproxy.policy.compat.values import typed

LONGEST_WORDS = 4096
"""Characters behind a tag that are waited for without any other tag: a command, hardly a file."""

LONGEST_DOCUMENT = 16 * 1024 * 1024
"""Characters of a call that is read at its end; no model writes so many, but something that only looks like one may."""

_END_TAG = r"</(?:[\w.-]+:)?(?:tool[_-]?calls?|tool[_-]?use|function(?:[_-]?calls?)?|invoke{})\s*>"
_SECTION_END = re.compile(r"<\|tool_calls_section_end\|>|<｜tool▁calls▁end｜>")
_FENCE_END = re.compile(r"(?<=[}\]\s])```")
_PARAMETER = re.compile(r"<(?:param|arg)")
_NEVER = re.compile(r"(?!)")
_LONGEST_END = 256

Form = Literal["tagged", "words", "tokens", "fenced", "bare"]


@frozen
class Meant:
    """calls: what was read. broken: the tool that is named in what could not be read. rest: where the text goes on."""

    calls: tuple[Call, ...] = ()
    broken: Declared | None = None
    rest: int = 0


@define
class Gathering:
    """form: what the text is. opening: where its documents begin, and of which tool."""

    form: Form
    tools: Toolbox
    opening: Documents = field(factory=lambda: Documents(0))
    text: str = ""
    stop: int = -1  # where the end of the form begins in the text, and where it ends
    end: int = -1
    _pieces: list[str] = field(factory=list)
    _window: str = ""
    _length: int = 0
    _ending: re.Pattern[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        tool = self.opening.tool
        own = f"|{re.escape(tool.name)}" if tool is not None else ""
        tagged = re.compile(_END_TAG.format(own), re.IGNORECASE)
        ends = {"tagged": tagged, "words": tagged, "tokens": _SECTION_END, "fenced": _FENCE_END}
        self._ending = ends.get(self.form, _NEVER)

    def add(self, piece: str, *, final: bool) -> bool:
        """Takes a piece; true when the text is complete: `text` has all of it, `end` the end of the form in it."""
        window = self._window + (piece if self._pieces else piece[self.opening.at :])
        self._pieces.append(piece)
        self._length += len(piece)
        found = self._ending.search(window)
        self._window = window[-_LONGEST_END:]
        if found is None and not final and not self._is_too_long():
            return False
        self.text = "".join(self._pieces)
        if found is not None:
            before = len(self.text) - len(window)
            self.stop, self.end = before + found.start(), before + found.end()
        return True

    def read(self) -> Meant | None:
        """What the complete text means, None when it is no call."""
        if self._is_too_long() and self.end < 0:
            return None
        try:
            return _READERS[self.form](self)
        except JSONError:
            return self._unreadable()

    def named(self) -> Declared | None:
        """The tool that what has come so far names."""
        return self.opening.tool or named_in("".join(self._pieces), self.tools)

    def _is_too_long(self) -> bool:
        return self._length > (LONGEST_WORDS if self.form == "words" else LONGEST_DOCUMENT)

    def _inner(self) -> str:
        """The text before the end of the form."""
        return self.text if self.stop < 0 else self.text[: self.stop]

    def _unreadable(self) -> Meant | None:
        """A call that names its tool and cannot be read. A document that stands alone is then just a document."""
        if self.form not in ("tagged", "tokens"):
            return None
        tool = self.opening.tool or named_in(self._inner(), self.tools)
        return None if tool is None else Meant(broken=tool, rest=self.end if self.end >= 0 else len(self.text))

    def _tagged(self) -> Meant | None:
        text, tool = self._inner(), self.opening.tool
        if tool is None:
            found = found_in(text, self.opening.at, self.tools, exact=False)
            return Meant(tuple(found.calls), rest=self._past(found.rest)) if found else self._unreadable()
        value, end = read(text, self.opening.at)
        if isinstance(value, dict):
            whole = None if all(map(tool.knows, value)) else calls_of(value, self.tools, exact=True)
            return Meant(tuple(whole or [(tool, _unwrapped(value, tool))]), rest=self._past(end))
        if tool.main is None:
            return self._unreadable()
        return Meant(((tool, {tool.main.name: value}),), rest=self._past(end))

    def _past(self, end: int) -> int:
        """Behind the form's end, where nothing else stands before it."""
        if self.end < 0:
            return end
        return self.end if _EMPTY.fullmatch(self.text, end, self.stop) else end

    def _words(self) -> Meant | None:
        tool = self.opening.tool
        if self.end < 0 or tool is None:
            return None
        said = self.text[self.opening.at : self.stop].strip()
        main = tool.main
        if main is None or _PARAMETER.search(said):
            return Meant(broken=tool, rest=self.end)
        return Meant(((tool, {main.name: typed(said, main)}),), rest=self.end)

    def _tokens(self) -> Meant | None:
        found = tokened(self._inner(), self.tools)
        return Meant(tuple(found.calls), rest=self._past(found.rest)) if found else None

    def _fenced(self) -> Meant | None:
        if self.end < 0:
            return None
        found = found_in(self._inner(), self.opening.at, self.tools, exact=True)
        if found is None or self.text[found.rest : self.stop].strip():
            return None
        return Meant(tuple(found.calls), rest=self.end)

    def _bare(self) -> Meant | None:
        """F186: a call only when the whole text is the document, with nothing to mend."""
        calls = calls_of(loads_exact(self.text), self.tools, exact=True)
        return Meant(tuple(calls), rest=len(self.text)) if calls else None


_READERS = {
    "tagged": Gathering._tagged,
    "words": Gathering._words,
    "tokens": Gathering._tokens,
    "fenced": Gathering._fenced,
    "bare": Gathering._bare,
}


_EMPTY = re.compile(r"(?:</[\w:.-]+\s*>|```|[}\]]|\s)*")
"""What may stand between a document and the end of its form: more ends."""


def _unwrapped(value: dict[str, object], tool: Declared) -> dict[str, object]:
    """`{"arguments": {...}}` within a tag that has named the tool."""
    if len(value) == 1:
        [(key, inner)] = value.items()
        if plain(key) in ("arguments", "parameters", "args", "input") and isinstance(inner, dict) and not tool.knows(key):
            return inner
    return value

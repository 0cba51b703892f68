"""A call whose parameters are elements, read as it comes: what is certain goes out at once.

    BETWEEN ── <parameter name="x"> ──> VALUE ── its end ──> BETWEEN ── </tool_call> ──> over

- A text's end is its closing tag. One with anything but white space or a tag right behind it is part of the text, since
  code holds such tags between quotes. Without a closing tag the next parameter ends it, or the call's own end.
- One line break behind the opening tag and one before the closing tag belong to the tags.
- What stands between two parameters and is neither tag nor space ends the call: its closing tag was forgotten.
- Texts of type string go out piece by piece; a number, a list or a word of an enum waits for its end, to get its type.
"""

from __future__ import annotations

import html
import re
from typing import Literal

from attrs import define, field

from ccproxy.policy.compat.tags import CALLS, CONTAINERS, KEY, KEYS_VALUE, PARAMETERS, WRAPPERS, Tag, is_cut_end, tag_at
from ccproxy.policy.compat.toolbox import Declared, Parameter, plain
from ccproxy.policy.compat.values import typed
from ccproxy.policy.compat.writing import Writing

Reading = Literal["more", "over"]

_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_CDATA_TAIL = re.compile(r"\](?:\](?:>\s*)?)?\Z")
_ENTITY_BEGINS = re.compile(r"&#?\w{0,8}\Z")
_LONGEST_TAIL = 64
"""Characters of white space behind a CDATA section, or of an entity, that are waited for."""


@define
class _Value:
    """The text of one parameter, as far as it has come. tag: the name of its opening tag. began: something of it has been
    seen, so that a line break is no longer its first."""

    parameter: Parameter
    tag: str
    began: bool = False
    cdata: bool = False
    tail: str = ""  # may belong to the closing tag, or is half of something
    pieces: list[str] = field(factory=list)


class Elements:
    """Reads one call. tag: the name of the tag that the call began with. escaped: texts have XML's entities in them."""

    def __init__(self, tool: Declared, writing: Writing, *, escaped: bool = False) -> None:
        self._tool = tool
        self._writing = writing
        self._escaped = escaped
        self._value: _Value | None = None
        self._key = ""  # GLM's name of the next value
        self._enders = CALLS | WRAPPERS | CONTAINERS | {plain(tool.name)}

    def read(self, text: str, at: int, final: bool) -> tuple[int, Reading]:
        """Reads on at `at`; returns how far it came and what it needs. final: nothing comes after the text."""
        while True:
            step = self._between if self._value is None else self._within
            at, verdict = step(text, at, final)
            if verdict == "over":
                if self._value is not None:
                    self._close()
                self._writing.end()
            if verdict is not None:
                return at, verdict

    def cut(self) -> None:
        self._writing.cut()

    # Between parameters

    def _between(self, text: str, at: int, final: bool) -> tuple[int, Reading | None]:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return at, "over" if final else "more"
        tag = tag_at(text, at, final) if text[at] == "<" else None
        if tag == "more":
            return at, "more"
        if tag is None or (not tag.close and self._begins_another(tag)):
            return at, "over"
        if tag.close:
            return tag.end, "over" if tag.name in self._enders - CONTAINERS else None
        if tag.name == KEY:
            end = text.find("<", tag.end)
            self._key = text[tag.end : end].strip()
            return (at, "more") if end < 0 and not final else (end if end >= 0 else len(text), None)
        return self._opened(tag), None

    def _begins_another(self, tag: Tag) -> bool:
        return tag.name in CALLS | WRAPPERS and not self._tool.knows(tag.raw)

    def _opened(self, tag: Tag) -> int:
        """A parameter, or the element around all of them."""
        if tag.name in CONTAINERS and not self._tool.knows(tag.raw):
            return tag.end
        parameter = self._named(tag)
        if tag.empty:
            self._writing.whole(parameter, typed(tag.attributes.get("value", ""), parameter))
            return tag.end
        self._value = _Value(parameter, tag.name if tag.name in PARAMETERS | {KEYS_VALUE} else plain(tag.raw))
        if parameter.streams:
            self._writing.open(parameter)
        return tag.end

    def _named(self, tag: Tag) -> Parameter:
        if tag.name == KEYS_VALUE and self._key:
            return self._tool.parameter(self._key)
        if tag.name not in PARAMETERS:
            return self._tool.parameter(tag.raw)
        return self._tool.parameter(tag.label) if tag.label else self._tool.main or self._tool.parameter(tag.raw)

    # Within a value

    def _within(self, text: str, at: int, final: bool) -> tuple[int, Reading | None]:
        value = self._value
        assert value is not None
        if not value.began:
            started = _start(text, at, final)
            if started is None:
                return at, "more"
            at, value.cdata = started
            value.began = True
        while True:
            sign = text.find("<", at)
            self._take(text[at : sign if sign >= 0 else len(text)])
            if sign < 0:
                return len(text), "over" if final else "more"
            if final and is_cut_end(text, sign):
                return len(text), "over"
            tag = tag_at(text, sign, final)
            ends = "more" if tag == "more" else self._ends(tag, text, final) if tag is not None else False
            if ends == "more":
                return sign, "more"
            if ends:
                assert isinstance(tag, Tag)
                self._close()
                own = tag.close and tag.name not in self._enders
                return tag.end if own else sign, None
            self._take("<")
            at = sign + 1

    def _ends(self, tag: Tag, text: str, final: bool) -> bool | Literal["more"]:
        """Whether the value ends before this tag."""
        value = self._value
        assert value is not None
        if value.cdata and _CDATA_END not in value.tail:
            return False
        if not tag.close:
            named = tag.name in PARAMETERS and bool(tag.label)
            return named and self._tool.knows(tag.label) and not self._writing.given(self._tool.parameter(tag.label).name)
        if tag.name in self._enders:
            return True
        if tag.name not in PARAMETERS | {KEYS_VALUE, value.tag, plain(value.parameter.name)}:
            return False
        behind = text[tag.end : tag.end + 1]
        if not behind and not final:
            return "more"
        return not behind or behind.isspace() or behind == "<"

    def _take(self, text: str) -> None:
        value = self._value
        assert value is not None
        said = value.tail + text
        kept = _kept(said, self._escaped, value.cdata)
        value.tail, said = said[len(said) - kept :] if kept else "", said[: len(said) - kept]
        self._say(said)

    def _say(self, text: str) -> None:
        value = self._value
        assert value is not None
        if self._escaped and not value.cdata and "&" in text:
            text = html.unescape(text)
        if value.parameter.streams:
            self._writing.piece(text)
        else:
            value.pieces.append(text)

    def _close(self) -> None:
        value = self._value
        assert value is not None
        tail = value.tail
        end = tail.rfind(_CDATA_END) if value.cdata else -1
        self._say(tail[: end if end >= 0 else len(tail) - _last_line(tail)])
        if value.parameter.streams:
            self._writing.close()
        else:
            self._writing.whole(value.parameter, typed("".join(value.pieces), value.parameter))
        self._value = None


def _start(text: str, at: int, final: bool) -> tuple[int, bool] | None:
    """Where the text begins, and whether it is in a CDATA section; None while that cannot be told."""
    rest = text[at : at + len(_CDATA) + 2]
    line = next((line for line in ("\r\n", "\n") if rest.startswith(line)), "")
    inner = rest[len(line) :]
    if not final and (rest in ("", "\r") or (len(inner) < len(_CDATA) and _CDATA.startswith(inner))):
        return None
    at += len(line)
    return (at + len(_CDATA), True) if inner.startswith(_CDATA) else (at, False)


def _kept(text: str, escaped: bool, cdata: bool) -> int:
    """How many of the last characters have to wait, since what follows decides what they are."""
    if cdata or (escaped and "&" in text):
        ending = _CDATA_TAIL if cdata else _ENTITY_BEGINS
        match = ending.search(text, max(len(text) - _LONGEST_TAIL, 0))
        if match is not None or cdata:
            return len(text) - match.start() if match else 0
    return _last_line(text) or text.endswith("\r")


def _last_line(text: str) -> int:
    """The length of a line break at the end, with the indentation of the tag that may follow."""
    line = text.rfind("\n")
    if line < 0 or text[line:].strip(" \t\n"):
        return 0
    return len(text) - (line - 1 if text[line - 1 : line] == "\r" else line)

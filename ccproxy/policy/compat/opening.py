"""What begins at a `<` of the text: a call, and in which form, or nothing.

`opened` looks at the text from an opening tag on and says one of

    "more"      the text may still become a call
    None        it is none, and stays text
    Begun       a call with elements; the tool is known and something of the call's body has been seen
    Documents   JSON, or a text without tags, which is read at its end

Nothing is a call that does not name a declared tool.
"""

from __future__ import annotations

import re
from typing import Literal

from attrs import define, field, frozen

from ccproxy.policy.compat.tags import CALLS, CONTAINERS, IDS, KEY, NAMES, PARAMETERS, WRAPPERS, Tag, tag_at
from ccproxy.policy.compat.toolbox import Declared, Toolbox

_ESCAPES = ("cs:", "ccp:")
"""Namespaces whose prompts ask for XML's entities in texts."""

_FENCE = re.compile(r"```[\w+-]*")
_GLM_NAME = re.compile(r"[\w.:-]+(?=\s*(?:<|\Z)|[ \t]*\n)")
_LONGEST_NAME = 200


@frozen
class Begun:
    """A call of `tool` whose body goes on at `at`. given: parameters in the opening tag's attributes. empty: it is over."""

    tool: Declared
    at: int
    escaped: bool
    given: tuple[tuple[str, str], ...] = ()
    empty: bool = False


@frozen
class Documents:
    """JSON begins at `at`. tool: the one that the tags named; the JSON is its arguments. words: a text without tags."""

    at: int
    tool: Declared | None = None
    words: bool = False


Opened = Begun | Documents | Literal["more"] | None


@define
class _Look:
    """One look at the text. bare: the tag's own name is the tool's. spelled: the tool's name was a text in an element."""

    text: str
    at: int
    tools: Toolbox
    final: bool
    tool: Declared | None = None
    bare: bool = False
    escaped: bool = False
    spelled: bool = False
    given: dict[str, str] = field(factory=dict)

    def opened(self) -> Opened:
        while True:
            self._skip_space()
            if self.at >= len(self.text):
                return self._nothing_more()
            sign = self.text[self.at]
            if sign == "`":
                if not self._skip_fence():
                    return "more" if self._short("```") else None
                continue
            if sign != "<":
                return self._without_tag(sign)
            tag = tag_at(self.text, self.at, self.final)
            if tag is None or tag == "more":
                return tag
            if self.tool is None:
                named = self._named(tag)
                if named is not True:
                    return named
            elif not self._passed(tag):
                return self._body(tag)

    # The tool's name

    def _named(self, tag: Tag) -> Literal[True, "more"] | Begun | None:
        """Goes behind the tag, if it may lead to a call; the tool may be known then."""
        if tag.close:
            return None
        self.escaped = self.escaped or tag.raw.startswith(_ESCAPES)
        if tag.name in CALLS | WRAPPERS and (tag.label or not self._is_tool(tag)):
            return self._labelled(tag)
        if tag.name in NAMES | IDS and not tag.label:
            return self._told(tag)
        self.tool = self.tools.find(tag.raw) if self._is_tool(tag) else None
        self.bare = True
        return self._begin(tag, dict(tag.attributes)) if self.tool is not None else None

    def _is_tool(self, tag: Tag) -> bool:
        return tag.raw in self.tools.names or (tag.name not in CALLS | WRAPPERS and self.tools.find(tag.raw) is not None)

    def _labelled(self, tag: Tag) -> Literal[True] | Begun | None:
        if not tag.label:
            self.at = tag.end
            return None if tag.empty else True
        self.tool = self.tools.find(tag.label)
        if self.tool is None:
            return None
        attributes = {name: value for name, value in tag.attributes.items() if value != tag.label or tag.said}
        return self._begin(tag, attributes)

    def _begin(self, tag: Tag, attributes: dict[str, str]) -> Literal[True] | Begun | None:
        assert self.tool is not None
        self.given = {name: value for name, value in attributes.items() if self.tool.knows(name)}
        self.at = tag.end
        if not tag.empty:
            return True
        return None if self.bare and self._lacks() else self._begun(empty=True)

    def _told(self, tag: Tag) -> Literal[True, "more"] | None:
        """`<name>read_file</name>`, or an id, which says nothing."""
        end = self.text.find("<", tag.end)
        if end < 0:
            return "more" if not self.final and len(self.text) - tag.end < _LONGEST_NAME else None
        close = tag_at(self.text, end, self.final)
        if close is None or close == "more":
            return close
        if tag.name in NAMES:
            self.tool = self.tools.find(self.text[tag.end : end].strip())
            if self.tool is None:
                return None
        self.at = close.end if close.close else end
        return True

    # The body

    def _passed(self, tag: Tag) -> bool:
        """Whether the tag stands before the parameters and says nothing."""
        assert self.tool is not None
        if tag.name in CONTAINERS and not tag.close and not tag.empty and not self.tool.knows(tag.raw):
            self.at = tag.end
            return True
        if self.spelled and tag.close and tag.name in NAMES:
            self.at, self.spelled = tag.end, False
            return True
        return False

    def _body(self, tag: Tag) -> Opened:
        """The first tag behind the tool's name."""
        assert self.tool is not None
        if tag.close:
            return None if self.bare and self._lacks() else self._begun()
        if self.bare and not (self.tool.knows(tag.raw) or (tag.name in PARAMETERS and self.tool.knows(tag.label))):
            return None
        return self._begun()

    def _begun(self, *, empty: bool = False) -> Begun:
        assert self.tool is not None
        return Begun(self.tool, self.at, self.escaped, tuple(self.given.items()), empty)

    def _lacks(self) -> bool:
        """Whether a call without elements says too little to be one."""
        assert self.tool is not None
        return not self.given and bool(self.tool.required)

    def _nothing_more(self) -> Opened:
        if not self.final:
            return "more"
        return self._begun() if self.tool is not None and not (self.bare and self._lacks()) else None

    def _without_tag(self, sign: str) -> Opened:
        """Something else than a tag comes next."""
        if sign in "{[":
            return None if self.bare and sign == "[" else Documents(self.at, self.tool)
        if self.tool is not None:
            return None if self.bare else Documents(self.at, self.tool, words=True)
        name = _GLM_NAME.match(self.text, self.at)
        if name is None:
            return "more" if self._unfinished_name() else None
        if name.end() == len(self.text) and not self.final:
            return "more"
        self.tool = self.tools.find(name.group())
        if self.tool is None:
            return None
        self.at, self.spelled = name.end(), True
        return self.opened()

    def _unfinished_name(self) -> bool:
        rest = self.text[self.at :]
        return not self.final and len(rest) < _LONGEST_NAME and re.fullmatch(r"[\w.:-]+[ \t]*", rest) is not None

    def _skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _skip_fence(self) -> bool:
        fence = _FENCE.match(self.text, self.at)
        if fence is None or (fence.end() == len(self.text) and not self.final):
            return False
        self.at = fence.end()
        return True

    def _short(self, mark: str) -> bool:
        rest = self.text[self.at :]
        return not self.final and (mark.startswith(rest) or _FENCE.fullmatch(rest) is not None)


def opened(text: str, at: int, tools: Toolbox, final: bool) -> Opened:
    """See the module. `at`: where the `<` stands. final: nothing comes after the text."""
    return _Look(text, at, tools, final).opened()


def closes(tag: Tag) -> bool:
    """Whether the tag is the end of something that a call began, and means nothing behind a call."""
    return tag.close and tag.name in CALLS | WRAPPERS | CONTAINERS | PARAMETERS | {KEY}

"""Tags as models write them, and what each of their names means in a call.

    <tool_call name="read_file">        ours; also tool_use, invoke, function, with the tool's name in an attribute
    <function=read_file>                Qwen3-Coder and Llama
    <cs:tool_use><name>read_file</name>  a name in an element
    <read_file>                         the tool's name as the tag's, as Cline and Roo Code ask for it

Names are compared without case, punctuation and namespace (`antml:invoke`, `Tool-Call`), quotes may be any or missing.
"""

from __future__ import annotations

import re
from typing import Literal

from attrs import frozen

from ccproxy.policy.compat.toolbox import nearest, plain

_NAME = r"[\w:.|｜▁-]+"
_WORD = r"[\w:.-]+"
# One word between any two quotes, a text between two that belong together, or no quotes. Atomic, so that no value is read
# in two ways, whether the rest of the tag has come or not: a closing quote has nothing of the value behind it.
_VALUE = (
    r"(?>[\"'“][^\s<>\"'“”]*[\"'”](?=[\s/>])|\"[^\"\n]*\"(?=[\s/>])|'[^'\n]*'(?=[\s/>])|“[^”\n]*”(?=[\s/>])"
    r"|(?![\"'“])[^\s<>]*[^\s<>/])"
)
_PART = r"(?:\"[^\"\n]*\"?|'[^'\n]*'?|“[^”\n]*”?|[^\s<>]*)"
_MORE = rf"(?:\s+{_WORD}\s*=\s*{_VALUE})*"
_TAG = re.compile(rf"<(?P<close>/?)(?P<name>{_NAME})(?:\s*=\s*(?P<said>{_VALUE}))?(?P<more>{_MORE})\s*(?P<empty>/?)>")
_ATTRIBUTE = re.compile(rf"({_WORD})\s*=\s*({_VALUE})")
_UNFINISHED = re.compile(
    rf"</?(?:{_NAME}(?:\s*=\s*{_VALUE})?{_MORE}(?:\s*/?|\s+{_WORD}\s*|\s+{_WORD}\s*=\s*{_PART})|{_NAME}\s*=\s*{_PART})?\Z"
)
LONGEST_TAG = 8192
"""Characters of a tag that may still become one; attributes in place of elements can be long."""

_SPECIAL = re.compile(r"[|｜▁]+")

CALLS = frozenset(
    {"toolcall", "tooluse", "invoke", "function", "functioncall", "toolinvocation", "tool", "call", "usetool"}
)
"""Tags that a call begins with; the tool's name is an attribute or an element within."""

WRAPPERS = frozenset({"toolcalls", "functioncalls", "tooluses", "tools"})
"""Tags around one or several calls."""

OPENERS = tuple(sorted((CALLS | WRAPPERS) - {"tool", "tools", "call"}))
"""What text is searched for. The others are too common in ordinary XML to begin a call; within one they are known."""

NAMES = frozenset({"name", "toolname", "functionname", "tool", "function"})
IDS = frozenset({"id", "callid", "toolcallid"})
CONTAINERS = frozenset({"args", "arguments", "parameters", "params", "input", "toolinput"})
PARAMETERS = frozenset({"parameter", "param", "arg", "argument", "property", "field"})
KEY, KEYS_VALUE = "argkey", "argvalue"
"""GLM's pairs: `<arg_key>path</arg_key><arg_value>a.txt</arg_value>`."""


@frozen
class Tag:
    """name: as it is compared. raw: as it stands. said: what stands behind the name's `=`. end: behind its `>`."""

    name: str
    raw: str
    close: bool
    empty: bool
    said: str
    attributes: dict[str, str]
    end: int

    @property
    def label(self) -> str:
        """The name that the tag gives to a call or a parameter."""
        return self.said or next((self.attributes[word] for word in ("name", "key", "tool") if word in self.attributes), "")


def tag_at(text: str, at: int, final: bool) -> Tag | Literal["more"] | None:
    """The tag at `at`, where a `<` stands; None where there is none and will be none."""
    match = _TAG.match(text, at)
    if match is not None:
        attributes = {name.casefold(): _unquoted(value) for name, value in _ATTRIBUTE.findall(match["more"] + " ")}
        said = _unquoted(match["said"] or "")
        return Tag(
            meaning(match["name"]), match["name"], bool(match["close"]), bool(match["empty"]), said, attributes, match.end()
        )
    if final or len(text) - at > LONGEST_TAG:
        return None
    return "more" if _UNFINISHED.match(text, at) else None


def is_cut_end(text: str, at: int) -> bool:
    """Whether the text ends within a closing tag of a call, as where an answer stops at its end sequence."""
    name = _CUT_END.match(text, at)
    bare = plain(name[1]) if name is not None else ""
    return name is not None and any(known.startswith(bare) for known in CALLS | WRAPPERS | PARAMETERS | CONTAINERS)


_CUT_END = re.compile(r"</([\w:.-]*)\Z")


def meaning(name: str) -> str:
    """A tag's name as it is compared; a slip of one letter in a name that calls begin with is mended."""
    bare = plain(_SPECIAL.sub(":", name).rpartition(":")[2])
    return bare if bare in _KNOWN else nearest(bare, _LONG) or bare


_KNOWN = CALLS | WRAPPERS | NAMES | IDS | CONTAINERS | PARAMETERS | {KEY, KEYS_VALUE}
_LONG = ("toolcall", "toolcalls", "tooluse", "functioncall", "functioncalls", "parameter", "arguments", "invoke")


def _unquoted(value: str) -> str:
    return value.strip("\"'“”‘’")

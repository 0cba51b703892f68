"""Calls that are written as JSON, and the special tokens that some models put around it.

    {"name": "read_file", "arguments": {...}}      also parameters, args, input; several of them, or a list
    {"function": {"name": ..., "arguments": ...}}  OpenAI's own shape, alone or in `tool_calls`
    {"read_file": {...}}                            the name as the key

The document is complete when it is read here; `Found.rest` says where it ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from ccproxy.codec.jsontext import JSONError
from ccproxy.model import JSON
from ccproxy.policy.compat.repair import read
from ccproxy.policy.compat.toolbox import FREE_TEXT, Declared, Toolbox

Call = tuple[Declared, dict[str, JSON]]

_NAMES = ("name", "tool_name", "tool", "function_name", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "params", "tool_input", "action_input", "kwargs")
_BESIDE = frozenset({"id", "type", "call_id", "tool_call_id"})
_AROUND = ("tool_calls", "tool_call", "function_call", "function", "calls")
_FIRST = re.compile(r"[\[\s]*\{\s*[\"'](\w*)[\"']")
_FIRST_BEGINS = re.compile(r"[\[\s]*(?:\{\s*(?:[\"']\w{0,40})?)?\Z")
_SAID = re.compile(r"\s*:\s*(?:[\"']([^\"'\n]{0,128})[\"']|[{\[])")
_SAID_BEGINS = re.compile(r"\s*(?::\s*(?:[\"'][^\"'\n]{0,128})?)?\Z")
_KINDS = ("function", "tool_use", "tool_call")
_OPAQUE = ("arguments", "parameters")


def may_begin(text: str, at: int, tools: Toolbox) -> bool | Literal["more"]:
    """Whether the document at `at` may be a call by its first member; "more" while that is not there. What begins otherwise
    is text, and need not wait for its end."""
    first = _FIRST.match(text, at)
    if first is None:
        return "more" if _FIRST_BEGINS.match(text, at) else False
    key = first[1]
    if key in tools.names or key in _OPAQUE:
        return True
    if key not in (*_NAMES, *_AROUND, "type"):
        return False
    said = _SAID.match(text, first.end())
    if said is None:
        return "more" if _SAID_BEGINS.match(text, first.end()) else False
    if said[1] is None:
        return key in _AROUND
    return said[1] in _KINDS if key == "type" else key in _NAMES and tools.find(said[1]) is not None


@frozen
class Found:
    """rest: where the text goes on behind the last document."""

    calls: list[Call]
    rest: int


def found_in(text: str, at: int, tools: Toolbox, *, exact: bool) -> Found | None:
    """The calls of the documents that stand one behind the other from `at` on, None where the first one is no call. exact:
    nothing but a call's own keys may stand in it. Raises JSONError for what is no JSON, however it is read."""
    calls: list[Call] = []
    while True:
        value, end = read(text, at)
        more = calls_of(value, tools, exact=exact)
        if more is None:
            return Found(calls, at) if calls else None
        calls += more
        at = end
        following = _BETWEEN.match(text, at)
        if following is None:
            return Found(calls, at)
        at = following.end()


_BETWEEN = re.compile(r"\s*[,;]?\s*(?=[{\[])")


def calls_of(value: JSON, tools: Toolbox, *, exact: bool) -> list[Call] | None:
    """The calls that a document means; None where it, or one of a list, is none."""
    if isinstance(value, list):
        each = [calls_of(one, tools, exact=exact) for one in value]
        return [call for calls in each if calls for call in calls] if each and all(each) else None
    if not isinstance(value, dict):
        return None
    for key in _AROUND:
        inner = value.get(key)
        if isinstance(inner, (dict, list)) and (not exact or value.keys() <= {key, *_BESIDE}):
            return calls_of(inner, tools, exact=exact)
    call = _named(value, tools, exact) or _keyed(value, tools)
    return None if call is None else [call]


def _named(value: dict[str, JSON], tools: Toolbox, exact: bool) -> Call | None:
    key = next((key for key in _NAMES if isinstance(value.get(key), str)), "")
    tool = tools.find(value[key]) if key else None
    if tool is None:
        return None
    place = next((place for place in _ARGUMENTS if place in value), None)
    if place is None:
        beside = {name: one for name, one in value.items() if name != key and name not in _BESIDE}
        return None if exact else (tool, beside)
    if exact and not value.keys() <= {key, place, *_BESIDE}:
        return None
    arguments = arguments_of(value[place], tool)
    return None if arguments is None else (tool, arguments)


def _keyed(value: dict[str, JSON], tools: Toolbox) -> Call | None:
    if len(value) != 1:
        return None
    [(name, inner)] = value.items()
    tool = tools.find(name) if name in tools.names and isinstance(inner, dict) else None
    return None if tool is None else (tool, inner)


def arguments_of(value: JSON, tool: Declared) -> dict[str, JSON] | None:
    """Arguments as an object; some models write it as a text once more."""
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    if not isinstance(value, str):
        return None
    if tool.free:
        return {FREE_TEXT: value}
    try:
        inner, _ = read(value)
    except JSONError:
        inner = None
    if isinstance(inner, dict):
        return inner
    return {tool.main.name: value} if tool.main is not None and value else None


# ---------------------------------------------------------------------------------------------------------------------
# Special tokens

_NAMED = re.compile(r"[\"'](?:name|tool|tool_name|function)[\"']\s*:\s*[\"']([^\"'\n]{1,128})[\"']")
_TOKEN = r"<[|｜][^<>\n]{1,40}[|｜]>|\[(?:TOOL_CALLS|ARGS|CALL_ID|TOOL_RESULTS)\]"
_TOKENS = re.compile(_TOKEN)
_OPENING = re.compile(r"[{\[]")
_WORD = re.compile(r"\s*([\w.:-]+)\s*")
_NO_NAMES = frozenset({"function", "functions", "tool"})


def named_in(text: str, tools: Toolbox) -> Declared | None:
    """The tool that a document names which cannot be read."""
    for match in _NAMED.finditer(text):
        tool = tools.find(match[1])
        if tool is not None:
            return tool
    return None


def tokened(text: str, tools: Toolbox) -> Found | None:
    """The calls among special tokens: Mistral's `[TOOL_CALLS]`, Kimi's and DeepSeek's sections, Llama's `<|python_tag|>`.
    What is not a token is a name, or a document of arguments, or one of whole calls. Raises JSONError."""
    calls: list[Call] = []
    tool: Declared | None = None
    rest = len(text)
    for start, end in _pieces(text):
        piece = text[start:end]
        opening = _OPENING.search(piece)
        word = _WORD.match(piece)
        if word is not None and word[1] not in _NO_NAMES:
            tool = tools.find(word[1]) or tool
        if opening is None:
            continue
        value, stop = read(piece, opening.start())
        more = [(tool, value)] if tool is not None and isinstance(value, dict) else calls_of(value, tools, exact=False)
        if more is None:
            return None
        calls += more
        tool, rest = None, start + stop
    return Found(calls, _behind(text, rest)) if calls else None


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for token in _TOKENS.finditer(text):
        if text[at : token.start()].strip():
            yield at, token.start()
        at = token.end()
    if text[at:].strip():
        yield at, len(text)


def _behind(text: str, at: int) -> int:
    """Where text goes on behind the last call's fence and tokens."""
    while (match := _REST.match(text, at)) is not None and match.end() > at:
        at = match.end()
    return at


_REST = re.compile(rf"\s*(?:```|{_TOKEN}|</s>)")

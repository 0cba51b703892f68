"""Calls as JSON and among special tokens."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.codec.jsontext import JSONError
from ccproxy.policy.compat.documents import arguments_of, calls_of, found_in, may_begin, named_in, tokened
from ccproxy.policy.compat.toolbox import Toolbox, declared
from tests.policy.compat.cases import BASH, PATCH, TOOLS, WRITE

BOX = Toolbox(TOOLS)
LS = {"command": "ls"}

MEANT: list[tuple[Any, list[tuple[str, Any]] | None, bool]] = [
    # a value, its calls, and whether they are calls too where nothing but a call's own keys may stand
    ({"name": "Bash", "arguments": LS}, [("Bash", LS)], True),
    ({"name": "Bash", "arguments": LS, "id": "x", "type": "function"}, [("Bash", LS)], True),
    ({"tool": "bash", "input": LS}, [("Bash", LS)], True),
    ({"function": {"name": "Bash", "arguments": '{"command": "ls"}'}}, [("Bash", LS)], True),
    ({"tool_calls": [{"name": "Bash", "args": LS}] * 2}, [("Bash", LS)] * 2, True),
    ([{"name": "Bash", "parameters": LS}], [("Bash", LS)], True),
    ({"Bash": LS}, [("Bash", LS)], True),
    ({"name": "Bash", "arguments": None}, [("Bash", {})], True),
    ({"name": "Bash", "arguments": "ls"}, [("Bash", LS)], True),
    ({"name": "Bash", "command": "ls"}, [("Bash", LS)], False),
    ({"name": "list_files"}, [("list_files", {})], False),
    ({"name": "Bash", "arguments": LS, "why": "x"}, [("Bash", LS)], False),
    ({"name": "Bash", "arguments": [1]}, None, False),
    ({"name": "mail", "arguments": {}}, None, False),
    ({"bash": LS}, None, False),
    ([{"name": "Bash", "arguments": LS}, 1], None, False),
    ([], None, False),
    ("Bash", None, False),
]


@pytest.mark.parametrize(("value", "calls", "exact"), MEANT)
def test_documents(value: Any, calls: list[tuple[str, Any]] | None, exact: bool) -> None:
    loosely, strictly = calls_of(value, BOX, exact=False), calls_of(value, BOX, exact=True)
    assert (loosely and [(tool.name, arguments) for tool, arguments in loosely]) == calls
    assert (strictly is not None) == exact


def test_documents_one_behind_the_other() -> None:
    one = '{"name": "Bash", "arguments": {"command": "ls"}}'
    found = found_in(f"x{one}, {one};{one} and", 1, BOX, exact=True)
    assert found is not None
    assert (len(found.calls), found.rest) == (3, 1 + 3 * len(one) + 3)
    found = found_in(f"{one} {{}}", 0, BOX, exact=True)
    assert found is not None
    assert len(found.calls) == 1
    assert found_in("{}", 0, BOX, exact=False) is None
    with pytest.raises(JSONError):
        found_in("words", 0, BOX, exact=False)


def test_arguments_that_are_a_text() -> None:
    assert arguments_of("x", declared(PATCH)) == {"input": "x"}
    assert arguments_of("x", declared(WRITE)) is None
    assert arguments_of("x", declared(BASH)) == {"command": "x"}


def test_the_tool_that_a_broken_document_names() -> None:
    tool = named_in("{'function': 'x', \"name\": 'bash', ...", BOX)
    assert tool is not None
    assert tool.name == "Bash"
    assert named_in('{"name": "x"', BOX) is None


FIRST = [
    ('{"name": "Bash", ', True),
    ('[{"tool": "bash"', True),
    ('{"Bash": ', True),
    ('{"arguments"', True),
    ('{"type": "function"', True),
    ('{"function": {', True),
    ('{"tool_calls": [', True),
    ('{"name": "John"', False),
    ('{"name": 5', False),
    ('{"type": "object"', False),
    ('{"id": 5', False),
    ('{"name": {', False),
    ("{1", False),
    ("[1", False),
]


@pytest.mark.parametrize(("text", "may"), FIRST)
def test_a_first_member_decides(text: str, may: bool) -> None:
    assert may_begin(text, 0, BOX) is may
    early = [end for end in range(1, len(text)) if may_begin(text[:end], 0, BOX) is not may]
    assert all(may_begin(text[:end], 0, BOX) == "more" for end in early)
    assert early == list(range(1, len(early) + 1))


def test_tokens() -> None:
    found = tokened('[TOOL_CALLS]Bash[ARGS]{"command": "ls"}</s> ok', BOX)
    assert found is not None
    assert ([call[1] for call in found.calls], found.rest) == ([LS], 43)
    assert tokened("[TOOL_CALLS] is a token", BOX) is None
    assert tokened("[TOOL_CALLS][1]", BOX) is None

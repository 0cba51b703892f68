"""Calls that are read at their end: where that is, however the text was cut."""

from __future__ import annotations

from typing import get_args

import pytest

from ccproxy.policy.compat.gathering import LONGEST_WORDS, Form, Gathering
from ccproxy.policy.compat.opening import Documents
from ccproxy.policy.compat.toolbox import Toolbox
from tests.policy.compat.cases import TOOLS

BOX = Toolbox(TOOLS)

TEXTS: dict[Form, tuple[str, str]] = {
    "tagged": ('<tool_call>{"name": "Bash", "arguments": {"command": "</tool"}}</tool_call>', " and"),
    "words": ('<tool_call name="Bash">ls < a</tool_call>', " and"),
    "tokens": ("<|tool_calls_section_begin|>functions.Bash:0{'command': 'x'}<|tool_calls_section_end|>", ""),
    "fenced": ('```json\n{"name": "Bash", "arguments": {"command": "x"}}\n```', "\n"),
    "bare": ('{"name": "Bash", "arguments": {"command": "x"}}', ""),
}
STARTS = {"tagged": 11, "words": 23, "tokens": 0, "fenced": 8, "bare": 0}


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("form", get_args(Form))
def test_forms(form: Form, size: int) -> None:
    text, behind = TEXTS[form]
    gathering = Gathering(form, BOX, Documents(STARTS[form], BOX.find("Bash") if form == "words" else None))
    head = STARTS[form]  # what has led to the form is there at once
    pieces = [text[:head], *((text + behind)[i : i + size] for i in range(head, len(text + behind), size))]
    final = behind == ""
    for number, piece in enumerate(filter(None, pieces), 1):
        if gathering.add(piece, final=final and number == len(list(filter(None, pieces)))):
            break
    meant = gathering.read()
    assert meant is not None
    assert [tool.name for tool, _ in meant.calls] == ["Bash"]
    assert meant.rest == len(text)
    assert gathering.named() is not None or form == "tokens"


def test_words_are_not_waited_for_long() -> None:
    gathering = Gathering("words", BOX, Documents(0, BOX.find("Bash")))
    assert not gathering.add("x" * LONGEST_WORDS, final=False)
    assert gathering.add("x", final=False)
    assert gathering.read() is None


def test_what_names_no_tool_is_nothing() -> None:
    for form, text in (("tagged", "{'name': 'mail'}"), ("fenced", '{"a": 1}\n```'), ("bare", "[1]"), ("tokens", "x")):
        gathering = Gathering(form, BOX)  # type: ignore[arg-type]
        assert gathering.add(text, final=True)
        assert gathering.read() is None

"""One call with elements, read in pieces; the table of `cases.py` has most of what models do to it."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.policy.compat.elements import Elements
from ccproxy.policy.compat.toolbox import declared
from ccproxy.policy.compat.writing import Writing
from tests.policy.compat.cases import BASH, WRITE
from tests.tools import Recorder


def read(text: str, size: int, tool: Any = WRITE, *, escaped: bool = False) -> tuple[str, str]:
    """(the arguments, what stands behind the call) of a body that comes in pieces of this size."""
    recorder = Recorder()
    known = declared(tool)
    elements = Elements(known, Writing(recorder, 0, "i", known), escaped=escaped)
    buffer, verdict, left = "", "more", text
    while verdict == "more":
        buffer, left = buffer + left[:size], left[size:]
        at, verdict = elements.read(buffer, 0, not left)
        buffer = buffer[at:]
    [(_, arguments)] = recorder.named("tool_arguments")
    return arguments, buffer + left


BODIES = [
    ('<parameter name="content">a\n</parameter></tool_call>x', '{"content":"a"}', "x"),
    ('<parameter name="content">\n\na\n\n</parameter></tool_call>', '{"content":"\\na\\n"}', ""),
    ('<parameter name="content">\r\na\r\n</parameter></tool_call>', '{"content":"a"}', ""),
    ('<parameter name="content">\n  a\n  </parameter></tool_call>', '{"content":"  a"}', ""),
    ('<parameter name="content">\r\r\n</parameter></tool_call>', '{"content":"\\r"}', ""),
    ('<parameter name="content">\n</parameter></tool_call>', '{"content":""}', ""),
    ('<parameter name="content"></p> </x></parameter></tool_call>', '{"content":"</p> </x>"}', ""),
    (
        '<parameter name="content"><parameter name="content"></parameter></tool_call>',
        '{"content":"<parameter name=\\"content\\">"}',
        "",
    ),
    ('<parameter name="content">a</parameter>b</parameter></tool_call>', '{"content":"a</parameter>b"}', ""),
    ('<parameter name="content">a</parameter', '{"content":"a"}', ""),
    ('<args><parameter name="content">a</parameter></args></tool_call>', '{"content":"a"}', ""),
    (
        '<parameter name="content"><![CDATA[</parameter>]] >]]>\n</parameter></tool_call>',
        '{"content":"</parameter>]] >"}',
        "",
    ),
    ('<parameter name="content">a</parameter><tool_call name="x">', '{"content":"a"}', '<tool_call name="x">'),
    ("<parameter>a</parameter></tool_call>", '{"parameter":"a"}', ""),
    ("</tool_call>", "{}", ""),
    ("  ", "{}", ""),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("body", "arguments", "rest"), BODIES)
def test_bodies(body: str, arguments: str, rest: str, size: int) -> None:
    assert read(body, size) == (arguments, rest)


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_entities(size: int) -> None:
    body = '<arg name="content">a &lt;b&gt; &amp;&amp; &#39;c&#x27; &unknown; & d &am</arg></args></cs:tool_use>'
    assert read(body, size, escaped=True)[0] == '{"content":"a <b> && \'c\' &unknown; & d &am"}'
    assert "&lt;" in read(body, size)[0]


def test_a_text_without_a_name_is_the_only_one_that_must_be_given() -> None:
    assert read("<parameter>ls</parameter></tool_call>", 1000, BASH)[0] == '{"command":"ls"}'


def test_a_cut_call() -> None:
    recorder, known = Recorder(), declared(WRITE)
    elements = Elements(known, Writing(recorder, 0, "i", known))
    elements.read('<parameter name="content">ab', 0, False)
    elements.cut()
    assert recorder.calls[1:] == [("tool_arguments", 0, '{"content":"ab'), ("tool_end", 0)]

"""What begins at an opening tag."""

from __future__ import annotations

import pytest

from ccproxy.policy.compat.opening import Begun, Documents, closes, opened
from ccproxy.policy.compat.tags import Tag, tag_at
from ccproxy.policy.compat.toolbox import Toolbox
from tests.policy.compat.cases import TOOLS

BOX = Toolbox(TOOLS)

BEGUN = [
    ('<tool_call name="Bash">\n<', "Bash", "<"),
    ('<tool_call name="Bash"><parameter name="command">', "Bash", "<parameter"),
    ("<tool_call>\n<function=Bash>\n<parameter=command>", "Bash", "<parameter"),
    ("<cs:tool_use><id>1</id><name>Bash</name><args><arg name='command'>", "Bash", "<arg"),
    ("<tool_call>Bash\n<arg_key>", "Bash", "<arg_key"),
    ("<Bash><command>", "Bash", "<command"),
    ("<tool_call name='Bash'></tool_call>", "Bash", "</tool_call"),
    ("<list_files></list_files>", "list_files", "</list"),
]


@pytest.mark.parametrize(("text", "tool", "rest"), BEGUN)
def test_calls_with_elements(text: str, tool: str, rest: str) -> None:
    call = opened(text, 0, BOX, True) if rest != "<" else opened(f"{text}command>", 0, BOX, True)
    assert isinstance(call, Begun)
    assert (call.tool.name, call.escaped) == (tool, text.startswith("<cs:"))
    assert text[call.at :].startswith(rest)
    for end in range(1, len(text) - len(rest)):
        assert opened(text[:end], 0, BOX, False) == "more", text[:end]


DOCUMENTS = [
    ('<tool_call>\n{"name"', None, False),
    ("<tool_call>```json\n[{", None, False),
    ('<tool_call name="Bash">{"command"', "Bash", False),
    ("<function=Bash>{", "Bash", False),
    ("<Bash>{", "Bash", False),
    ('<tool_call name="Bash">ls', "Bash", True),
]


@pytest.mark.parametrize(("text", "tool", "words"), DOCUMENTS)
def test_calls_that_are_read_at_their_end(text: str, tool: str | None, words: bool) -> None:
    call = opened(text, 0, BOX, False)
    assert isinstance(call, Documents)
    assert (call.tool.name if call.tool else None, call.words) == (tool, words)


NONE = [
    '<tool_call name="mail">',
    "<tool_call>mail\n",
    "<tool_call><name>mail</name>",
    "<tool_call>two words",
    "<tool_call></tool_call>",
    "<tool_call/>",
    "<tool_call><b>x",
    "</tool_call>",
    "<Bash>ls",
    "<Bash><p>",
    "<Bash></Bash>",
    "<Bash/>",
    "<Bash>[1]",
    "<b>",
]


@pytest.mark.parametrize("text", NONE)
def test_no_calls(text: str) -> None:
    assert opened(text, 0, BOX, False) is None
    assert opened(text, 0, BOX, True) is None


def test_attributes() -> None:
    call = opened('<tool_call name="Read" File_Path="a" colour="red"/>', 0, BOX, False)
    assert isinstance(call, Begun)
    assert (call.given, call.empty) == ((("file_path", "a"),), True)


def test_the_end_of_the_text_is_an_end() -> None:
    assert isinstance(opened('<tool_call name="Bash">', 0, BOX, True), Begun)
    assert isinstance(opened("<list_files/>", 0, BOX, True), Begun | None)
    assert opened("<tool_call>", 0, BOX, True) is None


def test_what_closes() -> None:
    tags = [tag_at(text, 0, True) for text in ("</tool_call>", "</args>", "</arg>", "</p>", "<args>")]
    assert [isinstance(tag, Tag) and closes(tag) for tag in tags] == [True, True, True, False, False]

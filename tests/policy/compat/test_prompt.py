"""What the model is told."""

from __future__ import annotations

import json

import pytest

from ccproxy.codec import jsontext
from ccproxy.model import Tool, ToolChoice
from ccproxy.policy.compat.prompt import choice_words, example, guide, written
from ccproxy.policy.compat.toolbox import declared
from tests.policy.compat.cases import FILES, PATCH, TODO, TOOLS, WEATHER, heard, said


def test_every_tool_stands_there_with_its_schema_as_it_is() -> None:
    text = guide(TOOLS, parallel=True)
    for tool in TOOLS:
        assert f'<tool name="{tool.name}">\n' in text
        assert tool.description in text
        if tool.parameters is not None:
            assert jsontext.dumps_str(tool.parameters) in text
    assert guide(TOOLS, parallel=True) == text
    assert "one <tool_call> behind the other" in text
    assert "one tool at a time" in guide(TOOLS, parallel=False)


def test_the_guide_is_short() -> None:
    """Small models lose the thread in long ones; the frame is some 1.5 kB."""
    frame = guide([FILES], parallel=True)
    assert len(frame) < 1800


def test_the_guides_own_example_is_read_as_a_call_of_a_declared_tool() -> None:
    for tool in TOOLS:
        [(name, arguments)] = said(heard([example(declared(tool))]))
        assert name == tool.name
        required = (tool.parameters or {}).get("required", [])
        assert tool is PATCH or set(required) <= set(arguments)


def test_examples_have_values_of_the_declared_types() -> None:
    assert example(declared(WEATHER)).splitlines()[1] == '<parameter name="city">Paris</parameter>'
    assert example(declared(TODO)).splitlines()[1] == '<parameter name="todos">[]</parameter>'
    assert example(declared(Tool("t"))) == '<tool_call name="t">\n</tool_call>'
    enum = Tool("t", "", {"properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "integer"}}, "required": ["a", "b"]})
    assert '"a">x</' in example(declared(enum))
    assert '"b">3</' in example(declared(enum))


def test_a_free_text_says_its_format() -> None:
    tool = Tool("patch", "Patches", kind="custom", grammar={"type": "grammar", "syntax": "lark", "definition": "x"})
    text = guide([tool], parallel=True)
    assert '{"input":{"type":"string"' in text
    assert "lark" in text


@pytest.mark.parametrize("value", ["a", "a\nb", "\n", "a\n", " ", "", "\r", 5, None, True, [1], {"a": "b\n"}])
def test_a_value_is_read_as_it_was_written(value: object) -> None:
    kind = {str: "string", int: "integer", list: "array", dict: "object", bool: "boolean"}.get(type(value), "null")
    tool = Tool("t", "", {"properties": {"a": {"type": kind}}})
    assert said(heard([written("t", [("a", value)])], [tool])) == [("t", {"a": value})]


def test_choices_in_words() -> None:
    assert choice_words(None, TOOLS) == choice_words(ToolChoice("auto"), TOOLS) == ""
    assert choice_words(ToolChoice("required"), TOOLS) == "You must call a tool in this answer."
    assert "the tool Read" in choice_words(ToolChoice("tool", "Read"), TOOLS)
    assert choice_words(ToolChoice("auto", allowed=["Read", "Bash"]), TOOLS).endswith("Read, Bash.")
    assert choice_words(ToolChoice("auto", allowed=[tool.name for tool in TOOLS]), TOOLS) == ""


def test_names_and_schemas_with_braces_do_no_harm() -> None:
    tool = Tool("t", "{tools} {0}", {"type": "object", "properties": {"{x}": {"type": "string"}}})
    text = guide([tool], parallel=True)
    assert "{tools} {0}" in text
    assert json.dumps("{x}") in text

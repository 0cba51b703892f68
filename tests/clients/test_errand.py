"""The scripted model finds the tool to read with, whatever a client calls it, and cannot know the note without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.errand import Errand, reader, results_of, written_tools
from tests.fakes.asking import wish_of
from tests.fakes.recorded import meaning_of
from tests.fakes.server import Asked

TOOLS: dict[str, dict[str, Any]] = {
    "run_shell": {"command": {"type": "string"}},
    "read_output": {"pid": {"type": "integer"}},
    "read_file": {"file_path": {"type": "string"}, "limit": {"type": "integer"}},
}


def object_(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def asked(*messages: dict[str, Any], tools: list[dict[str, Any]] | None = None) -> Asked:
    return Asked("openai", "v1", {}, {"model": "m", "messages": list(messages), "tools": tools or []}, False)


def said(errand: Errand, one: Asked) -> Any:
    return meaning_of("openai", b"".join(errand.answer(one, "m").pieces), False)


def test_the_tool_that_reads_files() -> None:
    schemas = {name: object_(properties) for name, properties in TOOLS.items()}
    assert reader(schemas) == "read_file"
    assert reader({"run_shell": schemas["run_shell"], "read_output": schemas["read_output"]}) == "run_shell"
    with pytest.raises(AssertionError, match="read_output"):
        reader({"read_output": schemas["read_output"]})


STRING: dict[str, Any] = {"type": "string"}
NOTE = "/w/note.txt"
FILES = {"type": "array", "items": object_({"path": STRING}, "path")}
FIXED = {"path": STRING, "mode": {"enum": ["text"]}, "all": {"type": "boolean"}}


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (object_({"file_path": STRING, "limit": {"type": "integer"}}, "file_path"), {"file_path": NOTE}),
        (object_({"command": STRING, "why": STRING}, "command", "why"), {"command": f"cat {NOTE}", "why": "the note"}),
        (object_({"files": FILES}, "files"), {"files": [{"path": NOTE}]}),
        (object_(FIXED, *FIXED), {"path": NOTE, "mode": "text", "all": False}),
    ],
)
def test_arguments_by_the_schema(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert Errand(Path("/w")).arguments(schema) == arguments


def test_it_reads_before_it_answers() -> None:
    errand = Errand(Path("/w"))
    function = {"name": "read_file", "parameters": object_({"path": {"type": "string"}}, "path")}
    tools = [{"type": "function", "function": function}]
    user = {"role": "user", "content": "Read note.txt"}
    [call] = said(errand, asked(user, tools=tools)).calls
    assert (call.name, call.arguments) == ("read_file", {"path": "/w/note.txt"})
    written = {"id": "c", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
    history = [user, {"role": "assistant", "tool_calls": [written]}]
    result = {"role": "tool", "tool_call_id": "c", "content": f"It is {errand.secret}."}
    assert said(errand, asked(*history, result, tools=tools)).text == errand.said
    lost = said(errand, asked(*history, {**result, "content": "no such file"}, tools=tools)).text
    assert "no such file" in lost
    assert errand.secret not in lost


def test_it_writes_its_call_where_the_tools_are_text() -> None:
    errand = Errand(Path("/w"))
    described = '<tools>\n<tool name="read">\nReads.\n{"properties": {"path": {"type": "string"}}}\n</tool>\n</tools>'
    system = {"role": "system", "content": described}
    user = {"role": "user", "content": "Read note.txt"}
    assert list(written_tools(described)) == ["read"]
    text = said(errand, asked(system, user)).text
    assert '<tool_call name="read">\n<parameter name="path">/w/note.txt</parameter>\n</tool_call>' in text
    result = {"role": "user", "content": f'<tool_result name="read">\n{errand.secret}\n</tool_result>'}
    assert said(errand, asked(system, user, {"role": "assistant", "content": text}, result)).text == errand.said


def test_without_tools_it_asks_for_the_file_and_writes_one() -> None:
    errand = Errand(Path("/w"))
    user = {"role": "user", "content": "What does the note say?"}
    assert "note.txt" in said(errand, asked(user)).text
    file = {"role": "user", "content": f"note.txt\n```\n{errand.secret}\n```"}
    assert f"answer.txt\n```\n{errand.secret}\n```" in said(errand, asked(user, file)).text


def test_results_are_read_as_the_request_judge_reads_them() -> None:
    call = {"functionCall": {"name": "read", "args": {}}}
    result = {"functionResponse": {"name": "read", "response": {"output": "words"}}}
    contents = [{"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]
    assert "words" in results_of(wish_of("gemini", {"contents": contents}, True))

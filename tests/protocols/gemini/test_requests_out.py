from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from ccproxy.errors import RequestError, Unsupported
from ccproxy.model import Message, Opaque, Request, Target, Text, Tool, ToolCall, ToolChoice, ToolResult
from ccproxy.protocols.gemini.requests_out import GO_ON, NOTHING_SAID, path, write_request
from tests.protocols.gemini.judge import context
from tests.tools import known

USER = Message("user", [Text("hello")])
SCHEMA = {"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"enum": [1]}}}


def asked(model: str = "gemini-2.5-flash", told: Any = None, **given: Any) -> dict[str, Any]:
    request = Request(**{"origin": "openai", "model": model, "messages": [USER], **given})
    made = write_request(request, known(Target(protocol="gemini", model=model)), told or context())
    for content in made["contents"]:
        types.Content.model_validate(content)
        assert content["parts"]
    return made


@pytest.mark.parametrize(
    ("model", "stream", "expected"),
    [
        ("gemini-3-pro", False, "/v1beta/models/gemini-3-pro:generateContent"),
        ("gemini-3-pro", True, "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"),
        ("models/gemma", False, "/v1beta/models/gemma:generateContent"),
        ("tunedModels/mine", False, "/v1beta/tunedModels/mine:generateContent"),
        ("google/gemma 3?x", False, "/v1beta/models/google/gemma%203%3Fx:generateContent"),
        ("qwen3:8b", False, "/v1beta/models/qwen3:8b:generateContent"),
    ],
)
def test_the_path(model: str, stream: bool, expected: str) -> None:
    assert path(known(Target(protocol="gemini", model=model)), stream) == expected


@pytest.mark.parametrize("model", ["../../admin", "a/../b", "./x", ".."])
def test_a_model_that_climbs_out_of_its_folder_is_refused(model: str) -> None:
    with pytest.raises(RequestError):
        path(known(Target(protocol="gemini", model=model)), True)


def test_system_parts_and_leading_system_messages() -> None:
    messages = [Message("system", [Text("second"), Text("")]), USER, Message("system", [Text("later")]), USER]
    made = asked(system=[Text("first")], messages=messages)
    assert made["systemInstruction"] == {"parts": [{"text": "first"}, {"text": "second"}]}
    texts = [part["text"] for part in made["contents"][0]["parts"]]
    assert texts == ["hello", "<system>\nlater\n</system>", "hello"]


CALL, RESULT = ToolCall("1", "f", "{}"), ToolResult("1", "f", [Text("done")])


@pytest.mark.parametrize(
    ("messages", "roles"),
    [
        ([], ["user"]),
        ([Message("system", [Text("only")])], ["user"]),
        ([Message("user", [Text("")])], ["user"]),
        ([USER, USER], ["user"]),
        ([Message("assistant", [Text("hi")]), USER], ["user", "model", "user"]),
        ([USER, Message("assistant", [Text("hi")])], ["user", "model", "user"]),
        ([USER, Message("assistant", []), USER], ["user"]),
        ([USER, Message("assistant", [CALL]), Message("tool", [RESULT]), USER], ["user", "model", "user"]),
        ([USER, Message("assistant", [CALL]), USER, Message("tool", [RESULT])], ["user", "model", "user"]),
    ],
)
def test_turns_alternate_and_are_the_users_at_both_ends(messages: list[Message], roles: list[str]) -> None:
    assert [content["role"] for content in asked(messages=messages)["contents"]] == roles


def test_the_texts_of_turns_that_had_to_be_made_up() -> None:
    made = asked(messages=[Message("assistant", [Text("hi")])])["contents"]
    assert [content["parts"][0]["text"] for content in made] == [NOTHING_SAID, "hi", GO_ON]


def test_results_follow_their_calls() -> None:
    messages = [USER, Message("assistant", [CALL]), USER, Message("tool", [RESULT])]
    parts = asked(messages=messages)["contents"][2]["parts"]
    assert parts == [{"functionResponse": {"name": "f", "response": {"result": "done"}}}, {"text": "hello"}]


def test_tools() -> None:
    told = context()
    tools = [
        Tool("f", "does f", SCHEMA),
        Tool("2 odd/name", parameters=None),
        Tool("patch", kind="custom", grammar={"type": "text"}),
        Opaque("claude", {"type": "web_search_20250305"}),
    ]
    made = asked(tools=tools, tool_choice=ToolChoice("tool", "2 odd/name"), told=told)
    (tool,) = made["tools"]
    f, odd, patch = tool["functionDeclarations"]
    assert f == {
        "name": "f",
        "description": "does f",
        "parametersJsonSchema": {"type": "object", "properties": {"x": {"enum": [1]}}},
    }
    assert set(odd) == {"name"}
    assert told.tool_names[odd["name"]] == "2 odd/name"
    assert patch["parametersJsonSchema"]["required"] == ["input"]
    config = made["toolConfig"]["functionCallingConfig"]
    assert config == {"mode": "ANY", "allowedFunctionNames": [odd["name"]]}
    assert any("claude" in note for note in told.notes)
    assert any("custom tool patch" in note for note in told.notes)
    types.Tool.model_validate(tool)


def test_the_reduced_dialect_for_models_of_old() -> None:
    made = asked("gemini-1.5-pro", tools=[Tool("f", "", SCHEMA)])
    parameters = made["tools"][0]["functionDeclarations"][0]["parameters"]
    assert parameters["type"] == "OBJECT"
    assert "$ref" not in str(parameters)


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        (None, None, None),
        (None, True, {"mode": "VALIDATED"}),
        (ToolChoice("auto"), None, {"mode": "AUTO"}),
        (ToolChoice("auto"), True, {"mode": "VALIDATED"}),
        (ToolChoice("none"), True, {"mode": "NONE"}),
        (ToolChoice("required"), True, {"mode": "ANY"}),
        (ToolChoice("required", allowed=["f"]), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto", allowed=["f"]), None, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (ToolChoice("tool", "f"), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("tool", "web_search"), None, None),
        (ToolChoice("tool", "web_search"), True, {"mode": "VALIDATED"}),
        (ToolChoice("required", allowed=["f", "web_search"]), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choices(choice: ToolChoice | None, strict: bool | None, expected: Any) -> None:
    made = asked(tools=[Tool("f", strict=strict)], tool_choice=choice)
    assert made.get("toolConfig") == (None if expected is None else {"functionCallingConfig": expected})


def test_no_tools_no_tool_config() -> None:
    assert set(asked(tools=[], tool_choice=ToolChoice("auto"))) == {"contents"}
    assert set(asked(tools=[Opaque("claude", {})], tool_choice=ToolChoice("required"))) == {"contents"}


def test_what_has_no_place_is_noted() -> None:
    told = context()
    made = asked(told=told, parallel_tool_calls=False, logprobs=2, user="u", metadata={"a": "b"})
    assert set(made) == {"contents"}
    assert [note.split()[0] for note in told.notes] == ["parallel_tool_calls", "logprobs", "user", "metadata"]


def test_several_choices_are_refused() -> None:
    with pytest.raises(Unsupported):
        asked(choices=2)
    assert "generationConfig" not in asked(choices=1)

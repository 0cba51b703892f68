"""Field failures, section G: Gemini, and the schemas of tools on the way to everyone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy.actions import Accept, Dial
from ccproxy.app import App
from ccproxy.app.router import PathTable
from ccproxy.config import loads
from ccproxy.conversion import prepare, pump_for
from ccproxy.model import Context, Target
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.app.heads import head_of
from tests.failures.wire import Doc, answered, asked, blocks, context_for, joined_calls, reasons, sse, streamed
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import ANSWERS, STREAMS

OLD, NEW = "gemini-1.5-pro", "gemini-2.5-flash"
"""The one knows only `parameters`, OpenAPI's dialect; the other takes JSON Schema (FunctionDeclaration,
`parametersJsonSchema`), of which DESIGN keeps every keyword."""

OTHERS = [name for name in PROTOCOLS if name != "gemini"]
OPENAPI = {
    "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
    "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
    "default", "items", "minimum", "maximum",
}  # fmt: skip
"""What Gemini's "Schema" has; any other key is answered with 400."""


def openai_request(parameters: Doc) -> Doc:
    tool = {"type": "function", "function": {"name": "look", "parameters": parameters}}
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}


def declared(parameters: Doc, model: str) -> Doc:
    """The schema that the Gemini model is given for an OpenAI client's tool."""
    [tool] = asked("openai", "gemini", openai_request(parameters), model)["tools"]
    [function] = tool["functionDeclarations"]
    [schema] = [function[key] for key in ("parameters", "parametersJsonSchema") if key in function]
    assert ("parameters" in function) == (model == OLD)
    found: Doc = schema
    return found


def is_openapi(schema: Any) -> bool:
    """Whether the keys of every schema within are known to Gemini; names of properties are not keys of a schema."""
    if not isinstance(schema, dict) or not schema.keys() <= OPENAPI:
        return False
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    return all(map(is_openapi, inner + ([schema["items"]] if "items" in schema else [])))


def keys_of(value: Any) -> set[str]:
    """All keys of all objects within."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


# -- schemas toward Gemini


@pytest.mark.parametrize("model", [OLD, NEW])
def test_f162_a_bare_property_map_and_a_flag_for_required_are_understood(model: str) -> None:
    """Properties without an object around them get one; `required: true` inside goes to the object's list."""
    schema = declared({"city": {"type": "string", "required": True}, "days": {"type": "integer"}}, model)
    assert schema["type"].lower() == "object"
    assert list(schema["properties"]) == ["city", "days"]
    assert schema["required"] == ["city"]
    assert "required" not in schema["properties"]["city"]


@pytest.mark.parametrize("model", [OLD, NEW])
def test_f162_the_rest_of_the_request_is_left_alone(model: str) -> None:
    """Big numbers stay as they are in the schema and in earlier calls, and arguments that look like a schema are data."""
    big = 123456789012345678901234567890
    looks = {"required": True, "type": "string", "$ref": "#/x", "n": big}
    body = openai_request({"city": {"type": "integer", "maximum": big, "required": True}})
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": json.dumps(looks)}}
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]
    document = asked("openai", "gemini", body, model)
    assert document["contents"][1]["parts"][0]["functionCall"]["args"] == looks
    assert (
        declared({"city": {"type": "integer", "maximum": big, "required": True}}, model)["properties"]["city"]["maximum"]
        == big
    )


ODD: Doc = {
    "type": "object",
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$comment": "c",
    "additionalProperties": False,
    "encrypted": True,
    "x-google-identifier": "x",
    "properties": {
        "encrypted": {"type": "string", "encrypted": True, "title": "T", "examples": ["a"]},
        "kind": {"const": "fixed", "deprecated": True},
        "list": {"type": "array", "uniqueItems": True, "contains": {}, "items": {"type": "string", "$comment": "c"}},
        "many": {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 2, "default": 2},
        "mode": {"type": "string", "enum": ["a", "b"], "enumDescriptions": ["A", "B"]},
        "map": {"type": "object", "patternProperties": {"^x": {}}, "propertyNames": {"pattern": "x"}},
    },
    "required": ["encrypted", "gone"],
}


@pytest.mark.parametrize("number", [pytest.param("F163", id="F163"), pytest.param("F171", id="F171")])
def test_keywords_that_gemini_does_not_know_are_not_sent_where_it_refuses_them(number: str) -> None:
    """An allow-list for `parameters`: made-up keywords, JSON Schema's own that OpenAPI lacks, at every depth; properties of
    such names stay. Models that take JSON Schema get all of it, in `parametersJsonSchema`."""
    old = declared(ODD, OLD)
    assert is_openapi(old)
    assert list(old["properties"]) == list(ODD["properties"])
    assert old["properties"]["kind"] == {"enum": ["fixed"], "type": "STRING"}
    assert old["properties"]["mode"]["enum"] == ["a", "b"]
    assert old["required"] == ["encrypted"]
    assert declared(ODD, NEW) == ODD


def test_f164_conditions_are_hoisted_where_they_have_no_place() -> None:
    """What `then` and `else` add becomes possible and nothing of it required, and the keywords go."""
    schema: Doc = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "if": {"properties": {"a": {"const": "x"}}},
        "then": {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        "else": {"properties": {"c": {"type": "string"}}},
    }
    old = declared(schema, OLD)
    assert is_openapi(old)
    assert set(old["properties"]) == {"a", "b", "c"}
    assert old["required"] == ["a"]
    assert declared(schema, NEW) == schema


UNIONS: list[Doc] = [
    {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "number"}}}]},
    {"oneOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "number"}}}]},
    {"type": "object", "allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "number"}}}]},
    {"properties": {"a": {"type": "string"}, "b": {"type": "number"}}},
]


@pytest.mark.parametrize("schema", UNIONS, ids=["anyOf", "oneOf", "allOf", "no-type"])
@pytest.mark.parametrize("client", ["openai", "gemini"])
def test_f166_claude_gets_one_object_without_unions_at_the_top(client: str, schema: Doc) -> None:
    """Branches are merged into properties, and the type is said."""
    if client == "openai":
        body = openai_request(schema)
    else:
        tools = [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema}]}]
        body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "tools": tools}
    made = asked(client, "claude", body)["tools"][0]["input_schema"]
    assert made["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf"} & made.keys()
    assert made["properties"] == {"a": {"type": "string"}, "b": {"type": "number"}}
    assert not made.get("required")


@pytest.mark.parametrize("target", ["openai", "responses"])
def test_f167_objects_without_properties_get_some(target: str) -> None:
    """At the root, in properties and in items: OpenAI refuses an object schema without `properties`."""
    schema: Doc = {
        "type": "object",
        "properties": {"o": {"type": "object"}, "l": {"type": "array", "items": {"type": "object"}}},
    }
    for given in (schema, {"type": "object"}):
        tool = {"name": "look", "input_schema": given}
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
        [made] = asked("claude", target, body)["tools"]
        parameters = made["function"]["parameters"] if target == "openai" else made["parameters"]
        if given is schema:
            assert parameters["properties"]["o"] == {"type": "object", "properties": {}}
            assert parameters["properties"]["l"]["items"] == {"type": "object", "properties": {}}
        else:
            assert parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ({"type": "integer", "enum": [1, 2]}, ["1", "2"]),
        ({"type": "number", "enum": [0.5, 1]}, ["0.5", "1"]),
        ({"type": "boolean", "enum": [True]}, ["true"]),
    ],
)
def test_f168_enums_are_of_strings_for_gemini(schema: Doc, values: list[str]) -> None:
    """In `parameters` an enum has type STRING and its values are texts; in JSON Schema it is what it is."""
    body: Doc = {"type": "object", "properties": {"n": schema}}
    assert declared(body, OLD)["properties"]["n"] == {"type": "STRING", "enum": values}
    assert declared(body, NEW) == body


CIRCLE: Doc = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/City"}, "tree": {"$ref": "#/$defs/Tree"}},
    "$defs": {
        "City": {"type": "object", "properties": {"name": {"$ref": "#/$defs/Name"}}},
        "Name": {"type": "string", "description": "its name"},
        "Tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
    },
}


@pytest.mark.parametrize("model", [OLD, NEW])
def test_f172_references_are_put_in_place_and_circles_end(model: str) -> None:
    """No `$ref` and no `$defs` in a tool; what names itself ends in an object."""
    schema = declared(CIRCLE, model)
    assert not {"$ref", "$defs"} & keys_of(schema)
    name = schema["properties"]["city"]["properties"]["name"]
    assert (name["type"].lower(), name["description"]) == ("string", "its name")
    inner = schema["properties"]["tree"]["properties"]["children"]["items"]
    assert inner["type"].lower() == "object"


def test_f172_a_response_schema_takes_references() -> None:
    """`responseJsonSchema` knows `$ref` and `$defs` (GenerationConfig), so they stay, and no `responseSchema` is sent."""
    format = {"type": "json_schema", "json_schema": {"name": "x", "schema": CIRCLE}}
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "response_format": format}
    config = asked("openai", "gemini", body, NEW)["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": CIRCLE}


@pytest.mark.parametrize("model", [OLD, NEW])
def test_f180_references_to_anywhere_in_the_schema_are_resolved(model: str) -> None:
    """`#/properties/...`, a ref within a ref, escapes in the pointer, and definitions that stand deeper."""
    schema = declared(
        {
            "type": "object",
            "properties": {
                "a": {"type": "object", "properties": {"x/y": {"type": "string", "description": "found"}}},
                "b": {"$ref": "#/properties/a/properties/x~1y"},
                "c": {"type": "array", "items": {"$ref": "#/definitions/D"}},
            },
            "definitions": {"D": {"$ref": "#/definitions/E"}, "E": {"type": "number", "description": "at last"}},
        },
        model,
    )
    assert not {"$ref", "definitions"} & keys_of(schema)
    assert schema["properties"]["b"]["description"] == "found"
    assert schema["properties"]["c"]["items"]["description"] == "at last"


# -- requests


@pytest.mark.parametrize("client", OTHERS)
def test_f170_the_system_instruction_has_geminis_name(client: str) -> None:
    """`systemInstruction`, spelled so, and in no other spelling."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    bodies: dict[str, Doc] = {
        "openai": {"messages": messages},
        "ollama": {"messages": messages},
        "responses": {"instructions": "Be brief.", "input": "hi"},
        "claude": {"system": "Be brief.", "max_tokens": 9, "messages": messages[1:]},
    }
    document = asked(client, "gemini", {"model": "m", **bodies[client]})
    assert document["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert not {"system_instruction", "systemInstructions", "system"} & document.keys()
    assert not any("_" in key for key in keys_of(document))


@pytest.mark.parametrize("key", ["systemInstruction", "system_instruction"])
def test_f170_both_spellings_are_read(key: str) -> None:
    """Of a Gemini client, beside other members in either spelling."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        key: {"parts": [{"text": "Be brief."}]},
        "generation_config": {"max_output_tokens": 7},
    }
    document = asked("gemini", "claude", body)
    assert (document["system"], document["max_tokens"]) == ([{"type": "text", "text": "Be brief."}], 7)


@pytest.mark.parametrize("prefix", ["/v1beta/models", "/v1/models", "/v1alpha/models", "/models"])
@pytest.mark.parametrize(("action", "stream"), [("generateContent", False), ("streamGenerateContent", True)])
@pytest.mark.parametrize("group", ["", "/qwen"])
def test_f174_the_models_path_is_known_with_and_without_a_version(
    group: str, prefix: str, action: str, stream: bool
) -> None:
    """Roo calls `/models/...`, the newest SDK `/v1/...`, the others `/v1beta/...`."""
    table = PathTable(PROTOCOLS.values(), ["default", "qwen"])
    head = head_of(f"POST {group}{prefix}/gemini-x:{action}?alt=sse")
    found = table.match(head.method, head.path, frozenset(), head.query)
    assert (found.protocol.name, found.route.operation, found.group) == ("gemini", "chat", group[1:])
    assert (found.call.model, found.call.stream) == ("gemini-x", stream)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8045", "http://127.0.0.1:8045/", "http://127.0.0.1:8045/v1beta"])
def test_f176_a_base_url_with_a_port_is_no_method(address: str) -> None:
    """The colon of a port and that of the method have nothing to do with each other."""
    config = f'[providers.up]\nprotocol = "gemini"\nbase_url = "{address}"\n[groups.default.models]\n"*" = "up/*"\n'
    accept = App(loads(config, {})).head(head_of("POST /v1/chat/completions"), 0.0)
    assert isinstance(accept, Accept)
    accept.life.begin(0.0)
    body = {"model": "gemini-x", "messages": [{"role": "user", "content": "hi"}]}
    [dial] = [action for action in accept.life.body(json.dumps(body).encode(), 0.0) if isinstance(action, Dial)]
    assert (dial.endpoint.host, dial.endpoint.port) == ("127.0.0.1", 8045)
    assert dial.target == "/v1beta/models/gemini-x:generateContent"


def test_f183_cached_content_goes_alone() -> None:
    """A request that is written anew has no system instruction, tools or tool configuration beside its cached content."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "cachedContent": "cachedContents/1",
        "systemInstruction": {"parts": [{"text": "s"}]},
        "tools": [{"functionDeclarations": [{"name": "look"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    }
    context = Context(client="gemini", upstream="gemini", model=NEW)
    target = Target(protocol="gemini", model=NEW, defaults={"temperature": 0.5})
    sides = PROTOCOLS["gemini"], PROTOCOLS["gemini"]
    call = Call(model=NEW, stream=False)
    document = json.loads(prepare(json.dumps(body).encode(), body, *sides, target, context, call).body)
    assert document["cachedContent"] == "cachedContents/1"
    assert not {"systemInstruction", "tools", "toolConfig"} & document.keys()
    assert len(context.notes) == 3


MESSAGES = [{"role": "user", "content": "hi"}]
WITHOUT_TOOLS: dict[str, Doc] = {
    "openai": {"model": "m", "messages": MESSAGES, "tools": [], "tool_choice": "auto", "parallel_tool_calls": False},
    "responses": {"model": "m", "input": "hi", "tools": [], "tool_choice": "required", "parallel_tool_calls": False},
    "claude": {"model": "m", "max_tokens": 9, "messages": MESSAGES, "tools": [], "tool_choice": {"type": "auto"}},
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": []}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    },
    "ollama": {"model": "m", "messages": MESSAGES, "tools": []},
}


PAIRS = [(client, target) for client in PROTOCOLS for target in PROTOCOLS if client != target]


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_f184_an_empty_list_of_tools_is_left_out_and_the_choice_with_it(client: str, target: str) -> None:
    """Several upstreams answer 400 to `tools: []`, and to a choice among none. On its own protocol the client's bytes
    pass."""
    document = asked(client, target, WITHOUT_TOOLS[client])
    assert not {"tools", "tool_choice", "toolConfig", "parallel_tool_calls", "functions"} & document.keys()


# -- answers


@pytest.mark.parametrize("upstream", OTHERS)
@pytest.mark.parametrize("scenario", ["text", "parallel", "thinking"])
def test_f175_no_chunk_has_an_empty_text_but_the_last_which_says_the_end(upstream: str, scenario: str) -> None:
    """Empty texts make Gemini CLI drop the turn. The last chunk has the reason, the counts and, as Gemini's own last chunk
    does, an empty text, without which the chats of Google's SDKs forget the turn."""
    *chunks, last = streamed("gemini", upstream, STREAMS[upstream](SCENARIOS[scenario]))
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert parts
    assert all(part.get("text", "said") for part in parts)
    assert not any("finishReason" in chunk["candidates"][0] for chunk in chunks)
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["usageMetadata"]["totalTokenCount"] == 30
    assert [set(part) - {"thoughtSignature"} for part in last["candidates"][0]["content"]["parts"]] == [{"text"}]


@pytest.mark.parametrize("upstream", ["openai", "responses", "gemini", "ollama"])
def test_f178_only_tool_use_blocks_have_an_input(upstream: str) -> None:
    """Text and thinking blocks have nothing but their own members, in a stream and in a whole answer."""
    allowed = {
        "text": {"type", "text"},
        "thinking": {"type", "thinking", "signature"},
        "tool_use": {"type", "id", "name", "input"},
    }
    for scenario in ("thinking", "parallel"):
        events = streamed("claude", upstream, STREAMS[upstream](SCENARIOS[scenario]))
        begun = [event["content_block"] for event in events if event["type"] == "content_block_start"]
        whole = answered("claude", upstream, ANSWERS[upstream](SCENARIOS[scenario]))["content"]
        for block in [*begun, *whole]:
            assert set(block) == allowed[block["type"]]


def no_content(reason: str) -> Doc:
    usage = {"promptTokenCount": 5, "thoughtsTokenCount": 9, "totalTokenCount": 14}
    return {"candidates": [{"finishReason": reason, "index": 0}], "usageMetadata": usage}


ENDS = [
    *((r, "content_filter", "refusal", "content_filter") for r in ("SAFETY", "RECITATION", "BLOCKLIST", "SPII")),
    ("PROHIBITED_CONTENT", "content_filter", "refusal", "content_filter"),
    ("NO_IMAGE", "content_filter", "refusal", "content_filter"),
    ("MAX_TOKENS", "length", "max_tokens", "max_output_tokens"),
]


@pytest.mark.parametrize(("reason", "openai", "claude", "incomplete"), ENDS)
def test_f179_a_candidate_without_content_says_why(reason: str, openai: str, claude: str, incomplete: str) -> None:
    """One choice with an empty message, and a reason that no client takes for a success."""
    document = no_content(reason)
    [choice] = answered("openai", "gemini", document)["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == (openai, "")
    assert reasons(streamed("openai", "gemini", sse(document))) == [openai]
    assert answered("claude", "gemini", document)["stop_reason"] == claude
    assert streamed("claude", "gemini", sse(document))[-2]["delta"]["stop_reason"] == claude
    response = answered("responses", "gemini", document)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": incomplete})


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER"])
@pytest.mark.parametrize("client", OTHERS)
def test_f179_a_model_that_stumbled_is_an_error_that_can_be_tried_again(client: str, reason: str) -> None:
    """Nothing was said and nothing can be run: not an empty success, but an upstream's failure with the native reason."""
    context = context_for(client, "gemini")
    pump = pump_for(PROTOCOLS[client], PROTOCOLS["gemini"], context, relayed=False, streams=False)
    pump.feed(json.dumps(no_content(reason)).encode())
    assert pump.eof() == b""
    assert pump.failure is not None
    assert pump.failure.status >= 500
    assert reason in pump.failure.message


@pytest.mark.parametrize("function", [{"name": "look"}, {"name": "look", "args": {}}, {"name": "look", "args": None}])
def test_f182_a_call_without_arguments_is_a_call(function: Doc) -> None:
    """`args` absent, empty or null in a stream: the call comes with `{}`, and its signature with it."""
    part = {"functionCall": function, "thoughtSignature": "c2lnbmF0dXJl"}
    chunk = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]}
    data = sse(chunk, {"candidates": [{"index": 0, "finishReason": "STOP"}]})
    events = streamed("openai", "gemini", data)
    [(id, name, arguments)] = joined_calls(events)
    assert (bool(id), name, arguments) == (True, "look", "{}")
    assert reasons(events) == ["tool_calls"]
    assert "c2lnbmF0dXJl" in json.dumps(events)
    thought, call = blocks(streamed("claude", "gemini", data))
    assert (call["input"], "c2lnbmF0dXJl" in thought["signature"]) == ({}, True)

from __future__ import annotations

import base64
import itertools
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.errors import RequestError, Unsupported
from ccproxy.model import (
    Audio,
    Context,
    Document,
    Image,
    Opaque,
    Reasoning,
    Request,
    Target,
    Text,
    ToolCall,
    ToolResult,
    seal,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.gemini import requests_in
from ccproxy.protocols.gemini.requests_in import peek, read_request
from ccproxy.protocols.gemini.requests_out import write_request
from ccproxy.protocols.gemini.wire import wire_signature
from ccproxy.turns import Pairs
from tests.protocols.gemini.judge import context, document
from tests.tools import known, recorded, recordings

CALL = Call(model="gemini-9-air", stream=True, query={"alt": "sse"})


def read(body: dict[str, Any], **given: Any) -> Request:
    return read_request(json.loads(json.dumps(body)), context(**given), CALL)


def contents(*parts: Any, role: str = "model") -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "?"}]}, {"role": role, "parts": list(parts)}]}


def written(request: Request, model: str = "gemini-2.5-flash") -> dict[str, Any]:
    return write_request(request, known(Target(protocol="gemini", model=model)), context())


@pytest.mark.parametrize("name", ["request-everything.json", "request-snake.json"])
def test_writing_what_was_read_gives_the_same_document(name: str) -> None:
    assert written(read(document(name))) == document(name)


@pytest.mark.parametrize("case", recordings("gemini", "errors", part="request"))
def test_recorded_requests_come_back(case: dict[str, Any]) -> None:
    body = json.loads(recorded(case, "request"))
    if case["protocol"] != "gemini" or "contents" not in body:
        pytest.skip("another protocol or operation")
    model = body.get("model", "gemini-3-flash-preview")
    request = read_request(json.loads(recorded(case, "request")), context(), Call(model=model, stream=True))
    assert written(request, model) == body


def test_everything_is_understood() -> None:
    request = read(document("request-everything.json"))
    assert [part.text for part in request.system if isinstance(part, Text)] == ["Be brief.", "Be kind."]
    assert [m.role for m in request.messages] == ["user", "assistant", "tool", "user", "user", "assistant", "tool", "user"]
    first = request.messages[0].parts
    assert [type(part) for part in first] == [Text, Image, Document, Document]
    assert (first[2].data, first[2].name) == ("JVBERi0xLj+/", "plan.pdf")
    assert first[3].url == "https://www.youtube.com/watch?v=x"
    thought, sign, text, sign2, call, bergen, now, code = request.messages[1].parts
    assert thought == Reasoning("Two calls are needed.", origin="gemini")
    assert sign == Reasoning(signature="dGV4dA==", origin="gemini")
    assert text == Text("I look.")
    assert sign2 == Reasoning(signature="Y2FsbA==", origin="gemini")
    assert (call.id, call.arguments) == ("w1", {"city": "Oslo", "id": 98765432109876543210})
    assert (bergen.id, now.id) == ("call_weather_0", "call_now_0")
    assert isinstance(code, Opaque)
    assert "thoughtSignature" in code.raw
    rain, error, hour = request.messages[2].parts
    assert (rain.id, rain.parts, rain.is_error) == ("w1", [Text("rain")], False)
    assert (error.id, error.parts, error.is_error) == ("call_weather_0", [Text("no such town")], True)
    assert (hour.id, hour.parts[0]) == ("call_now_0", Text('{"hour":9}'))
    assert hour.parts[1].data == "/9j/4A=="
    assert request.messages[6].parts[0].id == "call_lost_0"


def test_the_rest_is_understood() -> None:
    request = read(document("request-everything.json"))
    weather, now, execution, search, bare = request.tools
    assert weather.parameters["properties"]["city"] == {"type": ["string", "null"]}
    assert weather.parameters["properties"]["type"] == {"type": "array", "items": {"type": "integer"}, "maxItems": 3}
    assert now.parameters["additionalProperties"] is False
    assert (execution.raw, search.raw, bare.parameters) == (
        {"codeExecution": {}},
        {"googleSearch": {"timeRangeFilter": {}}},
        None,
    )
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.allowed) == ("required", ["weather", "now"])
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens) == (0.5, 0.9, 40, 100)
    assert (sampling.stop, sampling.seed, sampling.presence_penalty, sampling.frequency_penalty) == (["END"], 7, 0.1, -0.1)
    assert (request.choices, request.logprobs) == (2, 3)
    assert request.format is not None
    assert request.format.schema == {"type": "object", "properties": {"a": {"type": "number"}}}
    assert request.reasoning is not None
    assert (request.reasoning.adaptive, request.reasoning.enabled, request.reasoning.summary) == (True, True, "auto")
    assert request.extras is not None
    assert set(request.extras.fields) >= {"safetySettings", "labels"}


def test_snake_case_is_understood() -> None:
    request = read(document("request-snake.json"))
    assert request.system == [Text("One string.")]
    image, audio = request.messages[0].parts
    assert (image.data, type(audio), audio.url) == ("iVBORw0KGgo=", Audio, "gs://bucket/a.wav")
    assert (request.sampling.max_tokens, request.sampling.top_k) == (5, 3)
    assert request.format is not None
    assert request.format.schema is not None
    assert request.format.schema["properties"]["skip"] == {"type": "boolean"}
    assert request.reasoning is not None
    assert (request.reasoning.effort, request.reasoning.summary) == ("low", "none")
    assert request.tools[0].parameters == {"type": "object", "required": ["x"]}


def sealed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("b3du", Reasoning(signature="b3du", origin="gemini")),
        (sealed(seal("sig", "claude", "gemini")), Reasoning(signature="sig", origin="claude")),
        (
            sealed(seal("sig>?", "claude", "gemini")).replace("+", "-").rstrip("="),
            Reasoning(signature="sig>?", origin="claude"),
        ),
        (sealed(seal("redacted.x", "claude", "gemini")), Reasoning(redacted="x", origin="claude")),
        (sealed("ccproxy.gemini.x"), Reasoning(signature=sealed("ccproxy.gemini.x"), origin="gemini")),
        ("Y2Nwcm94eS!", Reasoning(signature="Y2Nwcm94eS!", origin="gemini")),
    ],
)
def test_whose_signature_it_is(signature: str, expected: Reasoning) -> None:
    request = read(contents({"functionCall": {"name": "f"}, "thoughtSignature": signature}))
    assert request.messages[1].parts[0] == expected


def test_a_foreign_signature_joins_the_thought_it_belongs_to() -> None:
    foreign = sealed(seal("sig", "claude", "gemini"))
    body = contents({"text": "hm", "thought": True}, {"text": "a", "thoughtSignature": foreign})
    assert read(body).messages[1].parts == [Reasoning("hm", signature="sig", origin="claude"), Text("a")]
    assert written(read(body))["contents"][1]["parts"] == [{"text": "hm", "thought": True}, {"text": "a"}]


@pytest.mark.parametrize("thoughts", [[], ["what was signed"], ["what was ", "signed"]])
def test_a_foreign_signature_brings_its_thought(thoughts: list[str]) -> None:
    """Gemini CLI leaves thoughts out of its history; another client sends them, and they are the same one again."""
    foreign = wire_signature("sig", "claude", "what was signed")
    sent = [{"text": words, "thought": True} for words in thoughts]
    request = read(contents(*sent, {"text": "a", "thoughtSignature": foreign}))
    assert request.messages[1].parts == [Reasoning("what was signed", signature="sig", origin="claude"), Text("a")]


def test_a_turn_that_a_chat_kept_in_pieces() -> None:
    """The SDKs' chats keep every chunk of an answer as a content of its own."""
    foreign = sealed(seal("sig", "claude", "gemini"))
    pieces: list[Any] = [
        [{"text": "h", "thought": True}],
        [{"text": "m", "thought": True}],
        [{"text": "a", "thoughtSignature": foreign}],
        [{"functionCall": {"name": "f", "args": {}, "id": "1"}}],
        [{"functionCall": {"name": "g", "args": {}, "id": "2"}}],
        [{"text": ""}],
    ]
    user = {"role": "user", "parts": [{"text": "?"}]}
    body = {"contents": [user, *({"role": "model", "parts": parts} for parts in pieces), user]}
    request = read(body)
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    thought, *_, call, _ = request.messages[1].parts
    assert thought == Reasoning("hm", signature="sig", origin="claude")
    assert call.id == "2"
    calls = [
        part
        for content in written(request, "gemini-3-pro")["contents"]
        for part in content["parts"]
        if "functionCall" in part
    ]
    assert ["thoughtSignature" in call for call in calls] == [True, False]
    del pieces[2][0]["thoughtSignature"]
    assert written(read(body)) == body


def test_a_foreign_signature_never_goes_up_and_leaves_nothing_behind() -> None:
    foreign = sealed(seal("sig", "claude", "gemini"))
    body = contents({"text": "a"}, {"text": "", "thoughtSignature": foreign})
    assert written(read(body))["contents"][1]["parts"] == [{"text": "a"}]


def test_gemini_3_gets_a_mark_for_calls_without_signature() -> None:
    foreign = sealed(seal("sig", "claude", "gemini"))
    body = contents({"functionCall": {"name": "f"}, "thoughtSignature": foreign}, {"functionCall": {"name": "g"}})
    calls = written(read(body), "gemini-3-flash")["contents"][1]["parts"]
    assert [call.get("thoughtSignature") for call in calls] == ["skip_thought_signature_validator", None]
    assert "thoughtSignature" not in written(read(body), "gemini-2.5-flash")["contents"][1]["parts"][0]


def test_a_signature_on_the_thought_itself_stays_there() -> None:
    body = contents({"text": "hm", "thought": True, "thoughtSignature": "b3du"}, {"text": "a"})
    assert read(body).messages[1].parts[0].signature == "b3du"
    assert written(read(body)) == body


def test_the_same_ids_in_every_turn() -> None:
    turn = [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}}]
    once = read(contents(*turn))
    twice = read({"contents": [*contents(*turn)["contents"], {"role": "user", "parts": [{"text": "go on"}]}]})
    ids = [[part.id for part in one.messages[1].parts if isinstance(part, ToolCall)] for one in (once, twice)]
    assert ids == [["call_f_0", "call_f_1"]] * 2


def test_results_without_ids_pair_by_name_and_order() -> None:
    calls = [{"functionCall": {"name": n, "id": i}} for n, i in [("f", "1"), ("g", "2"), ("f", "3")]]
    results = [{"functionResponse": {"name": n, "response": {}}} for n in ("f", "f", "g")]
    body = contents(*calls)
    body["contents"].append({"role": "user", "parts": results})
    assert [part.id for part in read(body).messages[2].parts if isinstance(part, ToolResult)] == ["1", "3", "2"]


def test_changed_messages_are_written_as_changed() -> None:
    body = contents({"functionCall": {"name": "f", "id": "1"}})
    body["contents"].append(
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "id": "1", "response": {"a": 1}}}]}
    )
    request = read(body)
    request.messages[2].parts[0].parts = [Text("shorter")]
    request.system.append(Text("injected"))
    request.tools.clear()
    made = written(request)
    response = {"name": "f", "response": {"result": "shorter"}, "id": "1"}
    assert made["contents"][2]["parts"] == [{"functionResponse": response}]
    assert made["systemInstruction"] == {"parts": [{"text": "injected"}]}


def test_a_filtered_tool_leaves_the_list_of_allowed_names() -> None:
    request = read(document("request-everything.json"))
    request.tools = [tool for tool in request.tools if getattr(tool, "name", "") != "weather"]
    assert request.tool_choice is not None
    request.tool_choice.allowed.remove("weather")
    made = written(request)
    assert made["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["now"]}
    assert [f["name"] for f in made["tools"][0]["functionDeclarations"]] == ["now"]


def test_cached_content_is_known_to_its_upstream_only() -> None:
    body = {**contents({"text": "a"}), "cachedContent": "cachedContents/x"}
    with pytest.raises(Unsupported, match="cachedContent"):
        read(body, upstream="openai")


def test_cached_content_stands_for_system_and_tools() -> None:
    body = {**document("request-everything.json"), "cachedContent": "cachedContents/x"}
    assert not {"systemInstruction", "tools", "toolConfig"} & set(written(read(body)))


@pytest.mark.parametrize(
    ("call", "shape", "stream"),
    [
        (Call(model="m", stream=True, query={"alt": "sse"}), "sse", True),
        (Call(model="m", stream=True), "array", True),
        (Call(model="m", stream=False), "sse", False),
    ],
)
def test_what_the_path_says(call: Call, shape: str, stream: bool) -> None:
    told = Context(client="gemini", upstream="openai")
    request = read_request(contents({"text": "a"}), told, call)
    assert (told.shape, told.stream, request.stream, told.include_usage) == (shape, stream, stream, True)


def test_the_context_knows_the_tools() -> None:
    told = context()
    read_request(document("request-everything.json"), told, CALL)
    assert set(told.tools) == {"weather", "now", "bare"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "hello"}, "contents"),
        ({"contents": ["hello"]}, "contents[0]"),
        (contents(7), "contents[1].parts[0]"),
        (contents({"text": 7}), "contents[1].parts[0].text"),
        (contents({"text": "a"}, role="assistant"), "contents[1].role"),
        (contents({"functionCall": {}}), "contents[1].parts[0].functionCall.name"),
        (contents({"functionCall": {"name": "f", "args": "{}"}}), "contents[1].parts[0].functionCall.args"),
        (contents({"functionResponse": {"name": "f", "response": "x"}}), "contents[1].parts[0].functionResponse.response"),
        (contents({"inlineData": {"mimeType": "image/png"}}), "contents[1].parts[0].inlineData.data"),
        (contents({"text": "a", "thoughtSignature": 7}), "contents[1].parts[0].thoughtSignature"),
        ({**contents(), "tools": {}}, "tools"),
        ({**contents(), "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({**contents(), "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({**contents(), "generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
        ({**contents(), "generationConfig": []}, "generationConfig"),
        ({**contents(), "toolConfig": {"functionCallingConfig": {"mode": 7}}}, "toolConfig.functionCallingConfig.mode"),
        ({**contents(), "systemInstruction": 7}, "systemInstruction"),
    ],
)
def test_what_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as raised:
        read(body)
    assert raised.value.param == param


def test_peek_refuses_an_empty_request() -> None:
    with pytest.raises(RequestError, match="contents"):
        peek({}, context(), CALL)


def test_a_model_is_needed() -> None:
    with pytest.raises(RequestError, match="model"):
        read_request(contents({"text": "a"}), context(), Call())


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *itertools.chain.from_iterable(places(one, (*way, key)) for key, one in inner)]


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [7], {"a": 7}, True, 1e308, -1])
@pytest.mark.parametrize("name", ["request-everything.json", "request-snake.json"])
def test_wrong_types_anywhere_are_request_errors(name: str, wrong: Any) -> None:
    for way in places(document(name))[1:]:
        changed = document(name)
        inner = changed
        for step in way[:-1]:
            inner = inner[step]
        inner[way[-1]] = wrong
        with suppress(RequestError):
            written(read(changed))


def test_what_only_gemini_says_in_calls_and_media_comes_back() -> None:
    """Members of a call, of a blob and of a result that the model has no place for."""
    call = {"functionCall": {"name": "f", "args": {}, "extra": 1}}
    blob = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo=", "extra": 2}}
    file = {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/plan.pdf"}}
    result = {"functionResponse": {"name": "f", "response": {"output": "a"}, "parts": [file, {"unknown": 3}]}}
    body = contents(call)
    body["contents"] += [{"role": "user", "parts": [result]}, {"role": "user", "parts": [blob]}]
    assert written(read(body))["contents"] == body["contents"]


TEXTS = st.sampled_from([None, "", "a", "b", 1, {}])
OBJECTS = st.sampled_from([None, {}, {"a": 1}, "a"])
RESPONSES = st.dictionaries(st.sampled_from(["output", "result", "error", "other"]), TEXTS, max_size=2) | OBJECTS
PARTS = st.dictionaries(st.sampled_from(["text", "thoughtSignature", "thought"]), TEXTS, max_size=2) | st.one_of(
    st.fixed_dictionaries(
        {"functionCall": st.fixed_dictionaries({"name": TEXTS, "args": OBJECTS}, optional={"id": TEXTS, "other": TEXTS})}
    ),
    st.fixed_dictionaries(
        {
            "functionResponse": st.fixed_dictionaries(
                {"name": TEXTS, "response": RESPONSES}, optional={"id": TEXTS, "scheduling": TEXTS}
            )
        }
    ),
)


@given(st.lists(PARTS, max_size=4), st.booleans())
def test_plain_parts_are_read_as_any_others_are(parts: list[Any], assistant: bool) -> None:
    short, long = Pairs(), Pairs()
    for part in parts:
        plain = requests_in._plain_part(part, short)
        if plain is not None:
            assert requests_in._read_part(part, "", assistant, long) == plain

"""The converters as a program uses them, for all 25 pairs."""

from __future__ import annotations

import json
from typing import Any

import pytest

import ccproxy
from ccproxy.convert import StreamConverter, convert_request, convert_response, new_context, protocol_named
from ccproxy.errors import Broken, CcproxyError, Malformed, RequestError, Unsupported, UpstreamError
from ccproxy.model import Context
from ccproxy.protocols import PROTOCOLS
from ccproxy.stream import Collector
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import ANSWERS, STREAMS
from tests.tools import cuts

NAMES = list(PROTOCOLS)
PAIRS = [pytest.param(client, upstream, id=f"{client}-{upstream}") for client in NAMES for upstream in NAMES]
SCHEMA = {"type": "object", "properties": {"zebra": {"type": "string"}, "ant": {"type": "integer"}}, "required": ["zebra"]}
QUESTION = "Wie spät ist es?"
FUNCTION = {"name": "look_up", "description": "Looks it up", "parameters": SCHEMA}
REQUESTS: dict[str, dict[str, Any]] = {
    "openai": {
        "model": "asked",
        "messages": [{"role": "user", "content": QUESTION}],
        "tools": [{"type": "function", "function": FUNCTION}],
    },
    "responses": {"model": "asked", "input": QUESTION, "tools": [{"type": "function", "strict": False, **FUNCTION}]},
    "claude": {
        "model": "asked",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": QUESTION}],
        "tools": [{"name": "look_up", "description": "Looks it up", "input_schema": SCHEMA}],
    },
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "look_up", "description": "Looks it up", "parametersJsonSchema": SCHEMA},
                ]
            }
        ],
    },
    "ollama": {
        "model": "asked",
        "messages": [{"role": "user", "content": QUESTION}],
        "tools": [{"type": "function", "function": FUNCTION}],
    },
}


def converted(source: str, target: str, stream: bool = True) -> ccproxy.Converted:
    """A request of `source`, whose model is `asked` wherever its protocol says it."""
    if source == "gemini":
        return convert_request(
            REQUESTS[source], source=source, target=target, model="asked", stream=stream, query={"alt": "sse"}
        )
    body = {**REQUESTS[source], "stream": stream}
    if source == "openai" and stream:
        body["stream_options"] = {"include_usage": True}
    return convert_request(body, source=source, target=target)


def heard(context: Context, stream: bytes) -> Collector:
    """The client's stream, read back."""
    collector = Collector()
    decoder = PROTOCOLS[context.client].chat.decoder(new_context(client=context.client, upstream=context.client), collector)
    try:
        decoder.feed(stream)
        decoder.eof()
    except UpstreamError as error:
        collector.error(error)
    return collector


def schema_in(document: dict[str, Any]) -> dict[str, Any]:
    """The tool's schema, wherever the protocol keeps it."""
    (tool,) = document["tools"]
    tool = tool["functionDeclarations"][0] if "functionDeclarations" in tool else tool.get("function", tool)
    schema: dict[str, Any] = next(
        tool[key] for key in ("parameters", "input_schema", "parametersJsonSchema") if tool.get(key)
    )
    return schema


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_request(source: str, target: str, stream: bool) -> None:
    result = converted(source, target, stream)
    document = json.loads(result.body)
    assert QUESTION in json.dumps(document, ensure_ascii=False)
    assert list(schema_in(document)["properties"]) == ["zebra", "ant"]
    assert (document.get("model", "asked"), result.context.model) == ("asked", "asked")
    assert result.path.startswith("/")
    assert ("stream" in result.path.lower() or document.get("stream", target == "ollama")) == stream
    assert (result.context.client, result.context.upstream, result.context.stream) == (source, target, stream)
    assert isinstance(result.notes, tuple)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_request_for_another_model(source: str, target: str) -> None:
    body = json.dumps(REQUESTS[source]).encode()
    result = convert_request(body, source=source, target=target, model="up-1")
    named = json.loads(result.body).get("model") or result.path
    assert "up-1" in named
    assert result.context.model == ("up-1" if source == "gemini" else "asked")


@pytest.mark.parametrize("scenario", ["text", "tool", "thinking"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_answer(source: str, target: str, scenario: str) -> None:
    context = converted(source, target, stream=False).context
    out = convert_response(json.dumps(ANSWERS[target](SCENARIOS[scenario])).encode(), context)
    collector = Collector()
    PROTOCOLS[source].chat.read_answer(json.loads(out), context, collector)
    assert collector.answer.usage is not None
    assert (collector.answer.usage.input, collector.answer.finish) == (21, SCENARIOS[scenario].finish)
    assert collector.answer.model.removeprefix("models/") == "asked"


@pytest.mark.parametrize("scenario", ["text", "tool", "thinking"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream(source: str, target: str, scenario: str) -> None:
    meaning = SCENARIOS[scenario]
    base = converted(source, target).context
    outs = set()
    for pieces in cuts(STREAMS[target](meaning), rounds=1):
        converter = StreamConverter(base)
        outs.add(b"".join([*map(converter.feed, pieces), converter.close()]))
        assert converter.done
        assert converter.failure is None
    (out,) = outs
    answer = heard(base, out).answer
    assert (answer.finish, answer.model) == (meaning.finish, "asked")
    assert answer.usage is not None
    assert answer.usage.output == meaning.output


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_that_breaks_off(source: str, target: str) -> None:
    context = converted(source, target).context
    stream = STREAMS[target](SCENARIOS["text"])
    converter = StreamConverter(context)
    out = converter.feed(stream[: len(stream) // 2]) + converter.close(broken="the line went dead")
    assert isinstance(converter.failure, Broken)
    failure = heard(context, out).failure
    assert failure is not None
    assert failure.message == "the line went dead"
    assert converter.close(broken="again") + converter.close() + converter.feed(stream) == b""


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_answer_without_its_request(source: str, target: str) -> None:
    context = new_context(client=source, upstream=target, model="named")
    out = convert_response(json.dumps(ANSWERS[target](SCENARIOS["text"])).encode(), context)
    assert b"named" in out
    stream = StreamConverter(new_context(client=source, upstream=target, model="named", stream=True))
    said = stream.feed(STREAMS[target](SCENARIOS["text"])) + stream.close()
    assert b"named" in said
    assert heard(context, said).failure is None


INNER = {
    "openai": (
        {"messages": [{"role": "user", "name": "bo", "content": [{"type": "text", "text": "Hi", "cache_control": None}]}]},
        "name of a message",
    ),
    "claude": (
        {
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Hi"}],
            "tools": [{"name": "f", "input_schema": {}, "defer_loading": True, "cache_control": {"type": "ephemeral"}}],
        },
        "defer_loading of a tool",
    ),
    "gemini": (
        {
            "contents": [
                {"parts": [{"text": "Hi", "partMetadata": {"of": "it"}}, {"text": "Hi", "partMetadata": {"of": "it"}}]}
            ]
        },
        "partMetadata.of of a text",
    ),
    "responses": (
        {"input": "Hi", "tools": [{"type": "function", "name": "f", "parameters": {}, "defer_loading": True}]},
        "defer_loading of a tool",
    ),
    "ollama": ({"messages": [{"role": "user", "content": "Hi", "mood": "good"}]}, "mood of a message"),
}


@pytest.mark.parametrize("source", INNER)
def test_what_a_message_a_part_or_a_tool_loses_is_noted(source: str) -> None:
    document, lost = INNER[source]
    note = f"{lost}: left out, since only the {source} protocol knows that"
    for target in set(INNER) - {source}:
        body = json.dumps({"model": "m", **document}).encode()
        assert [one for one in convert_request(body, source=source, target=target, model="m").notes if "knows" in one] == [
            note
        ]
    assert not convert_request(body, source=source, target=source, model="m").notes


def test_what_was_adapted_is_noted() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    cut_off = [{"role": "user", "content": QUESTION}, {"role": "assistant", "tool_calls": [call]}]
    result = convert_request({"model": "m", "messages": [*cut_off, *cut_off]}, source="openai", target="claude")
    assert any("without a result" in note for note in result.notes)


BAD_REQUESTS = [
    pytest.param(b"", "openai", RequestError, "no body", id="nothing"),
    pytest.param(b"{", "openai", RequestError, "not JSON", id="no JSON"),
    pytest.param([1], "openai", RequestError, "no JSON object", id="no object"),
    pytest.param({"model": {1, 2}}, "openai", RequestError, "JSON", id="a value that is no JSON"),
    pytest.param({"messages": []}, "openai", RequestError, "names no model", id="no model"),
    pytest.param({"model": "m"}, "openai", RequestError, "messages", id="no messages"),
    pytest.param({**REQUESTS["openai"], "n": 3}, "openai", Unsupported, "n cannot", id="what the target cannot say"),
]


@pytest.mark.parametrize(("body", "source", "error", "message"), BAD_REQUESTS)
def test_a_bad_request(body: Any, source: str, error: type[CcproxyError], message: str) -> None:
    with pytest.raises(error, match=message):
        convert_request(body, source=source, target="claude")


BAD_ANSWERS = [
    (b"", Malformed, "not JSON"),
    (b"<html>", Malformed, "not JSON"),
    (b"[]", Malformed, "no JSON object"),
    (b'{"choices":5}', Malformed, "choices"),
    (b'{"error":{"message":"no credit","code":"insufficient_quota"}}', UpstreamError, "no credit"),
]


@pytest.mark.parametrize(("body", "error", "message"), BAD_ANSWERS)
def test_a_bad_answer(body: bytes, error: type[CcproxyError], message: str) -> None:
    with pytest.raises(error, match=message):
        convert_response(body, new_context(client="claude", upstream="openai"))


@pytest.mark.parametrize(
    "call", [lambda: protocol_named("cohere"), lambda: new_context(client="claude", upstream="cohere")]
)
def test_a_protocol_that_there_is_not_is_told_with_those_that_there_are(call: Any) -> None:
    with pytest.raises(RequestError, match=r"no protocol 'cohere'; known: openai, responses, claude, gemini, ollama"):
        call()


def test_no_credential_and_no_content_stands_in_a_repr() -> None:
    result = converted("claude", "openai")
    assert QUESTION not in repr(result.context)
    assert "Context" not in repr(result)


def test_contexts_are_told_apart() -> None:
    assert new_context(client="claude", upstream="openai").id != new_context(client="claude", upstream="openai").id


def test_what_the_readme_shows() -> None:
    body = json.dumps({**REQUESTS["claude"], "stream": True}).encode()
    result = ccproxy.convert_request(body, source="claude", target="openai", model="gpt-5-mini")
    assert (result.path, json.loads(result.body)["model"]) == ("/chat/completions", "gpt-5-mini")
    stream = ccproxy.StreamConverter(result.context)
    sent = [stream.feed(piece) for piece in next(cuts(STREAMS["openai"](SCENARIOS["text"])))]
    assert b"".join([*sent, stream.close()]).endswith(b'data: {"type":"message_stop"}\n\n')
    answer = ccproxy.convert_response(json.dumps(ANSWERS["openai"](SCENARIOS["text"])).encode(), result.context)
    assert json.loads(answer)["type"] == "message"


@pytest.mark.parametrize("target", ["openai", "claude"])
def test_tools_as_text(target: str) -> None:
    """Nothing is relayed, not even to an upstream of the client's protocol."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [tool], "tool_choice": "required"}
    converted = convert_request(body, source="openai", target=target, compat=True)
    document = json.loads(converted.body)
    assert "tools" not in document
    assert "tool_choice" not in document
    assert '<tool name="get_weather">' in json.dumps(document).replace('\\"', '"')
    said = '<tool_call name="get_weather">\n<parameter name="city">Paris</parameter>\n</tool_call>'
    answers: dict[str, Any] = {
        "openai": {"choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]},
        "claude": {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": said}],
            "stop_reason": "end_turn",
        },
    }
    answer = json.loads(convert_response(json.dumps(answers[target]).encode(), converted.context))
    [choice] = answer["choices"]
    [call] = choice["message"]["tool_calls"]
    assert (call["function"], choice["finish_reason"]) == (
        {"name": "get_weather", "arguments": '{"city":"Paris"}'},
        "tool_calls",
    )

from __future__ import annotations

import json
from typing import Any

import ollama
import pytest

from ccproxy.errors import Broken, RequestError, Unsupported
from ccproxy.model import Answer, Context, Image, Reasoning, Target, Text, ToolCall, Usage
from ccproxy.protocols.base import Call
from ccproxy.protocols.ollama import PROTOCOL
from ccproxy.protocols.ollama.requests_in import CHAT, GENERATE
from ccproxy.stream import Collector
from tests.tools import encode

CHATS = PROTOCOL.chat
TARGET = Target(protocol="ollama", model="m")
PIXEL = "iVBORw0KGgo="


def context(upstream: str = "ollama", shape: str = "") -> Context:
    return Context(client="ollama", upstream=upstream, model="asked", created=1_700_000_000, shape=shape)


CALL = Call(shape=GENERATE)


@pytest.mark.parametrize(
    "document",
    [
        {"model": "m", "prompt": "why?"},
        {"model": "m", "prompt": "why?", "stream": False, "system": "Be brief.", "images": [PIXEL], "think": True},
        {
            "model": "m",
            "prompt": "def f(",
            "suffix": "return x",
            "raw": True,
            "template": "{{ .Prompt }}",
            "context": [1, 2],
        },
        {"model": "m", "prompt": "x", "format": "json", "options": {"temperature": 0.1, "num_ctx": 9}, "keep_alive": "5m"},
    ],
)
def test_what_was_read_is_written_again(document: dict[str, Any]) -> None:
    shared = context()
    request = CHATS.read_request(document, shared, CALL)
    assert CHATS.write_request(request, TARGET, shared) == document
    assert (shared.shape, shared.stream) == (GENERATE, document.get("stream", True))
    assert CHATS.path(TARGET, True, shared.shape) == "/api/generate"


def test_a_prompt_is_a_users_message() -> None:
    shared = context("other")
    document = {"model": "m", "prompt": "why?", "system": "Be brief.", "images": [PIXEL], "context": [], "raw": False}
    request = CHATS.read_request(document, shared, CALL)
    assert request.system == [Text("Be brief.")]
    assert [message.role for message in request.messages] == ["user"]
    assert [type(part) for part in request.messages[0].parts] == [Image, Text]


@pytest.mark.parametrize("name", ["raw", "template", "suffix", "context", "width", "height", "steps"])
def test_what_only_ollama_can_do_is_refused_elsewhere(name: str) -> None:
    with pytest.raises(Unsupported) as refused:
        CHATS.read_request({"model": "m", "prompt": "x", name: [1]}, context("other"), CALL)
    assert refused.value.param == name


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"prompt": "x"}, "model"),
        ({"model": "m", "prompt": 3}, "prompt"),
        ({"model": "m", "prompt": "x", "system": ["x"]}, "system"),
        ({"model": "m", "prompt": "x", "images": "x"}, "images"),
        ({"model": "m", "prompt": "x", "images": [3]}, "images"),
        ({"model": "m", "prompt": "x", "stream": "no"}, "stream"),
        ({"model": "m", "prompt": "x", "options": 3}, "options"),
    ],
)
def test_what_is_no_request(document: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        CHATS.read_request(document, context(), CALL)
    assert refused.value.param == param


def test_a_chat_is_a_chat_as_before() -> None:
    shared = context()
    document = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert CHATS.write_request(CHATS.read_request(document, shared, Call()), TARGET, shared) == document
    assert CHATS.path(TARGET, True, shared.shape) == CHATS.path(TARGET, True, "") == "/api/chat"


@pytest.mark.parametrize(
    ("call", "document", "reason"),
    [
        (CALL, {"model": "m"}, "load"),
        (CALL, {"model": "m", "prompt": "", "keep_alive": 0}, "unload"),
        (Call(), {"model": "m", "messages": []}, "load"),
        (Call(), {"model": "m", "messages": [], "keep_alive": "0"}, "unload"),
        (CALL, {"model": "m", "prompt": "x"}, None),
        (Call(), {"model": "m", "messages": [{"role": "user", "content": "hi"}]}, None),
    ],
)
def test_a_request_that_only_loads(call: Call, document: dict[str, Any], reason: str | None) -> None:
    shared = context("other")
    CHATS.peek(document, shared, call)
    answer = CHATS.alone(document, shared)
    assert (answer and answer["done_reason"]) == reason
    if answer is not None:
        kind = ollama.GenerateResponse if call is CALL else ollama.ChatResponse
        assert kind(**answer).done is True


CALLS: list[tuple[Any, ...]] = [
    ("start", "id", "up", 0),
    ("thinking", "hm\u2028"),
    ("text", "yes"),
    ("tool_start", 0, "call_1", "look"),
    ("tool_arguments", 0, '{"a":1}'),
    ("tool_end", 0),
    ("usage", Usage(input=3, output=2)),
    ("finish", "length"),
]


def test_the_stream_has_no_messages() -> None:
    lines = encode(CHATS.encoder(context(shape=GENERATE)), CALLS).splitlines()
    chunks = [ollama.GenerateResponse(**json.loads(line)) for line in lines]
    assert [chunk.response for chunk in chunks] == ["", "yes", "", ""]
    assert chunks[0].thinking == "hm\u2028"
    assert json.loads(lines[2])["tool_calls"][0]["function"] == {"index": 0, "name": "look", "arguments": {"a": 1}}
    assert all("message" not in json.loads(line) for line in lines)
    assert (chunks[-1].done, chunks[-1].done_reason, chunks[-1].prompt_eval_count) == (True, "length", 3)


def test_its_own_decoder_reads_it() -> None:
    collector = Collector()
    decoder = CHATS.decoder(context(), collector)
    decoder.feed(encode(CHATS.encoder(context(shape=GENERATE)), CALLS))
    parts = collector.answer.parts
    assert [type(part) for part in parts] == [Reasoning, Text, ToolCall]
    assert collector.answer.finish == "length"


def test_a_whole_answer_has_no_message() -> None:
    document = CHATS.write_answer(Answer(parts=[Reasoning("hm"), Text("yes")], usage=Usage(3, 2)), context(shape=GENERATE))
    assert (document["response"], document["thinking"], document["model"]) == ("yes", "hm", "asked")
    assert "message" not in document
    assert "role" not in document
    chat = CHATS.write_answer(Answer(parts=[Text("yes")]), context(shape=CHAT))
    assert chat["message"] == {"role": "assistant", "content": "yes"}


def test_a_relayed_stream_ends_in_its_own_shape() -> None:
    tap = CHATS.tap(context(shape=GENERATE))
    assert tap.look(b'{"model":"m","response":"a","done":false}') is None
    assert json.loads(tap.eof())["response"] == ""
    assert json.loads(CHATS.tap(context()).fail(Broken("it broke"))) == {"error": "it broke"}

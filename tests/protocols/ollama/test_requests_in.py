"""Chat requests of Ollama: read, and written as they were."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.errors import RequestError
from ccproxy.model import (
    Context,
    Image,
    Message,
    Opaque,
    Reasoning,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Sampling,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from ccproxy.protocols.base import Call
from ccproxy.protocols.ollama import requests_in
from ccproxy.protocols.ollama.requests_in import CHAT, NAME, read_request
from ccproxy.protocols.ollama.requests_out import write_request
from ccproxy.turns import Pairs
from tests.tools import recorded, recordings

PNG = "iVBORw0KGgoAAAANSUhEUg=="


def context() -> Context:
    return Context(client=NAME, upstream=NAME)


def read(document: dict[str, Any], into: Context | None = None) -> Request:
    return read_request(document, into or context(), Call())


def parts(*messages: dict[str, Any]) -> list[list[Any]]:
    """The parts of each message, without what only writing needs."""
    found = [message.parts for message in read({"model": "m", "messages": list(messages)}).messages]
    for one in [part for several in found for part in several]:
        one.extras = None
    return found


USER = {"role": "user", "content": "Hi"}


def test_the_whole_of_a_request() -> None:
    made = context()
    request = read(
        {
            "model": "m:1b",
            "messages": [USER],
            "tools": [
                {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
            ],
            "format": {"type": "object"},
            "think": "high",
            "stream": False,
            "options": {
                "temperature": 0,
                "num_predict": 9,
                "stop": ["x"],
                "num_ctx": 4096,
                "repeat_penalty": 1.1,
                "seed": 7.0,
            },
            "keep_alive": "5m",
            "logprobs": True,
            "top_logprobs": 3,
        },
        made,
    )
    assert (request.origin, request.model, request.stream, request.logprobs) == (NAME, "m:1b", False, 3)
    assert request.sampling == Sampling(temperature=0, max_tokens=9, stop=["x"], repeat_penalty=1.1, seed=7)
    assert request.reasoning == ReasoningOptions(True, "high")
    assert request.format == ResponseFormat("json_schema", {"type": "object"})
    (tool,) = request.tools
    assert isinstance(tool, Tool)
    assert (tool.name, tool.description, tool.parameters) == ("f", "d", {"type": "object"})
    assert request.extras is not None
    assert request.extras.fields == {"options": {"num_ctx": 4096}, "keep_alive": "5m", "logprobs": True, "top_logprobs": 3}
    assert (made.stream, made.shape, made.include_usage, list(made.tools)) == (False, CHAT, True, ["f"])


@pytest.mark.parametrize(
    ("said", "stream"), [({}, True), ({"stream": None}, True), ({"stream": True}, True), ({"stream": False}, False)]
)
def test_streaming_is_the_default(said: dict[str, Any], stream: bool) -> None:
    made = context()
    assert read({"model": "m", "messages": [USER], **said}, made).stream is stream
    assert made.stream is stream


@pytest.mark.parametrize(
    ("message", "role", "wanted"),
    [
        (USER, "user", [Text("Hi")]),
        ({"role": "user", "content": ""}, "user", []),
        ({"role": "USER", "content": "Hi"}, "user", [Text("Hi")]),
        ({"role": "developer", "content": "Hi"}, "system", [Text("Hi")]),
        ({"role": "user", "content": "See", "images": [PNG]}, "user", [Image(data=PNG, mime="image/png"), Text("See")]),
        ({"role": "user", "images": ["data:image/webp;base64,AAAA"]}, "user", [Image(data="AAAA", mime="image/webp")]),
        ({"role": "user", "images": ["QUJD"]}, "user", [Image(data="QUJD")]),
        (
            {"role": "assistant", "content": "A", "thinking": "T"},
            "assistant",
            [Reasoning("T", origin=NAME), Text("A")],
        ),
    ],
)
def test_messages(message: dict[str, Any], role: str, wanted: list[Any]) -> None:
    (read_message,) = read({"model": "m", "messages": [message]}).messages
    assert (read_message.role, read_message.parts) == (role, wanted)


def called(*calls: tuple[str, str]) -> dict[str, Any]:
    functions = [({"id": id} if id else {}) | {"function": {"name": name, "arguments": {}}} for id, name in calls]
    return {"role": "assistant", "content": "", "tool_calls": functions}


def result(text: str, name: str = "", id: str = "") -> dict[str, Any]:
    return {"role": "tool", "content": text} | ({"tool_name": name} if name else {}) | ({"tool_call_id": id} if id else {})


@pytest.mark.parametrize(
    ("messages", "ids"),
    [
        ([called(("", "f")), result("1", "f")], ["call_f_0", "call_f_0"]),
        (
            [called(("", "f"), ("", "f")), result("1", "f"), result("2", "f")],
            ["call_f_0", "call_f_1", "call_f_0", "call_f_1"],
        ),
        (
            [called(("", "f"), ("", "g")), result("2", "g"), result("1", "f")],
            ["call_f_0", "call_g_0", "call_g_0", "call_f_0"],
        ),
        ([called(("", "f"), ("", "g")), result("1"), result("2")], ["call_f_0", "call_g_0", "call_f_0", "call_g_0"]),
        ([called(("a", "f"), ("b", "f")), result("2", "f", "b"), result("1", "f")], ["a", "b", "b", "a"]),
        ([called(("", "f")), result("1", "g")], ["call_f_0", "call_g_0"]),
        ([result("1")], ["call_tool_0"]),
        (
            [called(("", "f")), called(("", "g")), result("1", "f"), result("2", "g")],
            ["call_f_0", "call_g_0", "call_f_0", "call_g_0"],
        ),
        ([called(("", "f")), USER, called(("", "f")), result("2", "f")], ["call_f_0", "call_f_1", "call_f_1"]),
    ],
)
def test_results_find_their_calls(messages: list[dict[str, Any]], ids: list[str]) -> None:
    """F027: by id, by name, by order."""
    found = [part for several in parts(*messages) for part in several]
    assert [part.id for part in found if isinstance(part, (ToolCall, ToolResult))] == ids


def test_made_ids_are_the_same_in_the_next_turn() -> None:
    turn = [USER, called(("", "f")), result("1", "f")]
    first, second = parts(*turn), parts(*turn, USER, called(("", "f")), result("2", "f"))
    assert second[: len(first)] == first
    assert second[-1][0].id == "call_f_1"


def test_arguments_keep_order_and_size() -> None:
    call = {"function": {"name": "f", "arguments": {"z": 2**70, "a": 1}}}
    ((one,),) = parts({"role": "assistant", "tool_calls": [call]})
    assert json.dumps(one.arguments) == '{"z": 1180591620717411303424, "a": 1}'


def test_tools_of_another_type_are_opaque() -> None:
    raw = {"type": "web_search", "x": 1}
    assert read({"model": "m", "messages": [], "tools": [raw]}).tools == [Opaque(NAME, raw)]


ROUND = [
    {"model": "m", "messages": []},
    {"model": "m", "messages": [USER], "stream": None, "options": None, "tools": None, "think": None, "format": None},
    {"model": "m", "messages": [USER], "stream": False, "options": {}, "tools": [], "format": "", "keep_alive": 0},
    {"model": "m", "messages": [USER], "stream": True, "format": "json", "think": False, "template": "{{ .Prompt }}"},
    {"model": "m", "messages": [USER], "think": True, "truncate": False, "shift": True, "logprobs": True},
    {
        "model": "m",
        "messages": [USER],
        "options": {"temperature": 3.5, "num_predict": -1, "mirostat": 2, "stop": [], "top_k": None},
    },
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "control", "content": "thinking"},
            {"role": "user", "content": "See", "images": [PNG], "x_note": 1},
            {"role": "user", "images": [PNG]},
            {"role": "assistant", "thinking": "T", "content": "C", "tool_calls": []},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"index": 0, "name": "f", "arguments": {"b": 1, "a": [2]}}},
                    {"function": {"name": "g", "arguments": {}}},
                ],
            },
            {"role": "tool", "tool_name": "f", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "content": "", "images": [PNG]},
            {"role": "system", "content": "later"},
            {"role": "tool", "content": "orphan", "name": "f"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "", "parameters": {}, "strict": True}},
            {
                "function": {
                    "name": "g",
                    "parameters": {"type": "object", "$defs": {}, "properties": {"a": {"$ref": "#/x"}}},
                }
            },
            {"type": "web_search"},
        ],
    },
]


@pytest.mark.parametrize("document", ROUND)
def test_what_is_read_is_written(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    made = context()
    outgoing = write_request(read(document, made), Target(protocol=NAME, model="m"), made)
    assert outgoing == document
    assert json.dumps(document) == before, "the document is never changed"
    assert made.notes == []


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in recordings("ollama", "errors", part="request")
        if not case.values[0] or case.values[0]["protocol"] == NAME
    ],
)
def test_recorded_requests_are_written_as_they_were(case: dict[str, Any]) -> None:
    document = json.loads(recorded(case, "request"))
    request = read(document)
    assert write_request(request, Target(protocol=NAME, model=request.model), context()) == document


def test_what_policies_change_is_written() -> None:
    request = read({"model": "m", "messages": [{"role": "user", "content": None}], "options": {"num_ctx": 1}, "tools": []})
    request.system.append(Text("Injected"))
    request.messages[0].parts.append(Text("More"))
    request.messages.append(Message("user", [Text("New")]))
    request.sampling.temperature = 0.5
    request.tools.append(Tool("f"))
    request.stream = False
    document = write_request(request, Target(protocol=NAME, model="other"), context())
    assert document == {
        "model": "other",
        "messages": [
            {"role": "system", "content": "Injected"},
            {"role": "user", "content": "More"},
            {"role": "user", "content": "New"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "options": {"num_ctx": 1, "temperature": 0.5},
        "stream": False,
    }


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (None, {"temperature": 0.7, "num_predict": 100, "stop": ["END"]}),
        ({"temperature": 0, "num_predict": -1, "stop": ["x"]}, {"temperature": 0, "num_predict": -1, "stop": ["x"]}),
    ],
)
def test_defaults_speak_where_the_client_is_silent(options: Any, wanted: dict[str, Any]) -> None:
    target = Target(protocol=NAME, model="m", defaults={"temperature": 0.7, "max_tokens": 100, "stop": ["END"]})
    request = read({"model": "m", "messages": [USER], "options": options})
    assert write_request(request, target, context())["options"] == wanted


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": {"a": 1}}]}, "messages[0].images"),
        ({"messages": [{"role": "user", "images": [7]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "assistant", "thinking": 7}]}, "messages[0].thinking"),
        ({"messages": [{"role": "assistant", "tool_calls": {"a": 1}}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
            "messages[0].tool_calls[0].function.name",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": [{"role": "tool", "tool_name": 7}]}, "messages[0].tool_name"),
        ({"tools": {"a": 1}}, "tools"),
        ({"tools": [7]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {"name": "f", "parameters": [1]}}]}, "tools[0].function.parameters"),
        ({"stream": "yes"}, "stream"),
        ({"format": "xml"}, "format"),
        ({"think": "a lot"}, "think"),
        ({"think": 1}, "think"),
        ({"options": [1]}, "options"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"options": {"seed": True}}, "options.seed"),
        ({"options": {"top_k": 1.5}}, "options.top_k"),
        ({"options": {"stop": [1]}}, "options.stop"),
    ],
)
def test_what_is_refused(change: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        read({"model": "m", "messages": [USER], **change})
    assert caught.value.param == param


JUNK = [None, True, 0, -1, 2.5, "", "x", [], [None], {}, {"a": 1}, [{"role": "tool"}]]


def junked(value: Any, chance: random.Random) -> Any:
    """The document with some values replaced."""
    if chance.random() < 0.08:
        return chance.choice(JUNK)
    if isinstance(value, dict):
        return {key: junked(one, chance) for key, one in value.items()}
    return [junked(one, chance) for one in value] if isinstance(value, list) else value


def test_garbage_is_refused_or_read() -> None:
    chance = random.Random(11)
    readable = 0
    for _ in range(1_000):
        document = {key: junked(value, chance) for key, value in chance.choice(ROUND).items()}
        try:
            request = read(document)
        except RequestError:
            continue
        write_request(request, Target(protocol=NAME, model="m"), context())
        readable += 1
    assert readable > 100


TEXTS = st.sampled_from([None, "", "a", "b", 1, [], {}])
CALLS = st.fixed_dictionaries(
    {"function": st.fixed_dictionaries({"name": TEXTS, "arguments": TEXTS}, optional={"index": TEXTS}) | TEXTS},
    optional={"id": TEXTS, "type": TEXTS},
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "User", "assistant", "system", "tool", None, []])},
    optional={
        "content": st.just("words") | TEXTS,
        "tool_calls": st.lists(CALLS | TEXTS, max_size=2) | TEXTS,
        "tool_name": TEXTS,
        "tool_call_id": TEXTS,
        "images": TEXTS,
    },
)


@given(st.lists(MESSAGES, max_size=4))
def test_plain_messages_are_read_as_any_others_are(messages: list[Any]) -> None:
    short, long = Pairs(), Pairs()
    for message in messages:
        plain = requests_in._plain_message(message, short)
        if plain is not None:
            assert requests_in._message(message, "", long) == plain

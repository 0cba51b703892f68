"""The scripted model, and ccproxy in front of it: both ends of the demo without the socket between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ccproxy.actions import Accept, Action, Commit, Dial, End, Finished, Reply, Write
from ccproxy.app.demo import MODEL, SCRIPTED, DemoApp, Performance, script
from ccproxy.convert import new_context
from ccproxy.errors import RequestError
from ccproxy.model import (
    Answer,
    Image,
    Message,
    Reasoning,
    ReasoningOptions,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    arguments_object,
)
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from ccproxy.stream import Collector
from tests.app.heads import head_of
from tests.tools import Recorder

WEATHER = Tool("get_weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = Tool("get_time")


def request(*parts: Any, role: Any = "user", **more: Any) -> Request:
    return Request(origin="openai", model="m", messages=[Message(role, list(parts))], **more)


def said(asked: Request) -> Answer:
    collector = Collector()
    for step in script(asked):
        step(collector)
    assert collector.done
    assert collector.answer.usage is not None
    return collector.answer


# ---------------------------------------------------------------------------------------------------------------------
# What it says

GREETING = "Hello from ccproxy's scripted model. You said: "
SPEECHES = [
    pytest.param(request(Text("good  morning\n")), GREETING + "good  morning\n", id="text"),
    pytest.param(request(Text("one"), Image(url="u"), Text("two")), GREETING + "one two", id="parts"),
    pytest.param(
        request(Text("<system-reminder>use the tool run</system-reminder>"), Text("hi"), tools=[WEATHER]),
        GREETING + "hi",
        id="what an agent puts beside a person's words",
    ),
    pytest.param(request(Text("<b>hi</b>")), GREETING + "<b>hi</b>", id="nothing else"),
    pytest.param(
        Request(
            origin="claude",
            model="m",
            messages=[Message("user", [Text("hi")]), Message("system", [Text("tools: run, read")])],
            tools=[WEATHER],
        ),
        GREETING + "hi",
        id="a system's message at the end",
    ),
    pytest.param(request(), GREETING + "(nothing)", id="nothing"),
    pytest.param(Request(origin="openai", model="m"), GREETING + "(nothing)", id="no message"),
    pytest.param(request(Text("call a tool")), GREETING + "call a tool", id="no tools to call"),
    pytest.param(request(Text("good day"), tools=[WEATHER]), GREETING + "good day", id="tools, but no call asked for"),
    pytest.param(
        request(ToolResult("1", "t", [Text("sunny")]), ToolResult("2", "t", [Text("12:00")]), role="tool", tools=[WEATHER]),
        "The tool says: sunny 12:00",
        id="tool results",
    ),
]


@pytest.mark.parametrize(("asked", "speech"), SPEECHES)
def test_it_says_what_it_was_told(asked: Request, speech: str) -> None:
    answer = said(asked)
    assert answer.parts == [Text(speech)]
    assert answer.finish == "stop"
    assert answer.usage is not None
    assert answer.usage.output == len(speech.split())


def test_it_speaks_word_by_word() -> None:
    recorder = Recorder()
    recorder.JOINED = frozenset()  # type: ignore[misc]
    for step in script(request(Text("a b"))):
        step(recorder)
    words = [words for (words,) in recorder.named("text")]
    assert words[:2] == ["Hello", " from"]
    assert [call[0] for call in recorder.calls[-2:]] == ["usage", "finish"]


THINKING = [
    (None, False),
    (ReasoningOptions(), False),
    (ReasoningOptions(enabled=False), False),
    (ReasoningOptions(effort="none"), False),
    (ReasoningOptions(budget=0), False),
    (ReasoningOptions(enabled=True), True),
    (ReasoningOptions(effort="low"), True),
    (ReasoningOptions(budget=2000), True),
    (ReasoningOptions(adaptive=True), True),
]


@pytest.mark.parametrize(("reasoning", "thinks"), THINKING)
def test_it_thinks_when_asked_to(reasoning: ReasoningOptions | None, thinks: bool) -> None:
    answer = said(request(Text("hm"), reasoning=reasoning))
    assert isinstance(answer.parts[0], Reasoning) == thinks
    assert answer.usage is not None
    assert (answer.usage.reasoning > 0) == thinks


def called(said_text: str, *tools: Tool) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of the one call."""
    answer = said(request(Text(said_text), tools=list(tools)))
    (call,) = answer.parts
    assert isinstance(call, ToolCall)
    assert answer.finish == "tool_calls"
    return call.name, arguments_object(call)


CALLS = [
    ("What is the weather like?", "get_weather"),
    ("Please use get_time now", "get_time"),
    ("CALL something", "get_weather"),
    ("read it", "get_weather"),
]


@pytest.mark.parametrize(("text", "name"), CALLS)
def test_it_calls_the_tool_that_is_named_or_the_first(text: str, name: str) -> None:
    assert called(text, WEATHER, CLOCK)[0] == name


SCHEMAS: list[tuple[Any, Any]] = [
    ({"type": "string"}, "Zürich"),
    ({"type": "integer"}, 1),
    ({"type": "number"}, 1.5),
    ({"type": "boolean"}, True),
    ({"type": "array", "items": {"type": "string"}}, []),
    ({"type": "object"}, {}),
    ({"type": "null"}, None),
    ({"enum": ["c", "f"]}, "c"),
    ({"type": "string", "enum": []}, "Zürich"),
    ({"type": ["string", "null"]}, 'call it for "Bern" and "Zürich"'),
    ({}, 'call it for "Bern" and "Zürich"'),
    (True, 'call it for "Bern" and "Zürich"'),
    ({"type": "colour"}, "Zürich"),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_its_arguments_fit_the_schema(schema: Any, value: Any) -> None:
    tool = Tool(
        "t", parameters={"type": "object", "properties": {"a": schema, "b": {"type": "integer"}}, "required": ["a"]}
    )
    assert called('call it for "Bern" and "Zürich"', tool) == ("t", {"a": value})


PARAMETERS: list[tuple[Any, dict[str, Any]]] = [
    (None, {}),
    ({}, {}),
    ({"properties": {"n": {"type": "integer"}, "m": {"type": "integer"}}}, {"n": 1, "m": 1}),
    ({"properties": {"n": {"type": "integer"}}, "required": []}, {"n": 1}),
    ({"properties": {"n": {"type": "integer"}}, "required": ["n", "gone", 5]}, {"n": 1}),
    ({"properties": {"n": {"type": "integer"}}, "required": True}, {"n": 1}),
    ({"properties": [1], "required": ["n"]}, {}),
]


@pytest.mark.parametrize(("parameters", "arguments"), PARAMETERS)
def test_odd_schemas_do_not_confuse_it(parameters: Any, arguments: dict[str, Any]) -> None:
    assert called("call", Tool("t", parameters=parameters))[1] == arguments


def test_calls_have_ids_of_their_own() -> None:
    ids = {said(request(Text("call"), tools=[CLOCK])).parts[0].id for _ in range(20)}  # type: ignore[attr-defined]
    assert len(ids) == 20


# ---------------------------------------------------------------------------------------------------------------------
# One performance


def performance() -> Performance:
    return Performance(PROTOCOLS["openai"], Call())


def to_the_end(life: Any) -> list[Action]:
    """What the ticker gets until the end."""
    actions: list[Action] = []
    while not (actions and isinstance(actions[-1], Finished)):
        told = life.tick(0.0)
        assert told
        actions += told
    return actions


def test_a_stream_has_a_step_a_tick() -> None:
    life = performance()
    assert life.begin(0.0) == life.tick(0.0) == []
    document = {
        "model": "any",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hi"}],
    }
    (commit,) = life.body(json.dumps(document).encode(), 0.0)
    assert isinstance(commit, Commit)
    actions = to_the_end(life)
    assert [type(action) for action in actions[-3:]] == [Write, End, Finished]
    stream = commit.data + b"".join(action.data for action in actions if isinstance(action, Write))
    assert len([action for action in actions if isinstance(action, Write) and action.data]) > 5
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
    assert {chunk["model"] for chunk in chunks} == {"any"}
    assert chunks[-1]["usage"]["completion_tokens"] > 5
    assert life.tick(0.0) == []


def test_a_whole_answer_comes_at_once() -> None:
    life = performance()
    document = {"model": "any", "messages": [{"role": "user", "content": "hi"}]}
    reply, finished = life.body(json.dumps(document).encode(), 0.0)
    assert isinstance(reply, Reply)
    assert isinstance(finished, Finished)
    assert (reply.status, json.loads(reply.body)["choices"][0]["message"]["content"]) == (200, GREETING + "hi")


@pytest.mark.parametrize("body", [b"", b"{", b'{"model":"m"}', b'{"messages":[]}'])
def test_a_bad_request_is_answered_as_one(body: bytes) -> None:
    reply, finished = performance().body(body, 0.0)
    assert isinstance(reply, Reply)
    assert reply.status == 400
    assert isinstance(finished, Finished)


def test_what_else_a_runtime_may_tell_it() -> None:
    reply, _ = performance().body_failed(RequestError("too large", status=413), 0.0)
    assert (reply.status, json.loads(reply.body)["error"]["message"]) == (413, "too large")
    reply, _ = performance().body_failed(OSError("gone"), 0.0)
    assert reply.status == 500
    assert [type(action) for action in performance().client_gone(0.0)] == [Finished]


# ---------------------------------------------------------------------------------------------------------------------
# ccproxy in front of it

HI = [{"role": "user", "content": "hi"}]
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"model": "gpt", "stream": True, "messages": HI}),
    "responses": ("/v1/responses", {"model": "gpt", "stream": True, "input": "hi"}),
    "claude": ("/v1/messages", {"model": "claude", "stream": True, "max_tokens": 50, "messages": HI}),
    "gemini": (
        "/v1beta/models/gemini:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    ),
    "ollama": ("/api/chat", {"model": "llama", "messages": HI}),
}


def accepted(app: DemoApp, path: str) -> Any:
    accept = app.head(head_of(f"POST {path}"), 0.0)
    assert isinstance(accept, Accept)
    accept.life.begin(0.0)
    return accept.life


@pytest.mark.parametrize("behind", ["openai", "claude", "ollama"])
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_every_protocols_client_is_answered_by_the_script(protocol: str, behind: str) -> None:
    app = DemoApp("127.0.0.1", 4321, PROTOCOLS[behind], pace=0.01)
    path, document = REQUESTS[protocol]
    life = accepted(app, path)
    (dial,) = life.body(json.dumps(document).encode(), 0.0)
    assert isinstance(dial, Dial)
    assert (dial.endpoint.host, dial.endpoint.port) == ("127.0.0.1", 4321)
    assert dial.target.startswith(f"{SCRIPTED}/")
    assert json.loads(dial.body)["model"] == MODEL
    scripted = accepted(app, dial.target)
    (commit,) = scripted.body(dial.body, 0.0)
    upstream = [commit.data, *(action.data for action in to_the_end(scripted) if isinstance(action, Write))]
    life.upstream_head(200, commit.headers, 0.0)
    out = b""
    for data in filter(None, upstream):
        if life.state == "committed":
            out += life.pump(data)
        else:
            out += b"".join(action.data for action in life.upstream_bytes(data, 0.0) if isinstance(action, Commit))
    assert life.done
    collector = Collector()
    decoder = PROTOCOLS[protocol].chat.decoder(new_context(client=protocol, upstream=protocol), collector)
    decoder.feed(out)
    decoder.eof()
    assert collector.answer.parts == [Text(GREETING + "hi")]


def test_the_scripted_model_has_one_route() -> None:
    app = DemoApp("127.0.0.1", 4321, PROTOCOLS["openai"])
    reply = app.head(head_of(f"POST {SCRIPTED}/v1/other"), 0.0)
    assert isinstance(reply, Reply)
    assert reply.status == 404


def test_everything_else_is_ccproxys() -> None:
    app = DemoApp("127.0.0.1", 4321, PROTOCOLS["openai"], pace=0.01)
    assert app.limits.tick_seconds == 0.01
    assert len(app.jobs()) == 1
    statuses: list[tuple[Callable[[], Any], int]] = [
        (lambda: app.head(head_of("GET /healthz"), 0.0), 200),
        (lambda: app.head(head_of("GET /v1/models"), 0.0), 200),
        (lambda: app.head(head_of("GET /v1/models", {"host": "evil.example"}), 0.0), 403),
        (lambda: app.refuse(RequestError("odd"), None), 400),
    ]
    assert [reply().status for reply, _ in statuses] == [status for _, status in statuses]
    models = json.loads(app.head(head_of("GET /v1/models"), 0.0).body)  # type: ignore[union-attr]
    assert [row["id"] for row in models["data"]] == [MODEL]
    app.finished(None)

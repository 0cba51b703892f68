"""One request's lines, from the calls of a runtime and what an exchange makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ccproxy.actions import Accept, Action, Dial, Finished, Reply
from ccproxy.app import App
from ccproxy.app.traffic.lines import Line, Masks
from ccproxy.app.traffic.recording import Recorded, Sheet
from ccproxy.config import loads
from ccproxy.errors import RequestError, UpstreamError
from ccproxy.exchange import Exchange
from tests.app.heads import head_of

CONFIG = """
[providers.one]
protocol = "openai"
base_url = "https://one.example/v1"
api_keys = ["sk-one-1", "sk-one-2"]
[providers.two]
protocol = "claude"
base_url = "https://two.example"
api_keys = ["sk-two"]
[groups.default.models]
single = "two/c"
pool = ["one/a", "two/c"]
[groups.default]
balance = "failover"
"""
ASKED: dict[str, Any] = {"model": "pool", "messages": [{"role": "user", "content": "hi"}]}
SSE = [("content-type", "text/event-stream")]
CHUNK = b'data: {"id":"1","model":"a","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
LAST = b'data: {"id":"1","model":"a","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
WHOLE = json.dumps(
    {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": "end_turn", "usage": {}}
).encode()


class Office:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.longest = 1 << 20
        self.protocols = {"one": "openai", "two": "claude"}
        self.lines: list[dict[str, Any]] = []
        self.breaks = False

    def group_of(self, group: str, model: str) -> str:
        return group or "default"

    def put(self, line: Line, tokens: tuple[str, ...]) -> None:
        if self.breaks:
            raise RuntimeError("the log's bug")
        self.lines.append(json.loads(line.written(Masks(tokens), self.longest)))

    @property
    def directions(self) -> list[str]:
        return [line["direction"] for line in self.lines]

    def only(self, direction: str) -> dict[str, Any]:
        (line,) = (line for line in self.lines if line["direction"] == direction)
        return line


class Request:
    """A recorded request of an openai client."""

    def __init__(self, office: Office | None = None, **asked: Any) -> None:
        self.office = office or Office()
        head = head_of("POST /v1/chat/completions?x=1", {"authorization": "Bearer tk-1", "user-agent": "agent/1"})
        accept = App(loads(CONFIG, {})).head(head, 0.0)
        assert isinstance(accept, Accept)
        assert isinstance(accept.life, Exchange)
        sheet = Sheet(self.office, head, ["tk-1"], key="laptop", client="openai", operation="chat")
        self.exchange = accept.life
        self.life = Recorded(accept.life, sheet)
        self.said = json.dumps(ASKED | asked).encode()

    def begun(self) -> list[Action]:
        return [*self.life.begin(1.0), *self.life.body(self.said, 1.0)]


def test_a_whole_answer() -> None:
    request = Request(model="single")
    (dial,) = request.begun()
    assert isinstance(dial, Dial)
    assert request.office.directions == ["from_client", "to_upstream"], "before the answer has come"
    request.life.upstream_head(200, [("content-type", "application/json")], 2.0)
    request.life.upstream_bytes(WHOLE, 2.5)
    request.life.upstream_eof(3.0)
    asked, sent, came, went = request.office.lines
    assert len({line["id"] for line in request.office.lines}) == 1
    assert (asked["body"], asked["method"], asked["path"]) == (json.loads(request.said), "POST", "/v1/chat/completions")
    assert (asked["query"], asked["headers"]["authorization"], asked["agent"]) == ({"x": "1"}, "***", "agent/1")
    assert (sent["url"], sent["headers"]["x-api-key"]) == ("https://two.example:443/v1/messages", "***")
    assert (sent["protocol"], sent["provider"], sent["upstream_model"], sent["attempt"]) == ("claude", "two", "c", 1)
    assert sent["body"] == json.loads(dial.body)
    assert (came["status"], came["body"], came["first_byte"], came["seconds"]) == (200, json.loads(WHOLE), 1.5, 2.0)
    assert (went["status"], went["body"]["object"], went["seconds"]) == (200, "chat.completion", 2.0)
    for line in request.office.lines:
        assert (line["key"], line["client"], line["group"], line["model"]) == ("laptop", "openai", "default", "single")


def test_a_stream_is_the_text_of_the_stream_on_both_sides() -> None:
    request = Request(stream=True)
    request.begun()
    request.life.upstream_head(200, SSE, 2.0)
    out = b""
    for action in request.life.upstream_bytes(CHUNK, 2.0):
        out += getattr(action, "data", b"")
    assert not request.life.done
    out += request.life.pump(CHUNK) + request.life.pump(LAST)
    assert request.life.done
    request.life.ended(4.0)
    came, went = request.office.lines[2:]
    assert came["stream"] == (CHUNK + CHUNK + LAST).decode()
    assert went["stream"] == out.decode()
    assert went["headers"]["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("headers", [[], [("content-type", "application/json")]])
def test_a_stream_that_does_not_say_so_is_one(headers: list[tuple[str, str]]) -> None:
    request = Request(stream=True)
    request.begun()
    request.life.upstream_head(200, headers, 2.0)
    request.life.upstream_bytes(CHUNK + LAST, 2.0)
    assert request.office.only("from_upstream")["stream"] == (CHUNK + LAST).decode()


def test_each_attempt_has_its_two_lines() -> None:
    request = Request()
    request.begun()
    request.life.upstream_head(401, [], 2.0)
    request.life.upstream_bytes(b'{"error":{"message":"down"}}', 2.0)
    request.life.upstream_eof(2.0)
    request.life.upstream_failed(UpstreamError("reset"), 3.0)
    request.life.upstream_head(200, [], 4.0)
    request.life.upstream_bytes(WHOLE, 4.0)
    request.life.upstream_eof(5.0)
    lines = request.office.lines
    assert request.office.directions == ["from_client", *["to_upstream", "from_upstream"] * 3, "to_client"]
    assert [line.get("attempt") for line in lines] == [None, 1, 1, 2, 2, 3, 3, None]
    assert [line.get("provider") for line in lines] == [None, "one", "one", "one", "one", "two", "two", "two"]
    assert [line.get("provider_key") for line in lines[1:7]] == [1, 1, 2, 2, None, None]
    assert [line.get("protocol") for line in lines[1:7]] == ["openai"] * 4 + ["claude"] * 2
    assert [(line.get("status"), line.get("error")) for line in lines[2:7:2]] == [
        (401, "down"),
        (None, "reset"),
        (200, None),
    ]
    assert lines[7]["failed"] == ["one/a: down", "one/a: reset"]
    assert lines[7]["status"] == 200


def test_an_error_that_the_client_gets() -> None:
    request = Request(model="single")
    request.begun()
    request.life.upstream_failed(UpstreamError("reset"), 2.0)
    assert request.office.only("from_upstream")["error"] == "reset"
    went = request.office.only("to_client")
    assert (went["status"], went["error"], went["body"]["error"]["message"]) == (502, "reset", "reset")


def test_a_client_that_leaves() -> None:
    request = Request(stream=True)
    request.begun()
    request.life.upstream_head(200, SSE, 2.0)
    request.life.upstream_bytes(CHUNK, 2.0)
    request.life.client_gone(3.0)
    went = request.office.only("to_client")
    came = request.office.only("from_upstream")
    assert (went["cancelled"], came["cancelled"], came["stream"]) == (True, True, CHUNK.decode())
    assert went["stream"].startswith("data: ")


@pytest.mark.parametrize(("said", "model"), [(b"{", None), (b'{"model":"nobody"}', "nobody"), (b'{"messages":[]}', None)])
def test_a_request_that_goes_nowhere(said: bytes, model: str | None) -> None:
    request = Request()
    request.said = said
    request.begun()
    assert request.office.directions == ["from_client", "to_client"]
    asked, went = request.office.lines
    assert (asked.get("text") or json.dumps(asked["body"], separators=(",", ":"))) == said.decode()
    assert asked.get("model") == model
    assert went["status"] in (400, 404)


def test_a_body_that_does_not_come() -> None:
    request = Request()
    request.life.begin(1.0)
    request.life.body_failed(RequestError("the body ended early"), 2.0)
    assert request.office.directions == ["from_client", "to_client"]
    assert request.office.lines[1]["error"] == "the body ended early"


def test_what_is_said_after_silence_is_noted_too() -> None:
    request = Request(stream=True)
    request.begun()
    request.life.upstream_head(200, SSE, 2.0)
    committed = request.life.tick(20.0)
    assert committed
    request.life.resumed()
    request.life.upstream_failed(UpstreamError("reset"), 21.0)
    went = request.office.only("to_client")
    assert (went["status"], went["error"]) == (200, "reset")
    assert "reset" in went["stream"]


CALLS: list[Callable[[Recorded], Any]] = [
    lambda life: life.pump(CHUNK),
    lambda life: life.upstream_bytes(CHUNK, 2.0),
    lambda life: life.body(b"{}", 2.0),
]


@pytest.mark.parametrize("call", CALLS, ids=["pump", "upstream_bytes", "body"])
def test_a_bug_in_an_exchange_is_noted_and_goes_on(
    call: Callable[[Recorded], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*arguments: Any) -> None:
        raise ZeroDivisionError

    request = Request(stream=True)
    if "body" not in call.__code__.co_names:
        request.begun()
    for name in ("pump", "upstream_bytes", "body"):
        monkeypatch.setattr(request.exchange, name, bug)
    with pytest.raises(ZeroDivisionError):
        call(request.life)
    assert request.office.directions[0] == "from_client"
    assert request.office.only("to_client")["error"] == "internal error"


def test_a_bug_in_the_log_is_not_the_requests(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    office.breaks = True
    request = Request(office, model="single")
    request.begun()
    request.life.upstream_head(200, [], 2.0)
    request.life.upstream_bytes(WHOLE, 2.0)
    reply, *_, finished = request.life.upstream_eof(3.0)
    assert isinstance(reply, Reply)
    assert isinstance(finished, Finished)
    assert reply.status == 200
    assert "traffic log: internal error; the request goes on" in caplog.text


def test_only_so_much_of_a_stream_is_kept() -> None:
    office = Office()
    office.longest = 300
    request = Request(office, stream=True)
    request.begun()
    request.life.upstream_head(200, SSE, 2.0)
    request.life.upstream_bytes(CHUNK, 2.0)
    for _ in range(100):
        request.life.pump(CHUNK)
    assert repr(request.life).startswith("<Recorded <Exchange committed")
    request.life.client_gone(3.0)
    came = office.only("from_upstream")
    assert came["cut"] + len(came["stream"]) == 101 * len(CHUNK)
    assert 290 <= len(came["stream"]) <= 300


def test_a_request_that_is_answered_on_its_head() -> None:
    office = Office()
    sheet = Sheet(office, head_of("GET /v1/models"), [], client="openai", operation="models")
    sheet.replied(Reply(200, [("content-type", "application/json")], b'{"data":[]}'))
    asked, went = office.lines
    assert (asked["method"], asked["path"], "body" in asked) == ("GET", "/v1/models", False)
    assert (went["status"], went["body"], went["id"]) == (200, {"data": []}, asked["id"])

"""One request's life, as scripts: what the runtime says on the left, what it is told on the right."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import pytest

from ccproxy import conversion
from ccproxy.actions import Action, Commit, Dial, Endpoint, Finished, Reply, Write
from ccproxy.conversion import Answered
from ccproxy.errors import Broken, NotFound, TimedOut, TooLarge, Unreachable
from ccproxy.exchange import LONGEST_ERROR, Exchange
from ccproxy.model import Context, Target, Traits
from ccproxy.plans import Patience, Plan
from ccproxy.policy.rewrite import Rules
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call, Kept
from ccproxy.protocols.responses import history
from ccproxy.turnwise import Conversations
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import ANSWERS, CONTENT_TYPES, STREAMS

TEXT = SCENARIOS["text"]
REQUESTS: dict[str, dict[str, Any]] = {
    "openai": {"model": "alias", "messages": [{"role": "user", "content": "hi"}]},
    "responses": {"model": "alias", "input": "hi"},
    "claude": {"model": "alias", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "ollama": {"model": "alias", "messages": [{"role": "user", "content": "hi"}]},
}
SSE = [("content-type", "text/event-stream")]
JSON = [("content-type", "application/json")]
NO_TRAITS = Traits()


class Playbook:
    """Drives an Exchange as a runtime would, and keeps what it was told."""

    hurried = False
    """Whether each answer comes before its exchange had a moment for it."""

    def __init__(
        self,
        client: str,
        upstream: str,
        stream: bool = True,
        asked: str = "auto",
        traits: Traits = NO_TRAITS,
        **patience: float,
    ) -> None:
        self.client, self.upstream, self.stream, self.asked = client, upstream, stream, asked
        self.traits = traits
        self.known: Conversations | None = None
        self.rules: Rules | None = None
        self.patience = Patience(**patience)
        self.context = Context(client=client, upstream="", id="0" * 24, created=1)
        call = Call(model="alias" if client == "gemini" else "", stream=stream if client == "gemini" else None)
        call = Call(model=call.model, stream=call.stream, query={"alt": "sse"})
        headers = [("x-api-key", "client-secret"), ("anthropic-version", "2023-06-01"), ("cookie", "c")]
        headers += [("anthropic-beta", "one"), ("anthropic-beta", "two")]
        self.exchange = Exchange(PROTOCOLS[client], self.context, call, self.route, headers)
        self.exchange.begin(0.0)
        self.sent = b""
        self.actions: list[Action] = []

    def route(self, model: str) -> Plan:
        if model != "alias":
            raise NotFound(f"no model {model}")
        target = Target(protocol=self.upstream, model="up-model", provider="p", host="up.example", stream=self.asked)
        target.traits = self.traits
        return Plan(
            protocol=PROTOCOLS[self.upstream],
            target=target,
            endpoint=Endpoint(scheme="https", host="up.example", port=443),
            prefix="/base",
            headers=[("authorization", "Bearer upstream-secret")],
            secrets=("upstream-secret",),
            patience=self.patience,
            known=self.known,
            rules=self.rules,
        )

    def take(self, actions: list[Action]) -> list[str]:
        self.actions += actions
        for action in actions:
            if isinstance(action, (Commit, Write)):
                self.sent += action.data
            if isinstance(action, Reply):
                self.sent += action.body
            if isinstance(action, Dial) and not self.hurried:
                self.exchange.meanwhile()
        return [type(action).__name__ for action in actions]

    def body(self, document: Any = None) -> list[str]:
        if document is None:
            document = dict(REQUESTS[self.client])
            if self.client != "gemini":
                document["stream"] = self.stream
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.take(self.exchange.body(data, 1.0))

    def head(self, status: int = 200, headers: list[tuple[str, str]] | None = None, now: float = 2.0) -> list[str]:
        if headers is None:
            headers = [("content-type", CONTENT_TYPES[self.upstream])]
        return self.take(self.exchange.upstream_head(status, headers, now))

    def bytes(self, data: bytes, now: float = 2.0) -> list[str]:
        return self.take(self.exchange.upstream_bytes(data, now))

    def eof(self, now: float = 3.0) -> list[str]:
        return self.take(self.exchange.upstream_eof(now))

    def pump(self, data: bytes) -> None:
        self.sent += self.exchange.pump(data)

    def ended(self) -> list[str]:
        return self.take(self.exchange.ended(3.0))

    @property
    def dial(self) -> Dial:
        return next(action for action in self.actions if isinstance(action, Dial))

    @property
    def reply(self) -> Reply:
        return next(action for action in self.actions if isinstance(action, Reply))

    @property
    def record(self) -> Any:
        last = self.actions[-1]
        assert isinstance(last, Finished)
        return last.record


def pieces(upstream: str) -> tuple[bytes, bytes]:
    """A stream, cut behind its first record."""
    stream = STREAMS[upstream](TEXT)
    end = b"\n" if upstream == "ollama" else b"\r\n\r\n" if upstream == "gemini" else b"\n\n"
    cut = stream.index(end) + len(end)
    return stream[:cut], stream[cut:]


PAIRS = [(client, upstream) for client in PROTOCOLS for upstream in PROTOCOLS]


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_commits_with_its_first_event_and_ends_with_its_last(client: str, upstream: str) -> None:
    play = Playbook(client, upstream)
    assert play.body() == ["Dial"]
    assert play.head() == []
    first, rest = pieces(upstream)
    told = play.bytes(first)
    assert told in (["Commit"], [])  # some first records (an empty delta) say nothing to some clients
    if told:
        assert play.sent
        play.pump(rest)
        told = play.ended() if play.exchange.done else play.eof()  # Gemini's streams have no end but the body's
        assert told[-3:] == ["End", "Release", "Finished"]
    else:
        assert play.bytes(rest) == ["Commit", "End", "Release", "Finished"] or play.eof()[-1] == "Finished"
    assert (play.record.usage.input, play.record.usage.output) == (TEXT.input, TEXT.output)
    assert play.record.status == 200


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_what_is_made_ahead_changes_nothing(client: str, upstream: str, stream: bool) -> None:
    """Whether the answer has the form that was asked for, or the other one."""
    bodies = ["".join(part.decode() for part in pieces(upstream)), json.dumps(ANSWERS[upstream](TEXT))]
    for body, headers in zip(bodies, (None, JSON), strict=True):
        sent = []
        for hurried in (False, True):
            play = Playbook(client, upstream, stream)
            play.hurried = hurried
            play.body()
            play.head(headers=headers)
            if "Finished" not in play.bytes(body.encode()):
                play.eof()
            sent.append(play.sent)
        assert sent[0] == sent[1]
        assert sent[0]


def test_what_was_made_ahead_for_one_pair_is_not_used_for_the_next() -> None:
    play = Playbook("claude", "openai", traits=Traits(again=("flaky",)))
    play.body()
    play.head(500, JSON)
    play.bytes(b'{"error": {"message": "m", "code": "flaky"}}')
    assert play.eof() == ["Abort", "Dial"]
    first, rest = pieces("openai")
    play.head()
    play.bytes(first + rest)
    assert play.sent.count(b"event: message_start") == 1


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_whole_answer_is_a_reply(client: str, upstream: str) -> None:
    play = Playbook(client, upstream, stream=False)
    play.body()
    play.head(headers=JSON)
    assert play.bytes(json.dumps(ANSWERS[upstream](TEXT)).encode()) == []
    assert play.eof() == ["Reply", "Release", "Finished"]
    assert TEXT.text in json.dumps(json.loads(play.sent), ensure_ascii=False).replace('\\"', '"').replace("\\n", "\n")
    assert play.record.usage.output == TEXT.output


def test_the_dial_says_where_and_with_whose_key() -> None:
    play = Playbook("claude", "openai")
    play.body()
    dial = play.dial
    assert (dial.endpoint.host, dial.method, dial.target) == ("up.example", "POST", "/base/chat/completions")
    headers = dict(dial.headers)
    assert headers["authorization"] == "Bearer upstream-secret"
    assert headers["accept-encoding"] == "identity"
    assert "client-secret" not in str(dial.headers)
    assert "cookie" not in headers
    assert "anthropic-version" not in headers
    assert json.loads(dial.body)["model"] == "up-model"
    assert "secret" not in repr(dial)


def test_what_belongs_to_the_protocol_passes_on_the_same_protocol() -> None:
    play = Playbook("claude", "claude")
    play.body()
    assert dict(play.dial.headers)["anthropic-version"] == "2023-06-01"
    assert dict(play.dial.headers)["anthropic-beta"] == "one, two"


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_same_protocol_bytes_pass_untouched_but_for_the_model(protocol: str) -> None:
    play = Playbook(protocol, protocol)
    raw = json.dumps({"unknown": {"model": "x"}, **REQUESTS[protocol], "stream": True}, indent=1).encode()
    play.body(raw)
    assert play.dial.body == raw.replace(b'"alias"', b'"up-model"')
    stream = STREAMS[protocol](TEXT)
    play.head()
    play.bytes(stream[:50])
    for at in range(50, len(stream)):
        piece = stream[at : at + 1]
        if play.exchange.state == "committed":
            play.pump(piece)
        else:
            play.bytes(piece)
    expected = stream.replace(b'"model": "up"', b'"model":"alias"')
    untouched = play.sent.replace(b'"model": "up"', b'"model":"alias"')
    assert untouched.replace(b'": ', b'":').replace(b", ", b",") == expected.replace(b'": ', b'":').replace(b", ", b",")


@pytest.mark.parametrize("protocol", ["claude", "responses"])
def test_answers_that_carry_the_model_once_name_the_clients(protocol: str) -> None:
    play = Playbook(protocol, protocol)
    play.body()
    play.head()
    play.bytes(STREAMS[protocol](TEXT))
    assert b'"alias"' in play.sent
    assert b'"up"' not in play.sent
    whole = Playbook(protocol, protocol, stream=False)
    whole.body()
    whole.head(headers=JSON)
    whole.bytes(json.dumps(ANSWERS[protocol](TEXT)).encode())
    whole.eof()
    assert json.loads(whole.sent)["model"] == "alias"


@pytest.mark.parametrize("client", list(PROTOCOLS))
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{nope", id="no JSON"),
        pytest.param(b"[1]", id="no object"),
        pytest.param(b'{"model":"alias"}', id="no messages"),
        pytest.param(b'{"model":"alias","messages":5,"input":5,"contents":5}', id="messages of the wrong type"),
        pytest.param(b'{"model":"other","messages":[],"input":"x","contents":[]}', id="unknown model"),
        pytest.param(b'{"messages":[],"input":"x","contents":5}', id="no model"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_a_bad_body_is_answered_without_an_upstream(client: str, body: bytes) -> None:
    play = Playbook(client, "openai" if client != "openai" else "claude")
    if client == "gemini" and b"other" in body:
        pytest.skip("Gemini's model stands in the path")
    assert play.body(body) == ["Reply", "Finished"]
    assert play.reply.status in (400, 404)
    assert "error" in json.loads(play.reply.body)


def test_a_body_that_did_not_arrive_is_answered() -> None:
    play = Playbook("claude", "openai")
    assert play.take(play.exchange.body_failed(TooLarge("too large"), 1.0)) == ["Reply", "Finished"]
    assert play.reply.status == 413


@pytest.mark.parametrize("client", list(PROTOCOLS))
@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (429, b'{"error":{"message":"slow down"}}', "slow down"),
        (500, b"<html><body><h1>Oh no</h1></body></html>", "Oh no"),
        (503, b"plain words", "plain words"),
        (404, b'{"detail":"not here"}', "not here"),
        (400, b"", "400"),
    ],
)
def test_an_upstreams_refusal_keeps_its_status(client: str, status: int, body: bytes, message: str) -> None:
    play = Playbook(client, "openai" if client != "openai" else "claude")
    play.body()
    play.head(status, [("retry-after", "7"), ("x-request-id", "r1")])
    assert play.bytes(body) == []
    assert play.eof() == ["Reply", "Release", "Finished"]
    assert play.reply.status == status
    assert message in play.reply.body.decode()
    assert dict(play.reply.headers)["retry-after"] == "7"
    assert dict(play.reply.headers)["x-request-id"] == "r1"


@pytest.mark.parametrize("cut", [Broken("cut off"), TimedOut("nothing for 300 s")])
def test_a_refusal_that_is_cut_keeps_its_status(cut: Exception) -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head(429, [("retry-after", "7")])
    play.bytes(b"slow do")
    assert play.take(play.exchange.upstream_failed(cut, 3.0)) == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 429
    assert b"slow do" in play.reply.body
    assert dict(play.reply.headers)["retry-after"] == "7"


def test_a_refusal_without_end_is_answered() -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head(500)
    assert play.bytes(b"x" * (LONGEST_ERROR - 1)) == []
    assert play.bytes(b"xx") == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 500


def test_a_refusal_without_end_after_hold_is_told() -> None:
    play = Playbook("claude", "openai", hold=10.0)
    play.body()
    play.take(play.exchange.tick(11.5))
    play.head(500, now=12.0)
    play.pump(b"x" * LONGEST_ERROR)
    assert play.exchange.done
    assert play.ended() == ["Write", "End", "Abort", "Finished"]
    assert b"event: error" in play.sent


ECHOES = {
    "refusal": (401, JSON, b'{"error":{"message":"no upstream-secret"}}'),
    "document": (200, JSON, b'{"error":{"message":"no upstream-secret"}}'),
    "first event": (200, SSE, b'data: {"error":{"message":"no upstream-secret","code":401}}\n\n'),
}


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("client", ["openai", "claude"])
@pytest.mark.parametrize("echo", list(ECHOES))
def test_no_error_repeats_a_secret(echo: str, client: str, held: bool) -> None:
    play = Playbook(client, "openai", hold=10.0)
    play.body()
    if held:
        play.take(play.exchange.tick(11.5))
    status, headers, body = ECHOES[echo]
    play.head(status, headers, now=12.0)
    if held:
        play.pump(body)
    else:
        play.bytes(body)
    if play.exchange.state != "over":
        play.eof(now=13.0)
    assert b"no ***" in play.sent
    assert play.record.error.message == "no ***"


def test_no_header_of_an_error_repeats_a_secret() -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head(401, [*JSON, ("x-request-id", "of upstream-secret")])
    play.bytes(ECHOES["refusal"][2])
    play.eof()
    assert dict(play.reply.headers)["x-request-id"] == "of ***"


def test_an_error_with_status_200_has_the_answers_headers() -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head(200, [*SSE, ("x-request-id", "r1")])
    play.bytes(ECHOES["first event"][2])
    assert dict(play.reply.headers)["x-request-id"] == "r1"


def test_a_redirect_is_no_answer() -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head(302, [("location", "https://elsewhere.example/?key=k")])
    assert play.eof() == ["Reply", "Release", "Finished"]
    assert play.reply.status == 502
    assert b"elsewhere" not in play.reply.body


@pytest.mark.parametrize("client", list(PROTOCOLS))
def test_no_connection_is_a_bad_gateway(client: str) -> None:
    play = Playbook(client, "claude")
    play.body()
    assert play.take(play.exchange.upstream_failed(Unreachable("refused"), 2.0)) == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 502
    assert b"refused" in play.reply.body


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_an_error_as_first_event_is_an_http_error(client: str, upstream: str) -> None:
    errors = {
        "openai": b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n',
        "responses": b'data: {"type":"error","code":"server_is_overloaded","message":"overloaded","param":null}\n\n',
        "claude": b'data: {"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}\n\n',
        "gemini": b'data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\n\n',
        "ollama": b'{"error":"overloaded"}\n',
    }
    play = Playbook(client, upstream)
    play.body()
    play.head()
    assert play.bytes(errors[upstream]) == ["Reply", "Abort", "Finished"]
    assert play.reply.status >= 429
    assert b"overloaded" in play.reply.body


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_cut_stream_ends_in_the_clients_error(client: str, upstream: str) -> None:
    play = Playbook(client, upstream)
    play.body()
    play.head()
    stream = STREAMS[upstream](TEXT)
    play.bytes(stream[: len(stream) * 2 // 3])
    assert play.exchange.state == "committed"
    told = play.take(play.exchange.upstream_failed(Broken("the connection was cut"), 3.0))
    assert told == ["Write", "End", "Abort", "Finished"]
    assert b"the connection was cut" in play.sent
    assert play.record.error is not None


def test_malformed_bytes_in_mid_stream_end_it() -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head()
    first, _ = pieces("openai")
    play.bytes(first + b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n')
    play.pump(b"data: {nope\n\n")
    assert play.exchange.done
    assert play.ended() == ["End", "Abort", "Finished"]
    assert b"event: error" in play.sent


def test_an_empty_stream_is_a_failure() -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head()
    assert play.eof() == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 502


def test_after_hold_the_head_goes_out_and_the_choice_is_final() -> None:
    play = Playbook("claude", "openai", hold=10.0)
    play.body()
    assert play.take(play.exchange.tick(5.0)) == []
    assert play.take(play.exchange.tick(11.5)) == ["Commit"]
    assert b"ping" in play.sent
    play.head(500, now=12.0)
    play.pump(b"oh no")
    assert play.eof(now=13.0) == ["Write", "End", "Release", "Finished"]
    assert b"event: error" in play.sent
    assert b"oh no" in play.sent


def test_after_hold_a_stream_goes_on() -> None:
    play = Playbook("claude", "openai", hold=10.0)
    play.body()
    play.take(play.exchange.tick(11.5))
    play.head(now=12.0)
    play.pump(STREAMS["openai"](TEXT))
    assert play.exchange.done
    assert play.ended() == ["End", "Release", "Finished"]
    assert play.sent.count(b"event: message_start") == 1
    assert b"event: message_stop" in play.sent


def test_an_idle_stream_is_kept_alive_and_then_given_up() -> None:
    play = Playbook("claude", "openai", keepalive=15.0, idle=60.0, hold=100.0)
    play.body()
    play.head()
    play.bytes(STREAMS["openai"](TEXT)[:700])
    play.take(play.exchange.tick(3.0))
    before = play.sent
    assert play.take(play.exchange.tick(10.0)) == []
    assert play.take(play.exchange.tick(20.0)) == ["Write"]
    assert play.sent.removeprefix(before) == b'event: ping\ndata: {"type": "ping"}\n\n'
    assert play.take(play.exchange.tick(64.0)) == ["Write", "End", "Abort", "Finished"]
    assert b"nothing for 60 s" in play.sent


def test_what_only_the_upstream_says_keeps_no_client_alive() -> None:
    """OpenRouter's comments, for one."""
    play = Playbook("claude", "openai", keepalive=15.0, hold=10.0)
    play.body()
    play.head()
    play.take(play.exchange.tick(2.0))
    assert play.take(play.exchange.tick(12.0)) == ["Commit"]
    for now in (20.0, 26.0):
        play.pump(b": PROCESSING\n\n")
        assert play.take(play.exchange.tick(now)) == []
    play.pump(b": PROCESSING\n\n")
    assert play.take(play.exchange.tick(28.0)) == ["Write"]


@pytest.mark.parametrize("client", ["openai", "claude"])
def test_comments_are_no_answer_yet(client: str) -> None:
    play = Playbook(client, "openai")
    play.body()
    play.head()
    assert play.bytes(b": PROCESSING\n\n") == []
    assert play.bytes(b'data: {"error":{"message":"overloaded","code":503}}\n\n') == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 503


def test_an_upstream_that_never_answers_times_out() -> None:
    play = Playbook("openai", "claude", stream=False, first_byte=30.0)
    play.body()
    play.take(play.exchange.tick(2.0))
    assert play.take(play.exchange.tick(20.0)) == []
    assert play.take(play.exchange.tick(33.0)) == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 504


def test_the_first_byte_may_take_its_time_after_hold_too() -> None:
    play = Playbook("claude", "openai", hold=10.0, idle=60.0, first_byte=600.0, keepalive=1000.0)
    play.body()
    play.take(play.exchange.tick(2.0))
    assert play.take(play.exchange.tick(13.0)) == ["Commit"]
    assert play.take(play.exchange.tick(500.0)) == []
    assert play.take(play.exchange.tick(700.0)) == ["Write", "End", "Abort", "Finished"]
    assert b"no answer within 600 s" in play.sent


def test_an_upstream_that_was_not_read_has_not_been_silent() -> None:
    play = Playbook("claude", "openai", idle=60.0, keepalive=1000.0)
    play.body()
    play.head()
    play.bytes(STREAMS["openai"](TEXT)[:700])
    play.take(play.exchange.tick(3.0))
    play.exchange.resumed()
    assert play.take(play.exchange.tick(100.0)) == []
    assert play.take(play.exchange.tick(161.0)) == ["Write", "End", "Abort", "Finished"]


@pytest.mark.parametrize("phase", ["dialled", "answering", "committed"])
def test_a_client_that_goes_away_takes_the_upstream_with_it(phase: str) -> None:
    play = Playbook("claude", "openai")
    play.body()
    if phase != "dialled":
        play.head()
    if phase == "committed":
        play.bytes(STREAMS["openai"](TEXT)[:700])
    assert play.exchange.state == phase
    assert play.take(play.exchange.client_gone(4.0)) == ["Abort", "Finished"]
    assert play.record.cancelled


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_an_upstream_that_only_streams_serves_a_whole_answer(client: str, upstream: str) -> None:
    play = Playbook(client, upstream, stream=False, asked="always")
    play.body()
    play.head()
    play.bytes(STREAMS[upstream](TEXT))
    if not isinstance(play.actions[-1], Finished):
        play.eof()
    assert json.loads(play.sent)
    assert play.record.usage.output == TEXT.output


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_an_upstream_that_never_streams_serves_a_stream(client: str, upstream: str) -> None:
    play = Playbook(client, upstream, asked="never")
    play.body()
    play.head(headers=JSON)
    play.bytes(json.dumps(ANSWERS[upstream](TEXT)).encode())
    assert play.eof() == ["Commit", "End", "Release", "Finished"]
    assert dict(play.actions[-4].headers)["content-type"] == PROTOCOLS[client].chat.stream_type(play.context)


@pytest.mark.parametrize("headers", [[], JSON, [("content-type", "text/plain")]])
def test_a_stream_is_known_by_its_bytes_where_its_type_is_wrong(headers: list[tuple[str, str]]) -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head(headers=headers)
    play.bytes(STREAMS["openai"](TEXT))
    assert b"event: message_stop" in play.sent


def test_a_whole_answer_to_a_stream_request_is_served_as_a_stream() -> None:
    play = Playbook("claude", "openai")
    play.body()
    play.head(headers=JSON)
    play.bytes(json.dumps(ANSWERS["openai"](TEXT)).encode())
    assert play.eof() == ["Commit", "End", "Release", "Finished"]
    assert b"event: message_stop" in play.sent


def test_an_error_document_with_status_200_is_an_error() -> None:
    play = Playbook("claude", "openai", stream=False)
    play.body()
    play.head(headers=JSON)
    play.bytes(b'{"error":{"message":"quota"}}')
    assert play.eof() == ["Reply", "Abort", "Finished"]
    assert play.reply.status == 502
    assert b"quota" in play.reply.body


def test_repr_shows_the_state() -> None:
    play = Playbook("claude", "openai")
    assert "receiving claude->?" in repr(play.exchange)
    play.body()
    assert "dialled claude->p" in repr(play.exchange)


# ---------------------------------------------------------------------------------------------------------------------
# What needs no upstream


def test_an_answer_of_the_routes_own_asks_nobody() -> None:
    play = Playbook("ollama", "openai")
    answered = Answered(b'{"license": ""}')
    exchange = Exchange(PROTOCOLS["ollama"], play.context, Call(), lambda model: answered, [])
    exchange.begin(0.0)
    assert play.take(exchange.body(b'{"model": "alias"}', 1.0)) == ["Reply", "Finished"]
    assert (play.reply.status, play.reply.headers, play.reply.body) == (200, JSON, b'{"license": ""}')
    assert (play.record.status, play.record.model, play.record.provider) == (200, "alias", "")
    assert exchange.tick(1000.0) == []


def counting(upstream: str) -> tuple[Playbook, Exchange]:
    play = Playbook("claude", upstream)
    exchange = Exchange(PROTOCOLS["claude"], play.context, Call(), play.route, [], "", "count")
    exchange.begin(0.0)
    return play, exchange


def test_a_count_for_another_protocol_asks_nobody() -> None:
    play, exchange = counting("openai")
    assert play.take(exchange.body(json.dumps(REQUESTS["claude"]).encode(), 1.0)) == ["Reply", "Finished"]
    assert json.loads(play.reply.body)["input_tokens"] > 0
    assert (play.record.provider, play.record.status) == ("p", 200)


def test_a_count_for_the_same_protocol_is_the_upstreams() -> None:
    play, exchange = counting("claude")
    assert play.take(exchange.body(json.dumps(REQUESTS["claude"]).encode(), 1.0)) == ["Dial"]
    assert play.dial.target == "/base/v1/messages/count_tokens"
    exchange.upstream_head(200, JSON, 2.0)
    assert play.take(exchange.upstream_bytes(b'{"input_tokens": 7}', 2.0)) == []
    assert play.take(exchange.upstream_eof(3.0)) == ["Reply", "Release", "Finished"]
    assert json.loads(play.reply.body) == {"input_tokens": 7}


def test_a_counts_refusal_keeps_its_status() -> None:
    play, exchange = counting("claude")
    exchange.body(json.dumps(REQUESTS["claude"]).encode(), 1.0)
    exchange.upstream_head(404, JSON, 2.0)
    exchange.upstream_bytes(b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}', 2.0)
    assert play.take(exchange.upstream_eof(3.0)) == ["Reply", "Release", "Finished"]
    assert (play.reply.status, json.loads(play.reply.body)["error"]["message"]) == (404, "model: x")


# ---------------------------------------------------------------------------------------------------------------------
# Earlier turns

OTHERS = [name for name in PROTOCOLS if name != "responses"]


class Notebook:
    """A Memory of one client."""

    def __init__(self, takes: bool = True) -> None:
        self.kept: dict[str, Kept] = {}
        self.takes = takes

    def recall(self, id: str) -> Kept | None:
        return self.kept.get(id)

    def keep(self, id: str, kept: Kept) -> bool:
        if self.takes:
            self.kept[id] = kept
        return self.takes


def remembering(upstream: str, notebook: Notebook, stream: bool, turn: int = 0, asks: str = "chat") -> Playbook:
    play = Playbook("responses", upstream, stream)
    play.context.id = f"{turn:024x}"
    play.exchange = Exchange(PROTOCOLS["responses"], play.context, Call(), play.route, [], "", asks, notebook)
    play.exchange.begin(0.0)
    return play


def answer_to(play: Playbook, document: dict[str, Any], scenario: str = "text") -> Any:
    """The answer's document, after a whole exchange."""
    meaning = SCENARIOS[scenario]
    play.body({"model": "alias", "stream": play.stream, **document})
    if play.stream:
        play.head()
        told = play.bytes(STREAMS[play.upstream](meaning))
        if told[-1:] != ["Finished"]:
            play.eof()
        last = [line for line in play.sent.decode().splitlines() if line.startswith("data: ")][-1]
        return json.loads(last.removeprefix("data: "))["response"]
    play.head(headers=JSON)
    play.bytes(json.dumps(ANSWERS[play.upstream](meaning)).encode())
    play.eof()
    return json.loads(play.sent)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("upstream", OTHERS)
def test_an_answer_is_kept_with_what_led_to_it_and_merged_into_the_next_request(upstream: str, stream: bool) -> None:
    notebook = Notebook()
    first = answer_to(remembering(upstream, notebook, stream), {"input": "Where?"}, "tool")
    assert notebook.kept[first["id"]].answer == first
    result = {"type": "function_call_output", "call_id": first["output"][0]["call_id"], "output": "Sunny."}
    play = remembering(upstream, notebook, stream, turn=1)
    second = answer_to(play, {"input": [result], "previous_response_id": first["id"]})
    went_up = json.dumps(json.loads(play.dial.body), ensure_ascii=False)
    assert went_up.index("Where?") < went_up.index("get_weather") < went_up.index("Sunny.")
    assert second["previous_response_id"] == first["id"]
    said = json.loads(notebook.kept[second["id"]].said)
    assert [item["type"] for item in said] == ["message", "function_call", "function_call_output"]


def test_an_unknown_answer_is_refused_before_any_upstream_is_asked() -> None:
    play = remembering("claude", Notebook(), False)
    assert play.body({"model": "alias", "input": "hi", "previous_response_id": "resp_9"}) == ["Reply", "Finished"]
    error = json.loads(play.reply.body)["error"]
    assert (play.reply.status, error["code"]) == (404, "previous_response_not_found")


@pytest.mark.parametrize("stream", [True, False])
def test_an_upstream_that_keeps_answers_gets_the_id_and_nothing_is_kept(stream: bool) -> None:
    notebook = Notebook()
    play = remembering("responses", notebook, stream)
    answer_to(play, {"input": "hi", "previous_response_id": "resp_9"})
    assert json.loads(play.dial.body)["previous_response_id"] == "resp_9"
    assert notebook.kept == {}


def test_a_conversation_that_is_kept_here_moves_on_to_an_upstream_that_keeps_its_own() -> None:
    notebook = Notebook()
    first = answer_to(remembering("claude", notebook, False), {"input": "Where?"})
    play = remembering("responses", notebook, False, turn=1)
    answer_to(play, {"input": "And then?", "previous_response_id": first["id"]})
    document = json.loads(play.dial.body)
    assert "previous_response_id" not in document
    assert [item.get("role") for item in document["input"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_not_to_be_stored_or_did_not_end_is_not_kept(stream: bool) -> None:
    notebook = Notebook()
    answer_to(remembering("openai", notebook, stream), {"input": "hi", "store": False})
    play = remembering("openai", notebook, stream)
    play.body({"model": "alias", "input": "hi", "stream": stream})
    play.head(headers=SSE if stream else JSON)
    play.bytes(pieces("openai")[0] if stream else b'{"choices')
    play.take(play.exchange.upstream_failed(Broken("cut"), 3.0))
    assert play.record.error is not None
    assert notebook.kept == {}


def test_earlier_turns_count() -> None:
    notebook, counts = Notebook(), []
    for turn, said in enumerate(["Where?", "Where? " * 100]):
        first = answer_to(remembering("claude", notebook, False, turn), {"input": said})
        play = remembering("claude", notebook, False, asks="count")
        play.body({"model": "alias", "input": "And then?", "previous_response_id": first["id"]})
        counts.append(json.loads(play.reply.body)["input_tokens"])
    assert counts[1] > counts[0] + 100
    assert len(notebook.kept) == 2


@pytest.mark.parametrize("hurried", [False, True])
def test_what_is_kept_is_written_behind_the_dial(monkeypatch: pytest.MonkeyPatch, hurried: bool) -> None:
    """Or at the end, where nothing was said in between."""
    notebook = Notebook()
    play = remembering("claude", notebook, False)
    play.hurried = True
    written: list[str] = []

    def dumps(value: Any) -> bytes:
        if isinstance(value, list):
            written.append(play.exchange.state)
        return json.dumps(value).encode()

    monkeypatch.setattr(history.jsontext, "dumps", dumps)
    play.body({"model": "alias", "input": [{"role": "user", "content": "Where?"}]})
    if not hurried:
        play.exchange.meanwhile()
    play.head(headers=JSON)
    play.bytes(json.dumps(ANSWERS["claude"](TEXT)).encode())
    play.eof()
    assert written == ["over" if hurried else "dialled"]
    (kept,) = notebook.kept.values()
    assert json.loads(kept.said) == [{"role": "user", "content": "Where?"}]


def test_what_nests_too_deeply_to_be_kept_may_be_answered_all_the_same() -> None:
    notebook = Notebook()
    play = remembering("claude", notebook, False)
    deep = b'{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi", "odd": %b}]}'
    told = play.body(b'{"model": "alias", "input": [%b]}' % deep % (b"[" * 1_000 + b"]" * 1_000))
    assert told == ["Dial"]
    play.head(headers=JSON)
    play.bytes(json.dumps(ANSWERS["claude"](TEXT)).encode())
    play.eof()
    assert (play.record.status, notebook.kept) == (200, {})
    assert any("could not be kept" in note for note in play.record.notes)


def test_a_conversation_that_is_merged_for_an_upstream_of_its_protocol_keeps_its_long_integers() -> None:
    notebook = Notebook()
    first = answer_to(remembering("claude", notebook, False), {"input": "Where?"})
    play = remembering("responses", notebook, False, turn=1)
    play.body({"model": "alias", "input": "hi", "metadata": {"n": LONG}, "previous_response_id": first["id"]})
    assert b'"n":%d' % LONG in play.dial.body


def test_an_answer_that_could_not_be_kept_is_noted() -> None:
    play = remembering("openai", Notebook(takes=False), False)
    answer_to(play, {"input": "hi"})
    assert any("could not be kept" in note for note in play.record.notes)


def test_a_request_that_nests_too_deeply_to_be_written_is_refused() -> None:
    play = Playbook("responses", "openai", False)
    deep = b"[" * 1_000 + b"]" * 1_000
    body = b'{"model": "alias", "input": "hi", "tools": [{"type": "function", "name": "f", "parameters": {"x": %b}}]}'
    assert play.body(body % deep) == ["Reply", "Finished"]
    assert play.reply.status == 400


LONG = 12345678901234567890123
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "maximum": LONG}}}
WITH_LONG = {
    "model": "alias",
    "user": "me",
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
}
ROADS: dict[str, dict[str, Any]] = {
    "relayed": {},
    "converted": {"upstream": "claude"},
    "a member left out": {"traits": Traits(drop=("user",))},
    "changed by rules": {"rules": Rules(injection="enhance", prompt="Be brief.")},
    "the model named twice": {"body": json.dumps(WITH_LONG).replace("{", '{"model": "alias", ', 1).encode()},
}


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_long_integers_arrive_on_every_road(road: dict[str, Any]) -> None:
    """Those that are relayed are not read as exactly."""
    play = Playbook("openai", road.get("upstream", "openai"), traits=road.get("traits", NO_TRAITS))
    play.rules = road.get("rules")
    assert play.body(road.get("body", json.dumps(WITH_LONG).encode())) == ["Dial"]
    assert re.search(rb'"maximum": ?%d\b' % LONG, play.dial.body)
    assert b'"alias"' not in play.dial.body


# ---------------------------------------------------------------------------------------------------------------------
# A repair

LEARNS = Traits(again=("tool_use_failed",), refusals=(r"no (?P<name>\w+) here",))
COLD = {"model": "alias", "max_tokens": 9, "temperature": 0.5, "messages": [{"role": "user", "content": "hi"}]}
NO_TEMPERATURE = b'{"error": {"message": "no temperature here", "code": "x"}}'
FAILED_CALL = b'{"error": {"message": "Failed to call a function.", "code": "tool_use_failed", "status_code": 400}}'


def refused(client: str, stream: bool, body: bytes) -> tuple[Playbook, list[str]]:
    """After a first answer of 400, and what it led to."""
    play = Playbook(client, "openai", stream, traits=LEARNS)
    play.body({**COLD, "stream": stream})
    play.head(400, JSON)
    assert play.bytes(body) == []
    return play, play.eof()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", ["claude", "openai"])
def test_a_refused_member_is_left_out_and_the_request_sent_once_more(client: str, stream: bool) -> None:
    play, told = refused(client, stream, NO_TEMPERATURE)
    assert told == ["Abort", "Dial"]
    first, second = (action for action in play.actions if isinstance(action, Dial))
    assert json.loads(second.body) == {k: v for k, v in json.loads(first.body).items() if k != "temperature"}
    assert (second.target, second.headers) == (first.target, first.headers)
    play.head(headers=SSE if stream else JSON, now=4.0)
    meaning = SCENARIOS["text"]
    play.bytes(STREAMS["openai"](meaning) if stream else json.dumps(ANSWERS["openai"](meaning)).encode(), now=5.0)
    if not isinstance(play.actions[-1], Finished):
        play.eof(6.0)
    assert (play.record.status, play.record.error) == (200, None)
    assert b"newlines" in play.sent
    assert any("temperature" in note for note in play.record.notes)


@pytest.mark.parametrize("stream", [True, False])
def test_a_second_refusal_is_told(stream: bool) -> None:
    play, _ = refused("claude", stream, NO_TEMPERATURE)
    play.head(400, JSON, now=4.0)
    play.bytes(FAILED_CALL, now=4.0)
    assert play.eof(5.0) == ["Reply", "Release", "Finished"]
    assert (play.reply.status, json.loads(play.reply.body)["error"]["message"]) == (400, "Failed to call a function.")


def test_an_error_that_no_row_knows_is_told_at_once() -> None:
    _, told = refused("claude", True, b'{"error": {"message": "no messages here"}}')
    assert told == ["Reply", "Release", "Finished"]


def test_a_failed_generation_as_first_event_is_asked_for_again() -> None:
    play = Playbook("claude", "openai", traits=LEARNS)
    play.body({**COLD, "stream": True})
    play.head()
    assert play.bytes(b"data: " + FAILED_CALL + b"\n\n") == ["Abort", "Dial"]
    play.head(now=4.0)
    assert play.bytes(STREAMS["openai"](SCENARIOS["text"]), now=4.0)[0] == "Commit"


def test_an_error_document_with_status_200_is_repaired_too() -> None:
    play = Playbook("claude", "openai", False, traits=LEARNS)
    play.body({**COLD, "stream": False})
    play.head(headers=JSON)
    play.bytes(FAILED_CALL)
    assert play.eof() == ["Abort", "Dial"]
    assert repr(play.exchange).startswith("<Exchange dialled")


def test_after_the_commit_nothing_is_repaired() -> None:
    play = Playbook("claude", "openai", traits=LEARNS, hold=1.0)
    play.body({**COLD, "stream": True})
    assert play.take(play.exchange.tick(9.0)) == ["Commit"]
    play.head(400, JSON, now=10.0)
    play.pump(NO_TEMPERATURE)
    assert play.eof(11.0) == ["Write", "End", "Release", "Finished"]


# ---------------------------------------------------------------------------------------------------------------------
# What a stream holds


@pytest.mark.parametrize(("client", "upstream"), [("claude", "openai"), ("openai", "openai")])
def test_a_request_is_not_held_once_its_answer_streams(client: str, upstream: str) -> None:
    play = Playbook(client, upstream)
    said = {"model": "alias", "stream": True, "max_tokens": 9}
    tracemalloc.start()
    try:
        play.body({**said, "messages": [{"role": "user", "content": "x" * 1_000_000}]})
        play.actions.clear()
        play.head()
        held = tracemalloc.get_traced_memory()[0]
        assert any(play.bytes(event + b"\n\n") == ["Commit"] for event in STREAMS[upstream](TEXT).split(b"\n\n")[:3])
        play.actions.clear()
        play.exchange.tick(1.0)
        assert held - tracemalloc.get_traced_memory()[0] > 900_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("upstream", ["openai", "responses", "gemini", "ollama"])
def test_a_request_that_nests_too_deep_to_be_written_is_the_clients_fault(upstream: str) -> None:
    book = Playbook("claude", upstream)
    nested = '{"a":' * 1000 + "1" + "}" * 1000
    call = f'{{"type":"tool_use","id":"t","name":"f","input":{nested}}}'
    turns = f'{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{call}]}}'
    assert book.body(f'{{"model":"alias","max_tokens":9,"messages":[{turns}]}}'.encode())[0] == "Reply"
    (reply,) = [action for action in book.actions if isinstance(action, Reply)]
    assert reply.status == 400
    assert b"nested deeper" in reply.body


def test_an_estimate_waits_until_the_answer_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the upstream counts nothing the request is read again, which the last bytes must not wait for."""
    asked: list[object] = []
    monkeypatch.setattr(conversion, "_tokens_of", lambda *about: asked.append(about) or 7)
    play = Playbook("openai", "openai")
    play.body({"model": "alias", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
    play.head()
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "words"}, "finish_reason": "stop"}]}
    play.bytes(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    play.pump(b"data: [DONE]\n\n")
    assert play.ended()[-1] == "Finished"
    assert not asked
    assert play.record.usage.input == 7
    assert play.record.usage.estimated


@pytest.mark.parametrize(("words", "remembered"), [(5, False), (10_000, True)])
def test_what_the_next_request_needs_is_remembered_behind_the_dial(words: int, remembered: bool) -> None:
    play = Playbook("claude", "claude")
    play.hurried, play.known = True, Conversations(1 << 24)
    said = {**REQUESTS["claude"], "messages": [{"role": "user", "content": "hi " * words}]}
    body = json.dumps(said).encode()

    def is_remembered() -> bool:
        assert play.known is not None
        return len(play.known.bodies.news("claude", body).part) < len(body)

    assert play.body(body) == ["Dial"]
    assert not is_remembered()
    play.exchange.meanwhile()
    assert is_remembered() == remembered

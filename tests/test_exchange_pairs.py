"""One request's life where several (target, key) pairs may serve it: what follows a failure, and what of it remains."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from ccproxy.actions import Dial, Endpoint
from ccproxy.errors import Broken, TimedOut, Unreachable
from ccproxy.exchange import Exchange
from ccproxy.model import Context, Target, Traits
from ccproxy.plans import Attempt, Candidates, Plan
from ccproxy.policy.keys import FIRST_KEY_REST, Pair, Pools
from ccproxy.policy.routing import Destination
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import ANSWERS, STREAMS
from tests.test_exchange import JSON, REQUESTS, Notebook, Playbook

TEXT = SCENARIOS["text"]
ERRORS = {
    "openai": b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n',
    "responses": b'data: {"type":"error","code":"server_is_overloaded","message":"overloaded","param":null}\n\n',
    "claude": b'data: {"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}\n\n',
    "gemini": b'data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\n\n',
    "ollama": b'{"error":"overloaded"}\n',
}


class PairsPlaybook(Playbook):
    """Several upstreams: provider `pN` with the model `mN`, each with as many keys."""

    def __init__(
        self,
        client: str,
        *upstreams: str,
        keys: int = 1,
        stream: bool = True,
        pools: Pools | None = None,
        operation: str = "chat",
        memory: Notebook | None = None,
        traits: Traits | None = None,
        **patience: float,
    ) -> None:
        super().__init__(client, upstreams[0], stream, **patience)
        self.traits = traits or Traits()
        self.destinations = tuple(Destination(f"p{n}", f"m{n}") for n in range(len(upstreams)))
        self.protocols = dict(zip(self.destinations, upstreams, strict=True))
        self.pools = pools or Pools({d.provider: keys for d in self.destinations})
        call = Call(model="alias", stream=stream, query={"alt": "sse"}) if client == "gemini" else Call()
        context = Context(client=client, upstream="", id="0" * 24, created=1)
        self.exchange = Exchange(PROTOCOLS[client], context, call, self.candidates, [], "", operation, memory)
        self.exchange.begin(0.0)

    def candidates(self, model: str) -> Candidates:
        return Candidates(self.pools.choice(self.destinations), self.plan)

    def plan(self, pair: Pair) -> Plan:
        destination = pair.destination
        secret = f"secret-{destination.provider}-{pair.key}"
        self.upstream = self.protocols[destination]
        target = Target(protocol=self.upstream, model=destination.model, provider=destination.provider, host="up.example")
        target.traits = self.traits
        return Plan(
            protocol=PROTOCOLS[self.upstream],
            target=target,
            endpoint=Endpoint(scheme="https", host=f"{destination.provider}.example", port=443),
            headers=[("authorization", f"Bearer {secret}")],
            secrets=(secret,),
            key=pair.key + 1,
            patience=self.patience,
        )

    @property
    def dialled(self) -> list[str]:
        """`p0#1`: the providers and keys that were dialled, in order."""
        dials = [action for action in self.actions if isinstance(action, Dial)]
        tokens = [dict(dial.headers)["authorization"].rpartition("secret-")[2] for dial in dials]
        return [f"{token[:-2]}#{int(token[-1]) + 1}" for token in tokens]

    @property
    def last_dial(self) -> Dial:
        return [action for action in self.actions if isinstance(action, Dial)][-1]

    def refuse(self, status: int, *headers: tuple[str, str], body: bytes = b'{"error":{"message":"no"}}') -> list[str]:
        self.head(status, [*JSON, *headers])
        self.bytes(body)
        return self.eof()

    def fail(self, error: Exception) -> list[str]:
        return self.take(self.exchange.upstream_failed(error, 3.0))

    def serve(self) -> None:
        """The text, from whoever is asked now, to the end."""
        if self.stream:
            self.head()
            told = self.bytes(STREAMS[self.upstream](TEXT))
        else:
            self.head(headers=JSON)
            told = self.bytes(json.dumps(ANSWERS[self.upstream](TEXT)).encode())
        if told[-1:] != ["Finished"]:
            self.eof()
        assert self.record.status == 200


def again(play: PairsPlaybook) -> PairsPlaybook:
    """Another request to the same pools, a second later."""
    return PairsPlaybook(play.client, *play.protocols.values(), stream=play.stream, pools=play.pools)


def empty(play: PairsPlaybook) -> list[str]:
    play.head()
    return play.eof()


def error_first(play: PairsPlaybook) -> list[str]:
    play.head()
    return play.bytes(ERRORS[play.upstream])


def cut_head(play: PairsPlaybook) -> list[str]:
    play.head()
    return play.fail(Broken("cut"))


WAYS: dict[str, tuple[Callable[[PairsPlaybook], list[str]], int]] = {
    "429": (lambda play: play.refuse(429), 429),
    "429 with a time": (lambda play: play.refuse(429, ("retry-after", "30")), 429),
    "401": (lambda play: play.refuse(401), 401),
    "403": (lambda play: play.refuse(403), 403),
    "402": (lambda play: play.refuse(402), 402),
    "404": (lambda play: play.refuse(404), 404),
    "500": (lambda play: play.refuse(500), 500),
    "529": (lambda play: play.refuse(529), 529),
    "a redirect": (lambda play: play.refuse(302), 502),
    "no connection": (lambda play: play.fail(Unreachable("refused")), 502),
    "a reset before the head": (lambda play: play.fail(Broken("reset")), 502),
    "a reset behind the head": (cut_head, 502),
    "an empty answer": (empty, 502),
    "an error as first event": (error_first, 503),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize(("client", "first", "second"), [("claude", "openai", "gemini"), ("openai", "openai", "openai")])
def test_the_next_pair_is_asked_however_the_first_one_fails(
    way: str, client: str, first: str, second: str, stream: bool
) -> None:
    play = PairsPlaybook(client, first, second, stream=stream)
    assert play.body() == ["Dial"]
    fail, status = WAYS[way]
    assert fail(play) == ["Abort", "Dial"]
    assert (play.sent, play.exchange.state) == (b"", "dialled")
    play.serve()
    assert play.dialled == ["p0#1", "p1#1"]
    record = play.record
    assert [(a.provider, a.model, a.key) for a in record.attempts] == [("p0", "m0", 1)]
    if not (way == "an error as first event" and status == 503 and first == "openai"):
        assert record.attempts[0].status == status
    assert (record.provider, record.upstream_model, record.error) == ("p1", "m1", None)
    assert (record.usage.input, record.usage.output) == (TEXT.input, TEXT.output)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("client", "first", "second"), list(itertools.product(PROTOCOLS, repeat=3)))
def test_any_protocol_may_follow_any_other(client: str, first: str, second: str, stream: bool) -> None:
    """What the client gets is what the second one alone would have given it."""
    play = PairsPlaybook(client, first, second, stream=stream)
    play.body()
    play.refuse(500)
    play.serve()
    alone = PairsPlaybook(client, second, second, stream=stream)
    alone.body()
    alone.serve()
    assert play.sent == alone.sent
    assert json.loads(play.last_dial.body or b"{}") == _renamed(json.loads(alone.last_dial.body), "m0", "m1")
    assert play.record.notes == alone.record.notes


def _renamed(document: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(document).replace(f'"{old}"', f'"{new}"'))


def test_nothing_of_the_first_attempt_is_left_in_the_second() -> None:
    """Tool names that had to change, notes, fields that answers repeat, earlier turns."""
    name = "tool.with.dots/" + "x" * 80
    request = {
        "model": "alias",
        "input": "hi",
        "stream": True,
        "top_logprobs": 3,
        "tools": [{"type": "function", "name": name, "parameters": {"type": "object"}}],
    }
    play = PairsPlaybook("responses", "claude", "responses", memory=Notebook())
    play.body(request)
    first = play.exchange._context
    assert first.tool_names
    play.refuse(500)
    assert json.loads(play.last_dial.body) == {**request, "model": "m1"}
    context = play.exchange._context
    assert context is not first
    assert (context.upstream, context.tool_names, context.notes, context.id) == ("responses", {}, [], first.id)
    assert play.exchange._said is None


def test_every_pair_is_asked_before_the_client_hears_of_a_failure() -> None:
    play = PairsPlaybook("claude", "openai", "gemini", keys=2)
    play.body()
    for _ in range(3):
        assert play.refuse(429, ("retry-after", "30"), ("x-request-id", "r")) == ["Abort", "Dial"]
    assert play.refuse(429, ("retry-after", "20"), ("x-request-id", "r")) == ["Abort", "Reply", "Finished"]
    assert sorted(play.dialled) == ["p0#1", "p0#2", "p1#1", "p1#2"]
    assert play.reply.status == 429
    headers = dict(play.reply.headers)
    assert (headers["retry-after"], headers["x-request-id"]) == ("20", "r")
    assert json.loads(play.reply.body)["error"]["type"] == "rate_limit_error"
    assert len(play.record.attempts) == 4


def test_while_all_rest_nobody_is_asked() -> None:
    play = PairsPlaybook("openai", "openai", "claude")
    play.body()
    play.refuse(500)
    play.refuse(429)
    later = again(play)
    assert later.body() == ["Reply", "Finished"]
    assert later.reply.status == 503
    assert 1 <= int(dict(later.reply.headers)["retry-after"]) <= FIRST_KEY_REST
    assert (later.record.provider, later.record.attempts) == ("", [])


def test_rest_is_kept_from_request_to_request_and_ends() -> None:
    play = PairsPlaybook("openai", "openai", keys=2)
    play.body()
    play.refuse(429, ("retry-after", "30"))
    play.serve()
    for _ in range(3):
        play = again(play)
        play.body()
        assert play.dialled == ["p0#2"]
        play.serve()
    late = again(play)
    late.take(late.exchange.body(json.dumps({**REQUESTS["openai"], "stream": True}).encode(), 40.0))
    assert late.dialled == ["p0#1"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_about_the_request_is_told_at_once(status: int) -> None:
    play = PairsPlaybook("claude", "openai", "gemini")
    play.body()
    assert play.refuse(status) == ["Reply", "Release", "Finished"]
    assert (play.reply.status, play.dialled, play.record.attempts) == (status, ["p0#1"], [])
    assert "0 rests" in repr(play.pools)


def test_a_repair_comes_before_the_next_pair_and_each_pair_has_one() -> None:
    play = PairsPlaybook("claude", "openai", "openai", traits=Traits(refusals=(r"no (?P<name>\w+) here",)))
    body = {"model": "alias", "max_tokens": 9, "temperature": 0.5, "messages": [{"role": "user", "content": "hi"}]}
    play.body({**body, "stream": True})
    refusal = b'{"error": {"message": "no temperature here"}}'
    assert play.refuse(400, body=refusal) == ["Abort", "Dial"]
    assert play.refuse(503) == ["Abort", "Dial"]
    assert json.loads(play.last_dial.body)["temperature"] == 0.5
    assert play.refuse(400, body=refusal) == ["Abort", "Dial"]
    assert "temperature" not in json.loads(play.last_dial.body)
    play.serve()
    assert play.dialled == ["p0#1", "p0#1", "p1#1", "p1#1"]


def test_a_request_that_one_protocol_cannot_express_goes_to_another() -> None:
    play = PairsPlaybook("openai", "ollama", "claude")
    image = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
    message = {"role": "user", "content": [{"type": "text", "text": "what?"}, image]}
    assert play.body({"model": "alias", "messages": [message], "stream": True}) == ["Dial"]
    assert play.dialled == ["p1#1"]
    play.serve()
    assert [(a.provider, a.status) for a in play.record.attempts] == [("p0", 400)]
    assert "0 rests" in repr(play.pools)


def test_a_request_that_none_can_express_is_told_why() -> None:
    play = PairsPlaybook("openai", "ollama", "ollama")
    image = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
    message = {"role": "user", "content": [image]}
    assert play.body({"model": "alias", "messages": [message], "stream": True}) == ["Reply", "Finished"]
    assert play.reply.status == 400
    assert json.loads(play.reply.body)["error"]["code"] == "unsupported"


def test_a_bad_body_asks_nobody() -> None:
    play = PairsPlaybook("openai", "ollama", "claude")
    assert play.body(b'{"model": "alias"}') == ["Reply", "Finished"]
    assert (play.reply.status, play.dialled) == (400, [])


# -- Hold


def test_after_hold_the_choice_is_final() -> None:
    """But what failed rests all the same."""
    play = PairsPlaybook("claude", "openai", "gemini", hold=10.0)
    play.body()
    assert play.take(play.exchange.tick(11.5)) == ["Commit"]
    play.head(429, JSON, now=12.0)
    play.pump(b'{"error":{"message":"slow down"}}')
    assert play.eof(13.0) == ["Write", "End", "Release", "Finished"]
    assert play.dialled == ["p0#1"]
    assert b"slow down" in play.sent
    assert "0 rests" not in repr(play.pools)


def test_hold_counts_from_the_first_dial() -> None:
    play = PairsPlaybook("claude", "openai", "gemini", hold=10.0)
    play.body()
    play.take(play.exchange.upstream_failed(Unreachable("refused"), 8.0))
    assert play.take(play.exchange.tick(10.5)) == []
    assert play.take(play.exchange.tick(11.5)) == ["Commit"]
    assert b"event: ping" in play.sent
    play.head(now=12.0)
    play.pump(STREAMS["gemini"](TEXT))
    play.eof(13.0)
    assert (play.dialled, play.record.status) == (["p0#1", "p1#1"], 200)
    assert b"message_stop" in play.sent


def test_a_whole_answer_is_never_too_late_for_the_next_pair() -> None:
    play = PairsPlaybook("claude", "openai", "gemini", stream=False, hold=10.0, first_byte=60.0, idle=30.0)
    play.body()
    assert play.take(play.exchange.tick(2.0)) == []
    assert play.take(play.exchange.tick(70.0)) == ["Abort", "Dial"]
    assert play.take(play.exchange.tick(100.0)) == []
    play.serve()
    assert [a.status for a in play.record.attempts] == [504]


def test_an_answer_that_stops_in_its_midst_before_the_commit_is_followed_by_the_next() -> None:
    play = PairsPlaybook("claude", "openai", "gemini", stream=False, idle=30.0)
    play.body()
    play.head(headers=JSON)
    play.bytes(json.dumps(ANSWERS["openai"](TEXT)).encode()[:40])
    play.take(play.exchange.tick(2.0))
    assert play.take(play.exchange.tick(40.0)) == ["Abort", "Dial"]
    play.serve()


@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_that_does_not_end_is_not_waited_for(stream: bool) -> None:
    play = PairsPlaybook("claude", "openai", "gemini", stream=stream, hold=10.0)
    play.body()
    play.head(503, JSON)
    play.bytes(b'{"error":')
    assert play.take(play.exchange.tick(9.0)) == []
    assert play.take(play.exchange.tick(20.0)) == ["Abort", "Dial"]
    play.serve()
    assert play.record.attempts[0].status == 503


def test_an_error_behind_the_first_event_is_the_clients() -> None:
    play = PairsPlaybook("openai", "openai", "openai")
    play.body()
    play.head()
    chunk = b'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    assert play.bytes(chunk) == ["Commit"]
    play.pump(ERRORS["openai"])
    assert play.fail(Broken("cut"))[-1] == "Finished"
    assert play.dialled == ["p0#1"]
    assert "0 rests" not in repr(play.pools)


# -- The end


@pytest.mark.parametrize("phase", ["dialled", "answering"])
def test_a_client_that_has_gone_has_nothing_dialled_for_it(phase: str) -> None:
    play = PairsPlaybook("claude", "openai", "gemini")
    play.body()
    play.refuse(500)
    if phase == "answering":
        play.head()
    assert play.take(play.exchange.client_gone(4.0)) == ["Abort", "Finished"]
    assert len(play.dialled) == 2
    assert play.record.cancelled


def test_a_client_that_leaves_rests_nobody_and_recovers_nobody() -> None:
    play = PairsPlaybook("claude", "openai", "gemini")
    play.body()
    play.take(play.exchange.client_gone(4.0))
    assert "0 rests" in repr(play.pools)


def test_a_key_that_a_provider_repeats_is_not_told_whoever_is_asked_afterwards() -> None:
    play = PairsPlaybook("openai", "openai", "ollama")
    play.body()
    play.refuse(404, body=b'{"error":{"message":"no secret-p0-0"}}')
    assert play.refuse(404, body=b'{"error":"nor secret-p1-0 nor secret-p0-0"}') == ["Abort", "Reply", "Finished"]
    assert play.reply.status == 404
    assert b"secret" not in play.sent
    assert "secret" not in str(play.record)
    assert play.record.attempts[0] == Attempt("p0", "m0", 1, 404, "no ***")


def test_time_outs_and_unreachable_targets_are_not_asked_with_their_other_keys() -> None:
    for error in (Unreachable("refused"), TimedOut("silent")):
        play = PairsPlaybook("claude", "openai", "gemini", keys=3)
        play.body()
        assert play.fail(error) == ["Abort", "Dial"]
        assert play.fail(error) == ["Abort", "Reply", "Finished"]
        assert play.dialled == ["p0#1", "p1#1"]
        assert (play.reply.status, dict(play.reply.headers)["retry-after"]) == (503, "1")


def test_repr_shows_who_is_asked() -> None:
    play = PairsPlaybook("claude", "openai", "gemini")
    play.body()
    play.refuse(500)
    assert repr(play.exchange) == "<Exchange dialled claude->p1 None>"


# -- Other operations


def test_vectors_fail_over_too() -> None:
    play = PairsPlaybook("openai", "ollama", "gemini", stream=False, operation="embeddings")
    assert play.body({"model": "alias", "input": ["one"]}) == ["Dial"]
    assert play.refuse(503) == ["Abort", "Dial"]
    assert play.last_dial.target.endswith("m1:batchEmbedContents")
    play.head(headers=JSON)
    play.bytes(b'{"embeddings":[{"values":[0.5]}]}')
    assert play.eof() == ["Reply", "Release", "Finished"]
    assert json.loads(play.sent)["data"][0]["embedding"] == [0.5]


def test_vectors_pass_over_a_protocol_that_has_none() -> None:
    play = PairsPlaybook("openai", "claude", "gemini", stream=False, operation="embeddings")
    assert play.body({"model": "alias", "input": ["one"]}) == ["Dial"]
    assert play.dialled == ["p1#1"]


def test_counts_fail_over_to_an_upstream_or_to_the_estimate() -> None:
    body = REQUESTS["claude"]
    play = PairsPlaybook("claude", "claude", "claude", operation="count")
    play.body(body)
    assert play.refuse(500) == ["Abort", "Dial"]
    play.head(headers=JSON)
    play.bytes(b'{"input_tokens": 7}')
    assert play.eof() == ["Reply", "Release", "Finished"]
    estimated = PairsPlaybook("claude", "claude", "openai", operation="count")
    estimated.body(body)
    assert estimated.refuse(500) == ["Abort", "Reply", "Finished"]
    assert estimated.reply.status == 200
    assert json.loads(estimated.reply.body)["input_tokens"] > 0


# -- Earlier turns


def test_the_answer_of_the_pair_that_served_is_kept() -> None:
    notebook = Notebook()
    play = PairsPlaybook("responses", "openai", "claude", stream=False, memory=notebook)
    play.body({"model": "alias", "input": "Where?"})
    play.refuse(500)
    play.serve()
    assert list(notebook.kept) == [json.loads(play.sent)["id"]]


def test_an_upstream_that_does_not_know_the_earlier_turns_leads_to_one_that_may() -> None:
    play = PairsPlaybook("responses", "openai", "responses", memory=Notebook())
    assert play.body({"model": "alias", "input": "hi", "previous_response_id": "resp_9", "stream": True}) == ["Dial"]
    assert play.dialled == ["p1#1"]


# -- Tools as text


def test_tools_are_written_as_text_for_the_next_pair_too() -> None:
    """Once each: the second request begins with what the client said."""
    play = PairsPlaybook("claude", "openai", "ollama")
    written = play.plan
    play.exchange._route = lambda model: Candidates(
        play.pools.choice(play.destinations), lambda pair: evolve(written(pair), compat=True)
    )
    tool = {"name": "look_up", "description": "Looks a word up", "input_schema": {"type": "object"}}
    play.body({**REQUESTS["claude"], "tools": [tool], "stream": True})
    play.refuse(500)
    first, second = (json.loads(action.body) for action in play.actions if isinstance(action, Dial))
    for document in (first, second):
        assert "tools" not in document
        assert json.dumps(document).count("Looks a word up") == 1

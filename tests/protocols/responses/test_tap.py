from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.codec.sse import SSEReader
from ccproxy.errors import Broken, Malformed
from ccproxy.protocols.responses.tap import Tap
from tests.protocols.responses.judge import context, last
from tests.protocols.responses.test_stream import CASES, CREATED, USAGE, delta, ended, mutated, wire
from tests.tools import recorded, recordings


def look(tap: Tap, *events: dict[str, Any]) -> list[dict[str, Any] | None]:
    changed = [tap.look(jsontext.dumps(event)) for event in events]
    return [None if payload is None else json.loads(payload) for payload in changed]


def test_it_keeps_usage_and_the_end() -> None:
    tap = Tap(context(model="m"))
    assert look(tap, CREATED, delta("output_text", "x"), ended()) == [None, None, None]
    assert tap.done
    assert tap.failure is None
    assert tap.usage is not None
    assert (tap.usage.input, tap.usage.cache_read) == (9, 4)
    assert tap.eof() == b""


def test_it_gives_the_clients_name_of_the_model() -> None:
    """F151: in every event that carries the response."""
    tap = Tap(context(model="asked"))
    big = {**CREATED, "response": {**CREATED["response"], "metadata": {"n": 12345678901234567890}}}
    first, text, end = look(tap, big, delta("output_text", "m"), ended())
    assert first is not None
    assert first["response"] == {**big["response"], "model": "asked"}
    assert text is None
    assert end is not None
    assert end["response"]["model"] == "asked"


def test_no_name_was_asked_for() -> None:
    assert look(Tap(context(model="")), CREATED) == [None]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"type": "error", "code": "server_is_overloaded", "message": "busy"}, 503),
        (ended("failed", error={"code": "rate_limit_exceeded", "message": "busy"}), 429),
    ],
)
def test_it_sees_an_error(event: dict[str, Any], status: int) -> None:
    tap = Tap(context(model="m"))
    look(tap, CREATED, event)
    assert tap.failure is not None
    assert (tap.failure.message, tap.failure.status) == ("busy", status)
    assert tap.done == (event["type"] != "error")  # `response.failed` may follow
    assert tap.eof() == b""
    assert tap.fail(Broken("later")) == b""


def test_a_stream_that_stops_is_failed() -> None:
    """The client gets the response that it knows, failed, and the next number."""
    tap = Tap(context(model="asked"))
    look(tap, {**CREATED, "sequence_number": 0}, {**delta("output_text", "x"), "sequence_number": 7})
    with pytest.raises(Broken):
        tap.eof()
    data = tap.fail(Broken("cut"))
    event = json.loads(SSEReader().feed(data)[0])
    assert data.startswith(b"event: response.failed\ndata: ")
    assert event["sequence_number"] == 8
    assert event["response"]["id"] == "resp_1"
    assert event["response"]["model"] == "asked"
    assert event["response"]["error"] == {"code": "server_error", "message": "cut"}
    assert tap.done
    assert last(wire(CREATED) + data).status == "failed"


def test_a_stream_that_said_nothing_is_failed_from_its_beginning() -> None:
    assert last(Tap(context()).fail(Broken("nothing came"))).status == "failed"


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"x":1}'])
def test_what_is_no_event(payload: bytes) -> None:
    with pytest.raises(Malformed):
        Tap(context()).look(payload)


def test_an_end_mark_passes() -> None:
    assert Tap(context()).look(b"[DONE]") is None
    assert Tap(context()).keepalive() == b""


@pytest.mark.parametrize("case", recordings("openai-responses"))
def test_recorded_streams(case: dict[str, Any]) -> None:
    tap = Tap(context(model="asked"))
    changed = [tap.look(payload) for payload in SSEReader().feed(recorded(case) + b"\n\n")]
    renamed = [json.loads(payload)["response"]["model"] for payload in changed if payload]
    assert len(renamed) >= 3
    assert set(renamed) == {"asked"}
    assert tap.done
    assert tap.usage is not None
    assert tap.usage.input > 0


@pytest.mark.parametrize("seed", range(20))
def test_garbage_raises_nothing_but_its_own_errors(seed: int) -> None:
    chance = random.Random(seed)
    for payloads, _ in CASES.values():
        tap = Tap(context())
        try:
            for payload in payloads:
                tap.look(json.dumps(mutated(payload, chance)).encode())
            tap.eof()
        except (Malformed, Broken) as error:
            tap.fail(error)
    assert USAGE

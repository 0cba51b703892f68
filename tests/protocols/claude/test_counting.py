from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import MessageTokensCount

from ccproxy.codec import jsontext
from ccproxy.errors import RequestError
from ccproxy.model import Context, Target, seal
from ccproxy.protocols.base import Call
from ccproxy.protocols.claude.counting import COUNTING as C
from tests.tools import RECORDINGS, recorded, recordings

TARGET = Target(protocol="claude", model="m", defaults={"max_tokens": 9, "temperature": 0.5})
MESSAGES = [{"role": "user", "content": "hi"}]


def context() -> Context:
    return Context(client="claude", upstream="claude")


def test_a_request_is_written_without_what_the_endpoint_refuses() -> None:
    shared = context()
    document = {"model": "m", "messages": MESSAGES, "system": "Be brief.", "tools": [{"name": "t", "input_schema": {}}]}
    request = C.read_request({**document, "max_tokens": 5, "stream": True, "stop_sequences": ["x"]}, shared, Call())
    assert C.write_request(request, TARGET, shared) == document
    assert C.path(TARGET, False, "") == "/v1/messages/count_tokens"


def test_another_makers_signature_does_not_go_up() -> None:
    """F106, on the way that only counts."""
    shared = context()
    thought = {"type": "thinking", "thinking": "hm", "signature": seal("abc", "gemini", "claude")}
    messages = [*MESSAGES, {"role": "assistant", "content": [thought, {"type": "text", "text": "yes"}]}, *MESSAGES]
    written = C.write_request(C.read_request({"model": "m", "messages": messages}, shared, Call()), TARGET, shared)
    assert b"ccproxy." not in jsontext.dumps(written)


@pytest.mark.parametrize("document", [{}, {"model": "m"}, {"model": "m", "messages": []}, {"model": "m", "messages": "x"}])
def test_what_is_no_request(document: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        C.read_request(document, context(), Call())


def test_the_answer_is_the_sdks() -> None:
    assert MessageTokensCount(**C.write_answer(7, context())).input_tokens == 7


@pytest.mark.skipif(not RECORDINGS, reason="no recorded traffic")
def test_the_recorded_request() -> None:
    case = next(p.values[0] for p in recordings("claude", part="request") if p.id == "count-tokens-anthropic")
    document = jsontext.loads(recorded(case, "request"))
    shared = context()
    target = Target(protocol="claude", model=document["model"])
    assert C.write_request(C.read_request(document, shared, Call()), target, shared) == document

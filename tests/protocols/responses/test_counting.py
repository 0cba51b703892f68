from __future__ import annotations

import pytest
from openai.types.responses import InputTokenCountResponse

from ccproxy.codec import jsontext
from ccproxy.errors import RequestError
from ccproxy.model import Context, Target
from ccproxy.protocols.base import Call
from ccproxy.protocols.responses.counting import COUNTING as C
from tests.tools import RECORDINGS, recorded, recordings

TARGET = Target(protocol="responses", model="m", defaults={"max_tokens": 9})


def context(upstream: str = "responses") -> Context:
    return Context(client="responses", upstream=upstream)


def test_a_request_is_written_without_what_the_endpoint_refuses() -> None:
    shared = context()
    document = {"model": "m", "input": "hi", "instructions": "Be brief.", "previous_response_id": "resp_1"}
    request = C.read_request({**document, "stream": False, "store": False, "max_output_tokens": 5}, shared, Call())
    assert C.write_request(request, TARGET, shared) == document
    assert C.path(TARGET, False, "") == "/responses/input_tokens"


def test_an_earlier_response_cannot_be_counted_elsewhere() -> None:
    with pytest.raises(RequestError):
        C.read_request({"model": "m", "input": "hi", "previous_response_id": "resp_1"}, context("other"), Call())


def test_the_answer_is_the_sdks() -> None:
    assert InputTokenCountResponse(**C.write_answer(7, context())).input_tokens == 7


@pytest.mark.skipif(not RECORDINGS, reason="no recorded traffic")
def test_the_recorded_request() -> None:
    case = next(p.values[0] for p in recordings("openai-responses", part="request") if p.id == "count-tokens-openai")
    document = jsontext.loads(recorded(case, "request"))
    shared = context()
    target = Target(protocol="responses", model=document["model"])
    assert C.write_request(C.read_request(document, shared, Call()), target, shared) == document

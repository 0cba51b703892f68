from __future__ import annotations

from typing import Any

import pytest
from google.genai.types import CountTokensResponse

from ccproxy.errors import RequestError
from ccproxy.model import Context, Target, Text
from ccproxy.protocols.base import Call
from ccproxy.protocols.gemini.counting import COUNTING as C
from ccproxy.protocols.gemini.counting import WHOLE

TARGET = Target(protocol="gemini", model="up")
CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
SYSTEM = {"parts": [{"text": "Be brief."}]}
CALL = Call(model="asked", stream=False)


def context() -> Context:
    return Context(client="gemini", upstream="gemini")


@pytest.mark.parametrize(
    "document",
    [{"contents": CONTENTS}, {"contents": CONTENTS, "systemInstruction": SYSTEM, "generationConfig": {"topK": 3}}],
)
def test_what_was_read_is_written_again(document: dict[str, Any]) -> None:
    shared = context()
    request = C.read_request(document, shared, CALL)
    assert C.write_request(request, TARGET, shared) == document
    assert (shared.shape, shared.stream) == ("", False)
    assert shared.shape in C.native_shapes
    assert C.path(TARGET, False, "") == "/v1beta/models/up:countTokens"


@pytest.mark.parametrize("key", [WHOLE, "generate_content_request"])
def test_a_whole_request_names_the_targets_model(key: str) -> None:
    shared = context()
    whole = {"model": "models/asked", "contents": CONTENTS, "systemInstruction": SYSTEM}
    request = C.read_request({key: whole}, shared, CALL)
    assert request.system == [Text("Be brief.")]
    assert C.write_request(request, TARGET, shared) == {WHOLE: {**whole, "model": "models/up"}}
    assert shared.shape not in C.native_shapes


@pytest.mark.parametrize("document", [{}, {"contents": []}, {WHOLE: 3}, {WHOLE: {}}, {WHOLE: {"contents": "x"}}])
def test_what_is_no_request(document: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        C.read_request(document, context(), CALL)


def test_the_answer_is_the_sdks() -> None:
    assert CountTokensResponse(**C.write_answer(7, context())).total_tokens == 7

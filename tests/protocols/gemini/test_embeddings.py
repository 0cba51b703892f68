from __future__ import annotations

from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed, RequestError, Unsupported
from ccproxy.model import Context, EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Extras, Image, Target, Text, Usage
from ccproxy.protocols.base import Call
from ccproxy.protocols.gemini.embeddings import BATCH, ONE
from ccproxy.protocols.gemini.embeddings import EMBEDDINGS as E
from tests.tools import RECORDINGS, known, recorded, recordings

TARGET = Target(protocol="gemini", model="m")
CONTENT = {"parts": [{"text": "one"}]}


def context() -> Context:
    return Context(client="gemini", upstream="gemini", model="asked")


def call(shape: str) -> Call:
    return Call(model="m", shape=shape)


@pytest.mark.parametrize(
    ("shape", "document"),
    [
        (ONE, {"content": CONTENT}),
        (ONE, {"content": {"role": "user", "parts": [{"text": ""}]}, "taskType": "RETRIEVAL_QUERY", "title": "t"}),
        (ONE, {"model": "models/m", "content": CONTENT, "outputDimensionality": 8}),
        (ONE, {"content": CONTENT, "output_dimensionality": 8, "task_type": "X"}),
        (
            BATCH,
            {"requests": [{"model": "models/m", "content": CONTENT}, {"model": "models/m", "content": CONTENT, "new": 1}]},
        ),
        (BATCH, {"requests": [{"content": CONTENT, "embedContentConfig": {"outputDimensionality": 8}}], "more": True}),
    ],
)
def test_what_was_read_is_written_again(shape: str, document: dict[str, Any]) -> None:
    shared = context()
    request = E.read_request(document, shared, call(shape))
    assert E.write_request(request, TARGET, shared) == document
    assert (shared.shape, shared.stream) == (shape, False)
    assert E.path(TARGET, False, shape) == f"/v1beta/models/m:{shape}"


def test_the_targets_name_stands_wherever_the_document_names_a_model() -> None:
    shared = context()
    document = {"requests": [{"model": "models/asked", "content": CONTENT}]}
    request = E.read_request(document, shared, call(BATCH))
    request.model = "tunedModels/up"
    written = E.write_request(request, Target(protocol="gemini", model="tunedModels/up"), shared)
    assert written["requests"][0]["model"] == "tunedModels/up"


@pytest.mark.parametrize(
    ("shape", "document", "param"),
    [
        (ONE, {}, "content"),
        (ONE, {"content": "x"}, "content"),
        (ONE, {"content": {"parts": []}}, "content.parts"),
        (ONE, {"content": {"parts": [{"text": 3}]}}, "content.parts[0].text"),
        (ONE, {"content": CONTENT, "outputDimensionality": "8"}, "outputDimensionality"),
        (ONE, {"content": CONTENT, "embedContentConfig": {"output_dimensionality": []}}, "outputDimensionality"),
        (BATCH, {"content": CONTENT}, "requests"),
        (BATCH, {"requests": {"a": 1}}, "requests"),
        (BATCH, {"requests": [1]}, "requests[0]"),
        (BATCH, {"requests": [{"content": CONTENT}, {}]}, "requests[1].content"),
    ],
)
def test_what_is_no_request(shape: str, document: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        E.read_request(document, context(), call(shape))
    assert refused.value.param == param


def test_another_protocols_request_is_a_batch() -> None:
    shared = context()
    shared.shape = "embed"  # of the client's protocol
    rows = [
        EmbeddingInput(parts=[Text("a")], dimensions=4),
        EmbeddingInput(parts=[Image(data="iVBORw0KGgo=", mime="image/png")]),
    ]
    request = EmbeddingRequest(origin="x", model="m", inputs=rows, extras=Extras("x", {"user": "u"}))
    written = E.write_request(request, TARGET, shared)["requests"]
    assert written[0] == {"model": "models/m", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 4}
    assert written[1]["content"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]
    assert "user" in shared.notes[0]
    request.inputs = [EmbeddingInput(tokens=[1])]
    with pytest.raises(Unsupported):
        E.write_request(request, TARGET, shared)
    assert E.path(TARGET, False, "") == "/v1beta/models/m:batchEmbedContents"


ANSWERS: list[tuple[str, dict[str, Any]]] = [
    (ONE, {"embedding": {"values": [0.5, 1.0]}}),
    (BATCH, {"embeddings": [{"values": [0.5]}, {"values": [0.25]}], "usageMetadata": {"promptTokenCount": 3}}),
]


@pytest.mark.parametrize(("shape", "document"), ANSWERS)
def test_an_answer_is_written_as_it_was_read(shape: str, document: dict[str, Any]) -> None:
    shared = context()
    shared.shape = shape
    answer = E.read_answer(document, shared)
    assert E.write_answer(answer, shared) == document
    assert (answer.usage.input if answer.usage else None) == (3 if shape == BATCH else None)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"embedding": 3},
        {"embedding": {}},
        {"embeddings": []},
        {"embeddings": {}},
        {"embeddings": [{"values": "x"}]},
        {"embeddings": [{"values": [1.0]}], "usageMetadata": {"promptTokenCount": []}},
    ],
)
def test_what_is_no_answer(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        E.read_answer(document, context())


def test_another_protocols_answer() -> None:
    shared = context()
    shared.shape = ONE
    answer = EmbeddingAnswer(vectors=[[0.5]], usage=Usage(input=7))
    assert E.write_answer(answer, shared) == {
        "embedding": {"values": [0.5]},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
    }
    answer.usage = Usage(input=7, estimated=True)
    assert E.write_answer(answer, shared) == {"embedding": {"values": [0.5]}}


@pytest.mark.skipif(not RECORDINGS, reason="no recorded traffic")
def test_the_recorded_case_has_an_image() -> None:
    case = next(p.values[0] for p in recordings("embeddings", part="response") if p.id == "gemini-embedding-2-text")
    document = jsontext.loads(recorded(case, "request"))
    shared = context()
    request = E.read_request(document, shared, call(BATCH))
    assert [type(part) for part in request.inputs[0].parts] == [Text, Image]
    assert E.write_request(request, known(Target(protocol="gemini", model="gemini-embedding-2")), shared) == document
    answer = E.read_answer(jsontext.loads(recorded(case, "response")), shared)
    assert answer.usage is not None
    assert (len(answer.vectors), answer.usage.input) == (1, 261)

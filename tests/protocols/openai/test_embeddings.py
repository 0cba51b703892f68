from __future__ import annotations

from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed, RequestError, Unsupported
from ccproxy.model import Context, EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Extras, Target, Text, Usage
from ccproxy.protocols.base import Call
from ccproxy.protocols.openai.embeddings import EMBEDDINGS as E
from ccproxy.vectors import packed
from tests.tools import recorded, recordings

TARGET = Target(protocol="openai", model="m")


def context() -> Context:
    return Context(client="openai", upstream="openai", model="asked")


@pytest.mark.parametrize(
    "document",
    [
        {"model": "m", "input": "one"},
        {"model": "m", "input": ["one"]},
        {"model": "m", "input": ["one", "two"], "dimensions": 8, "user": "u"},
        {"model": "m", "input": [1, 2, 3]},
        {"model": "m", "input": [[1, 2], [3]], "encoding_format": "base64"},
        {"model": "m", "input": "x", "input_type": "query", "truncation": False},
    ],
)
def test_what_was_read_is_written_again(document: dict[str, Any]) -> None:
    shared = context()
    request = E.read_request(document, shared, Call())
    assert E.write_request(request, TARGET, shared) == document
    assert shared.shape == document.get("encoding_format", "")


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"input": "x"}, "model"),
        ({"model": 3, "input": "x"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": ""}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": {"a": 1}}, "input"),
        ({"model": "m", "input": 5}, "input"),
        ({"model": "m", "input": ["x", None]}, "input[1]"),
        ({"model": "m", "input": [[]]}, "input[0]"),
        ({"model": "m", "input": [[1, "x"]]}, "input[0]"),
        ({"model": "m", "input": [True]}, "input[0]"),
        ({"model": "m", "input": "x", "dimensions": "8"}, "dimensions"),
        ({"model": "m", "input": "x", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_is_no_request(document: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        E.read_request(document, context(), Call())
    assert refused.value.param == param


def test_a_relayed_request_may_use_a_vendors_encoding() -> None:
    shared = context()
    E.peek({"model": "m", "input": [{"text": "x"}], "encoding_format": "base64_int8"}, shared, Call())
    assert (shared.stream, shared.shape) == (False, "")


def foreign(*inputs: EmbeddingInput) -> EmbeddingRequest:
    return EmbeddingRequest(origin="x", model="m", inputs=list(inputs), extras=Extras("x", {"truncate": True}))


def test_another_protocols_request() -> None:
    shared = context()
    rows = [EmbeddingInput(parts=[Text("a")], dimensions=4), EmbeddingInput(parts=[Text("b")], dimensions=4)]
    assert E.write_request(foreign(*rows), TARGET, shared) == {"model": "m", "input": ["a", "b"], "dimensions": 4}
    assert "truncate" in shared.notes[0]
    with pytest.raises(Unsupported):
        E.write_request(foreign(EmbeddingInput(tokens=[1])), TARGET, shared)


def test_answers_in_both_encodings_and_any_order() -> None:
    rows = [
        {"object": "embedding", "index": 1, "embedding": packed([0.5, 1.0])},
        {"object": "embedding", "index": 0, "embedding": [0.25, 2.0]},
    ]
    answer = E.read_answer({"data": rows, "model": "up", "usage": {"prompt_tokens": 3, "total_tokens": 3}}, context())
    assert (answer.vectors, answer.model) == ([[0.25, 2.0], [0.5, 1.0]], "up")
    assert answer.usage is not None
    assert answer.usage.input == 3


@pytest.mark.parametrize(
    ("usage", "tokens"), [({"total_tokens": 18}, 18), ({"prompt_tokens": 2, "total_tokens": 9}, 2), ([], None), ({}, None)]
)
def test_counts_of_vendors(usage: Any, tokens: int | None) -> None:
    answer = E.read_answer({"data": [{"embedding": [1.0]}], "usage": usage}, context())
    assert (answer.usage.input if answer.usage else None) == tokens


@pytest.mark.parametrize(
    "document", [{}, {"data": []}, {"data": {}}, {"data": [1]}, {"data": [{}]}, {"data": [{"embedding": "??"}]}]
)
def test_what_is_no_answer(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        E.read_answer(document, context())


def test_an_answer_is_written_in_the_encoding_that_was_asked_for() -> None:
    shared = context()
    answer = EmbeddingAnswer(vectors=[[0.5], [0.25]], model="up", usage=Usage(input=4))
    document = E.write_answer(answer, shared)
    assert [row["embedding"] for row in document["data"]] == [[0.5], [0.25]]
    assert [row["index"] for row in document["data"]] == [0, 1]
    assert (document["model"], document["usage"]) == ("asked", {"prompt_tokens": 4, "total_tokens": 4})
    shared.shape = "base64"
    assert [row["embedding"] for row in E.write_answer(answer, shared)["data"]] == [packed([0.5]), packed([0.25])]


OTHERS = ("cohere", "perplexity")


@pytest.mark.parametrize("case", recordings("embeddings", part="response"))
def test_recorded_answers(case: dict[str, Any]) -> None:
    """One vector for each input; Perplexity's int8 is found out."""
    if "/embeddings" not in case["path"] or case["path"].startswith("/api/e"):
        return
    asked = E.read_request(jsontext.loads(recorded(case, "request")), context(), Call())
    document = jsontext.loads(recorded(case, "response"))
    if case["name"].startswith(OTHERS):
        with pytest.raises(Malformed):
            E.read_answer(document, context())
        return
    answer = E.read_answer(document, context())
    assert len(answer.vectors) == len(asked.inputs)
    assert answer.usage is not None

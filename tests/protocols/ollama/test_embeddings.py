from __future__ import annotations

from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed, RequestError, Unsupported
from ccproxy.model import Context, EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Extras, Target, Text, Usage
from ccproxy.protocols.base import Call
from ccproxy.protocols.ollama.embeddings import EMBED, LEGACY
from ccproxy.protocols.ollama.embeddings import EMBEDDINGS as E
from ccproxy.vectors import packed
from tests.tools import RECORDINGS, recorded, recordings

TARGET = Target(protocol="ollama", model="m")


def context() -> Context:
    return Context(client="ollama", upstream="ollama", model="asked")


@pytest.mark.parametrize(
    ("shape", "document"),
    [
        (EMBED, {"model": "m", "input": "one"}),
        (EMBED, {"model": "m", "input": ["one", "two"], "dimensions": 8, "truncate": False, "options": {"num_ctx": 9}}),
        (LEGACY, {"model": "m", "prompt": "one", "keep_alive": None}),
    ],
)
def test_what_was_read_is_written_again(shape: str, document: dict[str, Any]) -> None:
    shared = context()
    request = E.read_request(document, shared, Call(shape=shape))
    assert E.write_request(request, TARGET, shared) == document
    assert (shared.shape, shared.stream) == (shape, False)
    assert E.path(TARGET, False, shared.shape) == f"/api/{shape}"


@pytest.mark.parametrize(
    ("shape", "document", "param"),
    [
        (EMBED, {"input": "x"}, "model"),
        (EMBED, {"model": "", "input": "x"}, "model"),
        (EMBED, {"model": "m", "prompt": "x"}, "input"),
        (EMBED, {"model": "m", "input": [1]}, "input"),
        (EMBED, {"model": "m", "input": {"a": 1}}, "input"),
        (EMBED, {"model": "m", "input": "x", "dimensions": "8"}, "dimensions"),
        (LEGACY, {"model": "m", "input": "x"}, "prompt"),
    ],
)
def test_what_is_no_request(shape: str, document: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        E.read_request(document, context(), Call(shape=shape))
    assert refused.value.param == param


def test_another_protocols_request() -> None:
    shared = context()
    shared.shape = "array"  # of the client's protocol, and none of ours
    rows = [EmbeddingInput(parts=[Text("a")], dimensions=4), EmbeddingInput(parts=[Text("b")], dimensions=4)]
    request = EmbeddingRequest(origin="x", model="m", inputs=rows, extras=Extras("x", {"user": "u"}))
    assert E.write_request(request, TARGET, shared) == {"model": "m", "input": ["a", "b"], "dimensions": 4}
    assert "user" in shared.notes[0]
    request.inputs = [EmbeddingInput(tokens=[1])]
    with pytest.raises(Unsupported):
        E.write_request(request, TARGET, shared)
    assert E.path(TARGET, False, "") == "/api/embed"


def test_answers_of_both_paths() -> None:
    answer = E.read_answer({"model": "up", "embeddings": [[0.5], packed([0.25])], "prompt_eval_count": 3}, context())
    assert (answer.vectors, answer.model) == ([[0.5], [0.25]], "up")
    assert answer.usage is not None
    assert answer.usage.input == 3
    old = E.read_answer({"embedding": [0.5]}, context())
    assert (old.vectors, old.usage) == ([[0.5]], None)


@pytest.mark.parametrize("document", [{}, {"embeddings": []}, {"embeddings": {}}, {"embeddings": [3]}, {"embedding": []}])
def test_what_is_no_answer(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        E.read_answer(document, context())


def test_an_answer_is_written_in_the_shape_of_its_path() -> None:
    shared = context()
    answer = EmbeddingAnswer(vectors=[[0.5], [0.25]], usage=Usage(input=7))
    document = E.write_answer(answer, shared)
    assert (document["model"], document["embeddings"], document["prompt_eval_count"]) == ("asked", [[0.5], [0.25]], 7)
    shared.shape = LEGACY
    assert E.write_answer(answer, shared) == {"embedding": [0.5]}


@pytest.mark.skipif(not RECORDINGS, reason="no recorded traffic")
def test_the_recorded_answer() -> None:
    case = next(p.values[0] for p in recordings("embeddings", part="response") if p.id == "ollama-llama3-text")
    document = jsontext.loads(recorded(case, "request"))
    shared = context()
    assert E.write_request(
        E.read_request(document, shared, Call(shape=LEGACY)), Target(protocol="ollama", model="llama3"), shared
    )
    assert len(E.read_answer(jsontext.loads(recorded(case, "response")), shared).vectors[0]) == 4096

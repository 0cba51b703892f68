from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from ccproxy.errors import Malformed, Unsupported
from ccproxy.model import Context, EmbeddingInput, EmbeddingRequest, Extras, Image, Text
from ccproxy.vectors import dimensions_of, note_unplaced, packed, read_vector, read_vectors, texts_of, unpacked


def request(*inputs: EmbeddingInput, **fields: Any) -> EmbeddingRequest:
    return EmbeddingRequest(origin="a", model="m", inputs=list(inputs), extras=Extras("a", fields))


def test_base64_is_little_endian_floats() -> None:
    assert base64.b64decode(packed([0.5, -2.0])) == struct.pack("<2f", 0.5, -2.0)
    assert unpacked(packed([0.5, -2.0, 0.0])) == [0.5, -2.0, 0.0]
    assert packed([1]) == packed([1.0])


@pytest.mark.parametrize("number", [1e39, 10**400, float("inf"), float("nan")])
def test_a_number_that_no_float_holds_is_not_packed(number: float) -> None:
    with pytest.raises(Malformed):
        packed([0.0, number])


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "",
        "?",
        "AAA=",
        base64.b64encode(bytes([127] * 256)).decode(),
        base64.b64encode(struct.pack("<3f", 0.1, float("nan"), 0.2)).decode(),
        base64.b64encode(struct.pack("<2f", float("nan"), 0.2)).decode(),
        "\u00e9",
        [0.1, "x"],
        [True],
        [[0.1]],
        3,
    ],
)
def test_what_is_no_vector(value: Any) -> None:
    with pytest.raises(Malformed):
        read_vector(value)


def test_vectors_of_numbers_stay_as_they_are() -> None:
    assert read_vectors([[0.1, 2], [-3, 1e-9]]) == [[0.1, 2], [-3, 1e-9]]
    with pytest.raises(Malformed):
        read_vectors({})


def test_texts_for_protocols_that_embed_texts() -> None:
    assert texts_of(request(EmbeddingInput(parts=[Text("a"), Text("b")]), EmbeddingInput(parts=[Text("")])), "b") == [
        "a\nb",
        "",
    ]
    with pytest.raises(Unsupported) as tokens:
        texts_of(request(EmbeddingInput(parts=[Text("a")]), EmbeddingInput(tokens=[1, 2])), "b")
    assert tokens.value.param == "input[1]"
    with pytest.raises(Unsupported, match="image"):
        texts_of(request(EmbeddingInput(parts=[Image(data="aGk=")])), "b")


def test_one_size_for_all() -> None:
    assert dimensions_of(request(EmbeddingInput(dimensions=8), EmbeddingInput(dimensions=8)), "b") == 8
    assert dimensions_of(request(EmbeddingInput()), "b") is None
    with pytest.raises(Unsupported, match="same size"):
        dimensions_of(request(EmbeddingInput(dimensions=8), EmbeddingInput()), "b")


def test_what_has_no_place_is_noted_once() -> None:
    context = Context(client="a", upstream="b")
    rows = [EmbeddingInput(extras=Extras("a", {"taskType": "X", "title": ""})) for _ in range(2)]
    note_unplaced(request(*rows, user="u", nothing=None), "b", context)
    assert [note.partition(" ")[0] for note in context.notes] == ["taskType", "user"]

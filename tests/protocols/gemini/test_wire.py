from __future__ import annotations

import base64

import pytest

from ccproxy.model import Reasoning
from ccproxy.protocols.gemini.wire import (
    camel,
    either,
    read_signature,
    respell,
    snake,
    spelled,
    wire_redacted,
    wire_signature,
)

KNOWN = frozenset({"functionCall", "text"})


@pytest.mark.parametrize(("one", "other"), [("function_call", "functionCall"), ("text", "text"), ("top_k", "topK")])
def test_spellings(one: str, other: str) -> None:
    assert (camel(one), snake(other)) == (other, one)


@pytest.mark.parametrize(
    ("raw", "fields", "shape"),
    [
        ({"functionCall": 1, "text": 2}, {"functionCall": 1, "text": 2}, ""),
        ({"function_call": 1, "my_own": 2}, {"functionCall": 1, "my_own": 2}, "functionCall"),
        ({"function_call": 1, "functionCall": 2}, {"function_call": 1, "functionCall": 2}, ""),
        ({"function__call": 1}, {"function__call": 1}, ""),
    ],
)
def test_objects_come_back_as_they_were_spelled(raw: dict[str, int], fields: dict[str, int], shape: str) -> None:
    assert spelled(raw, KNOWN) == (fields, shape)
    assert respell(fields, shape) == raw


def test_either_spelling() -> None:
    assert either({"top_k": 1}, "topK") == either({"topK": 1}, "topK") == 1
    assert either({}, "topK") is None


@pytest.mark.parametrize("signature", ["sig", "a.b.c", "ccproxy.claude.x", "é\ud800", "x" * 5000])
@pytest.mark.parametrize("origin", ["claude", "responses"])
def test_foreign_signatures_come_back(signature: str, origin: str) -> None:
    wire = wire_signature(signature, origin)
    assert base64.b64decode(wire, validate=True)
    assert read_signature(wire) == Reasoning(signature=signature, origin=origin)
    python = wire.replace("+", "-").replace("/", "_")  # as the Python SDK writes bytes
    assert read_signature(python) == Reasoning(signature=signature, origin=origin)
    assert read_signature(wire_redacted(signature, origin)) == Reasoning(redacted=signature, origin=origin)
    with_words = wire_signature(signature, origin, 'so "é" \ud83d\n')
    assert read_signature(with_words) == Reasoning('so "é" \ud83d\n', signature=signature, origin=origin)


@pytest.mark.parametrize("text", ["thought.", "thought.[1,2]", 'thought.["a"]', "thought.{}", "thought.[[", "thought.é"])
def test_what_only_looks_like_a_thought_is_a_signature(text: str) -> None:
    assert read_signature(wire_signature(text, "claude")) == Reasoning(signature=text, origin="claude")


@pytest.mark.parametrize("signature", ["", "Y2Fs-_", "skip_thought_signature_validator", "Y2Nwcm94eS", "Y2Nwcm94eS4!"])
def test_own_signatures_are_left_alone(signature: str) -> None:
    assert wire_signature(signature, "gemini") == signature
    assert wire_signature(signature, "gemini", "hm") == signature
    assert read_signature(signature) == Reasoning(signature=signature, origin="gemini")

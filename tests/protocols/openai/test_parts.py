"""Content parts as clients send them."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Audio, Document, Image, Opaque, Text
from ccproxy.protocols.openai.parts import write_content, write_part
from ccproxy.protocols.openai.terms import NAME
from tests.protocols.openai.asking import PNG, parts_of


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, Text("a", cache={"type": "ephemeral"})),
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            Image(mime="image/png", data="iVBORw0KGgo=", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://a.test/i"}, Image(url="https://a.test/i")),
        ({"type": "input_audio", "input_audio": {"data": "aa", "format": "mp3"}}, Audio(mime="audio/mpeg", data="aa")),
        (
            {"type": "input_audio", "input_audio": {"data": "data:;base64,aa", "format": "wav"}},
            Audio(mime="audio/wav", data="aa"),
        ),
        ({"type": "input_audio", "input_audio": {"data": "https://a.test/a"}}, Audio(url="https://a.test/a")),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "f.pdf"}},
            Document(mime="application/pdf", data="JVBERi0=", name="f.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "JVBERi0="}}, Document(mime="application/pdf", data="JVBERi0=")),
        ({"type": "file", "file": {"file_data": PNG}}, Image(mime="image/png", data="iVBORw0KGgo=")),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(file_id="file-1")),
        ({"type": "document_url", "document_url": "x"}, Opaque(NAME, {"type": "document_url", "document_url": "x"})),
        ("words", Text("words")),
    ],
)
def test_user_parts(part: Any, expected: Any) -> None:
    assert parts_of({"role": "user", "content": [part]}) == [expected]


@pytest.mark.parametrize(
    ("parts", "as_list", "expected"),
    [
        ([Text("a")], False, "a"),
        ([Text("a")], True, [{"type": "text", "text": "a"}]),
        ([Text("a"), Text("b")], False, [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        ([Text("a", cache={"t": 1})], False, [{"type": "text", "text": "a", "cache_control": {"t": 1}}]),
    ],
)
def test_one_plain_text_is_written_as_text(parts: list[Any], as_list: bool, expected: Any) -> None:
    assert write_content(parts, as_list) == expected


def test_parts_that_a_policy_adds() -> None:
    assert write_part(Document(file_id="file-1")) == {"type": "file", "file": {"file_id": "file-1"}}
    assert write_part(Image(url="u")) == {"type": "image_url", "image_url": {"url": "u"}}
    assert write_part(Audio(mime="audio/wav", data="a")) == {
        "type": "input_audio",
        "input_audio": {"data": "a", "format": "wav"},
    }
